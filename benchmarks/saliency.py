"""Measure the maps of the shipped models on records of mitdb: ``ECGFEAT_MIRROR=... python -m benchmarks.saliency``.

Up to five beats of each class, evenly spread over the record, and of each rhythm its middle beat. Prints the rows of
the first table in ``docs/saliency.md``. All are training records: the numbers describe maps, and are no score.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ecgfeat.files import open_ecg
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.saliency.beats import explain_beat
from ecgfeat.saliency.explanation import Explanation
from ecgfeat.saliency.rhythms import explain_rhythm
from ecgfeat.saliency.seen import see_record
from ecgfeat.store.schemas import RHYTHMS

RECORDS = ("106", "119", "203", "208", "209")
CLASSES = "NSV"
MOST_BEATS = 5


def main() -> None:
    """Explain beats and rhythms of all records, and print one row for each record and class."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    models = load_models(find_models(DEFAULT))
    print("| record | what | difference | share on the trace | similarity to random weights |\n|---|---|---|---|---|")
    for record in RECORDS:
        seen = see_record(open_ecg(Path(os.environ["ECGFEAT_MIRROR"]) / "mitdb" / record), models)
        for label, name in enumerate(CLASSES):
            beats = np.flatnonzero(seen.label == label)
            spread = np.unique(np.linspace(0, len(beats) - 1, min(MOST_BEATS, len(beats))).astype(int))
            if len(spread):
                explained = [explain_beat(models, seen, int(beat)) for beat in beats[spread]]
                print_row(record, f"{name} beats ({len(explained)})", explained)
        best = seen.posterior.argmax(axis=1)
        for rhythm in np.unique(best).tolist():
            beats = np.flatnonzero(best == rhythm)
            middle = int(beats[len(beats) // 2])
            print_row(record, RHYTHMS[rhythm], [explain_rhythm(models, seen, middle)])


def print_row(record: str, what: str, explained: Sequence[Explanation]) -> None:
    """Print the ranges of some explanations; a share or a similarity that does not exist is left out."""
    shares = [round(100 * of.share) for of in explained if of.share is not None]
    similarities = [of.similarity for of in explained if of.similarity is not None]
    differences = [of.difference for of in explained]
    columns = [
        range_of(differences, "{:+.1f}").replace("-0.0", "+0.0"),
        range_of(shares, "{:.0f}", " %"),
        range_of(similarities, "{:.2f}").replace("0.", "."),
    ]
    print(f"| {record} | {what} | {' | '.join(columns)} |", flush=True)


def range_of(values: Sequence[float], form: str, unit: str = "") -> str:
    """Return the smallest and the largest of some numbers, in words."""
    if not values:
        return "none"
    low, high = form.format(min(values)), form.format(max(values))
    return (low if low == high else f"{low} to {high}") + unit


if __name__ == "__main__":
    main()
