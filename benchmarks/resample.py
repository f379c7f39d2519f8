"""Speed and error of resampling against scipy and wfdb in one run: ``python -m benchmarks.resample``."""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import wfdb.processing
from scipy.signal import resample_poly

from ecgfeat.signals.resample import resample, resampling_ratio

ROUNDS = 9


def median_s(run: Callable[[], object]) -> float:
    """Return the median CPU time of a few calls in seconds."""
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return float(np.median(taken))


def main() -> None:
    """Print milliseconds, the ratio to scipy and the largest difference from it in double precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rates", type=float, nargs="+", default=[360.0, 250.0, 300.0])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    for fs_hz in arguments.rates:
        up, down = resampling_ratio(fs_hz, 128)
        walk = np.cumsum(rng.normal(0, 0.02, round(arguments.minutes * 60 * fs_hz)))
        lead = (walk - np.linspace(0, walk[-1], walk.size)).astype(np.float32)
        gap = lead.copy()
        gap[1000:5000] = np.nan
        exact = resample_poly(lead.astype(np.float64), up, down, padtype="edge")
        own = resample(lead[:, None], fs_hz, 128)[:, 0]
        peers = {
            "ecgfeat": lambda lead=lead, fs_hz=fs_hz: resample(lead[:, None], fs_hz, 128),
            "ecgfeat, with a gap": lambda gap=gap, fs_hz=fs_hz: resample(gap[:, None], fs_hz, 128),
            "scipy resample_poly": lambda lead=lead, up=up, down=down: resample_poly(lead, up, down),
            "wfdb resample_sig": lambda lead=lead, fs_hz=fs_hz: wfdb.processing.resample_sig(lead, fs_hz, 128),
        }
        spent_s = {name: median_s(run) for name, run in peers.items()}
        print(f"{fs_hz:g} to 128 Hz ({up}/{down}), one lead of {arguments.minutes:g} minutes")
        for name, value in spent_s.items():
            print(f"  {name:20} {1000 * value:8.2f} ms  {spent_s['scipy resample_poly'] / value:6.2f} x scipy")
        size = np.abs(lead).max()
        print(f"  largest difference from scipy in double precision: {np.abs(own - exact).max():.1e} mV of {size:.1f}")


if __name__ == "__main__":
    main()
