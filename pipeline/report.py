"""Stage report: predictions -> scores.json, metrics.json, DVC plots, and one page that needs nothing else."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

import ecgfeat
from ecgfeat.acquire.manifest import read_manifest
from ecgfeat.corpora import get_corpus
from ecgfeat.report.inputs import CorpusInfo, ReportInputs, tally_corpus
from ecgfeat.report.page import render_page
from ecgfeat.report.strip import Strip
from ecgfeat.report.tachogram import Tachogram
from ecgfeat.rhythm.decoding import chosen_view
from ecgfeat.scoring.headline import headline_numbers
from ecgfeat.scoring.repeats import repeats_of
from ecgfeat.scoring.summary import summarise
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.store.arrays import open_array
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
    RPEAKS,
    SIGNALS,
)
from ecgfeat.store.tables import Columns, read_table, split_by_record
from pipeline.params import Params, find_oracles, read_params
from pipeline.read import paths
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
    tables = {
        name: read_table(paths.PREDICTIONS / f"{name}.parquet", schema)
        for name, schema in (("rpeaks", RPEAK_SCORES), ("beats", BEAT_PREDICTIONS), ("rhythm", RHYTHM_PREDICTIONS))
    }
    scores = summarise(
        **tables,
        oracles=find_oracles(params),
        fs_hz=COMMON_FS_HZ,
        seed=params.seed,
        detector=params.rpeaks.method,
        num_resamples=params.report.bootstrap,
    )
    if paths.REPEATS.is_file():
        scores |= repeats_of(json.loads(paths.REPEATS.read_text()), scores["rhythm"])
    corpora = [describe_corpus(slug, params) for slug in params.corpora]
    scores["oracles_by_protocol"] = {
        protocol: scores["oracles"] | {"episodes": protocol == "episode"} for protocol in params.evaluate.protocols
    }
    described = json.loads((paths.TIMELINE_MODEL / "model.json").read_text())["info"]
    scores["chosen_view"] = chosen_view(described["decoders"], params.evaluate.views)
    scores["sensitivity"] = json.loads(paths.SENSITIVITY.read_text())
    scores["corpora"] = {info.slug: {"signals": info.signals, "version": info.version} for info in corpora}
    logs = {
        name: json.loads((folder / "model.json").read_text())["info"]["log"] for name, folder in _MODEL_FOLDERS.items()
    }
    records = {slug: read_table(paths.records(slug), RECORDS) for slug in params.corpora}
    stretches = Stretches()
    page = render_page(
        ReportInputs(
            metrics=scores,
            corpora=corpora,
            records=records,
            tallies=[
                tally
                for slug, table in records.items()
                for tally in tally_corpus(
                    slug, table, read_table(paths.beats(slug), BEAT_TABLE), read_table(paths.episodes(slug), EPISODES)
                )
            ],
            fs_hz=COMMON_FS_HZ,
            detector=params.rpeaks.method,
            head=params.rhythm.head,
            stages=read_edges(Path("dvc.yaml")),
            training={name: log for name, log in logs.items() if log},
            read_strip=stretches.read_strip,
            read_tachogram=stretches.read_tachogram,
            num_worst=params.report.worst_records,
            version=ecgfeat.__version__,
            params=flatten(params.model_dump(exclude={"runtime"})),
            selection=[SELECTION[key] for key in (params.train_htf.keep, "rhythm", "tried")],
            rpeaks=tables["rpeaks"],
            beats=tables["beats"],
            rhythm=tables["rhythm"],
        )
    )
    for path, numbers in ((paths.SCORES, scores), (paths.METRICS, headline_numbers(scores))):
        with publish(path) as part:
            part.write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n")
    with publish(paths.REPORT) as part:
        part.write_text(page, encoding="utf-8")
    write_plots(logs, tables["rhythm"], params)
    return f"{paths.REPORT}, {paths.SCORES} and {paths.METRICS}"


_MODEL_FOLDERS = {"htf": paths.HTF_MODEL, "timeline": paths.TIMELINE_MODEL, "window": paths.WINDOW_MODEL}


def describe_corpus(slug: str, params: Params) -> CorpusInfo:
    """Say where a corpus comes from and how it is split."""
    corpus, manifest = get_corpus(slug), read_manifest(paths.raw(slug))
    table = read_table(paths.records(slug), RECORDS, ["record", "split"])
    split = "\n".join(f"{record},{part}" for record, part in zip(table["record"], table["split"], strict=True))
    files = json.dumps(manifest["files"], sort_keys=True)
    return CorpusInfo(
        slug=slug,
        title=corpus.title,
        version=corpus.version,
        signals=manifest["signals"],
        licence=corpus.licence,
        citation=corpus.citation,
        files_sha256=sha256(files.encode()).hexdigest(),
        split_name=corpus.default_split if params.annotate.split == "default" else params.annotate.split,
        split_sha256=sha256(split.encode()).hexdigest(),
        split_note=" ".join(f"{record} is not used: {why}." for record, why in corpus.excluded.items()),
    )


def read_edges(path: Path) -> list[tuple[str, str]]:
    """Return the stages of dvc.yaml that read each other's outputs, as (from, to)."""
    stages = YAML(typ="safe").load(path)["stages"]
    made: dict[str, str] = {}
    for name, stage in stages.items():
        made |= {str(out).removesuffix("${item.corpus}"): name for out in stage.get("outs", [])}
    pairs = {
        (maker, name): None
        for name, stage in stages.items()
        for dep in stage.get("deps", [])
        for out, maker in made.items()
        if maker != name and (dep.startswith(out) or out.startswith(f"{dep}/"))
    }
    return list(pairs)


