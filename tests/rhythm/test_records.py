"""Records of the rhythm task and their usable stretches."""

import numpy as np

from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.records import RhythmRecord, cut_stretches


def make_record() -> RhythmRecord:
    sample = np.arange(10, 1000, 100)
    return RhythmRecord(
        corpus="toy",
        subject="a",
        record="a",
        num_samples=1000,
        sample=sample,
        rr_s=np.append(np.nan, np.full(len(sample) - 1, 100 / 128)),
        label=np.arange(len(sample)) % 3,
        episodes=Episodes(np.array([0, 450]), np.array([450, 1000]), np.array(["NSR", "AFIB"])),
        embedding=np.arange(len(sample), dtype=np.float32)[:, None],
    )


def test_a_stretch_is_a_record_of_its_own() -> None:
    first, second = cut_stretches(make_record(), [(0, 300), (400, 700)])
    assert (first.start, first.first_beat, first.num_samples) == (0, 0, 300)
    assert (second.start, second.first_beat, second.num_samples) == (400, 4, 300)
    assert second.sample.tolist() == [10, 110, 210]
    np.testing.assert_array_equal(second.rr_s, [np.nan, 100 / 128, 100 / 128])
    assert second.label.tolist() == [1, 2, 0]
    assert second.embedding is not None
    assert second.embedding[:, 0].tolist() == [4, 5, 6]
    assert second.episodes.start_sample.tolist() == [0, 50]
    assert second.episodes.stop_sample.tolist() == [50, 300]
    assert first.episodes.rhythm.tolist() == ["NSR"]
    assert second.rows == slice(4, 7)
    assert second.contains(np.array([399, 400, 699, 700])).tolist() == [False, True, True, False]


def test_a_whole_record_is_itself_and_a_stretch_without_beats_is_none() -> None:
    record = make_record()
    (whole,) = cut_stretches(record, [(0, 1000)])
    np.testing.assert_array_equal(whole.rr_s, record.rr_s)
    assert whole.sample.tolist() == record.sample.tolist()
    assert cut_stretches(record, [(11, 100)]) == []
    assert cut_stretches(record, []) == []


def test_a_stretch_of_a_stretch_counts_from_the_record() -> None:
    (outer,) = cut_stretches(make_record(), [(200, 900)])
    (inner,) = cut_stretches(outer, [(100, 500)])
    assert (inner.start, inner.first_beat) == (300, 3)
    assert (inner.sample + inner.start).tolist() == [310, 410, 510, 610]
