"""What ``ecgfeat predict`` writes of a record: tables of beats and of episodes."""

import pyarrow as pa

from ecgfeat.store.columns import Column, TableSchema
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from ecgfeat.store.tables import Columns

RECORD_BEATS = TableSchema(
    "record_beats",
    2,
    {
        "record": Column(pa.string(), "", "record name"),
        "beat": Column(pa.int32(), "", "0-based number of the beat in its record"),
        "sample": Column(pa.int64(), "samples", "detected R-peak at the record's own rate"),
        "time_s": Column(pa.float64(), "s", "the same position in seconds from the start of the record"),
        "rr_s": Column(
            pa.float64(),
            "s",
            "interval to the R-peak before in the same usable stretch, detected at 128 Hz; NaN for the first",
        ),
        "aami": Column(pa.string(), "", "predicted AAMI class: N S V"),
        **{f"p_{name}": Column(pa.float32(), "1", f"probability of {name}") for name in BEAT_CLASSES},
        "rhythm": Column(pa.string(), "", "predicted rhythm at the beat; null where there is none"),
    },
)
RECORD_EPISODES = TableSchema(
    "record_episodes",
    5,
    {
        "record": Column(pa.string(), "", "record name"),
        "start_sample": Column(pa.int64(), "samples", "first sample of the episode at the record's own rate"),
        "stop_sample": Column(pa.int64(), "samples", "first sample after the episode"),
        "start_s": Column(pa.float64(), "s", "start in seconds from the start of the record"),
        "stop_s": Column(pa.float64(), "s", "stop in seconds from the start of the record"),
        "rhythm": Column(pa.string(), "", "predicted rhythm; null where there is none"),
        "certainty": Column(pa.float32(), "1", "probability that it is this rhythm; NaN where there is none"),
        "reason": Column(
            pa.string(),
            "",
            "why there is no rhythm: noise (with usable signal of less than 10 s), no signal, no R-peak, a pause of "
            "3 s or more between two R-peaks, or not classified (no rhythm is certain enough, or the usable stretch "
            "has fewer than 5 beats); else empty",
        ),
        "evidence": Column(
            pa.string(),
            "",
            "what in RR intervals, P waves, width and classes of the beats speaks for the rhythm, and after "
            "`against it:` what against it. Regular RR intervals in AFIB: atrial flutter, no rhythm of the six, is "
            "possible. A published system reads no P wave and no width. Empty where there is no rhythm",
        ),
        "num_beats": Column(pa.int64(), "beats", "R-peaks in the episode"),
        **{
            f"p_{name}": Column(
                pa.float32(),
                "1",
                f"probability of {name}, mean over its beats, or segments of a window head; NaN without usable signal",
            )
            for name in RHYTHMS
        },
    },
)


def null_rhythm(columns: Columns) -> Columns:
    """Return columns as they are in files: no rhythm is an empty text in memory, and null there."""
    rhythm = columns["rhythm"].copy()
    rhythm[rhythm == ""] = None
    return columns | {"rhythm": rhythm}
