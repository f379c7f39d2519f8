"""Boosted trees of LightGBM as ONNX models of the operator set ``ai.onnx.ml``.

Needs onnx: ``pip install ecgfeat[export]``.

References
----------
ONNX ML operator set 3, TreeEnsembleRegressor, https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html.
"""

from collections.abc import Iterator
from typing import Any, Final

import lightgbm
import numpy as np

from ecgfeat.deploy.export import OPSET
from ecgfeat.errors import DataError
from ecgfeat.trees import Trees

ML_OPSET: Final = 3
"""Operator set of the trees."""

_NODES = ("nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")
_ZERO: Final = np.float32(1e-35)  # what is not larger, LightGBM takes for 0
_OBJECTIVES = {"binary sigmoid:1": "Sigmoid", "multiclass": "Softmax"}


def trees_to_onnx(trees: Trees) -> Any:
    """Write boosted trees as an ONNX model.

    Parameters
    ----------
    trees : Trees
        Of two classes or more.

    Returns
    -------
    onnx.ModelProto
        Input ``column_ND``, (N, D) float32, NaN is missing. Output ``probability_NK``, (N, K) float32, of each class;
        of two classes (N, 1), of the second.

    Raises
    ------
    DataError
        If a tree decides by something else than a threshold, or another objective was fitted.

    Notes
    -----
    * LightGBM compares a float32 value with a float64 threshold. The largest float32 number that is not above the
      threshold decides every float32 value in the same way.
    * A missing value goes where LightGBM sends it: by the node where missing values were seen in training, and as 0
      where none were.
    * Leaves are added up in single precision.
    """
    from onnx import TensorProto, helper

    plain = lightgbm.Booster(model_str=trees.text).dump_model()
    objective = next((name for start, name in _OBJECTIVES.items() if plain["objective"].startswith(start)), None)
    if objective is None:
        raise _refuse(f"the objective {plain['objective']!r}", f"one of {', '.join(_OBJECTIVES)}")
    num_classes = int(plain["num_tree_per_iteration"])
    nodes: dict[str, list[Any]] = {name: [] for name in ("treeids", *_NODES)}
    leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for number, tree in enumerate(plain["tree_info"]):
        for row in _list_nodes(tree["tree_structure"]):
            nodes["treeids"].append(number)
            for name in _NODES:
                nodes[name].append(row[name])
            if row["modes"] == "LEAF":
                leaf = (number, row["nodeids"], number % num_classes, row["weight"])
                for name, value in zip(leaves, leaf, strict=True):
                    leaves[name].append(value)
    raw = helper.make_node(
        "TreeEnsembleRegressor",
        ["column_ND"],
        ["raw_NK"],
        domain="ai.onnx.ml",
        n_targets=num_classes,
        **{f"nodes_{name}": values for name, values in nodes.items()},
        **{f"target_{name}": values for name, values in leaves.items()},
    )
    size = len(trees.columns)
    graph = helper.make_graph(
        [raw, helper.make_node(objective, ["raw_NK"], ["probability_NK"])],
        "trees",
        [helper.make_tensor_value_info("column_ND", TensorProto.FLOAT, ["rows", size])],
        [helper.make_tensor_value_info("probability_NK", TensorProto.FLOAT, ["rows", num_classes])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="ecgfeat")


def _list_nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a tree as ONNX describes them, the root first."""
    waiting, num_nodes = [(0, root)], 1
    while waiting:
        number, node = waiting.pop()
        row = dict.fromkeys(_NODES, 0) | {"nodeids": number, "values": 0.0, "modes": "LEAF"}
        if "split_feature" not in node:
            yield row | {"weight": float(node["leaf_value"])}
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            raise _refuse(f"a decision by {node['decision_type']}, missing {node['missing_type']}", "thresholds")
        threshold = float(node["threshold"])
        is_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
        yield row | {
            "featureids": int(node["split_feature"]),
            "modes": "BRANCH_LEQ",
            "values": _round_down(threshold),
            "truenodeids": num_nodes,
            "falsenodeids": num_nodes + 1,
            "missing_value_tracks_true": int(is_left),
        }
        waiting += [(num_nodes, node["left_child"]), (num_nodes + 1, node["right_child"])]
        num_nodes += 2


def _round_down(value: float) -> float:
    """Return the largest float32 number that LightGBM sends the way of those not above a value."""
    if -_ZERO <= value <= _ZERO:
        return float(_ZERO if value >= 0 else np.nextafter(-_ZERO, np.float32(-np.inf)))
    with np.errstate(over="ignore"):
        near = np.float32(value)
    return float(near if float(near) <= value else np.nextafter(near, np.float32(-np.inf)))


def _refuse(found: str, expected: str) -> DataError:
    return DataError("export", found=f"trees with {found}", expected=expected)
