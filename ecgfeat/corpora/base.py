"""What the pipeline must know about a corpus, as plain facts: no reading, no downloading, no arithmetic."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

NOTHING: Mapping[str, str] = MappingProxyType({})


class Collection(Protocol):
    """What must be known of a corpus to bring its files: `Corpus` and `DiagnosticCorpus` tell."""

    @property
    def slug(self) -> str:
        """Short name."""

    @property
    def version(self) -> str:
        """Version the facts were written for."""

    @property
    def path(self) -> str:
        """Path below ``https://physionet.org/files/``."""

    @property
    def records(self) -> tuple[str, ...]:
        """Record names; empty: `record_regex`, or else the file ``RECORDS``, tells."""

    @property
    def record_regex(self) -> str:
        """Regular expression of record names: the records are the headers that are there; empty: unused."""

    @property
    def extensions(self) -> tuple[str, ...]:
        """Extensions of the files that every record must have beside its signal."""

    @property
    def extra_files(self) -> tuple[str, ...]:
        """Files that belong to no record."""

    @property
    def without_signal(self) -> tuple[str, ...]:
        """Records that are published without samples."""


@dataclass(frozen=True)
class Corpus:
    """A collection of ECG records that share a format, an annotation convention and a licence.

    Attributes
    ----------
    slug : str
        Short name, used for folders and on the command line, such as ``mitdb``.
    title : str
        Full name.
    version : str
        Version the facts below were written for.
    path : str
        Path below ``https://physionet.org/files/``, such as ``mitdb/1.0.0``; empty where the corpus is
        not downloaded.
    records : tuple of str
        Record names in order, with their folder where the corpus has one; empty: the file ``RECORDS`` of the
        corpus lists them.
    fs_hz : float
        Sampling frequency that every header must state, in hertz.
    num_leads : int
        Leads per record.
    lead_names : tuple of str
        Names by position, or empty where they differ per record.
    annotation : str
        Extension of the reference annotations that carry the rhythms, such as ``atr``.
    beat_annotation : str or None
        Extension of the reference beats where they are in a file of their own; None: beats and rhythms
        share a file.
    rhythm_labels : mapping of str to str
        Rhythm text of the annotation file (without ``(``) to the name used here. A text that is missing
        keeps its own name.
    before_first : {'nsr', 'unlabelled'} or None
        What holds before the first rhythm mark of a record, and all along where there is none, whatever a user asks
        for; None: as the user asks. ``unlabelled`` where unmarked time is no evidence of sinus rhythm.
    has_beat_classes : bool
        Whether somebody told the beats apart. False: the beats are positions only, whatever symbol they carry.
    subjects : mapping of str to str
        Subject of a record, where it is not the record's own name and no pattern gives it.
    subject_pattern : str
        Regular expression whose first group, searched in the record name, is the subject; empty: unused.
    excluded : mapping of str to str
        Records that no split may train or test on, with the reason.
    without_signal : tuple of str
        Records that the corpus itself publishes without samples.
    default_split : str
        Name of the split that is used when none is asked for.
    licence, citation : str
        Terms of use and the publication to cite.
    quirks : tuple of str
        Traps, one sentence each.
    """

    slug: str
    title: str
    version: str
    path: str
    records: tuple[str, ...]
    fs_hz: float
    num_leads: int
    lead_names: tuple[str, ...]
    annotation: str
    rhythm_labels: Mapping[str, str]
    default_split: str
    licence: str
    citation: str
    beat_annotation: str | None = None
    before_first: Literal["nsr", "unlabelled"] | None = None
    has_beat_classes: bool = True
    subjects: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    subject_pattern: str = ""
    excluded: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    without_signal: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()

    @property
    def record_regex(self) -> str:
        """Empty: these corpora list their records."""
        return ""

    @property
    def extensions(self) -> tuple[str, ...]:
        """Extensions of header and annotations."""
        return ("hea", self.annotation, *([self.beat_annotation] if self.beat_annotation else []))

    @property
    def extra_files(self) -> tuple[str, ...]:
        """No file that belongs to no record."""
        return ()

    def subject_of(self, record: str) -> str:
        """Return the subject a record belongs to.

        Parameters
        ----------
        record : str
            Record name, with its folder where the corpus has one.

        Returns
        -------
        str
            The subject: from `subjects`, else from `subject_pattern`, else the record's own name.
        """
        if record in self.subjects:
            return self.subjects[record]
        found = re.search(self.subject_pattern, record) if self.subject_pattern else None
        return found.group(1) if found else record
