"""What each system of the arena costs in this run: the records, models and times that `ecgfeat.deploy.cost` needs."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena import SYSTEMS, BeatSystem
from ecgfeat.arena.checkpoint import load_system, read_description
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.signal_table import Band
from ecgfeat.arena.table import write_title
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.deploy.cost import (
    folder_size,
    missing_onnx_packages,
    one_signal_record,
    predict_record_diagnoses,
    predict_record_rhythms,
    quantise_rhythms,
    time_on_devices,
    timing_devices,
)
from ecgfeat.prediction.chain import load_chain
from ecgfeat.prediction.record import predict_record
from ecgfeat.records.reader import Signal
from ecgfeat.rhythm.records import RhythmRecord, stack_records
from ecgfeat.rhythm.sampling import grid_segments
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.seal import read_report
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.diagnoses import read_stored_leads, read_used_diagnoses
from pipeline.read.signals import read_rhythm_leads, read_rhythm_split, read_signal_records
from pipeline.run.stage import progress_bar, read_time

Devices = Mapping[str, torch.device]


def describe_system(name: str, described: Mapping[str, Any], params: Params) -> dict[str, Any]:
    """Describe a system: what it is, how large, and how long its training took here."""
    system = SYSTEMS[name]
    if isinstance(system, BeatSystem):
        folders = [paths.HTF_MODEL, paths.HEAD_MODELS[system.head]]
        parameters = sum(json.loads((folder / "model.json").read_text())["parameters"] for folder in folders)
        stages = ("train_htf", f"train_{system.head}")
        times = [read_time(folder / "model.json", stage) for folder, stage in zip(folders, stages, strict=True)]
        times += [read_time(None, "embed", slug) for slug in params.corpora]
        title, command = system.title, f"dvc repro {stages[1]}"
    else:
        folders, parameters = [paths.system(name)], described.get("parameters")
        times = [read_time(folders[0] / "system.json", "train_system", name)] if parameters else []
        title = write_title(system, _find_settings(name, described, params.diagnostic_corpora))
        command = f"dvc repro train_system@{name}; of records: dvc repro crossvalidate@CORPUS-{name}"
    return {
        "title": title,
        "command": command,
        "parameters": parameters,
        "published_parameters": system.parameters,
        "size_bytes": folder_size(*folders) if parameters else None,
        "ms_per_record_cpu": None,
        "ms_per_record_gpu": None,
        "int8": None,
        **_sum_times(times, "not trained in this folder" if parameters else "not trained"),
    }


def _find_settings(name: str, described: Mapping[str, Any], slugs: Sequence[str]) -> Mapping[str, Any] | None:
    """Return the settings a system was trained with: on rhythms, or else on a diagnostic corpus."""
    folders = [folder for slug in slugs for folder in _fold_folders(slug, name)[:1]]
    every = [described, *map(read_description, folders)]
    return next((description["settings"] for description in every if "settings" in description), None)


def _sum_times(times: Sequence[float | None], otherwise: str) -> dict[str, Any]:
    is_timed = bool(times) and all(time is not None for time in times)
    return {
        "training_s": sum(time for time in times if time is not None) if is_timed else None,
        "left_out": {} if is_timed else {"training_s": otherwise},
    }


def describe_fold_systems(slug: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Describe each system that was cross-validated on a corpus: how large it is, and how long it trained here."""
    systems = {}
    for name in names:
        training = read_report(paths.diagnostic(slug, name) / "training.json", "training")
        if "left_out" in training:
            continue
        times = [read_time(folder / "system.json", "crossvalidate", slug, name) for folder in _fold_folders(slug, name)]
        systems[name] = {
            "parameters": training["parameters"],
            "ms_per_record_cpu": None,
            "ms_per_record_gpu": None,
            **_sum_times(times, "not trained in this folder"),
        }
    return systems


def _fold_folders(slug: str, name: str) -> list[Path]:
    return sorted(paths.fold_models(slug, name).glob("fold*"))


