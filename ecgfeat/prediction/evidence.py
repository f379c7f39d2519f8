"""Evidence of a named rhythm: what in its beats speaks for the name, and what against it.

The rhythm head names a rhythm by hundreds of figures at once. Here a few of them are put into words that a reader can
check in the signal. They do not change the name, and they are no second classifier. A statement is made only where its
number passes a limit; between two limits nothing is stated.

The limits were chosen on records that train or validate: of cinc2017, 85 records of AF and 586 normal ones of the first
half, with at least 10 beats in usable time; of mitdb, the 22 records of DS1. Shares beside a limit are those of records
on the right side of it: they are optimistic, for the limit was chosen there. The stage ``outside`` counts how often
each statement is made of episodes of each reference rhythm.

Shape suffixes: L beats, E episodes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgfeat.features.intervals import IRREGULAR_SHARE
from ecgfeat.prediction.episodes import PredictedEpisodes
from ecgfeat.prediction.signs import BeatSigns, join_signs
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS

IRREGULAR: Final = 0.3
"""Share of RR changes above 10 % of the mean from which intervals are irregular: 95 % of AF, 4 % of normal records.

Of runs of 10 beats: 90 % and 7 %."""

REGULAR: Final = 0.1
"""Share up to which they are regular: 81 % of normal records, 1 % of AF. Of runs of 10 beats: 79 % and 3 %."""

ALTERNATING: Final = 0.8
"""Share of neighbours that differ, from which beats or intervals alternate.

Ventricular bigeminy of mitdb has 0.96 or more in 95 % of its 66 episodes, trigeminy 0.67. Of the intervals 0.99 in 90 %
of the episodes, and in AF up to 0.73 in 99 % of the records.
"""

FEW_ECTOPIC: Final = 1 / 3
"""Share of early beats below which a rhythm is no bigeminy, which has one half: that of trigeminy."""

MOST_ECTOPIC: Final = 0.5
"""Share of S beats from which they speak for SVTA."""

P_SEEN: Final = 0.6
"""Share of beats with a P wave from which there are P waves: 397 of 584 normal records, 3 of 63 of AF.

Of records that `ecgfeat.prediction.signs.MOST_NOISE` leaves."""

P_ABSENT: Final = 0.7
"""Share of beats without any from which there are none: 31 of 48 records of AF, 27 of 553 normal ones.

