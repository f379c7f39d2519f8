"""Find a lead of a record by its name or its position."""

from collections.abc import Sequence
from typing import Literal

from ecgfeat.errors import DataError, UsageError


def find_lead(record: str, leads: Sequence[str], which: str | int) -> int:
    """Return the position of a lead given by position or name; refuse a name that fits several leads.

    Parameters
    ----------
    record : str
        Record, for messages.
    leads : sequence of str
        Names by position.
    which : str or int
        Position from 0, or name in any case.

    Returns
    -------
    int
        Position from 0.

    Raises
    ------
    DataError
        If there is no such lead, or the name fits several.
    """
    if isinstance(which, int):
        if not 0 <= which < len(leads):
            raise DataError(record, found=f"no lead at position {which}", expected=f"0 to {len(leads) - 1}")
        return which
    fits = [i for i, name in enumerate(leads) if name == which]
    fits = fits or [i for i, name in enumerate(leads) if name.lower() == which.lower()]
    if len(fits) != 1:
        found = f"{len(fits)} leads called {which!r}" if fits else f"no lead called {which!r}"
        raise DataError(
            record, found=found, expected=f"one of {', '.join(leads)}", remedy="Name the lead by position, from 0."
        )
    return fits[0]


def find_leads(record: str, leads: Sequence[str], which: Sequence[str | int]) -> tuple[int, ...]:
    """Return the positions of the leads that a user names.

    Parameters
    ----------
    record, leads
        As of `find_lead`.
    which : sequence of str or int
        Name of each, or its position from 0, also as text.

    Returns
    -------
    tuple of int
        Positions from 0, as ordered by the user.

    Raises
    ------
    UsageError
        If none is named, there is no such lead, a name fits several, or one is named twice.
    """
    if not len(which):
        raise UsageError("--lead", found="no lead", expected="at least one")
    found = []
    for name in which:
        is_position = isinstance(name, str) and name.isascii() and name.isdecimal() and name not in leads
        try:
            found.append(find_lead(record, leads, int(name) if is_position else name))
        except DataError as error:
            raise UsageError(str(error)) from None
    if len(set(found)) < len(found):
        raise UsageError("--lead", found="one lead twice", expected="each lead once")
    return tuple(found)


def choose_lead(record: str, leads: Sequence[str], which: str | int) -> int | Literal["all"]:
    """Return the lead that beats are looked for in, as somebody wrote it: ``all``, a name, or a position from 0.

    Parameters
    ----------
    record, leads, which
        As `find_lead` takes them; digits that are no name are a position.

    Returns
    -------
    int or 'all'

    Raises
    ------
    DataError
        If there is no such lead, or the name fits several.
    """
    if which == "all":
        return "all"
    is_position = isinstance(which, str) and which.isdecimal() and which not in leads
    return find_lead(record, leads, int(which) if is_position else which)
