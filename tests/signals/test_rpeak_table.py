"""The R-peak table: worked out by hand on a few beats at another rate than the common one."""

import numpy as np
import pytest

from ecgfeat.signals.rpeak_table import tabulate_rpeaks, to_common_rate

FS_HZ = 256.0  # twice the common rate


def table(rpeaks):
    reference = {
        "sample": np.array([200, 400, 600, 1000]),
        "symbol": np.array(["N", "V", "A", "N"], dtype=object),
        "aami": np.array(["N", "V", "S", "N"], dtype=object),
    }
    episodes = {
        "start_sample": np.array([0, 590]),
        "stop_sample": np.array([590, 900]),
        "rhythm": np.array(["NSR", "AFIB"], dtype=object),
    }
    return tabulate_rpeaks("100", "s1", np.array(rpeaks), reference, episodes, FS_HZ)


def test_each_rpeak_has_its_time_and_the_labels_of_its_reference_beat():
    rows = table([101, 203, 298, 380, 600])
    assert list(rows) == [
        "record", "subject", "beat", "sample", "time_s", "rr_s", "symbol", "aami", "rhythm", "matched",
    ]  # fmt: skip
    assert rows["record"].tolist() == ["100"] * 5
    assert rows["subject"].tolist() == ["s1"] * 5
    assert rows["beat"].tolist() == [0, 1, 2, 3, 4]
    assert rows["beat"].dtype == np.int32
    assert rows["sample"].tolist() == [101, 203, 298, 380, 600]
    assert rows["time_s"].tolist() == [101 / 128, 203 / 128, 298 / 128, 380 / 128, 600 / 128]
    assert np.isnan(rows["rr_s"][0])
    assert rows["rr_s"][1:].tolist() == pytest.approx([102 / 128, 95 / 128, 82 / 128, 220 / 128])
    # Reference beats at the common rate: 100, 200, 300, 500; none of them belongs to the last two.
    assert rows["symbol"].tolist() == ["N", "V", "A", "", ""]
    assert rows["aami"].tolist() == ["N", "V", "S", "", ""]
    assert rows["matched"].tolist() == [True, True, True, False, False]
    assert rows["rhythm"].tolist() == ["NSR", "NSR", "AFIB", "AFIB", ""]
    for name in ("record", "subject", "symbol", "aami", "rhythm"):
        assert rows[name].dtype == object, name
    assert rows["matched"].dtype == bool


@pytest.mark.parametrize(("away", "matches"), [(19, True), (20, False)])
def test_an_rpeak_matches_within_150_ms(away, matches):
    # 150 ms are 19.2 samples at 128 Hz.
    for sample in (100 + away, 100 - away):
        assert table([sample])["matched"].tolist() == [matches]


def test_rpeaks_out_of_order_are_refused():
    with pytest.raises(AssertionError, match="100: R-peaks not ascending"):
        table([101, 101])


def test_positions_go_to_the_nearest_sample_of_the_common_rate():
    found = to_common_rate(np.array([0, 1, 2, 3, 360]), 360.0)
    assert found.tolist() == [0, 0, 1, 1, 128]
    assert found.dtype == np.int64
    # Halves round to even.
    assert to_common_rate(np.array([1, 3, 5]), 256.0).tolist() == [0, 2, 2]
