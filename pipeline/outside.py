"""Stage outside: records that took no part in training, by the whole chain -> what is predicted, and its scores."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arrhythmia.plain import load_rr_trees
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.device import choose_device
from ecgfeat.features.intervals import usual_interval
from ecgfeat.prediction.beat_rows import tabulate_beats
from ecgfeat.prediction.episodes import NamedStretch
from ecgfeat.prediction.models import Models, load_models, name_classified
from ecgfeat.prediction.whole_rows import beat_rhythms, score_episodes, state_episodes, state_record, summarise_named
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.row_parts import tabulate_rhythms
from ecgfeat.rhythm.rows import HeadOutput
from ecgfeat.scoring.outside import summarise_outside
from ecgfeat.signals.rpeak_table import to_common_rate
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import BEAT_PREDICTIONS, COMMON_FS_HZ, EPISODE_SCORES, RECORD_SCORES, RHYTHM_PREDICTIONS
from ecgfeat.store.seal import write_report
from ecgfeat.store.tables import Columns, open_writer, read_table, write_table
from ecgfeat.trees import Trees
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.read.outside import OutsideRecord, read_annotated_variants, read_outside, signal_kinds
from pipeline.run.stage import progress_bar, run_stage

Named = list[tuple[NamedStretch, NDArray[np.float32]]]


SCHEMAS: Final = {
    "records": RECORD_SCORES,
    "beats": BEAT_PREDICTIONS,
    "rhythm": RHYTHM_PREDICTIONS,
    "episodes": EPISODE_SCORES,
}
"""Tables of what is predicted, by the names of their files."""


def main() -> str:
    """Name the records, and score what their labels allow."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    models, rr_trees = load_models(paths.MODELS, needs_signals=False), load_rr_trees(paths.RR_TREES)
    made_by = {"split": params.outside.split, "outside": params.outside.corpora, "models": dict(models.checksums)}
    with publish(paths.OUTSIDE_PREDICTIONS) as folder:
        predict_outside(folder, params, models, rr_trees, made_by, device)
    scores = score_outside(params)
    made_by["signals"] = signal_kinds(params)
    with publish(paths.OUTSIDE) as part:
        write_report(part, "outside", made_by | scores, sort_keys=True)
    return "; ".join(_describe_scores(scores)) or "no record to score"


def predict_outside(
    folder: Path, params: Params, models: Models, rr_trees: Trees, made_by: dict[str, Any], device: torch.device
) -> None:
    """Name the records one by one, and write what is predicted of each before the next is read."""
    wholes: list[dict[str, Any]] = []
    with ExitStack() as stack:
        append = {
            name: stack.enter_context(open_writer(folder / f"{name}.parquet", schema, made_by))
            for name, schema in SCHEMAS.items()
            if name != "records"
        }
        for whole in _predict(params, models, rr_trees, append, device):
            wholes.append(whole)
    columns = {name: [whole[name] for whole in wholes] for name in RECORD_SCORES.columns}
    write_table(folder / "records.parquet", columns, RECORD_SCORES, made_by)


def _predict(
    params: Params,
    models: Models,
    rr_trees: Trees,
    append: Mapping[str, Callable[[Columns], int]],
    device: torch.device,
) -> Iterator[dict[str, Any]]:
    """Append what is predicted of each record, and yield its row."""
    for record in progress_bar(read_outside(params, models.classifier), desc="outside", unit="record"):
        named = name_classified(models, record.stretches, record.usual_s, record.parts, device=device)
        yield _describe_whole(record) | summarise_named(record.stretches, named, record.usual_s, rr_trees)
        if record.reference is not None:
            for rows in _beat_rows(record, named, params.outside.split):
                append["beats"](rows)
        # The rhythm head has seen the rhythms of training records.
        is_new = params.outside.split == "test" or record.stated
        if record.stretches and is_new and (record.whole.episodes.rhythm != "").any():
            append["rhythm"](_rhythm_rows(models.head.method, models, record.stretches, named))
            for rows in _episode_rows(record, named):
                append["episodes"](rows)
    variants = read_annotated_variants(params, models.classifier)
    for whole, probability_of in progress_bar(variants, desc="outside, annotations", unit="record"):
        for name, probability_LK in probability_of.items():
            named = name_classified(models, [whole], usual_interval(whole.rr_s), [probability_LK], device=device)
            rows = _rhythm_rows(name, models, [whole], named)
            append["rhythm"]({key: column[rows["view"] == "viterbi"] for key, column in rows.items()})


