"""The R-peak table: labels come from the reference beat within 150 ms, rhythms from half-open episodes."""

from typing import Any

import numpy as np
import pytest

from ecgfeat.signals.quality import ABSENT, NOISY, USABLE
from ecgfeat.signals.rpeak_table import rr_intervals, tabulate_rpeaks, to_common_rate
from ecgfeat.store.schemas import RPEAKS

FS_HZ = 256.0  # twice the common rate: sample 2 n of the record is sample n of the table


def tabulate(
    rpeaks: list[int], beats: list[tuple[int, str, str]], episodes: list[tuple[int, int, str]], **quality: Any
) -> dict:
    """Make the table of R-peaks at 128 Hz from beats (sample, symbol, AAMI class) and episodes at `FS_HZ`."""
    sample, symbol, aami = ([beat[i] for beat in beats] for i in range(3))
    start, stop, rhythm = ([episode[i] for episode in episodes] for i in range(3))
    return tabulate_rpeaks(
        "100",
        "A",
        np.array(rpeaks, np.int64),
        {
            "sample": np.array(sample, np.int64),
            "symbol": np.array(symbol, object),
            "aami": np.array(aami, object),
        },
        {
            "start_sample": np.array(start, np.int64),
            "stop_sample": np.array(stop, np.int64),
            "rhythm": np.array(rhythm, object),
        },
        FS_HZ,
        **quality,
    )


@pytest.mark.parametrize(
    ("fs_hz", "sample", "expected"),
    [
        (128.0, [0, 1, 1000], [0, 1, 1000]),
        (360.0, [0, 360, 100, 101], [0, 128, 36, 36]),
        (256.0, [1, 3, 5], [0, 2, 2]),  # halves go to the even neighbour
        (64.0, [7], [14]),
    ],
)
def test_positions_at_the_common_rate(fs_hz: float, sample: list[int], expected: list[int]) -> None:
    converted = to_common_rate(np.array(sample), fs_hz)
    assert converted.dtype == np.int64
    assert converted.tolist() == expected


def test_every_column_of_a_record() -> None:
    table = tabulate(
        [50, 150, 300, 420],
        [(100, "N", "N"), (310, "A", "S"), (840, "V", "V")],
        [(0, 300, "NSR"), (300, 840, "AFIB")],
    )
    assert list(table) == list(RPEAKS.columns)
    assert {name for name in table if table[name].dtype == object} == {
        *("record", "subject", "symbol", "aami", "rhythm", "quality")
    }
    assert table["record"].tolist() == ["100"] * 4
    assert table["subject"].tolist() == ["A"] * 4
    assert table["beat"].tolist() == [0, 1, 2, 3]
    assert table["beat"].dtype == np.int32
    assert table["sample"].tolist() == [50, 150, 300, 420]
    assert table["time_s"].tolist() == [50 / 128, 150 / 128, 300 / 128, 420 / 128]
    assert np.isnan(table["rr_s"][0])
    assert table["rr_s"][1:].tolist() == [100 / 128, 150 / 128, 120 / 128]
    assert table["symbol"].tolist() == ["N", "A", "", "V"]
    assert table["aami"].tolist() == ["N", "S", "", "V"]
    # Episodes are half-open: sample 150 opens AFIB, sample 420 is after its end.
    assert table["rhythm"].tolist() == ["NSR", "AFIB", "AFIB", ""]
    assert table["matched"].tolist() == [True, True, False, True]


@pytest.mark.parametrize(("distance", "is_matched"), [(0, True), (19, True), (20, False), (38, False)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_beat_matches_within_150_ms(distance: int, is_matched: bool, sign: int) -> None:
    # 19 samples of 128 Hz are 148 ms, 20 are 156 ms.
    table = tabulate([200], [(2 * (200 + sign * distance), "V", "V")], [])
    assert table["matched"].tolist() == [is_matched]
    assert table["symbol"].tolist() == ["V" if is_matched else ""]


def test_one_beat_labels_one_rpeak() -> None:
    table = tabulate([190, 205], [(400, "V", "V")], [])
    assert table["aami"].tolist() == ["", "V"]


def test_a_record_without_rpeaks_or_beats_has_a_table() -> None:
    assert {len(column) for column in tabulate([], [(100, "N", "N")], [(0, 500, "NSR")]).values()} == {0}
    table = tabulate([50, 60], [], [])
    assert table["matched"].tolist() == [False, False]
    assert table["rhythm"].tolist() == ["", ""]


@pytest.mark.parametrize("rpeaks", [[50, 50], [60, 50]])
def test_rpeaks_that_do_not_ascend_are_a_defect(rpeaks: list[int]) -> None:
    with pytest.raises(AssertionError, match="100: R-peaks not ascending"):
        tabulate(rpeaks, [], [])


def test_rpeaks_may_be_neighbours_and_must_ascend() -> None:
    table = tabulate([50, 51], [(100, "N", "N")], [])
    assert table["matched"].tolist() == [True, False]
    assert table["matched"].dtype == np.bool_
    with pytest.raises(AssertionError, match="100: R-peaks not ascending"):
        tabulate([50, 50], [(100, "N", "N")], [])


def test_no_interval_crosses_a_gap() -> None:
    sample = np.array([10, 138, 266, 650, 778, 1000, 1128])
    spans = [(0, 300), (600, 900)]
    expected = [np.nan, 1, 1, np.nan, 1, np.nan, np.nan]
    np.testing.assert_array_equal(rr_intervals(sample, spans), expected)
    np.testing.assert_array_equal(rr_intervals(sample, None), [np.nan, 1, 1, 3, 1, 222 / 128, 1])
    # Stretches that touch are two all the same.
    np.testing.assert_array_equal(rr_intervals(sample[:4], [(0, 200), (200, 700)]), [np.nan, 1, np.nan, 3])
    assert np.isnan(rr_intervals(sample, [])).all()
    assert rr_intervals(sample[:0], spans).shape == (0,)


def test_quality_and_intervals_are_those_of_the_usable_stretches() -> None:
    state_TC = np.array([[USABLE], [USABLE], [NOISY], [ABSENT], [USABLE]], dtype=np.int8)
    rpeaks = [10, 138, 300, 400, 520, 630]
    table = tabulate(rpeaks, [], [], state_TC=state_TC, spans=[(0, 256), (512, 640)])
    assert table["quality"].tolist() == ["usable", "usable", "noisy", "absent", "usable", "usable"]
    np.testing.assert_array_equal(table["rr_s"], [np.nan, 1, np.nan, np.nan, np.nan, 110 / 128])
    without = tabulate(rpeaks, [], [])
    assert without["quality"].tolist() == [""] * 6
    assert np.isnan(without["rr_s"]).tolist() == [True] + [False] * 5


def test_the_first_sample_of_a_stretch_is_in_it_and_its_stop_is_not() -> None:
    np.testing.assert_array_equal(rr_intervals(np.array([512, 640, 768]), [(512, 768)]), [np.nan, 1, np.nan])
