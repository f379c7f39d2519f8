"""Meaning of WFDB annotations: which symbols are beats, their AAMI class, and the rhythm episodes.

References
----------
ANSI/AAMI EC57:2012, clause 4.3 (beat classes); de Chazal, O'Dwyer, Reilly, IEEE Trans Biomed Eng
51:1196-1206, 2004 (their table of MIT-BIH symbols); WFDB annotation codes, https://wfdb.io/mit_wfdb/spec/annot.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

# Symbols on which both maps agree. Flutter waves (!) and blocked P waves (x) are not beats under EC57.
_COMMON = {
    **dict.fromkeys("NLRB", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}
# The two maps differ in atrial, nodal and supraventricular escape beats.
AAMI_CLASSES: Mapping[str, Mapping[str, str]] = {
    "dechazal": {**_COMMON, **dict.fromkeys("ejn", "N")},
    "ec57": {**_COMMON, **dict.fromkeys("ejn", "S")},
}
BEAT_SYMBOLS = tuple(sorted(AAMI_CLASSES["ec57"]))
RHYTHM_BEFORE_FIRST: Mapping[str, str] = {"nsr": "NSR", "afib": "AFIB", "unlabelled": ""}
"""Rhythm before the first rhythm mark of a record, by the name of the rule."""


@dataclass(frozen=True)
class Episodes:
    """Maximal runs of one rhythm, in time order and without overlap.

    Attributes
    ----------
    start_sample, stop_sample : ndarray of int64, shape (n,)
        Half-open interval ``[start_sample, stop_sample)`` of each episode at the record's own rate.
    rhythm : ndarray of str, shape (n,)
        Name of the rhythm. Time without a known rhythm belongs to no episode.
    """

    start_sample: npt.NDArray[np.int64]
    stop_sample: npt.NDArray[np.int64]
    rhythm: npt.NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.start_sample)


def is_beat(symbol: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return which annotation symbols mark a beat.

    Parameters
    ----------
    symbol : array_like of str, shape (n,)
        WFDB annotation symbols.

    Returns
    -------
    ndarray of bool, shape (n,)
        True for the symbols that have an AAMI class.
    """
    return np.isin(np.asarray(symbol, dtype=np.str_), BEAT_SYMBOLS)


def aami_class(symbol: npt.ArrayLike, mapping: Literal["dechazal", "ec57"]) -> npt.NDArray[np.str_]:
    """Return the AAMI beat class of WFDB annotation symbols.

    Parameters
    ----------
    symbol : array_like of str, shape (n,)
        WFDB annotation symbols.
    mapping : {'dechazal', 'ec57'}
        Escape beats (e, j, n) are N under ``dechazal`` and S under ``ec57``.

    Returns
    -------
    ndarray of '<U1', shape (n,)
        N, S, V, F or Q; an empty string for a symbol that is not a beat.

    Raises
    ------
    ValueError
        If `mapping` is unknown.

    Notes
    -----
    * Paced beats, their fusions, unclassifiable and learning beats are Q, as in EC57.
    * The supraventricular escape beat (n), which does not occur in de Chazal's records, is classed as e and j.
    """
    if mapping not in AAMI_CLASSES:
        raise ValueError(f"mapping: found {mapping!r}; expected one of {', '.join(AAMI_CLASSES)}.")
    classes = AAMI_CLASSES[mapping]
    symbols, inverse = np.unique(np.asarray(symbol, dtype=np.str_), return_inverse=True)
    return np.array([classes.get(str(name), "") for name in symbols], dtype="<U1")[inverse]


def rhythm_text(aux: str) -> str:
    r"""Return the name of the rhythm in a rhythm note.

    Parameters
    ----------
    aux : str
        Note of an annotation, such as ``(AFIB``, with or without NUL and spaces at its end.

    Returns
    -------
    str
        The name; empty for ``)``, ``(`` and an empty note, which end a rhythm without naming the next.
    """
    return aux.rstrip("\0 \t\r\n").lstrip("( ").rstrip(") ")


