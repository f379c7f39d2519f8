"""What ``ecgfeat predict`` writes of a record: tables of beats and of episodes, and a summary."""

import numpy as np
import pyarrow as pa

from ecgfeat.prediction.episodes import NO_SIGNAL, NOISE, UNNAMED, main_rhythm
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


def summarise_prediction(record: str, beats: Columns, episodes: Columns, duration_s: float) -> str:
    """Summarise the prediction of a record in three lines, and one for its main rhythm if it has any.

    Parameters
    ----------
    record : str
        Name.
    beats, episodes : dict of str to array
        Columns of `RECORD_BEATS` and `RECORD_EPISODES`.
    duration_s : float
        Length of the record.

    Returns
    -------
    str
        Usable hours and beats per class; minutes per rhythm, and without one by reason; AF burden, the share of AFIB in
        the time with a rhythm. Then the main rhythm, that of most time: its share of the time with a rhythm, its
        certainty, and the evidence of its longest episode. See `ecgfeat.prediction.episodes.main_rhythm`.
    """
    beat_class = beats["aami"]
    counts = ", ".join(f"{int((beat_class == name).sum()):,} {name}" for name in BEAT_CLASSES)
    length_s = episodes["stop_s"] - episodes["start_s"]
    name_of = np.where(episodes["rhythm"] != "", episodes["rhythm"], episodes["reason"])
    of_rhythm = {name: float(length_s[name_of == name].sum()) for name in (*RHYTHMS, *UNNAMED)}
    minutes = ", ".join(f"{name} {total_s / 60:.1f}" for name, total_s in of_rhythm.items() if total_s)
    named_s = sum(of_rhythm[name] for name in RHYTHMS)
    usable_s = duration_s - of_rhythm[NOISE] - of_rhythm[NO_SIGNAL]
    unit, unit_s = ("h", 3600) if duration_s >= 3600 else ("min", 60)
    usable = f"{usable_s / unit_s:.1f} of {duration_s / unit_s:.1f} {unit}"
    burden = f"{100 * of_rhythm['AFIB'] / named_s:.1f} % of the time with a rhythm" if named_s else "unknown"
    lines = (
        f"{record}: usable {usable}, {len(beat_class):,} beats: {counts}\n"
        f"{record}: minutes: {minutes} ({len(length_s):,} episode{'s' * (len(length_s) != 1)})\n"
        f"{record}: AF burden {burden}"
    )
    if not named_s:
        return lines
    main, certainty = main_rhythm(episodes["rhythm"], length_s, episodes["certainty"], episodes["num_beats"])
    rows = np.flatnonzero(episodes["rhythm"] == main)
    share = f"{100 * of_rhythm[main] / named_s:.0f} % of the time with a rhythm"
    which = "its longest episode: " if len(rows) > 1 else ""
    evidence = episodes["evidence"][rows[length_s[rows].argmax()]]
    return f"{lines}\n{record}: {main} {share}, certainty {certainty:.2f}; {which}{evidence}"
