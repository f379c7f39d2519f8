"""Learn and measure signal quality on real records: ``ECGFEAT_MIRROR=... python -m benchmarks.quality``.

Weights and threshold come from one half of the records of cinc2017. All numbers that are printed come from the other
half, and from mitdb, whose annotators marked stretches of noise.
"""

import csv
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import wfdb
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ecgfeat.corpora.halves import draw_halves
from ecgfeat.records.reader import read_signal
from ecgfeat.signals import quality
from ecgfeat.signals.figures import figures_of
from ecgfeat.signals.filters import DETECTOR_FS_HZ, filter_leads
from ecgfeat.signals.gaps import clear_invalid
from ecgfeat.signals.resample import resample

NOISY = "~"
CLASSES = ("N", "A", "O", NOISY)
"""Normal, atrial fibrillation, other rhythm, too noisy to say."""

MOST_LOST = 0.03
"""Of the choosing half: share of the records of N, A and O that the threshold may call noisy for half of their time."""

NUM_FITTED = 2
"""Figures of the logistic function: agreement and likeness."""

NOISE_WEIGHT = 12.0
"""How much a noisy record counts in the fit: there is one for thirty others."""


def main() -> None:
    """Fit on one half, print the constants of `ecgfeat.signals.quality`, and measure them on the other half."""
    torch.set_num_threads(1)
    mirror = Path(os.environ["ECGFEAT_MIRROR"])
    label, figures = read_cinc2017(mirror / "cinc2017")
    choosing, reporting = draw_halves(label, CLASSES)
    weight, offset = fit([figures[name] for name in choosing], [label[name] == NOISY for name in choosing])
    noisy_share = {name: 1 / (1 + np.exp(-(figures[name][:, :NUM_FITTED] @ weight + offset))) for name in figures}
    threshold = choose_threshold([noisy_share[name] for name in choosing if label[name] != NOISY])
    print(f"WEIGHT: Final = ({', '.join(f'{value:.3f}' for value in weight)})")
    print(f"OFFSET: Final = {offset:.3f}")
    print(f"THRESHOLD: Final = {threshold:.2f}")
    print(f"\nThe constants of the module on the {len(reporting)} other records")
    report_cinc2017({name: quality.noise_probability(figures[name]) for name in reporting}, label)
    report_mitdb(mirror / "mitdb")


def read_cinc2017(folder: Path) -> tuple[dict[str, str], dict[str, NDArray[np.float64]]]:
    """Return class and figures of every record."""
    with (folder / "REFERENCE-v3.csv").open() as file:
        classes = dict(csv.reader(file))
    label, figures = {}, {}
    for name in (folder / "RECORDS").read_text().split():
        record = Path(name).name
        signal = read_signal(folder, record, verify=False)  # its headers have no checksums
        lead_S = resample(signal.signal_mv_SC, signal.fs_hz, DETECTOR_FS_HZ)[:, 0]
        leads = filter_leads(clear_invalid(lead_S, DETECTOR_FS_HZ)[None])
        label[record], figures[record] = classes[record], figures_of(leads, 0, quality.find_alone(leads)[0])
    return label, figures


def fit(figures: list[NDArray[np.float64]], is_noisy: list[bool]) -> tuple[NDArray[np.float64], float]:
    """Fit the logistic function; every record counts as one, whatever its length."""
    figure_NF = np.concatenate(figures)[:, :NUM_FITTED]
    length = [len(figure_TF) for figure_TF in figures]
    target, count = np.repeat(is_noisy, length), np.repeat(np.array(length, dtype=float), length)
    importance = np.where(target, NOISE_WEIGHT, 1.0) / count
    centre, spread = figure_NF.mean(axis=0), figure_NF.std(axis=0)
    model = LogisticRegression(C=0.1)
    model.fit((figure_NF - centre) / spread, target, sample_weight=importance * (len(target) / importance.sum()))
    weight = model.coef_[0] / spread
    return weight, float(model.intercept_[0] - weight @ centre)


def choose_threshold(probability: list[NDArray[np.float64]]) -> float:
    """Return the lowest threshold that calls no more of these records noisy than may be lost."""
    middle = [float(np.median(probability_T)) for probability_T in probability]
    return float(np.ceil(100 * np.quantile(middle, 1 - MOST_LOST)) / 100)


