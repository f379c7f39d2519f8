"""What a download needs to know about a corpus; `Corpus` and `DiagnosticCorpus` both provide it."""

from typing import Protocol


class Collection(Protocol):
    """What a download needs to know; `Corpus` and `DiagnosticCorpus` both provide it."""

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
        """Record names; empty: they follow from `record_regex`, or else from `records_file`."""

    @property
    def record_regex(self) -> str:
        """Regular expression of record names: every header that matches is a record; empty: unused."""

    @property
    def records_file(self) -> str:
        """Name of the file that lists the records, where neither `records` nor `record_regex` does."""

    @property
    def extensions(self) -> tuple[str, ...]:
        """Extensions of the files that every record must have, besides its signal."""

    @property
    def optional_extensions(self) -> tuple[str, ...]:
        """Extensions of files that some records have."""

    @property
    def extra_files(self) -> tuple[str, ...]:
        """Files that belong to no record."""

    @property
    def without_signal(self) -> tuple[str, ...]:
        """Records that are published without samples."""
