"""What is known of a corpus that gives one set of diagnoses per record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ecgfeat.corpora.base import NOTHING
from ecgfeat.corpora.snomed import (
    Codes,
)
from ecgfeat.errors import UsageError, fault

ALL_LEADS = "all"
"""In place of names of leads: every lead a corpus has."""
LEADS_12 = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Standard spelling and order of the twelve leads."""


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
        ``{hz}`` stands for the rate. What else lies there (another corpus, copies for validation) is left alone.
    num_records : int
        Records of the published version; 0: as many as are made.
    fs_hz : float
        Sampling frequency that every header must state, in hertz.
    lead_names : tuple of str
        Leads of the ``leads`` array, in its order.
    classes : tuple of str
        What is told apart, in the order of every probability column.
    task : {'single', 'multi'}
        Whether exactly one class holds, or any number.
    scored : tuple of str
        Classes of the official score.
    source : {'reference', 'dx', 'ptbxl', 'rhythm'}
        Where the labels are: ``REFERENCE-v3.csv``; the line ``Dx`` of each header; ``ptbxl_database.csv``; the line
        ``Rhythm`` of each header.
    codes : mapping of str to Meaning
        What the codes say of the classes (of PTB-XL, ``scp_statements.csv`` tells).
    licence, citation : str
        Terms of use and the publication to cite.
    rates_hz : tuple of float
        Rates the corpus is published at, where there is more than one.
    lead_aliases : mapping of str to str
        Names, in lower case, that only this corpus gives to standard leads.
    extra_files : tuple of str
        Files beside the records that are needed.
    has_checksums : bool
        Whether the checksums in its headers are known to be those of the samples. False: they are not compared.
    excluded : mapping of str to str
        Records, without folder, that are not used, with the reason.
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
    quirks: tuple[str, ...] = ()

    def at_rate(self, fs_hz: float) -> "DiagnosticCorpus":
        """Return the facts of the same corpus at another of its rates.

        Parameters
        ----------
        fs_hz : float
            One of `rates_hz`.

        Returns
        -------
        DiagnosticCorpus
            A corpus of one rate as it is.

        Raises
        ------
        UsageError
            If it is not published at that rate.
        """
        if not self.rates_hz:
            return self
        if fs_hz not in self.rates_hz:
            raise UsageError(fault(self.slug, f"{fs_hz:g} Hz", " or ".join(f"{one:g} Hz" for one in self.rates_hz)))
        return replace(self, fs_hz=fs_hz)

    def pick_leads(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return some of its leads in standard order, however they are listed.

        Parameters
        ----------
        names : sequence of str
            Some of `lead_names`; `ALL_LEADS` alone is every one.

        Returns
        -------
        tuple of str

        Raises
        ------
        UsageError
            If it has no such lead, one is named twice, or none is named.
        """
        if list(names) == [ALL_LEADS]:
            return self.lead_names
        strange = [name for name in names if name not in self.lead_names]
        if strange or not names or len(set(names)) < len(names):
            found = f"no lead {', '.join(strange)}" if strange else f"leads {', '.join(names) or 'none'}"
            expected = f"{ALL_LEADS}, or some of {', '.join(self.lead_names)}, each once"
            raise UsageError(fault(self.slug, found, expected))
        return tuple(name for name in self.lead_names if name in names)

    @property
    def record_regex(self) -> str:
        """`record_pattern` at this rate."""
        return self.record_pattern.replace("{hz}", f"{self.fs_hz:g}")

    @property
    def records(self) -> tuple[str, ...]:
        """Empty: the records are the headers that are there."""
        return ()

    @property
    def extensions(self) -> tuple[str, ...]:
        """Extension of the header: there are no annotation files to read."""
        return ("hea",)

    @property
    def without_signal(self) -> tuple[str, ...]:
        """No record is published without samples."""
        return ()
