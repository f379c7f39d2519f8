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


def test_small_arrays_share_a_file_and_do_not_overlap(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "_BLOCK_BYTES", 60_000)
    folder = tmp_path / "scratch"
    arrays = [allocate((size, 3), folder, np.int16) for size in (1001, 670, 2499, 2500, 2501, 800, 667)]
    assert all(isinstance(array, np.memmap) for array in arrays)
    for number, array in enumerate(arrays):
        array[:] = number
    for number, array in enumerate(arrays):
        assert (array == number).all()
        assert array.ctypes.data % 64 == 0
    bases = [array.ctypes.data for array in arrays]
    assert bases[1] - bases[0] == 6016  # 1001 rows of 6 bytes, to the next multiple of 64
