"""What a system costs: values, bytes and milliseconds per record. Measured, and so another figure in every run.

Shape suffixes: B batch, C leads, S samples, M segments, K classes.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena.recipe import Task
from ecgfeat.arena.record_task import LabelledRecords, record_posteriors
from ecgfeat.arena.rhythm_task import SEGMENT_BATCH, SignalRecords, segment_posteriors
from ecgfeat.arena.signal_table import Band, SignalTable, prepare_signal
from ecgfeat.arena.system import System
from ecgfeat.deploy.export import export_onnx
from ecgfeat.deploy.quantise import quantise_onnx
from ecgfeat.deploy.session import open_onnx, run_onnx
from ecgfeat.device import choose_device
from ecgfeat.rhythm.sampling import BASE_SEEDS, Segments, draw_segments, grid_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.store.schemas import COMMON_FS_HZ

WARM_UP_CALLS = 2
CPU_THREADS = 2
CALIBRATION_SEGMENTS = 128
"""Training segments by which the ranges of an integer network are chosen."""
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def time_calls(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in milliseconds, after two that are not counted.

    Parameters
    ----------
    call : callable
        What to time; it must have finished its work when it returns.
    repeats : int
        Timed calls.

    Returns
    -------
    float
        Milliseconds.
    """
    for _ in range(WARM_UP_CALLS):
        call()
    spent_ms = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        call()
        spent_ms.append(1000 * (time.perf_counter() - start_s))
    return statistics.median(spent_ms)


@contextmanager
def timing_devices(is_gpu_timed: bool) -> Iterator[dict[str, torch.device]]:
    """Yield the devices to time on: two cores, whatever the rest of the run takes, and the GPU if there is one.

    Parameters
    ----------
    is_gpu_timed : bool
        Whether to take the GPU too.

    Yields
    ------
    dict of str to torch.device
        By the field of the arena that holds the time.
    """
    before = torch.get_num_threads()
    devices = {"ms_per_record_cpu": choose_device("cpu", CPU_THREADS)}
    if is_gpu_timed and torch.cuda.is_available():
        devices["ms_per_record_gpu"] = choose_device("cuda")
    try:
        yield devices
    finally:
        torch.set_num_threads(before)


def time_on_devices(
    make_call: Callable[[torch.device], Callable[[], object]], devices: Mapping[str, torch.device], repeats: int
) -> dict[str, float]:
    """Time a call on every device.

    Parameters
    ----------
    make_call : callable
        ``make_call(device)`` loads a model there and returns what to time.
    devices : mapping of str to torch.device
        As `timing_devices` yields them.
    repeats : int
        Timed calls.

    Returns
    -------
    dict of str to float
        Milliseconds, by the same keys.
    """
    return {key: time_calls(make_call(device), repeats) for key, device in devices.items()}


def predict_record_rhythms(
    system: System,
    signal_uv_SC: NDArray[np.int16],
    tables: tuple[BeatTable, EpisodeTable],
    segments: Segments,
    band: Band,
    device: torch.device,
) -> NDArray[np.float32]:
    """Name the rhythms of one record, from its signal at 128 Hz to a posterior of every segment.

    Parameters
    ----------
    system : System
        In evaluation mode, on ``device``.
    signal_uv_SC : ndarray of int16, (S, C)
        Microvolts at 128 Hz, -32768 invalid.
    tables : tuple of BeatTable and EpisodeTable
        Of the record.
    segments : Segments
        Of the record, at 128 Hz.
    band : Band
        Rate and band of the system.
    device : torch.device
        Where to compute.

    Returns
    -------
    ndarray of float32, (M, K)
        Posteriors.
    """
    records = one_signal_record(signal_uv_SC, tables, band)
    return segment_posteriors(system, records, segments, batch=SEGMENT_BATCH, device=device)


def one_signal_record(
    signal_uv_SC: NDArray[np.int16], tables: tuple[BeatTable, EpisodeTable], band: Band
) -> SignalRecords:
    """Prepare one record for a system, see `predict_record_rhythms`."""
    return SignalRecords(*tables, SignalTable([prepare_signal(signal_uv_SC, COMMON_FS_HZ, band)], band.fs_hz))


def predict_record_diagnoses(
    system: System, signal_uv_SC: NDArray[np.int16], fs_hz: float, task: Task, band: Band, device: torch.device
) -> NDArray[np.float32]:
    """Name the diagnoses of one record, from its leads to the probabilities of the segment in its middle.

    Parameters
    ----------
    system : System
        In evaluation mode, on ``device``.
    signal_uv_SC : ndarray of int16, (S, C)
        Microvolts at ``fs_hz``, -32768 invalid.
    fs_hz : float
        Rate of the record.
    task : {'single', 'multi'}
        One class, or any number of them.
    band : Band
        Rate and band of the system.
    device : torch.device
        Where to compute.

    Returns
    -------
    ndarray of float32, (1, K)
        Probabilities.
    """
    table = SignalTable([prepare_signal(signal_uv_SC, fs_hz, band)], band.fs_hz)
    zero = np.zeros(1, np.int64)
    records = LabelledRecords(table, target=zero, fold=zero)
    return record_posteriors(system, records, zero, task, num_views=1, power=1.0, device=device)[0]


