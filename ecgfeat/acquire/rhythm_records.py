"""Describe a record with rhythms: used, excluded by a rule, or failed with a reason; its beats and episodes.

The counts of used, excluded and failed records add up to the records of the corpus.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.acquire.manifest import record_files, refuse_damaged
from ecgfeat.corpora.corpus import Corpus
from ecgfeat.errors import DataError
from ecgfeat.records.annotations import Episodes, aami_class, find_episodes, is_beat, rhythm_at
from ecgfeat.records.reader import Annotations, Header, read_annotations, read_header, read_signal
from ecgfeat.store.tables import Columns

UNANNOTATED = "without rhythm annotations"
MIN_RECORD_S = 10.0
"""A record shorter than one 10 s segment cannot be scored."""


@dataclass(frozen=True)
class RecordRows:
    """Rows of one record in the tables of its corpus.

    Attributes
    ----------
    row : dict
        Its row of the ``records`` table.
    beats, episodes : dict of str to array
        Its rows of the ``beats`` and ``episodes`` tables; empty for a failed record.
    """

    row: dict[str, Any]
    beats: Columns = field(default_factory=dict)
    episodes: Columns = field(default_factory=dict)


def describe_record(
    corpus: Corpus,
    folder: Path,
    record: str,
    *,
    split: str,
    signals: str,
    aami: Literal["dechazal", "ec57"],
    before_first: Literal["nsr", "unlabelled"],
    min_episode_samples: int,
    manifest: Mapping[str, Any] | None = None,
) -> RecordRows:
    """Read a record's header, annotations and signal, and decide whether it can be used.

    Parameters
    ----------
    corpus : Corpus
        Facts about the collection.
    folder : Path
        Folder of its files.
    record : str
        Record name.
    split : str
        train, validation, test or none.
    signals : str
        Origin of the signals: measured, simulated, rendered or none.
    aami, before_first, min_episode_samples
        As for `aami_class` and `find_episodes`; `Corpus.before_first`, if set, replaces `before_first`.
    manifest : mapping, optional
        Of the folder: the files of the record are compared with it.

    Returns
    -------
    RecordRows
        ``status`` is failed if a file is absent or damaged, excluded if a rule excludes the record (its beats stay:
        a paced record still tests a detector), else used. Beats of a corpus without beat classes have a symbol and no
        AAMI class.
    """
    row: dict[str, Any] = {
        "record": record,
        "subject": corpus.subject_of(record),
        "fs_hz": float("nan"),
        "leads": [],
        "num_samples": 0,
        "split": split,
        "status": "failed",
        "reason": "",
        "signals": "none" if record in corpus.without_signal else signals,
    }
    try:
        if manifest is not None and (why := manifest.get("failed", {}).get(record)):
            raise DataError(why)
        if manifest is not None:
            extensions = (*corpus.extensions, *corpus.optional_extensions)
            refuse_damaged(folder, manifest, record_files(record, extensions))
        header = read_header(folder, record)
        row |= {"fs_hz": header.fs_hz, "leads": list(header.leads), "num_samples": header.num_samples}
        if corpus.fs_hz is not None and header.fs_hz != corpus.fs_hz:
            raise DataError(
                f"{corpus.slug}/{record}", found=f"a header with {header.fs_hz:g} Hz", expected=f"{corpus.fs_hz:g} Hz"
            )
        _refuse_other_subject(corpus, header, row["subject"])
        reason = _exclusion(corpus, header)
        if row["signals"] != "none":
            # A damaged signal must fail here, where the reason goes into the table.
            reason = reason or unusable_reason(read_signal(folder, record).signal_mv_SC)
        marks, beat_marks = _read_marks(corpus, folder, header)
        if marks is None:
            reason = reason or (UNANNOTATED if corpus.annotation else "")
            marks = _no_marks(record, corpus.annotation)
    except DataError as error:
        return RecordRows(row | {"reason": str(error)})
    episodes = find_episodes(
        marks.sample,
        marks.aux,
        header.num_samples,
        corpus.rhythm_labels,
        before_first=corpus.before_first or before_first,
        min_samples=min_episode_samples,
        symbol=corpus.rhythm_symbols(marks.symbol.tolist()),
    )
    row |= {"status": "excluded" if reason else "used", "reason": reason}
    if reason:
        row["split"] = "none"
    mapping = aami if corpus.has_beat_classes else None
    return RecordRows(row, _beat_columns(row, beat_marks, header, mapping, episodes), _episode_columns(row, episodes))


def _read_marks(corpus: Corpus, folder: Path, header: Header) -> tuple[Annotations | None, Annotations]:
    """Read rhythm marks, None where the corpus publishes none of this record, and beats."""

    def read(extension: str) -> Annotations:
        drops = corpus.marks_before_start
        return read_annotations(
            folder, header.record, extension, header.num_samples, fs_hz=header.fs_hz, drop_before_start=drops
        )

    extension = corpus.beat_annotation or corpus.annotation
    if not corpus.annotation:
        return None, _no_marks(header.record, extension)
    if corpus.some_unannotated and not (folder / f"{header.record}.{corpus.annotation}").is_file():
        return None, _no_marks(header.record, extension) if extension == corpus.annotation else read(extension)
    marks = read(corpus.annotation)
    return marks, marks if extension == corpus.annotation else read(extension)


def _no_marks(record: str, extension: str) -> Annotations:
    none = np.zeros(0, np.int64)
    return Annotations(record, extension, none, none.astype(np.str_), none.astype(object))


def _refuse_other_subject(corpus: Corpus, header: Header, subject: str) -> None:
    """Refuse a header whose comments name another subject than the facts of the corpus do."""
    for comment in header.comments if corpus.subject_comment else ():
        match = re.search(corpus.subject_comment, comment)
        if match and match.group(1) != subject:
            where = f"{corpus.slug}/{header.record}"
            raise DataError(where, found=f"subject {match.group(1)} in the header", expected=f"subject {subject}")


def _exclusion(corpus: Corpus, header: Header) -> str:
    if header.record in corpus.excluded:
        return corpus.excluded[header.record]
    duration_s = header.num_samples / header.fs_hz
    if duration_s < MIN_RECORD_S:
        return f"{duration_s:.1f} s long, shorter than one window of {MIN_RECORD_S:.0f} s"
    return ""


def unusable_reason(signal_mv_SC: NDArray[np.float32]) -> str:
    """Return why a signal is unusable: no valid sample, or every lead flat; empty if it is usable.

    Parameters
    ----------
    signal_mv_SC : ndarray of float32, shape (S, C)
        Millivolts; NaN marks an invalid sample.

    Returns
    -------
    str
    """
    valid_SC = np.isfinite(signal_mv_SC)
    leads = signal_mv_SC[:, valid_SC.any(axis=0)]
    if not leads.size:
        return "no valid sample in any lead"
    return "" if np.any(np.nanmax(leads, axis=0) > np.nanmin(leads, axis=0)) else "every lead is flat"


def _beat_columns(
    row: dict[str, Any],
    marks: Annotations,
    header: Header,
    mapping: Literal["dechazal", "ec57"] | None,
    episodes: Episodes,
) -> Columns:
    beats = is_beat(marks.symbol)
    sample = marks.sample[beats]
    size = len(sample)
    aami = aami_class(marks.symbol[beats], mapping) if mapping else np.full(size, "")
    return {
        "record": np.full(size, row["record"], dtype=object),
        "subject": np.full(size, row["subject"], dtype=object),
        "beat": np.arange(size, dtype=np.int32),
        "sample": sample,
        "time_s": sample / header.fs_hz,
        "symbol": marks.symbol[beats].astype(object),
        "aami": aami.astype(object),
        "rhythm": rhythm_at(sample, episodes).astype(object),
    }


def _episode_columns(row: dict[str, Any], episodes: Episodes) -> Columns:
    size = len(episodes)
    return {
        "record": np.full(size, row["record"], dtype=object),
        "subject": np.full(size, row["subject"], dtype=object),
        "start_sample": episodes.start_sample,
        "stop_sample": episodes.stop_sample,
        "rhythm": episodes.rhythm.astype(object),
        "split": np.full(size, row["split"], dtype=object),
    }
