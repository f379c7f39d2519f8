"""The table ``features``: what is measured of each beat.

A ratio is stored as its natural logarithm, so that half and twice are equally far from 0. Amplitudes are relative to
the record's own median beat: neither gain nor polarity of a lead matters. A column is causal if it reads no later
R-peak, and no signal later than 0.65 s after its own; the record's means and medians do.
"""

from typing import Final

import pyarrow as pa

from ecgfeat.store.columns import Column, TableSchema

NUM_LEADS: Final = 2
"""Leads that are described: the first two by position."""

AROUND_BEATS: Final = (11, 41, 61, 101)
"""Beats of a neighbourhood, half of them on either side."""

BEFORE_BEATS: Final = (10, 32)
"""Beats of a neighbourhood that ends with the beat itself."""

_FLOAT32, _INT32 = pa.float32(), pa.int32()
_MEDIAN, _BEFORE = "the record's median beat", "the median of the nine beats before"


def _interval_columns() -> dict[str, Column]:
    columns = {
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
    return {name: Column(_FLOAT32, *about[::2], causal=about[1]) for name, about in columns.items()}


def _wave_columns() -> dict[str, Column]:
    columns = {
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
    return {
        f"{name}_{lead}": Column(_FLOAT32, unit, f"{text}; lead {lead}", causal=causal)
        for lead in range(1, NUM_LEADS + 1)
        for name, (unit, causal, text) in columns.items()
    }


FEATURES = TableSchema(
    "features",
    1,
    {
        "record": Column(pa.string(), "", "record name, as PhysioNet spells it"),
        "beat": Column(_INT32, "", "0-based number of the beat in its record: row i is row i of the R-peak table"),
        "quality": Column(pa.string(), "", "as in the R-peak table: usable, noisy, absent, or empty without a signal"),
        **_interval_columns(),
        **_wave_columns(),
        "qrs_cluster": Column(
            _FLOAT32,
            "",
            "shape of the QRS complex: 0 that of most beats of the record, 1 the next, 7 all others",
            False,
        ),
        "qrs_cluster_share": Column(_FLOAT32, "1", "share of the record's beats that have this shape", causal=False),
    },
)
FEATURE_NAMES: Final = tuple(name for name, column in FEATURES.columns.items() if column.causal is not None)
"""Columns that hold a feature; all are float32, null where it is missing."""
