"""Scores of the whole chain on records that took no part in training, as far as their labels reach.

Shape suffixes: N records, R weightings of the subjects, G subjects, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.beat_summary import summarise_beats
from ecgfeat.scoring.beats import EXCUSED, detection_ratios
from ecgfeat.scoring.certainty import episode_certainty, record_certainty
from ecgfeat.scoring.intervals import MIN_SUBJECTS, draw_subjects, percentile_interval
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.ranking import rank_scores
from ecgfeat.scoring.rhythm import ratio
from ecgfeat.scoring.rhythm_summary import AF, FLUTTER, summarise_rhythm
from ecgfeat.scoring.statements import count_statements
from ecgfeat.scoring.tables import Table, codes, column_names, values
from ecgfeat.store.schemas import RHYTHMS

LEAST_AF_S: Final = 30.0
"""A record has AF, or is called to have it, from so many seconds of it on, or half of what is labelled or usable."""

FEWEST_S: Final = 10
"""S beats of a record that is counted in the mean of S over records."""

NOISY_SHARE: Final = 0.1
"""A record of which a larger share is not usable is a noisy one."""

AF_SCORES: Final = {
    "both": "p_afib",
    "rr_trees": "p_afib_rr_trees",
    "rr_irregular": "rr_irregular",
}
"""Columns that rank records by AF: of the chain, of trees that read RR intervals alone, and one plain figure."""

_RATES_BPM: Final = {"rate_below_60": (0.0, 60.0), "rate_60_to_100": (60.0, 100.0), "rate_from_100": (100.0, np.inf)}


def summarise_outside(
    records: Table,
    beats: Table,
    rhythm: Table,
    episodes: Table,
    *,
    without: Mapping[str, Sequence[str]],
    fs_hz: float,
    num_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score the records of every corpus.

    Parameters
    ----------
    records, beats, rhythm, episodes : pyarrow.Table or mapping
        Tables ``record_scores``, ``beat_predictions``, ``rhythm_predictions`` and ``episode_scores``.
    without : mapping of str to sequence of str
        By corpus: records that hold most of a class. Scores are also given without them.
    fs_hz : float
        Rate of the sample columns.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples: no intervals.

    Returns
    -------
    dict
        ``records, beats, rhythm, episodes``, each by corpus: what `summarise_records`, `summarise_beats` with
        ``mean_s_f1``, `summarise_rhythm` with ``not_classified``, the share of beats without a rhythm, and
        `episode_certainty` and `count_statements` (``certainty, statements``) return; ``without``, where any of those
        records was scored: ``left_out``, by corpus, and beats and rhythm of these corpora again without them.
    """
    draws: dict[str, Any] = {"num_resamples": num_resamples, "seed": seed}
    corpus_names, corpus = codes(records, "corpus")
    summary: dict[str, Any] = {
        "records": {
            name: summarise_records(_pick(records, corpus == index), **draws) for index, name in enumerate(corpus_names)
        },
        **_summarise_units(beats, rhythm, fs_hz=fs_hz, **draws),
        "episodes": _summarise_episodes(episodes),
    }
    scored = {pair for table in (beats, rhythm) for pair in _records_of(table)}
    left_out = {(slug, name) for slug, names in without.items() for name in names} & scored
    if left_out:
        slugs = sorted({slug for slug, _ in left_out})
        kept = [_pick(table, ~_is_among(table, left_out)) for table in (beats, rhythm)]
        parts = _summarise_units(*kept, fs_hz=fs_hz, **draws)
        summary["without"] = {
            "left_out": {slug: sorted(name for of, name in left_out if of == slug) for slug in slugs},
            **{part: {slug: parts[part][slug] for slug in slugs if slug in parts[part]} for part in parts},
        }
    plain: dict[str, Any] = plain_numbers(summary)
    return plain


