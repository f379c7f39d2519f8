"""Which records train, validate and test: shipped lists, a rule for the corpora that ship none, and folds.

References
----------
de Chazal, O'Dwyer, Reilly, IEEE Trans Biomed Eng 51:1196-1206, 2004 (lists DS1 and DS2 of mitdb).
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from ecgfeat.corpora import Corpus
from ecgfeat.errors import DataError, UsageError

SPLITS = ("train", "validation", "test", "none")
SEEDED = re.compile(r"seed(\d+)(?:-(\d+)-(\d+)-(\d+))?")
FOLDED = re.compile(r"fold(\d+)of(\d+)")
FOLD_SEED = 42
"""Of the shuffle behind every fold, whatever the params say: folds of another shuffle would not fit together."""

OFFICIAL_FOLDS = 10


def draw_split(subjects: Sequence[str], seed: int, percent: tuple[int, int, int] = (80, 10, 10)) -> dict[str, str]:
    """Assign subjects to train, validation and test at random.

    Parameters
    ----------
    subjects : sequence of str
        Subjects; their order does not matter.
    seed : int
        Seed of ``numpy.random.default_rng``.
    percent : tuple of int
        Shares of train, validation and test. The first two are rounded down, test takes the rest.

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
    names = sorted(set(subjects))  # as strings: "100" comes before "11"
    shuffled = list(names)
    np.random.default_rng(seed).shuffle(shuffled)
    num_train, num_validation = (len(names) * share // 100 for share in percent[:2])
    split = {name: "train" if i < num_train else "validation" for i, name in enumerate(shuffled)}
    split.update(dict.fromkeys(shuffled[num_train + num_validation :], "test"))
    return {name: split[name] for name in names}


def draw_fold(subjects: Sequence[str], fold: int, num_folds: int) -> dict[str, str]:
    """Assign subjects to the test, validation and training part of one fold of a cross-validation.

    Parameters
    ----------
    subjects : sequence of str
        Subjects; their order does not matter.
    fold : int
        Which part is tested, counted from 0.
    num_folds : int
        Parts the shuffled subjects are divided into, whose sizes differ by one at most.

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
    * An eighth of the other subjects validates, at least one: those that follow the tested part in the shuffle, past
      its end those at its beginning, so that each fold chooses its epoch by other subjects.
    """
    names = sorted(set(subjects))
    where, found = "split", f"fold{fold}of{num_folds}"
    if num_folds < 2:
        raise UsageError(where, found=found, expected="two folds or more")
    if fold >= num_folds:
        raise UsageError(where, found=found, expected=f"fold0of{num_folds} to fold{num_folds - 1}of{num_folds}")
    if num_folds > len(names):
        raise UsageError(where, found=f"{found} of {len(names)} subjects", expected=f"at most {len(names)} folds")
    shuffled = list(names)
    np.random.default_rng(FOLD_SEED).shuffle(shuffled)
    parts = np.array_split(np.arange(len(names)), num_folds)
    test = parts[fold]
    num_others = len(names) - len(test)
    if num_others < 2:
        raise UsageError(
            where, found=f"{found} of {len(names)} subjects", expected="two subjects or more outside each fold"
        )
    others = [shuffled[(int(test[-1]) + 1 + i) % len(names)] for i in range(num_others)]
    num_validation = max(1, round(num_others / 8))
    split = dict.fromkeys(others[:num_validation], "validation") | dict.fromkeys(others[num_validation:], "train")
    return {name: split.get(name, "test") for name in names}


def read_split(corpus: Corpus, name: str, *, records: Sequence[str] | None = None) -> dict[str, str]:
    """Return the split of each record of a corpus.

    A file ``<corpus>-<name>.csv`` shipped with the package comes first; otherwise the name is a rule,
    ``seed<n>`` or ``seed<n>-<train>-<validation>-<test>`` in percent of subjects, such as ``seed42`` (80-10-10), or
    ``fold<i>of<k>``, such as ``fold0of5``, the first of five folds (`draw_fold`).

    Parameters
    ----------
    corpus : Corpus
        Facts of the corpus.
    name : str
        Name of the split.
    records : sequence of str, optional
        Records at hand, where the corpus does not list its own. Default: `corpus.records`, or all that the file
        lists.

    Returns
    -------
    dict of str to {'train', 'validation', 'test', 'none'}
        In the order of the records. Excluded records are ``none``.

    Raises
    ------
    UsageError
        If there is neither such a file nor such a rule.
    DataError
        If a record is missing, listed twice or excluded and yet used, or a subject is in two splits.
    """
    wanted = tuple(corpus.records if records is None else records)
    where = f"split {corpus.slug}-{name}"
    shipped = resources.files("ecgfeat.corpora") / "split_tables" / f"{corpus.slug}-{name}.csv"
    rule, fold = SEEDED.fullmatch(name), FOLDED.fullmatch(name)
    if shipped.is_file():
        listed = parse_split(shipped.read_text("utf-8"), where)
        wanted = wanted or tuple(listed)
        missing = [record for record in wanted if record not in listed]
        if missing:
            raise DataError(where, found=f"no line for record {missing[0]}", expected="each record of the corpus")
        split = {record: listed[record] for record in wanted}
    elif (rule or fold) and not wanted:
        raise DataError(where, found="no records", expected="the records at hand, since the corpus lists none itself")
    elif rule or fold:
        used = [record for record in wanted if record not in corpus.excluded]
        subjects = [corpus.subject_of(record) for record in used]
        if fold:
            drawn = draw_fold(subjects, *map(int, fold.groups()))
        elif rule:
            seed, train, validation, test = (int(one) for one in rule.groups(default="0"))
            drawn = draw_split(subjects, seed, (train, validation, test) if rule.group(2) else (80, 10, 10))
        split = dict.fromkeys(wanted, "none") | {record: drawn[corpus.subject_of(record)] for record in used}
    else:
        folder = resources.files("ecgfeat.corpora") / "split_tables"
        own = [one.name.removesuffix(".csv") for one in folder.iterdir() if one.name.startswith(f"{corpus.slug}-")]
        known = ", ".join([*sorted(one.removeprefix(f"{corpus.slug}-") for one in own), "seed<number>", "fold<i>of<k>"])
        raise UsageError(f"{corpus.slug}: split", found=f"unknown split {name!r}", expected=known)
    check_split(corpus, split, where)
    return split


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
        If a column, a split or a line is not as it should be.
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
    """Refuse a split with a subject on two sides, or with an excluded record in use.

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
        If either is found.
    """
    side: dict[str, str] = {}
    for record, one in split.items():
        if one == "none":
            continue
        if record in corpus.excluded:
            found = f"excluded record {record} in {one} ({corpus.excluded[record]})"
            raise DataError(where, found=found, expected="none")
        subject = corpus.subject_of(record)
        if side.setdefault(subject, one) != one:
            found = f"subject {subject} (record {record}) in {side[subject]} and {one}"
            raise DataError(where, found=found, expected="each subject on one side")


def draw_stratified_folds(
    subjects: Sequence[str], labels: Sequence[Sequence[str]], num_folds: int
) -> npt.NDArray[np.int8]:
    """Assign records to folds, all records of a subject to one.

    Parameters
    ----------
    subjects : sequence of str, length n
        Subject of each record.
    labels : sequence of sequences of str, length n
        Classes of each record, one at least.
    num_folds : int
        Folds to make, 2 or more.

    Returns
    -------
    ndarray of int8, shape (n,)
        Fold of each record, 0 to ``num_folds - 1``. None is empty.

    Raises
    ------
    UsageError
        If there are fewer than two folds, or more than subjects.

    Notes
    -----
    * A record with several classes counts as the rarest of them, which is the one that is hard to spread. A class with
      fewer records than folds counts as the commonest.
    """
    num_subjects = len(set(subjects))
    if not 2 <= num_folds <= min(num_subjects, 100):
        raise UsageError(
            "folds", found=f"{num_folds} folds of {num_subjects} subjects", expected="2 to as many as subjects"
        )
    count = Counter(one for row in labels for one in row)
    rarest = [min(row, key=lambda one: (count[one], one)) for row in labels]
    strata = Counter(rarest)
    commonest = max(strata, key=lambda one: (strata[one], one))
    stratum = [one if strata[one] >= num_folds else commonest for one in rarest]
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=FOLD_SEED)
    fold = np.full(len(stratum), -1, np.int8)
    for number, (_, test) in enumerate(folds.split(np.zeros(len(stratum)), stratum, subjects)):
        fold[test] = number
    if len(set(fold.tolist())) < num_folds:
        raise UsageError("folds", found=f"an empty one among {num_folds}", expected="fewer folds, or more subjects")
    return fold


def join_official_folds(official: Sequence[int], num_folds: int) -> npt.NDArray[np.int8]:
    """Join the ten folds of a corpus to fewer, each to its neighbour.

    Parameters
    ----------
    official : sequence of int, length n
        Fold of each record, 1 to 10.
    num_folds : int
        Folds to make, 2 to 10.

    Returns
    -------
    ndarray of int8, shape (n,)
        ``(official - 1) * num_folds // 10``.

    Raises
    ------
    UsageError
        If ten folds cannot be joined to as many.
    """
    if not 2 <= num_folds <= OFFICIAL_FOLDS:
        raise UsageError("folds", found=f"{num_folds} of a corpus with ten of its own", expected="2 to 10")
    return ((np.asarray(official, dtype=np.int64) - 1) * num_folds // OFFICIAL_FOLDS).astype(np.int8)
