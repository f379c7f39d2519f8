"""How large the corpora are, for plans that are made before a byte of them is there.

References
----------
Counted: headers and annotation files of mitdb 1.0.0 and ltafdb 1.0.0. Of the others the description page of each
database, https://physionet.org, and Tan et al., Icentia11k, arXiv:1910.09570, 2019; these were not counted again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

USUAL_BEATS_PER_HOUR: Final = 4_700
"""78 beats a minute: where the beats of a corpus are not counted."""


@dataclass(frozen=True)
class CorpusSize:
    """What a corpus amounts to.

    Attributes
    ----------
    num_records : int
        Records.
    hours : float
        Of all records together.
    longest_h : float
        Hours of the longest record.
    num_beats : int
        Beats of all records together.
    fs_hz : float
        Sampling rate.
    num_leads : int
        Leads of a record.
    is_counted : bool
        Whether all this was counted on the files of the corpus; else it is what its description says, or an estimate.
    """

    num_records: int
    hours: float
    longest_h: float
    num_beats: int
    fs_hz: float
    num_leads: int
    is_counted: bool = False


def size_of(
    num_records: int, hours: float, *, fs_hz: float, num_leads: int, beats_per_hour: float = USUAL_BEATS_PER_HOUR
) -> CorpusSize:
    """Return the size of a corpus of equally long records.

    Parameters
    ----------
    num_records : int
        Records.
    hours : float
        Length of each.
    fs_hz : float
        Sampling rate.
    num_leads : int
        Leads of each.
    beats_per_hour : float
        Beats of an hour.

    Returns
    -------
    CorpusSize
    """
    total_h = num_records * hours
    return CorpusSize(num_records, total_h, hours, round(total_h * beats_per_hour), fs_hz, num_leads)


PUBLISHED: Final[Mapping[str, CorpusSize]] = MappingProxyType(
    {
        "mitdb": CorpusSize(48, 24.07, 0.502, 109_494, 360.0, 2, is_counted=True),
        "ltafdb": CorpusSize(84, 1960.6, 26.35, 8_995_973, 128.0, 2, is_counted=True),
        "afdb": CorpusSize(25, 250.0, 10.3, 1_221_000, 250.0, 2),
        "nsrdb": CorpusSize(18, 437.0, 26.0, 1_806_000, 128.0, 2),
        "svdb": CorpusSize(78, 39.0, 0.5, 184_000, 128.0, 2),
        "qtdb": size_of(105, 0.25, fs_hz=250.0, num_leads=2),
        # Records are segments of 2**20 + 1 samples, some fifty of each of 11,000 patients.
        "icentia11k": CorpusSize(541_794, 631_000.0, 1.17, 2_774_000_000, 250.0, 1),
        "incartdb": CorpusSize(75, 37.5, 0.5, 175_000, 257.0, 12),
        "edb": CorpusSize(90, 180.0, 2.0, 790_000, 250.0, 2),
        "aftdb": size_of(80, 1 / 60, fs_hz=128.0, num_leads=2),
        "shdb-af": size_of(128, 24.0, fs_hz=200.0, num_leads=2),
    }
)
"""By slug; corpora whose size is not published in numbers are left out. Counted are those that say so."""