def _summarise_units(beats: Table, rhythm: Table, *, fs_hz: float, num_resamples: int, seed: int) -> dict[str, Any]:
    draws: dict[str, Any] = {"fs_hz": fs_hz, "num_resamples": num_resamples, "seed": seed}
    of_beats = {slug: of["none"] for slug, of in summarise_beats(beats, **draws).items()}
    for slug, scores in of_beats.items():
        scores["mean_s_f1"] = mean_s_f1(_pick(beats, values(beats, "corpus") == slug))
    scored = summarise_rhythm(rhythm, **draws)
    of_rhythm = {slug: {head: of["timeline"] for head, of in heads.items()} for slug, heads in scored.items()}
    for (slug, head), share in _not_classified(rhythm).items():
        if head in of_rhythm.get(slug, {}):
            of_rhythm[slug][head]["viterbi"]["not_classified"] = share
    if num_resamples:
        for (slug, head), interval in _af_intervals(rhythm, num_resamples, seed).items():
            of_rhythm[slug][head]["viterbi"]["af"]["interval"] = interval
    return {"beats": of_beats, "rhythm": of_rhythm}


def _summarise_episodes(episodes: Table) -> dict[str, Any]:
    """Score the episodes of each corpus that has any to score."""
    corpus_names, corpus = codes(episodes, "corpus")
    summary = {}
    for index, name in enumerate(corpus_names):
        own = _pick(episodes, corpus == index)
        parts = {"certainty": episode_certainty(own), "statements": count_statements(own)}
        if any(parts.values()):
            summary[name] = {key: part for key, part in parts.items() if part}
    return summary


def mean_s_f1(beats: Table) -> float:
    """Return the mean F1 of S, by EC57, over the records that have `FEWEST_S` or more; NaN where none has."""
    _, record = codes(beats, "record")
    reference = values(beats, "reference")
    is_s, is_called = reference == "S", values(beats, "predicted") == "S"
    is_false = ~is_s & is_called & ~np.isin(reference, EXCUSED["bxb"]["S"])
    count = np.stack(
        [np.bincount(record, weights=part) for part in (is_s & is_called, is_s & ~is_called, is_false)], axis=1
    )
    many = count[:, 0] + count[:, 1] >= FEWEST_S
    return float(detection_ratios(count[many])[:, 2].mean()) if many.any() else float("nan")


def summarise_records(records: Table, *, num_resamples: int, seed: int) -> dict[str, Any]:
    """Score the records of a corpus as wholes: AF or not, ectopic beats in normal records, certainty.

    Parameters
    ----------
    records : pyarrow.Table or mapping
        Rows of ``record_scores`` of one corpus.
    num_resamples, seed : int
        Of the bootstrap over subjects.

    Returns
    -------
    dict
        ``num_records, num_subjects, usable_share``; ``af`` by score of `AF_SCORES`: area under the ROC curve and
        under the precision-recall curve against all other records and (``auroc_normal``) against normal ones alone,
        with intervals; ``af_rule``: sensitivity, specificity, positive predictivity and F1 of the predicted rhythm, of
        all records and by rate and noise; ``free_of_af``: share of the usable time of records without AF that is
        named AFIB; ``normal``: shares of beats called S, V, and either; ``certainty``: of `record_certainty`. What
        labels do not allow is left out.

    Notes
    -----
    * A record without R-peaks in usable time ranks below all others, and is called free of AF.
    * Records with less AF than `LEAST_AF_S` but some are left out, and so is atrial flutter, which is neither.
    """
    _, subject = codes(records, "subject")
    weight_RN = _weights(subject, num_resamples, seed)
    duration_s, usable_s = values(records, "duration_s"), values(records, "usable_s")
    summary: dict[str, Any] = {
        "num_records": len(subject),
        "num_subjects": len(np.unique(subject)),
        "usable_share": float(ratio(usable_s.sum(), duration_s.sum())),
    }
    share = values(records, "reference_af")
    least_s = np.minimum(LEAST_AF_S, duration_s / 2)
    has_af, is_free = share * duration_s >= least_s, (share == 0) & (values(records, "reference") != FLUTTER)
    is_normal = values(records, "is_normal").astype(np.bool_)
    if has_af.any() and is_free.any():
        summary["af"] = {}
        for name, column in AF_SCORES.items():
            score = np.nan_to_num(values(records, column), nan=-1.0)
            pairs = {"": has_af | is_free, "_normal": has_af | (is_free & is_normal)}
            summary["af"][name] = {
                key: value
                for suffix, rows in pairs.items()
                for key, value in _rank(has_af[rows], score[rows], weight_RN[:, rows], suffix).items()
            }
        is_called = (values(records, "af_s") >= np.minimum(LEAST_AF_S, usable_s / 2)) & (usable_s > 0)
        summary["af_rule"] = _rule_scores(records, has_af, is_free, is_called, weight_RN)
    if is_free.any():
        free_RN = weight_RN[:, is_free].astype(np.float64)
        called_R, usable_R = (free_RN @ values(records, name)[is_free] for name in ("af_s", "usable_s"))
        summary["free_of_af"] = {"num_records": int(is_free.sum()), "usable_h": float(usable_R[0] / 3600)}
        summary["free_of_af"] |= _with_interval("share_called_af", ratio(called_R, usable_R))
    if is_normal.any():
        summary["normal"] = _normal_scores(records, is_normal, weight_RN)
    certainty = record_certainty(records)
    return summary | ({"certainty": certainty} if certainty else {})


