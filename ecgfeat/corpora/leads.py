"""Put the leads of a record into standard order, by name and never by position.

Files spell a lead in many ways (aVR, AVR, avr) and have any order; a network has one place for each lead.

Shape suffixes: S samples, C leads of the record, L leads of the corpus.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgfeat.corpora.corpus import LEADS_12, NOTHING
from ecgfeat.errors import DataError

_BY_NAME = {name.lower(): name for name in LEADS_12}
_PREFIX = re.compile(r"(mdc_ecg_lead_|(ecg[ _-]?)?lead[ _-]?|ecg[ _-])")


@dataclass(frozen=True)
class AlignedLeads:
    """The leads of one record in standard order.

    Attributes
    ----------
    signal_mv_SL : ndarray of float32, shape (S, L)
        Millivolts; NaN where a lead has no valid sample, zero throughout where the record has no such lead.
    found, missing : tuple of str
        Standard names of the leads that the record has and lacks, in standard order.
    """

    signal_mv_SL: npt.NDArray[np.float32]  # noqa: N815 (shape suffix)
    found: tuple[str, ...]
    missing: tuple[str, ...]


def standard_lead(name: str, aliases: Mapping[str, str] = NOTHING) -> str | None:
    """Return the standard spelling of a lead's name.

    Parameters
    ----------
    name : str
        As in a header: upper or lower case, with or without ``lead``, ``ECG`` or ``MDC_ECG_LEAD_`` before it.
    aliases : mapping of str to str
        Names in lower case that mean a standard lead in this corpus alone.

    Returns
    -------
    str or None
        One of I, II, III, aVR, aVL, aVF, V1 to V6; None for any other lead, ``-aVR`` among them.
    """
    lower = name.strip().lower()
    return aliases.get(lower) or _BY_NAME.get(_PREFIX.sub("", lower, count=1))


def align_leads(
    signal_mv_SC: npt.NDArray[np.float32],
    names: Sequence[str],
    order: Sequence[str] = LEADS_12,
    *,
    aliases: Mapping[str, str] = NOTHING,
    where: str = "record",
) -> AlignedLeads:
    """Pick leads of a record by name and put them in order.

    Parameters
    ----------
    signal_mv_SC : ndarray of float32, shape (S, C)
        Millivolts; NaN marks an invalid sample.
    names : sequence of str, length C
        Names as in the header. Leads that are not in `order` are left out.
    order : sequence of str, length L
        Standard names of the leads to return, in order.
    aliases : mapping of str to str
        As of `standard_lead`.
    where : str
        Record, for messages.

    Returns
    -------
    AlignedLeads
        A lead that the record lacks is zero throughout, not NaN: the networks need a number.

    Raises
    ------
    DataError
        If two leads have one name, or no lead is in `order`.
    """
    if signal_mv_SC.ndim != 2 or signal_mv_SC.shape[1] != len(names):
        raise ValueError(f"signal: shape {signal_mv_SC.shape}; expected (samples, {len(names)}).")
    place: dict[str, int] = {}
    for at, name in enumerate(names):
        standard = standard_lead(name, aliases)
        if standard in place:
            found = f"two leads {standard} ({names[place[standard]]} and {name})"
            raise DataError(
                where, found=found, expected="each lead once", remedy="Rename the wrong lead in the header."
            )
        if standard is not None and standard in order:
            place[standard] = at
    if not place:
        raise DataError(where, found=f"leads {', '.join(names) or 'none'}", expected=f"one of {', '.join(order)}")
    signal_mv_SL = np.zeros((len(signal_mv_SC), len(order)), np.float32)
    for column, name in enumerate(order):
        if name in place:
            signal_mv_SL[:, column] = signal_mv_SC[:, place[name]]
    return AlignedLeads(
        signal_mv_SL,
        tuple(name for name in order if name in place),
        tuple(name for name in order if name not in place),
    )
