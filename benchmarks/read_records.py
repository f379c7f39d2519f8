"""Reading a 24 h record against wfdb: `python -m benchmarks.read_records`. Writes its own record; needs no data."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb

from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.records.writer import write_annotation_file, write_record

NUM_SAMPLES = 24 * 3600 * 128


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the best of several runs, in seconds."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print seconds and ratios for annotations and samples."""
    rng = np.random.default_rng(0)
    beats = np.cumsum(rng.integers(80, 160, NUM_SAMPLES // 120))
    symbol = np.where(np.arange(len(beats)) % 300 == 0, "+", rng.choice(["N", "A", "V"], len(beats)))
    aux = ["(AFIB" if name == "+" else "" for name in symbol]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_record(folder, "x", rng.integers(-3000, 3000, (NUM_SAMPLES, 2), dtype=np.int16), 128, ["ECG", "ECG"])
        write_annotation_file(folder, "x", "atr", beats, symbol, aux, 128)
        path = str(folder / "x")
        pairs = {
            "annotations": (
                lambda: read_annotations(folder, "x", "atr", None),
                lambda: wfdb.rdann(path, "atr"),
            ),
            "samples in mV, checksums verified": (
                lambda: read_signal(folder, "x"),
                lambda: wfdb.rdrecord(path).p_signal,
            ),
        }
        for what, (ours, theirs) in pairs.items():
            own_s, wfdb_s = seconds(ours), seconds(theirs)
            print(f"{what}: ecgfeat {own_s:.3f} s, wfdb {wfdb_s:.3f} s, ratio {wfdb_s / own_s:.1f}")


if __name__ == "__main__":
    main()
