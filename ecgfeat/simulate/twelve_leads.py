"""Write a simulated corpus of twelve-lead records with diagnoses, as the PhysioNet Challenges publish theirs.

Ten seconds at 500 Hz per subject, a WFDB header with age, sex and SNOMED codes. The signal is made from the diagnoses:
in AF the atria fibrillate, with PVC there is at least one early ventricular beat.

References
----------
Perez Alday EA et al, Physiol Meas 41:124003, 2020 (PhysioNet/CinC Challenge 2020: headers, codes, leads).
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfeat.errors import UsageError
from ecgfeat.records.writer import write_record
from ecgfeat.simulate.corpus import OnRecord
from ecgfeat.simulate.figures import SIMULATED_RHYTHMS, load_figures
from ecgfeat.simulate.heart_vector import ELECTRODES, STANDARD_LEADS, draw_electrodes, draw_heart, lead_signals
from ecgfeat.simulate.morphology import Morphology
from ecgfeat.simulate.noise import NoiseRenderer, between_knots, draw_noise_traits, knot_samples
from ecgfeat.simulate.rhythm import BeatTrain, breathing_phase, draw_beat_train
from ecgfeat.simulate.synthesis import fibrillation_knots
from ecgfeat.simulate.traits import Floats, Traits, draw_traits
from ecgfeat.simulate.waveform import BeatRenderer, add_fibrillation, draw_shapes

TWELVE_LEAD_FS_HZ = 500
DURATION_S = 10
MAX_RECORDS = 10_000

SNOMED = {
    "SNR": "426783006",
    "SB": "426177001",
    "STach": "427084000",
    "AF": "164889003",
    "PAC": "284470004",
    "PVC": "427172004",
    "IAVB": "270492004",
    "LBBB": "164909002",
    "RBBB": "59118001",
}
"""SNOMED CT code of each diagnosis, as the Challenges use them."""

SIMULATED_DIAGNOSES = (
    *(("SNR",),) * 2,
    *(("SNR", finding) for finding in ("IAVB", "PAC", "PVC", "LBBB", "RBBB")),
    ("SNR", "PAC", "RBBB"),
    *(("SB",),) * 2,
    *(("SB", finding) for finding in ("IAVB", "PAC", "PVC")),
    ("SB", "IAVB", "RBBB"),
    *(("STach",),) * 2,
    *(("STach", finding) for finding in ("PAC", "PVC", "LBBB")),
    *(("AF",),) * 2,
    *(("AF", finding) for finding in ("PVC", "LBBB", "RBBB")),
)
"""Diagnoses of 24 records. Every 24 records have each once, in random order: no class has less than 12 %."""

# Mean interval between beats of sinus rhythm in s: 62 to 97, below 58 and above 104 beats per minute.
RR_S = {"SNR": (0.62, 0.97), "SB": (1.04, 1.45), "STach": (0.36, 0.575)}
# The simulated sinus node is valid between these limits; slower and faster hearts are stretched in time.
NODE_RR_S = (0.62, 1.0)


def twelve_lead_names(num_records: int) -> tuple[str, ...]:
    """Return the names of a simulated corpus of twelve-lead records: ``tl0000``, ``tl0001`` ...

    Parameters
    ----------
    num_records : int
        Number of records.

    Returns
    -------
    tuple of str
        Names in order.
    """
    return tuple(f"tl{number:04d}" for number in range(num_records))


def draw_diagnoses(seed: int, number: int) -> tuple[str, ...]:
    """Return the diagnoses of one record.

    Parameters
    ----------
    seed : int
        Seed of the corpus.
    number : int
        Number of the record, from 0.

    Returns
    -------
    tuple of str
        Classes of `SNOMED`: the rhythm first.
    """
    block, place = divmod(number, len(SIMULATED_DIAGNOSES))
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block, 0))).permutation(
        len(SIMULATED_DIAGNOSES)
    )
    return tuple(SIMULATED_DIAGNOSES[order[place]])


def simulate_twelve_leads(
    folder: Path, num_records: int, seed: int, on_record: OnRecord | None = None
) -> tuple[str, ...]:
    """Simulate a corpus of twelve-lead records with diagnoses.

    Parameters
    ----------
    folder : Path
        Existing folder for ``.hea`` and ``.dat`` of each record and for ``RECORDS``.
    num_records : int
        Number of records, one per subject; 1 to 10,000.
    seed : int
        The same seed gives the same bytes; a record depends on the seed and its own number only.
    on_record : callable, optional
        Called with the number of records done, their total and the name of the last record.

    Returns
    -------
    tuple of str
        The records written.

    Raises
    ------
    UsageError
        If `num_records` or `seed` is out of range.
    """
    for name, value, is_right, expected in (
        ("num_records", num_records, 1 <= num_records <= MAX_RECORDS, f"1 to {MAX_RECORDS}"),
        ("seed", seed, seed >= 0, "0 or more"),
    ):
        if not is_right:
            raise UsageError(f"simulate12.{name}", found=str(value), expected=expected)
    figures, names = load_figures(), twelve_lead_names(num_records)
    for number, record in enumerate(names):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, 1)))
        diagnoses = draw_diagnoses(seed, number)
        comments = [*_draw_person(rng, diagnoses), f"Dx: {','.join(SNOMED[name] for name in diagnoses)}"]
        comments += ["Rx: Unknown", "Hx: Unknown", "Sx: Unknown", f"simulated: seed {seed}, subject {number}"]
        signal_uv_SC = draw_record(diagnoses, figures, rng)
        write_record(Path(folder), record, signal_uv_SC, TWELVE_LEAD_FS_HZ, STANDARD_LEADS, comments)
        if on_record is not None:
            on_record(number + 1, len(names), record)
    (Path(folder) / "RECORDS").write_bytes("".join(f"{record}\n" for record in names).encode())
    return names


def draw_record(diagnoses: tuple[str, ...], figures: dict[str, Any], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Draw the signal of a subject with given diagnoses.

    Parameters
    ----------
    diagnoses : tuple of str
        Classes of `SNOMED`, the rhythm first.
    figures : dict
        Result of `load_figures`.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of int16, shape (5000, 12)
        Microvolts at 500 Hz, in the order of `STANDARD_LEADS`.
    """
    traits = draw_traits(figures, rng, archetype_u=0.0, variety=0.0)
    train = draw_rhythm(diagnoses, traits, figures, rng)
    block = next((name for name in diagnoses if name in ("LBBB", "RBBB")), "")
    heart = draw_heart(rng, block=block, has_long_pr="IAVB" in diagnoses)
    vector_CS = _render_vector(train, heart, traits, rng)
    potential_ES = (draw_electrodes(rng) @ vector_CS).astype(np.float32)
    # A burst of muscle or motion noise in about every third record.
    noise = dataclasses.replace(
        draw_noise_traits(rng, num_leads=len(ELECTRODES)), bursts_per_hour=float(rng.lognormal(np.log(90), 0.7))
    )
    num_samples = potential_ES.shape[1]
    NoiseRenderer(noise, rng, num_samples, TWELVE_LEAD_FS_HZ, traits.breathing_hz, traits.breathing_phase).add(
        potential_ES, 0
    )
    return lead_signals(potential_ES)


