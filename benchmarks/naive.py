"""A preset, stage by stage, beside the same stages written naively: ``python -m benchmarks.naive [--folder F]``.

``ECGFEAT_MIRROR`` names the folder with ``mitdb``. Every stage of ``make repro PRESET=mitdb`` runs once, in a process
of its own with one thread; ``--folder`` keeps what they write, and their seconds, for the next time. Then some of the
work is done as one would write it first:

* records are read by wfdb, resampled by scipy, freed from the baseline by two running medians of scipy, and each lead
  is searched for R-peaks by NeuroKit;
* the waves of beats are measured beat by beat;
* no embedding is stored: the embedder's own layers run again, beat by beat, wherever a chunk or a segment of beats is
  read, and in ``sensitivity``; a second column does so for 256 beats at a time;
* the embedder is trained through its own layers.

Each of these is timed on a part of the work, next to what it replaces, and multiplied by what the run does. All other
work counts the same on both sides, quality too, which the naive stages do not compute.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.embed import embed_eagerly
from benchmarks.pairs import ROOT, time_pairs
from benchmarks.scale import CHAIN_STAGES, RECORD_STAGES, run_stages
from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.training import draw_epoch
from ecgfeat.beats.windows import normalise
from ecgfeat.features.waves import describe_waves, find_median_beat, follow_beats, prepare_beats
from ecgfeat.models import build_model
from ecgfeat.models.htf import HTF, log_spectrum
from ecgfeat.rhythm.records import stack_records
from ecgfeat.rhythm.sampling import BASE_SEEDS, draw_segments
from ecgfeat.rhythm.tables import keep_first_classes
from ecgfeat.rhythm.window_training import MIN_BEATS, VALIDATION_VIEWS
from ecgfeat.sensitivity.inputs import list_variants
from ecgfeat.store.record_rows import RecordRows
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS, RPEAKS
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.read.beats import read_beat_records, read_records
from pipeline.read.rhythms import load_htf, read_rhythm_records
from pipeline.read.windows import open_windows
from pipeline.run.code import code_digest
from pipeline.run.repro import compose

SLUG = "mitdb"
STAGES = (*RECORD_STAGES, *CHAIN_STAGES)
SIGNAL_RECORDS = ("100", "105", "200", "222")
FEW = range(400)
"""Beats of a record on which the work beat by beat is timed."""
BATCH = 256
"""Beats that are embedded at a time where not beat by beat."""
KERNELS_S = (0.2, 0.6)
"""Running medians of the classical removal of the baseline."""


def main() -> None:
    """Run the preset, time the naive ways, and print one line for each stage and the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    own_s, naive_s, batched_s = measure(arguments.folder)
    print(f"{'stage':<18}{'ours':>10}{'naive':>10}{'batched':>10}   CPU seconds")
    for stage in STAGES:
        print(f"{stage:<18}{own_s[stage]:>10.1f}{naive_s[stage]:>10.1f}{batched_s[stage]:>10.1f}")
    total_s, naive_total_s, batched_total_s = (sum(of.values()) for of in (own_s, naive_s, batched_s))
    print(f"{'all':<18}{total_s:>10.1f}{naive_total_s:>10.1f}{batched_total_s:>10.1f}")
    print(f"{naive_total_s / total_s:.2f} x beat by beat, {batched_total_s / total_s:.2f} x in batches")


