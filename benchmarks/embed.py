"""Speed and error of the fast embedding against the model's own, in one run: ``python -m benchmarks.embed``.

What limits it: the products of Winograd's convolutions alone, at the peak of matrix products, take 0.125 ms a beat at
150 GFLOP/s; the transforms, which are products of ten rows, reach a quarter of that peak. Six outputs of a tile instead
of four would be a tenth faster, and twice as far from the model.
"""

import argparse
import time
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.pairs import Pairs, time_pairs
from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.windows import normalise
from ecgfeat.models import build_model
from ecgfeat.models.htf import HTF

PRODUCTS_PER_BEAT = 26.79e6
"""Multiply-accumulates of the model's own convolutions."""

_SIZE = 2000


def embed_eagerly(model: HTF, window_uv_BCS: NDArray[np.int16], batch: int = 256) -> NDArray[np.float32]:
    """Embed with the layers as they were trained."""
    with torch.inference_mode():
        parts = [
            model.embed(normalise(window_uv_BCS[first : first + batch])).numpy()
            for first in range(0, len(window_uv_BCS), batch)
        ]
    return np.concatenate(parts)


def make_model(window_uv: NDArray[np.int16]) -> HTF:
    """Return an embedder whose batch norm statistics fit the data, as those of a trained model do."""
    model = build_model("htf")
    assert isinstance(model, HTF)
    with torch.no_grad():
        for _ in range(20):
            model.train().embed(normalise(window_uv[:256]))
    model.eval()
    return model


def make_windows(num_beats: int) -> NDArray[np.int16]:
    """Return random walks in place of beat windows."""
    steps = np.random.default_rng(0).normal(0, 300, (num_beats, 2, 256))
    return steps.cumsum(axis=2).clip(-30_000, 30_000).astype(np.int16)


def measure_peak() -> float:
    """Return the speed of a large matrix product, in GFLOP per CPU second."""
    square = torch.randn(_SIZE, _SIZE)
    taken_s = []
    for _ in range(5):
        started_s = time.process_time()
        torch.mm(square, square)
        taken_s.append(time.process_time() - started_s)
    return 2 * _SIZE**3 / min(taken_s) / 1e9


def measure(num_beats: int = 2048, num_rounds: int = 5, batch: int | None = None) -> tuple[Pairs, dict[str, float]]:
    """Embed with the fast layers and with the model's own, in turn.

    Parameters
    ----------
    num_beats, num_rounds : int
        Windows, and how often.
    batch : int, optional
        Windows per step of the fast layers; theirs by default.

    Returns
    -------
    Pairs
        CPU seconds.
    dict of str to float
        ``largest_error``, ``beats_per_s``; ``gflops``, as if the products of the model's own layers were computed, and
        ``peak_gflops`` of a large matrix product.
    """
    window_uv = make_windows(num_beats)
    model = make_model(window_uv)
    own = partial(embed_windows, model, window_uv, **({} if batch is None else {"batch": batch}))
    pairs = time_pairs(own, partial(embed_eagerly, model, window_uv), num_rounds)
    beats_per_s = num_beats / float(np.median(pairs.own_s))
    return pairs, {
        "largest_error": float(np.abs(own() - embed_eagerly(model, window_uv)).max()),
        "beats_per_s": beats_per_s,
        "gflops": 2 * PRODUCTS_PER_BEAT * beats_per_s / 1e9,
        "peak_gflops": measure_peak(),
    }


def main() -> None:
    """Print beats per CPU second, the ratio to eager and the largest error, by batch, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beats", type=int, default=2048)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for batch in arguments.batches:
        pairs, found = measure(arguments.beats, arguments.rounds, batch)
        share = found["gflops"] / found["peak_gflops"]
        print(
            f"batch {batch:3d}: {found['beats_per_s']:6.0f} beats per CPU second, {pairs.ratio:.2f} x eager, largest "
            f"error {found['largest_error']:.1e}; {found['gflops']:.0f} effective GFLOP/s, {share:.0%} of the peak"
        )


if __name__ == "__main__":
    main()
