"""Reading for paper: the right samples, each lead once, no further than needed."""

import numpy as np

from ecgfeat.paper.stretches import read_stretches
from tests.fixtures.hand_made import BlockSource


def test_the_samples_of_each_stretch_come_from_one_pass_per_lead() -> None:
    source = BlockSource(10_500, ("I", "II", "III"))
    spans = [(995, 1010), (0, 3), (3000, 4000), (1005, 3001), (10_490, 10_500)]
    parts = read_stretches(source, spans, [2, 0])
    for (start, stop), part_SC in zip(spans, parts, strict=True):
        assert part_SC.dtype == np.float32
        assert np.array_equal(part_SC[:, 0], (np.arange(start, stop) + 2e6).astype(np.float32))
        assert np.array_equal(part_SC[:, 1], np.arange(start, stop))
    assert source.reads == [2, 0]


def test_nothing_is_read_for_no_stretch() -> None:
    source = BlockSource(10_500, ("I",))
    assert read_stretches(source, [], [0]) == []
    assert source.reads == []
