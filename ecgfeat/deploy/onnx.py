"""Take models to where they are used: ONNX files in float32, of a trained system also in 8-bit integers."""

import tempfile
from pathlib import Path

import numpy as np

from ecgfeat.arena.checkpoint import load_system
from ecgfeat.arena.system import System
from ecgfeat.deploy.export import export_onnx
from ecgfeat.deploy.models import export_models
from ecgfeat.deploy.preparation import Preparation, cut_segments, read_preparation
from ecgfeat.deploy.quantise import quantise_onnx
from ecgfeat.errors import UsageError
from ecgfeat.files import read
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import find_models, list_shipped
from ecgfeat.records.reader import Signal
from ecgfeat.store.publish import publish


def export_named(name: str, out: Path, calibration: Path | None = None) -> list[str]:
    """Write what a name or folder holds: a trained system, or the default models.

    Parameters
    ----------
    name : str
        Folder of a trained system; or of the default models of a run, with ``beats/classifier`` and ``rhythm``; or the
        name of shipped ones.
    out : Path
        File to write; of default models, a folder.
    calibration : Path, optional
        WFDB record that sets the ranges of 8-bit integers, for a system alone.

    Returns
    -------
    list of str
        What was written, line by line.

    Raises
    ------
    UsageError
        If default models are to be written in integers, or as `export_system` raises it.
    DataError
        If a model is missing or damaged, or as `export_system` raises it.
    """
    if name in list_shipped() or (Path(name) / "beats" / "classifier").is_dir():
        if calibration is not None:
            raise UsageError("--int8", found="default models", expected="a trained system", remedy="Leave it out.")
        sizes = export_models(load_models(find_models(name)), out)
        return [f"{out / file}: {size:,} bytes" for file, size in sizes.items()]
    system, described = load_system(Path(name))
    needed = read_preparation(described)
    size = export_system(system, needed, out, None if calibration is None else read(calibration))
    shape = f"(records, {needed.num_leads}, {needed.num_samples}) at {needed.fs_hz:g} Hz"
    band = f"{needed.low_hz:g} to {needed.high_hz:g} Hz (0: no limit)"
    return [f"{out}: {size:,} bytes. Input: {shape}, z-scored, band {band}."]


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
