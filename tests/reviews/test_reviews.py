"""Reviews: corrections that can be undone, files that tell who and when, scores against what was looked at."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import wfdb

import ecgfeat as ef
from ecgfeat.cli import main
from ecgfeat.errors import DataError, UsageError
from ecgfeat.reviews.files import REVIEWS, read_log, read_reviews, save_review
from ecgfeat.reviews.log import Correction, active_entries
from ecgfeat.reviews.review import Review, seen_spans
from ecgfeat.reviews.score import BEAT_ROWS, NONE, RHYTHM_ROWS, score_reviews
from ecgfeat.simulate.corpus import simulate_corpus
from ecgfeat.store.tables import write_table

ABOUT = {"source": "a" * 64, "weights": {"rhythm": "b"}}


@pytest.fixture
def review() -> Review:
    """Ten beats of class N, one a second at 100 Hz; NSR, then AFIB, then nothing."""
    beats = {"sample": np.arange(50, 1050, 100), "aami": np.array(["N"] * 10, dtype=object)}
    episodes = {
        "start_sample": np.array([0, 400, 800]),
        "stop_sample": np.array([400, 800, 1000]),
        "rhythm": np.array(["NSR", "AFIB", ""], dtype=object),
    }
    return Review("x", 1000, beats, episodes)


def beats_of(review: Review) -> list[tuple[int, str]]:
    return list(zip(*(column.tolist() for column in review.beats()), strict=True))


def episodes_of(review: Review) -> list[tuple[int, int, str]]:
    return list(zip(*(column.tolist() for column in review.episodes()), strict=True))


def test_beats_are_changed_added_and_removed(review: Review) -> None:
    changed = review.correct_beat(150, "V", "Ada")
    assert (changed.was, changed.now, changed.number) == ("N", "V", 0)
    added = review.correct_beat(300, "S", "Ada")
    assert (added.was, added.now) == ("", "S")
    removed = review.correct_beat(50, "", "Ada")
    assert (removed.was, removed.now) == ("N", "")
    assert beats_of(review)[:4] == [(150, "V"), (250, "N"), (300, "S"), (350, "N")]
    assert len(beats_of(review)) == 10


def test_an_episode_is_painted_over_what_was_there(review: Review) -> None:
    entry = review.correct_episode(300, 900, "AFL", "Ada")
    assert entry.was == "NSR, AFIB, no rhythm"
    assert episodes_of(review) == [(0, 300, "NSR"), (300, 900, "AFL"), (900, 1000, "")]
    review.correct_episode(900, 1000, "AFL", "Ada")
    assert episodes_of(review) == [(0, 300, "NSR"), (300, 1000, "AFL")]
    review.correct_episode(0, 1000, "", "Ada")
    assert episodes_of(review) == [(0, 1000, "")]


def test_undo_and_redo(review: Review) -> None:
    before = beats_of(review), episodes_of(review)
    review.correct_beat(150, "V", "Ada")
    one = beats_of(review), episodes_of(review)
    review.correct_episode(0, 400, "SBR", "Ada")
    two = beats_of(review), episodes_of(review)
    review.undo("Bob")
    assert (beats_of(review), episodes_of(review)) == one
    review.undo("Bob")
    assert (beats_of(review), episodes_of(review)) == before
    with pytest.raises(UsageError, match=r"^x: no correction to undo"):
        review.undo("Bob")
    review.redo("Bob")
    assert (beats_of(review), episodes_of(review)) == one
    review.redo("Bob")
    assert (beats_of(review), episodes_of(review)) == two
    with pytest.raises(UsageError, match=r"^x: no undo to take back"):
        review.redo("Bob")
    review.undo("Bob")
    assert (beats_of(review), episodes_of(review)) == one
    assert [entry.reviewer for entry in review.log] == ["Ada", "Ada", "Bob", "Bob", "Bob", "Bob", "Bob"]


def test_any_mix_of_corrections_undo_and_redo_is_that_of_a_list(review: Review) -> None:
    """A log that is only ever added to gives the state of an editor with a list of done and one of undone."""
    rng = random.Random(3)
    done: list[tuple[int, str]] = []
    undone: list[tuple[int, str]] = []
    num_undos = num_redos = 0
    for _ in range(400):
        action = rng.choice(["do", "undo", "redo"])
        if action == "do":
            at = 50 + 100 * rng.randrange(10)
            now = rng.choice([name for name in ("N", "S", "V", "") if name != dict(beats_of(review)).get(at, "")])
            review.correct_beat(at, now, "Ada")
            done.append((at, now))
            undone.clear()
        elif action == "undo" and done:
            review.undo("Ada")
            undone.append(done.pop())
            num_undos += 1
        elif action == "redo" and undone:
            review.redo("Ada")
            done.append(undone.pop())
            num_redos += 1
        elif action == "redo":
            with pytest.raises(UsageError, match="no undo to take back"):
                review.redo("Ada")
        state = {50 + 100 * beat: "N" for beat in range(10)} | {}
        for at, now in done:
            state[at] = now
        assert dict(beats_of(review)) == {at: name for at, name in state.items() if name}
    assert min(num_undos, num_redos) > 20
    assert len(active_entries(review.log)) == len(done)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda review: review.correct_beat(150, "N", "Ada"), "x: N already; expected a correction"),
        (lambda review: review.correct_beat(155, "", "Ada"), "x: nothing already"),
        (
            lambda review: review.correct_beat(1000, "V", "Ada"),
            "samples 1000 to 1001; expected a time within",
        ),
        (lambda review: review.correct_beat(-1, "V", "Ada"), "samples -1 to 0"),
        (lambda review: review.correct_beat(150, "X", "Ada"), "'X'; expected a class of beats: N, S, V, F, Q"),
        (lambda review: review.correct_episode(10, 10, "NSR", "Ada"), "samples 10 to 10"),
        (lambda review: review.correct_episode(0, 10, "NSR", "Ada"), "NSR already"),
        (lambda review: review.correct_episode(900, 950, "", "Ada"), "nothing already"),
        (lambda review: review.correct_episode(0, 10, "(AFIB", "Ada"), "expected a rhythm: NSR, AFIB"),
        (lambda review: review.correct_beat(150, "V", "  "), "reviewer: ''; expected a name"),
        (lambda review: review.correct_beat(150, "V", "Ada\nBob"), "expected a name of 1 to 80 letters in one line"),
    ],
)
def test_what_is_no_correction_is_one_line(review: Review, call, message: str) -> None:
    with pytest.raises(UsageError, match="^review|^x|^reviewer") as error:
        call(review)
    assert message in str(error.value)
    assert review.log == []


def test_files_tell_who_when_was_and_is_and_are_read_again(review: Review, tmp_path: Path) -> None:
    review.correct_beat(150, "V", "Ada")
    review.correct_episode(0, 400, "AFL", "Ada")
    review.undo("Bob")
    path, annotations = save_review(tmp_path, review, 100.0, ABOUT)
    rows = pl.read_parquet(path)
    assert rows.select("record", "kind", "was", "now", "reviewer", "undoes").rows() == [
        ("x", "beat", "N", "V", "Ada", -1),
        ("x", "episode", "NSR", "AFL", "Ada", -1),
        ("x", "undo", "AFL", "NSR", "Bob", 1),
    ]
    assert rows["made_at"].str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$").all()
    assert list(read_log(tmp_path, "x", ABOUT)) == review.log
    assert read_log(tmp_path, "y", ABOUT) == ()
    marks = wfdb.rdann(str(annotations.with_suffix("")), "rev")
    at = marks.sample.tolist().index(150)
    assert marks.symbol[at] == "V"
    assert [note for note in marks.aux_note if note] == ["(N", "(AFIB", "("]
    assert main(["check", str(path)]) == 0


def test_logs_of_other_records_stay_and_another_recording_of_the_name_is_refused(
    review: Review, tmp_path: Path
) -> None:
    review.correct_beat(150, "V", "Ada")
    save_review(tmp_path, review, 100.0, ABOUT)
    other = Review("y", 1000, *(part for part in (review._beats, review._episodes)))
    other.mark_seen(0, 1000, "Ada")
    save_review(tmp_path, other, 250.0, ABOUT)
    logs, about = read_reviews(tmp_path)
    assert list(logs) == ["x", "y"]
    assert (about["x"]["fs_hz"], about["y"]["fs_hz"]) == (100.0, 250.0)
    for change, what in (
        ({"source": "c" * 64}, "another recording"),
        ({"weights": {"rhythm": "d"}}, "a prediction by other models"),
    ):
        with pytest.raises(UsageError, match=f"the review of {what} of x; expected one of the same"):
            save_review(tmp_path, review, 100.0, ABOUT | change)
        with pytest.raises(UsageError, match=f"the review of {what} of x"):
            read_log(tmp_path, "x", ABOUT | change)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 3},
        {"kind": "guess"},
        {"now": "W"},
        {"made_at": "noon"},
        {"undoes": 0},
        {"start_sample": 700},
        {"stop_sample": 10**9},
        {"kind": "episode", "now": "AFLX"},
        {"now": None},
        {"reviewer": None},
        {"made_at": None},
    ],
)
def test_a_log_that_nobody_wrote_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    row = {
        "record": "x", "number": 0, "kind": "beat", "start_sample": 5, "stop_sample": 6, "was": "N", "now": "V",
        "reviewer": "Ada", "made_at": "2026-01-01T00:00:00Z", "undoes": -1,
    } | change  # fmt: skip
    params = {"reviewed": {"x": {"fs_hz": 100.0, "num_samples": 1000}}}
    write_table(tmp_path / "reviews.parquet", {name: [value] for name, value in row.items()}, REVIEWS, params)
    with pytest.raises(DataError, match="entry 0 of x: .*expected a log as ecgfeat writes it"):
        read_reviews(tmp_path)


def test_scores_count_the_time_that_was_looked_at_and_no_other(tmp_path: Path, capsys) -> None:
    simulate_corpus(tmp_path, num_subjects=1, minutes=1, fs_hz=250.0, seed=3)
    result = ef.predict(tmp_path / "sim000")
    result.save(tmp_path)
    beats, episodes = result.prediction.beats, result.prediction.episodes
    review = Review("sim000", 15000, beats, episodes)
    with pytest.raises(DataError, match="no such file|no time that was looked at|Parquet"):
        score_reviews(tmp_path)
    sample = beats["sample"][(beats["sample"] > 5000) & (beats["sample"] < 10000)]
    # One beat has another class, one is missing, one is no beat; a beat outside is not counted, right or wrong.
    flip = {"N": "V", "S": "N", "V": "N"}
    class_of = dict(zip(beats["sample"].tolist(), beats["aami"].tolist(), strict=True))
    review.correct_beat(int(sample[1]), flip[class_of[int(sample[1])]], "Ada")
    review.correct_beat(int((sample[3] + sample[4]) // 2), "N", "Ada")
    review.correct_beat(int(sample[6]), "", "Ada")
    review.correct_beat(int(beats["sample"][0]), flip[class_of[int(beats["sample"][0])]], "Ada")
    review.mark_seen(5000, 8000, "Ada")
    review.correct_episode(8000, 10000, "VT", "Ada")
    about = {"source": result.origin, "weights": result.prediction.made_by["weights"]}
    save_review(tmp_path, review, 250.0, about)
    scores = score_reviews(tmp_path)
    assert scores.seen_s == 20.0
    assert scores.beats.sum() == len(sample) + 1
    assert scores.beats[BEAT_ROWS.index(NONE)].sum() == 1  # predicted, and no beat
    assert scores.beats[:, BEAT_ROWS.index(NONE)].sum() == 1  # missed
    wrong = scores.beats.sum() - np.trace(scores.beats)
    assert wrong == 3
    assert scores.rhythm_s.sum() == pytest.approx(20.0)
    assert scores.rhythm_s[RHYTHM_ROWS.index("VT")].sum() == pytest.approx(8.0)
    assert np.trace(scores.rhythm_s) == pytest.approx(12.0)
    assert main(["evaluate", "--reviews", str(tmp_path)]) == 0
    assert "1 record, 0.3 min looked at by a reviewer" in capsys.readouterr().out
    assert main(["evaluate", "--reviews", str(tmp_path), "--json"]) == 0
    # Other models: the review stays the reference, and they are wrong where the first ones were right.
    worse = replace(
        result.prediction,
        beats=beats | {"aami": np.full(len(beats["aami"]), "V", dtype=object)},
        episodes=episodes | {"rhythm": np.full(len(episodes["rhythm"]), "AFIB", dtype=object)},
    )
    replace(result, prediction=worse).save(tmp_path)
    other = score_reviews(tmp_path)
    assert other.seen_s == scores.seen_s
    assert np.array_equal(other.rhythm_s.sum(axis=1), scores.rhythm_s.sum(axis=1))
    assert other.rhythm_s[:, RHYTHM_ROWS.index("AFIB")].sum() == pytest.approx(20.0)
    assert other.beats[:, BEAT_ROWS.index("V")].sum() == scores.beats[:, :5].sum()
    # Another recording of the name is not scored.
    replace(result, origin="0" * 64).save(tmp_path / "elsewhere")
    for name in ("sim000-beats.parquet", "sim000-episodes.parquet"):
        (tmp_path / name).write_bytes((tmp_path / "elsewhere" / name).read_bytes())
    with pytest.raises(DataError, match="the prediction of another recording"):
        score_reviews(tmp_path)
    (tmp_path / "sim000-beats.parquet").unlink()
    with pytest.raises(DataError, match=r"sim000-beats\.parquet: no such file; expected what was predicted"):
        score_reviews(tmp_path)


def test_time_that_was_seen_is_joined(review: Review) -> None:
    review.mark_seen(500, 700, "Ada")
    review.mark_seen(100, 200, "Ada")
    review.correct_episode(200, 300, "VT", "Ada")
    review.correct_beat(950, "V", "Ada")
    assert seen_spans(review.log) == [(100, 300), (500, 700)]
    review.undo("Ada")
    review.undo("Ada")
    assert seen_spans(review.log) == [(100, 200), (500, 700)]
    assert isinstance(review.log[0], Correction)
