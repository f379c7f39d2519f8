"""Time of labels fed back beat by beat, against labels without feedback: ``python -m benchmarks.history``."""

import argparse
import time

import numpy as np
import torch

from ecgfeat.beats.history import predict_labels
from ecgfeat.models import build_model
from ecgfeat.models.htf import HTF


class RepeatedRows:
    """An embedding of many rows that repeats a few, so that 9 million of them fit into memory."""

    def __init__(self, rows: np.ndarray, num: int) -> None:
        self.rows = rows
        self.shape = (num, rows.shape[1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return the rows of a slice."""
        return self.rows[np.arange(rows.start, rows.stop) % len(self.rows)]


def main() -> None:
    """Print seconds and beats per second of each kind of history."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=84)
    parser.add_argument("--beats", type=int, default=107_000, help="per record; 84 x 107,000 is LTAFDB's size")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    num = arguments.records * arguments.beats
    embedding = RepeatedRows(rng.exponential(0.5, (4096, 512)).astype(np.float32), num)
    rr_s = rng.uniform(0.3, 1.5, num).astype(np.float32)
    starts = np.arange(arguments.records + 1) * arguments.beats
    model = build_model("htf")
    assert isinstance(model, HTF)
    taken_s = {}
    for history in ("none", "predicted"):
        start_s = time.perf_counter()
        predict_labels(model, embedding, rr_s, starts, history=history)
        taken_s[history] = time.perf_counter() - start_s
        print(
            f"{history:10s} {num:,} beats of {arguments.records} records: {taken_s[history]:.1f} s, "
            f"{num / taken_s[history]:,.0f} beats/s, {taken_s[history] / taken_s['none']:.2f} x none"
        )


if __name__ == "__main__":
    main()
