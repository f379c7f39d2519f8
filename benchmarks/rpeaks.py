"""Accuracy and speed of R-peak detection beside its peers: ``ECGFEAT_MIRROR=... python -m benchmarks.rpeaks``.

All detectors read the same records in the same run, at 128 Hz and at the rate of the records. F1 is in per cent with
the match of EC57. The thresholds of the own detector were tuned on DS1 of mitdb; its rules were chosen with all of
mitdb and qtdb in view. Unmatched detections within ventricular flutter (record 207) do not count, as in bxb. sleepecg
needs the extra ``peers``. The last column is the speed in CPU time, one thread, divided by that of sleepecg on the
same leads: both read each record three times in turn, and the fastest counts.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import firwin
from wfdb.processing import gqrs_detect

from benchmarks.pairs import Pairs, time_pairs
from ecgfeat.records.annotations import is_beat
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.scoring.beats import DETECTION_COUNTS, count_detections, detection_scores
from ecgfeat.signals.resample import resample
from ecgfeat.signals.rpeaks import detect_rpeaks

DS1 = [str(n) for n in (101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124)]
DS1 += [str(n) for n in (201, 203, 205, 207, 208, 209, 215, 220, 223, 230)]
PACED = ["102", "104", "107", "217"]

Detector = Callable[[NDArray[np.float32], float], NDArray[np.int64]]


@dataclass(frozen=True)
class Record:
    """A record at one rate: signal (S, C), reference beats, and spans of flutter."""

    name: str
    signal_mv: NDArray[np.float32]
    fs_hz: float
    beat: NDArray[np.int64]
    flutter: NDArray[np.int64]


def detect_sleepecg(signal_mv_SC: NDArray[np.float32], fs_hz: float) -> NDArray[np.int64]:
    """Run sleepecg on each of the leads given; the beats are those of the first."""
    from sleepecg import detect_heartbeats

    found = [detect_heartbeats(lead_S, fs_hz) for lead_S in signal_mv_SC.T]
    return np.asarray(found[0], dtype=np.int64)


def detect_gqrs(signal_mv_SC: NDArray[np.float32], fs_hz: float) -> NDArray[np.int64]:
    """Run wfdb's gqrs on the first lead."""
    found = gqrs_detect(sig=np.nan_to_num(signal_mv_SC[:, 0]).astype(np.float64), fs=fs_hz, adc_gain=200, adc_zero=0)
    return np.asarray(found, dtype=np.int64)


DETECTORS: dict[str, tuple[bool, Detector]] = {
    "ecgfeat, all leads": (True, lambda signal, fs_hz: detect_rpeaks(signal, fs_hz, method="ecgfeat", lead="all")),
    "ecgfeat": (False, lambda signal, fs_hz: detect_rpeaks(signal, fs_hz, method="ecgfeat", lead=0)),
    "sleepecg": (False, detect_sleepecg),
    "neurokit": (False, lambda signal, fs_hz: detect_rpeaks(signal, fs_hz, method="neurokit", lead=0)),
    "xqrs": (False, lambda signal, fs_hz: detect_rpeaks(signal, fs_hz, method="xqrs", lead=0)),
    "gqrs": (False, detect_gqrs),
}
"""By name: whether all leads are read, and the detector."""


def read(folder: Path, name: str, fs_hz: float | None) -> Record:
    """Read a record at a rate; None: its own."""
    source = read_signal(folder, name)
    annotation = read_annotations(folder, name, "atr", len(source.signal_mv_SC))
    to_hz = fs_hz or source.fs_hz
    position = np.rint(annotation.sample * to_hz / source.fs_hz).astype(np.int64)
    flutter = [position[annotation.symbol == mark] for mark in "[]"]
    # Each lead in one piece: sleepecg would copy it.
    signal_mv_SC = np.asfortranarray(resample(source.signal_mv_SC, source.fs_hz, to_hz))
    return Record(name, signal_mv_SC, to_hz, position[is_beat(annotation.symbol)], np.stack(flutter, axis=1))


