"""Predict records again with one thing changed in how they were taken, and count what that does to the scores.

Both sides of a difference are counted over the same time: the lost rest is counted by itself.

Shape suffixes: E spans of time, K classes, F fates.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.history import beat_labels
from ecgfeat.prediction.episodes import NO_SIGNAL, NOISE, UNNAMED
from ecgfeat.prediction.models import Models
from ecgfeat.prediction.record import Prediction, predict_record
from ecgfeat.records.annotations import rhythm_at
from ecgfeat.records.reader import Signal
from ecgfeat.scoring.beats import DETECTION_COUNTS, FLUTTER, MATCH_WINDOW_S, count_detections, match_beats
from ecgfeat.scoring.rhythm import class_codes, confusion_matrix, ratio
from ecgfeat.scoring.variants import AS_IT_IS, compare_variants
from ecgfeat.sensitivity.variants import Variant
from ecgfeat.signals.rpeak_table import episodes_at_common_rate, to_common_rate
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns

LIMITED_PARTS: Final = ("beats", "rhythm_per_second")
FATES: Final = ("found", "missed", "unusable")
"""What becomes of a reference beat: unusable is a beat in time that quality calls so."""

PairCounts = dict[str, NDArray[np.float64]]
"""Of the record as it is and as it is varied, in this order along the first axis: ``rpeaks`` (2, 3), ``beats``
(2, 3, 3), ``rhythm_per_second`` (2, 6, 6) in hours, ``fates`` (2, 3, 3) of reference beats by class; and ``time``
(1 + reasons,): hours that the record as it is has a rhythm in, by what the varied one has there, a rhythm first."""


@dataclass(frozen=True)
class RobustnessRecord:
    """A record with its signal and its reference, at its own rate.

    Attributes
    ----------
    subject : str
        Whose it is.
    signal : Signal
        All leads as they were recorded.
    reference, episodes : dict of str to array
        Its rows of the ``beats`` and ``episodes`` tables.
    """

    subject: str
    signal: Signal
    reference: Columns
    episodes: Columns

    def first_hours(self, hours: float) -> "RobustnessRecord":
        """Return the beginning of the record; all of it for 0 hours."""
        stop = round(hours * 3600 * self.signal.fs_hz) or len(self.signal.signal_mv_SC)
        is_inside, begins = self.reference["sample"] < stop, self.episodes["start_sample"] < stop
        episodes = {name: column[begins] for name, column in self.episodes.items()}
        return RobustnessRecord(
            self.subject,
            replace(self.signal, signal_mv_SC=self.signal.signal_mv_SC[:stop]),
            {name: column[is_inside] for name, column in self.reference.items()},
            episodes | {"stop_sample": np.minimum(episodes["stop_sample"], stop)},
        )


def count_pair(record: RobustnessRecord, before: Prediction, after: Prediction) -> PairCounts:
    """Count hits and errors of a record as it is and as it is varied.

    Parameters
    ----------
    record : RobustnessRecord
        The record as it is, for its reference.
    before, after : Prediction
        What is predicted of it as it is, and as it is varied.

    Returns
    -------
    dict of str to ndarray of float64
        See `PairCounts`.

    Notes
    -----
    * R-peaks, and classes of reference beats N, S, V that have an R-peak, are counted in time that both sides call
      usable; rhythms in time in which both name one and the reference has one of the six.
    """
    fs_hz, sides = record.signal.fs_hz, (before, after)
    label = beat_labels(record.reference["aami"])
    position = to_common_rate(record.reference["sample"], fs_hz)
    episodes = episodes_at_common_rate(record.episodes, fs_hz)
    spans = [_spans_of(side) for side in sides]
    stop = min(edges[-1] for edges, _ in spans)
    edges = np.unique(np.concatenate([spans[0][0], spans[1][0], episodes.start_sample, episodes.stop_sample, [stop]]))
    edges = edges[(edges >= 0) & (edges <= stop)]
    start, hours = edges[:-1], np.diff(edges) / COMMON_FS_HZ / 3600
    code_2E = np.stack([_code_at(of, start) for of in spans])
    is_usable_2E = ~np.isin(code_2E, [_CODE[NOISE], _CODE[NO_SIGNAL]])
    rhythm = rhythm_at(start, episodes)
    is_left_out = (rhythm == FLUTTER) | ~is_usable_2E.all(axis=0)
    ignored = np.stack([start[is_left_out], edges[1:][is_left_out]], axis=1)
    inside = ~is_left_out[np.clip(np.searchsorted(edges, position, side="right") - 1, 0, len(start) - 1)]
    rpeaks, beats, fates = [], [], []
    for side, of in zip(sides, spans, strict=True):
        sample = np.rint(side.beats["time_s"] * COMMON_FS_HZ).astype(np.int64)
        hits = count_detections(position, sample, COMMON_FS_HZ, ignored_spans=ignored)
        rpeaks.append([hits[name] for name in DETECTION_COUNTS])
        row, rpeak = match_beats(position, sample, int(MATCH_WINDOW_S * COMMON_FS_HZ))
        predicted = class_codes(side.beats["aami"], BEAT_CLASSES)[rpeak]
        truth = np.where(inside, label, -1)[row]
        beats.append(confusion_matrix(truth, predicted, len(BEAT_CLASSES)))
        fate = np.where(np.isin(_code_at(of, position), [_CODE[NOISE], _CODE[NO_SIGNAL]]), 2, 1)
        fate[row] = 0
        fates.append(confusion_matrix(label, fate, len(BEAT_CLASSES)))
    is_both = (code_2E < len(RHYTHMS)).all(axis=0)
    truth = np.where(is_both, class_codes(rhythm, RHYTHMS), -1)
    is_named = code_2E[0] < len(RHYTHMS)
    place = np.maximum(code_2E[1] - len(RHYTHMS) + 1, 0)[is_named]
    return {
        "rpeaks": np.array(rpeaks, dtype=np.float64),
        "beats": np.stack(beats),
        "rhythm_per_second": np.stack([confusion_matrix(truth, code_E, len(RHYTHMS), hours) for code_E in code_2E]),
        "fates": np.stack(fates),
        "time": np.bincount(place, weights=hours[is_named], minlength=1 + len(UNNAMED)).astype(np.float64),
    }


_CODE: Final = {name: code for code, name in enumerate((*RHYTHMS, *UNNAMED))}
_Spans = tuple[NDArray[np.int64], NDArray[np.int64]]


def _spans_of(prediction: Prediction) -> _Spans:
    """Return the edges of what is predicted of time, at the common rate, and the code of each span."""
    episodes = prediction.episodes
    edges_s = np.append(episodes["start_s"], episodes["stop_s"][-1:])
    names = np.where(episodes["rhythm"] != "", episodes["rhythm"], episodes["reason"])
    return np.rint(edges_s * COMMON_FS_HZ).astype(np.int64), np.array([_CODE[name] for name in names], dtype=np.int64)


def _code_at(spans: _Spans, position: NDArray[np.int64]) -> NDArray[np.int64]:
    edges, code = spans
    return code[np.clip(np.searchsorted(edges, position, side="right") - 1, 0, len(code) - 1)]


def run_variants(
    records: Iterable[RobustnessRecord],
    variants: Sequence[Variant],
    models: Models,
    *,
    device: str | torch.device = "cpu",
) -> dict[str, dict[str, PairCounts]]:
    """Predict every record once per variant, and count.

    Parameters
    ----------
    records : iterable of RobustnessRecord
        The records.
    variants : sequence of Variant
        As `list_variants` returns them.
    models : Models
        What predicts.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    dict of str to dict of str to dict
        By variant and subject: `PairCounts`, summed over the records of the subject.
    """
    counts: dict[str, dict[str, PairCounts]] = {variant.name: {} for variant in variants}
    for record in records:
        before = predict_record(record.signal, models, device=device)
        for variant in variants:
            if len(record.signal.leads) < variant.least_leads:
                continue
            is_same = variant.name == AS_IT_IS
            after = before if is_same else predict_record(variant.vary(record.signal), models, device=device)
            pair, of_subject = count_pair(record, before, after), counts[variant.name]
            total = of_subject.get(record.subject)
            of_subject[record.subject] = pair if total is None else {name: total[name] + pair[name] for name in pair}
    return counts


def compare_pairs(
    counts: Mapping[str, Mapping[str, PairCounts]], variants: Sequence[Variant], *, num_resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Score every variant against the records as they are, and compare with its limit.

    Parameters
    ----------
    counts : mapping of str to mapping
        Of `run_variants`.
    variants : sequence of Variant
        The variants.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples: no intervals.

    Returns
    -------
    dict of str to dict
        By variant with records: what `compare_variants` returns; in ``difference`` of beats and rhythm also ``limit``
        and ``is_within``; ``num_subjects``; ``fates``, shares of the reference beats of each class that are found,
        missed, and in unusable time; ``unnamed``, by reason the share of the time that has a rhythm as it is and
        none in the variant.
    """
    summary = {}
    for variant in variants:
        subjects = sorted(counts[variant.name])
        if not subjects:
            continue
        pairs = [counts[variant.name][subject] for subject in subjects]
        count = {name: np.stack([pair[name] for pair in pairs]) for name in pairs[0]}
        parts = ("rpeaks", *LIMITED_PARTS)
        sides = {AS_IT_IS: {part: count[part][:, 0] for part in parts}}
        sides[variant.name] = {part: count[part][:, 1] for part in parts}
        scores = compare_variants(sides, num_resamples=num_resamples, seed=seed)[variant.name]
        for part in LIMITED_PARTS:
            change = scores.get("difference", {}).get(part)
            if variant.limit is not None and change is not None:
                change |= {"limit": variant.limit, "is_within": bool(change["value"] >= -variant.limit)}
        fate_KF, time = count["fates"].sum(axis=0)[1], count["time"].sum(axis=0)
        share_KF = ratio(fate_KF, fate_KF.sum(axis=1, keepdims=True))
        summary[variant.name] = scores | {
            "num_subjects": len(subjects),
            "fates": {
                name: dict(zip(FATES, share_KF[k].tolist(), strict=True))
                for k, name in enumerate(BEAT_CLASSES)
                if fate_KF[k].sum()
            },
            "unnamed": dict(zip(UNNAMED, ratio(time[1:], time.sum()).tolist(), strict=True)),
        }
    return summary


def find_worst(by_corpus: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Say for each part which variant costs most.

    Parameters
    ----------
    by_corpus : mapping
        Of `compare_pairs`, by corpus.

    Returns
    -------
    list of str
        A line for each part, and one that counts what is beyond its limit; none without a difference.
    """
    changes: dict[str, list[tuple[float, str, str]]] = {}
    is_within = []
    for corpus, variants in by_corpus.items():
        for variant, scores in variants.items():
            for part, change in scores.get("difference", {}).items():
                if np.isfinite(change["value"]):
                    changes.setdefault(part, []).append((change["value"], variant, corpus))
                is_within += [change["is_within"]] if "is_within" in change else []
    lines = []
    for part, of_part in changes.items():
        value, variant, corpus = min(of_part)
        lines.append(f"{part}: worst is {variant} of {corpus}, F1 {value:+.3f}")
    return [*lines, f"{is_within.count(False)} of {len(is_within)} beyond their limits"] if lines else []
