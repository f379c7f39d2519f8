"""Diagnoses of a record: codes from headers and tables, and the classes they state or leave open.

A class is stated, denied or open. It is denied only if every code of the record has been reviewed: an unreviewed code
may mean anything, and leaves every class open that no other code states.

References
----------
Perez Alday et al., Physiol Meas 41:124003, 2020 (``Dx`` lines); Clifford et al., Computing in Cardiology 44, 2017
(``REFERENCE-v3.csv``); Wagner et al., Scientific Data 7:154, 2020 (``scp_codes`` and their likelihoods).
"""

import ast
import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.errors import DataError
from ecgfeat.records.headers import Header


@dataclass(frozen=True)
class Diagnosis:
    """Diagnosis of one record.

    Attributes
    ----------
    subject : str
        Person the record was taken from.
    codes : tuple of str
        As in the file; for PTB-XL with the likelihood in percent, such as ``IMI:80``.
    labels, unknown : tuple of str
        Classes that are stated, and classes that are neither stated nor denied, in the order of the classes.
    official_fold : int or None
        Fold 1 to 10 given by the corpus, if any.
    """

    subject: str
    codes: tuple[str, ...]
    labels: tuple[str, ...]
    unknown: tuple[str, ...]
    official_fold: int | None = None


LabelReader = Callable[[str, Header], Diagnosis]


def open_labels(corpus: DiagnosticCorpus, folder: Path) -> LabelReader:
    """Prepare to read the diagnoses of a corpus.

    Parameters
    ----------
    corpus : DiagnosticCorpus
        Facts: where the labels are, and their meaning.
    folder : Path
        Folder of its files.

    Returns
    -------
    callable
        Takes a record's name and header, returns its `Diagnosis`, and raises `DataError` if there is none.

    Raises
    ------
    DataError
        If a table of labels is absent or damaged.
    """
    if corpus.source == "ptbxl":
        return _ptbxl_reader(corpus, folder)
    reference = read_reference(folder / "REFERENCE-v3.csv") if corpus.source == "reference" else {}

    def read(record: str, header: Header) -> Diagnosis:
        name, where = Path(record).name, f"{corpus.slug}/{record}"
        if corpus.source == "dx":
            codes = parse_dx(header.comments, where)
        elif corpus.source == "rhythm":
            codes = parse_rhythm(header.comments, where)
        elif name in reference:
            codes = (reference[name],)
        else:
            raise DataError(where, found="no line in REFERENCE-v3.csv", expected="one per record")
        labels, unknown = name_classes(codes, corpus)
        return Diagnosis(name, codes, labels, unknown)

    return read


def name_classes(codes: Sequence[str], corpus: DiagnosticCorpus) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the classes that the codes of one record state, and those they leave open.

    Parameters
    ----------
    codes : sequence of str
        Codes of the record.
    corpus : DiagnosticCorpus
        Its classes, and the meaning of its reviewed codes.

    Returns
    -------
    labels, unknown : tuple of str
        In the order of the classes, without overlap. A code in no table leaves every class open.
    """
    meanings = [corpus.codes[code] for code in codes if code in corpus.codes]
    stated = {label for meaning in meanings for label in meaning.classes}
    vague = {label for meaning in meanings for label in meaning.vague}
    if len(meanings) < len(codes):
        vague = set(corpus.classes)
    return _in_order(corpus, stated), _in_order(corpus, vague - stated)


def _in_order(corpus: DiagnosticCorpus, classes: Iterable[str]) -> tuple[str, ...]:
    chosen = set(classes)
    return tuple(label for label in corpus.classes if label in chosen)


def parse_dx(comments: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the codes in the ``Dx`` line of a header.

    Parameters
    ----------
    comments : sequence of str
        Comment lines without ``#``: ``#Dx:`` and ``# Dx:`` are the same here.
    where : str
        Record, for messages.

    Returns
    -------
    tuple of str
        Codes in the order of the line, without repeats.

    Raises
    ------
    DataError
        If there is no such line, more than one, or nothing in it.
    """
    text = _only_line(comments, "Dx:", where)
    codes = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not codes:
        raise DataError(where, found="an empty Dx line", expected="at least one code")
    return codes


