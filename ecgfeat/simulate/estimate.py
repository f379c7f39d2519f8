"""Estimate the figures that drive the simulator from an annotated corpus.

The figures are distributions only: quantiles over records, episodes or intervals, never annotations of a record.
``ltafdb_figures.json`` was written by ``python -m ecgfeat.simulate.estimate FOLDER`` from the 67 training records of
the split ``seed42``; validation and test records were not used.

References
----------
Petrutiu, Sahakian, Swiryn, Europace 9:466-470, 2007 (Long-Term AF Database, https://physionet.org/content/ltafdb/).
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfeat.corpora import Corpus, get_corpus
from ecgfeat.corpora.splits import read_split
from ecgfeat.errors import DataError
from ecgfeat.records.annotations import find_episodes, rhythm_at
from ecgfeat.records.reader import read_annotations, read_header
from ecgfeat.simulate.figures import ARCHETYPES, FIGURES_PATH, LEVELS, SIMULATED_RHYTHMS

# Longer intervals are gaps of the annotation, not pauses of the heart.
LONGEST_RR_S = 3.0
LAG_BEATS = 32

Beats = dict[str, Any]


def quantiles(values: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> list[float]:
    """Summarise values by their quantiles at `LEVELS`, rounded to four digits.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        Values, n > 0; NaN is left out.
    weights : array_like of float, shape (n,), optional
        Weight of each value; equal by default.

    Returns
    -------
    list of float
        One value per level.
    """
    x = np.asarray(values, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    x, w = x[~np.isnan(x)], w[~np.isnan(x)]
    order = np.argsort(x, kind="stable")
    middle = np.cumsum(w[order]) - w[order] / 2
    span = max(middle[-1] - middle[0], 1e-300)
    return [round(float(value), 4) for value in np.interp(LEVELS, (middle - middle[0]) / span, x[order])]


def read_beats(folder: Path, corpus: Corpus, record: str) -> Beats:
    """Read the beats of one record with the rhythm and the episode each belongs to.

    Parameters
    ----------
    folder : Path
        Folder of the WFDB files of the corpus.
    corpus : Corpus
        Facts about the corpus.
    record : str
        Name of the record.

    Returns
    -------
    dict
        ``rr_s`` float64 (interval before the beat, NaN for the first), ``label`` '<U1' N A V, ``rhythm``
        (empty before the first mark), ``episode`` int64; all of shape (L,).

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    header = read_header(folder, record)
    marks = read_annotations(folder, record, corpus.annotation, header.num_samples)
    episodes = find_episodes(
        marks.sample,
        marks.aux,
        header.num_samples,
        corpus.rhythm_labels,
        before_first="unlabelled",
        min_samples=16,
        symbol=marks.symbol,
    )
    is_kept = np.isin(marks.symbol, ["N", "A", "V"])
    sample = np.asarray(marks.sample)[is_kept]
    rr_s = np.diff(sample / header.fs_hz, prepend=np.nan)
    return {
        "rr_s": np.where(rr_s < LONGEST_RR_S, rr_s, np.nan),
        "label": np.asarray(marks.symbol)[is_kept],
        "rhythm": rhythm_at(sample, episodes),
        "episode": np.searchsorted(episodes.start_sample, sample, side="right") - 1,
        "names": episodes.rhythm,
        "num_beats": np.bincount(
            np.searchsorted(episodes.start_sample, sample, side="right"), minlength=len(episodes) + 1
        )[1:],
        "hours": header.num_samples / header.fs_hz / 3600,
    }


def estimate_figures(records: Mapping[str, Beats]) -> dict[str, Any]:
    """Estimate the figures of the simulator from annotated records.

    Parameters
    ----------
    records : mapping of str to dict
        Result of `read_beats` per record.

    Returns
    -------
    dict
        * ``levels``: probabilities that every list of quantiles belongs to.
        * ``archetypes``: per kind of subject (by the share of beats in AFIB: below 1 %, between, above 95 %) its
          ``weight``, ``transitions`` (probability of the next rhythm), ``presence`` (share of subjects that have
          the rhythm at all) and ``propensity`` (quantiles over subjects of the episodes per hour relative to the
          mean of those who have it).
        * ``rhythms``: per rhythm ``labels`` (share of N A V), ``dwell_log_mean`` (over subjects, logarithm of
          beats per episode), ``dwell_log_residual`` (over episodes), ``mean_rr_s``, ``difference`` (mean absolute
          difference of successive intervals between N beats over their mean), ``lag1`` (serial correlation within 32
          beats), ``spread`` (standard deviation of an episode's log mean interval within a subject), ``rr_s`` (all
          intervals), ``rate_a``, ``rate_v`` (over subjects, share of A and V beats).
        * ``coupling``: per A, V: ``pre`` interval before and ``post`` interval after an isolated early beat over
          the normal interval before; per AB, B, T the same in seconds; per run rhythm its intervals in seconds.

    Raises
    ------
    DataError
        If a rhythm occurs in no record.
    """
    share = {r: float(np.mean(b["rhythm"][b["rhythm"] != ""] == "AFIB")) for r, b in records.items()}
    kind = {r: "sinus" if s < 0.01 else "permanent" if s > 0.95 else "paroxysmal" for r, s in share.items()}
    groups = {name: [b for r, b in records.items() if kind[r] == name] for name in ARCHETYPES}
    return {
        "levels": list(LEVELS),
        "archetypes": {name: _archetype(group, len(records)) for name, group in groups.items() if group},
        "rhythms": {rhythm: _rhythm(list(records.values()), rhythm) for rhythm in SIMULATED_RHYTHMS},
        "coupling": _coupling(list(records.values())),
    }


