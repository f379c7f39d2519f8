"""Every number of ``reports/metrics.json``, computed from the prediction tables and from nothing else.

The tables may be pyarrow tables or mappings of column name to array. Only views ``single`` and ``tta7`` are scored:
another view of a unit is not another sample.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ecgfeat.scoring.beats import BEAT_CLASSES, beat_class_scores
from ecgfeat.scoring.intervals import bootstrap_subjects
from ecgfeat.scoring.rhythm import episode_scores, ratio, rhythm_scores

Table = Any
"""A pyarrow table, or a mapping of column name to array of shape (rows,)."""

SCORED_VIEWS = ("single", "tta7")
ORACLES = ("rpeaks", "history", "episodes")
TILED_PROTOCOLS = ("timeline", "grid")
"""Protocols whose units follow each other over the whole record, so that AF episodes and burden are defined."""
AF = "AFIB"
_COUNTS = ("true_positives", "false_negatives", "false_positives")
_DETECTION = ("sensitivity", "positive_predictivity", "f1")


def column_names(table: Table) -> list[str]:
    """Return the names of the columns of a table, in order.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.

    Returns
    -------
    list of str
        Names.
    """
    return list(table.column_names if hasattr(table, "column_names") else table)


def values(table: Table, name: str) -> NDArray[Any]:
    """Return a column of numbers.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.
    name : str
        Column.

    Returns
    -------
    ndarray, shape (rows,)
        The values; nulls of a pyarrow column become NaN.
    """
    column = table[name]
    return np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)


def codes(table: Table, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return a column of text as sorted distinct names and the index of each row's name.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.
    name : str
        Column; nulls count as empty text.

    Returns
    -------
    names : list of str
        Distinct texts, sorted.
    code : ndarray of int64, shape (rows,)
        Index into `names`.
    """
    column = table[name]
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        column = pa.array(np.asarray(column).tolist(), type=pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    encoded = column.cast(pa.string()).fill_null("").dictionary_encode()
    names, index = encoded.dictionary.to_pylist(), np.asarray(encoded.indices, dtype=np.int64)
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return [names[i] for i in order], rank[index]


def grouped(table: Table, keys: Sequence[str]) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Split the rows of a table by the text in some of its columns.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.
    keys : sequence of str
        Columns of text.

    Yields
    ------
    key : tuple of str
        One text per key column; groups come in sorted order.
    rows : ndarray of int64
        Indices of the group's rows, ascending.
    """
    coded = [codes(table, key) for key in keys]
    combined = np.zeros(len(coded[0][1]), dtype=np.int64)
    for names, code in coded:
        combined = combined * max(len(names), 1) + code
    order = np.argsort(combined, kind="stable")
    starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(order) else []:
        yield tuple(names[code[rows[0]]] for names, code in coded), rows


def rhythm_classes(table: Table) -> list[str]:
    """Return the rhythms a prediction table has probabilities of.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        Prediction table with columns ``p_<class>``.

    Returns
    -------
    list of str
        Class names, in the order of the columns.
    """
    return [name.removeprefix("p_") for name in column_names(table) if name.startswith("p_")]


def probabilities(table: Table, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the probabilities of a prediction table.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        Prediction table.
    classes : sequence of str
        Classes, K of them.

    Returns
    -------
    ndarray of float64, shape (rows, K)
        Column ``p_<class>`` for each class.
    """
    return np.stack([values(table, f"p_{name}").astype(np.float64) for name in classes], axis=1)


def summarise_rpeaks(
    table: Table, *, detector: str | None = None, num_resamples: int = 1000, seed: int
) -> dict[str, dict[str, Any]]:
    """Pool the match counts of the records into the scores of each detector.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per record and detector: ``corpus, subject, record, detector, true_positives, false_negatives,
        false_positives``, the same three with ``_after_5min``, and ``offset_ms``.
    detector : str, optional
        The detector whose R-peaks the pipeline uses; may be left out if the table has only one.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples give no intervals.

    Returns
    -------
    dict
        By corpus: ``sensitivity, positive_predictivity, f1`` (gross, whole records), the same ending in ``_after_5min``
        (the learning period of EC57 left out; absent if no record is that long) and in ``_record_mean``, the
        counts, ``offset_ms`` (median over records), ``interval``, and ``detectors`` with the same for every detector.

    Raises
    ------
    ValueError
        If `detector` is left out and a corpus has several, or if a corpus has no rows of it.
    """
    summary: dict[str, dict[str, Any]] = {}
    by_detector: dict[str, dict[str, Any]] = {}
    for (corpus, name), rows in grouped(table, ["corpus", "detector"]):
        by_detector.setdefault(corpus, {})[name] = _detection(table, rows, num_resamples, seed)
    for corpus, scores in by_detector.items():
        chosen = detector if detector is not None else next(iter(scores))
        if chosen not in scores or (detector is None and len(scores) > 1):
            raise ValueError(f"rpeaks of {corpus}: detectors {sorted(scores)}; expected to be told which one is used")
        summary[corpus] = {**scores[chosen], "detectors": scores}
    return summary


def _detection(table: Table, rows: NDArray[np.int64], num_resamples: int, seed: int) -> dict[str, Any]:
    """Score one detector on one corpus."""
    subject_names, subject = codes(table, "subject")
    scores: dict[str, Any] = {"num_records": len(rows), "num_subjects": len(np.unique(subject[rows]))}
    for suffix in ("", "_after_5min"):
        if f"{_COUNTS[0]}{suffix}" not in column_names(table):
            continue
        count = np.stack([values(table, f"{name}{suffix}")[rows] for name in _COUNTS], axis=1).astype(np.float64)
        if not count.sum():
            continue
        pooled = _detection_ratios(count.sum(axis=0))
        each = _detection_ratios(count)
        total = count.sum(axis=0).astype(np.int64).tolist()
        scores |= {f"{name}{suffix}": n for name, n in zip(_COUNTS, total, strict=True)}
        for index, name in enumerate(_DETECTION):
            defined = each[:, index][~np.isnan(each[:, index])]
            scores[f"{name}{suffix}"] = float(pooled[index])
            scores[f"{name}{suffix}_record_mean"] = float(defined.mean()) if len(defined) else math.nan
        if num_resamples:
            of_subject = _sum_by(subject[rows], count, len(subject_names))
            low, high = bootstrap_subjects(of_subject, _detection_ratios, num_resamples=num_resamples, seed=seed)
            interval = scores.setdefault("interval", {})
            interval |= _bounds([f"{name}{suffix}" for name in _DETECTION], low, high)
    if "offset_ms" in column_names(table):
        offset_ms = values(table, "offset_ms")[rows].astype(np.float64)
        offset_ms = offset_ms[np.isfinite(offset_ms)]
        scores["offset_ms"] = float(np.median(offset_ms)) if len(offset_ms) else math.nan
    return scores


def _detection_ratios(count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (..., 3) true positives, false negatives, false positives into sensitivity, +P and F1."""
    hit, missed, false = count[..., 0], count[..., 1], count[..., 2]
    return np.stack([ratio(hit, hit + missed), ratio(hit, hit + false), ratio(2 * hit, 2 * hit + missed + false)], -1)


def _sum_by(group: NDArray[np.int64], count: NDArray[np.float64], num_groups: int) -> NDArray[np.float64]:
    """Sum rows of counts over groups, leaving out groups without rows."""
    columns = count.reshape(len(count), -1).T
    total: NDArray[np.float64] = np.stack(
        [np.bincount(group, weights=column, minlength=num_groups).astype(np.float64) for column in columns], axis=1
    )
    return total.reshape(num_groups, *count.shape[1:])[np.unique(group)]


def _bounds(names: Sequence[str], low: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, Any]:
    """Name the intervals that exist."""
    pairs = zip(names, low.tolist(), high.tolist(), strict=True)
    return {name: {"low": a, "high": b} for name, a, b in pairs if not math.isnan(a)}


def summarise_beats(
    table: Table, *, split: str = "test", num_resamples: int = 1000, seed: int
) -> dict[str, dict[str, Any]]:
    """Score the beat classes of each corpus for each source of the preceding beats' labels.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per beat and history: ``corpus, subject, record, split, history, sample, reference, p_N, p_S, p_V``.
        A beat without probabilities (NaN) counts as missed.
    split : str, default 'test'
        Rows of this split are scored.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples give no intervals.

    Returns
    -------
    dict
        By corpus and history: ``<c>_sensitivity, <c>_positive_predictivity, <c>_f1, <c>_false_positive_rate,
        <c>_support, <c>_subjects`` for c in n, s, v with every wrong call counted; ``bxb``, the same four ratios
        with the excuses of EC57; ``interval`` of the F1; ``num_beats``, ``num_subjects``.
    """
    summary: dict[str, dict[str, Any]] = {}
    reference_names, reference = codes(table, "reference")
    subject_names, subject = codes(table, "subject")
    chance = probabilities(table, BEAT_CLASSES)
    called = np.where(np.isnan(chance).any(axis=1), len(BEAT_CLASSES), np.nan_to_num(chance).argmax(axis=1))
    called_names, named = np.array([*BEAT_CLASSES, ""]), np.array(reference_names, dtype=np.str_)
    for (corpus, of_split, history), rows in grouped(table, ["corpus", "split", "history"]):
        if of_split != split:
            continue
        truth, call = named[reference[rows]], called_names[called[rows]]
        if not (truth != "").any():
            continue  # nobody told these beats apart: every call would count as a false one
        scores: dict[str, Any] = dict(beat_class_scores(truth, call))
        of_bxb = beat_class_scores(truth, call, counting="bxb")
        scores["bxb"] = {name: value for name, value in of_bxb.items() if not name.endswith("_support")}
        scores["num_beats"], scores["num_subjects"] = len(rows), len(np.unique(subject[rows]))
        count = np.zeros((len(rows), len(BEAT_CLASSES), 3))
        for index, name in enumerate(BEAT_CLASSES):
            is_class, is_called = truth == name, call == name
            count[:, index, 0] = is_class & is_called
            count[:, index, 1] = is_class & ~is_called
            count[:, index, 2] = ~is_class & is_called
            scores[f"{name.lower()}_subjects"] = len(np.unique(subject[rows][is_class]))
        if num_resamples:
            of_subject = _sum_by(subject[rows], count, len(subject_names))
            low, high = bootstrap_subjects(
                of_subject, lambda total: _detection_ratios(total)[..., 2], num_resamples=num_resamples, seed=seed
            )
            scores["interval"] = _bounds([f"{name.lower()}_f1" for name in BEAT_CLASSES], low, high)
        summary.setdefault(corpus, {})[history] = scores
    return summary


def summarise_rhythm(table: Table, *, fs_hz: float, num_resamples: int = 1000, seed: int) -> dict[str, dict[str, Any]]:
    """Score the rhythms of each corpus, head, protocol and view.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per scored unit and view: ``corpus, subject, record, protocol, head, view, start_sample, stop_sample,
        reference, p_<class>...``.
    fs_hz : float
        Rate the samples are counted in.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples give no intervals.

    Returns
    -------
    dict
        By corpus, head, protocol and ``single`` or ``tta7``: the scores of `rhythm_scores`; for protocols that cover
        the whole record also ``af``, the scores of `episode_scores` for atrial fibrillation.
    """
    summary: dict[str, dict[str, Any]] = {}
    all_classes = rhythm_classes(table)
    every_chance = probabilities(table, all_classes)
    reference_names, reference = codes(table, "reference")
    _, subject = codes(table, "subject")
    _, record = codes(table, "record")
    start_s, stop_s = (values(table, name) / fs_hz for name in ("start_sample", "stop_sample"))
    for (corpus, head, protocol, view), rows in grouped(table, ["corpus", "head", "protocol", "view"]):
        if view not in SCORED_VIEWS:
            continue
        # A head of fewer classes (NSR and AFIB only) leaves the other columns empty.
        known = [k for k in range(len(all_classes)) if not np.isnan(every_chance[rows, k]).all()]
        classes = [all_classes[k] for k in known]
        code_of = np.array([classes.index(name) if name in classes else -1 for name in reference_names])
        code, chance = code_of[reference[rows]], every_chance[rows][:, known]
        if (code < 0).all():
            continue  # a corpus without rhythm annotations: predictions, and nothing to hold against them
        scores = rhythm_scores(
            code,
            chance,
            subject[rows],
            classes,
            duration_s=stop_s[rows] - start_s[rows],
            num_resamples=num_resamples,
            seed=seed,
        )
        if protocol in TILED_PROTOCOLS and AF in classes:
            order = np.lexsort((start_s[rows], record[rows]))
            at = rows[order]
            in_af, called_af = (side[order] == classes.index(AF) for side in (code, chance.argmax(axis=1)))
            scores["af"] = episode_scores(in_af, called_af, record[at], start_s[at], stop_s[at])
        summary.setdefault(corpus, {}).setdefault(head, {}).setdefault(protocol, {})[view] = scores
    return summary


def summarise(
    *,
    rpeaks: Table | None,
    beats: Table | None,
    rhythm: Table | None,
    oracles: Mapping[str, bool],
    fs_hz: float,
    seed: int,
    detector: str | None = None,
    num_resamples: int = 1000,
) -> dict[str, Any]:
    """Compute the content of ``reports/metrics.json``.

    Parameters
    ----------
    rpeaks, beats, rhythm : pyarrow.Table or mapping, optional
        Prediction tables; a missing or empty one leaves its section empty.
    oracles : mapping of str to bool
        Which of `ORACLES` were on.
    fs_hz : float
        Rate the samples of the tables are counted in.
    seed : int
        Seed of the bootstrap over subjects.
    detector : str, optional
        The R-peak detector the pipeline uses.
    num_resamples : int, default 1000
        Resamples of the bootstrap.

    Returns
    -------
    dict
        ``beats, oracles, rhythm, rpeaks``: plain numbers, keys sorted, floats rounded to 6 digits, undefined ones None.

    Raises
    ------
    ValueError
        If `oracles` does not name exactly the three switches.
    """
    if sorted(oracles) != sorted(ORACLES):
        raise ValueError(f"oracles: {sorted(oracles)}; expected {sorted(ORACLES)}")
    draws: dict[str, Any] = {"num_resamples": num_resamples, "seed": seed}
    summary = {
        "rpeaks": {} if _is_empty(rpeaks) else summarise_rpeaks(rpeaks, detector=detector, **draws),
        "beats": {} if _is_empty(beats) else summarise_beats(beats, **draws),
        "rhythm": {} if _is_empty(rhythm) else summarise_rhythm(rhythm, fs_hz=fs_hz, **draws),
        "oracles": {name: bool(on) for name, on in oracles.items()},
    }
    plain: dict[str, Any] = plain_numbers(summary)
    return plain


def _is_empty(table: Table | None) -> bool:
    return table is None or not column_names(table) or not len(table[column_names(table)[0]])


def plain_numbers(node: Any) -> Any:
    """Sort the keys of a tree of results and round its floats to 6 digits, so that it is written the same every time.

    Parameters
    ----------
    node : dict, list, number, str or bool
        The tree.

    Returns
    -------
    dict, list, number, str, bool or None
        The same tree in plain Python types; NaN and infinities are None, which JSON can hold.
    """
    if isinstance(node, Mapping):
        return {str(key): plain_numbers(node[key]) for key in sorted(node)}
    if isinstance(node, list | tuple):
        return [plain_numbers(item) for item in node]
    if isinstance(node, bool | np.bool_):
        return bool(node)
    if isinstance(node, int | np.integer):
        return int(node)
    if isinstance(node, float | np.floating):
        return round(float(node), 6) + 0.0 if math.isfinite(node) else None
    return node
