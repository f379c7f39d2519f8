"""What the report shows beside scores: facts of a corpus, arrows between stages, ECG and RR intervals of a part."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from ecgfeat.acquire.manifest import read_manifest
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import DIAGNOSTIC_CORPORA, get_diagnostic_corpus
from ecgfeat.report.drawings.strip import Strip
from ecgfeat.report.drawings.tachogram import Tachogram
from ecgfeat.report.results.inputs import CorpusInfo, Term
from ecgfeat.report.templates import parse_glossary
from ecgfeat.scoring.tables import read_if_small
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.store.arrays import open_array
from ecgfeat.store.feature_columns import NUM_LEADS
from ecgfeat.store.record_rows import RecordRows
from ecgfeat.store.schemas import COMMON_FS_HZ, EPISODE_SCORES, LEADS, RECORDS, RHYTHM_PREDICTIONS, RPEAKS, SIGNALS
from ecgfeat.store.tables import Columns, read_table
from pipeline.params import Params
from pipeline.read import paths

ROOT = Path(__file__).parents[2]
"""Folder of the checkout."""


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


def read_passages() -> dict[str, Columns | Path]:
    """Return the tables of the outside evaluation that its strips are found in, a large one of rhythms as its file."""
    schemas = {"rhythm": RHYTHM_PREDICTIONS, "episodes": EPISODE_SCORES}
    files = {name: paths.OUTSIDE_PREDICTIONS / f"{name}.parquet" for name in schemas}
    if not all(path.is_file() for path in files.values()):
        return {}
    rhythm = read_if_small(files["rhythm"], RHYTHM_PREDICTIONS)
    return {"outside_rhythm": rhythm, "outside_episodes": read_table(files["episodes"], EPISODE_SCORES)}


def read_glossary() -> list[Term]:
    """Return the words that the page explains: those of the checkout's glossary, whichever folder the run is in."""
    return parse_glossary((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))


class RecordParts:
    """Reads parts of records; what stands where in the R-peaks of a corpus is found once and not for each part."""

    def __init__(self) -> None:
        self._rpeaks: dict[str, RecordRows] = {}

    def read_strip(self, slug: str, record: str, start_s: float, stop_s: float) -> Strip | None:
        """Return the ECG of a part with its R-peaks; None where there is no signal."""
        is_short = slug in DIAGNOSTIC_CORPORA
        records = read_table(paths.records(slug), RECORDS, ["record", "leads", "signals", "fs_hz"])
        row = int(np.flatnonzero(records["record"] == record)[0])
        if is_short:
            fs_hz, store = float(records["fs_hz"][row]), open_array(paths.leads(slug), LEADS)
        else:
            fs_hz, store = COMMON_FS_HZ, open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
        if record not in store.rows:
            return None
        start, stop = (round(at_s * fs_hz) for at_s in (start_s, stop_s))
        # Beat classes are read from the first leads; more would not fit under each other.
        signal_mv_SC = to_millivolts(store.read(record)[start:stop, : NUM_LEADS if is_short else None])
        if not len(signal_mv_SC):
            return None
        rpeaks = self._rpeaks_between(slug, record, start_s, stop_s)
        names = get_diagnostic_corpus(slug).lead_names[:NUM_LEADS] if is_short else records["leads"][row]
        leads = [str(lead) for lead in names]
        leads += [f"lead {number + 1}" for number in range(len(leads), signal_mv_SC.shape[1])]
        note = "" if records["signals"][row] == "measured" else f"{records['signals'][row]} waveforms"
        return Strip(
            title=f"{slug}/{record}",
            signal_mv_SC=signal_mv_SC,
            fs_hz=fs_hz,
            leads=leads,
            start_s=start_s,
            rpeak_s=rpeaks["time_s"],
            reference_label=[str(label) for label in rpeaks["aami"]],
            note=note,
        )

    def read_tachogram(self, slug: str, record: str, start_s: float, stop_s: float) -> Tachogram | None:
        """Return the RR intervals of a part; None where there are no R-peaks."""
        rpeaks = self._rpeaks_between(slug, record, start_s, stop_s)
        if not len(rpeaks["time_s"]):
            return None
        label = [str(name) for name in rpeaks["aami"]]
        return Tachogram(f"{slug}/{record}", start_s, stop_s, rpeaks["time_s"], rpeaks["rr_s"], label)

    def _rpeaks_between(self, slug: str, record: str, start_s: float, stop_s: float) -> Columns:
        if slug not in self._rpeaks:
            self._rpeaks[slug] = RecordRows(paths.rpeaks(slug), RPEAKS, ["record", "time_s", "rr_s", "aami"])
        rows_of = self._rpeaks[slug]
        rpeaks = rows_of.get(record, rows_of.no_rows)
        inside = (rpeaks["time_s"] >= start_s) & (rpeaks["time_s"] < stop_s)
        return {name: column[inside] for name, column in rpeaks.items()}
