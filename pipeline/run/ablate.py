"""Train the shipped chain without one ingredient at a time, and score it on validation.

``python -m pipeline.run.ablate real``; overrides behind it take the place of `pipeline.run.ablation_lines.SIZE`. It
needs the data and models of a finished ``make repro PRESET=real``, and leaves them as they are: each line is trained in
a folder of its own below ``.cache/ecgfeat/ablations``. A line that was trained before by the same params and code is
not trained again. No test split is read.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ecgfeat.errors import DataError
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import hash_file, publish
from pipeline.params import Params
from pipeline.read import paths
from pipeline.run.ablation_lines import LINES, SIZE, WHOLE, Line
from pipeline.run.ablation_scores import (
    BeatAnswers,
    RhythmValidation,
    answer_by_networks,
    average_answers,
    read_answers,
    read_rhythm_validation,
    score_beats,
    score_gate,
    score_rhythms,
    without_offsets,
)
from pipeline.run.code import ROOT, code_digest
from pipeline.run.repro import compose, preset_override
from pipeline.run.stage import CACHE, run_stage

RESULTS: Final = Path("docs/results/ablations.json")
_TRAINED: Final = {"beats": (paths.BEAT_MODELS, "train_beats"), "rhythm": (paths.RHYTHM_MODEL, "train_rhythm")}


def main(preset: str, *size: str) -> str:
    """Train and score all lines."""
    base = [preset_override(preset), *(size or SIZE)]
    params = compose(base)
    validation = read_rhythm_validation(params)
    answers: dict[tuple[str, ...], BeatAnswers] = {}
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(LINES):
        folder = train_line(line, base)
        scores = _score_line(line, folder, params, validation, answers)
        rows.append({"part": line.part, "without": line.title, "set": list(line.overrides), "scores": scores})
        print(f"ablate: {number + 1} of {len(LINES)}: {line.part} without {line.title}: {json.dumps(scores)}")
        write_results(base, rows)
    whole = [answers[line.overrides] for line in LINES if line.part == "beats" and line.title == WHOLE]
    for title, scores in (
        (f"nothing: mean of {len(whole)} seeds", score_beats(average_answers(whole), calibrated=True)),
        ("calibration", score_beats(answers[()], calibrated=False)),
        ("trees: S by the networks", score_beats(answer_by_networks(params, answers[()]), calibrated=True)),
    ):
        rows.append({"part": "beats", "without": title, "set": [], "scores": scores})
        write_results(base, rows)
    of_whole = next(row["scores"] for row in rows if row["part"] == "rhythm")
    rows.append({"part": "rhythm", "without": "offsets of rhythms", "set": [], "scores": without_offsets(of_whole)})
    write_results(base, rows)
    return f"{RESULTS}: {len(rows)} rows"


def train_line(line: Line, base: Sequence[str]) -> Path:
    """Run the stages of a line in a folder of its own, unless its outputs are there.

    Parameters
    ----------
    line : Line
        The experiment.
    base : sequence of str
        Overrides of all lines.

    Returns
    -------
    Path
        The folder, with ``models/``.

    Raises
    ------
    DataError
        If a stage fails.
    """
    models, stage = _TRAINED[line.part]
    overrides = [*base, *line.overrides]
    reads = [hash_file(paths.BEAT_CLASSIFIER / "classifier.json")] if line.part == "rhythm" else []
    made_by = json.dumps([overrides, compose(overrides).model_dump_json(), code_digest(stage), *reads])
    name = "-".join([line.part, *line.overrides]) or "whole"
    folder = CACHE / "ablations" / "".join(letter if letter.isalnum() else "-" for letter in name)
    done = folder / "done.json"
    if done.is_file() and done.read_text() == made_by and (folder / models).is_dir():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _link_inputs(folder, line)
    params = compose(overrides, folder / "params.yaml")
    commands = [[of, corpus] for of in line.stages for corpus in params.corpora]
    for command in (*commands, [stage]):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-m", f"pipeline.{command[0]}", *command[1:]]
        if subprocess.run(words, cwd=folder, env=environment, check=False).returncode:
            raise DataError(str(folder), found=f"{command[0]} failed", expected="a trained model", remedy="See above.")
    done.write_text(made_by)
    return folder


def write_results(base: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what has been scored so far."""
    preset = base[0].removeprefix("preset=")
    results = {
        "command": f"python -m pipeline.run.ablate {preset}",
        "line": f"make repro PRESET={preset}",
        "size": list(base[1:]),
        "lines": list(rows),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with publish(RESULTS) as part:
        part.write_text(json.dumps(plain_numbers(results), indent=1) + "\n")


def _link_inputs(folder: Path, line: Line) -> None:
    """Link what stages read: the data, and for rhythms the beat classifier; what they write is their own."""
    for source in sorted(Path("data").iterdir()):
        if source.is_dir() and not (source.name == "classes" and "classify" in line.stages):
            (folder / "data").mkdir(exist_ok=True)
            (folder / "data" / source.name).symlink_to(source.absolute())
    (folder / "models").mkdir()
    if line.part == "rhythm":
        (folder / paths.BEAT_MODELS).symlink_to(paths.BEAT_MODELS.absolute())


def _score_line(
    line: Line,
    folder: Path,
    params: Params,
    validation: RhythmValidation,
    answers: dict[tuple[str, ...], BeatAnswers],
) -> dict[str, Any]:
    if line.part == "beats":
        answers[line.overrides] = read_answers(folder, params)
        return score_beats(answers[line.overrides], calibrated=True)
    scores = score_rhythms(folder, validation, params)
    if line.overrides == ("train_rhythm.signal_rows=false",):
        scores["gate"] = score_gate(folder, params)
    return scores


if __name__ == "__main__":
    sys.exit(run_stage("ablate", main))
