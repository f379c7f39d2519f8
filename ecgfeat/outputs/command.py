"""What ``ecgfeat predict`` does: find recordings and models, predict, list what failed.

A wrong call is answered before torch is imported, which takes seconds.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ecgfeat.engine.run import Engine
from ecgfeat.engine.shards import Shard
from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import find_inputs
from ecgfeat.outputs.endings import OUTPUT_ENDINGS
from ecgfeat.outputs.how import HowToPredict
from ecgfeat.pretrained import DEFAULT, find_models


def predict_recordings(
    paths: Sequence[Path],
    out: Path,
    *,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    models: str | None = None,
    rhythm: Path | None = None,
    htf: Path | None = None,
    num_views: int = 7,
    formats: Sequence[str] = ("parquet", "wfdb"),
    device: Literal["auto", "cpu", "cuda"] = "auto",
    pages: Mapping[str, str] = MappingProxyType({}),
    engine: Literal["local", "ray"] = "local",
    workers: int = 0,
    shard: str | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Predict recordings and all those in folders, and write what is predicted.

    Parameters
    ----------
    paths : sequence of Path
        Recordings of any format, or folders of them.
    out : Path
        Folder to write to.
    fs_hz, leads, unit
        As `ecgfeat.files.read` takes them.
    models : str, optional
        Name of shipped models, or a folder with the models of a run. By default the shipped ones.
    rhythm, htf : Path, optional
        A published head, and its beat embedder, by default the folder ``htf`` beside it. They replace `models`.
    num_views : int
        Views that a published timeline head averages.
    formats : sequence of str
        Some of `ecgfeat.outputs.endings.OUTPUT_ENDINGS`, and of `pages`.
    device : {'auto', 'cpu', 'cuda'}
        Where to compute.
    pages : mapping of str to str
        Kinds of pages that can be drawn, and where the function is that does: ``module:function``, a
        `ecgfeat.outputs.endings.WritePage`.
    engine, workers
        Kind and number of workers of an `ecgfeat.engine.run.Engine`, for many recordings.
    shard : str, optional
        ``i/N``: every N-th recording, from the i-th on.
    say : callable
        Called with every line for the user.

    Returns
    -------
    int
        Number of recordings that were predicted: all of them.

    Raises
    ------
    UsageError
        If the options do not fit together, or there is no recording.
    DataError
        If a recording cannot be predicted; of many, the others are.
    """
    kinds = (*OUTPUT_ENDINGS, *pages)
    if not set(formats) <= set(kinds):
        raise UsageError("--format", found=",".join(formats), expected=f"some of {','.join(kinds)}")
    inputs, note = find_inputs(paths)
    if shard is not None:
        inputs = list(Shard.read(shard).pick(inputs))
    first = open_ecg(inputs[0][0].path, fs_hz=fs_hz, leads=leads, unit=unit) if len(inputs) == 1 else None
    if rhythm is not None and models is not None:
        raise UsageError(
            "--models", found="--rhythm too", expected="one of them: its own models, or a published system"
        )
    if htf is not None and rhythm is None:
        raise UsageError("--htf", found="no --rhythm", expected="both, for a published system")
    how = HowToPredict(
        str(out),
        models="" if rhythm else str(find_models(models or DEFAULT)),
        rhythm=str(rhythm or ""),
        htf=str(htf or rhythm.parent / "htf") if rhythm else "",
        fs_hz=fs_hz,
        leads=leads,
        unit=unit,
        formats=[kind for kind in formats if kind not in pages],
        pages=[(kind, pages[kind]) for kind in pages if kind in formats],
        num_views=num_views,
        device=device,
    )
    from ecgfeat.outputs.batch import predict_files

    if note:
        say(note)
    failures = predict_files(inputs, how, engine=Engine(engine, workers), first=first, say=say) if inputs else []
    if failures:
        lines = "\n".join(f"  {line}" for line in failures)
        print(f"{len(failures)} of {len(inputs)} recordings failed:\n{lines}", file=sys.stderr)
        others = "; the others were predicted" if len(failures) < len(inputs) else ""
        raise DataError(f"{len(failures)} of {len(inputs)} recordings failed{others}.")
    return len(inputs)