def _weights(subject_N: NDArray[np.int64], num_resamples: int, seed: int) -> NDArray[np.int64]:
    """Return how often each record counts: once in the first row, and as its subject is drawn in the others."""
    number = np.unique(subject_N, return_inverse=True)[1]
    once = np.ones((1, len(number)), dtype=np.int64)
    num_subjects = int(number.max(initial=-1)) + 1
    if not num_resamples or num_subjects < MIN_SUBJECTS:
        return once
    return np.concatenate([once, draw_subjects(num_subjects, num_resamples, seed)[:, number]])


def _with_interval(name: str, value_R: NDArray[np.float64]) -> dict[str, Any]:
    """Return a statistic, and its interval if it was resampled."""
    entry: dict[str, Any] = {name: float(value_R[0])}
    if len(value_R) > 1:
        low, high = percentile_interval(value_R[1:, None])
        entry |= {f"{name}_low": float(low[0]), f"{name}_high": float(high[0])}
    return entry


def _rank(
    is_positive: NDArray[np.bool_], score: NDArray[np.float64], weight_RN: NDArray[np.int64], suffix: str
) -> dict[str, Any]:
    auroc_R, auprc_R = rank_scores(is_positive, score, weight_RN)
    return _with_interval(f"auroc{suffix}", auroc_R) | _with_interval(f"auprc{suffix}", auprc_R)


def _rule_scores(
    records: Table,
    has_af: NDArray[np.bool_],
    is_free: NDArray[np.bool_],
    is_called: NDArray[np.bool_],
    weight_RN: NDArray[np.int64],
) -> dict[str, Any]:
    """Score the predicted rhythm as a test for AF: of all records, and of groups by rate and noise."""

    def score(rows: NDArray[np.bool_]) -> dict[str, Any]:
        hit, missed, false, right = (
            weight_RN[:, rows & part].sum(axis=1).astype(np.float64)
            for part in (has_af & is_called, has_af & ~is_called, is_free & is_called, is_free & ~is_called)
        )
        entry: dict[str, Any] = {"num_af": int((rows & has_af).sum()), "num_free": int((rows & is_free).sum())}
        for name, value_R in (
            ("sensitivity", ratio(hit, hit + missed)),
            ("specificity", ratio(right, right + false)),
            ("positive_predictivity", ratio(hit, hit + false)),
            ("f1", ratio(2 * hit, 2 * hit + missed + false)),
        ):
            entry |= _with_interval(name, value_R)
        return entry

    rate_bpm = values(records, "rate_bpm")
    unusable = 1 - ratio(values(records, "usable_s"), values(records, "duration_s"))
    groups = {name: (rate_bpm >= low) & (rate_bpm < high) for name, (low, high) in _RATES_BPM.items()}
    groups |= {"noisy": unusable > NOISY_SHARE, "clean": unusable <= NOISY_SHARE}
    return score(np.ones(len(has_af), dtype=np.bool_)) | {name: score(rows) for name, rows in groups.items()}


