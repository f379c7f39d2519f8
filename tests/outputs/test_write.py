"""Files of a prediction: each format holds the same, and no file of another recording is ever replaced."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import wfdb

from ecgfeat.errors import UsageError
from ecgfeat.outputs.endings import OUTPUT_ENDINGS
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.outputs.write import write_prediction
from ecgfeat.store.publish import hash_file
from ecgfeat.store.tables import Columns


@pytest.fixture
def tables() -> tuple[Columns, Columns]:
    beats = {
        "record": np.array(["x", "x"], object),
        "beat": np.arange(2, dtype=np.int32),
        "sample": np.array([100, 300]),
        "time_s": np.array([0.4, 1.2]),
        "rr_s": np.array([np.nan, 0.8]),
        "aami": np.array(["N", "V"], object),
        **{f"p_{name}": np.full(2, 1 / 3, np.float32) for name in "NSV"},
        "rhythm": np.array(["NSR", ""], object),
    }
    episodes = {name: np.zeros(1) for name in RECORD_EPISODES.columns} | {
        "record": np.array(["x"], object),
        "stop_sample": np.array([500]),
        "start_sample": np.array([0]),
        "num_beats": np.array([2]),
        "certainty": np.array([np.nan], np.float32),
        **{name: np.array([""], object) for name in ("rhythm", "reason", "evidence")},
    }
    return beats, episodes


def test_every_format_holds_the_same(tmp_path: Path, tables: tuple[Columns, Columns]) -> None:
    made_by = {"head": "both", "source": "a" * 16}
    written = write_prediction(tmp_path, "x", *tables, 250.0, made_by, tuple(OUTPUT_ENDINGS))
    assert sorted(path.name for path in written) == sorted(path.name for path in tmp_path.iterdir())
    for table, schema in (("beats", RECORD_BEATS), ("episodes", RECORD_EPISODES)):
        parquet = pl.read_parquet(tmp_path / f"x-{table}.parquet")
        text = pl.read_csv(tmp_path / f"x-{table}.csv", schema_overrides=parquet.schema)
        assert parquet.columns == list(schema.columns)
        assert text.fill_nan(None).equals(parquet.fill_nan(None))
        listed = json.loads((tmp_path / "x-prediction.json").read_text())[table]
        assert pl.DataFrame(listed, schema=parquet.schema).fill_nan(None).equals(parquet.fill_nan(None))
    content = json.loads((tmp_path / "x-prediction.json").read_text())
    digest = {"annotations_sha256": hash_file(tmp_path / "x.ecg")}
    assert (content["record"], content["fs_hz"], content["made_by"]) == ("x", 250.0, made_by | digest)
    assert wfdb.rdann(str(tmp_path / "x"), "ecg").sample.tolist() == [0, 100, 300]


@pytest.mark.parametrize("kinds", [("parquet", "wfdb"), ("json",), ("csv", "json")])
def test_a_file_of_another_recording_is_not_replaced(
    tmp_path: Path, tables: tuple[Columns, Columns], kinds: tuple[str, ...]
) -> None:
    first = write_prediction(tmp_path, "x", *tables, 250.0, {"source": "first"}, kinds)
    before = {path: path.read_bytes() for path in first}
    with pytest.raises(UsageError, match="a file of another recording of this name.*Name another folder with --out"):
        write_prediction(tmp_path, "x", *tables, 250.0, {"source": "second"}, kinds)
    assert {path: path.read_bytes() for path in first} == before
    assert write_prediction(tmp_path, "x", *tables, 250.0, {"source": "first", "views": 2}, kinds) == first


@pytest.mark.parametrize("first", [["csv"], ["wfdb"], ["parquet"], ["json"]])
@pytest.mark.parametrize("second", [["csv"], ["wfdb"], ["parquet"], ["json"]])
def test_formats_of_two_recordings_never_stand_under_one_name(
    tmp_path: Path, tables: tuple[Columns, Columns], first: list[str], second: list[str]
) -> None:
    write_prediction(tmp_path, "x", *tables, 250.0, {"source": "one"}, first)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match="a file of another recording of this name"):
        write_prediction(tmp_path, "x", *tables, 250.0, {"source": "two"}, second)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_prediction(tmp_path, "x", *tables, 250.0, {"source": "one"}, second)
    assert set(before) <= set(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.ecg", "x-beats.csv", "x-beats.parquet", "x-prediction.json", "x-made-by.json"])
def test_a_file_that_does_not_say_whose_it_is_is_not_replaced(
    tmp_path: Path, tables: tuple[Columns, Columns], name: str
) -> None:
    (tmp_path / name).write_bytes(b"{}")
    for kind in OUTPUT_ENDINGS:
        with pytest.raises(UsageError, match="another recording"):
            write_prediction(tmp_path, "x", *tables, 250.0, {"source": "one"}, (kind,))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"{}"]