def draw_rhythm(
    diagnoses: tuple[str, ...], traits: Traits, figures: dict[str, Any], rng: np.random.Generator
) -> BeatTrain:
    """Draw the beats of ten seconds of one rhythm, with at least one early beat of each diagnosed kind.

    Parameters
    ----------
    diagnoses : tuple of str
        Classes of `SNOMED`, the rhythm first.
    traits : Traits
        The subject; rhythm, rate and early beats follow from the diagnoses instead.
    figures : dict
        Result of `load_figures`.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    BeatTrain
        Beats inside ``[0, 10)`` s.
    """
    is_af = "AF" in diagnoses
    rr_s = float(np.clip(traits.fibrillation_rr_s, 0.45, 1.0) if is_af else rng.uniform(*RR_S[diagnoses[0]]))
    one_rhythm = dataclasses.replace(
        traits,
        archetype="permanent" if is_af else "sinus",
        # The rhythm never changes: each is followed by itself.
        transition=np.eye(len(SIMULATED_RHYTHMS)),
        fibrillation_rr_s=rr_s,
        sinus_rr_s=float(np.clip(rr_s, *NODE_RR_S)),
        sinus_difference=min(traits.sinus_difference, 0.05) * (0.4 if diagnoses[0] == "STach" else 1.0),
        rate_a=rng.uniform(0.08, 0.3) if "PAC" in diagnoses else 0.0,
        rate_v=rng.uniform(0.08, 0.3) if "PVC" in diagnoses else 0.0,
        fibrillation_rate_v=rng.uniform(0.08, 0.3) if "PVC" in diagnoses else 0.0,
        pre_a=min(traits.pre_a, 0.85),
        pre_v=min(traits.pre_v, 0.85),
    )
    required = {label for name, label in (("PAC", "A"), ("PVC", "V")) if name in diagnoses}
    while True:
        drawn = draw_beat_train(one_rhythm, figures, rng, duration_s=2.0 * DURATION_S + 10, dwell_compression=1.0)
        time_s = drawn.time_s if is_af else _stretch(drawn, rr_s)
        inside = time_s < DURATION_S - 0.05
        if required <= set(drawn.label[inside].tolist()):
            return BeatTrain(
                time_s[inside],
                drawn.label[inside],
                drawn.rhythm[inside],
                drawn.is_first[inside],
                drawn.fibrillating[inside],
            )


