"""The models that come with ecgfeat, for users who have trained none: ``ecgfeat predict`` takes them by default.

Each folder below this one is a set of models: ``beats/classifier`` and ``rhythm`` as a run of the pipeline leaves them,
and ``made.json``, which says from which data, code, params and seed they were made. ``make ship`` makes them.
"""

from pathlib import Path
from typing import Final

from ecgfeat.errors import UsageError

FOLDER: Final = Path(__file__).parent

DEFAULT: Final = "real"
"""Trained on everything real that the preset of that name has."""


def find_models(name: str) -> Path:
    """Return the folder of models.

    Parameters
    ----------
    name : str
        Name of shipped models, or the path of a folder of a run, such as ``models``.

    Returns
    -------
    Path
        With ``beats/classifier`` and ``rhythm``.

    Raises
    ------
    UsageError
        If there is neither.
    """
    if name in list_shipped():
        return FOLDER / name
    folder = Path(name)
    if not folder.is_dir():
        expected = f"the folder of the models of a run, or one of: {', '.join(list_shipped()) or 'none is shipped'}"
        raise UsageError("--models", found=f"no folder {name}", expected=expected)
    return folder


def list_shipped() -> list[str]:
    """Return the names of the shipped models."""
    return sorted(path.parent.name for path in FOLDER.glob("*/made.json"))
