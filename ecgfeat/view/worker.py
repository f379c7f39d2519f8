"""Predictions, and the files that are made of them, in a process of their own, so that the page stays quick.

The server then imports no torch. The process ends with its parent: it reads jobs from a pipe that closes.
"""

import bisect
import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from ecgfeat.errors import DataError, UsageError, need_extras
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import source_digest
from ecgfeat.view.events import Doubt, find_doubts
from ecgfeat.view.marks import Marks, marks_of_prediction, read_reference
from ecgfeat.view.security import PrivateFolder

if TYPE_CHECKING:
    from ecgfeat.prediction.models import Models
    from ecgfeat.prediction.record import Prediction
    from ecgfeat.saliency.seen import SeenRecord

Task = Literal["predict", "pdf", "html", "beat", "rhythm"]
State = Literal["running", "ready", "failed"]
_NICE = 5
_MOST_KEPT: Final = 8  # predictions, for files; another one is made again


@dataclass(frozen=True)
class Job:
    """What is to be done with a record.

    Attributes
    ----------
    path : Path
        The record.
    options : dict
        How `ecgfeat.files.open_ecg` is to read it.
    models : Path
        Folder of the models.
    device : {'auto', 'cpu', 'cuda'}
        Where to predict.
    task : {'predict', 'pdf', 'html', 'beat', 'rhythm'}
        A prediction as the page shows it, a file of it, or why a beat or the rhythm at it is what it is.
    at_s : float
        Time that is explained.
    """

    path: Path
    options: dict[str, Any]
    models: Path
    device: Literal["auto", "cpu", "cuda"]
    task: Task = "predict"
    at_s: float = 0.0


class Predicted(NamedTuple):
    """Beats and rhythms of a record, and what of them should be looked at, the worst first."""

    marks: Marks
    doubts: list[Doubt]


class Worker:
    """One process that does one job at a time; the latest request comes first."""

    def __init__(self) -> None:
        # What a job leaves when the process is ended is removed with it.
        self._folder = PrivateFolder()
        self._jobs: list[tuple[Job, Callable[[State, Any], None]]] = []
        self._changed = threading.Condition()
        self._process: Any = None
        self._is_closed = False

    def do(self, job: Job, on_result: Callable[[State, Any], None]) -> None:
        """Do a job in the background.

        Parameters
        ----------
        job : Job
            What to do.
        on_result : callable
            Called from a thread with ``("running", number of beats)``, and at the end with ``("failed", message)`` or
            ``("ready", content)``: `Predicted`, the bytes of a file,
            or an explanation in JSON types and in lines of words.
        """
        with self._changed:
            self._jobs.append((job, on_result))
            if self._process is None and not self._is_closed:
                context = multiprocessing.get_context("spawn")
                ours, theirs = context.Pipe()
                self._process = context.Process(target=_serve, args=(theirs, str(self._folder.path)), daemon=True)
                self._process.start()
                theirs.close()
                threading.Thread(target=self._feed, args=(ours,), daemon=True).start()
            self._changed.notify_all()

    def hurry(self, path: Path) -> None:
        """Let the jobs of a record that wait be the next."""
        with self._changed:
            self._jobs.sort(key=lambda waiting: waiting[0].path == path)

    def forget(self, path: Path) -> None:
        """Do no job of a record that waits, and say that it failed; one that has begun goes on."""
        with self._changed:
            forgotten = [on_result for job, on_result in self._jobs if job.path == path]
            self._jobs = [waiting for waiting in self._jobs if waiting[0].path != path]
        for on_result in forgotten:
            on_result("failed", "The record was removed.")

    def close(self) -> None:
        """End the process, whatever it is doing."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._process is not None:
            self._process.terminate()
            self._process.join()
        self._folder.close()

    def _feed(self, connection: Connection) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._is_closed)
                if self._is_closed:
                    return
                job, on_result = self._jobs.pop()
            try:
                connection.send(job)
                state: State = "running"
                while state == "running":
                    state, content = connection.recv()
                    on_result(state, content)
            except (EOFError, OSError):
                on_result("failed", "The process that predicts has ended; the terminal says why, or memory ran out.")
                with self._changed:
                    self._process = None
                    remaining, self._jobs = self._jobs, []
                for other, on_other in remaining:
                    self.do(other, on_other)
                return


def _serve(connection: Connection, folder: str) -> None:
    """Do the jobs of a pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt of the terminal is for the parent, which ends this
    tempfile.tempdir = folder
    if hasattr(os, "nice"):
        os.nice(_NICE)
    bench = Bench()
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        try:
            result: tuple[State, Any] = ("ready", bench.do(job, partial(_send_progress, connection)))
        except (DataError, UsageError) as error:
            result = ("failed", str(error))
        except MemoryError:
            result = ("failed", "The record does not fit into memory.")
        except BrokenPipeError:
            return  # the parent has ended
        try:
            connection.send(result)
        except BrokenPipeError:
            return


