"""Render simulated signals onto existing annotations: real beats and rhythms, simulated waveforms."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgfeat.corpora.corpus import Corpus
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.annotations import aami_class, find_episodes
from ecgfeat.records.reader import Annotations, read_annotations, read_header
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.simulate.corpus import MIN_FS_HZ, OnRecord
from ecgfeat.simulate.morphology import draw_morphology
from ecgfeat.simulate.noise import draw_noise_traits
from ecgfeat.simulate.rhythm import find_fibrillation
from ecgfeat.simulate.synthesis import AMBULATORY_LEADS, synthesise

# Rhythms without a P wave before the beat.
NO_P = ("VT", "IVR", "VFL", "NOD", "P")


def render_annotations(
    source: Path,
    folder: Path,
    *,
    corpus: Corpus,
    records: Sequence[str] | None = None,
    hours: float | None,
    seed: int,
    on_record: OnRecord | None = None,
) -> tuple[str, ...]:
    """Write records whose annotations are those of a real corpus and whose signals are simulated.

    Only headers and annotations of the source are needed, no signals.

    Parameters
    ----------
    source : Path
        Folder with the ``.hea`` and annotation files of the corpus.
    folder : Path
        Existing folder for ``.hea``, ``.dat``, annotations and ``RECORDS``.
    corpus : Corpus
        Facts about the source: records, annotation extension, rhythm labels.
    records : sequence of str, optional
        Render only these; all of the corpus by default.
    hours : float or None
        Render only the first hours of each record; None: whole records.
    seed : int
        The same seed gives the same bytes; a record depends on the seed and its own name and annotations only.
    on_record : callable, optional
        Called with the number of records done, their total and the name of the last record.

    Returns
    -------
    tuple of str
        The records written.

    Raises
    ------
    UsageError
        If `hours` or `seed` is out of range.
    DataError
        If a header or annotation file is missing or damaged, or the sampling frequency is too low.

    Notes
    -----
    * Whole annotation files are copied byte for byte; of shortened ones all annotations before the end are kept.
    * Beats are drawn by AAMI class: N as sinus beats, S as early atrial ones, V, fusions and paced beats as
      ventricular ones, Q as sinus beats.
    * SBR, B, T, VT and IVR between AFIB get f-waves (`find_fibrillation`).
    """
    if hours is not None and not hours > 0:
        raise UsageError("render.hours", found=f"{hours:g}", expected="more than 0")
    if seed < 0:
        raise UsageError("render.seed", found=str(seed), expected="0 or more")
    source, folder = Path(source), Path(folder)
    chosen = tuple(records) if records is not None else corpus.records or _list_records(source, corpus)
    for done, record in enumerate(chosen, start=1):
        header = read_header(source, record)
        where = f"{corpus.slug}/{record}"
        if header.fs_hz < MIN_FS_HZ:
            raise DataError(where, found=f"{header.fs_hz:g} Hz", expected=f"at least {MIN_FS_HZ:g} Hz")
        num_samples = header.num_samples
        if hours is not None:
            num_samples = min(num_samples, round(hours * 3600 * header.fs_hz))
        drops = corpus.marks_before_start
        marks = read_annotations(
            source, record, corpus.annotation, num_samples, fs_hz=header.fs_hz, drop_before_start=drops
        )
        signal_uv_SC = _render(corpus, record, marks, num_samples, header.fs_hz, seed)
        (folder / record).parent.mkdir(parents=True, exist_ok=True)
        if num_samples == header.num_samples:
            name = f"{record}.{corpus.annotation}"
            (folder / name).write_bytes((source / name).read_bytes())
        else:
            aux = marks.aux.tolist()
            write_annotation_file(folder, record, corpus.annotation, marks.sample, marks.symbol, aux, header.fs_hz)
        comment = f"simulated waveform rendered onto annotations of {where}, seed {seed}"
        write_record(folder, record, signal_uv_SC, header.fs_hz, AMBULATORY_LEADS, [comment])
        if on_record is not None:
            on_record(done, len(chosen), record)
    (folder / "RECORDS").write_bytes("".join(f"{record}\n" for record in chosen).encode())
    return chosen


def _list_records(source: Path, corpus: Corpus) -> tuple[str, ...]:
    path = source / corpus.records_file
    if path.is_file():
        return tuple(path.read_text(encoding="utf-8").split())
    records = tuple(sorted(path.stem for path in source.glob(f"*.{corpus.annotation}")))
    if not records:
        raise DataError(str(source), found=f"no .{corpus.annotation} file", expected=f"annotations of {corpus.slug}")
    return records


def _render(corpus: Corpus, record: str, marks: Annotations, num_samples: int, fs_hz: float, seed: int) -> np.ndarray:
    # The name's checksum, not its place in the list: a subset of records gives the same bytes.
    rng = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(record.encode())]))
    morphology, noise = draw_morphology(rng), draw_noise_traits(rng)
    aami = aami_class(marks.symbol, "dechazal")
    is_beat = aami != ""
    peak_sample = marks.sample[is_beat]
    label = np.array(["N", "A", "V", "V", "N"])[
        np.select([aami[is_beat] == name for name in "NSVF"], [0, 1, 2, 3], default=4)
    ]
    label[marks.symbol[is_beat] == "/"] = "V"
    episodes = find_episodes(
        marks.sample,
        marks.aux,
        num_samples,
        corpus.rhythm_labels,
        before_first="unlabelled",
        min_samples=1,
        symbol=corpus.rhythm_symbols(marks.symbol.tolist()),
    )
    fibrillating = np.zeros(len(peak_sample), dtype=np.bool_)
    has_p = np.ones(len(peak_sample), dtype=np.bool_)
    if len(episodes):
        # Beats before the first mark are treated as those after it.
        at = np.maximum(np.searchsorted(episodes.start_sample, peak_sample, side="right") - 1, 0)
        fibrillating = find_fibrillation(episodes.rhythm)[at]
        has_p = ~fibrillating & ~np.isin(episodes.rhythm[at], NO_P)
    return synthesise(
        peak_sample,
        label,
        fibrillating,
        has_p,
        num_samples,
        fs_hz=fs_hz,
        morphology=morphology,
        noise=noise,
        breathing_hz=rng.uniform(0.18, 0.32),
        breathing_start=rng.uniform(0, 2 * np.pi),
        rng=rng,
    )