def _archetype(group: Sequence[Beats], num_records: int) -> dict[str, Any]:
    transitions = {rhythm: dict.fromkeys(SIMULATED_RHYTHMS, 0) for rhythm in SIMULATED_RHYTHMS}
    rates: dict[str, list[float]] = {rhythm: [] for rhythm in SIMULATED_RHYTHMS}
    for beats in group:
        names = [str(name) for name in beats["names"] if name in SIMULATED_RHYTHMS]
        for before, after in itertools.pairwise(names):
            transitions[before][after] += 1
        for rhythm in SIMULATED_RHYTHMS:
            rates[rhythm].append(names.count(rhythm) / beats["hours"])
    out: dict[str, Any] = {
        "weight": round(len(group) / num_records, 4),
        "transitions": {},
        "presence": {},
        "propensity": {},
    }
    for rhythm in SIMULATED_RHYTHMS:
        total = sum(transitions[rhythm].values())
        if total:
            out["transitions"][rhythm] = {to: round(n / total, 5) for to, n in transitions[rhythm].items() if n}
        here = np.array([rate for rate in rates[rhythm] if rate > 0])
        out["presence"][rhythm] = round(len(here) / len(group), 4)
        if len(here):
            out["propensity"][rhythm] = quantiles(here / here.mean())
    return out


def _normal_pairs(beats: Beats, rhythm: str) -> npt.NDArray[np.bool_]:
    """Mark beats whose interval lies between two N beats of one episode of the rhythm."""
    same = np.diff(beats["episode"], prepend=-2) == 0
    is_n = beats["label"] == "N"
    return (beats["rhythm"] == rhythm) & same & is_n & np.append(False, is_n[:-1]) & ~np.isnan(beats["rr_s"])


def _rhythm(records: Sequence[Beats], rhythm: str) -> dict[str, Any]:
    labels = np.concatenate([b["label"][b["rhythm"] == rhythm] for b in records])
    if len(labels) == 0:
        raise DataError(
            f"figures of {rhythm}", found=f"no beat in {len(records)} records", expected="some of every rhythm"
        )
    out: dict[str, Any] = {
        "labels": {symbol: round(float(np.mean(labels == symbol)), 5) for symbol in "NAV"},
        "rr_s": quantiles(np.concatenate([b["rr_s"][_same_episode(b, rhythm)] for b in records])),
    }
    means, residuals, weights = [], [], []
    rates: dict[str, list[float]] = {"A": [], "V": []}
    local: dict[str, list[float]] = {"mean_rr_s": [], "difference": [], "lag1": [], "spread": []}
    for beats in records:
        log_beats = np.log(np.maximum(beats["num_beats"][beats["names"] == rhythm], 1))
        if len(log_beats):
            means.append(float(log_beats.mean()))
            residuals.append(log_beats - log_beats.mean())
            # A subject with thousands of episodes must not outweigh the others.
            weights.append(np.full(len(log_beats), 1 / np.sqrt(len(log_beats))))
        here = beats["rhythm"] == rhythm
        if here.sum() >= 200:
            for symbol, shares in rates.items():
                shares.append(float(np.mean(beats["label"][here] == symbol)))
        normal = _normal_pairs(beats, rhythm)
        if normal.sum() >= 50:
            _local_statistics(beats, normal, local)
    out["dwell_log_mean"] = quantiles(means)
    out["dwell_log_residual"] = quantiles(np.concatenate(residuals), np.concatenate(weights))
    out.update({name: quantiles(values) for name, values in local.items() if values})
    out.update({f"rate_{symbol.lower()}": quantiles(values) for symbol, values in rates.items() if values})
    return out


