"""A short campaign of the fuzzer, and that it finds what it looks for."""

from pathlib import Path

import numpy as np
import pytest

from tests.robustness import fuzz
from tests.robustness.inputs import KINDS, make_inputs

NUM_INPUTS = 40 * len(KINDS)


def test_whatever_bytes_come_in_a_reader_returns_or_gives_one_line(tmp_path: Path) -> None:
    tally = fuzz.run_worker(7, NUM_INPUTS, tmp_path / "fuzz")
    assert sum(tally.num_inputs.values()) == NUM_INPUTS
    assert tally.defects == {}
    assert all(tally.num_inputs[kind] == 40 for kind in KINDS)
    # Most inputs are damaged beyond reading, and some are not.
    assert sum(tally.num_read.values()) > NUM_INPUTS // 10


def test_the_whole_inputs_are_read(tmp_path: Path) -> None:
    for kind, files in make_inputs(tmp_path).items():
        for name, _ in files:
            path = tmp_path / kind / name
            if name == "layout.hea":
                continue  # read with its record
            if kind == "header":
                fuzz.read_header(path.parent, path.stem)
            elif kind == "annotations":
                assert len(fuzz.read_annotations(path.parent, path.stem, "atr", None).sample)
            else:
                fs_hz = None if kind not in ("npy",) and path.name not in ("y.mat",) else 250.0
                unit = "mV" if path.name == "y.npy" else None
                assert np.isfinite(fuzz.read(path, fs_hz=fs_hz, unit=unit).signal_mv_SC).any()


@pytest.mark.parametrize("error", [IndexError("x"), ValueError("x"), KeyError("x")])
def test_a_defect_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(fuzz, "read_annotations", fail)
    tally = fuzz.run_worker(7, len(KINDS), tmp_path / "fuzz")
    assert len(tally.defects) == 1
    assert next(iter(tally.defects)).startswith("annotations: ")
