"""Describe a record with diagnoses: used, excluded by a rule, or failed with a reason; and its leads in order."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfeat.acquire.diagnoses import Diagnosis, LabelReader
from ecgfeat.acquire.manifest import record_files, refuse_damaged
from ecgfeat.acquire.rhythm_records import unusable_reason
from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.corpora.folds import draw_stratified_folds, join_official_folds
from ecgfeat.corpora.leads import AlignedLeads, align_leads
from ecgfeat.errors import DataError
from ecgfeat.records.reader import Signal, read_header, read_signal
from ecgfeat.signals.baseline import Baseline, remove_baseline
from ecgfeat.signals.resample import to_microvolts

Row = dict[str, Any]


def read_leads(corpus: DiagnosticCorpus, folder: Path, record: str) -> AlignedLeads:
    """Read the leads of a record in the order of its corpus.

    Parameters
    ----------
    corpus : DiagnosticCorpus
        Facts: its leads and their other names.
    folder : Path
        Folder of its files.
    record : str
        Record name below the folder.

    Returns
    -------
    AlignedLeads
        Millivolts at the record's own rate.

    Raises
    ------
    DataError
        If the files are damaged, or two leads have one name.
    """
    return _align(read_signal(folder, record, verify=corpus.has_checksums), corpus)


def read_leads_uv(corpus: DiagnosticCorpus, folder: Path, record: str) -> tuple[npt.NDArray[np.int16], Baseline]:
    """Read the rows of a record in the ``leads`` store, and the baseline that was taken out of them.

    Parameters
    ----------
    corpus, folder, record
        As `read_leads` takes them.

    Returns
    -------
    signal_uv_SL : ndarray of int16, (S, L)
        Microvolts, -32768 invalid, ordered as by `read_leads`.
    baseline : Baseline
        Its times are those of the record.
    """
    signal = read_signal(folder, record, verify=corpus.has_checksums)
    aligned = _align(signal, corpus)
    left_mv_SL, baseline = remove_baseline(aligned.signal_mv_SL, signal.fs_hz)
    left_mv_SL[:, [corpus.lead_names.index(name) for name in aligned.missing]] = 0
    return to_microvolts(left_mv_SL), baseline


def _align(signal: Signal, corpus: DiagnosticCorpus) -> AlignedLeads:
    return align_leads(
        signal.signal_mv_SC,
        signal.leads,
        corpus.lead_names,
        aliases=corpus.lead_aliases,
        where=f"{corpus.slug}/{signal.record}",
    )


def describe_diagnosis(
    corpus: DiagnosticCorpus,
    folder: Path,
    record: str,
    read_labels: LabelReader,
    *,
    signals: str,
    manifest: Mapping[str, Any] | None = None,
) -> tuple[Row, int | None]:
    """Read a record's header, labels and samples, and decide whether it can be used.

    Parameters
    ----------
    corpus : DiagnosticCorpus
        Facts about the collection.
    folder : Path
        Folder of its files.
    record : str
        Record name.
    read_labels : callable
        From `ecgfeat.acquire.diagnoses.open_labels`.
    signals : str
        Origin of the signals: measured or simulated.
    manifest : mapping, optional
        Of the folder: the files of the record are compared with it.

    Returns
    -------
    row : dict
        Its row of the ``diagnoses`` table; ``fold`` is -1 until `assign_folds`. ``status`` is failed if a file is
        absent or damaged, excluded if a rule excludes the record or no class is stated, else used.
    official_fold : int or None
        Fold 1 to 10 given by the corpus, if any.
    """
    name = Path(record).name
    row: Row = {
        "record": record,
        "subject": name,
        "fs_hz": float("nan"),
        "num_samples": 0,
        "leads": [],
        "missing": [],
        "status": "failed",
        "reason": "",
        "signals": signals,
        "fold": -1,
        "labels": [],
        "unknown": [],
        "codes": [],
    }
    official_fold = None
    try:
        if manifest is not None:
            refuse_damaged(folder, manifest, record_files(record, corpus.extensions))
        header = read_header(folder, record)
        row |= {"fs_hz": header.fs_hz, "num_samples": header.num_samples}
        where = f"{corpus.slug}/{record}"
        if header.fs_hz != corpus.fs_hz:
            raise DataError(where, found=f"a header with {header.fs_hz:g} Hz", expected=f"{corpus.fs_hz:g} Hz")
        diagnosis = read_labels(record, header)
        official_fold = diagnosis.official_fold
        row |= {"subject": diagnosis.subject, "codes": list(diagnosis.codes)}
        row |= {"labels": list(diagnosis.labels), "unknown": list(diagnosis.unknown)}
        if corpus.task == "single" and len(diagnosis.labels) > 1:
            raise DataError(where, found=f"classes {', '.join(diagnosis.labels)}", expected="one")
        reason = corpus.excluded.get(name) or _unlabelled(corpus, diagnosis)
        if name not in corpus.excluded:
            # A damaged signal must fail here, where the reason goes into the table.
            aligned = read_leads(corpus, folder, record)
            row |= {"leads": list(aligned.found), "missing": list(aligned.missing)}
            present = [corpus.lead_names.index(lead) for lead in aligned.found]
            reason = reason or unusable_reason(aligned.signal_mv_SL[:, present])
    except DataError as error:
        return row | {"reason": str(error)}, official_fold
    return row | {"status": "excluded" if reason else "used", "reason": reason}, official_fold


def _unlabelled(corpus: DiagnosticCorpus, diagnosis: Diagnosis) -> str:
    if diagnosis.labels:
        return ""
    codes = ", ".join(diagnosis.codes)
    is_ptbxl = corpus.source == "ptbxl"
    unreviewed = "" if is_ptbxl else ", ".join(code for code in diagnosis.codes if code not in corpus.codes)
    return f"no class stated: codes {codes}" + (f"; never reviewed: {unreviewed}" if unreviewed else "")


def assign_folds(rows: Sequence[Row], official: Sequence[int | None], num_folds: int) -> None:
    """Write the fold of each used record into its row: official folds joined, else folds drawn by subject.

    Parameters
    ----------
    rows : sequence of dict
        Rows of `describe_diagnosis`.
    official : sequence of int or None
        Their official folds.
    num_folds : int
        Folds to make.

    Raises
    ------
    UsageError
        If that many folds cannot be made.
    """
    used = [at for at, row in enumerate(rows) if row["status"] == "used"]
    given = [fold for at in used if (fold := official[at]) is not None]
    if len(given) == len(used):
        folds = join_official_folds(given, num_folds)
    else:
        folds = draw_stratified_folds(
            [rows[at]["subject"] for at in used], [rows[at]["labels"] for at in used], num_folds
        )
    for at, fold in zip(used, folds, strict=True):
        rows[at]["fold"] = int(fold)