def _send_progress(connection: Connection, number: int) -> None:
    connection.send(("running", number))


class Bench:
    """What the process keeps from job to job: models, the last predictions, and the record that was explained."""

    def __init__(self) -> None:
        self._models: dict[Path, Models] = {}
        self._predictions: dict[Path, Prediction] = {}
        self._seen: tuple[tuple[Path, int], SeenRecord] | None = None

    def do(self, job: Job, on_beats: Callable[[int], None]) -> Any:
        """Do a job, and return what `Worker.do` says; numbers of beats go to a function in the meantime.

        Raises
        ------
        DataError
            If the record is damaged.
        UsageError
            If an option cannot be used, or a package of an extra is missing.
        """
        if job.task == "predict":
            self._predictions.pop(job.path, None)
            record = open_ecg(job.path, **job.options)
            marks = marks_of_prediction(self._predict(job, on_beats), record.start)
            reference = None
            with contextlib.suppress(DataError):  # the page says what is wrong with it when it opens the record
                reference = read_reference(job.path, record)
            return Predicted(marks, find_doubts(marks, reference))
        if job.task in ("beat", "rhythm"):
            with need_extras():
                return self._explain(job)
        with need_extras(), tempfile.TemporaryDirectory() as folder:
            return self._write(job, Path(folder) / f"record.{job.task}", on_beats).read_bytes()

    def _write(self, job: Job, path: Path, on_beats: Callable[[int], None]) -> Path:
        record, prediction = open_ecg(job.path, **job.options), self._predict(job, on_beats)
        try:
            reference = read_reference(job.path, record)
        except DataError as error:
            reference, note = None, f"The reference is left out, because it could not be read: {error}"
            prediction = replace(prediction, notes=(*prediction.notes, note))
        if job.task == "html":
            from ecgfeat.view.twin import write_html

            return write_html(path, record, prediction, reference=reference)
        from ecgfeat.paper.pdf import write_pdf
        from ecgfeat.report.drawings.ecg_paper import Ribbon

        ribbon = None
        if reference is not None:
            ribbon = Ribbon("reference", reference.start_s, reference.stop_s, reference.rhythm)
        return write_pdf(path, record, prediction, reference=ribbon)

    def _explain(self, job: Job) -> dict[str, Any]:
        # captum first: what is not installed is said before a model computes.
        import captum  # noqa: F401

        from ecgfeat.device import choose_device
        from ecgfeat.prediction.record import day_edges
        from ecgfeat.saliency.beats import explain_beat
        from ecgfeat.saliency.rhythms import explain_rhythm
        from ecgfeat.saliency.seen import see_record
        from ecgfeat.store.schemas import COMMON_FS_HZ

        models, record = self._load(job.models), open_ecg(job.path, **job.options)
        # A day of a record is seen at once.
        edges = day_edges(round(record.num_samples / record.fs_hz * COMMON_FS_HZ))
        seen_part = (job.path, bisect.bisect_right(edges, job.at_s * COMMON_FS_HZ))
        if self._seen is None or self._seen[0] != seen_part:
            self._seen = seen_part, see_record(record, models, job.at_s, device=choose_device(job.device))
        seen = self._seen[1]
        explain: Callable[..., Any] = explain_beat if job.task == "beat" else explain_rhythm
        explanation = explain(models, seen, seen.find_beat(job.at_s))
        return {"explanation": explanation.as_dict(), "lines": explanation.as_lines()}

    def _load(self, folder: Path) -> "Models":
        from ecgfeat.prediction.models import load_models

        if folder not in self._models:
            self._models[folder] = load_models(folder)
        return self._models[folder]

    def _predict(self, job: Job, on_beats: Callable[[int], None]) -> "Prediction":
        """Return the prediction of a record, made anew where it is not kept."""
        from ecgfeat.device import choose_device
        from ecgfeat.prediction.record import predict_record

        kept = self._predictions.pop(job.path, None)
        if kept is None:
            record, device = open_ecg(job.path, **job.options), choose_device(job.device)
            made = predict_record(record, self._load(job.models), device=device, on_beats=on_beats)
            kept = replace(made, made_by=made.made_by | {"source": source_digest(job.path)})
        self._predictions[job.path] = kept
        for oldest in list(self._predictions)[:-_MOST_KEPT]:
            del self._predictions[oldest]
        return kept