def _stretch(train: BeatTrain, rr_s: float) -> Floats:
    """Stretch the time between beats so that undisturbed sinus intervals are `rr_s` on average."""
    # Only beats within the record count; else the drift of the rate could move it out of its class.
    num = int(DURATION_S / rr_s) + 1
    interval_s, label = np.diff(train.time_s[: num + 1]), train.label[: num + 1]
    is_sinus = (label[:-1] == "N") & (label[1:] == "N")
    mean_s = float(interval_s[is_sinus].mean() if is_sinus.any() else interval_s.mean())
    return np.asarray(train.time_s[0] + (train.time_s - train.time_s[0]) * (rr_s / mean_s))


def _render_vector(
    train: BeatTrain, heart: Morphology, traits: Traits, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Render the heart's vector, shape (3, 5000), in millivolts."""
    num_samples = TWELVE_LEAD_FS_HZ * DURATION_S
    vector_CS = np.zeros((3, num_samples), dtype=np.float32)
    shape, aberrant = draw_shapes(train.label, heart, rng)
    phase = breathing_phase(train.time_s, traits.breathing_hz, traits.breathing_phase)
    peaks = train.time_s * TWELVE_LEAD_FS_HZ
    BeatRenderer(peaks, shape, aberrant, ~train.fibrillating, phase, heart, rng, TWELVE_LEAD_FS_HZ).add(vector_CS, 0)
    if train.fibrillating.any():
        step = knot_samples(TWELVE_LEAD_FS_HZ)
        at = np.round(peaks).astype(np.int64)
        angle, strength = fibrillation_knots(at, train.fibrillating, num_samples, step, heart, rng)
        local = (angle - 2 * np.pi * np.floor(angle[0] / (2 * np.pi))).astype(np.float32)
        waves = between_knots(local, step, 0, num_samples), between_knots(strength, step, 0, num_samples)
        add_fibrillation(vector_CS, *waves, heart)
    return vector_CS


def _draw_person(rng: np.random.Generator, diagnoses: tuple[str, ...]) -> list[str]:
    """Draw age and sex, as in headers of the Challenge; fibrillation and blocks are of older subjects."""
    is_old = bool({"AF", "LBBB", "RBBB", "IAVB"} & set(diagnoses))
    age = int(np.clip(rng.normal(70 if is_old else 55, 13), 18, 92))
    return [f"Age: {age}", f"Sex: {'Female' if rng.random() < 0.5 else 'Male'}"]
