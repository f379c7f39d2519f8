"""A GPU beside the CPU, in at most eight minutes: ``benchmarks/gpu.sh``, ``python -m benchmarks.gpu --out gpu.json``.

First what must be equal: R-peaks identical, embeddings and probabilities within 1e-5, without TF32. Then what it takes:
nine million beats embedded, one epoch of each published system at its published size, and the default chain on rendered
records of a day. Everything is simulated here; with ECGFEAT_MIRROR real records are compared too. A step that would not
fit into the time that is left is left out, and said to be. ``--device cpu --small`` runs the same steps in a minute.
"""

import argparse
import inspect
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgfeat.arena import get_signal_system
from ecgfeat.arena.recipe import Recipe
from ecgfeat.arena.record_task import LabelledRecords, train_on_records
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import build_system
from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.windows import normalise
from ecgfeat.device import choose_device
from ecgfeat.errors import UsageError
from ecgfeat.files import open_ecg
from ecgfeat.models import build_model, count_parameters
from ecgfeat.models.htf import HTF
from ecgfeat.prediction.models import Models, load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.records.reader import EcgSource
from ecgfeat.simulate import simulate_corpus
from pipeline.params import read_params

LIMIT_S = 480.0
TOLERANCE = 1e-5
REAL = ("100", "119", "203", "222")
SYSTEMS = ("resnet1d", "ecg_ramba", "ecg_mamba2", "cnn_attn_bilstm")
"""Chronos-2 stands on an encoder that must be fetched; the HTF chain is timed by its embedder."""

PUBLISHED_SIDE = {"num_kernels": 1000, "num_components": 3072}


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes
    ----------
    minutes : float
        Of the records whose answers are compared.
    embedded_beats : int
        Beats embedded.
    records, batch : int
        Records of ten seconds and twelve leads of an epoch, and of a step.
    days, day_minutes : int
        Rendered records of the chain, and their length.
    is_published : bool
        Whether systems have their published sizes, or those of params.yaml.
    """

    minutes: float = 30.0
    embedded_beats: int = 9_000_000
    records: int = 2_048
    batch: int = 32
    days: int = 4
    day_minutes: int = 24 * 60
    is_published: bool = True


SMALL = Sizes(1.0, 512, 8, 4, 1, 2, is_published=False)

Row = dict[str, Any]


def compare_chain(device: torch.device, sizes: Sizes, models: Models, folder: Path) -> Iterator[Row]:
    """Predict the same records on both, and compare."""
    for path in _records_to_compare(folder, sizes.minutes):
        on_cpu, on_device = (predict_record(open_ecg(path), models, device=of) for of in ("cpu", device))
        is_same = np.array_equal(on_cpu.beats["sample"], on_device.beats["sample"])
        differs = float("nan")
        if is_same:
            pairs = [(on_cpu.beats[f"p_{name}"], on_device.beats[f"p_{name}"]) for name in "NSV"]
            differs = max(float(np.abs(a - b).max(initial=0)) for a, b in pairs)
        yield {
            "record": path.name,
            "beats": len(on_cpu.beats["sample"]),
            "same_rpeaks": is_same,
            "largest_difference": differs,
            "passed": is_same and differs <= TOLERANCE,
        }


def _records_to_compare(folder: Path, minutes: float) -> list[Path]:
    simulate_corpus(folder, num_subjects=2, minutes=minutes, fs_hz=250, seed=5)
    paths = [path.with_suffix("") for path in sorted(folder.glob("*.hea"))]
    mirror = os.environ.get("ECGFEAT_MIRROR")
    return paths + [Path(mirror) / "mitdb" / name for name in REAL if mirror]


def _make_embedder() -> tuple[HTF, np.ndarray]:
    """Return an embedder with statistics of data, as a trained one has, and windows."""
    rng = np.random.default_rng(0)
    window_uv = rng.normal(0, 300, (4096, 2, 256)).cumsum(axis=2).clip(-30_000, 30_000).astype(np.int16)
    torch.manual_seed(0)
    model = build_model("htf")
    assert isinstance(model, HTF)
    with torch.no_grad():
        for _ in range(20):
            model.train().embed(normalise(window_uv[:256]))
    return model.eval(), window_uv


def compare_embeddings(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Embed the same windows on both."""
    model, window_uv = _make_embedder()
    some_uv = window_uv[: min(len(window_uv), sizes.embedded_beats)]
    differs = float(np.abs(embed_windows(model, some_uv) - embed_windows(model.to(device), some_uv, device)).max())
    yield {"beats": len(some_uv), "largest_difference": differs, "passed": differs <= TOLERANCE}


