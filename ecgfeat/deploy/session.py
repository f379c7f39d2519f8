"""Open ONNX files and compute them: needs numpy and onnxruntime, and no torch."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import missing_package


def open_onnx(model: Path | bytes, num_threads: int = 1) -> Any:
    """Open a model for computing on the CPU.

    Parameters
    ----------
    model : Path or bytes
        A file of `ecgfeat.deploy.export.export_onnx` or of `ecgfeat.deploy.quantise.quantise_onnx`, or its content.
    num_threads : int
        Cores to compute on.

    Returns
    -------
    onnxruntime.InferenceSession
        What `run_onnx` takes.

    Raises
    ------
    UsageError
        If onnxruntime is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice to the developers of onnxruntime
            import onnxruntime
    except ImportError as error:
        raise missing_package("onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3  # errors only
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run_onnx(session: Any, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Compute the output of a model.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        What `open_onnx` returned.
    inputs : sequence of ndarray
        One array for each input of the file, in its order, such as records.

    Returns
    -------
    ndarray, float32
        The only output, such as logits (B, K).
    """
    names = [port.name for port in session.get_inputs()]
    output: NDArray[np.float32] = session.run(None, dict(zip(names, inputs, strict=True)))[0]
    return output
