"""Write a simulated corpus: true WFDB records with beats and rhythms, any one of them reproducible alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

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

# LTAFDB writes the rhythm mark this long before the R-peak that opens the episode.
MARK_LEAD_S = 0.156
MIN_FS_HZ = 100.0
# Conjugate golden ratio: any run of consecutive subjects covers the scale of archetypes evenly.
GOLDEN = 0.6180339887498949
# The same for gains: root of three, less one, does not go along with the golden ratio.
_ROOT = 0.7320508075688772
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
    fs_hz: float = 128,
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
        Existing folder; ``.hea``, ``.dat``, ``.atr`` per record and ``RECORDS`` are written into it.
    num_subjects : int
        Number of subjects, one record each.
    minutes : float
        Length of every record, at least 0.5.
    fs_hz : float
        Sampling frequency, at least 100 Hz.
    seed : int
        The same seed gives the same bytes; a record depends on the seed and its own number only.
    records : sequence of str, optional
        Write only these of the names; their bytes do not change by that.
    dwell_compression : float
        1: episodes last as long as in the source (mostly hours); c > 1 takes the c-th root of what exceeds 30 beats.
    variety : float
        0: rhythms are as rare and subjects as monotonous as in the source; 1: every subject meets every
        rhythm that is possible for its kind.
    on_record : callable, optional
        Called with the number of records done, their total and the name of the last one.

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
    * Kinds of subjects (sinus, paroxysmal or permanent AFIB) and rare gains come in an even order, all else by chance.
    """
    _check_simulation(num_subjects, minutes, fs_hz, seed, dwell_compression, variety)
    names = record_names(num_subjects)
    wanted = names if records is None else tuple(records)
    for record in wanted:
        if record not in names:
            where = f"simulate/{record}"
            raise UsageError(
                where, found="no such record", expected=f"{names[0]} to {names[-1]}", remedy="Raise num_subjects."
            )
    figures = load_figures()
    offset, gain_offset = np.random.default_rng(seed).random(2)
    for done, record in enumerate(wanted, start=1):
        number = names.index(record)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        traits = draw_traits(figures, rng, archetype_u=(offset + number * GOLDEN) % 1.0, variety=variety)
        morphology = draw_morphology(rng, gain_u=(gain_offset + number * _ROOT) % 1.0)
        noise = draw_noise_traits(rng)
        num_samples = round(minutes * 60 * fs_hz)
        train = draw_beat_train(
            traits, figures, rng, duration_s=num_samples / fs_hz, dwell_compression=dwell_compression
        )
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
        low, inverted = bool(np.abs(morphology.gain).max() < 0.5), bool(morphology.gain.min() < 0)
        comments = [
            f"simulated: seed {seed}, subject {number}, {traits.archetype}",
            *(["low gain"] if low else []),
            *(["inverted lead"] if inverted else []),
        ]
        _write_annotations(Path(folder), record, train, peak_sample, fs_hz)
        write_record(Path(folder), record, signal_uv_SC, fs_hz, AMBULATORY_LEADS, comments)
        if on_record is not None:
            on_record(done, len(wanted), record)
    (Path(folder) / "RECORDS").write_bytes("".join(f"{record}\n" for record in wanted).encode())
    return wanted


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
    """Write beats, and a mark ahead of the first beat of each episode."""
    first = np.flatnonzero(train.is_first)
    mark_sample = np.maximum(peak_sample[first] - round(MARK_LEAD_S * fs_hz), 0)
    # The first rhythm holds from the start of the record.
    mark_sample[:1] = 0
    sample = np.concatenate([peak_sample, mark_sample])
    symbol = np.concatenate([train.label, np.full(len(first), "+")])
    marks = [RHYTHM_MARKS.get(str(name), f"({name}") for name in train.rhythm[first]]
    aux = np.array([""] * len(peak_sample) + marks, dtype=object)
    order = np.argsort(sample, kind="stable")
    write_annotation_file(folder, record, "atr", sample[order], symbol[order], aux[order].tolist(), fs_hz)
