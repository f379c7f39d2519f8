"""`ecgfeat predict` of a 24-hour record of two leads, against earlier code: ``python -m benchmarks.predict``.

Renders its own record. What is timed goes from the files to the tables, with the models loaded. Two pairs:

* **the default models** of today, with the code before the work on speed;
* **embedder and timeline head**, which were all there was when the targets of speed were set, with the code of that day
  (`FIRST`). Both do what the command does by default: then, R-peaks of one lead and seven views of the timeline head;
  now, R-peaks and quality of all leads, and one view. Weights are drawn: they cost as much as trained ones.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.pairs import ROOT, Pairs, earlier_code, run_probe
from ecgfeat.simulate import simulate_corpus

FS_HZ = 250

FIRST = "a01fe0a"
"""Commit on which the targets of speed were set: a beat was embedded, and seven views of a day were named."""

CHAIN_PROBE = """
import json, sys, time
from pathlib import Path
is_first, folder, record, short = sys.argv[1] == "first", *map(Path, sys.argv[2:5])
if is_first:
    import ecgfeat.predictor as reading
    from ecgfeat.predict import predict_record
    from ecgfeat.records import read_signal
    from ecgfeat.schemas import RHYTHMS
    load, reading.is_decoder_better = reading.load_predictor, lambda decoders: False
    options = {}  # seven views
    def open_record(path):
        return read_signal(path.parent, path.name)
else:
    from ecgfeat.process import prepare_process
    prepare_process()
    import ecgfeat.rhythm.heads as reading
    from ecgfeat.files import open_ecg as open_record
    from ecgfeat.prediction.chain import load_chain as load
    from ecgfeat.prediction.record import predict_record
    from ecgfeat.store.schemas import RHYTHMS
    # Weights that were drawn have no durations of rhythms to smooth by.
    reading.decoder_from_json, reading.is_decoder_better = lambda plain: None, lambda decoders: False
    options = {"num_views": int(sys.argv[5])}
import torch
from ecgfeat.models import build_model, save_model
torch.set_num_threads(1)
sizes = {"num_features": 611, "num_classes": 6, "width": 64, "num_blocks": 3}
params = {"features": "embeddings", "history": "predicted", "rr_features": True, "neighbour_beats": 3,
          "chunk_beats": 256}
info = {"params": params, "classes": list(RHYTHMS), "prior": [1 / 6] * 6, "decoder": None, "decoders": []}
save_model(folder / "htf", "htf", build_model("htf", seed=1), {}, {"trained": True})
save_model(folder / "rhythm", "rhythm_timeline", build_model("rhythm_timeline", seed=1, **sizes), sizes, info)
models = load(folder / "htf", folder / "rhythm")
predict_record(open_record(short), models, **options)
started_s = time.process_time()
predicted = predict_record(open_record(record), models, **options)
numbers = {"cpu_s": time.process_time() - started_s, "beats": len(predicted.beats["beat"])}
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps(numbers | {"peak_mb": int(status["VmHWM"].split()[0]) / 1024}))
"""

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

PARTS = {
    "reading, resampling, baseline": ("prediction/record.py", "bring_to_common_rate"),
    "R-peaks and quality": ("prediction/chain.py", "find_beats"),
    "beat features": ("features/record.py", "describe_beats"),
    "beat networks": ("beats/classifier.py", "find_ventricular"),
    "Transformer of the rhythm head": ("rhythm/timeline.py", "beat_posteriors"),
    "boosted trees": ("ecgfeat/trees.py", "predict"),
    "evidence": ("prediction/evidence.py", "explain_episodes"),
}
"""Parts of a prediction by the default models: file and function, none within another, in both codes."""

PROFILE_PROBE = (
    PROBE.split("wall_s, cpu_s = ")[0]
    + """
import cProfile, pstats
profile = cProfile.Profile()
profile.runcall(lambda: predict_record(open_ecg(Path(sys.argv[1])), models))
seconds = {}
for (file, _, function), (*_, cumulated_s, _) in pstats.Stats(profile).stats.items():
    for part, (ending, name) in json.loads(sys.argv[4]).items():
        if function == name and file.endswith(ending):
            seconds[part] = seconds.get(part, 0.0) + cumulated_s