def add_noise(signal_mv_SC: NDArray[np.float32], fs_hz: float, snr_db: float, seed: int) -> NDArray[np.float32]:
    """Add noise of 5-60 Hz to each lead, relative to the power of the lead in that band."""
    num_taps = 2 * round(fs_hz / 2) + 1
    rng, taps = np.random.default_rng(seed), firwin(num_taps, [5, 60], pass_zero=False, fs=fs_hz)
    noisy = signal_mv_SC.astype(np.float64)
    for lead_S in noisy.T:
        noise = np.convolve(rng.standard_normal(lead_S.size + num_taps - 1), taps, "valid")
        power = np.mean(np.convolve(np.pad(lead_S, num_taps // 2, mode="edge"), taps, "valid") ** 2)
        lead_S += noise * np.sqrt(power / np.mean(noise**2) / 10 ** (snr_db / 10))
    return noisy.astype(np.float32)


def score(found: dict[str, NDArray[np.int64]], records: list[Record], **options: Any) -> dict[str, float]:
    """Pool the counts of the records."""
    counts = [
        count_detections(record.beat, found[record.name], record.fs_hz, ignored_spans=record.flutter, **options)
        for record in records
    ]
    scores = detection_scores(np.array([[count[key] for key in DETECTION_COUNTS] for count in counts]))
    return scores | {"offset_s": float(np.nanmedian([count["offset_s"] for count in counts]))}


def print_line(name: str, records: list[Record], levels_db: list[float], num_rounds: int) -> None:
    """Print the line of a detector."""
    reads_all, detector = DETECTORS[name]
    leads = slice(None) if reads_all else slice(0, 1)
    detector(records[0].signal_mv[: int(60 * records[0].fs_hz), leads], records[0].fs_hz)  # imports are not timed
    found, spent_s, sleepecg_s = {}, 0.0, 0.0
    for record in records:
        signal_mv_SC = record.signal_mv[:, leads]
        own_s, peer_s = [], []
        for _ in range(max(1, num_rounds)):
            started = time.process_time()
            found[record.name] = detector(signal_mv_SC, record.fs_hz)
            own_s.append(time.process_time() - started)
            if num_rounds:
                started = time.process_time()
                detect_sleepecg(signal_mv_SC, record.fs_hz)
                peer_s.append(time.process_time() - started)
        spent_s, sleepecg_s = spent_s + min(own_s), sleepecg_s + min(peer_s, default=np.nan)
    full = score(found, records)
    values = [full["sensitivity"], full["positive_predictivity"], full["f1"]]
    values += [score(found, records, window_s=0.05)["f1"], full["f1_record_mean"]]
    values += [score(found, records, skip_s=300)["f1"]]
    for members in split_sets(records).values():
        values.append(score(found, members)["f1"] if members else np.nan)
    for level_db in levels_db:
        noisy = {
            record.name: detector(add_noise(record.signal_mv, record.fs_hz, level_db, seed)[:, leads], record.fs_hz)
            for seed, record in enumerate(records)
        }
        values.append(score(noisy, records)["f1"])
    line = "".join(f"{100 * value:9.2f}" for value in values)
    duration_s = sum(len(record.signal_mv) / record.fs_hz for record in records)
    speed = f"{duration_s / spent_s:11,.0f}{sleepecg_s / spent_s:9.2f}"
    print(f"{name:20}{line}{1000 * full['offset_s']:9.1f}{speed}", flush=True)


def measure(folder: Path, fs_hz: float | None = 128.0, num_rounds: int = 3) -> dict[str, Pairs]:
    """Detect the R-peaks of a corpus with the own detector and with sleepecg, in turn.

    Parameters
    ----------
    folder : Path
        With the records of the corpus.
    fs_hz : float, optional
        At which rate; None: that of the records.
    num_rounds : int
        How often all records are read.

    Returns
    -------
    dict of str to Pairs
        CPU seconds of all records: of one lead, and of all leads with their quality.
    """
    records = [read(folder, path.stem, fs_hz) for path in sorted(folder.glob("*.hea"))]

    def run(detector: Detector, leads: slice) -> None:
        for record in records:
            detector(record.signal_mv[:, leads], record.fs_hz)

    leads = {"one lead": ("ecgfeat", slice(0, 1)), "all leads": ("ecgfeat, all leads", slice(None))}
    return {
        name: time_pairs(partial(run, DETECTORS[own][1], of), partial(run, detect_sleepecg, of), num_rounds)
        for name, (own, of) in leads.items()
    }


def split_sets(records: list[Record]) -> dict[str, list[Record]]:
    """Return the records of the two halves of mitdb that literature compares on."""
    return {
        "DS1": [record for record in records if record.name in DS1],
        "DS2": [record for record in records if record.name.isdigit() and record.name not in [*DS1, *PACED]],
    }


def has_sleepecg() -> bool:
    """Return whether sleepecg is installed, and say how to get it."""
    if find_spec("sleepecg") is None:
        print("sleepecg is not installed (pip install -e '.[peers]'): no ratio")
        return False
    return True


def main() -> None:
    """Print a table per corpus and rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", nargs="+", default=["mitdb", "qtdb"], help="folders of ECGFEAT_MIRROR")
    parser.add_argument("--detectors", nargs="+", choices=[*DETECTORS], default=[*DETECTORS])
    parser.add_argument("--records", nargs="+", help="only these")
    parser.add_argument("--rates", nargs="+", choices=["128", "own"], default=["128", "own"])
    parser.add_argument("--snr-db", type=float, nargs="*", default=[6.0, 0.0], help="noise levels to add")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    num_rounds = 3 if has_sleepecg() else 0
    heads = ["Se", "+P", "F1", "50 ms", "F1 mean", "skip 5", "DS1", "DS2"]
    heads += [*(f"{level:g} dB" for level in arguments.snr_db), "offset ms"]
    for corpus in arguments.corpora:
        folder = Path(os.environ["ECGFEAT_MIRROR"]) / corpus
        names = arguments.records or sorted(path.stem for path in folder.glob("*.hea"))
        for rate in arguments.rates:
            records = [read(folder, name, 128.0 if rate == "128" else None) for name in names]
            print(f"\n{corpus}: {len(records)} records, {sum(record.beat.size for record in records)} beats, ", end="")
            print(f"{records[0].fs_hz:g} Hz")
            print(f"{'detector':20}" + "".join(f"{head:>9}" for head in heads) + f"{'x real time':>11}{'ratio':>9}")
            for name in arguments.detectors:
                if name != "sleepecg" or num_rounds:
                    print_line(name, records, arguments.snr_db, num_rounds)


if __name__ == "__main__":
    main()
