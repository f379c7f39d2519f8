"""Speed and error of the fast embedding against the model's own, in one run: ``python -m benchmarks.embed``."""

import argparse
import time

import numpy as np
import torch

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.windows import normalise
from ecgfeat.models import build_model
from ecgfeat.models.htf import HTF

ROUNDS = 5


def embed_eagerly(model: HTF, window_uv_BCS: np.ndarray, batch: int) -> np.ndarray:
    """Embed with the layers as they were trained."""
    with torch.inference_mode():
        parts = [
            model.embed(normalise(window_uv_BCS[first : first + batch])).numpy()
            for first in range(0, len(window_uv_BCS), batch)
        ]
    return np.concatenate(parts)


def main() -> None:
    """Print beats per second, the ratio to eager and the largest error, for one and two threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beats", type=int, default=2048)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    window_uv = rng.normal(0, 300, (arguments.beats, 2, 256)).cumsum(axis=2).clip(-30_000, 30_000).astype(np.int16)
    model = build_model("htf")
    assert isinstance(model, HTF)
    # A pass in training mode gives batch norm statistics that fit the data, as those of a trained model do.
    with torch.no_grad():
        for _ in range(20):
            model.train().embed(normalise(window_uv[:256]))
    model.eval()
    variants = {"eager, batch 256": lambda: embed_eagerly(model, window_uv, 256)}
    for batch in arguments.batches:
        variants[f"fast, batch {batch}"] = lambda batch=batch: embed_windows(model, window_uv, batch=batch)
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        # Each round times all variants in turn, so that a disturbance affects all; medians are compared.
        taken_s: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(ROUNDS):
            for name, run in variants.items():
                start_s = time.perf_counter()
                run()
                taken_s[name].append(time.perf_counter() - start_s)
        expected = variants["eager, batch 256"]()
        eager_s = float(np.median(taken_s["eager, batch 256"]))
        for name, run in variants.items():
            median_s = float(np.median(taken_s[name]))
            error = float(np.abs(run() - expected).max())
            print(
                f"{threads} thread(s)  {name:18s} {arguments.beats / median_s:7.0f} beats/s  "
                f"{eager_s / median_s:5.2f} x eager  largest error {error:.1e}"
            )


if __name__ == "__main__":
    main()
