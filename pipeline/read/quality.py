"""Read which time of a record is usable, in the leads that the detector reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.records.leads import choose_lead
from ecgfeat.signals.quality import ABSENT
from ecgfeat.signals.resample import num_resampled
from ecgfeat.signals.usable import Span, find_usable, read_states
from ecgfeat.store.schemas import COMMON_FS_HZ, QUALITY
from ecgfeat.store.tables import table_header
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_rows_by_record

ONE_LEAD_METHODS = ("neurokit", "xqrs")


@dataclass(frozen=True)
class UsableTime:
    """Usable time of one record.

    Attributes
    ----------
    state : ndarray of int8, (T, C), or None
        Quality of each second of the leads that the detector reads; None where the record has no signal.
    spans : list of (int, int)
        Usable stretches at 128 Hz; without a signal the whole record.
    """

    state: NDArray[np.int8] | None
    spans: list[Span]


def choose_detector_lead(row: Mapping[str, Any], params: Params) -> int | Literal["all"]:
    """Return the lead of a record that the detector reads: a position, or all.

    Parameters
    ----------
    row : mapping
        The record's row of the ``records`` table.
    params : Params
        ``rpeaks.lead``; a record without that lead is read in all. Detectors of one lead read the first.

    Returns
    -------
    int or 'all'
    """
    which = params.rpeaks.lead
    if which == "all":
        return 0 if params.rpeaks.method in ONE_LEAD_METHODS else "all"
    try:
        return choose_lead(str(row["record"]), [str(name) for name in row["leads"]], which)
    except DataError:
        return 0 if params.rpeaks.method in ONE_LEAD_METHODS else "all"


def read_usable(corpus: str, params: Params) -> Callable[[Mapping[str, Any]], UsableTime]:
    """Read the table of quality, and return the function that gives the usable time of a record.

    Parameters
    ----------
    corpus : str
        Slug.
    params : Params
        Only the lead that the detector reads counts; where it is absent throughout, the first that is not, as the
        detector does.

    Returns
    -------
    callable
        Takes the record's row of the ``records`` table.
    """
    rows_of = read_rows_by_record(paths.quality(corpus), QUALITY)
    least_s = int(table_header(paths.quality(corpus))["params"]["min_stretch_s"])

    def usable_of(row: Mapping[str, Any]) -> UsableTime:
        num_samples = num_resampled(int(row["num_samples"]), float(row["fs_hz"]), COMMON_FS_HZ)
        rows = rows_of(str(row["record"]))
        if not len(rows["lead"]):
            return UsableTime(None, [(0, num_samples)])
        state_TC, lead = read_states(rows), choose_detector_lead(row, params)
        if lead != "all":
            present_C = (state_TC != ABSENT).any(axis=0)
            lead = lead if lead < len(present_C) and present_C[lead] else int(present_C.argmax())
            state_TC = state_TC[:, [lead]]
        return UsableTime(state_TC, find_usable(state_TC, num_samples, least_s))

    return usable_of
