"""A record as the models see it, and times at which there is nothing to see."""

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.prediction.record import predict_record
from ecgfeat.records.reader import Signal
from ecgfeat.saliency.seen import see_record
from tests.saliency.conftest import FS_HZ, make_signal


def test_it_has_the_beats_of_predict(models, seen):
    beats = predict_record(make_signal(), models).beats
    np.testing.assert_allclose(seen.time_s, beats["time_s"], atol=1 / 128)
    assert ["NSV"[label] for label in seen.label] == beats["aami"].tolist()


def test_the_nearest_beat_is_found(seen):
    assert seen.find_beat(float(seen.time_s[5]) + 0.1) == 5


@pytest.mark.parametrize("at_s", [-1.0, 28.0, float("nan")])
def test_a_time_outside_of_the_record_is_refused(models, at_s):
    with pytest.raises(DataError, match="expected a time within 0 to 28 s"):
        see_record(make_signal(), models, at_s)


def test_a_record_without_beats_says_so_in_one_line(models):
    flat = Signal("flat", FS_HZ, ("I", "II"), np.zeros((4000, 2), dtype=np.float32))
    with pytest.raises(DataError, match=r"^flat: no beat in usable signal.*; expected beats to explain") as error:
        see_record(flat, models)
    assert "\n" not in str(error.value)


def test_a_time_far_from_a_beat_names_the_nearest(models):
    signal = make_signal()
    signal.signal_mv_SC[round(14 * FS_HZ) :] = np.nan
    seen = see_record(signal, models, 20.0)
    with pytest.raises(DataError, match=r"no beat in usable signal within 2 s of 20 s; .* beat is at 1\d\."):
        seen.find_beat(20.0)
