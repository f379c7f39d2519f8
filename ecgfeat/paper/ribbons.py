"""Rhythm and quality of a prediction as ribbons.

Shape suffixes: C leads, T seconds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfeat.prediction.episodes import NO_SIGNAL, NOISE
from ecgfeat.prediction.record import Prediction
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.report.drawings.lettering import on_paper
from ecgfeat.signals.quality import ABSENT, NOISY, USABLE
from ecgfeat.signals.usable import STATES, read_states
from ecgfeat.store.tables import Columns

MOST_LEADS = 3
"""A record of more leads has one ribbon of quality: that of the best lead of each second."""


def rhythm_ribbon(episodes: Columns, title: str = "predicted") -> Ribbon:
    """Return the rhythms of a prediction; where there is none, the name is empty."""
    return Ribbon(title, episodes["start_s"], episodes["stop_s"], [str(name) for name in episodes["rhythm"]])


def unusable_ribbon(episodes: Columns) -> Ribbon:
    """Return where no beats are looked for, ``noisy`` or ``absent``; of all other time nothing is said."""
    state_of = {NOISE: STATES[NOISY], NO_SIGNAL: STATES[ABSENT]}
    rows = np.flatnonzero([str(reason) in state_of for reason in episodes["reason"]])
    states = [state_of[str(reason)] for reason in episodes["reason"][rows]]
    return Ribbon("noise, no signal", episodes["start_s"][rows], episodes["stop_s"][rows], states)


def quality_ribbons(prediction: Prediction, leads: Sequence[str]) -> list[Ribbon]:
    """Return the quality of each lead, or of the best one where there are many.

    Parameters
    ----------
    prediction : Prediction
        Its table of quality is used. Where that is empty, quality was not assessed, and there is a ribbon of the time
        that its episodes call noise or without signal.
    leads : sequence of str
        Names of the leads.

    Returns
    -------
    list of Ribbon
        None where neither says anything.
    """
    quality = prediction.quality
    if not len(quality["state"]):
        unusable = unusable_ribbon(prediction.episodes)
        return [unusable] if len(unusable.rhythm) else []
    positions = np.unique(quality["lead"]).tolist()
    if len(positions) <= MOST_LEADS:
        ribbons = []
        for lead in positions:
            rows = quality["lead"] == lead
            name = on_paper(leads[lead] if lead < len(leads) else f"lead {lead + 1}")
            start_s, stop_s = (quality[key][rows].astype(np.float64) for key in ("start_s", "stop_s"))
            ribbons.append(Ribbon(f"quality {name}", start_s, stop_s, [str(state) for state in quality["state"][rows]]))
        return ribbons
    return [_best(read_states(quality))]


def _best(state_TC: NDArray[np.int8]) -> Ribbon:
    """Return the quality of the best lead of each second."""
    is_usable_T, is_absent_T = (state_TC == USABLE).any(axis=1), (state_TC == ABSENT).all(axis=1)
    best_T = np.where(is_usable_T, USABLE, np.where(is_absent_T, ABSENT, NOISY))
    first = np.flatnonzero(np.append(True, best_T[1:] != best_T[:-1]))
    stops = np.append(first[1:], len(best_T)).astype(np.float64)
    return Ribbon("quality (best)", first.astype(np.float64), stops, [STATES[int(state)] for state in best_T[first]])
