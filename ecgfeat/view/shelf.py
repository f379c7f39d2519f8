"""The records of one start of the page: listed, opened when they are looked at, predicted in the background."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import Found, source_digest
from ecgfeat.reviews.files import REVIEWS_FILE
from ecgfeat.view.desk import Desk
from ecgfeat.view.events import Doubt
from ecgfeat.view.marks import Marks
from ecgfeat.view.pyramid import Opened, open_record
from ecgfeat.view.sources import Drops, find_place
from ecgfeat.view.worker import Job, State, Task, Worker

MOST_OPEN = 8
"""Records whose samples are kept on disk; the one that was looked at longest ago is closed."""


@dataclass
class Entry:
    """A record of the list, open or not.

    Attributes
    ----------
    found : Found
        Where it is.
    folder : Path
        Below that of all reviews, where its review is written.
    output : str
        Name of its review.
    subject : str
        Whose it is; empty where nothing says so.
    start : datetime or None
        When it began, once it is known.
    state : {'none', 'waiting', 'running', 'ready', 'failed'}
        Of its prediction.
    num_beats : int
        Beats classified so far.
    message : str
        Why the prediction failed.
    prediction : Marks or None
        Once it is there.
    doubts : list of Doubt
        What of it should be looked at, the worst first.
    overview : tuple of (Marks, dict), or None
        What `ecgfeat.view.answers.describe_queue` says of a prediction, and that prediction.
    size : tuple of (int, float), or None
        Samples and rate, once they are known.
    desk : Desk or None
        Its review, once it was opened.
    desk_of : Marks or None
        The prediction whose review it is.
    opened : Opened or None
        The open record.
    """

    found: Found
    folder: Path
    output: str
    subject: str = ""
    start: datetime | None = None
    is_start_read: bool = False
    state: Literal["none", "waiting"] | State = "none"
    num_beats: int = 0
    message: str = ""
    prediction: Marks | None = None
    doubts: list[Doubt] = field(default_factory=list)
    overview: tuple[Marks, dict[str, Any]] | None = None
    size: tuple[int, float] | None = None
    desk: Desk | None = None
    desk_of: Marks | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    opened: Opened | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What the list calls it."""
        return (self.folder / self.output).as_posix()


