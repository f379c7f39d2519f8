"""Tables of several runs as one: every row once, scores view by view as over the whole."""

from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.pooling import pool_tables, score_rhythm_table
from ecgfeat.scoring.rhythm_summary import summarise_rhythm
from ecgfeat.scoring.summary import ORACLES, summarise
from ecgfeat.scoring.tables import count_texts, read_if_small, read_in_turn, read_rows, values
from ecgfeat.store.schemas import BEAT_PREDICTIONS, COMMON_FS_HZ, RHYTHM_PREDICTIONS
from ecgfeat.store.tables import read_table, write_table
from tests.fixtures.rhythm_predictions import write_predictions


def test_pooled_tables_hold_every_row_and_score_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgfeat.scoring.pooling.BATCH_ROWS", 70)  # several batches, cut anywhere
    folds = [range(0, 4), range(4, 7), range(7, 9)]
    parts = [write_predictions(tmp_path / str(i), fold) / "rhythm.parquet" for i, fold in enumerate(folds)]
    pooled = tmp_path / "folds" / "rhythm.parquet"
    assert pool_tables(parts, pooled) == 9
    rows = read_table(pooled, RHYTHM_PREDICTIONS)
    for name, column in rows.items():
        expected = np.concatenate([read_table(part, RHYTHM_PREDICTIONS)[name] for part in parts])
        assert np.array_equal(column, expected), name
    whole = summarise_rhythm(rows, fs_hz=COMMON_FS_HZ, num_resamples=50, seed=3)
    assert whole["toy"]["timeline"]["timeline"]["viterbi"]["num_subjects"] == 9
    by_view = score_rhythm_table(pooled, num_resamples=50, seed=3)
    assert plain_numbers(by_view) == plain_numbers(whole)


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    first = write_predictions(tmp_path / "0", range(0, 4)) / "rhythm.parquet"
    twice = write_predictions(tmp_path / "1", range(3, 5)) / "rhythm.parquet"
    with pytest.raises(DataError, match=r"1/rhythm.parquet: record toy/r3, which is in .*0/rhythm.parquet too"):
        pool_tables([first, twice], tmp_path / "pooled.parquet")
    other = write_predictions(tmp_path / "2", range(5, 6), evaluate={"protocols": ["grid"]}) / "rhythm.parquet"
    with pytest.raises(DataError, match=r"2/rhythm.parquet: another schema, or other params; expected those of"):
        pool_tables([first, other], tmp_path / "pooled.parquet")
    with pytest.raises(DataError, match="another schema, or other params"):
        pool_tables([first, first.with_name("beats.parquet")], tmp_path / "pooled.parquet")
    assert not (tmp_path / "pooled.parquet").exists()


def test_files_read_in_parts_have_the_scores_of_whole_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgfeat.scoring.tables.BATCH_ROWS", 50)
    rhythm = write_predictions(tmp_path, range(0, 6)) / "rhythm.parquet"
    rng = np.random.default_rng(4)
    size = 400
    texts = {
        "corpus": ["toy", "other"],
        "subject": [f"s{number}" for number in range(6)],
        "split": ["test", "train"],
        "history": ["predicted", "none", "oracle"],
        "reference": [*"NNNSVQ", ""],
        "predicted": [*"NNNSV", ""],
        "rhythm": ["NSR", "VFL", ""],
    }
    beats = {name: rng.choice(np.array(values, dtype=object), size) for name, values in texts.items()}
    beats |= {"record": beats["subject"], "sample": np.sort(rng.choice(100_000, size, replace=False))}
    beats |= {f"p_{name}": rng.random(size).astype(np.float32) for name in "NSV"}
    path = tmp_path / "beats.parquet"
    write_table(path, beats, BEAT_PREDICTIONS, {})
    options = {
        "rpeaks": None,
        "oracles": dict.fromkeys(ORACLES, False),
        "fs_hz": COMMON_FS_HZ,
        "seed": 1,
        "num_resamples": 20,
    }
    in_parts = summarise(beats=path, rhythm=rhythm, **options)
    tables = {"beats": read_table(path, BEAT_PREDICTIONS), "rhythm": read_table(rhythm, RHYTHM_PREDICTIONS)}
    assert in_parts == summarise(**tables, **options)
    assert set(in_parts["beats"]) == {"toy", "other"}
    assert set(in_parts["beats"]["toy"]) == {"predicted", "none", "oracle"}
    assert count_texts(path, ["history"]) == {
        (name,): int((beats["history"] == name).sum()) for name in ("none", "oracle", "predicted")
    }
    rows = read_rows(path, {"history": "none", "split": "test"})
    kept = (beats["history"] == "none") & (beats["split"] == "test")
    assert values(rows, "sample").tolist() == beats["sample"][kept].tolist()
    assert values(rows, "reference").tolist() == beats["reference"][kept].tolist()
    assert read_if_small(path, BEAT_PREDICTIONS) == path
    assert len(list(read_in_turn(path, ["history"], lambda text_of: text_of["history"] != "none"))) == 2
    monkeypatch.setattr("ecgfeat.scoring.tables.BATCH_ROWS", size)
    assert len(read_if_small(path, BEAT_PREDICTIONS)["sample"]) == size
    assert len(list(read_in_turn(path, ["history"], lambda text_of: text_of["history"] != "none"))) == 1
