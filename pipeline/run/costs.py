"""Measure what each system of the arena costs: values, bytes, training time, milliseconds per record."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena import SYSTEMS
from ecgfeat.arena.checkpoint import load_system
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.recipe import Task
from ecgfeat.arena.record_task import LabelledRecords, record_posteriors
from ecgfeat.arena.rhythm_task import SignalRecords, segment_posteriors
from ecgfeat.arena.side_inputs import RANDOM_CHECKPOINT
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.deploy.cost import EXPORTED, folder_size, quantise_system, time_calls
from ecgfeat.device import choose_device
from ecgfeat.predict.chain import load_chain
from ecgfeat.predict.record import predict_record
from ecgfeat.records.reader import Signal
from ecgfeat.rhythm.records import stack_records
from ecgfeat.rhythm.sampling import BASE_SEEDS, Segments, draw_segments, grid_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS, SIGNALS
from pipeline.params import Params
from pipeline.params.systems import SignalModel
from pipeline.read import paths
from pipeline.read.diagnoses import read_stored_leads, read_used_diagnoses
from pipeline.read.rhythms import read_rhythm_records
from pipeline.read.signals import RHYTHM_LEADS, keep_with_signal, prepare, read_rhythm_leads, read_signal_records
from pipeline.run.stage import progress_bar, read_time

CPU_THREADS = 2
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
CALIBRATION_WINDOWS = 128
"""Training windows by which the ranges of an integer network are chosen."""


def describe_system(name: str, described: Mapping[str, Any], params: Params) -> dict[str, Any]:
    """Say what a system is, how large, and how long its training took here."""
    published = SYSTEMS[name]
    if published.reads == "beats":
        folders = [paths.HTF_MODEL, Path(getattr(params, name).weights)]
        parameters = sum(json.loads((folder / "model.json").read_text())["parameters"] for folder in folders)
        head = "train_timeline" if name == "htf_timeline" else "train_window"
        times = [read_time(folders[0] / "model.json", "train_htf"), read_time(folders[1] / "model.json", head)]
        times += [read_time(None, "embed", slug) for slug in params.corpora]
        title, command = published.title, f"dvc repro {head}"
    else:
        folders, settings = [paths.system(name)], getattr(params, name)
        parameters = described.get("parameters")
        times = [read_time(folders[0] / "system.json", "train_system", name)] if parameters else []
        title = f"{published.title}; records in windows of {settings.seconds:g} s at {settings.fs_hz:g} Hz"
        if getattr(settings, "checkpoint", None) == RANDOM_CHECKPOINT:
            title += "; the encoder is tiny, random and untrained"
        command = f"dvc repro train_system@{name}; of records: dvc repro crossvalidate@CORPUS-{name}"
    is_timed = bool(times) and all(time is not None for time in times)
    left_out = {} if is_timed else {"training_s": "not trained in this folder" if parameters else "not trained"}
    return {
        "title": title,
        "command": command,
        "parameters": parameters,
        "published_parameters": published.parameters,
        "size_bytes": folder_size(*folders) if parameters else None,
        "training_s": sum(time for time in times if time is not None) if is_timed else None,
        "ms_per_record_cpu": None,
        "ms_per_record_gpu": None,
        "int8": None,
        "left_out": left_out,
    }


def describe_fold_systems(slug: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Say of each system that was cross-validated on a corpus how large it is, and how long it trained here."""
    found = {}
    for name in names:
        training = json.loads((paths.diagnostic(slug, name) / "training.json").read_text())
        if "left_out" in training:
            continue
        times = [read_time(folder / "system.json", "crossvalidate", slug, name) for folder in _fold_folders(slug, name)]
        is_timed = all(time is not None for time in times)
        found[name] = {
            "parameters": training["parameters"],
            "training_s": sum(time for time in times if time is not None) if is_timed else None,
            "ms_per_record_cpu": None,
            "ms_per_record_gpu": None,
            "left_out": {} if is_timed else {"training_s": "not trained in this folder"},
        }
    return found


def _fold_folders(slug: str, name: str) -> list[Path]:
    return sorted(paths.fold_models(slug, name).glob("fold*"))


@contextmanager
def timing_devices(params: Params) -> Iterator[dict[str, torch.device]]:
    """Yield the devices to time on, by field: two cores, whatever the rest of the run takes, and the GPU if any."""
    before = torch.get_num_threads()
    devices = {"ms_per_record_cpu": choose_device("cpu", CPU_THREADS)}
    if torch.cuda.is_available() and params.runtime.device != "cpu":
        devices["ms_per_record_gpu"] = choose_device("cuda")
    try:
        yield devices
    finally:
        torch.set_num_threads(before)