def measure(folder: Path | None = None) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the CPU seconds of each stage: ours, naive, and naive with embeddings in batches.

    Parameters
    ----------
    folder : Path, optional
        Where the run is, or is made and kept.
    """
    with contextlib.ExitStack() as stack:
        where = (folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        own_s = run_preset(where)
        stack.enter_context(contextlib.chdir(where))
        return own_s, make_naive(own_s, batch=1), make_naive(own_s, batch=BATCH)


def run_preset(folder: Path) -> dict[str, float]:
    """Run the stages of the preset in a folder, unless they have run there; return the seconds of each."""
    kept, code = folder / "costs.json", [code_digest(stage) for stage in STAGES]
    if kept.is_file():
        costs = json.loads(kept.read_text())
        if costs["code"] != code:
            sys.exit(f"{folder}: of other code; expected a run of this one. Name another folder, or delete it.")
        return costs["cpu_s"]
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    settings = ["preset=mitdb", "short_records.corpora=[]", "outside.corpora=[]", "diagnostic_corpora=[]"]
    compose([*settings, "runtime.workers=1", "runtime.device=cpu"], folder / "params.yaml")
    costs = run_stages(folder, STAGES, SLUG)
    own_s = {stage: cost["cpu_s"] for stage, cost in costs.items()}
    kept.write_text(json.dumps({"code": code, "cpu_s": own_s}, indent=1) + "\n")
    return own_s


def make_naive(own_s: dict[str, float], *, batch: int) -> dict[str, float]:
    """Return the seconds of the stages of the run in this folder, had they been written naively.

    Parameters
    ----------
    own_s : dict of str to float
        Seconds of our stages.
    batch : int
        Beats that are embedded at a time.
    """
    params, rows, windows = read_params(), read_records(SLUG), open_windows(SLUG)
    beats_of = {record: stop - start for record, (start, stop) in windows.rows.items()}
    num_beats = sum(beats_of.values())
    in_split = {
        split: sum(number for record, number in beats_of.items() if rows[record]["split"] == split)
        for split in ("train", "validation", "test")
    }
    record = SIGNAL_RECORDS[0]
    rpeaks, window_uv = RecordRows(paths.rpeaks(SLUG), RPEAKS, ["rr_s"])[record], windows.read(record)
    htf = load_htf().eval()
    few_uv = window_uv[: len(FEW)]
    eager_s = time_once(lambda: embed_eagerly(htf, few_uv, batch)) / len(FEW)
    slower_s = eager_s - time_once(lambda: embed_windows(htf, few_uv)) / len(FEW)
    timeline, window = params.train_timeline, params.train_window
    visits = {
        "train_timeline": timeline.epochs * (timeline.chunks * timeline.chunk_beats + in_split["validation"]),
        "train_window": count_window_beats(params),
        # Seven grids of segments for the window head, and one pass for the timeline head.
        "evaluate": (params.evaluate.views * (window.epochs > 0) + params.evaluate.timeline_views) * in_split["test"],
    }
    naive_s = dict(own_s)
    signal_s = sum(read_naively(name) for name in SIGNAL_RECORDS) / len(SIGNAL_RECORDS) * len(beats_of)
    naive_s["signals"], naive_s["rpeaks"], naive_s["embed"] = signal_s, 0.0, 0.0
    naive_s["features"] = own_s["features"] + slow_down_by_beats(rpeaks["rr_s"], window_uv) * num_beats
    for stage, number in visits.items():
        naive_s[stage] = own_s[stage] + number * eager_s
    # Our stage embeds as often, but faster.
    naive_s["sensitivity"] = own_s["sensitivity"] + count_variants(params) * in_split["test"] * slower_s
    num_steps = count_steps(params)
    naive_s["train_htf"] = own_s["train_htf"] + slow_down_training(window_uv, params.train_htf.batch) * num_steps
    return naive_s


def time_once(work: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes the second time."""
    work()
    started_s = time.process_time()
    work()
    return time.process_time() - started_s


