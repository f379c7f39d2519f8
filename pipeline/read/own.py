"""Where one's own recordings are: the section ``local`` of params.yaml."""

from pathlib import Path

from ecgfeat.acquire.own_records import OwnFolder
from pipeline.params import Params


def own_folder(params: Params) -> OwnFolder:
    """Return the folder of one's own recordings and how to read it.

    The stage ``acquire`` does not track these params: the stage ``local`` digests them, so that a change of theirs
    acquires this corpus anew and no other.
    """
    settings = params.local
    return OwnFolder(
        Path(settings.path),
        settings.pattern,
        settings.annotations,
        settings.subject,
        settings.split,
        tuple(settings.leads),
        settings.fs_hz or None,
        settings.unit or None,
    )
