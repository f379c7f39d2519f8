"""Matrices of MATLAB files are those that scipy reads, and damaged files are refused in one line."""

import random
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from ecgfeat.errors import DataError
from ecgfeat.files import read
from ecgfeat.files.matlab import read_matrices

DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_as_scipy(tmp_path: Path, dtype: str, is_compressed: bool) -> None:
    path = tmp_path / "x.mat"
    rng = np.random.default_rng(0)
    wave = (rng.normal(0, 20, (3, 7)) % 100).astype(dtype)
    arrays = {
        "val": wave,
        "a_long_name_of_more_than_eight_letters": wave.T,
        "k": wave[:1, :1],
        "deep": wave.reshape(1, 3, 7),
    }
    others = {"text": "abc", "cell": np.array([wave, "x"], dtype=object), "made": {"fs": 250}, "z": wave[0] + 1j}
    scipy.io.savemat(path, arrays | others, do_compression=is_compressed)
    found, theirs = read_matrices("x.mat", path.read_bytes()), scipy.io.loadmat(path)
    assert list(found) == list(arrays)
    for name, array in found.items():
        assert array.dtype == theirs[name].dtype
        np.testing.assert_array_equal(array, theirs[name])


def test_other_order_of_bytes(tmp_path: Path) -> None:
    # MATLAB of machines that store the first byte first: every number turned round.
    def element(kind: int, content: bytes) -> bytes:
        return kind.to_bytes(4, "big") + len(content).to_bytes(4, "big") + content + b"\0" * (-len(content) % 8)

    values = np.arange(6, dtype=">i2").reshape(2, 3)
    matrix = element(6, (10).to_bytes(4, "big") + bytes(4)) + element(5, np.array([2, 3], ">i4").tobytes())
    matrix += element(1, b"val") + element(3, values.tobytes(order="F"))
    raw = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + element(14, matrix)
    np.testing.assert_array_equal(read_matrices("x", raw)["val"], values)
    path = tmp_path / "x.mat"
    path.write_bytes(raw)
    np.testing.assert_array_equal(scipy.io.loadmat(path)["val"], values)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_any_damage_is_read_or_refused_in_one_line(tmp_path: Path, is_compressed: bool) -> None:
    path = tmp_path / "x.mat"
    wave = np.random.default_rng(0).normal(0, 1, (2, 300)).astype("f4")
    scipy.io.savemat(path, {"val": wave, "fs": 250.0}, do_compression=is_compressed)
    raw, rng, refused = path.read_bytes(), random.Random(1), 0
    for at in range(120, min(len(raw), 700)):
        for bits in (1 << rng.randrange(8), 0xFF):
            changed = bytearray(raw)
            changed[at] ^= bits
            try:
                read_matrices("x.mat", bytes(changed))
            except DataError as error:
                assert "\n" not in str(error)
                refused += 1
    assert refused > 20
    path.write_bytes(raw[:-30])
    with pytest.raises(DataError, match="damaged MATLAB file"):
        read(path)


def test_a_small_file_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    def element(kind: int, content: bytes) -> bytes:
        return kind.to_bytes(4, "little") + len(content).to_bytes(4, "little") + content

    inner = zlib.compress((14).to_bytes(4, "little") + (1 << 28).to_bytes(4, "little") + bytes(1 << 24))
    path = tmp_path / "x.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + element(15, inner))
    with pytest.raises(DataError, match="state to be 268435456"):
        read(path)
