"""Rows of a record are read alone, and are those of the whole table."""

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.store import tables
from ecgfeat.store.record_rows import RecordRows, group_records
from ecgfeat.store.schemas import BEAT_TABLE, QUALITY
from ecgfeat.store.tables import read_table, split_by_record, write_parts, write_table


def beats(record: str, number: int) -> dict:
    rng = np.random.default_rng(number)
    symbol = rng.choice(["N", "V"], number).astype(object)
    columns = {name: np.full(number, "x", dtype=object) for name in BEAT_TABLE.columns}
    numbers = {
        "sample": np.sort(rng.integers(0, 10**6, number)),
        "beat": np.arange(number),
        "time_s": rng.random(number),
    }
    columns |= {"record": np.full(number, record, dtype=object), "symbol": symbol, "aami": symbol}
    return columns | {name: column for name, column in numbers.items() if name in columns}


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A table of five records in groups of a hundred rows or more, one of them over two groups."""
    monkeypatch.setattr(tables, "_GROUP_ROWS", 100)
    sizes = (("b", 60), ("a", 70), ("c", 250), ("d", 1), ("e", 40))
    write_parts(tmp_path / "t.parquet", (beats(*size) for size in sizes), BEAT_TABLE, {})
    return tmp_path / "t.parquet"


def test_rows_are_those_of_the_whole_table_in_its_order(path):
    rows, whole = RecordRows(path, BEAT_TABLE), split_by_record(read_table(path, BEAT_TABLE))
    assert list(rows) == list(whole) == ["b", "a", "c", "d", "e"]
    assert len(rows) == 5
    for record in reversed(list(rows)):
        assert rows.num_rows(record) == len(whole[record]["record"])
        for name, column in rows[record].items():
            assert column.dtype == whole[record][name].dtype
            np.testing.assert_array_equal(column, whole[record][name])


def test_a_record_over_two_groups_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_GROUP_ROWS", 10)
    parts = [{name: column[part] for name, column in beats("a", 35).items()} for part in (slice(20), slice(20, 35))]
    write_parts(tmp_path / "t.parquet", parts, BEAT_TABLE, {})
    rows = RecordRows(tmp_path / "t.parquet", BEAT_TABLE, ["sample"])
    np.testing.assert_array_equal(rows["a"]["sample"], beats("a", 35)["sample"])
    assert list(rows["a"]) == ["sample"]


def test_a_record_without_rows_has_empty_columns_of_the_same_kind(path):
    rows = RecordRows(path, BEAT_TABLE)
    assert "z" not in rows
    assert rows.get("z") is None
    assert {name: column.dtype for name, column in rows.no_rows.items()} == {
        name: column.dtype for name, column in rows["b"].items()
    }
    assert all(len(column) == 0 for column in rows.no_rows.values())
    write_table(path, {name: [] for name in BEAT_TABLE.columns}, BEAT_TABLE, {})
    assert list(RecordRows(path, BEAT_TABLE)) == []


def test_only_the_row_group_of_a_record_is_read(path, monkeypatch):
    rows = RecordRows(path, BEAT_TABLE)
    read = []
    monkeypatch.setattr(
        rows, "_read_group", lambda group, columns, of=rows._read_group: read.append(group) or of(group, columns)
    )
    for record in rows:
        assert len(rows[record]["record"])
    assert read == sorted(set(read))
    assert len(read) == rows._file.num_row_groups > 1


def test_another_schema_and_damage_are_refused(path):
    with pytest.raises(DataError, match="expected schema? ?quality|schema beats"):
        RecordRows(path, QUALITY)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError):
        RecordRows(path, BEAT_TABLE)


def test_groups_hold_whole_records():
    offset = np.array([0, 3, 3, 10, 11, 12])
    assert group_records(offset, 3) == [(0, 1), (1, 3), (3, 5)]
    assert group_records(offset, 100) == [(0, 5)]
    assert group_records(offset[:1], 3) == []
