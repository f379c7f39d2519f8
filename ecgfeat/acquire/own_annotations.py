"""Annotations of one's own recordings: a WFDB file beside the recording, or tables as ``ecgfeat predict`` writes them.

So a prediction that somebody corrected in a spreadsheet is an annotation.
"""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from ecgfeat.corpora.ambulatory import RHYTHM_LABELS
from ecgfeat.errors import DataError, printable
from ecgfeat.files.formats import record_name, wfdb_record
from ecgfeat.records.annotations import BEAT_SYMBOLS
from ecgfeat.records.formats import encode_annotations
from ecgfeat.records.headers import find_file, read_header
from ecgfeat.records.marks import SYMBOL_OF_CLASS, rhythm_note
from ecgfeat.records.reader import read_annotations

_RHYTHM_NAME = re.compile(r"[A-Z0-9_+-]{0,20}")

BEATS_ENDING, EPISODES_ENDING = "-beats.csv", "-episodes.csv"

Kind = Literal["wfdb", "csv", "none"]


def find_annotations(recording: Path, kind: Kind) -> list[Path]:
    """Return the files beside a recording that annotate it.

    Parameters
    ----------
    recording : Path
        A file, or a WFDB record without ending.
    kind : {'wfdb', 'csv', 'none'}
        ``wfdb``: ``<name>.atr``. ``csv``: ``<name>-beats.csv`` and ``<name>-episodes.csv``, or one of them.

    Returns
    -------
    list of Path
        Those that exist.
    """
    if kind == "none":
        return []
    name = record_name(recording)
    folder = (wfdb_record(recording) or recording).parent
    endings = (".atr",) if kind == "wfdb" else (BEATS_ENDING, EPISODES_ENDING)
    return [path for ending in endings if (path := find_file(folder / f"{name}{ending}")).is_file()]


def read_annotation_bytes(recording: Path, files: list[Path], fs_hz: float, num_samples: int) -> bytes:
    """Return the annotations of a recording as the content of a WFDB annotation file.

    Parameters
    ----------
    recording : Path
        A file, or a WFDB record without ending.
    files : list of Path
        Of `find_annotations`, at least one.
    fs_hz : float
        Rate of the leads that are read. Annotations of a WFDB record count its frames: where a lead has several samples
        in a frame, they are moved to the rate of the lead.
    num_samples : int
        Length at that rate.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        If a table has not the columns, or holds a symbol, class, rhythm or position that is none.
    """
    where = printable(files[0].name)
    if files[0].suffix.casefold() == ".atr":
        record = wfdb_record(recording)
        if record is None:
            return files[0].read_bytes()
        header = read_header(record.parent, record.name, many_rates=True)
        if header.fs_hz == fs_hz:
            return files[0].read_bytes()
        marks = read_annotations(record.parent, record.name, "atr", header.num_samples, fs_hz=header.fs_hz)
        position = np.rint(marks.sample * (fs_hz / header.fs_hz)).astype(np.int64)
        return encode_annotations(position, marks.symbol, marks.aux.tolist(), fs_hz)
    sample, symbol, note = np.zeros(0, np.int64), np.zeros(0, "<U4"), np.zeros(0, object)
    for path in files:
        read = _beats if path.name.endswith(BEATS_ENDING) else _marks
        rows = read(path, fs_hz, num_samples)
        # A mark stands before the beat on its sample: the marks go in front, and the order of equals is kept.
        sample = np.concatenate([rows[0], sample])
        symbol = np.concatenate([rows[1], symbol])
        note = np.concatenate([rows[2], note])
    order = np.argsort(sample, kind="stable")
    try:
        return encode_annotations(sample[order], symbol[order], note[order].tolist(), fs_hz)
    except ValueError as error:
        raise DataError(where, found=f"rows that are no annotations ({error})", expected="beats and rhythms") from error


_Rows = tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.object_]]


def _beats(path: Path, fs_hz: float, num_samples: int) -> _Rows:
    table = _read(path)
    sample = _position(path, table, "sample", "time_s", fs_hz, num_samples - 1)
    column = "symbol" if "symbol" in table else "aami"
    known = {symbol: symbol for symbol in BEAT_SYMBOLS} if column == "symbol" else SYMBOL_OF_CLASS
    symbol = []
    for line, name in enumerate(_texts(path, table, column), start=2):
        if name not in known:
            expected = "a WFDB beat code, such as N, A or V" if column == "symbol" else "N, S, V or nothing"
            raise DataError(_where(path), found=f"{column} {name!r} in line {line}", expected=expected)
        symbol.append(known[name])
    return sample, np.array(symbol, dtype="<U4"), np.full(len(sample), "", dtype=object)