class Stretches:
    """Reads stretches of records; the R-peaks of a corpus, a table of days, are read once and not for each stretch."""

    def __init__(self) -> None:
        self._rpeaks: dict[str, dict[str, Columns]] = {}

    def read_strip(self, slug: str, record: str, start_s: float, stop_s: float) -> Strip | None:
        """Return the ECG of a stretch with its R-peaks; None where there is no signal."""
        store = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
        if record not in store.rows:
            return None
        start, stop = (round(at_s * COMMON_FS_HZ) for at_s in (start_s, stop_s))
        signal_mv_SC = to_millivolts(store.read(record)[start:stop])
        if not len(signal_mv_SC):
            return None
        rpeaks = self._rpeaks_between(slug, record, start_s, stop_s)
        records = read_table(paths.records(slug), RECORDS, ["record", "leads", "signals"])
        row = int(np.flatnonzero(records["record"] == record)[0])
        leads = [str(lead) for lead in records["leads"][row]]
        leads += [f"lead {number + 1}" for number in range(len(leads), signal_mv_SC.shape[1])]
        note = "" if records["signals"][row] == "measured" else f"{records['signals'][row]} waveforms"
        return Strip(
            title=f"{slug}/{record}",
            signal_mv_SC=signal_mv_SC,
            fs_hz=COMMON_FS_HZ,
            leads=leads,
            start_s=start_s,
            rpeak_s=rpeaks["time_s"],
            reference_label=[str(label) for label in rpeaks["aami"]],
            note=note,
        )

    def read_tachogram(self, slug: str, record: str, start_s: float, stop_s: float) -> Tachogram | None:
        """Return the RR intervals of a stretch; None where there are no R-peaks."""
        rpeaks = self._rpeaks_between(slug, record, start_s, stop_s)
        if not len(rpeaks["time_s"]):
            return None
        label = [str(name) for name in rpeaks["aami"]]
        return Tachogram(f"{slug}/{record}", start_s, stop_s, rpeaks["time_s"], rpeaks["rr_s"], label)

    def _rpeaks_between(self, slug: str, record: str, start_s: float, stop_s: float) -> Columns:
        if slug not in self._rpeaks:
            table = read_table(paths.rpeaks(slug), RPEAKS, ["record", "time_s", "rr_s", "aami"])
            self._rpeaks[slug] = split_by_record(table) | {"": {name: column[:0] for name, column in table.items()}}
        rpeaks = self._rpeaks[slug].get(record, self._rpeaks[slug][""])
        inside = (rpeaks["time_s"] >= start_s) & (rpeaks["time_s"] < stop_s)
        return {name: column[inside] for name, column in rpeaks.items()}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested params by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def write_plots(logs: Mapping[str, Sequence[Mapping[str, float]]], rhythm: Columns, params: Params) -> None:
    """Write what ``dvc plots show`` draws: training curves, and the confusion of the main head in one view.

    Known episodes where they are scored: a row for each beat of a day would be too much for a browser.
    """
    protocol = "episode" if "episode" in params.evaluate.protocols else params.evaluate.protocols[-1]
    with publish(paths.PLOTS) as folder:
        folder.mkdir()
        for name, log in logs.items():
            (folder / f"{name}_training.json").write_text(json.dumps(list(log), indent=1) + "\n")
        rows = (rhythm["view"] == "single") & (rhythm["protocol"] == protocol) & np.isin(rhythm["reference"], RHYTHMS)
        rows &= rhythm["head"] == params.rhythm.head
        with open(folder / "rhythm_confusion.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["reference", "predicted"])
            writer.writerows(zip(rhythm["reference"][rows], rhythm["predicted"][rows], strict=True))


if __name__ == "__main__":
    sys.exit(run_stage("report", main))
