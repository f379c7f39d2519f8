"""The log of a review: corrections of beats and episodes, in order, each of which can be undone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from ecgfeat.errors import UsageError
from ecgfeat.store.schemas import RHYTHMS

Kind = Literal["beat", "episode", "seen", "undo"]

BEAT_NAMES: Final = ("N", "S", "V", "F", "Q")
"""Classes that a reviewer may give a beat; empty: there is none."""

OTHER_RHYTHMS: Final = ("AFL", "VT", "VFL", "T", "IVR", "BII", "NOD", "P", "PREX")
"""Rhythms that a reviewer may name beside those that models know, as PhysioNet writes them; empty: none is named."""

_NOT_UNDONE = -1


@dataclass(frozen=True)
class Correction:
    """One entry of a log.

    Attributes
    ----------
    number : int
        Its place in the log of its record, from 0.
    kind : {'beat', 'episode', 'seen', 'undo'}
        ``beat``: the beat on ``start_sample`` is of class ``now``; with an empty ``was`` it is added, with an empty
        ``now`` it is removed. ``episode``: the rhythm from ``start_sample`` to ``stop_sample`` is ``now``. ``seen``:
        the reviewer has looked at this time, and what was left there is right. ``undo``: takes back another entry.
    start_sample, stop_sample : int
        Half-open extent at the record's own rate; of a beat its sample and the next, of an undo that of what it takes
        back.
    was, now : str
        Name before and after; of an episode all rhythms that it replaces, with commas.
    reviewer : str
        Who.
    made_at : str
        When, in UTC, such as ``2026-01-31T12:00:00Z``.
    undoes : int
        Number of the entry that is taken back; -1: none.
    """

    number: int
    kind: Kind
    start_sample: int
    stop_sample: int
    was: str
    now: str
    reviewer: str
    made_at: str
    undoes: int = _NOT_UNDONE


def active_entries(log: Sequence[Correction]) -> tuple[Correction, ...]:
    """Return the entries of a log that hold: neither undone nor an undo.

    Parameters
    ----------
    log : sequence of Correction
        In order.

    Returns
    -------
    tuple of Correction
        In order. An undo that is undone itself takes nothing back.
    """
    undone: set[int] = set()
    active = []
    for entry in reversed(log):
        if entry.number in undone:
            continue
        if entry.kind == "undo":
            undone.add(entry.undoes)
        else:
            active.append(entry)
    return tuple(reversed(active))


def check_name(kind: Kind, now: str) -> None:
    """Refuse a name that is no class of beats, or no rhythm.

    Raises
    ------
    UsageError
        With the names that there are.
    """
    names = BEAT_NAMES if kind == "beat" else (*RHYTHMS, *OTHER_RHYTHMS)
    if now and now not in names:
        what = "a class of beats" if kind == "beat" else "a rhythm"
        raise UsageError("review", found=repr(now), expected=f"{what}: {', '.join(names)}, or nothing")


def check_reviewer(reviewer: str) -> str:
    """Return the name of a reviewer without blanks around it.

    Raises
    ------
    UsageError
        If it is empty, or has line breaks, or more than 80 letters.
    """
    name = reviewer.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise UsageError("reviewer", found=repr(name[:80]), expected="a name of 1 to 80 letters in one line")
    return name


def now_utc() -> str:
    """Return the time of day in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_time(text: str) -> bool:
    """Return whether a text is a time as `now_utc` writes it."""
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text) is not None
