"""`ecgfeat predict` of a 24-hour record of two leads, against earlier code: ``python -m benchmarks.predict``.

Renders its own record. What is timed goes from the files to the tables, with the models loaded.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.pairs import ROOT, Pairs, earlier_code, run_probe
from ecgfeat.simulate import simulate_corpus

FS_HZ = 250

PROBE = """
import contextlib, json, sys, time
from pathlib import Path
with contextlib.suppress(ImportError):  # as the command does; the earlier one did not
    from ecgfeat.process import prepare_process
    prepare_process()
import torch
torch.set_num_threads(int(sys.argv[2]))
from ecgfeat.files import open_ecg
from ecgfeat.prediction.models import load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.pretrained import find_models
models = load_models(find_models("real"))
predict_record(open_ecg(Path(sys.argv[3])), models)
wall_s, cpu_s = time.perf_counter(), time.process_time()
predicted = predict_record(open_ecg(Path(sys.argv[1])), models)
numbers = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}
numbers["beats"] = len(predicted.beats["beat"])
# The figure of getrusage is at least that of the process which started this one.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
numbers["peak_mb"] = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps(numbers))
"""


def measure(hours: float = 24, num_rounds: int = 3) -> tuple[Pairs | None, dict[str, float]]:
    """Predict a rendered record with this code and with the earlier one, in turn.

    Parameters
    ----------
    hours : float
        Length of the record.
    num_rounds : int
        How often.

    Returns
    -------
    Pairs or None
        CPU seconds of one thread; None where the earlier code is not at hand.
    dict of str to float
        ``wall_s`` on two threads, ``peak_mb`` and ``beats`` of this code.
    """
    with tempfile.TemporaryDirectory() as name, earlier_code() as earlier:
        folders = [Path(name) / part for part in ("day", "short")]
        for folder, minutes in zip(folders, (round(60 * hours), 5), strict=True):
            folder.mkdir()
            simulate_corpus(folder, num_subjects=1, minutes=minutes, fs_hz=FS_HZ, seed=1)
        records = [str(next(folder.glob("*.hea")).with_suffix("")) for folder in folders]

        def run(code: Path, threads: int = 1) -> dict[str, float]:
            return run_probe(PROBE, code, records[0], str(threads), records[1], threads=threads)

        rounds = [(run(ROOT)["cpu_s"], run(earlier)["cpu_s"]) for _ in range(num_rounds)] if earlier else []
        both = run(ROOT, 2)
    if not rounds:
        return None, both
    return Pairs(*zip(*rounds, strict=True)), both


def main() -> None:
    """Print the ratio, and what a user waits for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    pairs, both = measure(arguments.hours, arguments.rounds)
    print(f"{both['beats']:,.0f} beats: {both['wall_s']:.1f} s on two threads, peak {both['peak_mb']:.0f} MB")
    if pairs is not None:
        print(f"{pairs.own_s} s of CPU, earlier {pairs.peer_s}: {pairs.ratio:.2f} x ({pairs.range})")


if __name__ == "__main__":
    main()
