"""The records of one start of the page: listed, opened when they are looked at, predicted in the background."""

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ecgfeat.errors import DataError
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import Found
from ecgfeat.files.reading import EcgFile
from ecgfeat.view.marks import Marks, read_reference
from ecgfeat.view.pyramid import Pyramid
from ecgfeat.view.worker import Job, State, Worker

MOST_OPEN = 8
"""Records whose samples are kept on disk; the one that was looked at longest ago is closed."""


@dataclass
class Opened:
    """An open record.

    Attributes
    ----------
    signal : EcgFile
        Its file.
    pyramid : Pyramid
        Its samples; they are being read.
    reference : Marks or None
        Annotation beside it.
    faults : list of str
        Why samples or reference could not be read completely.
    """

    signal: EcgFile
    pyramid: Pyramid
    reference: Marks | None
    faults: list[str]
    folder: "tempfile.TemporaryDirectory[str]"

    @property
    def duration_s(self) -> float:
        """Length of the record in seconds."""
        return self.signal.num_samples / self.signal.fs_hz


@dataclass
class Entry:
    """A record of the list, open or not.

    Attributes
    ----------
    found : Found
        Where it is.
    name : str
        What the list calls it.
    state : {'none', 'waiting', 'running', 'ready', 'failed'}
        Of its prediction.
    num_beats : int
        Beats classified so far.
    message : str
        Why the prediction failed.
    prediction : Marks or None
        Once it is there.
    """

    found: Found
    name: str
    state: Literal["none", "waiting"] | State = "none"
    num_beats: int = 0
    message: str = ""
    prediction: Marks | None = None
    opened: Opened | None = field(default=None, repr=False)


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
    device : {'auto', 'cpu', 'cuda'}
        Where to predict.
    """

    def __init__(
        self,
        inputs: Sequence[tuple[Found, Path, str]],
        options: Mapping[str, Any],
        models: Path | None,
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        self.entries = {
            str(number): Entry(found, name if folder == Path() else (folder / name).as_posix())
            for number, (found, folder, name) in enumerate(inputs, start=1)
        }
        self._options, self._models, self._device = dict(options), models, device
        self._worker = Worker()
        self._lock = threading.Lock()
        self._order: list[str] = []

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
        with self._lock:
            if entry.opened is None:
                entry.opened = self._open_file(entry.found.path)
                if self._models is not None and entry.state == "none":
                    entry.state = "waiting"
                    self._predict(entry, self._models)
            self._order = [*(other for other in self._order if other != number), number]
            while len(self._order) > MOST_OPEN:
                oldest = self.entries[self._order.pop(0)]
                if oldest.opened is not None:
                    oldest.opened.folder.cleanup()
                    oldest.opened = None
            return entry.opened

    def _open_file(self, path: Path) -> Opened:
        signal = open_ecg(path, **self._options)
        folder = tempfile.TemporaryDirectory(prefix="ecgfeat-view-", ignore_cleanup_errors=True)
        pyramid = Pyramid(Path(folder.name), len(signal.leads), signal.num_samples)
        faults: list[str] = []
        try:
            reference = read_reference(path, signal)
        except DataError as error:
            reference = None
            faults.append(str(error))

        def fill() -> None:
            try:
                pyramid.fill(signal)
            except DataError as error:
                faults.append(str(error))

        threading.Thread(target=fill, daemon=True).start()
        return Opened(signal, pyramid, reference, faults, folder)

    def _predict(self, entry: Entry, models: Path) -> None:
        def on_result(state: State, content: Any) -> None:
            if state == "running":
                entry.num_beats += content
            elif state == "ready":
                entry.prediction = content
            else:
                entry.message = content
            entry.state = state

        self._worker.predict(Job(entry.found.path, self._options, models, self._device), on_result)

    def close(self) -> None:
        """End the prediction, and remove the files of all records."""
        self._worker.close()
        with self._lock:
            for entry in self.entries.values():
                if entry.opened is not None:
                    entry.opened.folder.cleanup()
                    entry.opened = None
