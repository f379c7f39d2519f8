"""Inputs of the report, and the counts of its data section."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgfeat.corpora.splits import SPLITS
from ecgfeat.errors import DataError
from ecgfeat.report.drawings.strip import Strip
from ecgfeat.report.drawings.tachogram import Tachogram
from ecgfeat.scoring.tables import Table, codes, column_names, values

SIGNAL_KINDS = {
    "measured": "measured signals",
    "simulated": "simulated signals",
    "rendered": "true annotations, simulated waveforms",
    "none": "annotations only, no signals",
}


@dataclass(frozen=True)
class Term:
    """A word of the glossary: its spellings, what it means, and whether it is an abbreviation."""

    spellings: tuple[str, ...]
    meaning: str
    is_short: bool


@dataclass(frozen=True)
class CorpusInfo:
    """Origin of a corpus.

    Attributes
    ----------
    slug, title, version : str
        Name in the tables, full name, version.
    signals : str
        ``measured``, ``simulated``, ``rendered`` (true annotations, simulated waveforms) or ``none``.
    licence, citation : str
        Licence and citation of the corpus; empty if there are none.
    files_sha256 : str
        Hash over the list of file hashes in ``corpus.json``.
    split_name, split_sha256 : str
        Name and hash of the split file.
    split_note : str
        Remarks on the split, such as records that are not used.
    """

    slug: str
    title: str
    version: str
    signals: str
    licence: str = ""
    citation: str = ""
    files_sha256: str = ""
    split_name: str = ""
    split_sha256: str = ""
    split_note: str = ""


@dataclass(frozen=True)
class Tally:
    """Amount of one beat class or rhythm in a split of a corpus.

    Attributes
    ----------
    corpus, split : str
        Corpus and split.
    kind : str
        ``beat`` or ``rhythm``.
    label : str
        AAMI class or rhythm.
    count : int
        Beats, or episodes.
    subjects : int
        Subjects that have the class.
    seconds : float
        Duration of the episodes; 0 for beats.
    """

    corpus: str
    split: str
    kind: str
    label: str
    count: int
    subjects: int
    seconds: float = 0.0


@dataclass(frozen=True)
class ReportInputs:
    """All inputs of the report; tables are pyarrow tables or mappings of column name to array.

    Attributes
    ----------
    metrics : mapping
        Content of ``reports/scores.json``.
    corpora : sequence of CorpusInfo
        The corpora of this run.
    records : mapping of str to table
        ``data/records/<corpus>.parquet`` by corpus: ``record, subject, fs_hz, num_samples, split, status, reason``.
    tallies : sequence of Tally
        Beats and rhythms per split, from `tally_corpus`.
    fs_hz : float
        Sampling rate of the sample columns of the prediction tables.
    num_worst : int
        Number of the worst records and of the most confident errors to show.
    outside : mapping, optional
        Content of ``reports/outside.json``; empty: the run has no outside evaluation.
    diagnoses : sequence of mapping
        Content of ``reports/record_trees/<corpus>/scores.json``, in the order of the corpora.
    rpeaks, beats, rhythm : table, optional
        ``reports/predictions/*.parquet``; beats and rhythm as tables, or as files that are read in parts.
    outside_rhythm, outside_episodes : table, optional
        ``reports/outside/rhythm.parquet``, also as its file, and ``episodes.parquet``.
    detector : str, optional
        The R-peak detector of the pipeline; not needed if the table has only one.
    head, protocol : str, optional
        Head and protocol of the sections on this run's records. By default they are chosen by name, never by score:
        `ecgfeat.report.results.choice.choose_content`. The first screen and the records show what a user is given,
        where the run has it: `ecgfeat.report.results.choice.choose_chain`.
    stages : sequence of (str, str)
        Edges of the pipeline, from a stage to a stage that reads its output.
    training : mapping of str to sequence of mapping
        By model: one mapping of numbers for each epoch.
    read_strip : callable, optional
        ``read_strip(corpus, record, start_s, stop_s)`` returns the ECG between two times, or None without a signal.
        The report adds the ribbons of the reference and the prediction.
    read_tachogram : callable, optional
        The same for RR intervals, for records without a signal.
    title, version : str
        Heading, version of the program.
    params : mapping of str to value
        Params to show, by dotted name.
    selection : sequence of str
        Sentences on how models were chosen: on which records, among how many, how often the test records were used.
    glossary : sequence of Term
        Words that the page explains where they come first.
    """

    metrics: Mapping[str, Any]
    corpora: Sequence[CorpusInfo]
    records: Mapping[str, Table]
    tallies: Sequence[Tally]
    fs_hz: float
    num_worst: int
    outside: Mapping[str, Any] = field(default_factory=dict)
    diagnoses: Sequence[Mapping[str, Any]] = ()
    rpeaks: Table | None = None
    beats: Table | Path | None = None
    rhythm: Table | Path | None = None
    outside_rhythm: Table | Path | None = None
    outside_episodes: Table | None = None
    detector: str | None = None
    head: str | None = None
    protocol: str | None = None
    stages: Sequence[tuple[str, str]] = ()
    training: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    read_strip: Callable[[str, str, float, float], Strip | None] | None = None
    read_tachogram: Callable[[str, str, float, float], Tachogram | None] | None = None
    title: str = "ECG beats and rhythms"
    version: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    selection: Sequence[str] = ()
    glossary: Sequence[Term] = ()


def tally_corpus(corpus: str, records: Table, beats: Table, episodes: Table) -> list[Tally]:
    """Count beats and rhythms of the used records of a corpus, per split.

    Parameters
    ----------
    corpus : str
        Slug.
    records : table
        ``record, subject, fs_hz, split, status``.
    beats : table
        ``record, aami``; rows without an AAMI class are not counted. With ``count``, a row stands for so many.
    episodes : table
        ``record, start_sample, stop_sample, rhythm``, at each record's own rate.

    Returns
    -------
    list of Tally
        In the order of splits; labels sorted.
    """
    record_names, record = codes(records, "record")
    split_names, split = codes(records, "split")
    _, subject = codes(records, "subject")
    status_names, status = codes(records, "status")
    row_of = {record_names[code]: row for row, code in enumerate(record.tolist())}
    fs_hz = values(records, "fs_hz")
    is_used = np.array([status_names[code] == "used" for code in status])
    tallies: list[Tally] = []
    for kind, table, column in (("beat", beats, "aami"), ("rhythm", episodes, "rhythm")):
        names, of_record = codes(table, "record")
        at = np.array([row_of[name] for name in names], dtype=np.int64)[of_record]
        label_names, label = codes(table, column)
        seconds, count = np.zeros(len(at)), np.ones(len(at), dtype=np.int64)
        if "count" in column_names(table):
            count = values(table, "count")
        if kind == "rhythm":
            seconds = (values(table, "stop_sample") - values(table, "start_sample")) / fs_hz[at]
        for name in SPLITS:
            if name not in split_names:
                continue
            for index, text in enumerate(label_names):
                rows = (label == index) & is_used[at] & (split[at] == split_names.index(name))
                if text and rows.any():
                    subjects = len(np.unique(subject[at[rows]]))
                    duration = float(seconds[rows].sum())
                    tallies.append(Tally(corpus, name, kind, text, int(count[rows].sum()), subjects, duration))
    return tallies


def subjects_per_split(corpus: str, records: Table) -> dict[str, set[str]]:
    """Return the subjects of each split; a subject in two splits is an error.

    Parameters
    ----------
    corpus : str
        Slug, for the message.
    records : table
        ``record, subject, split, status``.

    Returns
    -------
    dict of str to set of str
        Subjects of the used records of each split.

    Raises
    ------
    DataError
        If a subject is in two of train, validation and test.
    """
    subject_names, subject = codes(records, "subject")
    split_names, split = codes(records, "split")
    status_names, status = codes(records, "status")
    subjects: dict[str, set[str]] = {}
    for of_subject, of_split, of_status in zip(subject.tolist(), split.tolist(), status.tolist(), strict=True):
        if status_names[of_status] == "used":
            subjects.setdefault(split_names[of_split], set()).add(subject_names[of_subject])
    for left, right in itertools.combinations([name for name in SPLITS[:3] if name in subjects], 2):
        shared = sorted(subjects[left] & subjects[right])
        if shared:
            raise DataError(
                f"{corpus}: split",
                found=f"subject {shared[0]} is in {left} and in {right}",
                expected="every subject in one split",
                remedy="Correct the split file.",
            )
    return subjects
