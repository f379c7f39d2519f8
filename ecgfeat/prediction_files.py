"""What ``ecgfeat predict`` leaves behind: a table of beats, a table of episodes, and a WFDB annotation file.

References
----------
WFDB annotation codes and rhythm notes, https://wfdb.io/mit_wfdb/spec/annot.html.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecgfeat.errors import UsageError, fault
from ecgfeat.mitformat import encode_annotations
from ecgfeat.schemas import BEATS, RHYTHMS, Column, TableSchema
from ecgfeat.store import Columns, publish, write_table

EXTENSION = "ecg"
"""Of the annotation file; none of the corpora known here uses it for its reference."""

BEAT_SYMBOLS = {"N": "N", "S": "A", "V": "V", "": "Q"}
"""WFDB beat code written for each AAMI class; Q: a beat of none of them."""

RHYTHM_NOTES = {name: f"({'N' if name == 'NSR' else name}" for name in RHYTHMS} | {"": "("}
"""Note of a rhythm mark, spelt as in the LTAFDB; ``(`` alone ends a rhythm without naming another."""

RECORD_BEATS = TableSchema(
    "record_beats",
    1,
    {
        "record": Column(pa.string(), "", "record name"),
        "beat": Column(pa.int32(), "", "0-based number of the beat in its record"),
        "sample": Column(pa.int64(), "samples", "detected R-peak at the record's own rate"),
        "time_s": Column(pa.float64(), "s", "the same position in seconds from the start of the record"),
        "rr_s": Column(pa.float64(), "s", "interval to the R-peak before, detected at 128 Hz; NaN for the first"),
        "predicted": Column(pa.string(), "", "predicted AAMI class: N S V"),
        **{f"p_{name}": Column(pa.float32(), "1", f"probability of {name}") for name in BEATS},
    },
)
RECORD_EPISODES = TableSchema(
    "record_episodes",
    1,
    {
        "record": Column(pa.string(), "", "record name"),
        "start_sample": Column(pa.int64(), "samples", "first sample of the episode at the record's own rate"),
        "stop_sample": Column(pa.int64(), "samples", "first sample after the episode"),
        "start_s": Column(pa.float64(), "s", "start in seconds from the start of the record"),
        "stop_s": Column(pa.float64(), "s", "stop in seconds from the start of the record"),
        "predicted": Column(pa.string(), "", "predicted rhythm; empty where a window head saw no R-peak"),
        "num_beats": Column(pa.int64(), "beats", "R-peaks in the episode"),
        **{
            f"p_{name}": Column(
                pa.float32(), "1", f"probability of {name}, mean over its beats (timeline head) or windows"
            )
            for name in RHYTHMS
        },
    },
)


def write_prediction(
    folder: Path, name: str, beats: Columns, episodes: Columns, fs_hz: float, params: Mapping[str, Any]
) -> tuple[Path, Path, Path]:
    """Write ``<name>-beats.parquet``, ``<name>-episodes.parquet`` and ``<name>.ecg``.

    Parameters
    ----------
    folder : Path
        Where to; made if absent.
    name : str
        Record name without a folder.
    beats, episodes : dict of str to array
        Columns of `RECORD_BEATS` and `RECORD_EPISODES`.
    fs_hz : float
        Rate of the positions.
    params : mapping
        What made the prediction; kept in the metadata of both tables.

    Returns
    -------
    tuple of Path
        The three files.

    Raises
    ------
    UsageError
        If ``<name>.ecg`` is there and no table of beats beside it: it would be somebody's annotations that are lost.
    """
    paths = (folder / f"{name}-beats.parquet", folder / f"{name}-episodes.parquet", folder / f"{name}.{EXTENSION}")
    if paths[2].exists() and not paths[0].exists():
        found = "annotations that ecgfeat predict did not write"
        raise UsageError(fault(str(paths[2]), found, "a folder without such a file", "Name another with --out."))
    sample, symbol, note = annotation_rows(beats, episodes)
    write_table(paths[0], beats, RECORD_BEATS, params)
    write_table(paths[1], episodes, RECORD_EPISODES, params)
    with publish(paths[2]) as part:
        part.write_bytes(encode_annotations(sample, symbol, note, fs_hz))
    return paths


def annotation_rows(beats: Columns, episodes: Columns) -> tuple[Any, list[str], list[str]]:
    """Merge beats and rhythm marks into the rows of an annotation file.

    Parameters
    ----------
    beats, episodes : dict of str to array
        Columns of `RECORD_BEATS` and `RECORD_EPISODES`.

    Returns
    -------
    sample : ndarray of int64, shape (n,)
        Ascending; a rhythm mark stands before the beat on its sample.
    symbol, note : list of str, length n
        ``N A V Q`` with an empty note, or ``+`` with a rhythm note such as ``(AFIB``.
    """
    sample = np.concatenate([episodes["start_sample"], beats["sample"]]).astype(np.int64)
    symbol = ["+"] * len(episodes["predicted"]) + [BEAT_SYMBOLS[name] for name in beats["predicted"]]
    note = [RHYTHM_NOTES[name] for name in episodes["predicted"]] + [""] * len(beats["predicted"])
    order = np.argsort(sample, kind="stable")
    return sample[order], [symbol[i] for i in order], [note[i] for i in order]


def summarise_prediction(record: str, beats: Columns, episodes: Columns, duration_s: float) -> str:
    """Word what was found in a record in three lines.

    Parameters
    ----------
    record : str
        Name.
    beats, episodes : dict of str to array
        Columns of `RECORD_BEATS` and `RECORD_EPISODES`.
    duration_s : float
        Length of the record.

    Returns
    -------
    str
        Hours and beats per class; minutes per rhythm; AF burden, the share of AFIB in the time with a rhythm.
    """
    called = beats["predicted"]
    counts = ", ".join(f"{int((called == name).sum()):,} {name}" for name in BEATS)
    length_s = episodes["stop_s"] - episodes["start_s"]
    of_rhythm = {name: float(length_s[episodes["predicted"] == name].sum()) for name in (*RHYTHMS, "")}
    minutes = ", ".join(f"{name or 'no R-peak'} {spent_s / 60:.1f}" for name, spent_s in of_rhythm.items() if spent_s)
    named_s = sum(of_rhythm.values()) - of_rhythm[""]
    burden = f"{100 * of_rhythm['AFIB'] / named_s:.1f} %" if named_s else "unknown"
    return (
        f"{record}: {duration_s / 3600:.2f} h, {len(called):,} beats: {counts}\n"
        f"{record}: minutes: {minutes} ({len(length_s):,} episode{'s' * (len(length_s) != 1)})\n"
        f"{record}: AF burden {burden}"
    )
