"""Shares of the records of a corpus, for jobs that know nothing of each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from ecgfeat.errors import UsageError

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Shard:
    """One of N shares.

    Attributes
    ----------
    number : int
        From 1 to `of`.
    of : int
        How many there are.
    """

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read ``i/N``.

        Raises
        ------
        UsageError
            If it is no such text, or i is not between 1 and N.
        """
        number, _, of = text.partition("/")
        if not re.fullmatch("[0-9]{1,6}/[0-9]{1,6}", text) or not 1 <= int(number) <= int(of):
            raise UsageError("--shard", found=text, expected="i/N with i from 1 to N, such as 2/8")
        return cls(int(number), int(of))

    def pick(self, records: Sequence[_Record]) -> Sequence[_Record]:
        """Return the records of this share: every N-th, so that shares of a sorted corpus are alike."""
        return records[self.number - 1 :: self.of]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
