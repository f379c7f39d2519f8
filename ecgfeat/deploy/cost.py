"""What a system costs: values, bytes and milliseconds per record. Measured, and so another figure in every run."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena.rhythm_task import SEGMENT_BATCH
from ecgfeat.arena.system import System
from ecgfeat.deploy.export import export_onnx, open_onnx, run_onnx
from ecgfeat.deploy.quantise import quantise_onnx

WARM_UP_CALLS = 2
EXPORTED = ("cnn_attn_bilstm",)
"""Systems whose authors promise a small integer version."""


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
    """Write a system in 8-bit integers and let it name windows.

    Parameters
    ----------
    system : System
        Without side inputs; in evaluation mode, on the CPU.
    calibration_BCS : Tensor, (B, C, S) float32
        Training windows, by which the ranges of the integers are chosen.
    test_BCS : Tensor, (M, C, S) float32
        Windows to name.
    record_BCS : Tensor, (B, C, S) float32
        Windows of one record, to be timed.
    folder : Path
        Where to write ``system.onnx`` and ``system-int8.onnx``.
    repeats, num_threads : int
        Timed calls, and cores they may use.

    Returns
    -------
    figures : dict
        ``size_bytes`` of the integer file, ``ms_per_record_cpu``, both of the float file as ``float_size_bytes`` and
        ``float_ms_per_record_cpu``, and ``same_call``, the share of windows both call the same.
    logits_MK : ndarray, (M, K) float32
        What the integers say.
    """
    float_size = export_onnx(system.network, [calibration_BCS[:2].numpy()], folder / "system.onnx")
    size = quantise_onnx(folder / "system.onnx", folder / "system-int8.onnx", [calibration_BCS.numpy()])
    whole, small = (open_onnx(folder / name, num_threads) for name in ("system.onnx", "system-int8.onnx"))

    def ask(session: Any, window_BCS: torch.Tensor) -> NDArray[np.float32]:
        parts = [run_onnx(session, [part.numpy()]) for part in torch.split(window_BCS, SEGMENT_BATCH)]
        return np.concatenate(parts)

    logits_MK = ask(small, test_BCS)
    figures = {
        "size_bytes": size,
        "ms_per_record_cpu": time_calls(lambda: ask(small, record_BCS), repeats),
        "float_size_bytes": float_size,
        "float_ms_per_record_cpu": time_calls(lambda: ask(whole, record_BCS), repeats),
        "same_call": float(np.mean(ask(whole, test_BCS).argmax(1) == logits_MK.argmax(1))),
    }
    return figures, logits_MK
