"""What training costs on this machine: measured with few steps on two small simulated corpora, and kept.

``python -m pipeline.run.training_costs`` prints the measured runs as JSON. The time of a training is a start, so much
per beat of the corpora (reading, describing, validating), and so much per unit of what is learnt from: the number of
steps is fixed by params, or grows with the corpus. ``train_rhythm`` takes a part of each record, and cares for the
number of records only.
"""

import contextlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ecgfeat.corpora.simulated import SIMULATE
from pipeline.params import Params
from pipeline.read import paths
from pipeline.run.code import code_digest
from pipeline.run.plan_costs import STAGES, measure_apart, measured_here, run_stage_apart
from pipeline.run.repro import compose

TRAINING: Final = ("train_beats", "train_rhythm", "train_htf", "train_timeline", "train_window")

_FEW: Final = (
    "train_beats.folds=2",
    "train_beats.steps=4",
    "train_rhythm.epochs=1",
    "train_htf.epochs=1",
    "train_timeline.epochs=1",
    "train_timeline.chunks=64",
    "train_window.pretrain_epochs=0",
    "train_window.epochs=1",
)
_MANY: Final = (
    "train_beats.folds=2",
    "train_beats.steps=16",
    "train_rhythm.epochs=4",
    "train_htf.epochs=3",
    "train_timeline.epochs=1",
    "train_timeline.chunks=512",
    "train_window.pretrain_epochs=0",
    "train_window.epochs=4",
)
_SUBJECTS: Final = 8
_RUNS: Final = ((4, (_FEW, _MANY)), (40, (_FEW,)))
"""Minutes of each record, and what is trained on them. The longer ones have all parts that `train_rhythm` takes."""

_ORDER: Final = ("train_beats", "classify", "train_rhythm", "train_htf", "embed", "train_timeline", "train_window")


@dataclass(frozen=True)
class TrainingCost:
    """Seconds of one core that a training takes.

    Attributes
    ----------
    start, per_beat, per_record, per_unit : float
        At the start, for a beat and a record of the corpora, and for a unit of `learnt_units`.
    """

    start: float
    per_beat: float
    per_record: float
    per_unit: float

    def at(self, num_records: float, num_beats: float, units: float) -> float:
        """Return the seconds for a number of records, beats and units."""
        return self.start + self.per_record * num_records + self.per_beat * num_beats + self.per_unit * units


def learnt_units(stage: str, params: Params, *, num_records: int, num_beats: int) -> float:
    """Return how much is learnt from in all epochs of a training.

    Parameters
    ----------
    stage : str
        One of `TRAINING`.
    params : Params
        All params.
    num_records, num_beats : int
        Of the corpora together.

    Returns
    -------
    float
        Chunks of ``train_beats`` and ``train_timeline``, whose number is fixed; records times draws of
        ``train_rhythm``; beats, times epochs, of ``train_htf`` and ``train_window``. 0: it is left out.
    """
    if stage == "train_beats":
        beats = params.train_beats
        return (beats.folds + beats.seeds) * beats.steps * beats.batch
    if stage == "train_rhythm":
        return params.train_rhythm.epochs * params.train_rhythm.per_rhythm * num_records
    if stage == "train_htf":
        return params.train_htf.epochs * num_beats * (params.rhythm.features == "embeddings")
    if stage == "train_timeline":
        return params.train_timeline.epochs * params.train_timeline.chunks
    window = params.train_window
    return (window.pretrain_epochs + window.epochs) * num_beats * (window.epochs > 0)


def read_training_costs() -> dict[str, TrainingCost]:
    """Return what each training costs on this machine; measure it, in two minutes, where that is not known yet.

    Returns
    -------
    dict of str to TrainingCost
        By stage.

    Raises
    ------
    DataError
        If the stages do not run here.
    """
    key = (str(_RUNS), *(code_digest(stage) for stage in (*STAGES, *TRAINING)))
    return fit_training(measured_here("pipeline.run.training_costs", key, "training, some two minutes"))


def fit_training(runs: list[dict[str, Any]]) -> dict[str, TrainingCost]:
    """Fit what training costs to three runs, as `measure_training` gives them: few units, many, and more beats."""
    few, many, long = runs

    def fit(stage: str) -> TrainingCost:
        (few_s, few_units), (many_s, many_units), (long_s, long_units) = (run["stages"][stage] for run in runs)
        per_unit = max(0.0, (many_s - few_s) / (many_units - few_units))
        if stage == "train_rhythm":
            return TrainingCost(0.0, 0.0, max(0.0, long_s - per_unit * long_units) / long["records"], per_unit)
        rest_s = long_s - few_s - per_unit * (long_units - few_units)
        per_beat = max(0.0, rest_s / (long["beats"] - few["beats"]))
        return TrainingCost(max(0.0, few_s - per_unit * few_units - per_beat * few["beats"]), per_beat, 0.0, per_unit)

    assert many["beats"] == few["beats"], "the same corpus"
    return {stage: fit(stage) for stage in TRAINING}


def measure_training() -> list[dict[str, Any]]:
    """Train on simulated records, in a folder of their own.

    Returns
    -------
    list of dict
        ``records``, ``beats``; of each of ``stages`` seconds of one core, and `learnt_units`.
    """
    import pyarrow.parquet as pq

    runs = []
    for minutes, settings in _RUNS:
        sizes = [f"acquire.subjects={_SUBJECTS}", f"acquire.minutes={minutes}", "short_records.corpora=[]"]
        sizes += ["outside.corpora=[]", "runtime.workers=1", "runtime.device=cpu", "runtime.engine=local"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "params.yaml"
            params = [compose([*sizes, *of], path.with_suffix(f".{number}")) for number, of in enumerate(settings)]
            with contextlib.chdir(folder):
                for number, of in enumerate(params):
                    path.with_suffix(f".{number}").rename(path)
                    if not number:
                        for stage in STAGES[: STAGES.index("classify")]:
                            run_stage_apart(stage, SIMULATE.slug)
                        num_beats = pq.read_metadata(paths.rpeaks(SIMULATE.slug)).num_rows
                    cost = {
                        stage: run_stage_apart(stage, *([] if stage in TRAINING else [SIMULATE.slug]))["cpu_s"]
                        for stage in _ORDER
                    }
                    size = {"num_records": _SUBJECTS, "num_beats": num_beats}
                    trained = {stage: (cost[stage], learnt_units(stage, of, **size)) for stage in TRAINING}
                    runs.append({"records": _SUBJECTS, "beats": num_beats, "stages": trained})
    return runs


if __name__ == "__main__":
    sys.exit(measure_apart(measure_training, (*STAGES, *TRAINING)))