def _local_statistics(beats: Beats, normal: npt.NDArray[np.bool_], local: dict[str, list[float]]) -> None:
    rr_s = beats["rr_s"]
    local["mean_rr_s"].append(float(rr_s[normal].mean()))
    twice = normal & np.append(False, normal[:-1])
    if twice.any():
        difference = np.abs(np.diff(rr_s, prepend=np.nan))[twice]
        local["difference"].append(float(difference.mean() / rr_s[twice].mean()))
    counts = np.bincount(beats["episode"][normal], minlength=1)
    sums = np.bincount(beats["episode"][normal], rr_s[normal], minlength=1)
    logs = np.log(sums[counts >= 3] / counts[counts >= 3])
    if len(logs) >= 5:
        local["spread"].append(float(logs.std()))
    position = np.flatnonzero(normal)
    starts = [run[::LAG_BEATS] for run in np.split(position, np.flatnonzero(np.diff(position) != 1) + 1)]
    lags = []
    for start in np.concatenate(starts):
        run_s = rr_s[start : start + LAG_BEATS]
        if len(run_s) == LAG_BEATS and normal[start : start + LAG_BEATS].all() and run_s.std() > 0:
            centred = run_s - run_s.mean()
            lags.append(float((centred[1:] * centred[:-1]).sum() / (centred**2).sum()))
    if len(lags) >= 5:
        local["lag1"].append(float(np.median(lags)))


def _same_episode(beats: Beats, rhythm: str) -> npt.NDArray[np.bool_]:
    same = np.diff(beats["episode"], prepend=-2) == 0
    return (beats["rhythm"] == rhythm) & same & ~np.isnan(beats["rr_s"])


def _coupling(records: Sequence[Beats]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for early in "AV":
        pre, post = [], []
        for beats in records:
            rr_s, label = beats["rr_s"], beats["label"]
            text = "".join(label.tolist())
            # N N x N: intervals around the early beat x are relative to the interval N N.
            at = np.array(list(_find_all(text, f"NN{early}N")), dtype=np.int64)
            at = at[(beats["rhythm"][at] == "NSR") & (beats["rhythm"][np.minimum(at + 3, len(label) - 1)] == "NSR")]
            if len(at) < 20:
                continue
            pre.append(np.nanmedian(rr_s[at + 2] / rr_s[at + 1]))
            post.append(np.nanmedian(rr_s[at + 3] / rr_s[at + 1]))
        out[early] = {"pre": quantiles(pre), "post": quantiles(post)}
    for rhythm, early in (("AB", "A"), ("B", "V"), ("T", "V")):
        before, after = [], []
        for beats in records:
            same = _same_episode(beats, rhythm)
            previous = np.append("", beats["label"][:-1])
            before.append(beats["rr_s"][same & (beats["label"] == early) & (previous == "N")])
            after.append(beats["rr_s"][same & (beats["label"] == "N") & (previous == early)])
        out[rhythm] = {"pre_s": quantiles(np.concatenate(before)), "post_s": quantiles(np.concatenate(after))}
    for rhythm in ("SVTA", "VT", "IVR"):
        means, spreads = [], []
        for beats in records:
            same = _same_episode(beats, rhythm)
            place = np.flatnonzero(same)
            for run in np.split(place, np.flatnonzero(np.diff(beats["episode"][place])) + 1):
                if len(run) >= 2:
                    means.append(beats["rr_s"][run].mean())
                    spreads.append(beats["rr_s"][run].std() / means[-1])
        out[rhythm] = {"run_s": quantiles(means), "run_spread": quantiles(spreads)}
    return out


def _find_all(text: str, pattern: str) -> Iterable[int]:
    at = text.find(pattern)
    while at >= 0:
        yield at
        at = text.find(pattern, at + 1)


def main(arguments: Sequence[str] | None = None, on_record: Callable[[str], None] | None = print) -> None:
    """Estimate the figures from a folder of LTAFDB annotations and write them as JSON.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line: FOLDER [--output FILE].
    on_record : callable, optional
        Called with the name of each record after it is read.
    """
    parser = argparse.ArgumentParser(prog="python -m ecgfeat.simulate.estimate", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the .hea and .atr files of ltafdb")
    parser.add_argument("--output", type=Path, default=FIGURES_PATH)
    options = parser.parse_args(arguments)
    corpus = get_corpus("ltafdb")
    split = read_split(corpus, "seed42")
    records = {}
    for record in sorted(name for name, part in split.items() if part == "train"):
        records[record] = read_beats(options.folder, corpus, record)
        if on_record is not None:
            on_record(record)
    source = {"corpus": corpus.slug, "version": corpus.version, "split": "seed42 train", "records": len(records)}
    text = json.dumps({"source": source, **estimate_figures(records)}, indent=1)
    options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