def parse_rhythm(comments: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the sentence in the ``Rhythm`` line of a header, in lower case without its full stop.

    Parameters
    ----------
    comments : sequence of str
        Comment lines without ``#``.
    where : str
        Record, for messages.

    Returns
    -------
    tuple of str
        One text, such as ``sinus bradycardia``.

    Raises
    ------
    DataError
        If there is no such line, more than one, or nothing in it.
    """
    text = _only_line(comments, "Rhythm:", where).rstrip(". ").lower()
    if not text:
        raise DataError(where, found="an empty Rhythm line", expected="the name of a rhythm")
    return (text,)


def _only_line(comments: Sequence[str], key: str, where: str) -> str:
    lines = [line.strip() for line in comments if line.strip().lower().startswith(key.lower())]
    if len(lines) != 1:
        raise DataError(where, found=f"{len(lines)} lines {key.rstrip(':')} in the header", expected="one")
    return lines[0][len(key) :].strip()


def read_reference(path: Path) -> dict[str, str]:
    """Read ``REFERENCE-v3.csv``: record and label on each line, no heading.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to str
        Label of each record.

    Raises
    ------
    DataError
        If the file is absent, a line is not of that form, or a record is listed twice.
    """
    labels: dict[str, str] = {}
    for number, line in enumerate(_read_csv(path), start=1):
        if len(line) != 2 or not all(line):
            raise DataError(f"{path.name} line {number}", found=repr(",".join(line)), expected="record and label")
        if line[0] in labels:
            raise DataError(f"{path.name} line {number}", found=f"record {line[0]} again", expected="each record once")
        labels[line[0]] = line[1]
    return labels


def read_superclasses(path: Path) -> dict[str, str]:
    """Read ``scp_statements.csv``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to str
        Superclass of each diagnostic statement, empty for a statement of form or rhythm.

    Raises
    ------
    DataError
        If the file is absent or lacks a column.
    """
    head, *lines = _read_csv(path)
    diagnostic, superclass = (_column(head, name, path) for name in ("diagnostic", "diagnostic_class"))
    return {line[0]: line[superclass] if _is_one(line[diagnostic]) else "" for line in lines}


def _ptbxl_reader(corpus: DiagnosticCorpus, folder: Path) -> LabelReader:
    """Read the table of PTB-XL.

    A diagnostic statement with a likelihood above 0 states its superclass. A likelihood of 0 means that none was given:
    it leaves the superclass open, unless another statement states it. Statements of form and rhythm have no superclass.
    """
    superclass = read_superclasses(folder / "scp_statements.csv")
    path = folder / "ptbxl_database.csv"
    head, *lines = _read_csv(path)
    file_name = "filename_hr" if corpus.fs_hz == 500 else "filename_lr"
    columns = [_column(head, name, path) for name in (file_name, "patient_id", "scp_codes", "strat_fold")]
    rows = {}
    for line in lines:
        file, patient, codes, fold = (line[at] for at in columns)
        if Path(file).name in rows:
            raise DataError(path.name, found=f"record {file} twice", expected="each record once")
        rows[Path(file).name] = (patient, codes, fold)

    def read(record: str, header: Header) -> Diagnosis:
        where = f"{corpus.slug}/{record}"
        row = rows.get(Path(record).name)
        if row is None:
            raise DataError(where, found=f"no line in {path.name}", expected="one per record")
        try:
            likelihoods = {str(code): float(percent) for code, percent in ast.literal_eval(row[1]).items()}
            subject, fold = str(int(float(row[0]))), int(float(row[2]))
        except (ValueError, SyntaxError, AttributeError, TypeError) as error:
            found = f"patient {row[0]!r}, codes {row[1][:60]!r}, fold {row[2]!r} in {path.name}"
            raise DataError(where, found=found, expected="a number, a dict of likelihoods, a fold 1 to 10") from error
        if not 1 <= fold <= 10:
            raise DataError(where, found=f"strat_fold {fold} in {path.name}", expected="1 to 10")
        stated = {superclass.get(code, "") for code, percent in likelihoods.items() if percent > 0}
        unstated = {superclass.get(code, "") for code, percent in likelihoods.items() if not percent > 0}
        vague = unstated if superclass.keys() >= likelihoods.keys() else set(corpus.classes)
        codes = tuple(f"{code}:{percent:g}" for code, percent in likelihoods.items())
        return Diagnosis(subject, codes, _in_order(corpus, stated), _in_order(corpus, vague - stated), fold)

    return read


def _read_csv(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        remedy = "Copy or download the file again."
        raise DataError(
            str(path), found=f"cannot be read ({type(error).__name__})", expected="a CSV file", remedy=remedy
        ) from error
    if not lines:
        raise DataError(str(path), found="an empty file", expected="at least one line")
    width = len(lines[0])
    for number, line in enumerate(lines, start=1):
        if len(line) != width:
            raise DataError(f"{path.name} line {number}", found=f"{len(line)} fields", expected=f"{width}, as above")
    return lines


def _column(head: Sequence[str], name: str, path: Path) -> int:
    if name not in head:
        raise DataError(str(path), found=f"no column {name}", expected="it in the first line")
    return head.index(name)


def _is_one(text: str) -> bool:
    return text in ("1", "1.0")
