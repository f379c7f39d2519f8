"""ONNX files of `ecgfeat.deploy.export` in 8-bit integers.

Needs onnx and onnxruntime: ``pip install ecgfeat[export]``.

References
----------
Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena.quiet import quiet
from ecgfeat.deploy.export import Inputs, require_packages, write_onnx


def quantise_onnx(source: Path, target: Path, calibration: Inputs | None = None) -> int:
    """Turn a file of `export_onnx` into one of 8-bit integers, about a quarter of its size.

    Parameters
    ----------
    source, target : Path
        The file and the one to write; its folder exists.
    calibration : sequence of ndarray, float32, optional
        Records such as the network will read; a few dozen. With them the ranges between the layers are measured once
        and written down (static). None: they are measured anew in every record (dynamic), which costs time and is
        meant for layers without convolutions.

    Returns
    -------
    int
        Size of the new file in bytes.

    Raises
    ------
    UsageError
        If onnx or onnxruntime is missing.

    Notes
    -----
    * Weights of convolutions and dense layers have a scale per channel if static, per layer if dynamic.
    * LSTMs exist in the dynamic form only: they stay so in a static file.
    * Weights use 7 of their 8 bits. With all 8, processors without VNNI instructions overflow in the sums of products,
      and the same file predicts other classes there (ONNX Runtime, "Quantize ONNX models", on ``reduce_range``).
    * Both files have the same ``metadata_props``.
    """
    require_packages("onnx", "onnxruntime")
    with quiet(), tempfile.TemporaryDirectory(dir=target.parent) as folder:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        plain, part = Path(folder, "plain.onnx"), Path(folder, "part.onnx")
        # Constants must be folded, or the weights of an LSTM are no constants and stay as they are.
        quant_pre_process(str(source), str(plain), skip_symbolic_shape=True)
        graph = onnx.load(plain)
        # Shapes of what is rewritten would contradict what it is rewritten to.
        del graph.graph.value_info[:]
        onnx.save(graph, plain)
        has_lstm = any(node.op_type == "LSTM" for node in graph.graph.node)
        if calibration is None:
            quantize_dynamic(plain, part, weight_type=QuantType.QInt8, reduce_range=True)
        else:
            if has_lstm:
                quantize_dynamic(
                    plain, plain, op_types_to_quantize=["LSTM"], weight_type=QuantType.QInt8, reduce_range=True
                )
            quantize_static(
                plain,
                part,
                _Calibration([port.name for port in graph.graph.input], calibration),
                per_channel=True,
                reduce_range=True,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            )
        metadata = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
        write_onnx(onnx.load(part), target, metadata)
    return target.stat().st_size


class _Calibration:
    """Records in the form that onnxruntime reads: one mapping after another, then None."""

    def __init__(self, names: Sequence[str], inputs: Inputs) -> None:
        self.rows = (
            {name: array[row : row + 1] for name, array in zip(names, inputs, strict=True)}
            for row in range(len(inputs[0]))
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self.rows, None)
