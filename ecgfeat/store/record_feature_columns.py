"""The table ``record_features``: what is measured of a whole record, one row per record.

Nothing depends on gain or polarity of the lead. An interval is relative to the record's median interval and a wave to
the size of its QRS complex, unless the unit says otherwise.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import pyarrow as pa

from ecgfeat.store.columns import Column, TableSchema

SPECTRUM_HZ: Final = (0.5, 2, 4, 7, 10, 15, 20, 30, 40, 50)
"""Edges of the bands of the spectrum of the lead."""

RESIDUE_HZ: Final = (1, 3, 5, 7, 9, 12, 20)
"""Edges of the bands of what is left without the median beat."""

LAGS: Final = (1, 2, 3, 4)
"""Beats between intervals that are correlated."""

QUANTILES: Final = (5, 10, 25, 75, 90, 95)
"""Per cent of the intervals that are shorter."""

IRREGULAR_SHARES: Final = (0.05, 0.1, 0.2)
"""Of the mean interval: larger changes are counted."""

BEAT_FIGURES: Final = (
    "qrs_width_s", "qrs_amplitude", "qrs_area", "qrs_slope", "qrs_polarity", "noise", "p_amplitude", "p_time_s",
    "p_size", "t_amplitude", "t_time_s", "t_size", "qrs_likeness", "qrs_distance", "qrs_likeness_before",
    "qrs_distance_before", "p_likeness", "p_distance", "p_likeness_before", "p_distance_before", "t_likeness",
    "t_distance", "t_likeness_before", "t_distance_before",
)  # fmt: skip
"""Columns of the table ``features`` whose median and spread over the beats are taken."""

STEADY_PARTS: Final = {"p": "P wave", "pr": "0.36 s to 0.08 s before the R-peak", "qrs": "QRS complex", "t": "T wave"}
"""Parts of the beat that are compared over the beats of the commonest shape."""

Feature = tuple[str, str]
"""Unit, and what it is."""

_RATIO = "1"


def _interval_columns() -> Iterator[tuple[str, Feature]]:
    yield from {
        "duration_s": ("s", "length of the record"),
        "beats_per_s": ("1/s", "R-peaks over the length of the record"),
        "rate_per_min": ("1/min", "60 s over the median interval"),
        "rate_mean_per_min": ("1/min", "60 s over the mean interval"),
        "rate_fast_per_min": ("1/min", "60 s over the interval that a tenth of them is shorter than"),
        "rate_slow_per_min": ("1/min", "60 s over the interval that a tenth of them is longer than"),
        "rr_shortest": (_RATIO, "shortest interval over the median"),
        "rr_longest": (_RATIO, "longest interval over the median"),
        "rr_shortest_s": ("s", "shortest interval"),
        "rr_longest_s": ("s", "longest interval"),
        **{f"rr_quantile_{q}": (_RATIO, f"interval that {q} % are shorter than, over the median") for q in QUANTILES},
        "rr_spread": (_RATIO, "standard deviation of the intervals over their mean"),
        "rr_median_deviation": (_RATIO, "median distance from the median interval over it"),
        "rr_rmssd": (_RATIO, "root mean square of the changes over the mean interval"),
        "rr_median_change": (_RATIO, "median size of the changes over the median interval"),
        **{f"rr_change_quantile_{q}": (_RATIO, f"size that {q} % of the changes are below, over the median interval")
           for q in (25, 75, 90)},
        **{f"rr_irregular_{round(100 * share)}": (_RATIO, f"share of changes above {share:g} of the mean interval")
           for share in IRREGULAR_SHARES},
        "rr_change_above_50ms": (_RATIO, "share of changes above 50 ms (pNN50)"),
        "poincare_sd1": (_RATIO, "width of the Poincaré plot over the mean interval"),
        "poincare_sd2": (_RATIO, "length of the Poincaré plot over the mean interval"),
        "poincare_ratio": (_RATIO, "width of the Poincaré plot over its length"),
        "poincare_nearest": (_RATIO, "median distance of a point of the plot to the nearest other, over the median"),
        "poincare_loneliest": (_RATIO, "distance to the nearest other that nine tenths of the points are below"),
        "rr_skewness": (_RATIO, "skewness of the intervals"),
        "rr_kurtosis": (_RATIO, "kurtosis of the intervals; 0 of a Gaussian"),
        "rr_sample_entropy_30ms": ("nat", "sample entropy of the intervals, pattern of 1, tolerance 30 ms"),
        "rr_sample_entropy_100ms": ("nat", "the same with a tolerance of 100 ms"),
        "rr_entropy_rate_30ms": ("nat", "coefficient of sample entropy: with tolerance and mean interval taken out"),
        "rr_entropy_rate_100ms": ("nat", "the same with a tolerance of 100 ms"),
        "rr_sample_entropy_relative": ("nat", "sample entropy, pattern of 2, tolerance of a tenth of the median"),
        "rr_histogram_entropy": ("nat", "entropy of the histogram of intervals over the median, 0.05 wide"),
        "rr_histogram_top": (_RATIO, "share of intervals in the largest bin of that histogram"),
        "rr_histogram_bins": (_RATIO, "bins that hold an interval, over the root of the number of intervals"),
        "lorenz_origin": (_RATIO, "share of pairs of changes that are both below 20 ms"),
        "lorenz_cells": (_RATIO, "cells of 40 ms of the plot of changes that hold a pair, over the number of pairs"),
        **{f"rr_repeat_{lag}": (_RATIO, f"correlation of an interval with the one {lag} later") for lag in LAGS},
        "rr_turning": (_RATIO, "share of changes that turn the sign of the one before"),
        "rr_turning_large": (_RATIO, "the same where both are above 0.05 of the median"),
        "rr_irregular_most": (_RATIO, "largest share of changes above 0.1 of the median, in 11 beats"),
        "rr_irregular_least": (_RATIO, "smallest share of changes above 0.1 of the median, in 11 beats"),
        "rr_change_most": (_RATIO, "largest mean change over the median interval, in 11 beats"),
        "rr_change_least": (_RATIO, "smallest mean change over the median interval, in 11 beats"),
    }.items()  # fmt: skip
    near = "the median of the nine intervals around it"
    yield from {
        "early_share": (_RATIO, f"share of intervals below 0.85 of {near}"),
        "very_early_share": (_RATIO, f"share of intervals below 0.75 of {near}"),
        "early_count": ("beats", f"intervals below 0.85 of {near}"),
        "late_share": (_RATIO, f"share of intervals above 1.15 of {near}"),
        "pause_share": (_RATIO, f"share of intervals above 1.7 of {near}"),
        "early_then_late": (_RATIO, "share of intervals that are early before a late one: ectopic beats"),
        "early_then_late_of_early": (_RATIO, "the same as a share of the early ones"),
        "compensation": (_RATIO, "early and late interval together over two usual ones, median"),
        "early_other_beat": (_RATIO, "share of intervals that are early and so is the second after, not the next"),
        "early_run": (_RATIO, "share of intervals that are early, and so is the next"),
        "rr_local_least": (_RATIO, f"smallest ratio of an interval to {near}"),
        "rr_local_most": (_RATIO, f"largest ratio of an interval to {near}"),
        "rr_local_spread": (_RATIO, f"standard deviation of the ratios of intervals to {near}"),
        "usual_share": (_RATIO, "share of intervals that are neither early nor late"),
        "usual_spread": (_RATIO, "standard deviation of those over their mean"),
        "usual_change": (_RATIO, "median change between two of those that follow each other, over the median"),
        "usual_rmssd": (_RATIO, "root mean square of these changes over the median"),
        "trend_spread": (_RATIO, "standard deviation of the running median of nine intervals over the median"),
        "trend_fast_per_min": ("1/min", "60 s over the smallest running median of nine intervals"),
        "trend_slow_per_min": ("1/min", "60 s over the largest running median of nine intervals"),
    }.items()


def _shape_columns() -> Iterator[tuple[str, Feature]]:
    for name in BEAT_FIGURES:
        unit = "s" if name.endswith("_s") else _RATIO
        yield f"beat_{name}_median", (unit, f"median of `{name}_1` of the table `features` over the beats")
        yield f"beat_{name}_spread", (unit, f"half of the beats lie within so much: quartiles of `{name}_1`")
    of = "of the median beat over its QRS complex"
    yield from {
        "median_p_top": (_RATIO, f"largest value of the P part {of}, from the PR segment"),
        "median_p_bottom": (_RATIO, f"smallest value of the P part {of}, from the PR segment"),
        "median_p_range": (_RATIO, f"range of the P part {of}"),
        "median_p_mean": (_RATIO, f"mean of the P part {of}, from the PR segment"),
        "median_p_time_s": ("s", "place of the largest value of the P part after the R-peak"),
        "median_q": (_RATIO, f"smallest value of the 80 ms before the R-peak {of}"),
        "median_r": (_RATIO, f"largest value of the QRS complex {of}"),
        "median_s": (_RATIO, f"smallest value of the 110 ms after the R-peak {of}"),
        "median_st": (_RATIO, f"mean of 80 to 120 ms after the R-peak {of}, from the PR segment"),
        "median_t_top": (_RATIO, f"largest value of the T part {of}, from the PR segment"),
        "median_t_bottom": (_RATIO, f"smallest value of the T part {of}, from the PR segment"),
        "median_t_mean": (_RATIO, f"mean of the T part {of}, from the PR segment"),
        "median_t_time_s": ("s", "place of the T part that is farthest from its median after the R-peak"),
        "median_slope": (_RATIO, f"steepest slope {of}, per sample at 128 Hz"),
        "median_steep_s": ("s", "time around the R-peak that is steeper than a tenth of that"),
        "median_energy_s": ("s", "time that holds the middle 90 % of the energy of the QRS complex"),
        "median_turns": ("", "turns of the QRS complex beyond a tenth of its size"),
    }.items()
    for part, title in STEADY_PARTS.items():
        yield from {
            f"steady_{part}_share": (_RATIO, f"{title}: share of the energy that is the same in all beats"),
            f"steady_{part}_size": (
                _RATIO,
                f"{title}: logarithm of the size of that, over the QRS complex",
            ),
            f"varying_{part}_size": (_RATIO, f"{title}: logarithm of the size of what differs, over the QRS complex"),
            f"steady_{part}_likeness": (_RATIO, f"{title}: median correlation with the mean of the beats"),
            f"steady_{part}_least": (_RATIO, f"{title}: correlation that a tenth of the beats are below"),
        }.items()
    yield from {
        "cluster_first_share": (_RATIO, "share of beats with the commonest shape of the QRS complex"),
        "cluster_second_share": (_RATIO, "share of beats with the next"),
        "cluster_rest_share": (_RATIO, "share of beats with one of many shapes"),
        "cluster_count": ("", "shapes of the QRS complex"),
        "early_unusual_share": (_RATIO, "share of beats that are early and not of the commonest shape"),
        "early_usual_share": (_RATIO, "share of beats that are early and of the commonest shape"),
        "timely_unusual_share": (_RATIO, "share of beats that are not early and not of the commonest shape"),
        "early_width_s": ("s", "mean width of the QRS complex of early beats"),
        "unusual_width_s": ("s", "mean width of the QRS complex of beats that are not of the commonest shape"),
    }.items()


def _noise_columns() -> Iterator[tuple[str, Feature]]:
    yield "invalid_share", (_RATIO, "share of the record without valid signal")
    figures = {
        "agreement": "share of beats on which two detectors agree",
        "likeness": "mean correlation of a beat with the neighbour that is most like it",
        "qrs_share": "mean share of the energy of a beat in the band of QRS complexes",
    }
    for name, title in figures.items():
        for kind, of in (("mean", "mean"), ("least", "smallest"), ("median", "median")):
            yield f"quality_{name}_{kind}", (_RATIO, f"{title}, in ten seconds: {of} over the seconds")
    for low, high in pairwise(SPECTRUM_HZ):
        yield f"power_{low:g}_{high:g}_hz", (_RATIO, f"logarithm of the share of the power from {low:g} to {high:g} Hz")
    yield "power_entropy", ("nat", "entropy of the power from 0.5 to 50 Hz")
    yield from {
        "value_kurtosis": (_RATIO, "kurtosis of the values of the lead"),
        "value_skewness": (_RATIO, "size of their skewness"),
        "loudest_part": (_RATIO, "logarithm of the largest standard deviation of two seconds over the median"),
        "quietest_part": (_RATIO, "logarithm of the smallest standard deviation of two seconds over the median"),
        "highest_part": (_RATIO, "logarithm of the largest height of two seconds over the median"),
    }.items()
    left = "what is left of the lead without the median beat"
    for low, high in pairwise(RESIDUE_HZ):
        yield f"residue_{low:g}_{high:g}_hz", (_RATIO, f"{left}: logarithm of the share from {low:g} to {high:g} Hz")
    yield from {
        "residue_size": (_RATIO, f"{left}: logarithm of its size over the QRS complex, 0.7 to 30 Hz"),
        "residue_peak_hz": ("Hz", f"{left}: frequency of most power, 3.5 to 12 Hz"),
        "residue_peak_share": (_RATIO, f"{left}: share of the power from 3.5 to 12 Hz at this frequency"),
        "rest_size": (_RATIO, "logarithm of the size of the lead between T wave and next beat, over the QRS complex"),
        "rest_turns_hz": ("Hz", "turns of the lead per second there, median"),
    }.items()


RECORD_FEATURES_BY_NAME: Final = {**dict(_interval_columns()), **dict(_shape_columns()), **dict(_noise_columns())}
"""All features of a record in the order of their columns: unit, and what it is."""

RECORD_FEATURE_NAMES: Final = tuple(RECORD_FEATURES_BY_NAME)
"""Columns that hold a feature; all are float32, null where it is missing."""

RECORD_FEATURES = TableSchema(
    "record_features",
    1,
    {
        "record": Column(pa.string(), "", "record name, as PhysioNet spells it"),
        **{
            name: Column(pa.float32(), unit, description, False)
            for name, (unit, description) in RECORD_FEATURES_BY_NAME.items()
        },
    },
)
