"""Take a trained system to where it is used: an ONNX file in float32 or in 8-bit integers."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from ecgfeat.errors import DataError, UsageError, fault
from ecgfeat.export import export_onnx
from ecgfeat.quantisation import quantise_onnx
from ecgfeat.records import Signal
from ecgfeat.store import publish
from ecgfeat.systems.preparation import Preparation
from ecgfeat.systems.signal_table import SignalTable
from ecgfeat.systems.system import System

MAX_WINDOWS = 128


def export_system(system: System, preparation: Preparation, path: Path, calibration: Signal | None = None) -> int:
    """Write the network of a system to an ONNX file that says what to feed it.

    Parameters
    ----------
    system : System
        In evaluation mode, on the CPU.
    preparation : Preparation
        How it wants its signal, which the file tells under ``metadata_props``.
    path : Path
        File to write.
    calibration : Signal, optional
        A record such as the network will see: the file then computes in 8-bit integers, whose ranges its windows set.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    UsageError
        If the system reads more than the signal, or an optional package is missing.
    DataError
        If the record is shorter than a window or has none of its leads.
    """
    if system.side_inputs is not None:
        found = f"{type(system.network).__name__}, which reads more than the signal"
        raise UsageError(fault("export", found, "a network that reads windows alone"))

    path.parent.mkdir(parents=True, exist_ok=True)
    example = np.zeros((2, preparation.num_leads, preparation.num_samples), dtype=np.float32)
    told = preparation.tell()
    with publish(path) as part:
        if calibration is None:
            return export_onnx(system.network, [example], part, told)
        window_BCS = cut_windows(preparation, calibration)
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "system.onnx"
            export_onnx(system.network, [example], whole, told)
            return quantise_onnx(whole, part, [window_BCS.numpy()])


def cut_windows(preparation: Preparation, signal: Signal) -> torch.Tensor:
    """Bring a record to the rate and band of a system and cut it into its windows.

    Parameters
    ----------
    preparation : Preparation
        How the system wants its signal.
    signal : Signal
        The record.

    Returns
    -------
    Tensor, (B, C, S) float32
        Z-scored windows one after another, the first 128 of them.

    Raises
    ------
    DataError
        If the record is shorter than a window or has none of its leads.
    """
    prepared_CS = preparation.prepare(preparation.pick_leads(signal), signal.fs_hz)
    num_samples = preparation.num_samples
    num_windows = min(prepared_CS.shape[1] // num_samples, MAX_WINDOWS)
    if not num_windows:
        found = f"{len(signal.signal_mv_SC) / signal.fs_hz:.1f} s"
        raise DataError(fault(signal.record, found, f"at least {num_samples / preparation.fs_hz:g} s of signal"))
    start_M = np.arange(num_windows) * num_samples
    return SignalTable([prepared_CS], preparation.fs_hz).windows(np.zeros_like(start_M), start_M, num_samples)
