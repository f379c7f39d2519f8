"""Predict many recordings, several at a time: a fault in one is listed at the end, and stops none of the others."""

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ecgfeat.engine.parts import Part, PartFolder
from ecgfeat.engine.run import Engine, finish_records
from ecgfeat.engine.work import Outcome, WorkName
from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files.folders import Found, source_digest
from ecgfeat.outputs.endings import PAGE_ENDINGS, WritePage
from ecgfeat.outputs.how import HowToPredict
from ecgfeat.outputs.write import refuse_to_replace_page, write_prediction
from ecgfeat.prediction.chain import Chain, load_chain
from ecgfeat.prediction.models import Models, load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.records.reader import EcgSource
from ecgfeat.summary import summarise, summary_lines
from ecgfeat.terminal import progress_bar

if TYPE_CHECKING:
    import torch

_SECONDS_PER_LINE: Final = 30.0

Input = tuple[Found, Path, str]
"""A recording as `ecgfeat.files.folders.find_inputs` returns it: with the folder and name of what is written of it."""


def import_function(where: str) -> Callable[..., Any]:
    """Import a function by ``module:function``."""
    module, _, name = where.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


class Predictor:
    """Models, loaded, and how recordings are predicted by them: work that is done recording by recording.

    Parameters
    ----------
    how : HowToPredict or str
        How; as JSON where another process is given it.

    Raises
    ------
    DataError
        If a model is missing or damaged.
    UsageError
        If CUDA is chosen and there is none.
    """

    def __init__(self, how: HowToPredict | str) -> None:
        from ecgfeat.device import choose_device

        self.how = how if isinstance(how, HowToPredict) else HowToPredict(**json.loads(how))
        self.device: torch.device = choose_device(self.how.device, self.how.threads)  # type: ignore[arg-type]
        self.chain: Chain | Models
        if self.how.rhythm:
            self.chain = load_chain(Path(self.how.htf), Path(self.how.rhythm))
        else:
            self.chain = load_models(Path(self.how.models))
        options = {name: getattr(self.how, name) for name in ("fs_hz", "leads", "unit")}
        self.open: Callable[[Path], EcgSource] = partial(import_function(self.how.opens), **options)
        self.pages: dict[str, WritePage] = {kind: import_function(where) for kind, where in self.how.pages}

    def predict(
        self,
        path: Path,
        folder: Path,
        name: str,
        *,
        signal: EcgSource | None = None,
        on_beats: Callable[[int], None] | None = None,
    ) -> list[str]:
        """Predict a recording and write its files.

        Parameters
        ----------
        path : Path
            The recording.
        folder : Path
            Folder below that of the outputs.
        name : str
            Name of what is written.
        signal : EcgSource, optional
            The recording, if it is open.
        on_beats : callable, optional
            As `ecgfeat.prediction.record.predict_record` takes it.

        Returns
        -------
        list of str
            Lines for the user.
        """
        out = Path(self.how.out) / folder
        signal = signal or self.open(path)
        source = source_digest(path)
        drawn = {kind: out / f"{name}{PAGE_ENDINGS[kind]}" for kind in self.pages}
        for page in drawn.values():
            refuse_to_replace_page(page, source)
        predicted = predict_record(
            signal, self.chain, num_views=self.how.num_views, device=self.device, on_beats=on_beats
        )
        tables = (predicted.beats, predicted.episodes)
        start = signal.start.isoformat() if signal.start else None
        made_by = predicted.made_by | {"source": source, "start": start}
        written = write_prediction(out, name, *tables, signal.fs_hz, made_by, self.how.formats)
        for kind, page in drawn.items():
            self.pages[kind](page, signal, replace(predicted, made_by=made_by))
        shown = name if not folder.parts else f"{printable(str(folder))}/{name}"
        return [
            *(f"{shown}: {note}" for note in predicted.notes),
            summary_lines(shown, summarise(*tables, predicted.duration_s, signal.start), predicted.episodes),
            f"{', '.join(printable(str(path)) for path in (*written, *drawn.values()))}. Not for clinical use.",
        ]

    def inputs(self, record: str) -> Sequence[str]:
        """Return nothing: outputs are files of their own, and their parts end with the run."""
        return ()

    def work(self, record: str) -> Part:
        """Predict a recording, which is named by `name_record`."""
        path, folder, name = json.loads(record)
        try:
            return Part({}, tuple(self.predict(Path(path), Path(folder), name)))
        except (DataError, UsageError, OSError) as error:
            # The message names the record; two folders may hold one of that name.
            where, line = printable(path), str(error)
            raise DataError(line if line.startswith(where) else f"{where}: {line}") from error


def name_record(found: Found, folder: Path, name: str) -> str:
    """Return the name by which another process is given a recording."""
    return json.dumps([str(found.path), str(folder), name])


def predict_files(
    inputs: Sequence[Input],
    how: HowToPredict,
    *,
    engine: Engine | None = None,
    first: EcgSource | None = None,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Predict recordings and write their files.

    Parameters
    ----------
    inputs : sequence of (Found, Path, str)
        The recordings.
    how : HowToPredict
        How.
    engine : Engine, optional
        Where many recordings are predicted; by default one after another, or in a process for each core where that is
        sooner done.
    first : EcgSource, optional
        The recording, if it is a single one and open.
    say : callable
        Called with every line for the user, in the order of the recordings.

    Returns
    -------
    list of str
        One line for each recording that failed.

    Raises
    ------
    DataError, UsageError
        If a single recording cannot be predicted.
    """
    predictor = Predictor(how)
    if len(inputs) == 1:
        ((found, folder, name),) = inputs
        with progress_bar(desc="predict", unit="beat", total=None) as bar:
            for line in predictor.predict(found.path, folder, name, signal=first, on_beats=bar.update):
                say(line)
        return []
    engine = replace(engine or Engine(), has_gpu=predictor.device.type == "cuda")
    work = WorkName(Predictor.__module__, Predictor.__name__, (json.dumps(asdict(replace(how, threads=1))),))
    records, failures = [name_record(*of) for of in inputs], list[str]()
    last_line, done = time.monotonic(), 0
    with (
        progress_bar(desc="predict", unit="record", total=len(inputs)) as bar,
        tempfile.TemporaryDirectory(prefix="ecgfeat-predict-") as folder_of_parts,
    ):

        def on_done(outcome: Outcome) -> None:
            nonlocal last_line, done
            bar.update()
            done += 1
            if bar.disable and time.monotonic() - last_line > _SECONDS_PER_LINE:
                last_line = time.monotonic()
                print(f"predict: {done} of {len(inputs)} records", file=sys.stderr)

        parts = PartFolder(Path(folder_of_parts))
        for _, part in finish_records(work, predictor, records, parts, engine, on_done=on_done):
            if isinstance(part, str):
                failures.append(part)
                say(f"failed: {part}")
            else:
                for line in part.lines:
                    say(line)
    return failures
