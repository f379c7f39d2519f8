"""Results as plain numbers: the same results give the same text."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain_numbers(node: Any) -> Any:
    """Sort the keys of nested results and round their floats to 6 digits.

    Parameters
    ----------
    node : dict, list, number, str or bool
        The results.

    Returns
    -------
    dict, list, number, str, bool or None
        The same in plain Python types. NaN and infinities become None, because JSON does not have them.
    """
    if isinstance(node, Mapping):
        return {str(key): plain_numbers(node[key]) for key in sorted(node)}
    if isinstance(node, list | tuple):
        return [plain_numbers(item) for item in node]
    if isinstance(node, bool | np.bool_):
        return bool(node)
    if isinstance(node, int | np.integer):
        return int(node)
    if isinstance(node, float | np.floating):
        return round(float(node), 6) + 0.0 if math.isfinite(node) else None
    return node
