"""Which records train, validate and test: shipped lists, random splits by subject, and folds of a cross-validation.

A split is a dict from record to train, validation, test or none.

References
----------
de Chazal, O'Dwyer, Reilly, IEEE Trans Biomed Eng 51:1196-1206, 2004 (lists DS1 and DS2 of mitdb).
"""

import csv
import re
from collections.abc import Sequence
from importlib import resources

import numpy as np

from ecgfeat.corpora import Corpus
from ecgfeat.errors import DataError, UsageError

SPLITS = ("train", "validation", "test", "none")
SEEDED = re.compile(r"seed(\d+)(?:-(\d+)-(\d+)-(\d+))?")
FOLDED = re.compile(r"fold(\d+)of(\d+)")

DEFAULT_PERCENT = (80, 10, 10)
"""Shares of train, validation and test in a split named ``seed<n>``."""

FOLD_SEED = 42
"""Seed of every draw of folds. It is no param: the folds of one cross-validation must come from one shuffle."""


def read_split(corpus: Corpus, name: str, *, records: Sequence[str] | None = None) -> dict[str, str]:
    """Return the split of each record of a corpus.

    A file ``<corpus>-<name>.csv`` shipped with the package comes first. Otherwise the name states a rule:
    ``seed<n>-<train>-<validation>-<test>`` in percent of subjects, ``seed<n>`` for 80-10-10 (`draw_split`), or
    ``fold<i>of<k>``, such as ``fold0of5``, the first of five folds (`draw_fold`).

    Parameters
    ----------
    corpus : Corpus
        Facts of the corpus.
    name : str
        Name of the split.
    records : sequence of str, optional
        Names of the records, where the corpus has no list of its own. Default: `corpus.records`, or all records
        of the file.

    Returns
    -------
    dict of str to {'train', 'validation', 'test', 'none'}
        In the order of the records. Excluded records are ``none``.

    Raises
    ------
    UsageError
        If there is no such file and no such rule.
    DataError
        If a record is missing, listed twice, or excluded and yet used, or a subject is in two splits.
    """
    chosen = tuple(corpus.records if records is None else records)
    where = f"split {corpus.slug}-{name}"
    folder = resources.files("ecgfeat.corpora") / "split_tables"
    shipped = folder / f"{corpus.slug}-{name}.csv"
    if shipped.is_file():
        listed = parse_split(shipped.read_text("utf-8"), where)
        chosen = chosen or tuple(listed)
        missing = [record for record in chosen if record not in listed]
        if missing:
            raise DataError(where, found=f"no line for record {missing[0]}", expected="each record of the corpus")
        split = {record: listed[record] for record in chosen}
    elif SEEDED.fullmatch(name) or FOLDED.fullmatch(name):
        if not chosen:
            raise DataError(where, found="no records", expected="the names of the records: this corpus has no list")
        used = [record for record in chosen if record not in corpus.excluded]
        drawn = _draw_by_name([corpus.subject_of(record) for record in used], name)
        split = dict.fromkeys(chosen, "none") | {record: drawn[corpus.subject_of(record)] for record in used}
    else:
        files = (path.name for path in folder.iterdir() if path.name.startswith(f"{corpus.slug}-"))
        names = sorted(file.removeprefix(f"{corpus.slug}-").removesuffix(".csv") for file in files)
        expected = ", ".join([*names, "seed<number>", "fold<i>of<k>"])
        raise UsageError(f"{corpus.slug}: split", found=f"unknown split {name!r}", expected=expected)
    check_split(corpus, split, where)
    return split


def _draw_by_name(subjects: Sequence[str], name: str) -> dict[str, str]:
    """Draw the split of each subject by the rule that `name` states."""
    if fold := FOLDED.fullmatch(name):
        return draw_fold(subjects, int(fold[1]), int(fold[2]))
    seeded = SEEDED.fullmatch(name)
    assert seeded is not None, name
    seed, train, validation, test = (int(number) for number in seeded.groups(default="0"))
    return draw_split(subjects, seed, (train, validation, test) if seeded[2] else DEFAULT_PERCENT)


