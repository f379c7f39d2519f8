"""What is measured of each beat: names, units and meaning. It needs no pyarrow: models are used without it too.

A ratio is stored as its natural logarithm, so that half and twice are equally far from 0. Amplitudes are relative to
the record's own median beat: neither gain nor polarity of a lead matters. A feature is causal if it reads no later
R-peak, and no signal later than 0.65 s after its own; the record's means and medians do.
"""

from collections.abc import Iterator, Mapping
from typing import Final

NUM_LEADS: Final = 2
"""Leads that are described: the first two by position."""

AROUND_BEATS: Final = (11, 41, 61, 101)
"""Beats of a neighbourhood, half of them on either side."""

BEFORE_BEATS: Final = (10, 32)
"""Beats of a neighbourhood that ends with the beat itself."""

Feature = tuple[str, bool, str]
"""Unit, whether it is causal, and what it is."""

_MEDIAN, _BEFORE = "the record's median beat", "the median of the nine beats before"


def _interval_columns() -> Iterator[tuple[str, Feature]]:
    columns: dict[str, Feature] = {
        "rr_before_s": ("s", True, "interval to the R-peak before, within [0.15, 3]"),
        "rr_after_s": ("s", False, "interval to the next R-peak, within [0.15, 3]"),
        "rr_change": ("1", True, "interval before over the one before it"),
        "rr_after_change": ("1", False, "interval after over interval before"),
        "rr_over_record_mean": ("1", False, "interval before over the record's mean interval"),
        "rr_over_record_median": ("1", False, "interval before over the record's median interval"),
        "rr_pair_over_record_mean": ("1", False, "mean of the intervals before and after over the record's mean"),
        **{
            f"rr_over_mean_before_{n}": (
                "1",
                True,
                f"interval before over the mean of the last {n}, its own among them",
            )
            for n in BEFORE_BEATS
        },
    }
    for n in AROUND_BEATS:
        of = f"over {n} beats"
        columns |= {
            f"rr_over_mean_{n}": ("1", False, f"interval before over the mean interval {of}"),
            f"rr_over_median_{n}": ("1", False, f"interval before over the median interval {of}"),
            f"rr_after_over_mean_{n}": ("1", False, f"interval after over the mean interval {of}"),
            f"rr_mean_s_{n}": ("s", False, f"mean interval {of}"),
            f"rr_irregular_{n}": ("1", False, f"share of changes of the interval above 0.1 of its mean, {of}"),
            f"rr_variation_{n}": ("1", False, f"standard deviation of the intervals over their mean, {of}"),
            f"rr_rmssd_{n}": ("1", False, f"root mean square of the changes over the mean interval, {of}"),
            f"rr_median_change_{n}": ("1", False, f"median size of the changes over the median interval, {of}"),
            f"rr_turning_{n}": ("1", False, f"share of intervals where the change turns its sign, {of}"),
            **{
                f"rr_repeat_{lag}_{n}": ("1", False, f"correlation of an interval with the one {lag} later, {of}")
                for lag in (1, 2, 3)
            },
        }
    yield from columns.items()


def _wave_columns() -> Iterator[tuple[str, Feature]]:
    columns: dict[str, Feature] = {
        "qrs_width_s": ("s", True, "width of the QRS complex, between slopes of 0.15 of its steepest"),
        "qrs_amplitude": ("1", False, "peak-to-peak amplitude of the QRS complex over the record's median"),
        "qrs_area": ("1", False, "mean size of the QRS complex over the record's median"),
        "qrs_slope": ("1", False, "steepest slope of the QRS complex over the record's median"),
        "qrs_polarity": ("1", False, "1 where it points as the median beat does, -1 the other way, 0 both ways"),
        "noise": ("1", False, "mean bend outside of the QRS complex over the median amplitude of QRS complexes"),
    }
    for wave, title in (("p", "P wave"), ("t", "T wave")):
        columns |= {
            f"{wave}_amplitude": ("1", False, f"{title} over the median amplitude of QRS complexes, signed as the QRS"),
            f"{wave}_time_s": ("s", wave == "p", f"place of the {title} after the R-peak; before it if negative"),
            f"{wave}_size": ("1", False, f"root mean square of the {title} over the median amplitude of QRS complexes"),
        }
    for wave, title in (("qrs", "QRS complex"), ("p", "P wave"), ("t", "T wave")):
        columns |= {
            f"{wave}_likeness": ("1", False, f"correlation of the {title} with that of {_MEDIAN}"),
            f"{wave}_distance": ("1", False, f"distance of the {title} from that of {_MEDIAN}, over its size"),
            f"{wave}_likeness_before": ("1", True, f"correlation of the {title} with that of {_BEFORE}"),
            f"{wave}_distance_before": ("1", True, f"distance of the {title} from that of {_BEFORE}, over its size"),
        }
    for lead in range(1, NUM_LEADS + 1):
        for name, (unit, causal, text) in columns.items():
            yield f"{name}_{lead}", (unit, causal, f"{text}; lead {lead}")


FEATURES_BY_NAME: Final[Mapping[str, Feature]] = {
    **dict(_interval_columns()),
    **dict(_wave_columns()),
    "qrs_cluster": (
        "",
        False,
        "shape of the QRS complex: 0 that of most beats of the record, 1 the next, 7 all others",
    ),
    "qrs_cluster_share": ("1", False, "share of the record's beats that have this shape"),
}
"""All features in the order of their columns."""

FEATURE_NAMES: Final = tuple(FEATURES_BY_NAME)
"""Columns that hold a feature; all are float32, null where it is missing."""
