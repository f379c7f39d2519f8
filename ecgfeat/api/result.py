"""What is predicted of a recording, ready to be looked at, saved and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgfeat.api.drawing import Drawing
from ecgfeat.api.tables import Table
from ecgfeat.errors import UsageError, need_extras
from ecgfeat.outputs.endings import OUTPUT_ENDINGS, WritePage
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES, null_rhythm
from ecgfeat.outputs.write import refuse_to_replace_page, write_prediction
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import EcgSource
from ecgfeat.store.schemas import QUALITY
from ecgfeat.store.tables import as_arrow
from ecgfeat.summary import DaySummary, list_figures, summarise


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """Beats, episodes and quality of one recording. Not for clinical use.

    Attributes
    ----------
    source : EcgSource
        The recording. Its samples are read again when they are drawn.
    prediction : Prediction
        What the models make of it, as arrays.
    origin : str
        Digest of the recording: files of another one are not replaced.
    """

    source: EcgSource
    prediction: Prediction
    origin: str

    @property
    def record(self) -> str:
        """Name of the recording."""
        return self.source.record

    @property
    def fs_hz(self) -> float:
        """Its sampling rate."""
        return self.source.fs_hz

    @property
    def leads(self) -> tuple[str, ...]:
        """Its ECG leads."""
        return self.source.leads

    @property
    def start(self) -> datetime | None:
        """When it began, where its file states it."""
        return self.source.start

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.prediction.duration_s

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how it was made, such as leads that were left aside."""
        return self.prediction.notes

    @property
    def beats(self) -> Table:
        """One row per beat: position, RR interval, class and its probabilities, rhythm."""
        return Table("beats", as_arrow(null_rhythm(self.prediction.beats), RECORD_BEATS))

    @property
    def episodes(self) -> Table:
        """One row per episode: from, to, rhythm or why there is none, certainty, evidence."""
        return Table("episodes", as_arrow(null_rhythm(self.prediction.episodes), RECORD_EPISODES))

    @property
    def quality(self) -> Table:
        """One row per passage of one quality, lead by lead: usable, noisy or absent."""
        return Table("quality", as_arrow(self.prediction.quality, QUALITY))

    def summary(self) -> DaySummary:
        """Return the numbers that a reader of a Holter record looks for first."""
        return summarise(self.prediction.beats, self.prediction.episodes, self.duration_s, self.start)

    def save(
        self, folder: Path | str, formats: Sequence[str] = ("parquet", "wfdb"), *, name: str | None = None
    ) -> tuple[Path, ...]:
        """Write the files that ``ecgfeat predict`` writes.

        Parameters
        ----------
        folder : Path or str
            Where to; made if absent.
        formats : sequence of str
            Some of parquet, csv, wfdb, json.
        name : str, optional
            What the names of the files begin with; by default that of the recording.

        Returns
        -------
        tuple of Path
            The files.

        Raises
        ------
        UsageError
            If there is no such format, or a file of another recording has the name of one of these files.
        """
        if not set(formats) <= set(OUTPUT_ENDINGS):
            raise UsageError("formats", found=", ".join(formats), expected=f"some of {', '.join(OUTPUT_ENDINGS)}")
        start = self.start.isoformat() if self.start else None
        made_by = self.prediction.made_by | {"source": self.origin, "start": start}
        tables = self.prediction.beats, self.prediction.episodes
        return write_prediction(Path(folder), name or self.record, *tables, self.fs_hz, made_by, formats)

    def plot(self, from_s: float = 0.0, to_s: float | None = None) -> Drawing:
        """Draw a part of the recording on ECG paper, with its beats and rhythms.

        Parameters
        ----------
        from_s : float, default 0.0
            Start, in seconds from the start of the recording.
        to_s : float, optional
            End; by default ten seconds later, or the end of the recording.

        Returns
        -------
        Drawing
            A notebook shows it; ``save`` writes it. 25 mm/s and 10 mm/mV if it is printed in its own size.

        Raises
        ------
        UsageError
            If the part is empty, longer than 300 s or not within the recording.
        """
        with need_extras():
            from ecgfeat.look.strip import end_of_part
            from ecgfeat.paper.stretches import read_strips
            from ecgfeat.report.drawings.strip import draw_strip
        stop_s = end_of_part(self.record, self.duration_s, self.fs_hz, from_s, to_s)
        (strip,) = read_strips(self.source, self.prediction, [(from_s, stop_s)], range(len(self.leads)))
        return Drawing(draw_strip(strip), strip.title)

    def to_pdf(self, path: Path | str, *, leads: Sequence[str | int] | None = None) -> Path:
        """Write a PDF, true to scale on A4: the day on the first page, then strips. Return its path.

        Parameters
        ----------
        path : Path or str
            File to write, ``.pdf``.
        leads : sequence of str or int, optional
            Leads of the strips, by name or position from 0, from top to bottom. By default all up to 24; twelve leads
            in their usual layout.

        Raises
        ------
        UsageError
            If there is no such lead, or a file of this name that is not known to be of the same recording.
        """
        with need_extras():
            from ecgfeat.paper.pdf import write_pdf
        return self._write_page(partial(write_pdf, leads=leads), path)

    def to_html(self, path: Path | str) -> Path:
        """Write the page of `ecgfeat view` as one file, which opens in a browser without a server. Return its path.

        Raises
        ------
        UsageError
            If there is a file of this name that is not known to be of the same recording.
        """
        with need_extras():
            from ecgfeat.view.twin import write_html
        return self._write_page(write_html, path)

    def _write_page(self, write: WritePage, path: Path | str) -> Path:
        path = Path(path)
        refuse_to_replace_page(path, self.origin)
        write(path, self.source, replace(self.prediction, made_by=self.prediction.made_by | {"source": self.origin}))
        return path

    def to_wfdb(self, folder: Path | str) -> Path:
        """Write beats and rhythms as a WFDB annotation file, ``<record>.ecg``, and return its path."""
        return self.save(folder, ("wfdb",))[0]

    def __repr__(self) -> str:
        shown = {figure.name: figure for figure in list_figures(self.summary())}
        parts = [f"{shown[name].label} {shown[name].text}" for name in ("usable", "beats", "af_burden")]
        return f"<{self.record}: {'; '.join(parts)}>"


