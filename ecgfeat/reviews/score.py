"""Score predictions against reviews: only time that a reviewer has looked at counts.

Shape suffixes: L beats, E episodes, K classes.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.records.marks import CLASS_OF_SYMBOL, name_of_rhythm
from ecgfeat.records.reader import read_annotations
from ecgfeat.reviews.files import REVIEW_EXTENSION, read_reviews
from ecgfeat.reviews.log import BEAT_NAMES, OTHER_RHYTHMS
from ecgfeat.reviews.review import seen_spans
from ecgfeat.scoring.beats import MATCH_WINDOW_S, match_beats
from ecgfeat.scoring.rhythm import ratio
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from ecgfeat.store.tables import Columns, read_table, table_header

NONE = "none"
"""No beat, or no rhythm."""

BEAT_ROWS = (*BEAT_NAMES, NONE)
RHYTHM_ROWS = (*RHYTHMS, *OTHER_RHYTHMS, NONE)


@dataclass(frozen=True)
class ReviewScores:
    """How a prediction compares with its reviews.

    Attributes
    ----------
    records : tuple of str
        Records with time that was looked at.
    seen_s : float
        That time.
    beats : ndarray of int64, (6, 6)
        Beats by reviewed and predicted class: N, S, V, F, Q, none.
    rhythm_s : ndarray of float64, (16, 16)
        Seconds by reviewed and predicted rhythm.
    """

    records: tuple[str, ...]
    seen_s: float
    beats: NDArray[np.int64]
    rhythm_s: NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """Return scores in JSON types: of each class and rhythm sensitivity, positive predictivity and support."""
        return {
            "records": list(self.records),
            "seen_s": self.seen_s,
            "beats": _class_scores(self.beats, BEAT_ROWS, BEAT_CLASSES),
            "rhythm_s": _class_scores(self.rhythm_s, RHYTHM_ROWS, RHYTHMS),
        }


def score_reviews(folder: Path) -> ReviewScores:
    """Compare the predictions of a folder with their reviews.

    Parameters
    ----------
    folder : Path
        With ``reviews.parquet`` and, of each reviewed record, the tables that ``ecgfeat predict`` writes.

    Returns
    -------
    ReviewScores

    Raises
    ------
    DataError
        If a table is missing or damaged, or no time was looked at.

    Notes
    -----
    Time counts where a reviewer has named the rhythm or said that it was looked at. There, beats are matched within
    150 ms, and rhythm is compared sample by sample. What is right there is in the annotations that were written with
    the review, so that the prediction of any models can be scored.
    """
    logs, about = read_reviews(folder)
    beats = np.zeros((len(BEAT_ROWS), len(BEAT_ROWS)), dtype=np.int64)
    rhythm_s = np.zeros((len(RHYTHM_ROWS), len(RHYTHM_ROWS)))
    records, seen_s = [], 0.0
    for record, log in logs.items():
        fs_hz, num_samples = float(about[record]["fs_hz"]), int(about[record]["num_samples"])
        spans = seen_spans(log)
        if not spans:
            continue
        source = str(about[record].get("source"))
        beats_path, episodes_path = folder / f"{record}-beats.parquet", folder / f"{record}-episodes.parquet"
        predicted_beats = _read(beats_path, record, RECORD_BEATS, source)
        predicted_episodes = _read(episodes_path, record, RECORD_EPISODES, source)
        predicted_episodes["rhythm"] = np.array([name or "" for name in predicted_episodes["rhythm"]], dtype=object)
        review = _read_corrected(folder, record, num_samples)
        records.append(record)
        seen_s += sum(stop - start for start, stop in spans) / fs_hz
        beats += _compare_beats(review, predicted_beats, spans, fs_hz)
        rhythm_s += _compare_rhythms(review, predicted_episodes, spans) / fs_hz
    if not records:
        raise DataError(
            str(folder),
            found="no time that was looked at",
            expected="a rhythm that was corrected, or time marked as seen",
            remedy="Mark time as seen in: ecgfeat view",
        )
    return ReviewScores(tuple(records), seen_s, beats, rhythm_s)


def as_lines(scores: ReviewScores) -> str:
    """Write the scores for a terminal."""
    of = scores.as_dict()
    num = len(scores.records)
    lines = [f"{num} record{'s' * (num != 1)}, {scores.seen_s / 60:.1f} min looked at by a reviewer"]
    for title, part, unit in (("beats", of["beats"], "beats"), ("rhythm", of["rhythm_s"], "s")):
        lines += [
            f"{title} {name}: sensitivity {_percent(row['sensitivity'])}, positive predictivity "
            f"{_percent(row['positive_predictivity'])}, {row['support']:,.0f} {unit}"
            for name, row in part.items()
            if row["support"] or row["predicted"]
        ]
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


@dataclass(frozen=True)
class _Corrected:
    """Beats and rhythms of a record after its corrections; episode e ends where the next begins."""

    sample: NDArray[np.int64]
    aami: NDArray[Any]
    start_sample: NDArray[np.int64]
    rhythm: NDArray[Any]


def _read_corrected(folder: Path, record: str, num_samples: int) -> _Corrected:
    """Read the annotations that were written with a review."""
    marks = read_annotations(folder, record, REVIEW_EXTENSION, num_samples, allow_empty=True)
    is_rhythm = marks.symbol == "+"
    aami = [CLASS_OF_SYMBOL.get(str(symbol), "") for symbol in marks.symbol[~is_rhythm]]
    rhythm = [name_of_rhythm(str(note)) for note in marks.aux[is_rhythm]]
    known = not ({*rhythm} - {"", *RHYTHM_ROWS}) and "" not in aami and len(rhythm)
    if not known or marks.sample[is_rhythm][0] != 0:
        path = folder / f"{record}.{REVIEW_EXTENSION}"
        raise DataError(str(path), found="other marks", expected="annotations as a review writes them")
    return _Corrected(
        marks.sample[~is_rhythm],
        np.array(aami, dtype=object),
        marks.sample[is_rhythm],
        np.array(rhythm, dtype=object),
    )


def _read(path: Path, record: str, schema: Any, source: str) -> Columns:
    if not path.is_file():
        remedy = "Run ecgfeat predict with --out of this folder."
        raise DataError(str(path), found="no such file", expected=f"what was predicted of {record}", remedy=remedy)
    columns = read_table(path, schema)
    if str(table_header(path)["params"].get("source")) != source:
        found, expected = "the prediction of another recording", f"that of the reviewed recording {record}"
        raise DataError(str(path), found=found, expected=expected)
    return columns


def _compare_beats(
    review: _Corrected, predicted: Columns, spans: Sequence[tuple[int, int]], fs_hz: float
) -> NDArray[np.int64]:
    """Count beats of seen time by reviewed and predicted class."""
    sample, aami = review.sample, review.aami
    inside, predicted_inside = _is_inside(sample, spans), _is_inside(predicted["sample"], spans)
    sample, aami = sample[inside], aami[inside]
    test, test_aami = predicted["sample"][predicted_inside], predicted["aami"][predicted_inside]
    pair, test_pair = match_beats(sample, test, round(MATCH_WINDOW_S * fs_hz))
    named, found = np.full(len(sample), NONE, dtype=object), np.full(len(test), NONE, dtype=object)
    named[pair], found[test_pair] = test_aami[test_pair], aami[pair]
    count = np.zeros((len(BEAT_ROWS), len(BEAT_ROWS)), dtype=np.int64)
    for was, now in zip(aami, named, strict=True):
        count[BEAT_ROWS.index(was), BEAT_ROWS.index(now)] += 1
    for now in test_aami[found == NONE]:
        count[BEAT_ROWS.index(NONE), BEAT_ROWS.index(now)] += 1
    return count


def _compare_rhythms(review: _Corrected, predicted: Columns, spans: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """Count samples of seen time by reviewed and predicted rhythm."""
    start, rhythm = review.start_sample, review.rhythm
    edges = np.unique(
        np.concatenate([start, predicted["start_sample"], predicted["stop_sample"], np.ravel(spans)]).astype(int)
    )
    samples = np.zeros((len(RHYTHM_ROWS), len(RHYTHM_ROWS)))
    for first, after in itertools.pairwise(edges):
        if not _is_inside(np.array([first]), spans)[0]:
            continue
        reviewed = rhythm[np.searchsorted(start, first, side="right") - 1] or NONE
        row = np.searchsorted(predicted["start_sample"], first, side="right") - 1
        named = predicted["rhythm"][row] or NONE
        samples[RHYTHM_ROWS.index(reviewed), RHYTHM_ROWS.index(named)] += after - first
    return samples


def _is_inside(sample: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    return np.searchsorted(np.ravel(spans), sample, side="right") % 2 == 1


def _class_scores(count: NDArray[Any], rows: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return sensitivity, positive predictivity and support of each class."""
    scores = {}
    for name in names:
        at = rows.index(name)
        support, predicted = count[at].sum(), count[:, at].sum()
        sensitivity, predictivity = (float(value) for value in ratio(count[at, at], np.array([support, predicted])))
        scores[name] = {
            "sensitivity": sensitivity if support else None,
            "positive_predictivity": predictivity if predicted else None,
            "support": float(support),
            "predicted": float(predicted),
        }
    return scores
