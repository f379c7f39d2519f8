"""Predictions in a process of their own, so that the page stays quick.

The server then imports no torch. The process ends with its parent: it reads jobs from a pipe that closes.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from ecgfeat.errors import DataError, UsageError
from ecgfeat.view.marks import Marks, marks_of_prediction

State = Literal["running", "ready", "failed"]
_NICE = 5


@dataclass(frozen=True)
class Job:
    """A record to predict: its path, how `ecgfeat.files.open_ecg` is to read it, and the folder of the models."""

    path: Path
    options: dict[str, Any]
    models: Path
    device: Literal["auto", "cpu", "cuda"]


class Worker:
    """One process that predicts one record at a time; the record that was asked for last comes first."""

    def __init__(self) -> None:
        self._jobs: list[tuple[Job, Callable[[State, Any], None]]] = []
        self._changed = threading.Condition()
        self._process: Any = None
        self._is_closed = False

    def predict(self, job: Job, on_result: Callable[[State, Any], None]) -> None:
        """Predict a record in the background.

        Parameters
        ----------
        job : Job
            What to do.
        on_result : callable
            Called from a thread with ``("running", number of beats)``, and at the end with ``("ready", Marks)`` or
            ``("failed", message)``.
        """
        with self._changed:
            self._jobs.append((job, on_result))
            if self._process is None and not self._is_closed:
                context = multiprocessing.get_context("spawn")
                ours, theirs = context.Pipe()
                self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
                self._process.start()
                theirs.close()
                threading.Thread(target=self._feed, args=(ours,), daemon=True).start()
            self._changed.notify_all()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._process is not None:
            self._process.terminate()
            self._process.join()

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
                    self.predict(other, on_other)
                return


def _serve(connection: Connection) -> None:
    """Predict the records of a pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt of the terminal is for the parent, which ends this
    if hasattr(os, "nice"):
        os.nice(_NICE)
    models: dict[Path, Any] = {}
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        try:
            marks = _predict(job, models, partial(_send_progress, connection))
            result: tuple[State, Any] = ("ready", marks)
        except (DataError, UsageError) as error:
            result = ("failed", str(error))
        except MemoryError:
            result = ("failed", "The record does not fit into memory.")
        connection.send(result)


def _send_progress(connection: Connection, number: int) -> None:
    connection.send(("running", number))


def _predict(job: Job, models: dict[Path, Any], on_beats: Callable[[int], None]) -> Marks:
    from ecgfeat.device import choose_device
    from ecgfeat.files import open_ecg
    from ecgfeat.prediction.models import load_models
    from ecgfeat.prediction.record import predict_record

    if job.models not in models:
        models[job.models] = load_models(job.models)
    signal_of_record = open_ecg(job.path, **job.options)
    device = choose_device(job.device)
    prediction = predict_record(signal_of_record, models[job.models], device=device, on_beats=on_beats)
    return marks_of_prediction(prediction, signal_of_record.start)
