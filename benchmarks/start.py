"""How long a command takes until it answers: ``python -m benchmarks.start``.

``ecgfeat --help``, and ``ecgfeat predict`` from its start to the first sample that is read, models loaded.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecgfeat.simulate import simulate_corpus

ROUNDS = 7

PREDICT = """
import os, sys, time
from ecgfeat.files.reading import EcgFile
from ecgfeat.prediction import record as prediction
def first_sample(signal, device):
    next(iter(signal.lead_blocks(0)))
    os._exit(0)
prediction.bring_to_common_rate = first_sample
from ecgfeat.cli import main
sys.argv = ["ecgfeat", "predict", sys.argv[1], "--out", sys.argv[2]]
main()
os._exit(1)
"""


def measure() -> dict[str, float]:
    """Return medians of seconds of the wall: ``help_s`` and ``predict_s``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_corpus(folder, num_subjects=1, minutes=1, fs_hz=250, seed=1)
        record = str(next(folder.glob("*.hea")).with_suffix(""))
        commands = {
            "help_s": [sys.executable, "-m", "ecgfeat.cli", "--help"],
            "predict_s": [sys.executable, "-c", PREDICT, record, name],
        }
        return {key: statistics.median(_time(command) for _ in range(ROUNDS)) for key, command in commands.items()}


def _time(command: list[str]) -> float:
    started_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started_s


def main() -> None:
    """Print both."""
    took = measure()
    print(f"ecgfeat --help: {took['help_s']:.2f} s; predict to the first sample: {took['predict_s']:.2f} s")


if __name__ == "__main__":
    main()