def read_naively(record: str) -> float:
    """Return the CPU seconds from the files of a record to R-peaks in each of its leads."""
    import neurokit2
    import scipy.signal
    import wfdb

    started_s = time.process_time()
    signal = wfdb.rdrecord(str(Path(os.environ["ECGFEAT_MIRROR"]) / SLUG / record))
    for lead_S in signal.p_signal.T:
        resampled_S = scipy.signal.resample_poly(lead_S, COMMON_FS_HZ, signal.fs)
        baseline_S = resampled_S
        for kernel_s in KERNELS_S:
            baseline_S = scipy.signal.medfilt(baseline_S, round(kernel_s * COMMON_FS_HZ) // 2 * 2 + 1)
        cleaned_S = neurokit2.ecg_clean(resampled_S - baseline_S, sampling_rate=COMMON_FS_HZ)
        neurokit2.ecg_peaks(cleaned_S, sampling_rate=COMMON_FS_HZ)
    return time.process_time() - started_s


def slow_down_by_beats(rr_s: NDArray[np.float64], window_uv_LCS: NDArray[np.int16]) -> float:
    """Return how many CPU seconds a beat takes longer whose waves are measured on their own, not among others."""
    few_LCS = window_uv_LCS[: len(FEW)]
    beat_BCS = prepare_beats(few_LCS)
    median = find_median_beat(beat_BCS, np.ones(len(FEW), dtype=bool), len(FEW))
    beat_CSL, rr_after_L = beat_BCS.permute(1, 2, 0), rr_s[1 : len(FEW) + 1]

    def describe(rows: slice) -> None:
        prepare_beats(few_LCS[rows])
        describe_waves(beat_CSL[..., rows], follow_beats(beat_CSL, rows.start, rows.stop), median, rr_after_L[rows])

    alone_s = time_once(lambda: [describe(slice(beat, beat + 1)) for beat in FEW])
    return (alone_s - time_once(lambda: describe(slice(0, len(FEW))))) / len(FEW)


def slow_down_training(window_uv_LCS: NDArray[np.int16], batch: int) -> float:
    """Return how many CPU seconds a training step of the embedder takes longer through its own layers."""
    window_BCS, history_BD = normalise(window_uv_LCS[:batch]), torch.zeros(batch, 20)
    model = build_model("htf").train()
    assert isinstance(model, HTF)

    def step(embed: Callable[[torch.Tensor], torch.Tensor]) -> None:
        feature_BD = torch.cat([embed(window_BCS), model.encode_history(history_BD)], dim=1)
        model.classify(feature_BD).logsumexp(1).sum().backward()

    def embed_by_layers(window_BCS: torch.Tensor) -> torch.Tensor:
        parts = ((model.time, window_BCS), (model.frequency, log_spectrum(window_BCS)))
        return torch.cat([nn.Sequential.forward(trunk, of).mean(dim=-1) for trunk, of in parts], dim=1)

    pairs = time_pairs(lambda: step(model.embed), lambda: step(embed_by_layers), 5)
    return float(np.median(pairs.peer_s) - np.median(pairs.own_s))


def count_steps(params: Params) -> int:
    """Return the number of steps of the training of the embedder."""
    settings = params.train_htf
    drawn = {"normals_per_ectopic": settings.normals_per_ectopic, "least_normals": settings.least_normals}
    records = read_beat_records([SLUG], "train")
    beats = [sum(map(len, draw_epoch(records, params.seed, epoch, **drawn))) for epoch in range(settings.epochs)]
    return sum(-(-number // settings.batch) for number in beats)


def count_variants(params: Params) -> int:
    """Return how often ``sensitivity`` embeds a test record."""
    variants = list_variants(
        params.rpeaks.method,
        params.rhythm.history,
        noise_snr_db=params.sensitivity.noise_snr_db,
        has_signals=True,
        reads_signals=True,
    )
    return len({(variant.rpeaks, variant.vary) for variant in variants})


def count_window_beats(params: Params) -> int:
    """Return how many beats the segments have that the training of the window head reads, validation too."""
    window = params.train_window
    shape = {"window_samples": window.window_samples, "max_beats": window.max_beats}
    if not window.epochs:
        return 0
    total = 0
    for split in ("train", "validation"):
        beats, episodes = stack_records(read_rhythm_records([SLUG], split, params, with_embeddings=False))
        for num_classes, epochs in ((2, window.pretrain_epochs), (len(RHYTHMS), window.epochs)):
            task = keep_first_classes(episodes, num_classes)
            draws = range(epochs) if split == "train" else list(range(VALIDATION_VIEWS)) * epochs
            for draw in draws:
                segments = draw_segments(beats, task, base_seed=BASE_SEEDS[split], epoch=draw, **shape)
                is_read = segments.num_beats >= (MIN_BEATS if split == "train" else 1)
                total += int(segments.num_beats[is_read].sum())
    return total


if __name__ == "__main__":
    main()
