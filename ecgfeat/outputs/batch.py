"""Predict many recordings, one after another: a fault in one is listed at the end, and stops none of the others."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import Found, source_digest
from ecgfeat.outputs.endings import PAGE_ENDINGS, WritePage
from ecgfeat.outputs.write import refuse_to_replace_page, write_prediction
from ecgfeat.prediction.chain import Chain
from ecgfeat.prediction.models import Models
from ecgfeat.prediction.record import predict_record
from ecgfeat.records.reader import EcgSource
from ecgfeat.summary import summarise, summary_lines
from ecgfeat.terminal import progress_bar

_SECONDS_PER_LINE = 30.0

NO_PAGES: Mapping[str, WritePage] = MappingProxyType({})


def predict_files(
    inputs: Sequence[tuple[Found, Path, str]],
    chain: Chain | Models,
    out: Path,
    *,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    formats: Sequence[str] = ("parquet", "wfdb"),
    num_views: int = 7,
    device: Any = "cpu",
    first: EcgSource | None = None,
    open_record: Callable[[Path], EcgSource] | None = None,
    pages: Mapping[str, WritePage] = NO_PAGES,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Predict recordings and write their files.

    Parameters
    ----------
    inputs : sequence of (Found, Path, str)
        As `ecgfeat.files.folders.find_inputs` returns them.
    chain : Chain or Models
        The models.
    out : Path
        Folder to write to.
    fs_hz, leads, unit
        As `ecgfeat.files.read` takes them.
    formats : sequence of str
        As `ecgfeat.outputs.write.write_prediction` takes them.
    num_views, device
        As `ecgfeat.prediction.record.predict_record` takes them.
    first : EcgSource, optional
        The first recording, if it is open.
    open_record : callable, optional
        Opens a recording; by default `ecgfeat.files.open_ecg`, with the options above.
    pages : mapping of str to callable
        Draws a page of each kind of `ecgfeat.outputs.endings.PAGE_ENDINGS` that is to be written.
    say : callable
        Called with every line for the user.

    Returns
    -------
    list of str
        One line for each recording that failed.
    """
    opener = open_record or partial(open_ecg, fs_hz=fs_hz, leads=leads, unit=unit)
    failures: list[str] = []
    is_many = len(inputs) > 1
    last_line = time.monotonic()
    with progress_bar(
        desc="predict", unit="record" if is_many else "beat", total=len(inputs) if is_many else None
    ) as bar:
        for done, (found, folder, name) in enumerate(inputs, start=1):
            try:
                signal = first if done == 1 and first is not None else None
                signal = signal or opener(found.path)
                source = source_digest(found.path)
                drawn = {kind: out / folder / f"{name}{PAGE_ENDINGS[kind]}" for kind in pages}
                for page in drawn.values():
                    refuse_to_replace_page(page, source)
                on_beats = None if is_many else bar.update
                predicted = predict_record(signal, chain, num_views=num_views, device=device, on_beats=on_beats)
                tables = (predicted.beats, predicted.episodes)
                start = signal.start.isoformat() if signal.start else None
                made_by = predicted.made_by | {"source": source, "start": start}
                written = write_prediction(out / folder, name, *tables, signal.fs_hz, made_by, formats)
                for kind, page in drawn.items():
                    pages[kind](page, signal, replace(predicted, made_by=made_by))
            except (DataError, UsageError, OSError) as error:
                if not is_many:
                    raise
                # The message names the record; two folders may hold one of that name.
                path, line = printable(str(found.path)), str(error)
                line = line if line.startswith(path) else f"{path}: {line}"
                failures.append(line)
                say(f"failed: {line}")
            else:
                shown = name if not folder.parts else f"{printable(str(folder))}/{name}"
                for note in predicted.notes:
                    say(f"{shown}: {note}")
                say(summary_lines(shown, summarise(*tables, predicted.duration_s, signal.start), predicted.episodes))
                say(f"{', '.join(printable(str(path)) for path in (*written, *drawn.values()))}. Not for clinical use.")
            if is_many:
                bar.update()
                if bar.disable and time.monotonic() - last_line > _SECONDS_PER_LINE:
                    last_line = time.monotonic()
                    print(f"predict: {done} of {len(inputs)} records, {len(failures)} failed", file=sys.stderr)
    return failures