Of records that `ecgfeat.prediction.signs.LITTLE_NOISE` leaves."""

NARROW_QRS_S: Final = 0.1
"""Feature ``qrs_width_s``, the smaller of two leads, up to which a QRS complex is narrow: 75 % of N, 73 % of S, 10 % of
V beats of mitdb. It is measured between slopes, and is shorter than the width that is read by eye."""

BROAD_QRS_S: Final = 0.13
"""Width above which it is broad: 56 % of V, 8 % of N, 7 % of S beats."""

SINUS_PER_MIN: Final = (50, 100)
"""Usual rates of sinus rhythm; from 50 to 60 both NSR and SBR are in use."""

SLOW_PER_MIN: Final = 60
"""Rates of bradycardia are below."""

FAST_PER_MIN: Final = 100
"""Rates of tachycardia begin here. SVTA of mitdb has 120 to 160 (11 episodes)."""

FEWEST_BEATS: Final = 3
"""Of an episode with evidence: two intervals."""

FEWEST_P_BEATS: Final = 5
"""Beats whose P wave can be read, below which nothing is stated; they must also be half of the beats."""

FEWEST_CHANGES: Final = 8
"""Changes of the RR interval below which it is neither regular nor irregular: an episode of 10 beats."""

_NORMAL, _SUPRAVENTRICULAR, _VENTRICULAR = range(len(BEAT_CLASSES))


class Statement(NamedTuple):
    """A statement of the evidence of an episode.

    Attributes
    ----------
    kind : str
        What is stated, without its numbers; the same for every rhythm. Empty: a mere rate or size.
    text : str
        In words for a reader.
    """

    kind: str
    text: str


_Statements = list[Statement | None]


def state_evidence(
    episodes: PredictedEpisodes, sample: NDArray[np.int64], stretches: Sequence[BeatSigns]
) -> list[tuple[list[Statement], list[Statement]]]:
    """State the evidence of each episode of a record.

    Parameters
    ----------
    episodes : PredictedEpisodes
        Of the record; none reaches beyond a stretch.
    sample : ndarray of int64, (L,)
        R-peaks, ascending, at the rate of the episodes.
    stretches : sequence of BeatSigns
        Of the stretches in order: L beats together.

    Returns
    -------
    list of (list of Statement, list of Statement), length E
        Of `state_rhythm`; empty where there is no rhythm.
    """
    if not stretches:
        return [([], [])] * len(episodes.label)
    bounds = np.searchsorted(sample, episodes.edges)
    signs = join_signs(stretches)
    return [
        state_rhythm(RHYTHMS[label], signs.take(slice(start, stop))) if label >= 0 else ([], [])
        for label, start, stop in zip(episodes.label, bounds[:-1], bounds[1:], strict=True)
    ]


def explain_episodes(
    episodes: PredictedEpisodes, sample: NDArray[np.int64], stretches: Sequence[BeatSigns]
) -> tuple[str, ...]:
    """Put the evidence of each episode of a record into words.

    Parameters
    ----------
    episodes, sample, stretches
        As `state_evidence` takes them.

    Returns
    -------
    tuple of str, length E
        Of `word_evidence`; empty where there is no rhythm.
    """
    return tuple(word_evidence(*sides) for sides in state_evidence(episodes, sample, stretches))


def word_evidence(supports: Sequence[Statement], opposes: Sequence[Statement]) -> str:
    """Put statements into one text.

    Parameters
    ----------
    supports, opposes : sequence of Statement
        Those that speak for a rhythm, and those against it.

    Returns
    -------
    str
        Statements, divided by semicolons; those after ``against it:`` speak against the name.
    """
    opposing = "; ".join(text for _, text in opposes)
    return "; ".join(filter(None, [*(text for _, text in supports), f"against it: {opposing}" if opposing else ""]))


def state_rhythm(rhythm: str, signs: BeatSigns) -> tuple[list[Statement], list[Statement]]:
    """State what speaks for the rhythm of an episode, and what against it.

    Parameters
    ----------
    rhythm : str
        Its name.
    signs : BeatSigns
        Of its beats. The interval before the first of them is not its own.

    Returns
    -------
    supports, opposes : list of Statement
        Together never empty.

    Notes
    -----
    * Atrial flutter is no rhythm of the six, and is mostly named AFIB. If its conduction is constant, its intervals are
      regular: where those of an AFIB are, flutter is named as possible. With changing conduction it stays unnoticed.
    """
    rr_s = signs.rr_s[1:]
    if np.isfinite(rr_s).sum() < FEWEST_BEATS - 1:
        beats = f"{len(signs.rr_s)} beat{'s' * (len(signs.rr_s) != 1)}"
        return [Statement("", f"{beats}: too few for evidence")], []
    rate = round(60 / _mean(rr_s))
    supports, opposes = _EXPLAIN[rhythm](signs, rate)
    return [of for of in supports if of is not None], [of for of in opposes if of is not None]


def _explain_fibrillation(signs: BeatSigns, rate: int) -> tuple[_Statements, _Statements]:
    """State regularity and P waves of an episode of AFIB."""
    share = _irregular_share(signs, is_left_out=signs.label == _VENTRICULAR)
    irregular = _irregular(share, f", {rate}/min") or Statement("", f"{rate}/min")
    flutter = _state("flutter is possible", "regular RR intervals: atrial flutter is possible", share <= REGULAR)
    return [irregular, _no_p_waves(signs)], [flutter, _alternate(signs), _p_waves(signs)]


def _explain_sinus(signs: BeatSigns, rate: int, *, is_slow: bool) -> tuple[_Statements, _Statements]:
    """State regularity, rate and P waves of an episode of sinus rhythm; S and V beats make it no less regular."""
    is_early = signs.label != _NORMAL
    share = _irregular_share(signs, is_left_out=is_early)
    is_usual = rate < SLOW_PER_MIN if is_slow else SINUS_PER_MIN[0] <= rate <= SINUS_PER_MIN[1]
    rest = f", {rate}/min" * is_usual
    text = f"regular RR intervals{' between N beats' * bool(is_early.any())}{rest}"
    regular = _state("regular RR intervals", text, share <= REGULAR) or _state("", f"{rate}/min", is_usual)
    unusual = _state("unusual rate", f"{rate}/min", not is_usual)
    return [regular, _p_waves(signs)], [_irregular(share), unusual, _no_p_waves(signs)]


def _explain_bigeminy(signs: BeatSigns, rate: int, *, early: int) -> tuple[_Statements, _Statements]:
    """State how early beats alternate with others: V beats (B) or S beats (AB)."""
    name, is_early = BEAT_CLASSES[early], signs.label == early
    others = "N" if (signs.label[~is_early] == _NORMAL).all() else "other"
    is_alternating = float((is_early[1:] != is_early[:-1]).mean()) >= ALTERNATING
    width_s = _width(signs.take(is_early)) if early == _SUPRAVENTRICULAR else float("nan")
    share, broad = float(is_early.mean()), f"early beats are broad ({width_s:.2f} s)"
    return [
        _state("early beats alternate", f"{name} beats alternate with {others} beats", is_alternating),
        _alternate(signs),
        _state("narrow early beats", "early beats are narrow", width_s <= NARROW_QRS_S),
        Statement("", f"{rate}/min"),
    ], [
        _state("few early beats", f"{_percent(share)} of beats are {name}", share < FEW_ECTOPIC),
        _state("broad early beats", broad, width_s > BROAD_QRS_S),
    ]


def _explain_tachycardia(signs: BeatSigns, rate: int) -> tuple[_Statements, _Statements]:
    """State length, rate, classes and width of the beats of an episode of SVTA."""
    share, width_s = float((signs.label == _SUPRAVENTRICULAR).mean()), _width(signs)
    broad = f"broad QRS complexes ({width_s:.2f} s): ventricular tachycardia is possible"
    is_fast = rate >= FAST_PER_MIN
    irregular_share = _irregular_share(signs, is_left_out=np.zeros(len(signs.label), dtype=np.bool_))
    return [
        _state("fast rate", f"run of {len(signs.rr_s)} beats at {rate}/min", is_fast),
        _state("many S beats", f"{_percent(share)} of beats are S", share >= MOST_ECTOPIC),
        _state("narrow QRS complexes", "narrow QRS complexes", width_s <= NARROW_QRS_S),
    ], [
        _state("unusual rate", f"{rate}/min", not is_fast),
        _state("broad QRS complexes", broad, width_s > BROAD_QRS_S),
        _irregular(irregular_share, ": atrial fibrillation is possible"),
    ]


def _state(kind: str, text: str, is_made: bool) -> Statement | None:
    return Statement(kind, text) if is_made else None


def _alternate(signs: BeatSigns) -> Statement | None:
    """State that intervals alternate, if most do."""
    is_made = _alternating_rr(signs) >= ALTERNATING
    return _state("RR intervals alternate", "RR intervals alternate: short, long", is_made)


def _irregular_share(signs: BeatSigns, *, is_left_out: NDArray[np.bool_]) -> float:
    """Return the share of RR changes that are large, without those at beats that are left out; NaN of too few."""
    rr_s = signs.rr_s[1:]
    change_s = np.abs(np.diff(rr_s))
    is_counted = np.isfinite(change_s) & ~(is_left_out[:-2] | is_left_out[1:-1] | is_left_out[2:])
    if is_counted.sum() < FEWEST_CHANGES:
        return float("nan")
    return float((change_s[is_counted] > IRREGULAR_SHARE * _mean(rr_s)).mean())


def _alternating_rr(signs: BeatSigns) -> float:
    """Return the share of neighbouring RR changes that are both large and of opposite signs; NaN of too few."""
    rr_s = signs.rr_s[1:]
    change_s = np.diff(rr_s)
    one, two = change_s[:-1], change_s[1:]
    if len(one) < FEWEST_CHANGES - 1:
        return float("nan")
    is_large = np.minimum(np.abs(one), np.abs(two)) > IRREGULAR_SHARE * _mean(rr_s)
    return float((is_large & (one * two < 0)).mean())


def _irregular(share: float, rest: str = "") -> Statement | None:
    """State that intervals are irregular, if they are."""
    changes = f"{_percent(share)} of changes above {_percent(IRREGULAR_SHARE)}"
    return _state("irregular RR intervals", f"irregular RR intervals ({changes}){rest}", share >= IRREGULAR)


def _p_waves(signs: BeatSigns) -> Statement | None:
    """State that P waves are seen, if in most beats."""
    share = _p_share(signs.has_p, signs.label)
    return _state("P waves", f"P waves before {_percent(share)} of beats", share >= P_SEEN)


def _no_p_waves(signs: BeatSigns) -> Statement | None:
    """State that no P wave is seen, if in most beats."""
    share = _p_share(signs.lacks_p, signs.label)
    return _state("no P wave", f"no P wave seen in {_percent(share)} of beats", share >= P_ABSENT)


def _p_share(is_so: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """Return the share of the readable beats that are no V beats; NaN where too few can be read."""
    is_so = is_so[label != _VENTRICULAR]
    num_known = int(np.isfinite(is_so).sum())
    if num_known < max(FEWEST_P_BEATS, len(is_so) / 2):
        return float("nan")
    return _mean(is_so)


def _width(signs: BeatSigns) -> float:
    """Return the median width of QRS complexes; NaN of none."""
    known_s = signs.width_s[np.isfinite(signs.width_s)]
    return float(np.median(known_s)) if known_s.size else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the finite values: np.nanmean takes ten times as long for as few as an episode has."""
    return float(values[np.isfinite(values)].mean())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


_Explain = Callable[[BeatSigns, int], tuple[_Statements, _Statements]]
_EXPLAIN: dict[str, _Explain] = {
    "NSR": partial(_explain_sinus, is_slow=False),
    "AFIB": _explain_fibrillation,
    "SBR": partial(_explain_sinus, is_slow=True),
    "AB": partial(_explain_bigeminy, early=_SUPRAVENTRICULAR),
    "SVTA": _explain_tachycardia,
    "B": partial(_explain_bigeminy, early=_VENTRICULAR),
}
