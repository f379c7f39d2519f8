"""Find what ``ecgfeat predict`` wrote of a recording, by the digest of the recording, and read it again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import source_digest, walk_files
from ecgfeat.files.formats import record_name
from ecgfeat.outputs.endings import ANNOTATIONS_PARAM, EXTENSION, MADE_BY_ENDING, OUTPUT_ENDINGS
from ecgfeat.outputs.from_annotations import as_prediction
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import read_annotations
from ecgfeat.signals.usable import tabulate_quality
from ecgfeat.store.publish import hash_file
from ecgfeat.store.tables import Columns, read_table, table_header


@dataclass(frozen=True)
class Saved:
    """Files of a prediction.

    Attributes
    ----------
    folder : Path
        Where they are.
    name : str
        What their names begin with.
    params : mapping
        How the prediction was made.
    """

    folder: Path
    name: str
    params: Mapping[str, Any]

    @property
    def tables(self) -> tuple[Path, Path] | None:
        """The Parquet tables of beats and of episodes; None where they were not written."""
        beats, episodes = (self.folder / f"{self.name}{ending}" for ending in OUTPUT_ENDINGS["parquet"])
        return (beats, episodes) if beats.is_file() and episodes.is_file() else None

    @property
    def annotations(self) -> Path | None:
        """The annotation file; None where it was not written, or is not as it was written."""
        path = self.folder / f"{self.name}.{EXTENSION}"
        try:
            is_own = hash_file(path) == self.params.get(ANNOTATIONS_PARAM)
        except OSError:
            return None
        return path if is_own else None


def read_params(path: Path) -> Mapping[str, Any] | None:
    """Read how a prediction was made from one of its files, a table or JSON; None if it does not state it."""
    try:
        return _read_params(path)
    except DataError:
        return None


def _read_params(path: Path) -> Mapping[str, Any] | None:
    """Read how a prediction was made; a table that is damaged is a `DataError`."""
    try:
        is_table = path.suffix == ".parquet"
        params = table_header(path)["params"] if is_table else json.loads(path.read_text("utf-8"))["made_by"]
    except DataError:  # it is a ValueError too
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return params if isinstance(params, Mapping) else None


def find_saved(path: Path, folder: Path | None = None) -> Saved | None:
    """Find the prediction of a recording.

    Parameters
    ----------
    path : Path
        The recording; a WFDB record without ending.
    folder : Path, optional
        Where to look, there and below; a prediction must be there. By default the folder of the recording and the
        current one are looked into, but not below.

    Returns
    -------
    Saved or None
        The first prediction that was made of this recording, whatever the name of its folder. None: there is none.

    Raises
    ------
    UsageError
        If there is no such folder, or no prediction of the recording in it.
    DataError
        If there is no other prediction than one whose table is damaged, or a folder cannot be read.
    """
    if folder is not None and not folder.is_dir():
        raise UsageError(str(folder), found="no such folder", expected="a folder that ecgfeat predict wrote to")
    source = source_digest(path)
    endings = (OUTPUT_ENDINGS["parquet"][0], MADE_BY_ENDING, *OUTPUT_ENDINGS["json"])
    name_of = {f"{name}{ending}": name for name in (record_name(path), path.name) for ending in endings}
    if folder is None:
        files = [place / name for place in (path.parent, Path()) for name in name_of]
    else:
        files = [file for file in walk_files(folder) if file.name in name_of]
    damage = None
    for file in files:
        try:
            params = _read_params(file) if file.is_file() else None
        except DataError as error:
            damage = damage or error
            continue
        if params is not None and params.get("source") == source:
            return Saved(file.parent, name_of[file.name], params)
    if damage is not None:
        raise damage
    if folder is not None:
        raise UsageError(
            str(folder),
            found=f"no prediction of {record_name(path)}",
            expected="one that was made of this recording, there or below",
            remedy=f"Run: ecgfeat predict {path} --out {folder}",
        )
    return None


def read_saved(saved: Saved) -> Prediction | None:
    """Read the tables of a prediction.

    Parameters
    ----------
    saved : Saved
        Its files.

    Returns
    -------
    Prediction or None
        Without quality and notes, which are not saved. None where there are no Parquet tables.

    Raises
    ------
    DataError
        If a table is damaged.
    """
    if saved.tables is None:
        return None
    beats, episodes = (
        _name_all(read_table(path, schema))
        for path, schema in zip(saved.tables, (RECORD_BEATS, RECORD_EPISODES), strict=True)
    )
    no_quality = tabulate_quality(saved.name, np.zeros((0, 0), np.int8))
    duration_s = float(episodes["stop_s"][-1]) if len(episodes["stop_s"]) else 0.0
    return Prediction(beats, episodes, no_quality, duration_s, (), dict(saved.params))


def read_saved_annotations(saved: Saved, num_samples: int, fs_hz: float) -> Prediction | None:
    """Read the annotations of a prediction.

    Parameters
    ----------
    saved : Saved
        Its files.
    num_samples, fs_hz
        Length of the record, and its rate.

    Returns
    -------
    Prediction or None
        As of `ecgfeat.outputs.from_annotations.as_prediction`. None where there is no annotation file.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    path = saved.annotations
    if path is None:
        return None
    marks = read_annotations(
        path.parent, saved.name, EXTENSION, num_samples, fs_hz=fs_hz, drop_before_start=True, allow_empty=True
    )
    return as_prediction(marks, num_samples, fs_hz)


def cannot_draw(saved: Saved) -> UsageError:
    """Return the error for a prediction of which neither Parquet tables nor annotations are there."""
    found, expected = "a prediction in other formats, or changed annotations", "Parquet tables or annotations"
    return UsageError(str(saved.folder), found=found, expected=expected, remedy="Predict again, with --format wfdb.")


def _name_all(columns: Columns) -> Columns:
    """Return columns as they are in memory: no rhythm is an empty text, and null in files."""
    rhythm = columns["rhythm"].astype(object)
    return columns | {"rhythm": np.array([name or "" for name in rhythm], dtype=object)}
