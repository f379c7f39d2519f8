"""One posterior per beat under every protocol: rows that tile the record, means that equal a loop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ecgfeat.rhythm.rows import HeadOutput, head_rows, posteriors_at_beats
from ecgfeat.rhythm.sampling import grid_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable, beat_bounds
from ecgfeat.rhythm.views import Views

CLASSES = ("NSR", "AFIB")
WINDOW = 1000


@pytest.fixture(scope="module")
def records():
    """Two records with a beat every 90 to 110 samples, a gap in the first, and a record without a beat."""
    rng = np.random.default_rng(0)
    samples = []
    for num_samples in (20_000, 8_400):
        sample = np.cumsum(rng.integers(90, 111, size=400))
        samples.append(sample[(sample < num_samples) & ~((sample > 4_900) & (sample < 6_000))])
    samples.append(np.zeros(0, dtype=np.int64))
    beats = BeatTable(np.concatenate(samples), np.cumsum([0, *map(len, samples)]), np.array([20_000, 8_400, 3_000]))
    episodes = EpisodeTable(
        np.array([0, 0, 0, 0, 1, 2]),
        np.array([0, 5_000, 5_300, 12_345, 2_000, 0]),
        np.array([5_000, 5_300, 12_345, 20_000, 8_400, 3_000]),
        np.array([0, 1, 0, -1, 1, 0]),
    )
    rhythm = np.array(["NSR", "AFIB", "NSR", "VT", "AFIB", "NSR"])
    posterior = rng.dirichlet(np.ones(2), size=(7, len(beats.sample))).astype(np.float32)
    path = rng.integers(0, 2, size=len(beats.sample))
    return beats, episodes, rhythm, HeadOutput("timeline", posterior, (0.25, 0.75), {"viterbi": path})


def rows_of(records, protocol, view):
    beats, episodes, rhythm, head = records
    rows = head_rows(head, protocol, beats, episodes, rhythm, classes=CLASSES, window_samples=WINDOW)
    kept = rows["view"] == view
    return {name: column[kept] for name, column in rows.items()}


def rhythm_at(records, record, sample):
    _, episodes, rhythm, _ = records
    for row, name in enumerate(rhythm):
        if episodes.record[row] == record and episodes.start[row] <= sample < episodes.stop[row]:
            return name
    return ""


def test_timeline_rows_tile_the_records_with_their_true_rhythm(records):
    beats, _, _, _ = records
    rows = rows_of(records, "timeline", "tta7")
    for record in (0, 1, 2):
        of = rows["record_index"] == record
        start, stop = rows["start_sample"][of], rows["stop_sample"][of]
        assert start[0] == 0
        assert stop[-1] == beats.num_samples[record]
        assert_array_equal(start[1:], stop[:-1])
        for row in np.flatnonzero(of):
            inside = range(rows["start_sample"][row], rows["stop_sample"][row])
            assert {rhythm_at(records, record, sample) for sample in inside} == {rows["reference"][row]}
            assert rows["purity"][row] == (rows["reference"][row] != "")
    assert {"VT", "NSR", "AFIB", ""} == set(rows["reference"])


def test_every_beat_has_one_row_and_its_answer_holds_until_the_next(records):
    beats, _, _, head = records
    rows = rows_of(records, "timeline", "tta7")
    mean = head.posterior.mean(0)
    has_rpeak = rows["num_beats"] > 0
    assert set(rows["num_beats"]) == {0, 1}
    assert has_rpeak.sum() == len(beats.sample)
    assert_allclose(rows["p_AFIB"][has_rpeak], mean[:, 1], atol=1e-6)
    assert_array_equal(rows["predicted"][has_rpeak], np.array(CLASSES)[mean.argmax(1)])
    for record in (0, 1):
        sample = beats.sample[beats.offset[record] : beats.offset[record + 1]]
        of = np.flatnonzero(rows["record_index"] == record)
        for row in of:
            # A beat begins 20 samples before its R-peak.
            beat = beats.offset[record] + max(
                0, np.searchsorted(sample - 20, rows["start_sample"][row], side="right") - 1
            )
            assert rows["p_AFIB"][row] == pytest.approx(mean[beat, 1], abs=1e-6)


def test_a_beat_begins_20_samples_before_its_rpeak_and_after_the_one_before():
    beats = BeatTable(np.array([100, 300, 310, 330, 351]), np.array([0, 5]), np.array([1_000]))
    episodes = EpisodeTable(np.array([0]), np.array([0]), np.array([1_000]), np.array([0]))
    posterior = np.full((1, 5, 2), 0.5, dtype=np.float32)
    head = HeadOutput("timeline", posterior, (0.5, 0.5))
    rows = head_rows(head, "timeline", beats, episodes, np.array(["NSR"]), classes=CLASSES, window_samples=WINDOW)
    # The third and fourth R-peak follow so closely that their beats begin with the sample after the one before.
    assert rows["start_sample"].tolist() == [0, 280, 301, 311, 331]
    assert rows["stop_sample"].tolist() == [280, 301, 311, 331, 1_000]


def test_time_without_rpeaks_is_scored(records):
    # The episode of AFIB from 5,000 to 5,300 lies in a gap; the third record has no R-peak at all.
    rows = rows_of(records, "timeline", "single")
    missed = (rows["record_index"] == 0) & (rows["reference"] == "AFIB")
    assert rows["start_sample"][missed].tolist() == [5_000]
    assert rows["num_beats"][missed].tolist() == [0]
    silent = rows["record_index"] == 2
    assert rows["predicted"][silent].tolist() == ["AFIB"]
    assert rows["p_AFIB"][silent] == pytest.approx([0.75])


def test_the_smoothed_path_keeps_the_mean_posterior(records):
    _, _, _, head = records
    path, mean = rows_of(records, "timeline", "viterbi"), rows_of(records, "timeline", "tta7")
    has_rpeak = path["num_beats"] > 0
    assert_array_equal(path["predicted"][has_rpeak], np.array(CLASSES)[head.paths["viterbi"]])
    assert_array_equal(path["p_NSR"], mean["p_NSR"])


@pytest.mark.parametrize("protocol", ["grid", "episode"])
def test_units_have_the_mean_posterior_of_their_beats(records, protocol):
    beats, _, _, head = records
    rows = rows_of(records, protocol, "view3")
    for row in range(len(rows["view"])):
        record = rows["record_index"][row]
        low, high = beats.offset[record], beats.offset[record + 1]
        sample = beats.sample[low:high]
        inside = (sample >= rows["start_sample"][row]) & (sample < rows["stop_sample"][row])
        expected = head.posterior[3, low:high][inside].mean(0) if inside.any() else np.array(head.prior)
        assert_allclose([rows["p_NSR"][row], rows["p_AFIB"][row]], expected, atol=1e-5)
        assert rows["num_beats"][row] == inside.sum()
    assert set(rows["protocol"]) == {protocol}


def test_episode_units_are_the_known_episodes_of_the_task(records):
    rows = rows_of(records, "episode", "tta7")
    assert_array_equal(rows["start_sample"], [0, 5_000, 5_300, 2_000, 0])
    assert_array_equal(rows["reference"], ["NSR", "AFIB", "NSR", "AFIB", "NSR"])
    assert_array_equal(rows["purity"], np.ones(5))


def test_a_head_with_rows_of_its_own_keeps_them(records):
    beats, episodes, rhythm, head = records
    own = {"record_index": np.array([0])}
    answer = HeadOutput("window", head.posterior, head.prior, precomputed_rows={"grid": own})
    assert head_rows(answer, "grid", beats, episodes, rhythm, classes=CLASSES, window_samples=WINDOW) is own


def test_a_beat_takes_the_posterior_of_its_segment(records):
    beats, episodes, _, _ = records
    windows = [
        grid_segments(beats, episodes, window_samples=WINDOW, max_beats=32, num_classes=2, shift_samples=shift)
        for shift in (0, 250)
    ]
    said = np.random.default_rng(1).dirichlet(np.ones(2), size=(2, len(windows[0]))).astype(np.float32)
    posterior = posteriors_at_beats(Views(tuple(windows), said), beats, (0.5, 0.5))
    for view in (0, 1):
        for row, sample in enumerate(beats.sample):
            record = np.searchsorted(beats.offset, row, side="right") - 1
            of = np.flatnonzero(windows[view].record == record)
            if len(of):
                # Before the first segment and after the last one, the nearest.
                begun = np.flatnonzero(windows[view].start[of] <= sample)
                assert_array_equal(posterior[view, row], said[view, of[begun[-1] if len(begun) else 0]])
    first_beat = beats.sample[beats.offset[1]]
    assert first_beat < windows[1].start[windows[1].record == 1].min()
    assert_allclose(posterior.sum(2), 1.0, atol=1e-6)


def test_beats_of_a_record_shorter_than_a_segment_have_the_prior():
    beats = BeatTable(np.array([100, 300, 200, 1500]), np.array([0, 2, 4]), np.array([500, 2_000]))
    none = np.zeros(0, dtype=np.int64)
    windows = grid_segments(
        beats, EpisodeTable(none, none, none, none), window_samples=WINDOW, max_beats=32, num_classes=2
    )
    said = np.array([[[0.9, 0.1], [0.2, 0.8]]], dtype=np.float32)
    found = posteriors_at_beats(Views((windows,), said), beats, (0.6, 0.4))[0]
    assert_allclose(found, [[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])


def test_bounds_are_half_open():
    beats = BeatTable(np.array([10, 20, 30, 5]), np.array([0, 3, 4]), np.array([100, 100]))
    first, last = beat_bounds(beats, np.array([0, 0, 1]), np.array([10, 20, 5]), np.array([20, 20, 6]))
    assert_array_equal(first, [0, 1, 3])
    assert_array_equal(last, [1, 1, 4])


@pytest.mark.parametrize(("num_views", "names"), [(1, ["single"]), (2, ["single", "tta2"]), (7, ["single", "tta7"])])
def test_two_views_or_more_have_a_mean(num_views, names):
    beats = BeatTable(np.array([100, 101]), np.array([0, 2]), np.array([1_000]))
    episodes = EpisodeTable(np.array([0]), np.array([0]), np.array([1_000]), np.array([0]))
    posterior = np.linspace(0.1, 0.4, 4 * num_views, dtype=np.float32).reshape(num_views, 2, 2)
    rows = head_rows(
        HeadOutput("timeline", posterior, (0.5, 0.5)), "timeline", beats, episodes, np.array(["NSR"]),
        classes=CLASSES, window_samples=WINDOW,
    )  # fmt: skip
    assert list(dict.fromkeys(rows["view"])) == names
    assert rows["p_NSR"].dtype == np.float32
    assert_allclose(rows["p_NSR"][rows["view"] == names[-1]], posterior.mean(0)[:, 0], rtol=1e-6)


def test_an_rpeak_where_the_rhythm_changes_lies_in_the_new_rhythm():
    beats = BeatTable(np.array([100, 300]), np.array([0, 2]), np.array([1_000]))
    episodes = EpisodeTable(np.array([0, 0]), np.array([0, 300]), np.array([300, 1_000]), np.array([0, 1]))
    posterior = np.full((1, 2, 2), 0.5, dtype=np.float32)
    head = HeadOutput("timeline", posterior, (0.5, 0.5))
    rows = head_rows(
        head, "timeline", beats, episodes, np.array(["NSR", "AFIB"]), classes=CLASSES, window_samples=WINDOW
    )
    assert rows["start_sample"].tolist() == [0, 280, 300]
    assert rows["num_beats"].tolist() == [1, 0, 1]
    assert rows["reference"].tolist() == ["NSR", "NSR", "AFIB"]


def test_a_record_without_beats_before_others_has_the_prior():
    beats = BeatTable(np.array([100, 300]), np.array([0, 0, 2]), np.array([500, 1_000]))
    episodes = EpisodeTable(np.array([0, 1]), np.array([0, 0]), np.array([500, 1_000]), np.array([0, 0]))
    posterior = np.array([[[0.9, 0.1], [0.8, 0.2]]], dtype=np.float32)
    head = HeadOutput("timeline", posterior, (0.3, 0.7))
    rows = head_rows(
        head, "timeline", beats, episodes, np.array(["NSR", "NSR"]), classes=CLASSES, window_samples=WINDOW
    )
    assert_allclose(rows["p_NSR"], [0.3, 0.9, 0.8])
    assert rows["predicted"].tolist() == ["AFIB", "NSR", "NSR"]


def test_two_rpeaks_at_one_sample_are_refused():
    beats = BeatTable(np.array([100, 100]), np.array([0, 2]), np.array([1_000]))
    episodes = EpisodeTable(np.array([0]), np.array([0]), np.array([1_000]), np.array([0]))
    head = HeadOutput("timeline", np.full((1, 2, 2), 0.5, dtype=np.float32), (0.5, 0.5))
    with pytest.raises(AssertionError, match="R-peaks ascend"):
        head_rows(head, "timeline", beats, episodes, np.array(["NSR"]), classes=CLASSES, window_samples=WINDOW)