def time_embedding(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Embed as many beats as ltafdb has."""
    model, window_uv = _make_embedder()
    many_uv = np.resize(window_uv, (min(sizes.embedded_beats, 1_000_000), 2, 256))
    batch = 4096 if device.type == "cuda" else 64
    embed_windows(model.to(device), many_uv[:batch], device, batch)
    started_s, done = time.perf_counter(), 0
    while done < sizes.embedded_beats:
        done += len(embed_windows(model, many_uv[: sizes.embedded_beats - done], device, batch))
    took_s = time.perf_counter() - started_s
    yield {"beats": done, "took_s": took_s, "beats_per_s": done / took_s}


def time_systems(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Train each system for one epoch on random records."""
    params, rng = read_params(), np.random.default_rng(1)
    for name in SYSTEMS:
        section = getattr(params, name).model_dump()
        if sizes.is_published:
            own = inspect.signature(get_signal_system(name).network).parameters
            # What is left out has its published value as default; what is switched on or off stays.
            section = {key: value for key, value in section.items() if key not in own or isinstance(value, bool)}
            section |= {key: value for key, value in PUBLISHED_SIDE.items() if key in section}
            section |= {"fs_hz": 500 if name == "ecg_ramba" else 100, "high_hz": 0}
        fs_hz, seconds = section["fs_hz"], section["seconds"]
        signal = [rng.integers(-900, 900, (12, round(10 * fs_hz))).astype(np.int16) for _ in range(sizes.records)]
        target, fold = rng.integers(0, 4, sizes.records), np.zeros(sizes.records, dtype=np.int64)
        records = LabelledRecords(SignalTable(signal, fs_hz), target, fold)
        shape = {"num_leads": 12, "num_classes": 4, "num_samples": round(fs_hz * seconds)}
        system = build_system(name, section, seed=1, device=device, **shape)
        recipe = Recipe.of(section | {"epochs": 1, "batch": sizes.batch, "pretrain_epochs": 0, "fgsm_after": 0})
        started_s = time.perf_counter()
        log = train_on_records(system, records, np.arange(sizes.records), recipe, "single", seed=1, device=device)
        took_s = time.perf_counter() - started_s
        is_finite = all(np.isfinite(value) for value in log[-1].values())
        yield {
            "system": name,
            "parameters": count_parameters(system),
            "records": sizes.records,
            "took_s": took_s,
            "log": log[-1],
            "passed": is_finite,
        }


def time_chain(device: torch.device, sizes: Sizes, models: Models, folder: Path) -> Iterator[Row]:
    """Predict rendered records of a day."""
    simulate_corpus(folder, num_subjects=sizes.days, minutes=sizes.day_minutes, fs_hz=128, seed=9)
    for path in sorted(folder.glob("*.hea")):
        signal: EcgSource = open_ecg(path.with_suffix(""))
        started_s = time.perf_counter()
        predicted = predict_record(signal, models, device=device)
        took_s = time.perf_counter() - started_s
        hours = signal.num_samples / signal.fs_hz / 3600
        yield {"record": path.stem, "hours": hours, "beats": len(predicted.beats["sample"]), "took_s": took_s}


def run(device: torch.device, sizes: Sizes, folder: Path, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """Run all steps.

    Parameters
    ----------
    device : torch.device
        What is compared with the CPU, and timed.
    sizes : Sizes
        How much.
    folder : Path
        For simulated records.
    limit_s : float
        A step that begins later is left out.

    Returns
    -------
    dict
        ``device``, ``torch``, and the rows of each step; JSON values only.
    """
    models = load_models(find_models(DEFAULT))
    parts = [folder / name for name in ("compared", "days")]
    for part in parts:
        part.mkdir()
    steps: dict[str, Callable[[], Iterator[Row]]] = {
        "chain, equality": lambda: compare_chain(device, sizes, models, parts[0]),
        "embedding, equality": lambda: compare_embeddings(device, sizes),
        "embedding": lambda: time_embedding(device, sizes),
        "one epoch of each system": lambda: time_systems(device, sizes),
        "chain": lambda: time_chain(device, sizes, models, parts[1]),
    }
    started_s = time.perf_counter()
    described = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    result: dict[str, Any] = {"device": described, "torch": torch.__version__, "steps": {}, "left_out": []}
    for name, step in steps.items():
        rows: list[Row] = []
        result["steps"][name] = rows
        rest = step()
        while True:
            if time.perf_counter() - started_s > limit_s:
                result["left_out"].append(name)
                print(f"{name}: the rest is left out, no time is left", flush=True)
                break
            row = next(rest, None)
            if row is None:
                break
            rows.append(row)
            print(f"{name}: {json.dumps(row)}", flush=True)
    return result


def main() -> int:
    """Run all steps; 1 where something differs that must be equal, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path, help="file for the result as JSON")
    arguments = parser.parse_args()
    try:
        device = choose_device(arguments.device)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        result = run(device, SMALL if arguments.small else Sizes(), Path(folder))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    failed = [row for rows in result["steps"].values() for row in rows if not row.get("passed", True)]
    for row in failed:
        print(f"differs: {json.dumps(row)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
