"""What a corpus folder holds: each record used, excluded by a rule or failed with a reason, its beats and episodes.

No record is passed over in silence: the three counts add up to the records of the corpus.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.corpora.corpus import Corpus
from ecgfeat.errors import DataError
from ecgfeat.records.annotations import aami_class, find_episodes, is_beat, rhythm_at
from ecgfeat.records.reader import Annotations, Header, read_annotations, read_header, read_signal
from ecgfeat.store.tables import Columns

MIN_RECORD_S = 10.0
"""A record shorter than one rhythm window cannot be scored."""


@dataclass(frozen=True)
class RecordRows:
    """One record of a corpus: what the tables say of it.

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
) -> RecordRows:
    """Read a record's header, annotations and signal, and say whether it can be used.

    Parameters
    ----------
    corpus : Corpus
        Facts about the collection.
    folder : Path
        Where its files lie.
    record : str
        Record name.
    split : str
        train, validation, test or none.
    signals : str
        How the corpus came by its signals: measured, simulated, rendered, none.
    aami, before_first, min_episode_samples
        As `aami_class` and `find_episodes` take them; what the corpus itself says of the time before the first mark
        comes first.

    Returns
    -------
    RecordRows
        ``status`` failed where a file is absent or damaged; excluded where a rule says so (such records keep their
        beats: a paced record still tests a detector); used otherwise. Where the corpus does not tell its beats apart
        they keep their symbol and have no AAMI class.
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
        header = read_header(folder, record)
        row |= {"fs_hz": header.fs_hz, "leads": list(header.leads), "num_samples": header.num_samples}
        if header.fs_hz != corpus.fs_hz:
            raise DataError(
                f"{corpus.slug}/{record}", found=f"a header with {header.fs_hz:g} Hz", expected=f"{corpus.fs_hz:g} Hz"
            )
        reason = _exclusion(corpus, header)
        if row["signals"] != "none":
            # A signal that cannot be trusted must fail here, where the record's fate is written down.
            reason = reason or unusable_reason(read_signal(folder, record).signal_mv_SC)
        marks = read_annotations(folder, record, corpus.annotation, header.num_samples)
        beat_marks = (
            read_annotations(folder, record, corpus.beat_annotation, header.num_samples)
            if corpus.beat_annotation
            else marks
        )
    except DataError as error:
        return RecordRows(row | {"reason": str(error)})
    episodes = find_episodes(
        marks.sample,
        marks.aux,
        header.num_samples,
        corpus.rhythm_labels,
        before_first=corpus.before_first or before_first,
        min_samples=min_episode_samples,
        symbol=marks.symbol,
    )
    row |= {"status": "excluded" if reason else "used", "reason": reason}
    if reason:
        row["split"] = "none"
    size = len(episodes)
    mapping = aami if corpus.has_beat_classes else None
    return RecordRows(
        row,
        _beat_columns(row, beat_marks, header, mapping, rhythm_of=lambda sample: rhythm_at(sample, episodes)),
        {
            "record": np.full(size, record, dtype=object),
            "subject": np.full(size, row["subject"], dtype=object),
            "start_sample": episodes.start_sample,
            "stop_sample": episodes.stop_sample,
            "rhythm": episodes.rhythm.astype(object),
            "split": np.full(size, row["split"], dtype=object),
        },
    )


def _exclusion(corpus: Corpus, header: Header) -> str:
    if header.record in corpus.excluded:
        return corpus.excluded[header.record]
    duration_s = header.num_samples / header.fs_hz
    if duration_s < MIN_RECORD_S:
        return f"{duration_s:.1f} s long, shorter than one window of {MIN_RECORD_S:.0f} s"
    return ""


def unusable_reason(signal_mv_SC: NDArray[np.float32]) -> str:
    """Return why a signal can tell nothing: no valid sample, or no lead that is not flat; empty if it can.

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
    rhythm_of: Callable[..., Any],
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
        "rhythm": rhythm_of(sample).astype(object),
    }
