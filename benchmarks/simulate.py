"""Speed of the simulator against NeuroKit2's two ECG simulators, in one run: ``python -m benchmarks.simulate``.

The unit is seconds of signal per second of one core. NeuroKit2 makes one lead without annotations, this project two
leads, annotations and files; the figures are not corrected for that.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import neurokit2
import numpy as np

from ecgfeat.corpora import get_corpus
from ecgfeat.simulate import render_annotations, simulate_corpus

FS_HZ = 128


def rate(run: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return the median times real time of a run that returns its seconds of signal: wall clock and processor."""
    wall, processor = [], []
    for _ in range(rounds):
        start_s, start_processor_s = time.perf_counter(), time.process_time()
        signal_s = run()
        processor.append(signal_s / (time.process_time() - start_processor_s))
        wall.append(signal_s / (time.perf_counter() - start_s))
    return float(np.median(wall)), float(np.median(processor))


def main() -> None:
    """Print times real time and the ratio to NeuroKit2."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--annotations", type=Path, help="folder of ltafdb annotations: measure rendering too")
    arguments = parser.parse_args()

    def peer(method: str, seconds: int) -> Callable[[], float]:
        def run() -> float:
            neurokit2.ecg_simulate(duration=seconds, sampling_rate=FS_HZ, method=method, random_state=1)
            return float(seconds)

        return run

    def simulate() -> float:
        with tempfile.TemporaryDirectory() as folder:
            simulate_corpus(
                Path(folder), num_subjects=arguments.subjects, minutes=arguments.minutes, fs_hz=FS_HZ, seed=1
            )
        return float(arguments.subjects * arguments.minutes * 60)

    def render() -> float:
        with tempfile.TemporaryDirectory() as folder:
            records = ["00", "100", "15"]
            corpus = get_corpus("ltafdb")
            render_annotations(arguments.annotations, Path(folder), corpus=corpus, records=records, hours=12, seed=1)
        return 12.0 * 3600 * len(records)

    runs: dict[str, Callable[[], float]] = {
        "neurokit2 simple": peer("simple", 600),
        "neurokit2 ecgsyn": peer("ecgsyn", 60),
        "simulate_corpus": simulate,
    }
    if arguments.annotations:
        runs["render_annotations"] = render
    # The bank of noise is made once per process and not timed.
    simulate()
    rates = {name: rate(run, arguments.rounds) for name, run in runs.items()}
    base = rates["neurokit2 ecgsyn"][1]
    for name, (wall, processor) in rates.items():
        print(
            f"{name:20s} {wall:9,.0f} x real time, {processor:9,.0f} x per processor second, "
            f"{processor / base:8.1f} x neurokit2 ecgsyn"
        )


if __name__ == "__main__":
    main()
