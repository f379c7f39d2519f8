"""Beats and rhythms of one unannotated record: R-peaks, beat classes, rhythm episodes.

No oracle: positions come from the detector, labels of preceding beats from the model itself, and the rhythm head names
the whole record.

Shape suffixes: L beats, S samples, C leads, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.predict.chain import Chain, describe_beats, find_beats, name_rhythms
from ecgfeat.predict.episodes import PredictedEpisodes, join_episodes
from ecgfeat.records.annotations import Episodes
from ecgfeat.records.reader import Signal
from ecgfeat.rhythm.describe import classify_beats
from ecgfeat.rhythm.heads import WindowHead
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.signals.resample import resample, to_microvolts
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns


@dataclass(frozen=True)
class Prediction:
    """Beats and rhythms of a record.

    Attributes
    ----------
    beats, episodes : dict of str to array
        Columns of `ecgfeat.predict.files.RECORD_BEATS` and ``RECORD_EPISODES``.
    duration_s : float
        Length of the record.
    notes : tuple of str
        What a reader must know of how it was made, one line each.
    made_by : dict
        Kind of head, number of views, and checksums of the weights, for the metadata of the tables.
    """

    beats: Columns
    episodes: Columns
    duration_s: float
    notes: tuple[str, ...]
    made_by: dict[str, Any]


def predict_record(
    signal: Signal,
    chain: Chain,
    *,
    num_views: int,
    device: str | torch.device = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> Prediction:
    """Find the beats of a record, classify them, and name its rhythms.

    Parameters
    ----------
    signal : Signal
        The record at its own rate.
    chain : Chain
        The models; a timeline head names the rhythm of every beat, a window head that of every segment of 10 s.
    num_views : int
        Views of a timeline head, whose posteriors are averaged; a window head has one.
    device : str or torch.device
        Where to compute.
    on_beats : callable, optional
        Called with the number of beats embedded since the last call.

    Returns
    -------
    Prediction

    Raises
    ------
    DataError
        If no R-peak is found, or the record is shorter than a segment and the head names segments.

    Notes
    -----
    * The first two leads by position are used. A record with one lead gets an invalid second one, as it does
      in the pipeline: the embedder sees zeros there.
    * `ecgfeat.predict.episodes.join_episodes` explains where episodes begin and end, and where nothing is named.
    * A head trained on annotations is given detected R-peaks and predicted labels in their place.
    """
    duration_s = len(signal.signal_mv_SC) / signal.fs_hz
    if isinstance(chain.head, WindowHead) and duration_s * COMMON_FS_HZ < chain.head.window_samples:
        expected = f"at least one segment of {chain.head.window_samples / COMMON_FS_HZ:g} s"
        raise DataError(
            signal.record, found=f"{duration_s:.1f} s of signal", expected=expected, remedy="Take a timeline head."
        )
    assert chain.htf is not None, "an unannotated record needs a beat classifier"
    used_mv_SC = signal.signal_mv_SC[:, : chain.num_leads]
    # The detector reads what it reads in the pipeline: whole microvolts at the common rate.
    signal_uv_SC = to_microvolts(resample(used_mv_SC, signal.fs_hz, COMMON_FS_HZ, device=device))
    rpeaks = find_beats(signal_uv_SC, method="ecgfeat", lead=0, device=device)
    if not len(rpeaks.sample):
        raise DataError(
            signal.record, found=f"no R-peak ({rpeaks.reason})", expected="an ECG", remedy="Look at it: ecgfeat plot."
        )
    record = unannotated_record(signal.record, len(signal_uv_SC), rpeaks.sample)
    record = describe_beats(chain, record, signal_uv_SC, device=device, on_beats=on_beats)
    probability_LK = classify_beats([record], chain.htf, "predicted")[0]
    # A head trained on annotations reads beat labels: the predicted ones take the place of the reference.
    record = replace(record, label=probability_LK.argmax(axis=1))
    units = name_rhythms(chain, [record], num_views=num_views, device=device)[0]
    sample = _to_own_rate(record.sample, signal)
    beats: Columns = {
        "record": np.full(len(sample), signal.record, dtype=object),
        "beat": np.arange(len(sample), dtype=np.int32),
        "sample": sample,
        "time_s": sample / signal.fs_hz,
        "rr_s": record.rr_s,
        "predicted": np.array(BEAT_CLASSES, dtype=object)[record.label],
        **{f"p_{beat_class}": probability_LK[:, k] for k, beat_class in enumerate(BEAT_CLASSES)},
    }
    notes = (signal.calibration_note, _lead_note(signal, chain.num_leads), rpeaks.reason, chain.note)
    return Prediction(
        beats,
        _tabulate_episodes(join_episodes(chain.head, units), sample, signal),
        duration_s,
        tuple(note for note in notes if note),
        {"head": chain.kind, "views": len(units.posterior), "weights": dict(chain.checksums)},
    )


def unannotated_record(record: str, num_samples: int, sample: NDArray[np.int64]) -> RhythmRecord:
    """Make a record of which only the R-peaks are known.

    Parameters
    ----------
    record : str
        Name.
    num_samples : int
        Length at the common rate.
    sample : ndarray of int64, (L,)
        R-peaks at the common rate.

    Returns
    -------
    RhythmRecord
        Without episodes, beat labels and embeddings.
    """
    none = np.zeros(0, np.int64)
    rr_s = np.diff(sample / COMMON_FS_HZ, prepend=np.nan)
    label = np.full(len(sample), -1, dtype=np.int64)
    return RhythmRecord("", record, record, num_samples, sample, rr_s, label, Episodes(none, none, none.astype(str)))


def _to_own_rate(sample: NDArray[np.int64], signal: Signal) -> NDArray[np.int64]:
    """Convert positions at the common rate to those of the record, within it."""
    own = np.rint(sample * (signal.fs_hz / COMMON_FS_HZ)).astype(np.int64)
    return np.minimum(own, len(signal.signal_mv_SC) - 1)


def _tabulate_episodes(episodes: PredictedEpisodes, sample: NDArray[np.int64], signal: Signal) -> Columns:
    """Lay episodes out as rows of ``RECORD_EPISODES``."""
    edges = np.append(_to_own_rate(episodes.edges[:-1], signal), len(signal.signal_mv_SC))
    return {
        "record": np.full(len(episodes.label), signal.record, dtype=object),
        "start_sample": edges[:-1],
        "stop_sample": edges[1:],
        "start_s": edges[:-1] / signal.fs_hz,
        "stop_s": edges[1:] / signal.fs_hz,
        "predicted": np.array([*RHYTHMS, ""], dtype=object)[episodes.label],
        "num_beats": np.diff(np.searchsorted(sample, edges)),
        **{f"p_{rhythm}": episodes.posterior[:, k] for k, rhythm in enumerate(RHYTHMS)},
    }


def _lead_note(signal: Signal, num_leads: int) -> str:
    """Return which leads are read, where the record has more or fewer than the embedder takes."""
    names, count = signal.leads, len(signal.leads)
    if count < num_leads:
        return f"{count} lead ({', '.join(names)}) of the {num_leads} the embedder takes: the rest is given as invalid"
    if count > num_leads:
        return f"{count} leads: the first {num_leads} by position are read ({', '.join(names[:num_leads])})"
    return ""
