"""Networks as ONNX files in single precision, and what such files compute. Integers: `ecgfeat.deploy.quantise`.

Needs onnx, onnxruntime and onnxscript: ``pip install ecgfeat[export]``. Everywhere, ``inputs`` is one array for each
parameter of the network's ``forward``, in its order, with one row per record.

Notes
-----
* Every network of `ecgfeat.models` can be written but rhythm_timeline, whose ``forward`` depends on whether a beat is
  padding; `ecgfeat.deploy.models` writes it without `forward`. At published sizes cnn_attn_bilstm, ecg_mamba2 and
  ecg_ramba take about a minute each on two cores.

References
----------
ONNX operator set 18, https://onnx.ai/onnx/operators/.
"""

import contextlib
import inspect
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.arena.quiet import quiet
from ecgfeat.deploy.session import open_onnx, run_onnx
from ecgfeat.errors import DataError, UsageError, missing_package

OPSET = 18
"""Operator set of the files, the one torch writes without conversion."""

TOLERANCE = 1e-4
"""Largest difference of a logit between the network and its file."""

Inputs = Sequence[NDArray[np.float32]]


def export_onnx(model: nn.Module, inputs: Inputs, path: Path, metadata: Mapping[str, str] | None = None) -> int:
    """Write a network to an ONNX file and check that the file gives the same logits.

    Parameters
    ----------
    model : nn.Module
        The network, in evaluation mode, on the CPU.
    inputs : sequence of ndarray, float32
        Examples. The file keeps their shape except for the number of records, which stays free.
    path : Path
        Where to write; its folder exists.
    metadata : mapping of str to str, optional
        Entries of ``metadata_props``, such as what to feed the file.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    UsageError
        If onnx, onnxruntime or onnxscript is missing, or if what the network does depends on the values it is given or
        on the number of records, so that no file can hold it.
    DataError
        If a logit of the file is off by more than 1e-4; no file is left then.

    Notes
    -----
    * Inputs are named as the parameters of ``forward`` are, such as ``signal_BCS``; the output is ``logits``.
    * The weights are in the file. Where the network was defined, which torch would write beside every node, is not: the
      same network gives the same bytes on every machine.
    """
    assert not model.training, "model.eval() first"
    require_packages("onnx", "onnxruntime", "onnxscript")
    names = _input_names(model, len(inputs))
    # A single record would be taken for a constant, so there are at least two.
    examples = tuple(torch.from_numpy(np.concatenate([array, array])) for array in inputs)
    proto = record_onnx(model, dict(zip(names, examples, strict=True)), [{0: "batch"}] * len(names), "logits")
    write_onnx(proto, path, metadata or {})
    try:
        check_onnx(model, inputs, path)
    except DataError:
        path.unlink()
        raise
    return path.stat().st_size


def record_onnx(
    model: nn.Module, examples: Mapping[str, Tensor], axes: Sequence[Mapping[int, str]], output: str
) -> Any:
    """Record a network as an ONNX model.

    Parameters
    ----------
    model : nn.Module
        The network, in evaluation mode, on the CPU.
    examples : mapping of str to Tensor
        An example of each parameter of ``forward``, by its name in the model. A free axis is longer than 1 there.
    axes : sequence of mapping of int to str
        Names of the axes of each that stay free; axis 0 is, and is that of the output.
    output : str
        Name of the output.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    UsageError
        As `export_onnx` raises it.
    """
    tensors = tuple(examples.values())
    graph = _follow(model, tensors, axes)
    with quiet():
        program = torch.onnx.export(
            graph,
            tensors,
            dynamo=True,
            input_names=list(examples),
            output_names=[output],
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        proto = program.model_proto
    # torch numbers the axes that are free; a name explains them.
    for port, names in zip((*proto.graph.input, *proto.graph.output), (*axes, {0: axes[0][0]}), strict=True):
        for axis, name in names.items():
            port.type.tensor_type.shape.dim[axis].dim_param = name
    del proto.graph.value_info[:]
    return proto


def check_onnx(model: nn.Module, inputs: Inputs, path: Path) -> float:
    """Compare the logits of a network with those of its file, record by record and all at once.

    Parameters
    ----------
    model : nn.Module
        The network, in evaluation mode, on the CPU.
    inputs : sequence of ndarray, float32
        Records to compare.
    path : Path
        The file.

    Returns
    -------
    float
        The largest difference.

    Raises
    ------
    UsageError
        If onnxruntime is missing.
    DataError
        If it is larger than 1e-4, or not a number.
    """
    session = open_onnx(path)
    with torch.no_grad():
        expected_BK = model(*(torch.from_numpy(array) for array in inputs)).numpy()
    singles = [run_onnx(session, [array[row : row + 1] for array in inputs]) for row in range(len(inputs[0]))]
    by_call = (run_onnx(session, inputs), np.concatenate(singles))
    difference = max(float(np.abs(logits_BK - expected_BK).max()) for logits_BK in by_call)
    if not difference <= TOLERANCE:
        raise DataError(f"{path}", found=f"logits differ by {difference:.2g}", expected=f"at most {TOLERANCE:g}")
    return difference


def write_onnx(proto: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a file without the traces of where and how it was made.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; it is changed.
    path : Path
        Where to write.
    metadata : mapping of str to str
        Its ``metadata_props``; they are written in alphabetical order.
    """
    import onnx

    for part in (proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    onnx.helper.set_model_props(proto, dict(sorted(metadata.items())))
    onnx.save(proto, path)


def require_packages(*packages: str) -> None:
    """Import optional packages; where one is missing, the error names the way to install it.

    Parameters
    ----------
    *packages : str
        Names.

    Raises
    ------
    UsageError
        If one is missing.
    """
    for package in packages:
        try:
            with quiet():
                import_module(package)
        except ImportError as error:
            raise missing_package(package) from error


def _follow(
    model: nn.Module, examples: tuple[Tensor, ...], axes: Sequence[Mapping[int, str]]
) -> torch.export.ExportedProgram:
    """Record what a network does with inputs of any length along the axes that are free."""
    length = {name: torch.export.Dim(name) for names in axes for name in names.values()}
    shapes = tuple({axis: length[name] for axis, name in names.items()} for names in axes)
    reason = ""
    # Running the network is quicker, and all an LSTM can stand; reading its code keeps the number of records free where
    # running it does not, as in attention.
    for strict in (False, True):
        try:
            with quiet(), contextlib.redirect_stderr(io.StringIO()):
                return torch.export.export(model, examples, dynamic_shapes=shapes, strict=strict)
        except Exception as error:  # torch raises a dozen classes here, most of them its own
            reason = f"{error}".partition("\n")[0]
    raise UsageError(
        "export", found=f"{type(model).__name__} cannot be recorded ({reason})", expected="shapes that no value decides"
    )


def _input_names(model: nn.Module, num_inputs: int) -> list[str]:
    """Name the inputs as ``forward`` does."""
    parameters = list(inspect.signature(model.forward).parameters.values())
    rest = parameters[num_inputs:]
    has_all_inputs = len(parameters) >= num_inputs and all(each.default is not each.empty for each in rest)
    assert has_all_inputs, "one array for each parameter of forward"
    return [parameter.name for parameter in parameters[:num_inputs]]
