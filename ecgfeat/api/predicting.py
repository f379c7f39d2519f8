"""Predict recordings from Python, as ``ecgfeat predict`` does."""

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ecgfeat.api.result import Result, Results
from ecgfeat.device import choose_device
from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import find_inputs, source_digest
from ecgfeat.files.formats import wfdb_record
from ecgfeat.prediction.models import Models, load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.records.reader import Signal


def predict(
    record: Path | str | Signal,
    *,
    models: str | Path | Models = DEFAULT,
    fs_hz: float | None = None,
    leads: Sequence[str | int] | None = None,
    unit: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> Result | Results:
    """Find the beats of a recording, classify them, and name its rhythms.

    Parameters
    ----------
    record : Path, str or Signal
        A recording of any format; a folder of them; or what ``ecgfeat.read`` returns.
    models : str, Path or Models
        Name of shipped models, a folder with the models of a run, or models that are loaded.
    fs_hz, leads, unit
        As `ecgfeat.files.read` takes them; not with a signal, which has them.
    device : {'auto', 'cpu', 'cuda'}
        Where to compute.

    Returns
    -------
    Result or Results
        Of one recording; of all recordings of a folder, for a folder.

    Raises
    ------
    UsageError
        If options do not fit the recording, or there are no such models.
    DataError
        If the recording or the models are damaged. In a folder, a recording that fails stops none of the others: it is
        listed in ``Results.failures``, and a warning says so.
    """
    loaded = models if isinstance(models, Models) else load_models(find_models(os.fspath(models)))
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError("device", found=repr(device), expected="auto, cpu or cuda")
    if isinstance(leads, str):
        raise UsageError("leads", found=repr(leads), expected=f"a list, such as [{leads!r}]")
    where = choose_device(device)
    if isinstance(record, Signal):
        given = {"fs_hz": fs_hz, "leads": leads, "unit": unit}
        superfluous = [name for name, value in given.items() if value is not None]
        if superfluous:
            expected = "a signal alone: it has its rate, leads and unit"
            raise UsageError(record.record, found=", ".join(superfluous), expected=expected)
        return Result(record, predict_record(record, loaded, device=where), record.origin or _digest(record))
    path = Path(record)
    options: dict[str, Any] = {"fs_hz": fs_hz, "leads": leads, "unit": unit}
    if not path.is_dir() or wfdb_record(path) is not None:
        return _predict_file(path, loaded, where, options)
    results, names, failures = [], [], []
    for found, folder, name in find_inputs([path])[0]:
        try:
            results.append(_predict_file(found.path, loaded, where, options))
            names.append((folder, name))
        except (DataError, UsageError, OSError) as error:
            failures.append(f"{printable(str(found.path))}: {error}")
    if failures:
        num = len(failures)
        warnings.warn(f"{num} recording{'s' * (num != 1)} failed: {'; '.join(failures)}", stacklevel=2)
    return Results(tuple(results), tuple(failures), tuple(names))


def _predict_file(path: Path, models: Models, device: Any, options: dict[str, Any]) -> Result:
    source = open_ecg(path, **options)
    return Result(source, predict_record(source, models, device=device), source_digest(path))


def _digest(signal: Signal) -> str:
    """Return a digest of a signal that was made in memory."""
    digest = hashlib.sha256(repr((signal.fs_hz, signal.leads, signal.signal_mv_SC.shape)).encode())
    digest.update(np.ascontiguousarray(signal.signal_mv_SC).data)
    return digest.hexdigest()
