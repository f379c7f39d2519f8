"""Raw PhysioNet records to beat features and rhythm diagnoses that others can rerun.

``import ecgfeat as ef``: `read` a recording of any format, `predict` its beats and rhythms, `open_run` a finished run.
"""

from typing import TYPE_CHECKING, Any

from ecgfeat.version import __version__ as __version__

if TYPE_CHECKING:
    from ecgfeat.api.predicting import predict as predict
    from ecgfeat.api.run import open_run as open_run
    from ecgfeat.files import read as read

__all__ = ["open_run", "predict", "read"]

_MODULE_OF = {"open_run": "ecgfeat.api.run", "predict": "ecgfeat.api.predicting", "read": "ecgfeat.files"}


def __getattr__(name: str) -> Any:
    # Where they are used, for torch takes seconds: `ecgfeat --help` must not wait for it.
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ecgfeat' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
