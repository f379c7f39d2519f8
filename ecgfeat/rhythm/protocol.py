"""The episodes of a corpus that the rhythm task is scored on, counted from its annotation files alone."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ecgfeat.corpora.corpus import Corpus
from ecgfeat.corpora.splits import read_split
from ecgfeat.errors import DataError
from ecgfeat.records.annotations import aami_class, find_episodes
from ecgfeat.records.reader import read_annotations, read_header
from ecgfeat.rhythm.sampling import BASE_SEEDS, draw_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.scoring.rhythm import class_codes
from ecgfeat.signals.resample import num_resampled
from ecgfeat.signals.rpeak_table import to_common_rate
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS

WINDOW_SAMPLES = 1280
BEFORE_FIRST: Literal["nsr", "unlabelled"] = "nsr"
MIN_EPISODE_SAMPLES = 16
"""Of the published protocol: segments of 10 s, NSR before the first mark, no shorter episodes at the record's rate."""

Tables = Mapping[str, tuple[tuple[str, ...], BeatTable, EpisodeTable]]
"""By split: its records in order, their N, S and V beats, and their episodes, at the common rate."""


def protocol_counts(corpus: Corpus, raw_folder: Path, on_record: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Count the records of each split and the episodes around which a segment can be drawn.

    Parameters
    ----------
    corpus : Corpus
        Facts of the corpus; its default split is used.
    raw_folder : Path
        Where its headers and annotation files are.
    on_record : callable, optional
        Called with the name of each record that has been read.

    Returns
    -------
    dict
        ``records`` by split; ``test_records``, in the order of the corpus; ``episodes`` by split and class, with
        their ``total``.

    Raises
    ------
    DataError
        If a header or an annotation file is missing or damaged.
    """
    tables = read_protocol(corpus, raw_folder, on_record=on_record)
    return {
        "records": {split: len(records) for split, (records, _, _) in tables.items()},
        "test_records": list(tables["test"][0]),
        "episodes": {split: segment_counts(tables, split) for split in tables},
    }


def counts_as_text(counts: dict[str, Any]) -> str:
    """Write the counts of `protocol_counts` as a table with a column for each split.

    Parameters
    ----------
    counts : dict
        Result of `protocol_counts`.

    Returns
    -------
    str
        Several lines.
    """
    splits = list(counts["episodes"])
    lines = ["            " + "".join(f"{split:>12}" for split in splits)]
    lines.append("records     " + "".join(f"{counts['records'][split]:>12,}" for split in splits))
    for name in counts["episodes"][splits[0]]:
        lines.append(f"{name:<12}" + "".join(f"{counts['episodes'][split][name]:>12,}" for split in splits))
    return "\n".join([*lines, f"test records: {' '.join(counts['test_records'])}"])


def read_protocol(
    corpus: Corpus,
    raw_folder: Path,
    *,
    before_first: Literal["nsr", "unlabelled"] = BEFORE_FIRST,
    min_episode_samples: int = MIN_EPISODE_SAMPLES,
    on_record: Callable[[str], None] | None = None,
) -> Tables:
    """Read beats and episodes of every record of a corpus that is in a split.

    Parameters
    ----------
    corpus : Corpus
        Facts of the corpus; its default split is used.
    raw_folder : Path
        Where its headers and annotation files are.
    before_first : {'nsr', 'unlabelled'}
        Rhythm before the first mark; `Corpus.before_first`, if set, replaces it.
    min_episode_samples : int
        Shorter episodes are dropped, at the record's own rate.
    on_record : callable, optional
        Called with the name of each record that has been read.

    Returns
    -------
    mapping
        ``train``, ``validation`` and ``test``.

    Raises
    ------
    DataError
        If a header or an annotation file is missing or damaged.
    """
    listing = Path(raw_folder) / corpus.records_file
    if not corpus.records and not listing.is_file():
        raise DataError(corpus.slug, found=f"no {listing}", expected="the corpus's own list of records")
    records = corpus.records or tuple(listing.read_text("utf-8").split())
    split_of = read_split(corpus, corpus.default_split, records=records)
    tables = {}
    for split in BASE_SEEDS:
        names = tuple(record for record in records if split_of[record] == split)
        samples, lengths, starts, stops, rhythms, owners = [], [], [], [], [], []
        for index, record in enumerate(names):
            header = read_header(raw_folder, record)
            rules: dict[str, Any] = {"fs_hz": header.fs_hz, "drop_before_start": corpus.marks_before_start}
            marks = read_annotations(raw_folder, record, corpus.annotation, None, **rules)
            episodes = find_episodes(
                marks.sample,
                marks.aux,
                header.num_samples,
                corpus.rhythm_labels,
                before_first=corpus.before_first or before_first,
                min_samples=min_episode_samples,
                symbol=corpus.rhythm_symbols(marks.symbol.tolist()),
            )
            beats = marks
            if corpus.beat_annotation is not None:
                beats = read_annotations(raw_folder, record, corpus.beat_annotation, None, **rules)
            is_used = np.isin(aami_class(beats.symbol, "dechazal"), BEAT_CLASSES)
            samples.append(to_common_rate(beats.sample[is_used], header.fs_hz))
            lengths.append(num_resampled(header.num_samples, header.fs_hz, COMMON_FS_HZ))
            starts.append(to_common_rate(episodes.start_sample, header.fs_hz))
            stops.append(to_common_rate(episodes.stop_sample, header.fs_hz))
            rhythms.append(class_codes(episodes.rhythm, RHYTHMS))
            owners.append(np.full(len(episodes), index, dtype=np.int64))
            if on_record is not None:
                on_record(record)
        none = np.zeros(0, dtype=np.int64)
        tables[split] = (
            names,
            BeatTable(
                np.concatenate([none, *samples]),
                np.cumsum([0, *(len(sample) for sample in samples)]),
                np.array(lengths, dtype=np.int64),
            ),
            EpisodeTable(
                np.concatenate([none, *owners]),
                np.concatenate([none, *starts]),
                np.concatenate([none, *stops]),
                np.concatenate([none, *rhythms]),
            ),
        )
    return tables


def segment_counts(tables: Tables, split: str, *, min_beats: int = 0, epoch: int = 0) -> dict[str, int]:
    """Count the segments of one draw, by class.

    Parameters
    ----------
    tables : mapping
        What `read_protocol` returned.
    split : {'train', 'validation', 'test'}
        Which records.
    min_beats : int
        Segments with fewer beats are not counted. With 0 the draw does not matter: an episode has a segment or none.
    epoch : int
        Number of the draw.

    Returns
    -------
    dict of str to int
        Each of the six classes, and ``total``.
    """
    _, beats, episodes = tables[split]
    shape = {"window_samples": WINDOW_SAMPLES, "max_beats": 1}
    segments = draw_segments(beats, episodes, base_seed=BASE_SEEDS[split], epoch=epoch, **shape)
    count_K = np.bincount(segments.label[segments.num_beats >= min_beats], minlength=len(RHYTHMS))
    return {**{name: int(count) for name, count in zip(RHYTHMS, count_K, strict=True)}, "total": int(count_K.sum())}
