"""Features of many records are laid one after the other, in memory or in a file, with the same values."""

import numpy as np
import pytest
import torch

from ecgfeat.models.htf import HTF, NUM_EMBEDDING
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.describe import BeatInputs, _Stacked, gather_timeline_data, gather_window_data
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store import mapped


def record(number: int, num_beats: int) -> RhythmRecord:
    rng = np.random.default_rng(number)
    sample = np.cumsum(rng.integers(60, 140, num_beats))
    rr_s = np.diff(sample / 128, prepend=np.nan)
    episodes = Episodes(np.array([0]), np.array([int(sample[-1]) + 100]), np.array(["NSR"]))
    embedding_LD = rng.standard_normal((num_beats, NUM_EMBEDDING), dtype=np.float32)
    label = rng.integers(0, 3, num_beats)
    return RhythmRecord(
        "c", f"s{number}", f"r{number}", int(sample[-1]) + 100, sample, rr_s, label, episodes, embedding_LD
    )


@pytest.mark.parametrize("history", ["predicted", "oracle"])
def test_features_in_a_file_are_those_in_memory(tmp_path, monkeypatch, history):
    torch.manual_seed(0)
    htf, records = HTF().eval(), [record(1, 30), record(2, 5), record(3, 17)]
    in_memory = BeatInputs(htf, history, is_rr_used=True)
    monkeypatch.setattr(mapped, "_MOST_BYTES", 0)
    in_file = BeatInputs(htf, history, is_rr_used=True, folder=tmp_path)
    for gather in (
        lambda inputs: gather_timeline_data(records, inputs, neighbour_beats=3),
        lambda inputs: gather_window_data(records, inputs, only_classified_beats=False),
    ):
        expected, found = gather(in_memory).features, gather(in_file).features
        assert len(expected) == 52
        assert torch.equal(expected, found)
    assert not list(tmp_path.iterdir())


def test_rows_of_stacked_arrays_are_those_of_their_concatenation():
    parts = [np.arange(start, start + number)[:, None] for start, number in ((0, 3), (3, 0), (3, 4), (7, 1))]
    stacked, whole = _Stacked(parts), np.concatenate(parts)
    assert stacked.shape == whole.shape
    for start in range(9):
        for stop in range(start, 9):
            np.testing.assert_array_equal(stacked[start:stop], whole[start:stop])