def folder_size(*folders: Path) -> int:
    """Return the bytes of all files in some folders."""
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())


def quantise_system(
    system: System,
    calibration_BCS: torch.Tensor,
    test_BCS: torch.Tensor,
    record_BCS: torch.Tensor,
    folder: Path,
    *,
    repeats: int,
    num_threads: int,
) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Write a system in 8-bit integers and let it name segments.

    Parameters
    ----------
    system : System
        Without side inputs; in evaluation mode, on the CPU.
    calibration_BCS : Tensor, (B, C, S) float32
        Training segments, by which the ranges of the integers are chosen.
    test_BCS : Tensor, (M, C, S) float32
        Segments to name.
    record_BCS : Tensor, (B, C, S) float32
        Segments of one record, to be timed.
    folder : Path
        Where to write ``system.onnx`` and ``system-int8.onnx``.
    repeats, num_threads : int
        Timed calls, and cores they may use.

    Returns
    -------
    figures : dict
        ``size_bytes`` of the integer file, ``ms_per_record_cpu``, both of the float file as ``float_size_bytes`` and
        ``float_ms_per_record_cpu``, and ``same_call``, the share of segments that both name alike.
    logits_MK : ndarray, (M, K) float32
        Logits of the integers.
    """
    float_size = export_onnx(system.network, [calibration_BCS[:2].numpy()], folder / "system.onnx")
    size = quantise_onnx(folder / "system.onnx", folder / "system-int8.onnx", [calibration_BCS.numpy()])
    whole, small = (open_onnx(folder / name, num_threads) for name in ("system.onnx", "system-int8.onnx"))

    def run(session: Any, segment_BCS: torch.Tensor) -> NDArray[np.float32]:
        parts = [run_onnx(session, [part.numpy()]) for part in torch.split(segment_BCS, SEGMENT_BATCH)]
        return np.concatenate(parts)

    logits_MK = run(small, test_BCS)
    figures = {
        "size_bytes": size,
        "ms_per_record_cpu": time_calls(lambda: run(small, record_BCS), repeats),
        "float_size_bytes": float_size,
        "float_ms_per_record_cpu": time_calls(lambda: run(whole, record_BCS), repeats),
        "same_call": float(np.mean(run(whole, test_BCS).argmax(1) == logits_MK.argmax(1))),
    }
    return figures, logits_MK


def missing_onnx_packages() -> list[str]:
    """Return the packages that `quantise_system` needs and that are not installed."""
    return [name for name in ONNX_PACKAGES if find_spec(name) is None]


def quantise_rhythms(
    system: System,
    train: SignalRecords,
    test: SignalRecords,
    record_BCS: torch.Tensor,
    *,
    window_samples: int,
    repeats: int,
) -> dict[str, Any]:
    """Write a system in 8-bit integers, and score it on the grid of the test records.

    Parameters
    ----------
    system : System
        Without side inputs; in evaluation mode, on the CPU.
    train, test : SignalRecords
        Records of different subjects.
    record_BCS : Tensor, (B, C, S) float32
        Segments of one record, to be timed.
    window_samples : int
        Length of a segment at 128 Hz.
    repeats : int
        Timed calls.

    Returns
    -------
    dict
        The figures of `quantise_system`, and ``macro_f1``.
    """
    shape = {"window_samples": window_samples, "max_beats": 1}
    drawn = draw_segments(train.beats, train.episodes, base_seed=BASE_SEEDS["train"], epoch=0, **shape)
    rows = np.linspace(0, len(drawn) - 1, min(CALIBRATION_SEGMENTS, len(drawn))).astype(np.int64)
    grid = grid_segments(test.beats, test.episodes, **shape)
    grid = grid.select(grid.label >= 0)
    with tempfile.TemporaryDirectory() as folder:
        figures, logits_MK = quantise_system(
            system,
            train.cut(drawn.select(rows), system.num_samples),
            test.cut(grid, system.num_samples),
            record_BCS,
            Path(folder),
            repeats=repeats,
            num_threads=CPU_THREADS,
        )
    confusion_KK = confusion_matrix(grid.label, logits_MK.argmax(1), system.num_classes)
    return figures | {"macro_f1": float(np.nanmean(class_f1(confusion_KK)))}
