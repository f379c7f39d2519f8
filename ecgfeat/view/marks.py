"""Beats and episodes as the page shows them: of the prediction, and of a reference annotation beside a record.

Shape suffixes: L beats, E episodes, K classes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.files.formats import wfdb_record
from ecgfeat.outputs.annotated import read_annotated
from ecgfeat.records.reader import EcgSource
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from ecgfeat.summary import Figure, list_figures, summarise

# What imports torch is imported where a record is predicted, in a process of its own: the server does without it.
if TYPE_CHECKING:
    from ecgfeat.prediction.record import Prediction

REFERENCE_ENDING = "atr"


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
        N, S, V, F or Q.
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
    """Read the reference annotation beside a WFDB record.

    Parameters
    ----------
    path : Path
        The record.
    signal : EcgSource
        The same, open.

    Returns
    -------
    Marks or None
        None where there is no such file. Beside a file of another format, an annotation file of its name may be that
        of another recording, and is not read.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    record = wfdb_record(path)
    file = None if record is None else record.with_name(f"{record.name}.{REFERENCE_ENDING}")
    if file is None or not file.is_file():
        return None
    sample, label, episodes = read_annotated(file, signal.num_samples, signal.fs_hz)
    time_s = np.asarray(sample, np.float64) / signal.fs_hz
    return Marks(
        time_s=time_s,
        rr_s=np.diff(time_s, prepend=np.nan),
        label=label,
        start_s=episodes.start_sample / signal.fs_hz,
        stop_s=episodes.stop_sample / signal.fs_hz,
        rhythm=[str(name) for name in episodes.rhythm],
        reason=[""] * len(episodes),
    )
