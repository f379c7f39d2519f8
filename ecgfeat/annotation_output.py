"""Predictions of the test records as WFDB annotation files, so that ``bxb`` and ``epicmp`` can score them.

References
----------
WFDB Applications Guide, bxb(1) and epicmp(1): the comparators ANSI/AAMI EC57 asks for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.mitformat import encode_annotations
from ecgfeat.prediction_files import EXTENSION, annotation_rows
from ecgfeat.rhythm_data import RhythmRecord
from ecgfeat.schemas import BEATS, COMMON_FS_HZ
from ecgfeat.store import Columns


def write_annotations(
    folder: Path,
    records: Sequence[RhythmRecord],
    headers: Mapping[tuple[str, str], Mapping[str, Any]],
    rhythms: Columns,
    beats: Columns,
    *,
    view: str,
    note: str,
) -> None:
    """Write ``<folder>/<corpus>/<record>.ecg`` for each record.

    Parameters
    ----------
    folder : Path
        Where to.
    records : sequence of RhythmRecord
        The test records.
    headers : mapping of (str, str) to mapping
        By corpus and record: ``fs_hz`` and ``num_samples`` of the raw record.
    rhythms, beats : dict of str to array
        Columns of ``rhythm_predictions`` and ``beat_predictions``. The rhythms are those of the timeline head under
        the protocol timeline; where it was not asked for, files hold beats alone. The beats are those with predicted
        history; a record without any, one without a signal, gets the reference classes of its R-peaks.
    view : str
        View of the rhythms.
    note : str
        Stands as a comment near the first sample of each file: what the predictions were told.
    """
    asked = (rhythms["head"] == "timeline") & (rhythms["protocol"] == "timeline") & (rhythms["view"] == view)
    asked &= rhythms["num_beats"] > 0
    rhythm_of = _by_record(rhythms, asked, rhythms["predicted"][asked])
    at_rpeak = (beats["history"] == "predicted") & np.isfinite(beats["p_N"])
    probability_NK = np.stack([beats[f"p_{name}"][at_rpeak] for name in BEATS], axis=1)
    beat_of = _by_record(beats, at_rpeak, np.array(BEATS)[probability_NK.argmax(axis=1)])
    for one in records:
        key = (one.corpus, one.record)
        path = folder / one.corpus / f"{one.record}.{EXTENSION}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            encode_record(
                one.sample,
                beat_of.get(key, np.array([*BEATS, ""])[one.label]),
                rhythm_of.get(key),
                note,
                fs_hz=float(headers[key]["fs_hz"]),
                num_samples=int(headers[key]["num_samples"]),
            )
        )


def _by_record(table: Columns, rows: NDArray[np.bool_], values: NDArray[Any]) -> dict[tuple[str, str], NDArray[Any]]:
    """Divide the values of some rows among the records they belong to."""
    if not len(values):
        return {}
    corpus, record = table["corpus"][rows], table["record"][rows]
    first = np.flatnonzero(np.append(True, (corpus[1:] != corpus[:-1]) | (record[1:] != record[:-1])))
    keys = [(str(corpus[row]), str(record[row])) for row in first]
    assert len(set(keys)) == len(keys), "rows of a record stand together"
    return dict(zip(keys, np.split(values, first[1:]), strict=True))


def encode_record(
    rpeaks: NDArray[np.int64],
    beat: NDArray[Any],
    rhythm: NDArray[Any] | None,
    note: str = "",
    *,
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
    fs_hz : float
        Rate of the raw record.
    num_samples : int
        Its length.

    Returns
    -------
    bytes
        A WFDB annotation file: ``N A V Q``, and a ``+`` with a note such as ``(AFIB`` where the rhythm changes. The
        first rhythm begins with the record, each other one at its first R-peak.
    """
    assert len(rpeaks) == len(beat), "one class per R-peak"
    sample = np.minimum(np.rint(rpeaks * (fs_hz / COMMON_FS_HZ)).astype(np.int64), num_samples - 1)
    first = np.zeros(0, dtype=np.int64)
    if rhythm is not None and len(rhythm):
        assert len(rhythm) == len(rpeaks), "one rhythm per R-peak"
        first = np.flatnonzero(np.append(True, rhythm[1:] != rhythm[:-1]))
    marks = {
        "start_sample": np.where(first > 0, sample[first], 0),
        "predicted": rhythm[first] if rhythm is not None else first.astype(str),
    }
    position, symbol, aux = annotation_rows({"sample": sample, "predicted": beat}, marks)
    if note:
        # Comments on sample 0 are taken for the file's own header by some readers.
        at = int(np.searchsorted(position, 1))
        position = np.insert(position, at, min(1, num_samples - 1))
        symbol, aux = [*symbol[:at], '"', *symbol[at:]], [*aux[:at], note, *aux[at:]]
    return encode_annotations(position, symbol, aux, fs_hz)
