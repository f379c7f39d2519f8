"""Whatever bit of a table flips, it is refused: in data, names, types, statistics and params alike."""

import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ecgfeat.errors import DataError
from ecgfeat.look.artifacts import find_artifacts
from ecgfeat.look.checks import check_artifact
from ecgfeat.scoring.pooling import pool_tables
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.schemas import EPISODES, SIGNALS
from ecgfeat.store.seal import FILES, list_files, read_report, write_report
from ecgfeat.store.stamp import BLANK, KEY, find_stamp
from ecgfeat.store.tables import open_table, read_table, table_header, write_table

COLUMNS = {
    "record": ["a", "a", "b"],
    "subject": ["p", "p", "q"],
    "start_sample": [0, 10, 0],
    "stop_sample": [10, 30, 7],
    "rhythm": ["NSR", "AFIB", "NSR"],
    "split": ["train", "train", "test"],
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "episodes" / "x.parquet"
    write_table(path, COLUMNS, EPISODES, {"aami": "dechazal", "min_episode_samples": 16})
    return path


def test_any_flipped_bit_of_a_table_is_refused(table):
    raw, rng = table.read_bytes(), random.Random(0)
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << rng.randrange(8)
        table.write_bytes(changed)
        with pytest.raises(DataError):
            read_table(table, EPISODES)
    table.write_bytes(raw)
    assert read_table(table, EPISODES)["rhythm"].tolist() == COLUMNS["rhythm"]


@pytest.mark.parametrize("read", [open_table, table_header, lambda path: pool_tables([path], path.with_name("y"))])
def test_every_way_to_open_a_table_compares_the_digest(table, read):
    raw = table.read_bytes()
    at = raw.rindex(b"dechazal")
    table.write_bytes(raw[:at] + b"Dechazal" + raw[at + 8 :])
    with pytest.raises(DataError, match="sha256"):
        read(table)


def test_the_digest_is_of_the_file_with_zeros_in_its_place(table):
    value = pq.ParquetFile(table).metadata.metadata[KEY.encode()].decode()
    assert value != BLANK
    assert find_stamp(table, "")
    write_table(table.with_name("y.parquet"), COLUMNS, EPISODES, {"aami": "dechazal", "min_episode_samples": 16})
    assert table.with_name("y.parquet").read_bytes() == table.read_bytes()


def test_a_table_that_somebody_wrote_again_has_no_digest(table):
    whole = pq.read_table(table)
    pq.write_table(whole, table)
    assert not find_stamp(table, "")
    with pytest.raises(DataError, match="no digest"):
        read_table(table, EPISODES)
    (check,) = [check_artifact(artifact) for artifact in find_artifacts(table)]
    assert any("no digest" in line for line in check.faults)


def test_a_table_in_the_place_of_another_is_seen(table):
    place = table.parents[1] / "beats" / "x.parquet"
    place.parent.mkdir()
    table.rename(place)
    (check,) = [check_artifact(artifact) for artifact in find_artifacts(place)]
    assert "schema episodes; expected beats, by its place" in check.faults[0]


def test_any_flipped_bit_of_the_layout_of_a_store_is_refused_or_read_alike(tmp_path):
    store = tmp_path / "x.zarr"
    values = np.arange(40, dtype=np.int16).reshape(20, 2)
    with create_array(
        store, SIGNALS, num_rows={"a": 12, "b": 8}, row_shape=(2,), params={"fs_hz": 128}, source="0" * 64
    ) as writer:
        writer.append(values)
    rng = random.Random(0)
    for path in (store / "zarr.json", store / SIGNALS.array / "zarr.json"):
        raw = path.read_bytes()
        num_refused = 0
        for at in range(len(raw)):
            changed = bytearray(raw)
            changed[at] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
            try:
                opened = open_array(store, SIGNALS)
                found = opened.read().tolist(), opened.rows, opened.params, opened.source
            except DataError:
                num_refused += 1
            else:
                assert found == (values.tolist(), {"a": (0, 12), "b": (12, 20)}, {"fs_hz": 128}, "0" * 64)
        assert num_refused > 0.8 * len(raw)
        path.write_bytes(raw)


def test_a_store_without_the_layout_of_its_array_is_refused_in_one_line(tmp_path):
    store = tmp_path / "x.zarr"
    with create_array(store, SIGNALS, num_rows={"a": 1}, row_shape=(1,), params={}, source="") as writer:
        writer.append(np.zeros((1, 1), np.int16))
    (store / SIGNALS.array / "zarr.json").unlink()
    with pytest.raises(DataError, match="no signal_uv/zarr.json"):
        open_array(store, SIGNALS)


def test_a_report_in_the_place_of_another_is_refused(tmp_path):
    write_report(tmp_path / "outside.json", "outside", {"a": 1})
    assert read_report(tmp_path / "outside.json", "outside") == {"a": 1}
    (tmp_path / "outside.json").rename(tmp_path / "scores.json")
    with pytest.raises(DataError, match="a report of kind outside; expected scores"):
        read_report(tmp_path / "scores.json", "scores")
    (check,) = [check_artifact(artifact) for artifact in find_artifacts(tmp_path)]
    assert "kind outside" in check.faults[0]


@pytest.mark.parametrize("change", [lambda path: path.write_text("2"), lambda path: path.unlink()])
def test_a_file_that_a_report_lists_is_compared(tmp_path, change):
    (tmp_path / "plots").mkdir()
    page, plot = tmp_path / "report.html", tmp_path / "plots" / "a.json"
    for path in (page, plot):
        path.write_text("1")
    write_report(tmp_path / "scores.json", "scores", {FILES: list_files(tmp_path, [page, plot])})
    (check,) = [check_artifact(artifact) for artifact in find_artifacts(tmp_path)]
    assert check.faults == []
    change(plot)
    (check,) = [check_artifact(artifact) for artifact in find_artifacts(tmp_path)]
    assert len(check.faults) == 1
    assert "plots/a.json" in check.faults[0]
