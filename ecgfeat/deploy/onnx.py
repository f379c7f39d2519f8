"""Take a trained system to where it is used: an ONNX file in float32 or in 8-bit integers."""

import tempfile
from pathlib import Path

import numpy as np

from ecgfeat.arena.system import System
from ecgfeat.deploy.export import export_onnx
from ecgfeat.deploy.preparation import Preparation, cut_segments
from ecgfeat.deploy.quantise import quantise_onnx
from ecgfeat.errors import UsageError
from ecgfeat.records.reader import Signal
from ecgfeat.store.publish import publish


def export_system(system: System, preparation: Preparation, path: Path, calibration: Signal | None = None) -> int:
    """Write the network of a system to an ONNX file whose metadata describe its input.

    Parameters
    ----------
    system : System
        In evaluation mode, on the CPU.
    preparation : Preparation
        How its signal is prepared; the file holds this under ``metadata_props``.
    path : Path
        File to write.
    calibration : Signal, optional
        A record such as the network will read: the file then computes in 8-bit integers, whose ranges its segments set.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    UsageError
        If the system reads more than the signal, or an optional package is missing.
    DataError
        If the record is shorter than a segment or has none of its leads.

    Notes
    -----
    * A system of many scales is written at scale one: it reads a single length where the arena averages three.
    """
    if system.side_inputs is not None:
        found = f"{type(system.network).__name__}, which reads more than the signal"
        raise UsageError("export", found=found, expected="a network that reads segments alone")

    path.parent.mkdir(parents=True, exist_ok=True)
    example = np.zeros((2, preparation.num_leads, preparation.num_samples), dtype=np.float32)
    metadata = preparation.as_metadata()
    with publish(path) as part:
        if calibration is None:
            return export_onnx(system.network, [example], part, metadata)
        segment_BCS = cut_segments(preparation, calibration)
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "system.onnx"
            export_onnx(system.network, [example], whole, metadata)
            return quantise_onnx(whole, part, [segment_BCS.numpy()])
