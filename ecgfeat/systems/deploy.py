"""Take a trained system to where it is used: an ONNX file in float32 or in 8-bit integers."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgfeat.errors import DataError, UsageError, fault
from ecgfeat.export import export_onnx, quantise_onnx
from ecgfeat.records import Signal
from ecgfeat.signals import to_microvolts
from ecgfeat.store import publish
from ecgfeat.systems.signal_table import SignalTable, prepare_signal
from ecgfeat.systems.system import System

MAX_WINDOWS = 128


def export_system(
    system: System,
    settings: Mapping[str, Any],
    path: Path,
    *,
    num_leads: int,
    calibration: Signal | None = None,
) -> int:
    """Write the network of a system to an ONNX file.

    Parameters
    ----------
    system : System
        In evaluation mode, on the CPU.
    settings : mapping
        Its section of params: rate and band.
    path : Path
        File to write.
    num_leads : int
        Leads it was trained with.
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
        If the record is shorter than a window or lacks a lead.
    """
    if system.side_inputs is not None:
        found = f"{type(system.network).__name__}, which reads more than the signal"
        raise UsageError(fault("export", found, "a network that reads windows alone"))

    path.parent.mkdir(parents=True, exist_ok=True)
    example = np.zeros((2, num_leads, system.num_samples), dtype=np.float32)
    with publish(path) as part:
        if calibration is None:
            return export_onnx(system.network, [example], part)
        window_BCS = cut_windows(system, settings, calibration, num_leads)
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "system.onnx"
            export_onnx(system.network, [example], whole)
            return quantise_onnx(whole, part, [window_BCS.numpy()])


def cut_windows(system: System, settings: Mapping[str, Any], signal: Signal, num_leads: int) -> torch.Tensor:
    """Bring a record to the rate and band of a system and cut it into its windows.

    Parameters
    ----------
    system : System
        Says how long a window is.
    settings : mapping
        Its section of params: rate and band.
    signal : Signal
        The record.
    num_leads : int
        Leads that are read, by position.

    Returns
    -------
    Tensor, (B, C, S) float32
        Z-scored windows one after another, the first 128 of them.

    Raises
    ------
    DataError
        If the record is shorter than a window or has fewer leads.
    """
    if signal.signal_mv_SC.shape[1] < num_leads:
        found = f"{signal.signal_mv_SC.shape[1]} leads"
        raise DataError(fault(signal.record, found, f"{num_leads}, as the system was trained with"))
    prepared_CS = prepare_signal(
        to_microvolts(signal.signal_mv_SC[:, :num_leads]),
        signal.fs_hz,
        to_hz=system.fs_hz,
        low_hz=settings["low_hz"],
        high_hz=settings["high_hz"],
    )
    num_windows = min(prepared_CS.shape[1] // system.num_samples, MAX_WINDOWS)
    if not num_windows:
        found = f"{len(signal.signal_mv_SC) / signal.fs_hz:.1f} s"
        raise DataError(fault(signal.record, found, f"at least {system.num_samples / system.fs_hz:g} s of signal"))
    start_M = np.arange(num_windows) * system.num_samples
    return SignalTable([prepared_CS], system.fs_hz).windows(np.zeros_like(start_M), start_M, system.num_samples)