def find_episodes(
    sample: npt.ArrayLike,
    aux: Any,
    num_samples: int,
    rhythm_labels: Mapping[str, str],
    *,
    before_first: Literal["nsr", "afib", "unlabelled"],
    min_samples: int,
    symbol: npt.ArrayLike | None = None,
) -> Episodes:
    """Turn rhythm-change annotations into rhythm episodes.

    A rhythm lasts from its mark to the next mark, the last one to the end of the signal. Give all marks from the start
    of the record: without them the rhythm of its first samples is lost.

    Parameters
    ----------
    sample : array_like of int, shape (n,)
        Positions of the annotations, in file order.
    aux : sequence of str, shape (n,)
        Their notes. Without `symbol`, notes that begin with ``(`` or ``)`` are rhythm marks; all others (empty,
        ``MISSB``, ``PSE``, ``M`` ...) are ignored.
    num_samples : int
        Length of the signal in samples; boundaries are clipped to ``[0, num_samples]``.
    rhythm_labels : mapping of str to str
        Text of a mark to the name of the rhythm; other texts keep their own name. A text with an empty name leaves
        the time behind it without a rhythm.
    before_first : {'nsr', 'afib', 'unlabelled'}
        Rhythm before the first mark: NSR, as in the published LTAFDB protocol; AFIB; or none.
    min_samples : int
        Shorter episodes are dropped.
    symbol : array_like of str, shape (n,), optional
        Annotation symbols. If given, the ``+`` annotations are the marks, however their notes begin.

    Returns
    -------
    Episodes
        In time order. Time under a mark without a name (``)`` or an empty ``+``) belongs to no episode.

    Raises
    ------
    ValueError
        If the arrays differ in length, `num_samples` is negative or `before_first` is unknown.

    Notes
    -----
    * Of several marks on one sample the last one in the file wins.
    * After short episodes are dropped, neighbours of the same rhythm are merged if they touch.
    """
    position = np.asarray(sample, dtype=np.int64)
    notes = np.asarray(aux, dtype=object)
    if position.shape != notes.shape or position.ndim != 1:
        raise ValueError(f"annotations: {position.shape} positions and {notes.shape} notes; expected one each.")
    if num_samples < 0:
        raise ValueError(f"num_samples: found {num_samples}; expected 0 or more.")
    if before_first not in RHYTHM_BEFORE_FIRST:
        raise ValueError(f"before_first: found {before_first!r}; expected {', '.join(RHYTHM_BEFORE_FIRST)}.")
    if symbol is None:
        filled = np.flatnonzero(notes != "")
        marks = filled[[str(text).lstrip().startswith(("(", ")")) for text in notes[filled]]]
    else:
        marks = np.flatnonzero(np.asarray(symbol, dtype=np.str_) == "+")
    # A stable sort keeps the order of the file on equal samples, so that its last mark wins.
    marks = marks[np.argsort(position[marks], kind="stable")]
    names = [rhythm_text(str(text)) for text in notes[marks]]
    rhythm = np.array(
        [RHYTHM_BEFORE_FIRST[before_first], *(rhythm_labels.get(name, name) for name in names)],
        dtype=np.str_,
    )
    # A mark before sample 0 holds from 0 on; a mark after the end gives an empty episode, which is dropped.
    start = np.clip(np.concatenate([np.zeros(1, np.int64), position[marks]]), 0, num_samples)
    stop = np.append(start[1:], num_samples)
    kept = (stop - start >= max(min_samples, 1)) & (rhythm != "")
    start, stop, rhythm = start[kept], stop[kept], rhythm[kept]
    if len(start):
        joins = (rhythm[1:] == rhythm[:-1]) & (start[1:] == stop[:-1])
        first = np.append(True, ~joins)
        start, stop, rhythm = start[first], stop[np.append(~joins, True)], rhythm[first]
    return Episodes(start, stop, rhythm)


def rhythm_at(sample: npt.ArrayLike, episodes: Episodes) -> npt.NDArray[np.str_]:
    """Look up the rhythm at given positions.

    Parameters
    ----------
    sample : array_like of int, shape (n,)
        Positions at the rate of `episodes`.
    episodes : Episodes
        As `find_episodes` returns them.

    Returns
    -------
    ndarray of str, shape (n,)
        Name of the rhythm; an empty string outside every episode.
    """
    position = np.asarray(sample, dtype=np.int64)
    if len(episodes) == 0:
        return np.full(position.shape, "", dtype="<U1")
    index = np.searchsorted(episodes.start_sample, position, side="right") - 1
    inside = (index >= 0) & (position < episodes.stop_sample[index])
    return np.where(inside, episodes.rhythm[index], "")
