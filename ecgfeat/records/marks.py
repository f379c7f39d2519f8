"""Beats and rhythm episodes as the rows of a WFDB annotation file.

References
----------
WFDB annotation codes and rhythm notes, https://wfdb.io/mit_wfdb/spec/annot.html.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

SYMBOL_OF_CLASS = {"N": "N", "S": "A", "V": "V", "F": "F", "Q": "Q", "": "Q"}
"""WFDB beat code written for each AAMI class; Q: a beat of none of them."""


CLASS_OF_SYMBOL = {symbol: name for name, symbol in SYMBOL_OF_CLASS.items() if name}
"""AAMI class of each code that is written."""


def name_of_rhythm(note: str) -> str:
    """Return the rhythm of a note that `rhythm_note` wrote; empty where it names none."""
    name = note.rstrip("\0").removeprefix("(")
    return "NSR" if name == "N" else name


def rhythm_note(name: str) -> str:
    """Return the note of a rhythm mark, spelt as in the LTAFDB; ``(`` alone ends a rhythm without naming another."""
    return f"({'N' if name == 'NSR' else name}"


def annotation_rows(
    beats: Mapping[str, npt.NDArray[Any]], episodes: Mapping[str, npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.int64], list[str], list[str]]:
    """Merge beats and rhythm marks into the rows of an annotation file.

    Parameters
    ----------
    beats : mapping of str to array
        Columns ``sample`` and ``aami``: N, S, V, F, Q, or empty for a beat of none of them.
    episodes : mapping of str to array
        Columns ``start_sample`` and ``rhythm``; a rhythm holds until the next start, an empty one names none.

    Returns
    -------
    sample : ndarray of int64, shape (n,)
        Ascending; a rhythm mark comes before the beat on its sample.
    symbol, note : list of str, length n
        ``N A V F Q`` with an empty note, or ``+`` with a rhythm note such as ``(AFIB``.
    """
    sample = np.concatenate([episodes["start_sample"], beats["sample"]]).astype(np.int64)
    symbol = ["+"] * len(episodes["rhythm"]) + [SYMBOL_OF_CLASS[name] for name in beats["aami"]]
    note = [rhythm_note(name) for name in episodes["rhythm"]] + [""] * len(beats["aami"])
    order = np.argsort(sample, kind="stable")
    return sample[order], [symbol[i] for i in order], [note[i] for i in order]
