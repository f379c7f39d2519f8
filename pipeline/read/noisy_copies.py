"""Copies of training records with noise added, described as if they had been recorded so."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.device import choose_device
from ecgfeat.scoring.beats import FLUTTER
from ecgfeat.signals.candidates import distance_to_nearest
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.signals.rpeak_table import to_common_rate
from ecgfeat.simulate.perturb import mix_noise
from ecgfeat.simulate.recorded_noise import PIECE_S, NoisePool, lay_noise
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import BEAT_TABLE, COMMON_FS_HZ, EPISODES, SIGNALS
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.annotated import DescribedBeats
from pipeline.read.beats import read_records, read_rows_by_record
from pipeline.read.signal_beats import find_and_describe_beats

NOISE_S: Final = 0.25
"""A detection closer to a beat may be the beat itself, badly placed."""


def read_noisy_copies(
    params: Params, splits: tuple[str, ...], pool: NoisePool
) -> Iterator[tuple[str, DescribedBeats, NDArray[np.bool_]]]:
    """Add noise to each record with a signal, find its beats anew, and yield those in usable time.

    Parameters
    ----------
    params : Params
        ``corpora``, and the range ``train_beats.noise_snr_db``.
    splits : tuple of str
        Of train, validation.
    pool : NoisePool
        Recorded noise of training records.

    Yields
    ------
    corpus : str
        Slug.
    beats : DescribedBeats
        With at least one beat.
    is_noise : ndarray of bool, (L,)
        Detections that noise made: `NOISE_S` or more from every annotated beat, and not in ventricular flutter, whose
        waves are no annotated beats.

    Notes
    -----
    * Noise comes and goes: its level changes every 10 s and from lead to lead. A copy so holds what noise does to every
      stage before the classifier: beats are missed, others are found where there are none, and shapes change.
    """
    device = choose_device(params.runtime.device, params.runtime.threads)
    for corpus in params.inside(params.corpora):
        signals = open_array(paths.signals(corpus), SIGNALS, aligned_with=paths.records(corpus))
        beats_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
        episodes_of = read_rows_by_record(paths.episodes(corpus), EPISODES)
        for record, row in read_records(corpus).items():
            if row["split"] not in splits or row["status"] != "used" or record not in signals.rows:
                continue
            noisy_uv_SC = add_changing_noise(
                signals.read(record), f"{corpus}/{record}", pool, params.train_beats.noise_snr_db
            )
            about = (record, str(row["subject"]), beats_of(record), episodes_of(record), float(row["fs_hz"]))
            beats = find_and_describe_beats(to_millivolts(noisy_uv_SC), *about, params, device)
            is_used = np.asarray(beats.rpeaks["quality"] == "usable")
            if is_used.any():
                rpeaks, feature = (
                    {name: column[is_used] for name, column in table.items()} for table in (beats.rpeaks, beats.feature)
                )
                position = to_common_rate(about[2]["sample"], about[4])
                distance_s = distance_to_nearest(rpeaks["sample"], position) / COMMON_FS_HZ
                is_noise = (distance_s >= NOISE_S) & (rpeaks["rhythm"] != FLUTTER)
                yield corpus, DescribedBeats(row, rpeaks, feature, beats.window_uv[is_used], is_used), is_noise


def add_changing_noise(
    signal_uv_SC: NDArray[np.int16], name: str, pool: NoisePool, snr_db: Sequence[float]
) -> NDArray[np.int16]:
    """Add recorded noise whose level changes every 10 s, in each lead by itself.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, (S, C)
        Microvolts at the common rate, -32768 invalid.
    name : str
        Corpus and record, which alone seed the draws: with another seed of the run the noise stays.
    pool : NoisePool
        The noise.
    snr_db : sequence of float, (2,)
        Smallest and largest signal-to-noise ratio; all between are equally likely.

    Returns
    -------
    ndarray of int16, (S, C)
    """
    num_samples, num_leads = signal_uv_SC.shape
    rng = np.random.default_rng((zlib.crc32(name.encode()), 2))
    noise_SC = lay_noise(pool, name, num_samples, num_leads, COMMON_FS_HZ)
    size = round(PIECE_S * COMMON_FS_HZ)
    knot = np.arange(0, num_samples + 2 * size, size)
    for lead in range(num_leads):
        level_db = np.interp(np.arange(num_samples), knot, rng.uniform(*snr_db, len(knot)))
        noise_SC[:, lead] *= 10 ** (-level_db / 20)
    # The level is in the noise already, in dB below an ECG of power 1.
    return mix_noise(signal_uv_SC, noise_SC, snr_db=0.0, fs_hz=COMMON_FS_HZ)
