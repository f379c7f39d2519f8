"""Facts of a corpus: long records with rhythms (`Corpus`) or short records with diagnoses (`DiagnosticCorpus`).

Nothing here reads or downloads a file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from ecgfeat.corpora.snomed import Codes
from ecgfeat.errors import UsageError

NOTHING: Mapping[str, str] = MappingProxyType({})
ALL_LEADS = "all"
"""Stands for the names of all leads of a corpus."""
LEADS_12 = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Standard spelling and order of the twelve leads."""


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
        Record names in order, with their folder where the corpus has one; empty: the file `records_file` of the
        corpus lists them.
    fs_hz : float or None
        Sampling frequency that every header must state, in hertz; None where records have rates of their own.
    num_leads : int or None
        Leads per record; None where records differ.
    lead_names : tuple of str
        Names by position, or empty where they differ per record.
    annotation : str
        Extension of the reference annotations that carry the rhythms, such as ``atr``; empty: there are none, and the
        records are used to be predicted.
    beat_annotation : str or None
        Extension of the reference beats where they are in a file of their own; None: beats and rhythms
        share a file.
    rhythm_labels : mapping of str to str
        Rhythm text of the annotation file (without ``(``) to the name used here. A text that is missing
        keeps its own name.
    before_first : {'nsr', 'afib', 'unlabelled'} or None
        Rhythm before the first rhythm mark of a record, and of a record without marks; replaces the param
        ``annotate.before_first``. None: the param decides. ``unlabelled`` where unmarked time is no evidence of
        sinus rhythm; ``afib`` where whole records were chosen for atrial fibrillation and have no marks.
    rhythm_marks : {'symbols', 'notes', 'none'}
        Annotations that change the rhythm: those of symbol ``+``; those of any symbol whose note begins with ``(``
        or ``)``; or none, whatever the file holds.
    some_unannotated : bool
        Whether some records are published without the file `annotation`. They are acquired and not used.
    marks_before_start : bool
        Whether some annotations stand before the first sample. They are left out; elsewhere they are refused.
    records_file : str
        Name of the file that lists the records, where `records` is empty.
    has_beat_classes : bool
        Whether the beats were classified. False: they are positions only, whatever their symbol.
    subjects : mapping of str to str
        Subject of a record, where it is not the record's own name and no pattern gives it.
    subject_pattern : str
        Regular expression whose first group, searched in the record name, is the subject; empty: unused.
    subject_comment : str
        Regular expression whose first group, searched in the comments of a header, must be the subject, where it
        is found; empty: unused.
    excluded : mapping of str to str
        Records that no split may train or test on, with the reason.
    without_signal : tuple of str
        Records that the corpus itself publishes without samples.
    default_split : str
        Name of the split that ``annotate.split: default`` stands for.
    licence, citation : str
        Terms of use and the publication to cite.
    quirks : tuple of str
        Traps, one sentence each.
    excerpts_of : tuple of str
        Corpora whose subjects are, or may be, among its own, under other names: it is not used together with them.
    heavy_records : tuple of str
        Records that hold most of a class: scores are also given without them.
    """

    slug: str
    title: str
    version: str
    path: str
    records: tuple[str, ...]
    fs_hz: float | None
    num_leads: int | None
    lead_names: tuple[str, ...]
    annotation: str
    rhythm_labels: Mapping[str, str]
    default_split: str
    licence: str
    citation: str
    beat_annotation: str | None = None
    before_first: Literal["nsr", "afib", "unlabelled"] | None = None
    rhythm_marks: Literal["symbols", "notes", "none"] = "symbols"
    some_unannotated: bool = False
    marks_before_start: bool = False
    records_file: str = "RECORDS"
    has_beat_classes: bool = True
    subjects: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    subject_pattern: str = ""
    subject_comment: str = ""
    excluded: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    without_signal: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    excerpts_of: tuple[str, ...] = ()
    heavy_records: tuple[str, ...] = ()

    @property
    def record_regex(self) -> str:
        """Empty: these corpora list their records."""
        return ""

    @property
    def extensions(self) -> tuple[str, ...]:
        """Extensions of header and annotations."""
        annotations = dict.fromkeys(filter(None, (self.annotation, self.beat_annotation or self.annotation)))
        return ("hea", *(name for name in annotations if name not in self.optional_extensions))

    @property
    def optional_extensions(self) -> tuple[str, ...]:
        """Extension of the annotations, where some records have none."""
        return (self.annotation,) if self.some_unannotated else ()

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
        match = re.search(self.subject_pattern, record) if self.subject_pattern else None
        return match.group(1) if match else record

    def rhythm_symbols(self, symbols: Sequence[str]) -> Sequence[str] | None:
        """Return the symbols by which `find_episodes` finds the rhythm marks of this corpus.

        Parameters
        ----------
        symbols : sequence of str, length n
            Symbols of the annotations of a record.

        Returns
        -------
        sequence of str, length n, or None
            The same; none of them where the corpus has no rhythm marks; None where notes alone are the marks.
        """
        if self.rhythm_marks == "notes":
            return None
        return symbols if self.rhythm_marks == "symbols" else [""] * len(symbols)


@dataclass(frozen=True)
class DiagnosticCorpus:
    """A collection of short ECG records with diagnoses that hold for the whole record.

    Attributes
    ----------
    slug, title, version : str
        As of `ecgfeat.corpora.Corpus`.
    path : str
        Path below ``https://physionet.org/files/``; empty where the corpus is not downloaded.
    record_pattern : str
        Regular expression that the path of a record of this corpus matches in full, below `path` or in a flat folder;
        ``{hz}`` stands for the rate. Other files there (another corpus, copies for validation) are ignored.
    num_records : int
        Records of the published version; 0: as many as are made.
    fs_hz : float
        Sampling frequency that every header must state, in hertz.
    lead_names : tuple of str
        Leads of the ``leads`` array, in its order.
    classes : tuple of str
        Classes, in the order of every probability column.
    task : {'single', 'multi'}
        Whether exactly one class holds for a record, or any number.
    scored : tuple of str
        Classes of the official score.
    source : {'reference', 'dx', 'ptbxl', 'rhythm'}
        Where the labels are: ``REFERENCE-v3.csv``; the line ``Dx`` of each header; ``ptbxl_database.csv``; the line
        ``Rhythm`` of each header.
    codes : mapping of str to Meaning
        Meaning of each code; empty for PTB-XL, whose codes are in ``scp_statements.csv``.
    licence, citation : str
        Terms of use and the publication to cite.
    rates_hz : tuple of float
        Rates the corpus is published at, if more than one.
    lead_aliases : mapping of str to str
        Names of standard leads, in lower case, that only this corpus uses.
    extra_files : tuple of str
        Files beside the records that are needed.
    has_checksums : bool
        Whether the checksums in its headers are those of the samples. False: they are not compared.
    excluded : mapping of str to str
        Records, without folder, that are not used, with the reason.
    rhythms : mapping of str to str
        Rhythm of the whole record that a class or code states; of all others the rhythm is not known. AFL is atrial
        flutter, which is none of the six rhythms and is not scored as one.
    ectopic : tuple of str
        Classes or codes that say that there are S or V beats.
    quirks : tuple of str
        Traps, one sentence each.
    """

    slug: str
    title: str
    version: str
    path: str
    record_pattern: str
    num_records: int
    fs_hz: float
    lead_names: tuple[str, ...]
    classes: tuple[str, ...]
    task: Literal["single", "multi"]
    scored: tuple[str, ...]
    source: Literal["reference", "dx", "ptbxl", "rhythm"]
    codes: Codes
    licence: str
    citation: str
    rates_hz: tuple[float, ...] = ()
    lead_aliases: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    extra_files: tuple[str, ...] = ()
    has_checksums: bool = False
    excluded: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    rhythms: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    ectopic: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()

    def rhythms_of(self, stated: Sequence[str]) -> set[str]:
        """Return the rhythms of a whole record that its classes and codes state; of ``SR:100`` the 100 is left out."""
        return {self.rhythms[name] for name in _without_likelihood(stated) if name in self.rhythms}

    def has_ectopic(self, stated: Sequence[str]) -> bool:
        """Tell whether the classes and codes of a record say that it has S or V beats."""
        return not set(self.ectopic).isdisjoint(_without_likelihood(stated))

    def at_rate(self, fs_hz: float) -> "DiagnosticCorpus":
        """Return the facts of the same corpus at another of its rates.

        Parameters
        ----------
        fs_hz : float
            One of `rates_hz`.

        Returns
        -------
        DiagnosticCorpus
            Unchanged, if the corpus has one rate only.

        Raises
        ------
        UsageError
            If it is not published at that rate.
        """
        if not self.rates_hz:
            return self
        if fs_hz not in self.rates_hz:
            expected = " or ".join(f"{rate_hz:g} Hz" for rate_hz in self.rates_hz)
            raise UsageError(self.slug, found=f"{fs_hz:g} Hz", expected=expected)
        return replace(self, fs_hz=fs_hz)

    def pick_leads(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the named leads in standard order.

        Parameters
        ----------
        names : sequence of str
            Some of `lead_names`, or `ALL_LEADS` alone.

        Returns
        -------
        tuple of str

        Raises
        ------
        UsageError
            If the corpus has no such lead, a lead is named twice, or none is named.
        """
        if list(names) == [ALL_LEADS]:
            return self.lead_names
        unknown = [name for name in names if name not in self.lead_names]
        if unknown or not names or len(set(names)) < len(names):
            found = f"no lead {', '.join(unknown)}" if unknown else f"leads {', '.join(names) or 'none'}"
            expected = f"{ALL_LEADS}, or some of {', '.join(self.lead_names)}, each once"
            raise UsageError(self.slug, found=found, expected=expected)
        return tuple(name for name in self.lead_names if name in names)

    @property
    def record_regex(self) -> str:
        """`record_pattern` at this rate."""
        return self.record_pattern.replace("{hz}", f"{self.fs_hz:g}")

    @property
    def records(self) -> tuple[str, ...]:
        """Empty: the records follow from `record_regex`."""
        return ()

    @property
    def records_file(self) -> str:
        """Not read: the records follow from `record_regex`."""
        return "RECORDS"

    @property
    def extensions(self) -> tuple[str, ...]:
        """Extension of the header; no annotation file is read."""
        return ("hea",)

    @property
    def optional_extensions(self) -> tuple[str, ...]:
        """No annotation file is read."""
        return ()

    @property
    def without_signal(self) -> tuple[str, ...]:
        """No record is published without samples."""
        return ()


def _without_likelihood(stated: Sequence[str]) -> list[str]:
    return [name.split(":")[0] for name in stated]
