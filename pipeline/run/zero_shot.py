"""Name the records of a corpus by models that were cross-validated on another: no training, nothing tuned.

``python -m pipeline.run.zero_shot SOURCE TARGET MODEL``, by hand and not by DVC: which pairs are worth comparing is no
property of a run. It needs ``crossvalidate`` of the source, and of the target ``diagnoses`` or, where it is a corpus of
rhythms, ``signals`` and ``annotate``: then segments of 10 s are named as fibrillation or not.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena import BEATS_ONLY, get_system
from ecgfeat.arena.checkpoint import load_system, read_description
from ecgfeat.arena.signal_table import Band, SignalTable, prepare_signal
from ecgfeat.arena.transfer import arrange_leads, predict_by_folds
from ecgfeat.arena.zero_shot import SEGMENT_S, find_groups, label_af_segments, refer_to_groups, score_groups
from ecgfeat.corpora import CORPORA
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.corpora.leads import standard_lead
from ecgfeat.device import choose_device
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.annotations import Episodes
from ecgfeat.scoring.diagnosis import diagnosis_scores
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.arrays import open_array
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import COMMON_FS_HZ, EPISODES, SIGNALS
from ecgfeat.store.tables import read_table, split_by_record
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.beats import read_records
from pipeline.read.diagnoses import read_diagnostic_records
from pipeline.run.stage import progress_bar, run_stage

MODIFIED_LEADS = {"mlii": "II"}
"""Of corpora of rhythms: the modified lead II stands for lead II."""


@dataclass(frozen=True)
class Target:
    """Records, or segments of records, with the leads the models read, and the labels of each."""

    signals: SignalTable
    classes: Sequence[str]
    subjects: Sequence[str]
    labels: Sequence[Sequence[str]]
    unknown: Sequence[Sequence[str]]
    leads: Sequence[str]


def main(*words: str) -> str:
    """Score the models of one corpus on another."""
    if len(words) != 3:
        raise UsageError("zero-shot", found=f"{len(words)} words", expected="three: SOURCE TARGET MODEL")
    source, target, name = words
    params = read_params()
    if source == target:
        raise UsageError("zero-shot", found=f"{source} as source and target", expected="another corpus")
    device = choose_device(params.runtime.device, params.runtime.threads)
    systems, described = zip(*(load_system(folder, device) for folder in find_folds(source, name)), strict=True)
    info = described[0]["info"]
    # Rate and band are those the models were trained at, whatever params.yaml holds by now.
    settings = described[0]["settings"]
    # A model whose description names no leads has read all of its corpus.
    leads = info.get("leads") or get_diagnostic_corpus(source).lead_names
    read = read_segments if target in CORPORA else read_target
    records = read(target, Band.of(settings), leads)
    groups = find_groups(records.classes, info["classes"])
    if not groups:
        raise UsageError(target, found=f"no class that {source} speaks for", expected="classes in common")
    with progress_bar(desc=f"zero-shot {source} {target} {name}", unit="slice") as progress:
        probability_RK = predict_by_folds(
            systems,
            records.signals,
            info["task"],
            power=settings["pooling_power"],
            device=device,
            on_slices=progress.update,
        )
    scores = diagnosis_scores(
        refer_to_groups(records.labels, records.unknown, list(groups)),
        score_groups(probability_RK, info["classes"], groups),
        records.subjects,
        list(groups),
        task="multi",
        num_resamples=params.arena.bootstrap,
        seed=params.seed,
    )
    result = {
        "source": source,
        "target": target,
        "model": name,
        "folds": len(systems),
        "groups": groups,
        "without_score": [name for name in records.classes if name not in groups],
        "leads_missing": [lead for lead in leads if lead not in records.leads],
        "scores": scores,
    }
    with publish(paths.zero_shot(source, target, name)) as part:
        part.write_text(json.dumps(plain_numbers(result), indent=1, allow_nan=False) + "\n")
    macro = ", ".join(
        f"{title} {_write_score(scores, key)}"
        for key, title in (("macro_auroc", "ROC-AUC"), ("macro_auprc", "PR-AUC"), ("macro_f1", "F1"))
    )
    return f"{source} on {scores['num_records']} of {target}, {name}: {macro}; classes {' '.join(groups)}"


def _write_score(scores: dict[str, Any], key: str) -> str:
    bounds = scores["interval"].get(key)
    return f"{scores[key]:.3f}" + (f" ({bounds['low']:.3f} to {bounds['high']:.3f})" if bounds else "")


def find_folds(source: str, name: str) -> list[Path]:
    """Return the folders of the models of a cross-validation."""
    if get_system(name).reads == "beats":
        raise UsageError(name, found=BEATS_ONLY, expected="a system that reads signal")
    get_diagnostic_corpus(source)
    folder = paths.fold_models(source, name)
    folders = sorted(folder.glob("fold*"))
    if not folders:
        if folder.is_dir():
            raise UsageError(
                f"{folder}", found=f"no models: {read_description(folder)['left_out']}", expected="trained models"
            )
        raise DataError(
            f"{folder}",
            found="no such folder",
            expected="a model per fold",
            remedy=f"With {source} in diagnostic_corpora of params.yaml, run: dvc repro crossvalidate@{source}-{name}",
        )
    return folders


def read_target(target: str, band: Band, leads: Sequence[str]) -> Target:
    """Read the records of a diagnostic corpus."""
    corpus = get_diagnostic_corpus(target)
    rows, signals = read_diagnostic_records(target, band, corpus.lead_names)
    arranged = [arrange_leads(signal_CS, corpus.lead_names, leads, target) for signal_CS in signals.signal]
    subjects, labels, unknown = ([row[name] for row in rows] for name in ("subject", "labels", "unknown"))
    return Target(SignalTable(arranged, band.fs_hz), corpus.classes, subjects, labels, unknown, corpus.lead_names)


def read_segments(target: str, band: Band, leads: Sequence[str]) -> Target:
    """Cut the records of a corpus of rhythms into segments that are clearly in fibrillation or clearly not."""
    store = open_array(paths.signals(target), SIGNALS)
    episodes = split_by_record(read_table(paths.episodes(target), EPISODES))
    segments: list[NDArray[np.int16]] = []
    subjects: list[str] = []
    labels: list[list[str]] = []
    recorded: set[str] = set()
    size = round(SEGMENT_S * band.fs_hz)
    for record, row in progress_bar(read_records(target).items(), desc=f"read {target}", unit="record"):
        if row["status"] != "used" or record not in store.rows or record not in episodes:
            continue
        reference = Episodes(*(episodes[record][key] for key in ("start_sample", "stop_sample", "rhythm")))
        start_N, is_af_N = label_af_segments(reference, int(row["num_samples"]), float(row["fs_hz"]))
        signal_CS = prepare_signal(store.read(record), COMMON_FS_HZ, band)
        names = [standard_lead(name, MODIFIED_LEADS) or name for name in row["leads"]]
        arranged_CS = arrange_leads(signal_CS[: len(names)], names, leads, f"{target}/{record}")
        recorded |= {*names}
        for start in np.round(start_N * band.fs_hz / float(row["fs_hz"])).astype(int).tolist():
            segments.append(arranged_CS[:, start : start + size])
        labels += [["AF"] if is_af else [] for is_af in is_af_N]
        subjects += [row["subject"]] * len(is_af_N)
    if not segments:
        raise DataError(target, found="no segment in fibrillation or normal rhythm", expected="one at least")
    return Target(SignalTable(segments, band.fs_hz), ("AF",), subjects, labels, [[]] * len(labels), sorted(recorded))


if __name__ == "__main__":
    sys.exit(run_stage("zero_shot", main))
