"""Stage report: predictions -> scores.json, metrics.json, DVC plots, and one page that needs nothing else."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgfeat.report.page import render_page
from ecgfeat.report.results.inputs import ReportInputs, tally_corpus
from ecgfeat.rhythm.decoding import chosen_view
from ecgfeat.scoring.headline import headline_numbers
from ecgfeat.scoring.repeats import repeats_of
from ecgfeat.scoring.summary import summarise
from ecgfeat.scoring.tables import count_texts, read_if_small, read_rows, values
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import (
    BEAT_PREDICTIONS,
    BEAT_TABLE,
    COMMON_FS_HZ,
    EPISODES,
    RECORDS,
    RHYTHM_PREDICTIONS,
    RHYTHMS,
    RPEAK_SCORES,
)
from ecgfeat.store.seal import FILES, list_files, read_report, write_report
from ecgfeat.store.tables import Columns, open_checked, read_table
from ecgfeat.version import __version__
from pipeline.params import Params, read_params
from pipeline.params.oracles import find_oracles
from pipeline.read import paths
from pipeline.read.report import RecordParts, describe_corpus, read_edges, read_glossary, read_passages
from pipeline.run.stage import run_stage

SELECTION = {
    "last": "Beat embedder: the weights of the last epoch; nothing is chosen.",
    "best": "Beat embedder: the epoch with the best macro F1 on the validation records.",
    "rhythm": "Rhythm heads: the epoch with the best macro F1 on the validation records; for the timeline head the "
    "mean of the macro F1 of beats and of episodes. Its smoothing: the best there, by beats.",
    "tried": "This run tried one configuration. docs/model-card.md describes how its params were chosen, and how often "
    "the test records were opened. Each comparison of runs by their test scores opens them once more.",
}


def main() -> str:
    """Score the predictions and write them up."""
    params = read_params()
    schemas = {"rpeaks": RPEAK_SCORES, "beats": BEAT_PREDICTIONS, "rhythm": RHYTHM_PREDICTIONS}
    # Rows of beats and rhythms of days do not fit into memory together: they are read view by view.
    tables = {name: read_if_small(paths.PREDICTIONS / f"{name}.parquet", schema) for name, schema in schemas.items()}
    scores = summarise(
        **tables,
        oracles=find_oracles(params),
        fs_hz=COMMON_FS_HZ,
        seed=params.seed,
        detector=params.rpeaks.method,
        num_resamples=params.report.bootstrap,
    )
    if paths.REPEATS.is_file():
        scores |= repeats_of(read_report(paths.REPEATS, "repeats"), scores["rhythm"])
    corpora = [describe_corpus(slug, params) for slug in params.corpora]
    scores["oracles_by_protocol"] = {
        protocol: scores["oracles"] | {"episodes": protocol == "episode"} for protocol in params.evaluate.protocols
    }
    described = json.loads((paths.TIMELINE_MODEL / "model.json").read_text())["info"]
    scores["chosen_view"] = chosen_view(described["decoders"], params.evaluate.timeline_views)
    scores["sensitivity"] = read_report(paths.SENSITIVITY, "sensitivity")
    scores["corpora"] = {info.slug: {"signals": info.signals, "version": info.version} for info in corpora}
    logs = {
        name: json.loads((folder / "model.json").read_text())["info"]["log"] for name, folder in _MODEL_FOLDERS.items()
    }
    records = {slug: read_table(paths.records(slug), RECORDS) for slug in params.corpora}
    record_parts = RecordParts()
    page = render_page(
        ReportInputs(
            metrics=scores,
            corpora=corpora,
            records=records,
            tallies=[
                tally
                for slug, table in records.items()
                for tally in tally_corpus(slug, table, count_beats(slug), read_table(paths.episodes(slug), EPISODES))
            ],
            fs_hz=COMMON_FS_HZ,
            detector=params.rpeaks.method,
            head=params.rhythm.head,
            stages=read_edges(Path("dvc.yaml")),
            training={name: log for name, log in logs.items() if log},
            read_strip=record_parts.read_strip,
            read_tachogram=record_parts.read_tachogram,
            num_worst=params.report.worst_records,
            outside=read_report(paths.OUTSIDE, "outside") if paths.OUTSIDE.is_file() else {},
            diagnoses=[
                read_report(paths.record_tree_scores(slug) / "scores.json", "record_trees")
                for slug in params.diagnostic_corpora
            ],
            version=__version__,
            params=flatten(params.model_dump(exclude={"runtime"})),
            selection=[SELECTION[key] for key in (params.train_htf.keep, "rhythm", "tried")],
            glossary=read_glossary(),
            rpeaks=tables["rpeaks"],
            beats=tables["beats"],
            rhythm=tables["rhythm"],
            **read_passages(),
        )
    )
    with publish(paths.METRICS) as part:  # DVC compares these numbers from run to run: nothing else is among them
        part.write_text(json.dumps(headline_numbers(scores), indent=1, sort_keys=True) + "\n")
    with publish(paths.REPORT) as part:
        part.write_text(page, encoding="utf-8")
    write_plots(logs, tables["rhythm"], params)
    written = [paths.METRICS, paths.REPORT, *paths.PLOTS.iterdir()]
    with publish(paths.SCORES) as part:
        write_report(part, "scores", scores | {FILES: list_files(paths.SCORES.parent, written)}, sort_keys=True)
    return f"{paths.REPORT}, {paths.SCORES} and {paths.METRICS}"


def count_beats(slug: str) -> Columns:
    """Count the reference beats of each class of each record."""
    open_checked(paths.beats(slug), BEAT_TABLE).close()
    count = count_texts(paths.beats(slug), ["record", "aami"])
    record, aami = (np.array([key[side] for key in count], dtype=object) for side in (0, 1))
    return {"record": record, "aami": aami, "count": np.array(list(count.values()), dtype=np.int64)}


_MODEL_FOLDERS = {"htf": paths.HTF_MODEL, "timeline": paths.TIMELINE_MODEL, "window": paths.WINDOW_MODEL}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested params by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def write_plots(logs: Mapping[str, Sequence[Mapping[str, float]]], rhythm: Columns | Path, params: Params) -> None:
    """Write what ``dvc plots show`` draws: training curves, and the confusion of the main head in one view.

    Known episodes where they are scored: a row for each beat of a day would be too much for a browser.
    """
    protocol = "episode" if "episode" in params.evaluate.protocols else params.evaluate.protocols[-1]
    with publish(paths.PLOTS) as folder:
        folder.mkdir()
        for name, log in logs.items():
            (folder / f"{name}_training.json").write_text(json.dumps(list(log), indent=1) + "\n")
        texts = {"head": params.rhythm.head, "protocol": protocol, "view": "single"}
        if isinstance(rhythm, Path):
            rhythm = read_rows(rhythm, texts)
        is_shown = np.logical_and.reduce([values(rhythm, name) == text for name, text in texts.items()])
        sides = [values(rhythm, name)[is_shown] for name in ("reference", "predicted")]
        is_scored = np.isin(sides[0], RHYTHMS)
        with open(folder / "rhythm_confusion.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["reference", "predicted"])
            writer.writerows(zip(*(side[is_scored] for side in sides), strict=True))


if __name__ == "__main__":
    sys.exit(run_stage("report", main))