def _marks(path: Path, fs_hz: float, num_samples: int) -> _Rows:
    """Return a mark where each rhythm begins, and one that ends it where none follows at once."""
    table = _read(path)
    start = _position(path, table, "start_sample", "start_s", fs_hz, num_samples - 1)
    stop = _position(path, table, "stop_sample", "stop_s", fs_hz, num_samples)
    rhythm = np.array([_rhythm(path, *row) for row in enumerate(_texts(path, table, "rhythm"), start=2)], dtype=object)
    order = np.argsort(start, kind="stable")
    start, stop, rhythm = start[order], stop[order], rhythm[order]
    wrong = np.flatnonzero((stop <= start) | (np.append(start[1:], np.iinfo(np.int64).max) < stop))
    if len(wrong):
        at = int(wrong[0])
        span = f"{start[at] / fs_hz:.3f} to {stop[at] / fs_hz:.3f} s"
        found = f"an episode from {span} that overlaps the next or is empty"
        raise DataError(_where(path), found=found, expected="episodes one after another")
    ends = stop[np.append(start[1:], -1) != stop]
    ends = ends[ends < num_samples]  # one that lasts to the end of the recording needs no end
    sample = np.concatenate([start, ends])
    note = np.array([rhythm_note(name) for name in [*rhythm, *[""] * len(ends)]], dtype=object)
    order = np.argsort(sample, kind="stable")
    return sample[order], np.full(len(sample), "+"), note[order]


def _rhythm(path: Path, line: int, text: str) -> str:
    """Return the name of a rhythm, in any of its spellings: ``(AFIB``, ``afib``, ``AF``."""
    name = text.removeprefix("(").upper()
    if not _RHYTHM_NAME.fullmatch(name):
        expected = "the name of a rhythm, such as NSR or AFIB, or nothing"
        raise DataError(_where(path), found=f"rhythm {text[:40]!r} in line {line}", expected=expected)
    return RHYTHM_LABELS.get(name, name)


def _read(path: Path) -> dict[str, Any]:
    """Read a table of text by its names of columns."""
    texts = csv.ConvertOptions(column_types=dict.fromkeys(("symbol", "aami", "rhythm"), pa.string()), null_values=[""])
    try:
        table = csv.read_csv(path, convert_options=texts)
    except (pa.ArrowException, OSError) as error:
        reason = printable(str(error).split("\n")[0][:160])
        expected = "a line of names, then one line each"
        raise DataError(_where(path), found=f"no table ({reason})", expected=expected) from None
    names = [name.strip() for name in table.column_names]
    if len(set(names)) < len(names):
        raise DataError(_where(path), found="two columns of one name", expected="each once")
    return dict(zip(names, table.columns, strict=True))


def _position(
    path: Path, table: dict[str, Any], samples: str, seconds: str, fs_hz: float, last: int
) -> NDArray[np.int64]:
    """Return positions at the rate of the recording, from samples or seconds; where both are there, they must agree."""
    found = []
    for column, factor in ((samples, 1.0), (seconds, fs_hz)):
        if column in table:
            found.append(_numbers(path, column, table[column]) * factor)
    if not found:
        expected = f"{samples} or {seconds} among them"
        raise DataError(_where(path), found=f"columns {', '.join(table)}", expected=expected)
    position = found[0]
    # The last digit of a time may be lost, and tables are written with fewer.
    wrong = ~(np.isfinite(position) & (position >= 0) & (np.rint(position) <= last))
    if wrong.any():
        line = 2 + int(np.argmax(wrong))
        expected = f"a position within the recording, of {(last + 1) / fs_hz:.3f} s"
        raise DataError(_where(path), found=f"no position in line {line}", expected=expected)
    away = np.abs(found[-1] - position) > 1
    if away.any():
        found_text = f"{samples} and {seconds} that differ in line {2 + int(np.argmax(away))}"
        remedy = f"Delete the column that was not corrected, {samples} or {seconds}."
        raise DataError(_where(path), found=found_text, expected="the same position", remedy=remedy)
    return np.rint(position).astype(np.int64)


def _numbers(path: Path, name: str, column: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException:
        raise DataError(_where(path), found=f"text in the column {name}", expected="numbers") from None


def _texts(path: Path, table: dict[str, Any], column: str) -> list[str]:
    if column not in table:
        raise DataError(_where(path), found=f"columns {', '.join(table)}", expected=f"{column} among them")
    return [(text or "").strip() for text in table[column].to_pylist()]


def _where(path: Path) -> str:
    return printable(path.name)