def report_cinc2017(probability: dict[str, NDArray[np.float64]], label: dict[str, str]) -> None:
    """Print the curve: records noisy for half of their time, and share of time, by class and threshold."""
    middle = [np.median(probability_T) for probability_T in probability.values()]
    area = roc_auc_score([label[name] == NOISY for name in probability], middle)
    print(f"noisy against N, A and O, median over the record: AUROC {area:.3f}")
    print("threshold   noisy for half of the time, % of records      noisy, % of time")
    print("            " + "  ".join(f"{name:>5}" for name in (*CLASSES, "N+A+O")) + "          ~  N+A+O")
    for threshold in sorted({*np.arange(0.2, 1.0, 0.1).round(1).tolist(), quality.THRESHOLD}):
        lost: dict[str, list[float]] = defaultdict(list)
        for name, probability_T in probability.items():
            lost[label[name]].append(float(np.mean(probability_T > threshold)))
        lost["N+A+O"] = lost["N"] + lost["A"] + lost["O"]
        records = [100 * np.mean(np.array(lost[name]) >= 0.5) for name in (*CLASSES, "N+A+O")]
        time = [100 * np.mean(lost[name]) for name in (NOISY, "N+A+O")]
        mark = "*" if threshold == quality.THRESHOLD else " "
        print(
            f"{threshold:7.2f} {mark}   "
            + "  ".join(f"{value:5.1f}" for value in (*records, None, *time) if value is not None)
        )


def report_mitdb(folder: Path) -> None:
    """Print how much of the time that annotators marked as noisy, and of the rest, is usable."""
    counts = np.zeros((2, 2))
    in_some_lead, qrs_share = {}, []
    for record in sorted(path.stem for path in folder.glob("*.hea")):
        signal = read_signal(folder, record)
        at_128_SC = resample(signal.signal_mv_SC, signal.fs_hz, DETECTOR_FS_HZ)
        state_TC, leads = quality.assess_quality(at_128_SC), filter_leads(at_128_SC.T)
        alone = enumerate(quality.find_alone(leads))
        qrs_share += [np.median(figures_of(leads, lead, beat)[:, 2]) for lead, beat in alone]
        is_marked_TC = read_noise_marks(folder / record, len(state_TC))
        is_usable_TC = state_TC == quality.USABLE
        for marked in (0, 1):
            inside = is_marked_TC == marked
            counts[marked] += [is_usable_TC[inside].sum(), inside.sum()]
        in_some_lead[record] = is_usable_TC.any(axis=1).mean()
    for marked, name in ((0, "not marked"), (1, "marked as noisy")):
        usable, total = counts[marked]
        print(f"mitdb, each lead, {name}: {100 * usable / total:.1f} % of {total / 3600:.2f} h usable")
    print(f"mitdb, some lead usable: {100 * np.mean(list(in_some_lead.values())):.1f} % of the time")
    print(f"mitdb, share of a beat's energy in the QRS band, median of a lead: at least {min(qrs_share):.2f}")
    worst = sorted(in_some_lead, key=lambda record: float(in_some_lead[record]))[:6]
    print("least: " + ", ".join(f"{record} {100 * in_some_lead[record]:.0f} %" for record in worst))


def read_noise_marks(path: Path, num_seconds: int) -> NDArray[np.bool_]:
    """Return the seconds of each of two leads that an annotator called noisy or unreadable, (T, 2).

    A mark ``~`` holds until the next. Bits 0 and 1 of its subtype are the leads; -1 is a record without a signal.
    """
    marks = wfdb.rdann(str(path), "atr")
    is_mark = np.array(marks.symbol) == NOISY
    edge_s = np.append(np.asarray(marks.sample)[is_mark] / marks.fs, num_seconds)
    is_noisy_TC = np.zeros((num_seconds, 2), dtype=bool)
    for start_s, stop_s, subtype in zip(edge_s, edge_s[1:], np.asarray(marks.subtype)[is_mark], strict=False):
        for lead in (0, 1):
            is_noisy_TC[int(start_s) : int(np.ceil(stop_s)), lead] |= bool(int(subtype) & (1 << lead))
    return is_noisy_TC


if __name__ == "__main__":
    main()