def measure_costs(models: Mapping[str, dict[str, Any]], described: Mapping[str, Any], params: Params) -> None:
    """Time every system on the first test record, from its signal at 128 Hz to a rhythm for all of it, one view.

    The record is read before. Filtering, resampling and cutting are counted; of systems on beats R-peaks and features.
    """
    records = keep_with_signal(read_rhythm_records(params.corpora, "test", params, with_embeddings=False), "test")[:1]
    if not records:
        return
    signal_uv_SC = next(read_rhythm_leads(records))
    tables = stack_records(records)
    windows = grid_segments(*tables, window_samples=params.train_window.window_samples, max_beats=1)
    with timing_devices(params) as devices:
        for name, model in progress_bar(models.items(), desc="arena costs", unit="model"):
            settings = getattr(params, name)
            if SYSTEMS[name].reads == "beats":
                signal = _read_signal(records[0].corpus, records[0].record)
                chain = load_chain(paths.HTF_MODEL, Path(settings.weights))
                for key, device in devices.items():
                    call = partial(predict_record, signal, chain, num_views=1, device=device)
                    model[key] = time_calls(call, params.arena.repeats)
                continue
            if "left_out" in described[name]:
                continue
            try:
                for key, device in devices.items():
                    system, _ = load_system(paths.system(name), device)
                    call = partial(_name_rhythms, system, signal_uv_SC, tables, windows, settings, device)
                    model[key] = time_calls(call, params.arena.repeats)
            except OutOfReachError as error:
                model["left_out"] |= dict.fromkeys(devices, error.reason)
                continue
            missing = [one for one in ONNX_PACKAGES if find_spec(one) is None]
            if name in EXPORTED and missing:
                model["left_out"]["int8"] = f"not installed: {', '.join(missing)}"
            elif name in EXPORTED:
                seen = _prepare_record(signal_uv_SC, tables, settings)
                model["int8"] = _quantise(name, seen.cut(windows, system.num_samples), params)


def _read_signal(corpus: str, record: str) -> Signal:
    signal_mv_SC = to_millivolts(open_array(paths.signals(corpus), SIGNALS).read(record)[:, :RHYTHM_LEADS])
    return Signal(record, COMMON_FS_HZ, ("lead 1", "lead 2")[: signal_mv_SC.shape[1]], signal_mv_SC)


def _prepare_record(
    signal_uv_SC: NDArray[np.int16], tables: tuple[BeatTable, EpisodeTable], settings: SignalModel
) -> SignalRecords:
    return SignalRecords(*tables, SignalTable([prepare(signal_uv_SC, COMMON_FS_HZ, settings)], settings.fs_hz))


def _name_rhythms(
    system: System,
    signal_uv_SC: NDArray[np.int16],
    tables: tuple[BeatTable, EpisodeTable],
    windows: Segments,
    settings: SignalModel,
    device: torch.device,
) -> object:
    return segment_posteriors(system, _prepare_record(signal_uv_SC, tables, settings), windows, device=device)


def measure_fold_costs(costs: Mapping[str, Mapping[str, dict[str, Any]]], params: Params) -> None:
    """Time a system of each cross-validation on the first record, from its leads to its diagnoses, one view.

    The record is read before. Filtering, resampling and cutting are counted.
    """
    with timing_devices(params) as devices:
        for slug, of_corpus in costs.items():
            leads = get_diagnostic_corpus(slug).pick_leads(params.crossvalidate.leads)
            rows = read_used_diagnoses(slug)[:1]
            signal_uv_SC, fs_hz = next(read_stored_leads(slug, rows, leads)), float(rows[0]["fs_hz"])
            for name, cost in progress_bar(of_corpus.items(), desc=f"arena costs {slug}", unit="model"):
                try:
                    for key, device in devices.items():
                        system, described = load_system(_fold_folders(slug, name)[0], device)
                        task, settings = described["info"]["task"], getattr(params, name)
                        call = partial(_name_diagnoses, system, signal_uv_SC, fs_hz, task, settings, device)
                        cost[key] = time_calls(call, params.arena.repeats)
                except OutOfReachError as error:
                    cost["left_out"] |= dict.fromkeys(devices, error.reason)


def _name_diagnoses(
    system: System,
    signal_uv_SC: NDArray[np.int16],
    fs_hz: float,
    task: Task,
    settings: SignalModel,
    device: torch.device,
) -> object:
    table = SignalTable([prepare(signal_uv_SC, fs_hz, settings)], settings.fs_hz)
    one = np.zeros(1, np.int64)
    return record_posteriors(system, LabelledRecords(table, one, one), one, task, num_views=1, device=device)


def _quantise(name: str, window_BCS: torch.Tensor, params: Params) -> dict[str, Any]:
    """Write a system in 8-bit integers, and score it on the grid of the test records."""
    system, _ = load_system(paths.system(name))
    settings, window_samples = getattr(params, name), params.train_window.window_samples
    train, test = (
        read_signal_records(
            keep_with_signal(read_rhythm_records(params.corpora, split, params, with_embeddings=False), split), settings
        )
        for split in ("train", "test")
    )
    shape = {"window_samples": window_samples, "max_beats": 1}
    drawn = draw_segments(train.beats, train.episodes, base_seed=BASE_SEEDS["train"], epoch=0, **shape)
    some = drawn.select(np.linspace(0, len(drawn) - 1, min(CALIBRATION_WINDOWS, len(drawn))).astype(np.int64))
    grid = grid_segments(test.beats, test.episodes, **shape)
    grid = grid.select(grid.label >= 0)
    with tempfile.TemporaryDirectory() as folder:
        figures, logits_MK = quantise_system(
            system,
            train.cut(some, system.num_samples),
            test.cut(grid, system.num_samples),
            window_BCS,
            Path(folder),
            repeats=params.arena.repeats,
            num_threads=CPU_THREADS,
        )
    confusion_KK = confusion_matrix(grid.label, logits_MK.argmax(1), len(RHYTHMS))
    return figures | {"corpus": " ".join(params.corpora), "macro_f1": float(np.nanmean(class_f1(confusion_KK)))}