def score_outside(params: Params) -> dict[str, Any]:
    """Compute the scores from the tables of predictions, and from nothing else."""
    tables = {
        name: read_table(paths.OUTSIDE_PREDICTIONS / f"{name}.parquet", schema) for name, schema in SCHEMAS.items()
    }
    # Scores of chosen records are those of a split all the same.
    tables["beats"]["split"] = np.full(len(tables["beats"]["split"]), "test", dtype=object)
    return summarise_outside(
        **tables,
        without={slug: get_corpus(slug).heavy_records for slug in params.corpora},
        fs_hz=COMMON_FS_HZ,
        num_resamples=params.outside.bootstrap,
        seed=params.seed,
    )


def _describe_whole(record: OutsideRecord) -> dict[str, Any]:
    """Say what is known of a record."""
    whole = record.whole
    about = {name: getattr(whole, name) for name in ("corpus", "subject", "record")}
    about |= {"duration_s": record.duration_s, "usable_s": record.usable_s}
    if record.stated:
        return about | state_record(record.stated, get_diagnostic_corpus(whole.corpus), 60 / record.usual_s[1])
    return about | state_episodes(whole.episodes)


def _beat_rows(record: OutsideRecord, named: Named, split: str) -> list[Columns]:
    """Lay out the classified beats of a record, stretch by stretch."""
    assert record.reference is not None
    whole, parts = record.whole, []
    about = {"corpus": whole.corpus, "subject": whole.subject, "record": whole.record, "split": split}
    position = to_common_rate(record.reference["sample"], record.fs_hz)
    for stretch, (of, _) in zip(record.stretches, named, strict=True):
        rpeaks = {name: column[stretch.rows] for name, column in record.rpeaks.items()}
        inside = stretch.contains(position)
        reference = {name: column[inside] for name, column in record.reference.items()}
        options = {"label_L": of.label, "history": "none", **about}
        parts.append(tabulate_beats(rpeaks, of.probability, reference, record.fs_hz, **options))
    return parts


def _episode_rows(record: OutsideRecord, named: Named) -> list[Columns]:
    """Lay out the episodes that a user is given of a record, stretch by stretch."""
    parts = []
    for stretch, (of, _) in zip(record.stretches, named, strict=True):
        feature = {name: column[stretch.rows] for name, column in record.feature.items()}
        columns = score_episodes(stretch, replace(of, feature=feature))
        about = {name: getattr(stretch, name) for name in ("corpus", "subject", "record")}
        size = len(columns["rhythm"])
        parts.append({name: np.full(size, value, dtype=object) for name, value in about.items()} | columns)
    return parts


def _rhythm_rows(name: str, models: Models, stretches: Sequence[RhythmRecord], named: Named) -> Columns:
    """Lay out the rhythm of every beat of a record: the most probable one, and the one that is named."""
    posterior_NK = np.concatenate([posterior_LK for _, posterior_LK in named])
    path_N = np.concatenate([beat_rhythms(stretch, of) for stretch, (of, _) in zip(stretches, named, strict=True)])
    output = HeadOutput(name, posterior_NK[None], models.head.prior, {"viterbi": path_N})
    return tabulate_rhythms([output], stretches, ["timeline"], window_samples=1)


def _write(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def _describe_scores(scores: dict[str, Any]) -> list[str]:
    """Return a line for each kind of score and corpus."""
    lines = []
    for slug, of in scores["beats"].items():
        f1 = ", ".join(f"{name} {_write(of[f'{name.lower()}_f1'])}" for name in "NSV")
        lines.append(f"beats of {slug}: F1 {f1}")
    for slug, heads in scores["rhythm"].items():
        for head, views in heads.items():
            of = views["viterbi"]
            macro, afib = _write(of["macro_f1"]), _write(of["f1"].get("AFIB"))
            lines.append(f"rhythm of {slug}, {head}: macro F1 {macro}, AFIB {afib}")
    for slug, of in scores["records"].items():
        if "af" in of:
            areas = [_write(of["af"][name]["auroc"]) for name in ("both", "rr_irregular")]
            lines.append(f"AF of {slug}: AUROC {areas[0]}, {areas[1]} by RR")
        if "normal" in of:
            lines.append(f"share called ectopic in normal records of {slug}: {_write(of['normal']['share_ectopic'])}")
    return lines


if __name__ == "__main__":
    sys.exit(run_stage("outside", main))
