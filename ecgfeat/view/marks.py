"""Beats and episodes as the page shows them: of the prediction, and of a reference annotation beside a record.

Shape suffixes: L beats, E episodes, K classes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecgfeat.corpora import CORPORA, Corpus
from ecgfeat.errors import DataError
from ecgfeat.files.formats import wfdb_record
from ecgfeat.outputs.annotated import find_rhythms, read_annotated
from ecgfeat.records.annotations import Episodes, aami_class, is_beat
from ecgfeat.records.reader import Annotations, EcgSource, read_annotations
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.schemas import BEAT_CLASSES, BEAT_TABLE, EPISODES, RHYTHMS
from ecgfeat.store.tables import REMAKE, Columns, check_header, header_of, open_unverified
from ecgfeat.summary import Figure, list_figures, summarise
from ecgfeat.view.sources import find_place

# What imports torch is imported where a record is predicted, in a process of its own: the server does without it.
if TYPE_CHECKING:
    from ecgfeat.prediction.record import Prediction

REFERENCE_ENDING = "atr"

_NO_EPISODES = Episodes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, "<U1"))


@dataclass(frozen=True)
class Marks:
    """Beats and rhythm episodes of a record, from one source.

    Attributes
    ----------
    time_s : ndarray of float64, shape (L,)
        R-peaks in seconds from the start of the record, ascending.
    rr_s : ndarray of float64, shape (L,)
        Interval to the beat before; NaN where there is none.
    label : ndarray of str, shape (L,)
        N, S, V, F or Q; empty in a reference whose beats were not classified.
    start_s, stop_s : ndarray of float64, shape (E,)
        Half-open extent of each episode.
    rhythm : list of str, length E
        Empty where there is none.
    reason : list of str, length E
        Why there is none; else empty.
    beat_probability : ndarray of float32, shape (L, 3), or None
        Of N, S and V; None in a reference.
    rhythm_probability : ndarray of float32, shape (E, 6), or None
        Of each rhythm; NaN where there is none.
    certainty : ndarray of float32, shape (E,), or None
        Of the rhythm of each episode.
    quality : dict of str to array
        Runs of seconds that are not usable: ``lead`` (position), ``start_s``, ``stop_s``, ``is_absent``. Empty in a
        reference.
    figures : tuple of Figure
        The summary of the record; empty for a reference.
    notes : tuple of str
        What a reader must know.
    made_by : dict
        Models of a prediction, as `ecgfeat.prediction.record.Prediction` has them.
    """

    time_s: NDArray[np.float64]
    rr_s: NDArray[np.float64]
    label: NDArray[np.str_]
    start_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]
    rhythm: list[str]
    reason: list[str]
    beat_probability: NDArray[np.float32] | None = None
    rhythm_probability: NDArray[np.float32] | None = None
    certainty: NDArray[np.float32] | None = None
    quality: dict[str, NDArray[Any]] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    made_by: dict[str, Any] = field(default_factory=dict)


def marks_of_prediction(prediction: "Prediction", start: datetime | None) -> Marks:
    """Return the beats and episodes of a prediction.

    Parameters
    ----------
    prediction : Prediction
        Of a record.
    start : datetime or None
        When the recording began.

    Returns
    -------
    Marks
    """
    from ecgfeat.signals.quality import ABSENT, USABLE
    from ecgfeat.signals.usable import STATES

    beats, episodes, quality = prediction.beats, prediction.episodes, prediction.quality
    is_left = quality["state"] != STATES[USABLE]
    return Marks(
        time_s=np.asarray(beats["time_s"], np.float64),
        rr_s=np.asarray(beats["rr_s"], np.float64),
        label=np.asarray(beats["aami"], dtype="<U1"),
        start_s=np.asarray(episodes["start_s"], np.float64),
        stop_s=np.asarray(episodes["stop_s"], np.float64),
        rhythm=[str(name) for name in episodes["rhythm"]],
        reason=[str(text) for text in episodes["reason"]],
        beat_probability=np.stack([np.asarray(beats[f"p_{name}"], np.float32) for name in BEAT_CLASSES], axis=1),
        rhythm_probability=np.stack([np.asarray(episodes[f"p_{name}"], np.float32) for name in RHYTHMS], axis=1),
        certainty=np.asarray(episodes["certainty"], np.float32),
        quality={
            "lead": quality["lead"][is_left].astype(np.uint8),
            "start_s": quality["start_s"][is_left].astype(np.int32),
            "stop_s": quality["stop_s"][is_left].astype(np.int32),
            "is_absent": (quality["state"][is_left] == STATES[ABSENT]).astype(np.uint8),
        },
        figures=tuple(list_figures(summarise(beats, episodes, prediction.duration_s, start))),
        notes=prediction.notes,
        made_by=prediction.made_by,
    )


def read_reference(path: Path, signal: EcgSource) -> Marks | None:
    """Read the reference annotation of a WFDB record.

    Parameters
    ----------
    path : Path
        The record.
    signal : EcgSource
        The same, open.

    Returns
    -------
    Marks or None
        None where there is none. Of a record of a finished run, what its tables say; of a corpus that the project
        knows (`ecgfeat.view.sources.find_place`), the files that the corpus names; else ``.atr`` beside the record.
        Beside a file of another format, an annotation file of its name may be that of another recording, and is not
        read.

    Raises
    ------
    DataError
        If a file is damaged, or cannot be read.
    """
    record = wfdb_record(path)
    if record is None:
        return None
    try:
        return _read_beside(record, signal)
    except OSError as error:
        found = f"its reference cannot be read ({error.strerror or error})"
        raise DataError(record.name, found=found, expected="readable files beside the record") from error


def _read_beside(record: Path, signal: EcgSource) -> Marks | None:
    """Read the reference of a WFDB record: of its run, as its corpus has it, or the file beside it."""
    place = find_place(record)
    if place is not None and place.run is not None:
        return _read_tables(place.run, place.corpus, place.record, signal.fs_hz)
    if place is not None:
        return _read_files(CORPORA[place.corpus], place.folder, place.record, signal)
    file = record.with_name(f"{record.name}.{REFERENCE_ENDING}")
    return _as_marks(*read_annotated(file, signal.num_samples, signal.fs_hz), signal.fs_hz) if file.is_file() else None


def _read_files(corpus: Corpus, folder: Path, record: str, signal: EcgSource) -> Marks | None:
    """Read the annotation files that the facts of a corpus name; beats that were not classified have no label."""

    def read(ending: str) -> Annotations | None:
        if not ending or not (folder / f"{record}.{ending}").is_file():
            return None
        return read_annotations(
            folder, record, ending, signal.num_samples, fs_hz=signal.fs_hz, allow_empty=True, drop_before_start=True
        )

    rhythms, beats = read(corpus.annotation), read(corpus.beat_annotation or corpus.annotation)
    if rhythms is None and beats is None:
        return None
    sample, label, episodes = np.zeros(0, np.int64), np.zeros(0, "<U1"), _NO_EPISODES
    if rhythms is not None:
        episodes = find_rhythms(rhythms, signal.num_samples, corpus)
    if beats is not None:
        is_of_beat = is_beat(beats.symbol)
        sample, label = beats.sample[is_of_beat], aami_class(beats.symbol[is_of_beat], "dechazal")
    return _as_marks(sample, label if corpus.has_beat_classes else np.full(len(sample), ""), episodes, signal.fs_hz)


def _read_tables(run: Path, corpus: str, record: str, fs_hz: float) -> Marks | None:
    """Read the reference that a run has used from its tables; their positions are at the rate of the record."""
    tables = []
    for schema, kind in ((BEAT_TABLE, "beats"), (EPISODES, "episodes")):
        path = run / "data" / kind / f"{corpus}.parquet"
        tables.append(_read_rows(path, schema, record) if path.is_file() else None)
    beats, episodes = tables
    if not any(of is not None and len(of["record"]) for of in tables):
        return None
    return _as_marks(
        np.zeros(0, np.int64) if beats is None else beats["sample"],
        np.zeros(0, "<U1") if beats is None else np.array([of or "" for of in beats["aami"]], "<U1"),
        _NO_EPISODES
        if episodes is None
        else Episodes(episodes["start_sample"], episodes["stop_sample"], episodes["rhythm"].astype(np.str_)),
        fs_hz,
    )


def _read_rows(path: Path, schema: TableSchema, record: str) -> Columns:
    """Read the rows of one record of a table: of a large corpus all of them are millions."""
    with open_unverified(path) as file:
        check_header(path, header_of(file), schema)
    try:
        table = pq.read_table(path, filters=[("record", "==", record)], page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        found = f"damaged ({str(error).splitlines()[0]})"
        raise DataError(str(path), found=found, expected="intact pages", remedy=REMAKE) from error
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _as_marks(sample: NDArray[np.int64], label: NDArray[np.str_], episodes: Episodes, fs_hz: float) -> Marks:
    time_s = np.asarray(sample, np.float64) / fs_hz
    return Marks(
        time_s=time_s,
        rr_s=np.diff(time_s, prepend=np.nan),
        label=label,
        start_s=episodes.start_sample / fs_hz,
        stop_s=episodes.stop_sample / fs_hz,
        rhythm=[str(name) for name in episodes.rhythm],
        reason=[""] * len(episodes),
    )
