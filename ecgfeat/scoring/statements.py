"""How often each statement of the evidence is made of episodes of each reference rhythm."""

from typing import Any, Final

import numpy as np

from ecgfeat.scoring.tables import Table, values
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS

STATED_RHYTHMS: Final = (*RHYTHMS, "AFL")
"""Reference rhythms of the counts: the six, and atrial flutter, of which one statement speaks."""


def count_statements(episodes: Table) -> dict[str, Any]:
    """Count episodes and time of each reference rhythm, and those of which each statement is made.

    Parameters
    ----------
    episodes : pyarrow.Table or mapping
        Rows of ``episode_scores`` of one corpus.

    Returns
    -------
    dict
        ``named``, by reference rhythm: ``num_episodes`` and ``hours`` of the episodes that are named, rightly or not;
        ``made``, by kind of statement and reference rhythm: ``num_episodes``, ``share_episodes`` and ``share_time`` of
        those of which it is made. Empty where no episode of a known rhythm is named.

    Notes
    -----
    * An episode is of the reference rhythm of most of its labelled time. It counts by its whole length.
    * A statement can be made of some names only: no P wave is looked for in a bigeminy. A share is of all named
      episodes, so it is what a reader meets.
    """
    reference, kinds = values(episodes, "reference"), values(episodes, "statements")
    is_known = np.isin(reference, STATED_RHYTHMS) & (values(episodes, "rhythm") != "")
    if not is_known.any():
        return {}
    hours = (values(episodes, "stop_sample") - values(episodes, "start_sample")) / COMMON_FS_HZ / 3600
    rows_of = {name: np.flatnonzero(is_known & (reference == name)) for name in STATED_RHYTHMS}
    rows_of = {name: rows for name, rows in rows_of.items() if len(rows)}
    made: dict[str, dict[str, Any]] = {}
    for kind in sorted({kind for row in np.flatnonzero(is_known) for kind in kinds[row]}):
        made[kind] = {}
        for name, rows in rows_of.items():
            is_made = np.array([kind in kinds[row] for row in rows])
            made[kind][name] = {
                "num_episodes": int(is_made.sum()),
                "share_episodes": float(is_made.mean()),
                "share_time": float(hours[rows][is_made].sum() / hours[rows].sum()),
            }
    named = {name: {"num_episodes": len(rows), "hours": float(hours[rows].sum())} for name, rows in rows_of.items()}
    return {"named": named, "made": made}
