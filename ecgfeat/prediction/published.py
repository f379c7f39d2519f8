"""Name the stretches of a record by a published chain: the HTF embedder, and a timeline or window head.

Shape suffixes: L beats of a stretch, S samples, C leads, U units of a stretch, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.prediction.chain import Chain, NamedUnits, describe_beats, name_rhythms
from ecgfeat.prediction.episodes import NamedStretch, PredictedEpisodes, merge_units
from ecgfeat.rhythm.decoding import smooth_path
from ecgfeat.rhythm.describe import classify_beats
from ecgfeat.rhythm.heads import RhythmHead, TimelineHead
from ecgfeat.rhythm.records import RhythmRecord


def join_episodes(head: RhythmHead, units: NamedUnits) -> PredictedEpisodes:
    """Join the units of a record into episodes.

    Parameters
    ----------
    head : TimelineHead or WindowHead
        The head that named them.
    units : NamedUnits
        Of `name_rhythms`.

    Returns
    -------
    PredictedEpisodes

    Notes
    -----
    * The units are those of a stretch of usable signal: no rhythm is named beyond it.
    * Of a timeline head: an episode begins with its first R-peak, the first one with the stretch; it ends where the
      next one begins, the last one with the stretch. So every sample has a rhythm, that of the last R-peak before it.
      The rhythm of a beat is that of the smoothed path, if smoothing was better on the
      validation records. Probabilities are means over the beats of the episode, so its most probable class may differ
      from its rhythm.
    * Of a window head: touching segments of the grid with the same most probable rhythm are one episode; its
      probabilities are their mean. The last segment reaches back where the record does not end on the grid, and names
      only the rest. A segment without R-peaks has no rhythm; nothing is guessed from its neighbours.
    """
    posterior_UK = units.posterior.mean(axis=0, dtype=np.float64).astype(np.float32)
    label_U = np.where(units.has_beats, posterior_UK.argmax(axis=1), -1)
    if not isinstance(head, TimelineHead):
        return merge_units(label_U, posterior_UK, np.diff(units.edges).astype(np.float64), units.edges)
    if head.is_smoothed:
        label_U = smooth_path([posterior_UK], head.decoder)[0]
    return merge_units(label_U, posterior_UK, np.ones(len(label_U)), units.edges)


def name_published(
    chain: Chain,
    stretches: Sequence[RhythmRecord],
    signal_uv_SC: NDArray[np.int16],
    *,
    num_views: int,
    device: torch.device | str = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> list[NamedStretch]:
    """Classify the beats of the usable stretches of a record, and name their rhythms, with a published chain.

    Parameters
    ----------
    chain : Chain
        With an embedder.
    stretches : sequence of RhythmRecord
        In order of time; each with a beat.
    signal_uv_SC : ndarray of int16, (S, C)
        The whole record in microvolts at the common rate; -32768 invalid.
    num_views, device, on_beats
        As `name_rhythms` and `describe_beats` take them.

    Returns
    -------
    list of NamedStretch
    """
    if not stretches:
        return []
    assert chain.htf is not None, "an unannotated record needs a beat classifier"
    described = [
        describe_beats(
            chain, stretch, signal_uv_SC[stretch.start :][: stretch.num_samples], device=device, on_beats=on_beats
        )
        for stretch in stretches
    ]
    probabilities = classify_beats(described, chain.htf, "predicted")
    # A head trained on annotations reads beat labels: the predicted ones take the place of the reference.
    described = [
        replace(stretch, label=probability_LK.argmax(axis=1))
        for stretch, probability_LK in zip(described, probabilities, strict=True)
    ]
    units = name_rhythms(chain, described, num_views=num_views, device=device)
    return [
        NamedStretch(probability_LK.argmax(axis=1), probability_LK, join_episodes(chain.head, of))
        for probability_LK, of in zip(probabilities, units, strict=True)
    ]