@dataclass(frozen=True, repr=False, eq=False)
class Results(Sequence[Result]):
    """What is predicted of the recordings of a folder, in the order of their names.

    Attributes
    ----------
    results : tuple of Result
        Of each recording that could be predicted.
    failures : tuple of str
        One line for each of the others.
    names : tuple of (Path, str)
        Folder, below the one that was given, and name of the files of each result: those of the command line.
    """

    results: tuple[Result, ...]
    failures: tuple[str, ...]
    names: tuple[tuple[Path, str], ...]

    def __getitem__(self, which: Any) -> Any:
        """Return a result by its position, or by the name of its recording where that is unique."""
        if not isinstance(which, str):
            return self.results[which]
        named = [result for result in self.results if result.record == which]
        if len(named) != 1:
            expected = f"one of {', '.join(result.record for result in self.results[:10])}"
            raise UsageError(which, found=f"{len(named)} recordings of this name", expected=expected)
        return named[0]

    def __len__(self) -> int:
        """Return the number of recordings that could be predicted."""
        return len(self.results)

    def save(self, folder: Path | str, formats: Sequence[str] = ("parquet", "wfdb")) -> tuple[Path, ...]:
        """Write the files that ``ecgfeat predict`` writes of this folder; see `Result.save`."""
        return tuple(
            path
            for result, (below, name) in zip(self.results, self.names, strict=True)
            for path in result.save(Path(folder) / below, formats, name=name)
        )

    def summary(self) -> Table:
        """Return one row per recording: its name, and the figures of its summary in words."""
        rows = [
            {"record": result.record} | {figure.label: figure.text for figure in list_figures(result.summary())}
            for result in self.results
        ]
        return Table("summary", pa.Table.from_pylist(rows) if rows else pa.table({"record": pa.array([], pa.string())}))

    def __repr__(self) -> str:
        return f"<{len(self)} recording{'s' * (len(self) != 1)} predicted, {len(self.failures)} failed>"
