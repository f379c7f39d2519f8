"""Parquet tables: rows come back as written; damaged tables and other schemas are refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecgfeat.errors import DataError
from ecgfeat.store.columns import Column, TableSchema
from ecgfeat.store.schemas import ARRAYS, EPISODES, TABLES
from ecgfeat.store.tables import read_table, split_by_record, stack_columns, table_header, write_parts, write_table

ROWS = {
    "record": ["a", "a", "b"],
    "subject": ["a", "a", "b"],
    "start_sample": [0, 10, 0],
    "stop_sample": [10, 30, 5],
    "rhythm": ["NSR", "AFIB", "NSR"],
    "split": ["train", "train", "test"],
}


def test_flipped_bits_in_table_are_found(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, {name: column * 500 for name, column in ROWS.items()}, EPISODES, {})
    intact = path.read_bytes()
    pages = pq.ParquetFile(path).metadata.row_group(0)
    assert pages.num_columns == len(ROWS)
    for i in range(pages.num_columns):
        column = pages.column(i)
        data = bytearray(intact)
        data[column.data_page_offset + column.total_compressed_size - 30] ^= 4
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"damaged|not a whole Parquet file|sha256|no digest"):
            read_table(path, EPISODES)


def test_table_returns_what_was_written_and_refuses_the_rest(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(DataError, match="no such file"):
        read_table(path, EPISODES)
    write_table(path, ROWS, EPISODES, {"x": 1})
    assert {name: list(column) for name, column in read_table(path, EPISODES).items()} == ROWS
    assert list(read_table(path, EPISODES, ["rhythm"])) == ["rhythm"]
    with pytest.raises(DataError, match="expected records version 1"):
        read_table(path, TABLES["records"])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a whole Parquet file|sha256"):
        read_table(path, EPISODES)


def test_table_without_rows_keeps_its_types(tmp_path):
    write_table(tmp_path / "t.parquet", stack_columns([], list(EPISODES.columns)), EPISODES, {})
    table = read_table(tmp_path / "t.parquet", EPISODES)
    assert table["record"].dtype == object
    assert table["start_sample"].dtype == np.int64
    assert len(table["rhythm"]) == 0


def test_every_column_and_array_carries_unit_and_meaning():
    for schema in TABLES.values():
        for column in schema.arrow():
            assert column.metadata[b"description"], column.name
            assert b"unit" in column.metadata
    assert all(schema.long_name and schema.units for schema in ARRAYS.values())


def test_columns_split_and_stack_again():
    columns = {"record": np.array(["a", "a", "b"], dtype=object), "x": np.arange(3)}
    parts = split_by_record(columns)
    assert list(parts) == ["a", "b"]
    np.testing.assert_array_equal(parts["b"]["x"], [2])
    again = stack_columns([*parts.values(), {}], ["record", "x"])
    np.testing.assert_array_equal(again["x"], columns["x"])
    assert split_by_record({"record": np.empty(0, object)}) == {}
    assert len(stack_columns([], ["x"])["x"]) == 0


def test_a_table_made_elsewhere_has_no_header_and_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, ROWS, EPISODES, {"x": 1})
    assert table_header(path) == {"schema": "episodes", "version": 1, "params": {"x": 1}}
    plain = pq.read_table(path)
    for metadata in ({}, {"ecgfeat": "no JSON"}, {"ecgfeat": "[]"}):
        pq.write_table(plain.replace_schema_metadata(metadata), path)
        assert table_header(path) == {}
        with pytest.raises(DataError, match="schema None version None; expected episodes version 1"):
            read_table(path, EPISODES)


def test_a_table_written_part_by_part_is_the_table(tmp_path, monkeypatch):
    schema = TableSchema(
        "toy", 1, {"record": Column(pa.string(), "", "record"), "x": Column(pa.float32(), "s", "value", causal=True)}
    )
    parts = [
        {"record": np.full(size, f"r{number}", dtype=object), "x": np.where(np.arange(size) % 7, 0.5, np.nan)}
        for number, size in enumerate((5, 0, 9, 3))
    ]
    whole = stack_columns(parts, list(schema.columns))
    write_table(tmp_path / "whole.parquet", whole, schema, {"a": 1})
    for rows in (1, 8, 100):
        monkeypatch.setattr("ecgfeat.store.tables._GROUP_ROWS", rows)
        assert write_parts(tmp_path / "parts.parquet", iter(parts), schema, {"a": 1}) == 17
        read = read_table(tmp_path / "parts.parquet", schema)
        for name, column in whole.items():
            np.testing.assert_array_equal(read[name], read_table(tmp_path / "whole.parquet", schema)[name])
            assert len(read[name]) == len(column)
        assert table_header(tmp_path / "parts.parquet") == table_header(tmp_path / "whole.parquet")
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert write_parts(tmp_path / "none.parquet", [], schema, {}) == 0
    assert len(read_table(tmp_path / "none.parquet", schema)["x"]) == 0


def test_a_part_that_fails_leaves_no_table(tmp_path):
    schema = TableSchema("toy", 1, {"x": Column(pa.float32(), "s", "value")})

    def parts():
        yield {"x": np.zeros(3, dtype=np.float32)}
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_parts(tmp_path / "a.parquet", parts(), schema, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda table: table.drop_columns(["start_sample"]), "columns start_sample missing"),
        (lambda table: table.append_column("extra", table.column(0)), "columns extra, which the schema has not"),
        (
            lambda table: table.set_column(
                table.column_names.index("start_sample"), "start_sample", table.column("start_sample").cast(pa.int32())
            ),
            "columns start_sample int32",
        ),
    ],
)
def test_a_table_of_other_columns_than_its_schema_is_refused(tmp_path, change, found):
    path = tmp_path / "x.parquet"
    write_table(path, {name: [] for name in EPISODES.columns}, EPISODES, {})
    metadata = pq.read_schema(path).metadata
    pq.write_table(change(pq.read_table(path)).replace_schema_metadata(metadata), path)
    with pytest.raises(DataError, match=f"{found}; expected those of episodes"):
        read_table(path, EPISODES)
