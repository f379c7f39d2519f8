"""Beats and rhythms of an annotation file, in the columns of a prediction."""

import numpy as np

from ecgfeat.outputs.annotated import find_rhythms
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.annotations import aami_class, is_beat, rhythm_at
from ecgfeat.records.reader import Annotations
from ecgfeat.signals.gaps import LONGEST_PAUSE_S
from ecgfeat.signals.usable import tabulate_quality


def as_prediction(marks: Annotations, num_samples: int, fs_hz: float) -> Prediction:
    """Return annotated beats and rhythms in the columns that are drawn and summarised.

    Parameters
    ----------
    marks : Annotations
        Of the whole record.
    num_samples : int
        Its length.
    fs_hz : float
        Its rate.

    Returns
    -------
    Prediction
        Without probabilities, quality and reasons. Annotations do not tell a gap from a pause: an interval over 30 s is
        a gap.
    """
    at_beat = is_beat(marks.symbol)
    sample = marks.sample[at_beat]
    rr_s = np.diff(sample, prepend=np.nan) / fs_hz if len(sample) else np.zeros(0)
    rr_s[rr_s > LONGEST_PAUSE_S] = np.nan
    rhythms = find_rhythms(marks, num_samples)
    beats = {
        "sample": sample,
        "time_s": sample / fs_hz,
        "rr_s": rr_s,
        "aami": aami_class(marks.symbol[at_beat], "dechazal").astype(object),
        "rhythm": rhythm_at(sample, rhythms).astype(object),
    }
    episodes = {
        "start_s": rhythms.start_sample / fs_hz,
        "stop_s": rhythms.stop_sample / fs_hz,
        "rhythm": rhythms.rhythm.astype(object),
        "reason": np.full(len(rhythms), "", dtype=object),
    }
    no_quality = tabulate_quality(marks.record, np.zeros((0, 0), np.int8))
    return Prediction(beats, episodes, no_quality, num_samples / fs_hz, (), {})