def measure_costs(models: Mapping[str, dict[str, Any]], described: Mapping[str, Any], params: Params) -> None:
    """Time every system on the first usable stretch of the test records, from its signal to a rhythm for all of it.

    One view. The signal at 128 Hz is read before. Filtering, resampling and cutting are counted; of systems on beats
    R-peaks and features.
    """
    records = read_rhythm_split("test", params)[:1]
    if not records:
        return
    with timing_devices(params.runtime.device != "cpu") as devices:
        for name, model in progress_bar(models.items(), desc="arena costs", unit="model"):
            system = SYSTEMS[name]
            if isinstance(system, BeatSystem):
                model |= _time_beat_system(system, records[0], devices, params.arena.repeats)
            elif "left_out" not in described[name]:
                _measure_signal_system(name, model, described[name], records, devices, params)


def _time_beat_system(system: BeatSystem, record: RhythmRecord, devices: Devices, repeats: int) -> dict[str, float]:
    signal_uv_SC = next(read_rhythm_leads([record]))
    leads = ("lead 1", "lead 2")[: signal_uv_SC.shape[1]]
    signal = Signal(record.record, COMMON_FS_HZ, leads, to_millivolts(signal_uv_SC))
    chain = load_chain(paths.HTF_MODEL, paths.HEAD_MODELS[system.head])

    def make_call(device: torch.device) -> Callable[[], object]:
        return partial(predict_record, signal, chain, num_views=1, device=device)

    return time_on_devices(make_call, devices, repeats)


def _measure_signal_system(
    name: str,
    model: dict[str, Any],
    described: Mapping[str, Any],
    records: Sequence[RhythmRecord],
    devices: Devices,
    params: Params,
) -> None:
    """Add the times of a system, and the figures of its integer version where its authors promise one."""
    band, signal_uv_SC, tables = (
        Band.of(described["settings"]),
        next(read_rhythm_leads(records)),
        stack_records(records),
    )
    window_samples, repeats = params.train_window.window_samples, params.arena.repeats
    segments = grid_segments(*tables, window_samples=window_samples, max_beats=1)

    def make_call(device: torch.device) -> Callable[[], object]:
        system, _ = load_system(paths.system(name), device)
        return partial(predict_record_rhythms, system, signal_uv_SC, tables, segments, band, device)

    try:
        model |= time_on_devices(make_call, devices, repeats)
    except OutOfReachError as error:
        model["left_out"] |= dict.fromkeys(devices, error.reason)
        return
    if not SYSTEMS[name].is_quantised:
        return
    if missing := missing_onnx_packages():
        model["left_out"]["int8"] = f"not installed: {', '.join(missing)}"
        return
    system, _ = load_system(paths.system(name))
    record_BCS = one_signal_record(signal_uv_SC, tables, band).cut(segments, system.num_samples)
    train, test = (read_signal_records(read_rhythm_split(split, params), band) for split in ("train", "test"))
    figures = quantise_rhythms(system, train, test, record_BCS, window_samples=window_samples, repeats=repeats)
    model["int8"] = figures | {"corpus": " ".join(params.corpora)}


def measure_fold_costs(costs: Mapping[str, Mapping[str, dict[str, Any]]], params: Params) -> None:
    """Time a system of each cross-validation on the first record, from its leads to its diagnoses, one view.

    The record is read before. Filtering, resampling and cutting are counted.
    """
    with timing_devices(params.runtime.device != "cpu") as devices:
        for slug, by_system in costs.items():
            leads = get_diagnostic_corpus(slug).pick_leads(params.crossvalidate.leads)
            rows = read_used_diagnoses(slug)[:1]
            signal_uv_SC, fs_hz = next(read_stored_leads(slug, rows, leads)), float(rows[0]["fs_hz"])
            for name, cost in progress_bar(by_system.items(), desc=f"arena costs {slug}", unit="model"):
                make_call = partial(_make_diagnosis_call, _fold_folders(slug, name)[0], signal_uv_SC, fs_hz)
                try:
                    cost |= time_on_devices(make_call, devices, params.arena.repeats)
                except OutOfReachError as error:
                    cost["left_out"] |= dict.fromkeys(devices, error.reason)


def _make_diagnosis_call(
    folder: Path, signal_uv_SC: NDArray[np.int16], fs_hz: float, device: torch.device
) -> Callable[[], object]:
    system, described = load_system(folder, device)
    band, task = Band.of(described["settings"]), described["info"]["task"]
    return partial(predict_record_diagnoses, system, signal_uv_SC, fs_hz, task, band, device)
