"""The two halves of a corpus of short records: what is chosen on the first is reported on the second."""

from collections.abc import Mapping, Sequence

import numpy as np

HALF_SEED = 0
"""Of the draw that divides each class into two halves. It is no param: every choice must come from the same half."""


def draw_halves(label: Mapping[str, str], classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide the records of each class into two halves.

    Parameters
    ----------
    label : mapping of str to str
        Class of each record.
    classes : sequence of str
        Classes in order; records of any other are in neither half.

    Returns
    -------
    first, second : list of str
        Records to choose by, and records to report on; class by class, in random order.
    """
    rng = np.random.default_rng(HALF_SEED)
    halves: tuple[list[str], list[str]] = ([], [])
    for name in classes:
        records = rng.permutation([record for record in sorted(label) if label[record] == name]).tolist()
        halves[0].extend(records[: len(records) // 2])
        halves[1].extend(records[len(records) // 2 :])
    return halves


def split_short_records(label: Mapping[str, str], classes: Sequence[str]) -> dict[str, str]:
    """Return the split of each record: the first half trains, every third of it validates; the second half tests.

    Parameters
    ----------
    label, classes
        As `draw_halves` takes them.

    Returns
    -------
    dict of str to {'train', 'validation', 'test'}
        Records of the classes.
    """
    first, second = draw_halves(label, classes)
    split = {record: "validation" if number % 3 == 2 else "train" for number, record in enumerate(first)}
    return split | dict.fromkeys(second, "test")
