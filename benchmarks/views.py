"""What seven views of the timeline head bring: ``python -m benchmarks.views [FOLDER]``, the folder of a finished run.

The head names the beats of the **validation** records from one layout of its chunks, and as the mean of seven. Printed
for each kind of unit: macro F1 of both over all subjects, and their difference with its 95 % interval. The bootstrap
draws the same subjects for both.
"""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgfeat.device import choose_device
from ecgfeat.rhythm.heads import timeline_output
from ecgfeat.rhythm.row_parts import tabulate_rhythms
from ecgfeat.scoring.intervals import bootstrap_subjects
from ecgfeat.scoring.rhythm import class_codes, overall_scores, subject_confusion
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import Columns
from pipeline.params import Params, read_params
from pipeline.read.heads import load_timeline
from pipeline.read.rhythms import read_rhythm_records

UNITS = {
    ("timeline", "single"): "beats",
    ("timeline", "viterbi"): "beats, smoothed",
    ("grid", "single"): "segments of 10 s",
    ("episode", "single"): "known episodes",
}


class Compared(NamedTuple):
    """Units of one kind: how many, and how many are named otherwise by seven views; confusion matrices (G, 2, K, K)."""

    what: str
    num_units: int
    num_changed: int
    confusion: NDArray[np.float64]


def main() -> None:
    """Name the validation records of a run, and print one row for each kind of unit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    parser.add_argument("--bootstrap", type=int, default=2000)
    arguments = parser.parse_args()
    with contextlib.chdir(arguments.folder):
        params = read_params()
        compared = list(compare(params))
    print("| validation, units | subjects | one view | seven views | difference | named otherwise |")
    print("|---|---|---|---|---|---|")
    for what, num_units, num_changed, confusion in compared:
        one, seven = (float(macro_f1(confusion[:, side].sum(axis=0))) for side in (0, 1))
        low, high = bootstrap_subjects(confusion, gain, num_resamples=arguments.bootstrap, seed=params.seed)
        cells = [f"{num_units:,} {what}", str(len(confusion)), f"{one:.4f}", f"{seven:.4f}"]
        cells += [f"{seven - one:+.4f} ({low:+.4f} to {high:+.4f})", f"{100 * num_changed / num_units:.2f} %"]
        print(f"| {' | '.join(cells)} |")


def compare(params: Params) -> Iterator[Compared]:
    """Yield the units of each kind, named from one view and from seven."""
    head, records = load_timeline(params), read_rhythm_records(params.corpora, "validation", params)
    device = choose_device(params.runtime.device, params.runtime.threads)
    protocols = list(dict.fromkeys(protocol for protocol, _ in UNITS))
    by_count = []
    for num_views in (1, 7):
        output = timeline_output(head, records, num_views=num_views, device=device)
        window_samples = params.train_window.window_samples
        by_count.append(
            {of: tabulate_rhythms([output], records, [of], window_samples=window_samples) for of in protocols}
        )
    for (protocol, view), what in UNITS.items():
        averaged = "tta7" if view == "single" else view
        sides = [select(of[protocol], name) for of, name in zip(by_count, (view, averaged), strict=True)]
        reference, subject, one = sides[0]
        names, code = np.unique(subject, return_inverse=True)
        matrices = [subject_confusion(reference, side[2], code, len(RHYTHMS), len(names)) for side in sides]
        yield Compared(what, len(one), int(np.count_nonzero(one != sides[1][2])), np.stack(matrices, axis=1))


def select(rows: Columns, view: str) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.int64]]:
    """Return reference, subject (of its corpus) and prediction of the scored units of a view; a beat is scored once."""
    is_scored = (rows["view"] == view) & (rows["reference"] != "")
    if rows["protocol"][0] == "timeline":
        is_scored &= rows["num_beats"] == 1
    codes = (class_codes(rows[name][is_scored], RHYTHMS) for name in ("reference", "predicted"))
    reference, predicted = codes
    is_task = reference >= 0
    subject = np.char.add(rows["corpus"].astype(str), rows["subject"].astype(str))
    return reference[is_task], subject[is_scored][is_task], predicted[is_task]


def macro_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the macro F1 of confusion matrices, shape (..., K, K)."""
    return overall_scores(confusion)[..., 0]


def gain(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the macro F1 of seven views less that of one, for confusion matrices of shape (..., 2, K, K)."""
    return macro_f1(confusion[..., 1, :, :]) - macro_f1(confusion[..., 0, :, :])


if __name__ == "__main__":
    main()
