"""Ways in which a record could have been taken: other leads, polarity, gain or rate, and noise.

All changes take and return a `Signal` in mV, and leave the one they are given as it is.

Shape suffixes: S samples, C leads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.records.reader import Signal
from ecgfeat.scoring.variants import AS_IT_IS
from ecgfeat.signals.resample import resample, to_microvolts, to_millivolts
from ecgfeat.simulate.perturb import add_noise, mix_noise
from ecgfeat.simulate.recorded_noise import NoisePool, lay_noise

LEADS_LIMIT: Final = 0.02
"""How much of macro F1 a change of leads, polarity, gain or rate may cost."""

NOISE_LIMITS: Final = ((12.0, 0.04), (6.0, 0.12))
"""How much noise may cost at so many dB and above; below them no limit is set."""


@dataclass(frozen=True)
class Variant:
    """One change of how a record was taken.

    Attributes
    ----------
    name : str
        What is changed.
    vary : callable
        Takes a record's signal, and returns the changed one.
    limit : float or None
        How much of macro F1 it may cost; None: no limit is set.
    least_leads : int
        Records with fewer leads are left out.
    """

    name: str
    vary: Callable[[Signal], Signal]
    limit: float | None = None
    least_leads: int = 1


def list_variants(
    *, noise_snr_db: Sequence[float], rates_hz: Sequence[float], gains: Sequence[float], pool: NoisePool | None = None
) -> list[Variant]:
    """List the changes, after the record as it is.

    Parameters
    ----------
    noise_snr_db : sequence of float
        Signal-to-noise ratios.
    rates_hz : sequence of float
        Rates that records are resampled to.
    gains : sequence of float
        Factors on all leads.
    pool : NoisePool, optional
        Recorded noise; without it only simulated noise is added.

    Returns
    -------
    list of Variant
    """
    leads: list[tuple[str, Callable[[Signal], Signal], int]] = [
        ("leads_swapped", swap_leads, 2),
        ("first_lead_dropped", partial(drop_lead, lead=0), 2),
        ("second_lead_dropped", partial(drop_lead, lead=1), 2),
        ("one_lead", keep_first_lead, 2),
        ("polarity_inverted", partial(scale, gain=-1.0), 1),
        *((f"gain_{gain:g}", partial(scale, gain=gain), 1) for gain in gains),
        *((f"rate_{to_hz:g}_hz", partial(change_rate, to_hz=to_hz), 1) for to_hz in rates_hz),
    ]
    variants = [Variant(name, vary, LEADS_LIMIT, least) for name, vary, least in leads]
    for snr_db in noise_snr_db:
        limit = next((most for least_db, most in NOISE_LIMITS if snr_db >= least_db), None)
        variants.append(Variant(f"noise_{snr_db:g}_db", partial(add_simulated, snr_db=snr_db), limit))
        if pool is not None:
            name = f"recorded_noise_{snr_db:g}_db"
            variants.append(Variant(name, partial(add_recorded, pool=pool, snr_db=snr_db), limit))
    return [Variant(AS_IT_IS, lambda signal: signal), *variants]


def swap_leads(signal: Signal) -> Signal:
    """Exchange the first two leads, as two cables do that are exchanged: the names stay where they are."""
    order = np.arange(len(signal.leads))
    order[:2] = order[:2][::-1]
    return replace(signal, signal_mv_SC=signal.signal_mv_SC[:, order])


def drop_lead(signal: Signal, lead: int) -> Signal:
    """Make one lead invalid throughout."""
    dropped_mv_SC = signal.signal_mv_SC.copy()
    dropped_mv_SC[:, lead] = np.nan
    return replace(signal, signal_mv_SC=dropped_mv_SC)


def keep_first_lead(signal: Signal) -> Signal:
    """Return the record of a device with one lead."""
    return replace(signal, leads=signal.leads[:1], signal_mv_SC=signal.signal_mv_SC[:, :1])


def scale(signal: Signal, gain: float) -> Signal:
    """Multiply all leads by a factor."""
    return replace(signal, signal_mv_SC=signal.signal_mv_SC * np.float32(gain))


def change_rate(signal: Signal, to_hz: float) -> Signal:
    """Return the record as sampled at another rate."""
    return replace(signal, fs_hz=float(to_hz), signal_mv_SC=resample(signal.signal_mv_SC, signal.fs_hz, to_hz))


def add_simulated(signal: Signal, snr_db: float) -> Signal:
    """Add wander and muscle noise, as `ecgfeat.simulate.perturb.add_noise` does."""
    return _in_microvolts(signal, partial(add_noise, record=signal.record, snr_db=snr_db, fs_hz=signal.fs_hz))


def add_recorded(signal: Signal, pool: NoisePool, snr_db: float) -> Signal:
    """Add recorded noise."""
    num_samples, num_leads = signal.signal_mv_SC.shape
    noise_SC = lay_noise(pool, signal.record, num_samples, num_leads, signal.fs_hz)
    return _in_microvolts(signal, partial(mix_noise, noise_SC=noise_SC, snr_db=snr_db, fs_hz=signal.fs_hz))


def _in_microvolts(signal: Signal, change: Callable[[NDArray[np.int16]], NDArray[np.int16]]) -> Signal:
    """Change the leads without their offsets, which may be larger than int16 microvolts hold."""
    offset_mv = [
        np.median(lead_S[np.isfinite(lead_S)]) if np.isfinite(lead_S).any() else 0.0 for lead_S in signal.signal_mv_SC.T
    ]
    offset_mv_C = np.array(offset_mv, dtype=np.float32)
    changed_uv_SC = change(to_microvolts(signal.signal_mv_SC - offset_mv_C))
    return replace(signal, signal_mv_SC=to_millivolts(changed_uv_SC) + offset_mv_C)