seconds["all"] = pstats.Stats(profile).total_tt
print(json.dumps(seconds))
"""
)


def measure(hours: float = 24, num_rounds: int = 3) -> tuple[Pairs | None, dict[str, float]]:
    """Predict a rendered record with the default models, with this code and with the earlier one, in turn.

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
    with render(60 * hours) as record, render(5) as short, earlier_code() as earlier:

        def run(code: Path, threads: int = 1) -> dict[str, float]:
            return run_probe(PROBE, code, record, str(threads), short, threads=threads)

        rounds = [(run(ROOT)["cpu_s"], run(earlier)["cpu_s"]) for _ in range(num_rounds)] if earlier else []
        both = run(ROOT, 2)
    if not rounds:
        return None, both
    return Pairs(*zip(*rounds, strict=True)), both


def measure_chain(hours: float = 24, num_rounds: int = 3) -> tuple[Pairs | None, dict[str, float]]:
    """Predict a rendered record with embedder and timeline head, with this code and with that of `FIRST`, in turn.

    Parameters
    ----------
    hours, num_rounds
        As `measure` takes them.

    Returns
    -------
    Pairs or None
        CPU seconds of one thread; None where the earlier code is not at hand.
    dict of str to float
        ``beats`` and ``peak_mb`` of this code and of the earlier one: ``own_`` and ``peer_``; ``seven_s``, CPU seconds
        of this code with seven views.
    """
    with ExitStack() as stack:
        record, short = (stack.enter_context(render(minutes)) for minutes in (60 * hours, 5))
        first, models = stack.enter_context(earlier_code(FIRST)), stack.enter_context(tempfile.TemporaryDirectory())
        if first is None:
            return None, {}

        def run(who: str, num_views: int = 1) -> dict[str, float]:
            code = first if who == "first" else ROOT
            return run_probe(CHAIN_PROBE, code, who, f"{models}/{who}", record, short, str(num_views))

        rounds = [(run("now"), run("first")) for _ in range(num_rounds)]
        about = {"seven_s": run("now", 7)["cpu_s"]}
    for who, of in zip(("own", "peer"), rounds[-1], strict=True):
        about |= {f"{who}_{key}": of[key] for key in ("beats", "peak_mb")}
    return Pairs(*(tuple(of["cpu_s"] for of in codes) for codes in zip(*rounds, strict=True))), about


def profile(hours: float = 24) -> dict[str, list[float]]:
    """Return the seconds of each part of a prediction by the default models, profiled once: now, and before if at hand.

    Parameters
    ----------
    hours : float
        Length of the record.

    Returns
    -------
    dict of str to list of float
        `PARTS`, what is in none of them, and all.
    """
    with render(60 * hours) as record, render(5) as short, earlier_code() as earlier:
        codes = [ROOT] if earlier is None else [ROOT, earlier]
        profiles = [run_probe(PROFILE_PROBE, code, record, "1", short, json.dumps(PARTS)) for code in codes]
    seconds = {part: [of[part] for of in profiles] for part in PARTS}
    seconds["all else"] = [2 * of["all"] - sum(of.values()) for of in profiles]
    return seconds | {"all": [of["all"] for of in profiles]}


@contextmanager
def render(minutes: float) -> Iterator[str]:
    """Yield the name of a record of two leads, without an ending."""
    with tempfile.TemporaryDirectory() as folder:
        simulate_corpus(Path(folder), num_subjects=1, minutes=round(minutes), fs_hz=FS_HZ, seed=1)
        yield str(next(Path(folder).glob("*.hea")).with_suffix(""))


def main() -> None:
    """Print the ratio, and what a user waits for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="seconds of each part, now and before, and no more")
    arguments = parser.parse_args()
    if arguments.profile:
        for part, seconds in profile(arguments.hours).items():
            print(f"{part:32}" + "".join(f"{value:8.1f}" for value in seconds))
        return
    chain, about = measure_chain(arguments.hours, arguments.rounds)
    if chain is not None:
        print(f"embedder and timeline head: {chain.own_s} s of CPU, first {chain.peer_s}: {chain.ratio:.2f} x")
        print(", ".join(f"{name} {value:,.1f}" for name, value in about.items()))
    pairs, both = measure(arguments.hours, arguments.rounds)
    print(f"{both['beats']:,.0f} beats: {both['wall_s']:.1f} s on two threads, peak {both['peak_mb']:.0f} MB")
    if pairs is not None:
        print(f"{pairs.own_s} s of CPU, earlier {pairs.peer_s}: {pairs.ratio:.2f} x ({pairs.range})")


if __name__ == "__main__":
    main()
