"""Rows of the prediction tables: what EC57 leaves out follows from them."""

from pathlib import Path

import numpy as np
import wfdb

from ecgfeat.acquire.rhythm_records import describe_record
from ecgfeat.corpora import get_corpus
from ecgfeat.prediction.beat_rows import count_rpeaks, tabulate_beats
from ecgfeat.records.annotations import Episodes, rhythm_at
from ecgfeat.scoring.beat_summary import summarise_beats
from ecgfeat.scoring.beats import FLUTTER
from ecgfeat.store.schemas import BEAT_PREDICTIONS

NAMES = {"corpus": "toy", "subject": "a", "record": "a", "split": "test", "history": "none"}


def test_a_beat_has_the_rhythm_of_its_reference_and_an_extra_detection_its_own() -> None:
    rpeaks = {
        "sample": np.array([100, 200, 300]),
        "aami": np.array(["N", "V", ""], dtype=object),
        "rhythm": np.array(["NSR", "VFL", "VFL"], dtype=object),
    }
    reference = {
        "sample": np.array([100, 195, 400]),
        "aami": np.array(["N", "V", "N"], dtype=object),
        "rhythm": np.array(["NSR", "NSR", "AFIB"], dtype=object),
    }
    rows = tabulate_beats(rpeaks, np.full((3, 3), 1 / 3, np.float32), reference, 128, **NAMES)
    assert set(rows) == set(BEAT_PREDICTIONS.columns)
    assert rows["sample"].tolist() == [100, 200, 300, 400]
    assert rows["reference"].tolist() == ["N", "V", "", "N"]
    assert rows["rhythm"].tolist() == ["NSR", "NSR", "VFL", "AFIB"]
    assert np.isnan(rows["p_N"]).tolist() == [False, False, False, True]


def flutter_record(mitdb: Path) -> tuple[dict, dict, np.ndarray]:  # type: ignore[type-arg]
    """Return the beats and episodes of the one record with ventricular flutter, and its [ ] stretches."""
    settings = {"aami": "dechazal", "before_first": "unlabelled", "min_episode_samples": 16}
    entry = describe_record(get_corpus("mitdb"), mitdb, "207", split="test", signals="measured", **settings)  # type: ignore[arg-type]
    marks = wfdb.rdann(str(mitdb / "207"), "atr")
    symbol = np.array(marks.symbol)
    return entry.beats, entry.episodes, np.stack([marks.sample[symbol == "["], marks.sample[symbol == "]"]], axis=1)


def test_the_flutter_rhythm_is_where_the_brackets_of_207_are(mitdb: Path) -> None:
    """EC57 speaks of the stretches between ``[`` and ``]``; the tables know the rhythm VFL. Both leave the same out.

    The rhythm marks of 207 follow the brackets by 0.07 to 0.22 s at the start and 0.13 to 0.62 s at the end. No
    reference beat lies in either kind of stretch.
    """
    beats, episodes, brackets = flutter_record(mitdb)
    is_flutter = episodes["rhythm"] == FLUTTER
    spans = np.stack([episodes["start_sample"][is_flutter], episodes["stop_sample"][is_flutter]], axis=1)
    assert spans.shape == brackets.shape == (6, 2)
    late_s = (spans - brackets) / 360
    assert (late_s > 0).all()
    assert (late_s.max(axis=0) < [0.25, 0.65]).all()
    for start, stop in (*spans, *brackets):
        assert not ((beats["sample"] >= start) & (beats["sample"] < stop)).any()


def test_detections_in_flutter_are_errors_of_the_whole_record_and_none_of_ec57(mitdb: Path) -> None:
    beats, episodes, brackets = flutter_record(mitdb)
    reference = {name: beats[name] for name in ("sample", "aami", "rhythm")}
    invented = np.concatenate([np.arange(start + 150, stop - 60, 120) for start, stop in brackets])
    sample = np.rint(np.sort(np.concatenate([beats["sample"], invented])) * 128 / 360).astype(np.int64)
    at_128 = Episodes(
        *(np.rint(episodes[name] * 128 / 360).astype(np.int64) for name in ("start_sample", "stop_sample")),
        episodes["rhythm"].astype(str),
    )
    rpeaks = {
        "sample": sample,
        "aami": np.full(len(sample), "", dtype=object),
        "rhythm": rhythm_at(sample, at_128).astype(object),
    }
    rows = tabulate_beats(rpeaks, np.tile(np.float32([0, 0, 1]), (len(sample), 1)), reference, 360, **NAMES)
    is_invented = np.isin(sample, np.rint(invented * 128 / 360))
    assert (rows["rhythm"][is_invented] == FLUTTER).all()
    assert (rows["rhythm"][~is_invented] != FLUTTER).all()
    rows["reference"][~is_invented] = reference["aami"]
    scores = summarise_beats(rows, fs_hz=128, num_resamples=0, seed=0)["toy"]["none"]
    late = rows["sample"] >= 300 * 128
    assert scores["num_beats"] == len(sample)
    assert scores["after_5min"]["num_beats"] == (late & ~is_invented).sum() < late.sum()
    counts = count_rpeaks(sample, reference, episodes, 360)
    assert counts["true_positives"] == len(beats["sample"])
    assert counts["false_positives"] == counts["false_positives_after_5min"] == 0
