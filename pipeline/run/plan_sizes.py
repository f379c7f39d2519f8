"""How large the corpora of a run are, by which it is planned."""

import numpy as np

from ecgfeat.corpora.simulated import SIMULATE
from ecgfeat.corpora.sizes import PUBLISHED, USUAL_BEATS_PER_HOUR, CorpusSize, size_of
from ecgfeat.errors import DataError, UsageError
from ecgfeat.store.schemas import COMMON_FS_HZ, RECORDS
from ecgfeat.store.tables import open_table, read_table
from pipeline.params import Params
from pipeline.read import paths


def find_size(slug: str, params: Params) -> CorpusSize:
    """Return the size of a corpus: by the tables of this run, by params, or as published.

    Raises
    ------
    UsageError
        If it is not known.
    """
    if slug == SIMULATE.slug:
        return size_of(params.acquire.subjects, params.acquire.minutes / 60, fs_hz=COMMON_FS_HZ, num_leads=2)
    if paths.records(slug).is_file():
        return _read_size(slug)
    if slug not in PUBLISHED:
        raise UsageError(
            slug,
            found="a corpus of unknown size",
            expected="one that is acquired, or whose size is published",
            remedy=f"State it by --records and --hours, or run: dvc repro annotate@{slug}",
        )
    size = PUBLISHED[slug]
    if params.acquire.signals == "rendered" and 0 < params.acquire.hours < size.longest_h:
        of_each_h = min(params.acquire.hours, size.hours / size.num_records)
        rate = size.num_beats / size.hours
        return size_of(size.num_records, of_each_h, fs_hz=size.fs_hz, num_leads=size.num_leads, beats_per_hour=rate)
    return size


def _read_size(slug: str) -> CorpusSize:
    table = read_table(paths.records(slug), RECORDS)
    is_read = table["status"] != "failed"
    hours_N = table["num_samples"][is_read] / table["fs_hz"][is_read] / 3600
    if not len(hours_N):
        raise DataError(str(paths.records(slug)), found="no record that can be read", expected="one at least")
    tables = [path for path in (paths.rpeaks(slug), paths.beats(slug)) if path.is_file()]
    num_beats = round(hours_N.sum() * USUAL_BEATS_PER_HOUR)
    if tables:
        with open_table(tables[0]) as file:
            num_beats = file.metadata.num_rows
    num_leads = max(len(leads) for leads in table["leads"][is_read])
    fs_hz = float(np.max(table["fs_hz"][is_read]))
    size = (len(hours_N), float(hours_N.sum()), float(hours_N.max()), num_beats, fs_hz, num_leads)
    return CorpusSize(*size, is_counted=bool(tables))
