"""Write a simulated corpus: WFDB records with beats and rhythms, each reproducible alone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgfeat.corpora.simulated import MAX_SUBJECTS
from ecgfeat.errors import UsageError
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.simulate.figures import load_figures
from ecgfeat.simulate.morphology import draw_morphology
from ecgfeat.simulate.noise import draw_noise_traits
from ecgfeat.simulate.rhythm import BeatTrain, draw_beat_train
from ecgfeat.simulate.synthesis import AMBULATORY_LEADS, synthesise
from ecgfeat.simulate.traits import draw_traits

# In LTAFDB the rhythm mark is this long before the first R-peak of the episode.
MARK_LEAD_S = 0.156
MIN_FS_HZ = 100.0
# Steps between subjects on the scales of archetypes and gains. They are irrational, so that consecutive subjects cover
# each scale evenly, and unrelated, so that archetype and gain are independent (golden ratio and root of 3, less 1).
ARCHETYPE_STEP = 0.6180339887498949
GAIN_STEP = 0.7320508075688772
RHYTHM_MARKS = {"NSR": "(N"}

OnRecord = Callable[[int, int, str], None]


def record_names(num_subjects: int) -> tuple[str, ...]:
    """Return the names of a simulated corpus: ``sim000``, ``sim001`` ...

    Parameters
    ----------
    num_subjects : int
        Number of subjects, one record each.

    Returns
    -------
    tuple of str
        Names in order.
    """
    return tuple(f"sim{number:03d}" for number in range(num_subjects))


def simulate_corpus(
    folder: Path,
    *,
    num_subjects: int,
    minutes: float,
    fs_hz: float,
    seed: int,
    records: Sequence[str] | None = None,
    dwell_compression: float = 4.0,
    variety: float = 0.85,
    on_record: OnRecord | None = None,
) -> tuple[str, ...]:
    """Simulate a corpus of two-lead records with beat and rhythm annotations.

    Parameters
    ----------
    folder : Path
        Existing folder for ``.hea``, ``.dat`` and ``.atr`` of each record and for ``RECORDS``.
    num_subjects : int
        Number of subjects, one record each.
    minutes : float
        Length of every record, at least 0.5.
    fs_hz : float
        Sampling frequency, at least 100 Hz.
    seed : int
        The same seed gives the same bytes; a record depends on the seed and its own number only.
    records : sequence of str, optional
        Write only these records; their bytes stay the same.
    dwell_compression : float
        1: episodes last as long as in the source (mostly hours); c > 1 takes the c-th root of the part above 30 beats.
    variety : float
        0: rhythms are as rare and subjects as uniform as in the source; 1: every subject has every rhythm that is
        possible for its kind.
    on_record : callable, optional
        Called with the number of records done, their total and the name of the last record.

    Returns
    -------
    tuple of str
        The records written.

    Raises
    ------
    UsageError
        If a value is out of range or a record is not one of the corpus.

    Notes
    -----
    * With the defaults a record of 18 minutes holds about 60 episodes; the median day of the source holds 159.
    * Kinds of subjects (sinus, paroxysmal or permanent AFIB) and rare gains are spread evenly; all else is random.
    """
    _check_simulation(num_subjects, minutes, fs_hz, seed, dwell_compression, variety)
    names = record_names(num_subjects)
    chosen = names if records is None else tuple(records)
    for record in chosen:
        if record not in names:
            expected = f"{names[0]} to {names[-1]}"
            raise UsageError(
                f"simulate/{record}", found="no such record", expected=expected, remedy="Raise num_subjects."
            )
    figures = load_figures()
    offset, gain_offset = np.random.default_rng(seed).random(2)
    for done, record in enumerate(chosen, start=1):
        number = names.index(record)
        _simulate_record(
            Path(folder),
            record,
            figures,
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,))),
            archetype_u=(offset + number * ARCHETYPE_STEP) % 1.0,
            gain_u=(gain_offset + number * GAIN_STEP) % 1.0,
            num_samples=round(minutes * 60 * fs_hz),
            fs_hz=fs_hz,
            dwell_compression=dwell_compression,
            variety=variety,
            origin=f"seed {seed}, subject {number}",
        )
        if on_record is not None:
            on_record(done, len(chosen), record)
    (Path(folder) / "RECORDS").write_bytes("".join(f"{record}\n" for record in chosen).encode())
    return chosen


def _simulate_record(
    folder: Path,
    record: str,
    figures: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    archetype_u: float,
    gain_u: float,
    num_samples: int,
    fs_hz: float,
    dwell_compression: float,
    variety: float,
    origin: str,
) -> None:
    """Draw one subject and write its record; the arguments are those of the functions below."""
    traits = draw_traits(figures, rng, archetype_u=archetype_u, variety=variety)
    morphology = draw_morphology(rng, gain_u=gain_u)
    noise = draw_noise_traits(rng)
    train = draw_beat_train(traits, figures, rng, duration_s=num_samples / fs_hz, dwell_compression=dwell_compression)
    peak_sample = np.round(train.time_s * fs_hz).astype(np.int64)
    signal_uv_SC = synthesise(
        peak_sample,
        train.label,
        train.fibrillating,
        ~train.fibrillating & ~np.isin(train.rhythm, ["VT", "IVR"]),
        num_samples,
        fs_hz=fs_hz,
        morphology=morphology,
        noise=noise,
        breathing_hz=traits.breathing_hz,
        breathing_start=traits.breathing_phase,
        rng=rng,
    )
    has_low_gain, is_inverted = bool(np.abs(morphology.gain).max() < 0.5), bool(morphology.gain.min() < 0)
    comments = [
        f"simulated: {origin}, {traits.archetype}",
        *(["low gain"] if has_low_gain else []),
        *(["inverted lead"] if is_inverted else []),
    ]
    _write_annotations(folder, record, train, peak_sample, fs_hz)
    write_record(folder, record, signal_uv_SC, fs_hz, AMBULATORY_LEADS, comments)


def _check_simulation(
    num_subjects: int, minutes: float, fs_hz: float, seed: int, dwell_compression: float, variety: float
) -> None:
    limits = (
        ("num_subjects", num_subjects, 1 <= num_subjects <= MAX_SUBJECTS, f"1 to {MAX_SUBJECTS}"),
        ("minutes", minutes, minutes >= 0.5, "at least 0.5"),
        ("fs_hz", fs_hz, fs_hz >= MIN_FS_HZ, f"at least {MIN_FS_HZ:g}"),
        ("seed", seed, seed >= 0, "0 or more"),
        ("dwell_compression", dwell_compression, dwell_compression >= 1, "at least 1"),
        ("variety", variety, 0 <= variety <= 1, "0 to 1"),
    )
    for name, value, is_right, expected in limits:
        if not is_right:
            raise UsageError(f"simulate.{name}", found=f"{value:g}", expected=expected)


def _write_annotations(folder: Path, record: str, train: BeatTrain, peak_sample: np.ndarray, fs_hz: float) -> None:
    """Write beats, and a rhythm mark before the first beat of each episode."""
    first = np.flatnonzero(train.is_first)
    mark_sample = np.maximum(peak_sample[first] - round(MARK_LEAD_S * fs_hz), 0)
    # The first rhythm starts with the record.
    mark_sample[:1] = 0
    sample = np.concatenate([peak_sample, mark_sample])
    symbol = np.concatenate([train.label, np.full(len(first), "+")])
    marks = [RHYTHM_MARKS.get(str(name), f"({name}") for name in train.rhythm[first]]
    aux = np.array([""] * len(peak_sample) + marks, dtype=object)
    order = np.argsort(sample, kind="stable")
    write_annotation_file(folder, record, "atr", sample[order], symbol[order], aux[order].tolist(), fs_hz)
