"""Columns of tables as arrays: text as codes, rows in groups, missing tables."""

import numpy as np
import pyarrow as pa
import pytest

from ecgfeat.scoring.tables import codes, column_names, grouped, is_empty, probabilities, rhythm_classes, values


@pytest.mark.parametrize("column", [["b", "a", "b"], np.array(["b", "a", "b"]), pa.chunked_array([["b"], ["a", "b"]])])
def test_codes_are_indices_into_sorted_names(column):
    names, code = codes({"x": column}, "x")
    assert names == ["a", "b"]
    assert code.tolist() == [1, 0, 1]


def test_null_is_empty_text():
    names, code = codes({"x": pa.array(["b", None, ""])}, "x")
    assert names == ["", "b"]
    assert code.tolist() == [1, 0, 0]


@pytest.mark.parametrize("num", [7, 300])
def test_groups_come_sorted_with_their_rows(num):
    """Above 2 ** 16 combinations (300 x 300) the groups have wider keys."""
    order = np.random.default_rng(0).permutation(2 * num) % num
    table = {"x": [f"x{i:03d}" for i in order], "y": [f"y{num - i:03d}" for i in order]}
    groups = list(grouped(table, ["x", "y"]))
    assert [key for key, _ in groups] == [(f"x{i:03d}", f"y{num - i:03d}") for i in range(num)]
    for i, (_, rows) in enumerate(groups):
        assert rows.tolist() == np.flatnonzero(order == i).tolist()
    empty = np.array([], dtype=np.str_)
    assert list(grouped({"x": empty, "y": empty}, ["x", "y"])) == []


def test_columns_of_both_kinds_of_table():
    columns = {"record": ["a", "b"], "p_NSR": np.array([0.25, 1.0]), "p_AFIB": np.array([0.75, 0.0])}
    for table in (columns, pa.table(columns)):
        assert column_names(table) == ["record", "p_NSR", "p_AFIB"]
        assert rhythm_classes(table) == ["NSR", "AFIB"]
        assert probabilities(table, ["AFIB", "NSR"]).tolist() == [[0.75, 0.25], [0.0, 1.0]]
        assert probabilities(table, ["NSR"], np.array([1])).tolist() == [[1.0]]
        assert values(table, "p_NSR").tolist() == [0.25, 1.0]


def test_missing_tables_and_tables_without_rows_are_empty():
    assert [is_empty(table) for table in (None, {}, {"x": []}, pa.table({"x": pa.array([], pa.string())}))] == [
        True
    ] * 4
    assert not is_empty({"x": [1]})
