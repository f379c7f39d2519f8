"""Find what ``ecgfeat predict`` wrote of a recording, by the digest of the recording, and read it again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgfeat.errors import DataError
from ecgfeat.files.folders import source_digest
from ecgfeat.files.formats import record_name
from ecgfeat.outputs.endings import ANNOTATIONS_PARAM, EXTENSION, MADE_BY_ENDING, OUTPUT_ENDINGS
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.prediction.record import Prediction
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
        is_table = path.suffix == ".parquet"
        params = table_header(path)["params"] if is_table else json.loads(path.read_text("utf-8"))["made_by"]
    except (DataError, OSError, ValueError, KeyError, TypeError):
        return None
    return params if isinstance(params, Mapping) else None


def find_saved(path: Path, folders: Sequence[Path] = ()) -> Saved | None:
    """Find the prediction of a recording.

    Parameters
    ----------
    path : Path
        The recording; a WFDB record without ending.
    folders : sequence of Path
        Where to look first; then the folder of the recording, and the current one.

    Returns
    -------
    Saved or None
        The first prediction that was made of this recording, whatever the name of its folder. None: there is none.
    """
    source = source_digest(path)
    names = dict.fromkeys((record_name(path), path.name))
    endings = (OUTPUT_ENDINGS["parquet"][0], MADE_BY_ENDING, *OUTPUT_ENDINGS["json"])
    for folder in (*folders, path.parent, Path()):
        for name in names:
            files = (folder / f"{name}{ending}" for ending in endings)
            for file in files:
                params = read_params(file) if file.is_file() else None
                if params is not None and params.get("source") == source:
                    return Saved(folder, name, params)
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


def _name_all(columns: Columns) -> Columns:
    """Return columns as they are in memory: no rhythm is an empty text, and null in files."""
    rhythm = columns["rhythm"].astype(object)
    return columns | {"rhythm": np.array([name or "" for name in rhythm], dtype=object)}
