"""Write the files of a prediction: tables as Parquet or CSV, WFDB annotations, or one JSON object."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from ecgfeat.errors import UsageError
from ecgfeat.outputs.endings import ANNOTATIONS_PARAM, MADE_BY_ENDING, OUTPUT_ENDINGS, source_mark
from ecgfeat.outputs.saved import read_params
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES, null_rhythm
from ecgfeat.records.formats import encode_annotations
from ecgfeat.records.marks import annotation_rows
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.publish import publish
from ecgfeat.store.tables import Columns, write_table

_OTHER_FOLDER = "Name another folder with --out, or remove the file."


def write_prediction(
    folder: Path,
    name: str,
    beats: Columns,
    episodes: Columns,
    fs_hz: float,
    params: Mapping[str, Any],
    formats: Sequence[str] = ("parquet", "wfdb"),
) -> tuple[Path, ...]:
    """Write what was predicted of a record.

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
        How the prediction was made; kept in the metadata of both tables. Its entry ``source`` tells recordings apart.
    formats : sequence of str
        Of `OUTPUT_ENDINGS`: ``parquet`` and ``csv`` (a table of beats and one of episodes), ``wfdb`` (annotations), and
        ``json`` (all in one object). Without ``parquet`` and ``json`` there is one file more, of the params.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    UsageError
        If a file of this name is there that is not known to be of the same recording: it would be lost.
    """
    of_format = {kind: [folder / f"{name}{ending}" for ending in endings] for kind, endings in OUTPUT_ENDINGS.items()}
    written = [path for kind, paths in of_format.items() if kind in formats for path in paths]
    made_by = folder / f"{name}{MADE_BY_ENDING}"
    _refuse_to_replace(of_format, made_by, str(params.get("source", "")))
    tables = [(null_rhythm(beats), RECORD_BEATS), (null_rhythm(episodes), RECORD_EPISODES)]
    annotations = encode_annotations(*annotation_rows(beats, episodes), fs_hz)
    if "wfdb" in formats:
        params = {**params, ANNOTATIONS_PARAM: hashlib.sha256(annotations).hexdigest()}
    if "parquet" in formats:
        for path, (columns, schema) in zip(of_format["parquet"], tables, strict=True):
            write_table(path, columns, schema, params)
    if "csv" in formats:
        for path, (columns, schema) in zip(of_format["csv"], tables, strict=True):
            with publish(path) as part:
                csv.write_csv(
                    pa.table({name: pa.array(columns[name], from_pandas=True) for name in schema.columns}), part
                )
    if "wfdb" in formats:
        with publish(of_format["wfdb"][0]) as part:
            part.write_bytes(annotations)
    if "json" in formats:
        with publish(of_format["json"][0]) as part:
            part.write_text(_as_json(name, tables, fs_hz, params), "utf-8")
    if not {"parquet", "json"} & set(formats):
        with publish(made_by) as part:
            part.write_text(json.dumps({"record": name, "made_by": dict(params)}, default=float) + "\n", "utf-8")
        written.append(made_by)
    return tuple(written)


def _refuse_to_replace(of_format: Mapping[str, Sequence[Path]], made_by: Path, source: str) -> None:
    """Refuse to write beside files of this name in any format, unless they are known to be of the same recording."""
    there = [path for path in (*itertools.chain(*of_format.values()), made_by) if path.exists()]
    if not there:
        return
    params = [read_params(path) for path in (*of_format["parquet"], *of_format["json"], made_by) if path.exists()]
    sources = {None if stated is None else str(stated.get("source", "")) for stated in params}
    if sources != {source}:
        found = "a file of another recording of this name" if sources else "a file that may be of another recording"
        expected = "no file, or one of the same recording"
        raise UsageError(str(there[0]), found=found, expected=expected, remedy=_OTHER_FOLDER)


def refuse_to_replace_page(path: Path, source: str) -> None:
    """Refuse to write a page over a file that is not known to be of the same recording.

    Parameters
    ----------
    path : Path
        Where a page is to be written.
    source : str
        Digest of the recording, which its pages contain.

    Raises
    ------
    UsageError
        If there is such a file: devices write reports of this name too.
    """
    if path.exists() and (not path.is_file() or source_mark(source).encode() not in path.read_bytes()):
        found, expected = "a file that may be of another recording", "no file, or one of the same recording"
        raise UsageError(str(path), found=found, expected=expected, remedy=_OTHER_FOLDER)


def _as_json(name: str, tables: Sequence[tuple[Columns, TableSchema]], fs_hz: float, params: Mapping[str, Any]) -> str:
    """Write both tables as one object; NaN is null."""
    content: dict[str, Any] = {"record": name, "fs_hz": fs_hz, "made_by": dict(params)}
    for key, (columns, schema) in zip(("beats", "episodes"), tables, strict=True):
        table = pa.table({column: pa.array(columns[column], from_pandas=True) for column in schema.columns})
        content[key] = table.to_pylist()
    return json.dumps(content, ensure_ascii=False, allow_nan=False, default=float) + "\n"
