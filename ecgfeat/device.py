"""Choose the device of all tensors once, so that float32 stays float32 on it."""

from typing import Literal

import torch

from ecgfeat.errors import UsageError


def choose_device(name: Literal["auto", "cpu", "cuda"], threads: int = 0) -> torch.device:
    """Choose the device, and switch off what would make its float32 less exact.

    Parameters
    ----------
    name : {'auto', 'cpu', 'cuda'}
        auto takes CUDA where there is one.
    threads : int
        CPU threads; 0 leaves torch's own choice.

    Returns
    -------
    torch.device

    Raises
    ------
    UsageError
        If ``cuda`` is chosen and there is none.

    Notes
    -----
    * Two CPU threads that add gradients to one row (the table of positions) race without deterministic algorithms.
    * From Ampere on, cuDNN convolutions round to TF32 by default, whose rounding equals float16's.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "runtime.device",
            found="cuda, but torch finds no CUDA device",
            expected="a device",
            remedy="Set it to auto.",
        )
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    if threads:
        torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("warn")  # as use_deterministic_algorithms, without its import of the compiler
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
