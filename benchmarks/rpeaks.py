"""Accuracy and speed of R-peak detection against its peers on mitdb: ``python -m benchmarks.rpeaks FOLDER``.

All detectors read the same leads at 128 Hz in the same run. The own detector was tuned on DS1. F1 is in per cent with
the match of EC57. Unmatched detections within ventricular flutter (record 207) do not count, as in bxb; the last column
counts them.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.signal import firwin

from ecgfeat.records.annotations import is_beat
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.scoring.beats import DETECTION_COUNTS, count_detections, detection_scores
from ecgfeat.signals.resample import resample
from ecgfeat.signals.rpeaks import detect_rpeaks

FS_HZ = 128
DS1 = [str(n) for n in (101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124)]
DS1 += [str(n) for n in (201, 203, 205, 207, 208, 209, 215, 220, 223, 230)]
PACED = ["102", "104", "107", "217"]

Detector = Callable[[np.ndarray], np.ndarray]
DETECTORS: dict[str, Detector] = {
    "ecgfeat": lambda signal: detect_rpeaks(signal, FS_HZ, method="ecgfeat", lead=0),
    "ecgfeat, all leads": lambda signal: detect_rpeaks(signal, FS_HZ, method="ecgfeat", lead="all"),
    "neurokit": lambda signal: detect_rpeaks(signal, FS_HZ, method="neurokit", lead=0),
    "xqrs": lambda signal: detect_rpeaks(signal, FS_HZ, method="xqrs", lead=0),
}


def read(folder: Path, record: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the signal, the reference beats and the flutter spans of a record, all at 128 Hz."""
    source = read_signal(folder, record)
    annotation = read_annotations(folder, record, "atr", len(source.signal_mv_SC))
    position = np.rint(annotation.sample * FS_HZ / source.fs_hz).astype(np.int64)
    flutter = [position[annotation.symbol == mark] for mark in "[]"]
    signal = resample(source.signal_mv_SC, source.fs_hz, FS_HZ)
    return signal, position[is_beat(annotation.symbol)], np.stack(flutter, axis=1)


def add_noise(signal: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    """Add noise of 5-60 Hz to each lead, relative to the power of the lead in that band."""
    rng, taps = np.random.default_rng(seed), firwin(129, [5, 60], pass_zero=False, fs=FS_HZ)
    noisy = signal.astype(np.float64)
    for lead in noisy.T:
        noise = np.convolve(rng.standard_normal(lead.size + 128), taps, "valid")
        power = np.mean(np.convolve(np.pad(lead, 64, mode="edge"), taps, "valid") ** 2)
        lead += noise * np.sqrt(power / np.mean(noise**2) / 10 ** (snr_db / 10))
    return noisy.astype(np.float32)


def main() -> None:
    """Print one line per detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of mitdb")
    parser.add_argument("--detectors", nargs="+", choices=[*DETECTORS], default=[*DETECTORS])
    parser.add_argument("--records", nargs="+", help="only these (default: all in RECORDS order)")
    parser.add_argument("--snr-db", type=float, nargs="*", default=[6.0, 0.0], help="noise levels to add")
    parser.add_argument("--worst", type=int, default=0, help="print this many records with most errors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = arguments.records or sorted(path.stem for path in arguments.folder.glob("*.hea"))
    records = {name: read(arguments.folder, name) for name in names}
    for name in arguments.detectors:  # imports and first calls are not timed
        DETECTORS[name](next(iter(records.values()))[0][: 60 * FS_HZ])

    def pool(found: dict[str, np.ndarray], names: list[str], *, flutter: bool = False, **options: float) -> dict:
        counts = [
            count_detections(
                records[name][1],
                found[name],
                FS_HZ,
                ignored_spans=None if flutter else records[name][2],
                **options,
            )
            for name in names
        ]
        scores = detection_scores(np.array([[count[key] for key in DETECTION_COUNTS] for count in counts]))
        return scores | {"offset_s": np.nanmedian([count["offset_s"] for count in counts])}

    sets = {"DS1": [name for name in names if name in DS1]}
    sets["DS2"] = [name for name in names if name not in DS1 and name not in PACED]
    print(f"{len(records)} records, {sum(beat.size for _, beat, _ in records.values())} reference beats")
    heads = ["Se", "+P", "F1", "F1 mean", "skip 5", "50 ms", *[key for key in sets if sets[key]]]
    heads += [f"{level:g} dB" for level in arguments.snr_db] + ["offset ms", "x real time", "with flutter"]
    print(f"{'detector':20}" + "".join(f"{head:>13}" for head in heads))
    for name in arguments.detectors:
        started = time.process_time()
        found = {record: DETECTORS[name](signal) for record, (signal, _, _) in records.items()}
        spent_s = time.process_time() - started
        duration_s = sum(len(signal) for signal, _, _ in records.values()) / FS_HZ
        full = pool(found, names)
        values = [full["sensitivity"], full["positive_predictivity"], full["f1"], full["f1_record_mean"]]
        values += [pool(found, names, skip_s=300)["f1"], pool(found, names, window_s=0.05)["f1"]]
        values += [pool(found, members)["f1"] for members in sets.values() if members]
        for level in arguments.snr_db:
            noisy = {
                record: DETECTORS[name](add_noise(signal, level, seed))
                for seed, (record, (signal, _, _)) in enumerate(records.items())
            }
            values.append(pool(noisy, names)["f1"])
        line = "".join(f"{100 * value:13.2f}" for value in values)
        line += f"{1000 * full['offset_s']:13.1f}{duration_s / spent_s:13,.0f}"
        print(f"{name:20}{line}{100 * pool(found, names, flutter=True)['f1']:13.2f}", flush=True)
        counts = {record: pool(found, [record]) for record in names}
        errors = {record: count["false_negatives"] + count["false_positives"] for record, count in counts.items()}
        for record in sorted(errors, key=lambda record: -errors[record])[: arguments.worst]:
            print(f"    {record}: {errors[record]:.0f} errors, F1 {100 * counts[record]['f1']:.2f}")


if __name__ == "__main__":
    main()
