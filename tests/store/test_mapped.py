"""Large arrays are in a file without a name, small ones in memory; both hold what is written to them."""

import numpy as np
import pytest

from ecgfeat.store import mapped
from ecgfeat.store.mapped import allocate, keep_mapped, open_spool


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(mapped, "_MOST_BYTES", 4000)


def test_a_large_array_is_in_a_file_without_a_name(tmp_path):
    folder = tmp_path / "scratch"
    array = allocate((1001, 1), folder)
    assert isinstance(array, np.memmap)
    assert array.dtype == np.float32
    assert not list(folder.iterdir())
    array[:] = 7
    assert array.sum() == 7007


def test_a_small_array_or_one_without_a_folder_is_in_memory(tmp_path):
    for array in (allocate((1000,), tmp_path / "scratch"), allocate((10_000,), None, np.int16)):
        assert not isinstance(array, np.memmap)
    assert not (tmp_path / "scratch").exists()


def test_what_is_kept_is_the_same(tmp_path):
    window = np.arange(6000, dtype=np.int16).reshape(-1, 2, 3)
    kept = keep_mapped(window, tmp_path)
    assert isinstance(kept, np.memmap)
    assert kept.dtype == np.int16
    np.testing.assert_array_equal(kept, window)
    few = window[:10]
    assert keep_mapped(few, tmp_path) is few


def test_a_spool_gives_arrays_back_in_their_order_and_leaves_no_file(tmp_path):
    arrays = [np.arange(6, dtype=np.int16).reshape(1, 2, 3), np.zeros((0, 2, 3), dtype=np.int16), np.float32([7.5])]
    with open_spool(tmp_path / "scratch") as spool:
        for array in arrays:
            spool.append(array)
        for read in (list(spool), list(spool)):
            assert [array.dtype for array in read] == [array.dtype for array in arrays]
            for array, expected in zip(read, arrays, strict=True):
                np.testing.assert_array_equal(array, expected)
    assert not list((tmp_path / "scratch").iterdir())