class Shelf:
    """Records by the number that addresses name them with.

    Parameters
    ----------
    inputs : sequence of (Found, Path, str)
        As `ecgfeat.files.folders.find_inputs` returns them.
    options : mapping
        How `ecgfeat.files.open_ecg` is to read them.
    models : Path or None
        Folder of the models; None: nothing is predicted.
    out : Path
        Folder of the reviews.
    device : {'auto', 'cpu', 'cuda'}
        Where to predict.
    note : str
        What the page says of each record, such as which models predict.
    subject_of : callable, optional
        Returns whose a recording is, by its path below the folder that was named, as
        `ecgfeat.view.sources.read_rule` returns it. Where it returns nothing, the corpus or the run of the record says
        it, if there is one.

    """

    def __init__(
        self,
        inputs: Sequence[tuple[Found, Path, str]],
        options: Mapping[str, Any],
        models: Path | None,
        out: Path,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        *,
        note: str = "",
        subject_of: Callable[[str], str] = lambda path: "",
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._num_listed = 0
        self._subject_of = subject_of
        self.drops = Drops()
        self._options, self._models, self._device = dict(options), models, device
        self.out, self.note = out, note
        self._worker = Worker()
        self._lock = threading.Lock()
        self._order: list[str] = []
        self._desks: dict[tuple[Path, str, str], Desk] = {}
        self.add(inputs)

    def add(self, inputs: Sequence[tuple[Found, Path, str]]) -> list[str]:
        """Add records to the list, and return their numbers. Parameters are those of the class."""
        entries: list[Entry] = []
        for found, folder, output in inputs:
            subject = self._subject_of((found.folder / found.path.name).as_posix())
            # A table of a run that cannot be read says nothing: the record can be opened all the same.
            with contextlib.suppress(DataError):
                subject = subject or ((place := find_place(found.path)) and place.subject) or ""
            entries.append(Entry(found, folder, output, subject))
        with self._lock:
            numbers = [str(self._num_listed + at) for at in range(1, len(entries) + 1)]
            self._num_listed += len(entries)
            self.entries |= dict(zip(numbers, entries, strict=True))
        return numbers

    @property
    def listed(self) -> list[tuple[str, Entry]]:
        """Numbers and records in the order of the list: those of one patient stand where the first of them is."""
        items, places = list(self.entries.items()), dict[tuple[str, str], int]()
        for number, entry in items:
            places.setdefault((entry.subject, "" if entry.subject else number), len(places))
        return sorted(items, key=lambda of: places[of[1].subject, "" if of[1].subject else of[0]])

    def remove_drop(self, drop: str) -> None:
        """Remove the recordings and the files of a drop. Reviews of them stay.

        Raises
        ------
        KeyError
            If there is no such drop.
        """
        folder = self.drops[drop].folder
        with self._lock:
            for number, entry in list(self.entries.items()):
                if folder in entry.found.path.parents:
                    # A new mapping: others may be going through this one.
                    self.entries = {other: of for other, of in self.entries.items() if other != number}
                    self._order = [other for other in self._order if other != number]
                    self._worker.forget(entry.found.path)
                    if entry.opened is not None:
                        entry.opened.close()
        self.drops.remove(drop)

    def start_of(self, number: str) -> datetime | None:
        """Return when a recording began, None where its file does not say it or cannot be read."""
        entry = self.entries[number]
        with entry.lock:
            if not entry.is_start_read:
                opened = entry.opened
                with contextlib.suppress(DataError, UsageError):
                    entry.start = (opened.signal if opened else open_ecg(entry.found.path, **self._options)).start
                entry.is_start_read = True
            return entry.start

    def open(self, number: str) -> Opened:
        """Open a record, or return it if it is open.

        Parameters
        ----------
        number : str
            Key of `entries`.

        Returns
        -------
        Opened
            Its samples are being read, and its prediction is being made.

        Raises
        ------
        KeyError
            If there is no such number.
        DataError, UsageError
            If the record cannot be read.
        """
        entry = self.entries[number]
        with entry.lock:  # and not that of all: a file of text takes its time
            opened = entry.opened = entry.opened or open_record(entry.found.path, self._options)
        with self._lock:
            if self.entries.get(number) is not entry:  # removed while it was read
                opened.close()
                raise KeyError(number)
            if self._models is not None and entry.state == "none":
                entry.state = "waiting"
                self._predict(entry, self._models)
            elif entry.state == "waiting":
                self._worker.hurry(entry.found.path)
            self._order = [*(other for other in self._order if other != number), number]
            while len(self._order) > MOST_OPEN:
                oldest = self.entries[self._order.pop(0)]
                if oldest.opened is not None:
                    oldest.opened.close()
                    oldest.opened = None
        return opened

    def _predict(self, entry: Entry, models: Path) -> None:
        def on_result(state: State, content: Any) -> None:
            if state == "running":
                entry.num_beats += content
            elif state == "ready":
                entry.prediction, entry.doubts = content
            else:
                entry.message = content
            entry.state = state

        self._worker.do(Job(entry.found.path, self._options, models, self._device), on_result)

    def predict_all(self) -> None:
        """Predict all records, in the order of the list."""
        with self._lock:
            for _, entry in reversed(self.listed):  # the latest request comes first
                if self._models is not None and entry.state == "none":
                    entry.state = "waiting"
                    self._predict(entry, self._models)

    @property
    def has_models(self) -> bool:
        """Whether records are predicted."""
        return self._models is not None

    def ask(self, number: str, task: Task, on_result: Callable[[State, Any], None], at_s: float = 0.0) -> None:
        """Have something made of the prediction of a record, in the process that predicts.

        Parameters
        ----------
        number : str
            Key of `entries`.
        task : {'pdf', 'html', 'beat', 'rhythm'}
            What is made.
        on_result : callable
            As `ecgfeat.view.worker.Worker.do` calls it.
        at_s : float
            Time that is explained.

        Raises
        ------
        UsageError
            If there is no prediction yet, or no models.
        """
        entry = self.entries[number]
        if entry.prediction is None or self._models is None:
            raise UsageError("record", found="no prediction", expected="one", remedy="Wait for it.")
        self._worker.do(Job(entry.found.path, self._options, self._models, self._device, task, at_s), on_result)

    def find_review(self, number: str) -> Desk | None:
        """Return the review of a record that has a prediction, as it is on disk, where one may have been begun.

        Parameters
        ----------
        number : str
            Key of `entries`.

        Raises
        ------
        UsageError, DataError
            As of `review`.
        """
        entry = self.entries[number]
        is_there = entry.desk is not None or (self.out / entry.folder / REVIEWS_FILE).exists()
        if entry.prediction is None or not is_there:
            return None
        desk = self.review(number)
        desk.refresh()
        return desk

    def review(self, number: str) -> Desk:
        """Return the review of a record.

        Parameters
        ----------
        number : str
            Key of `entries`.

        Returns
        -------
        Desk

        Raises
        ------
        UsageError
            If there is no prediction yet, or the folder has the review of another recording of this name.
        DataError
            If the table of reviews is damaged.
        """
        entry = self.entries[number]
        prediction = entry.prediction
        if prediction is None:
            raise UsageError("review", found="no prediction", expected="one to correct", remedy="Wait for it.")
        with entry.lock:
            if entry.desk_of is not prediction:
                entry.desk, entry.size, entry.desk_of = None, None, prediction
            if entry.desk is None:
                opened, path, folder = entry.opened, entry.found.path, self.out / entry.folder
                if entry.size is None:
                    signal = open_ecg(path, **self._options) if opened is None else opened.signal
                    entry.size = signal.num_samples, signal.fs_hz
                # Of the file that was predicted.
                source = prediction.made_by.get("source") or source_digest(path)
                shared = folder.resolve(), entry.output, source
                with self._lock:
                    # A record that is listed twice has one review.
                    desk = self._desks.get(shared)
                    if desk is None or not desk.is_of(prediction, source):
                        desk = self._desks[shared] = Desk(folder, entry.output, *entry.size, prediction, source)
                entry.desk = desk
            return entry.desk

    def close(self) -> None:
        """End the prediction, and remove the files of all records."""
        self._worker.close()
        self.drops.close()
        with self._lock:
            for entry in self.entries.values():
                if entry.opened is not None:
                    entry.opened.close()
                    entry.opened = None
