"""Predicted beats and rhythms as WFDB annotation files."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.outputs.endings import EXTENSION
from ecgfeat.records.formats import encode_annotations
from ecgfeat.records.marks import annotation_rows
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ
from ecgfeat.store.tables import Columns


def write_prediction_annotations(
    folder: Path,
    records: Sequence[RhythmRecord],
    headers: Mapping[tuple[str, str], Mapping[str, Any]],
    rhythm_of: Mapping[tuple[str, str], NDArray[Any]],
    beat_of: Mapping[tuple[str, str], NDArray[Any]],
    *,
    note: str,
) -> None:
    """Write ``<folder>/<corpus>/<record>.ecg`` for each record.

    Parameters
    ----------
    folder : Path
        Where to.
    records : sequence of RhythmRecord
        The test records, or their usable stretches in order.
    headers : mapping of (str, str) to mapping
        By corpus and record: ``fs_hz`` and ``num_samples`` of the raw record.
    rhythm_of, beat_of : mapping of (str, str) to ndarray of str
        By corpus and record: rhythm and class of each R-peak, as `select_rhythms` and `select_beats` return them.
        Without rhythms a file holds beats alone. A record without classes, because it has no signal, gets the
        reference classes of its R-peaks.
    note : str
        Comment near the first sample of each file: the oracles of the predictions.
    """
    for key, group in itertools.groupby(records, key=lambda record: (record.corpus, record.record)):
        stretches = list(group)
        path = folder / key[0] / f"{key[1]}.{EXTENSION}"
        path.parent.mkdir(parents=True, exist_ok=True)
        label = np.concatenate([record.label for record in stretches])
        path.write_bytes(
            encode_record(
                np.concatenate([record.start + record.sample for record in stretches]),
                beat_of.get(key, np.array([*BEAT_CLASSES, ""])[label]),
                rhythm_of.get(key),
                note,
                spans=[(record.start, record.start + record.num_samples) for record in stretches],
                fs_hz=float(headers[key]["fs_hz"]),
                num_samples=int(headers[key]["num_samples"]),
            )
        )


def select_rhythms(rhythms: Columns, view: str) -> dict[tuple[str, str], NDArray[Any]]:
    """Return the rhythm of each R-peak that the timeline head named beat by beat.

    Parameters
    ----------
    rhythms : dict of str to array
        Columns of ``rhythm_predictions``, of the whole table or of a part.
    view : str
        View of the rhythms.

    Returns
    -------
    dict of (str, str) to ndarray of str
        By corpus and record.
    """
    is_written = (rhythms["head"] == "timeline") & (rhythms["protocol"] == "timeline") & (rhythms["view"] == view)
    is_written &= rhythms["num_beats"] > 0
    return _by_record(rhythms, is_written, rhythms["predicted"][is_written])


def select_beats(beats: Columns) -> dict[tuple[str, str], NDArray[Any]]:
    """Return the class of each R-peak, predicted with the predicted labels of the beats before it.

    Parameters
    ----------
    beats : dict of str to array
        Columns of ``beat_predictions``, of the whole table or of a part.

    Returns
    -------
    dict of (str, str) to ndarray of str
        By corpus and record.
    """
    at_rpeak = (beats["history"] == "predicted") & np.isfinite(beats["p_N"])
    probability_NK = np.stack([beats[f"p_{name}"][at_rpeak] for name in BEAT_CLASSES], axis=1)
    return _by_record(beats, at_rpeak, np.array(BEAT_CLASSES, dtype=object)[probability_NK.argmax(axis=1)])


def _by_record(table: Columns, rows: NDArray[np.bool_], values: NDArray[Any]) -> dict[tuple[str, str], NDArray[Any]]:
    """Divide the values of selected rows among their records."""
    if not len(values):
        return {}
    corpus, record = table["corpus"][rows], table["record"][rows]
    first = np.flatnonzero(np.append(True, (corpus[1:] != corpus[:-1]) | (record[1:] != record[:-1])))
    keys = [(str(corpus[row]), str(record[row])) for row in first]
    assert len(set(keys)) == len(keys), "rows of a record are neighbours"
    return dict(zip(keys, np.split(values, first[1:]), strict=True))


def encode_record(
    rpeaks: NDArray[np.int64],
    beat: NDArray[Any],
    rhythm: NDArray[Any] | None,
    note: str = "",
    *,
    spans: Sequence[tuple[int, int]],
    fs_hz: float,
    num_samples: int,
) -> bytes:
    """Encode the beats and rhythms of a record at its own rate.

    Parameters
    ----------
    rpeaks : ndarray of int64, (L,)
        R-peaks at the common rate, ascending.
    beat : ndarray of str, (L,)
        Class of each, N S V; empty: of none of them, written as Q.
    rhythm : ndarray of str, (L,), or None
        Rhythm of each; None: beats only.
    note : str
        Comment near the first sample; empty: none.
    spans : sequence of (int, int)
        Usable stretches at the common rate; every R-peak lies in one.
    fs_hz : float
        Rate of the raw record.
    num_samples : int
        Its length.

    Returns
    -------
    bytes
        A WFDB annotation file: ``N A V Q``, and a ``+`` with a note such as ``(AFIB`` where the rhythm changes. The
        first rhythm of a stretch begins with it, each other one at its first R-peak; between stretches there is none.
    """
    assert len(rpeaks) == len(beat), "one class per R-peak"

    def to_own_rate(position: Any) -> NDArray[np.int64]:
        own = np.rint(np.asarray(position, dtype=np.int64) * (fs_hz / COMMON_FS_HZ)).astype(np.int64)
        return np.minimum(own, num_samples - 1)

    sample = to_own_rate(rpeaks)
    marks: list[tuple[int, str]] = []
    if rhythm is not None and len(rhythm):
        assert len(rhythm) == len(rpeaks), "one rhythm per R-peak"
        for (start, stop), follower in zip(spans, [*(span[0] for span in spans[1:]), None], strict=True):
            low, high = np.searchsorted(rpeaks, [start, stop]).tolist()
            changes = low + np.flatnonzero(rhythm[low:high][1:] != rhythm[low:high][:-1]) + 1
            marks.append((int(to_own_rate(start)), str(rhythm[low])))
            marks += [(int(sample[beat]), str(rhythm[beat])) for beat in changes]
            end = round(stop * (fs_hz / COMMON_FS_HZ))
            if stop != follower and end < num_samples:
                marks.append((end, ""))
    marks_of = {
        "start_sample": np.array([at for at, _ in marks], dtype=np.int64),
        "rhythm": np.array([name for _, name in marks], dtype=object),
    }
    position, symbol, aux = annotation_rows({"sample": sample, "aami": beat}, marks_of)
    if note:
        # Some readers take a comment on sample 0 for the header of the file.
        at = int(np.searchsorted(position, 1))
        position = np.insert(position, at, min(1, num_samples - 1))
        symbol, aux = [*symbol[:at], '"', *symbol[at:]], [*aux[:at], note, *aux[at:]]
    return encode_annotations(position, symbol, aux, fs_hz)