def _normal_scores(records: Table, is_normal: NDArray[np.bool_], weight_RN: NDArray[np.int64]) -> dict[str, Any]:
    """Return shares of the beats of normal records that are called S or V."""
    s_N, v_N, all_N = (values(records, name)[is_normal] for name in ("num_s", "num_v", "num_beats"))
    weight = weight_RN[:, is_normal].astype(np.float64)
    entry: dict[str, Any] = {"num_records": int(is_normal.sum()), "num_beats": int(all_N.sum())}
    for name, count_N in (("share_s", s_N), ("share_v", v_N), ("share_ectopic", s_N + v_N)):
        entry |= _with_interval(name, ratio(weight @ count_N, weight @ all_N))
    return entry


def _af_intervals(rhythm: Table, num_resamples: int, seed: int) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """Bootstrap duration sensitivity and positive predictivity of AF over the subjects of each corpus and head."""
    corpus, head, view = (values(rhythm, name) for name in ("corpus", "head", "view"))
    length = (values(rhythm, "stop_sample") - values(rhythm, "start_sample")).astype(np.float64)
    is_reference, is_predicted = values(rhythm, "reference") == AF, values(rhythm, "predicted") == AF
    is_flutter = values(rhythm, "reference") == FLUTTER
    intervals = {}
    for key in dict.fromkeys(zip(corpus.tolist(), head.tolist(), strict=True)):
        rows = np.flatnonzero((corpus == key[0]) & (head == key[1]) & (view == "viterbi"))
        _, subject = codes({"subject": values(rhythm, "subject")[rows]}, "subject")
        num_subjects = int(subject.max(initial=-1)) + 1
        if num_subjects < MIN_SUBJECTS:
            continue
        weight = draw_subjects(num_subjects, num_resamples, seed).astype(np.float64)
        parts = (is_reference & is_predicted, is_reference, is_predicted & ~is_flutter)
        both, true, called = (
            weight @ np.bincount(subject, weights=length[rows] * part[rows], minlength=num_subjects) for part in parts
        )
        intervals[key] = {
            name: dict(
                zip(("low", "high"), (float(bound[0]) for bound in percentile_interval(value[:, None])), strict=True)
            )
            for name, value in (
                ("duration_sensitivity", ratio(both, true)),
                ("duration_positive_predictivity", ratio(both, called)),
            )
        }
    return intervals


def _not_classified(rhythm: Table) -> dict[tuple[str, str], float]:
    """Return the share of the scored beats of each corpus and head that are given no rhythm."""
    corpus, head, view = (values(rhythm, name) for name in ("corpus", "head", "view"))
    is_scored = (values(rhythm, "num_beats") > 0) & np.isin(values(rhythm, "reference"), RHYTHMS) & (view == "viterbi")
    is_unnamed = values(rhythm, "predicted") == ""
    return {
        key: float(is_unnamed[is_scored & (corpus == key[0]) & (head == key[1])].mean())
        for key in dict.fromkeys(zip(corpus[is_scored].tolist(), head[is_scored].tolist(), strict=True))
    }


def _pick(table: Table, rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    return {name: values(table, name)[rows] for name in column_names(table)}


def _records_of(table: Table) -> set[tuple[str, str]]:
    return set(zip(values(table, "corpus").tolist(), values(table, "record").tolist(), strict=True))


def _is_among(table: Table, records: set[tuple[str, str]]) -> NDArray[np.bool_]:
    """Return which rows are of some records."""
    is_among = np.zeros(len(values(table, "corpus")), dtype=np.bool_)
    for slug, name in records:
        is_among |= (values(table, "corpus") == slug) & (values(table, "record") == name)
    return is_among
