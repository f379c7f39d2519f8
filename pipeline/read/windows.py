"""Read the beat windows of a corpus: from their store, or cut from the signals where ``windows.keep`` is false."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beats.windows import cut_beats
from ecgfeat.store.arrays import ArrayStore, open_array
from ecgfeat.store.keys import columns_key, content_key
from ecgfeat.store.record_rows import RecordRows
from ecgfeat.store.schemas import RPEAKS, SIGNALS, WINDOWS
from ecgfeat.store.tables import Columns
from pipeline.read import paths

NUM_LEADS: Final = 2
"""Leads of a beat window: the first two by position; the lead a record lacks is invalid throughout."""


class BeatWindows(Protocol):
    """The beat windows of a corpus, whether they are stored or not."""

    @property
    def rows(self) -> Mapping[str, tuple[int, int]]:
        """First row of each record that has windows, and the one after its last."""

    @property
    def source(self) -> str:
        """sha256 of the table of R-peaks that the rows are aligned with."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Of each record, a digest that its windows follow from."""

    @property
    def array(self) -> Any:
        """What gives the windows of rows of one record: ``array[start:stop]``, (L, C, S) int16; with a ``shape``."""

    def read(self, record: str) -> NDArray[np.int16]:
        """Return the windows of a record, (L, C, S) int16, microvolts."""


class CutWindows:
    """Beat windows that are cut from the signal of a record when they are read.

    Parameters
    ----------
    signals : ArrayStore
        Signals of the corpus.
    rpeaks : dict of str to dict of str to array
        Of each record, its rows of the ``rpeaks`` table: ``sample`` at least.
    num_samples : int
        Samples of a window.
    source : str
        sha256 of that table.
    """

    def __init__(
        self, signals: ArrayStore, rpeaks: Mapping[str, Columns], *, num_samples: int, source: str = ""
    ) -> None:
        self.source = source
        self._signals, self._num_samples = signals, num_samples
        self._sample_of = {record: rows["sample"] for record, rows in rpeaks.items() if record in signals.rows}
        stops = np.cumsum([len(sample) for sample in self._sample_of.values()]).tolist()
        self.rows = dict(zip(self._sample_of, zip([0, *stops], stops, strict=False), strict=True))
        self.digests = {
            record: content_key(signals.digests[record], columns_key({"sample": sample}), str(num_samples))
            for record, sample in self._sample_of.items()
        }
        self._last: tuple[str, NDArray[np.int16]] | None = None

    @property
    def array(self) -> "CutWindows":
        """Itself: windows are cut where rows are taken."""
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """Windows of all records, leads, samples."""
        num_rows = max((stop for _, stop in self.rows.values()), default=0)
        return num_rows, NUM_LEADS, self._num_samples

    def read(self, record: str) -> NDArray[np.int16]:
        """Cut the windows of a record."""
        return self[slice(*self.rows[record])]

    def __getitem__(self, rows: slice) -> NDArray[np.int16]:
        """Cut the windows of rows of one record."""
        record, first = next((name, start) for name, (start, stop) in self.rows.items() if start <= rows.start < stop)
        assert rows.stop <= self.rows[record][1], "rows of one record"
        if self._last is None or self._last[0] != record:
            self._last = record, self._signals.read(record)  # stretches of one record follow each other
        sample = self._sample_of[record][rows.start - first : rows.stop - first]
        return cut_beats(self._last[1], sample, num_samples=self._num_samples, num_leads=NUM_LEADS)


def open_windows(corpus: str) -> BeatWindows:
    """Open the beat windows of a corpus.

    Parameters
    ----------
    corpus : str
        Slug.

    Returns
    -------
    BeatWindows
        Stored, or cut from signals and R-peaks, by ``windows.keep`` of the run that made it; the same values.

    Raises
    ------
    DataError
        If what they are made of is damaged, or belongs to other R-peaks.
    """
    store = open_array(paths.windows(corpus), WINDOWS, aligned_with=paths.rpeaks(corpus))
    if store.params.get("keep", True):
        return store
    signals = open_array(paths.signals(corpus), SIGNALS, aligned_with=paths.records(corpus))
    rpeaks = RecordRows(paths.rpeaks(corpus), RPEAKS, ["sample"])
    return CutWindows(signals, rpeaks, num_samples=int(store.params["num_samples"]), source=store.source)