def draw_split(subjects: Sequence[str], seed: int, percent: tuple[int, int, int]) -> dict[str, str]:
    """Assign subjects to train, validation and test at random.

    Parameters
    ----------
    subjects : sequence of str
        Subjects; their order does not matter.
    seed : int
        Seed of ``numpy.random.default_rng``.
    percent : tuple of int
        Shares of train, validation and test. The first two are rounded down, test gets the rest; where its share is 0,
        validation does.

    Returns
    -------
    dict of str to str
        Split of each subject, in sorted order.

    Raises
    ------
    UsageError
        If the shares do not add up to 100.
    """
    if sum(percent) != 100:
        raise UsageError("split", found=f"shares {'-'.join(map(str, percent))}", expected="three that add up to 100")
    shuffled = sorted(set(subjects))  # as strings: "100" comes before "11"
    np.random.default_rng(seed).shuffle(shuffled)
    num_train, num_validation = (len(shuffled) * share // 100 for share in percent[:2])
    if percent[2] == 0:
        num_validation = len(shuffled) - num_train
    split = dict.fromkeys(shuffled[:num_train], "train")
    split |= dict.fromkeys(shuffled[num_train : num_train + num_validation], "validation")
    return {subject: split.get(subject, "test") for subject in sorted(shuffled)}


def draw_fold(subjects: Sequence[str], fold: int, num_folds: int) -> dict[str, str]:
    """Assign subjects to the test, validation and training part of one fold of a cross-validation.

    Parameters
    ----------
    subjects : sequence of str
        Subjects; their order does not matter.
    fold : int
        The part that is tested, from 0.
    num_folds : int
        Number of parts of the shuffled subjects; their sizes differ by one at most.

    Returns
    -------
    dict of str to str
        Split of each subject, in sorted order. Over all folds every subject is in ``test`` exactly once.

    Raises
    ------
    UsageError
        If there is no such fold, or a part would be empty.

    Notes
    -----
    * An eighth of the other subjects validates, at least one: those that follow the tested part in the shuffle, and
      after its end those at its beginning. So each fold has other validation subjects.
    """
    shuffled = sorted(set(subjects))
    where, name = "split", f"fold{fold}of{num_folds}"
    if num_folds < 2:
        raise UsageError(where, found=name, expected="two folds or more")
    if fold >= num_folds:
        raise UsageError(where, found=name, expected=f"fold0of{num_folds} to fold{num_folds - 1}of{num_folds}")
    if num_folds > len(shuffled):
        raise UsageError(where, found=f"{name} of {len(shuffled)} subjects", expected=f"at most {len(shuffled)} folds")
    np.random.default_rng(FOLD_SEED).shuffle(shuffled)
    parts = np.array_split(np.arange(len(shuffled)), num_folds)
    test = parts[fold]
    num_others = len(shuffled) - len(test)
    if num_others < 2:
        raise UsageError(
            where, found=f"{name} of {len(shuffled)} subjects", expected="two subjects or more outside each fold"
        )
    others = [shuffled[(int(test[-1]) + 1 + i) % len(shuffled)] for i in range(num_others)]
    num_validation = max(1, round(num_others / 8))
    split = dict.fromkeys(others[:num_validation], "validation") | dict.fromkeys(others[num_validation:], "train")
    return {subject: split.get(subject, "test") for subject in sorted(shuffled)}


def parse_split(text: str, where: str) -> dict[str, str]:
    """Parse a split file: the columns record and split, one line per record.

    Parameters
    ----------
    text : str
        Content of the file.
    where : str
        Name of the split, for messages.

    Returns
    -------
    dict of str to str
        Split of each record.

    Raises
    ------
    DataError
        If a line is malformed, names an unknown split, or repeats a record.
    """
    lines = list(csv.reader(text.splitlines()))
    if not lines or lines[0] != ["record", "split"]:
        raise DataError(where, found=f"first line {','.join(lines[0]) if lines else ''!r}", expected="record,split")
    split: dict[str, str] = {}
    for line in lines[1:]:
        if len(line) != 2 or line[1] not in SPLITS:
            raise DataError(where, found=f"line {','.join(line)!r}", expected=f"record and one of {', '.join(SPLITS)}")
        if line[0] in split:
            raise DataError(where, found=f"record {line[0]} twice", expected="each record once")
        split[line[0]] = line[1]
    return split


def check_split(corpus: Corpus, split: dict[str, str], where: str) -> None:
    """Refuse a split that puts a subject into two parts or uses an excluded record.

    Parameters
    ----------
    corpus : Corpus
        Facts of the corpus: subjects and exclusions.
    split : dict of str to str
        Split of each record.
    where : str
        Name of the split, for messages.

    Raises
    ------
    DataError
        If it does.
    """
    split_of: dict[str, str] = {}
    for record, part in split.items():
        if part == "none":
            continue
        if record in corpus.excluded:
            found = f"excluded record {record} in {part} ({corpus.excluded[record]})"
            raise DataError(where, found=found, expected="none")
        subject = corpus.subject_of(record)
        if split_of.setdefault(subject, part) != part:
            found = f"subject {subject} (record {record}) in {split_of[subject]} and {part}"
            raise DataError(where, found=found, expected="each subject in one split")
