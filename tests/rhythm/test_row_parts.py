"""The table of rhythm predictions: every row names its record, and parts have the rows of the whole."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.row_parts import iterate_rhythms, tabulate_rhythms
from ecgfeat.rhythm.rows import HeadOutput
from ecgfeat.store.schemas import RHYTHM_PREDICTIONS


def make_record(corpus, subject, record, rhythms, stop=3_000):
    """A record of two beats a thousand samples apart, with episodes of a thousand samples."""
    edge = np.arange(len(rhythms) + 1) * 1_000
    return RhythmRecord(
        corpus, subject, record, stop, np.array([500, 1_500]), np.array([np.nan, 7.8]), np.zeros(2, np.int64),
        Episodes(edge[:-1], edge[1:], np.array(rhythms)),
    )  # fmt: skip


def test_the_table_of_all_heads_names_the_record_of_every_row():
    records = [make_record("mitdb", "s1", "100", ["NSR", "AFIB"]), make_record("ltafdb", "s2", "20", ["VT"])]
    posterior = np.array([[[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]], dtype=np.float32)
    heads = [HeadOutput("timeline", posterior, (0.5, 0.5)), HeadOutput("other", posterior[:, :, ::-1], (0.5, 0.5))]
    table = tabulate_rhythms(
        iter(heads), records, ["timeline", "episode"], window_samples=1_000, classes=("NSR", "AFIB")
    )
    assert "record_index" not in table
    # Pieces begin 20 samples before an R-peak and where the reference changes. VT is no episode of the task. An episode
    # has two views: the single one and the first of those that are averaged.
    expected = [
        ("mitdb", "s1", "100", "timeline", 0, 1_000, "NSR", "NSR"),
        ("mitdb", "s1", "100", "timeline", 1_000, 1_480, "AFIB", "NSR"),
        ("mitdb", "s1", "100", "timeline", 1_480, 2_000, "AFIB", "AFIB"),
        ("mitdb", "s1", "100", "timeline", 2_000, 3_000, "", "AFIB"),
        ("ltafdb", "s2", "20", "timeline", 0, 1_000, "VT", "NSR"),
        ("ltafdb", "s2", "20", "timeline", 1_000, 1_480, "", "NSR"),
        ("ltafdb", "s2", "20", "timeline", 1_480, 3_000, "", "NSR"),
        *2
        * [
            ("mitdb", "s1", "100", "episode", 0, 1_000, "NSR", "NSR"),
            ("mitdb", "s1", "100", "episode", 1_000, 2_000, "AFIB", "AFIB"),
        ],
    ]
    names = ("corpus", "subject", "record", "protocol", "start_sample", "stop_sample", "reference", "predicted")
    for head, rows in (("timeline", slice(0, 11)), ("other", slice(11, 22))):
        assert table["head"][rows].tolist() == [head] * 11
        found = list(zip(*(table[name][rows].tolist() for name in names), strict=True))
        assert [row[:-1] for row in found] == [row[:-1] for row in expected]
        if head == "timeline":
            assert found == expected
    assert len(table["head"]) == 22
    assert_array_equal(table["p_NSR"][:11], table["p_AFIB"][11:])


@pytest.mark.parametrize("part_rows", [1, 4, 5])
def test_a_table_in_parts_has_the_rows_of_the_whole_in_their_order(monkeypatch, part_rows):
    records = [make_record("mitdb", f"s{number}", str(number), ["NSR", "VT", "AFIB"]) for number in range(5)]
    rng = np.random.default_rng(6)
    posterior = rng.dirichlet(np.ones(2), size=(3, 10)).astype(np.float32)
    heads = [
        HeadOutput("timeline", posterior, (0.5, 0.5), {"viterbi": rng.integers(0, 2, size=10)}),
        HeadOutput("other", posterior[:1], (0.5, 0.5)),
    ]
    options = {"window_samples": 1_000, "classes": ("NSR", "AFIB")}
    protocols = ["timeline", "grid", "episode"]
    whole = list(iterate_rhythms(heads, records, protocols, **options))
    monkeypatch.setattr("ecgfeat.rhythm.row_parts.PART_ROWS", part_rows)
    parts = list(iterate_rhythms(heads, records, protocols, **options))
    assert len(parts) > len(whole)
    for name in whole[0]:
        expected = np.concatenate([part[name] for part in whole])
        assert_array_equal(np.concatenate([part[name] for part in parts]), expected)
    views = dict.fromkeys(np.concatenate([part["view"] for part in whole]).tolist())
    assert list(views)[:3] == ["single", "tta3", "viterbi"]


def test_rows_of_a_stretch_are_placed_in_the_whole_record():
    stretch = replace(make_record("mitdb", "s1", "100", ["NSR", "AFIB"], stop=2_000), start=50_000)
    posterior = np.array([[[0.9, 0.1], [0.2, 0.8]]], dtype=np.float32)
    head = HeadOutput("timeline", posterior, (0.5, 0.5))
    table = tabulate_rhythms([head], [stretch], ["timeline"], window_samples=1_000, classes=("NSR", "AFIB"))
    assert table["start_sample"].tolist() == [50_000, 51_000, 51_480]
    assert table["stop_sample"].tolist() == [51_000, 51_480, 52_000]


def test_without_a_head_the_table_has_all_columns_and_no_row():
    for records in ([], [make_record("mitdb", "s1", "100", ["NSR"])]):
        table = tabulate_rhythms([], records, ["timeline"], window_samples=1_000)
        assert list(table) == list(RHYTHM_PREDICTIONS.columns)
        assert {len(column) for column in table.values()} == {0}
        assert all(column.dtype == object for column in table.values())


def test_the_six_rhythms_are_the_classes_by_default():
    records = [make_record("mitdb", "s1", "100", ["SBR"])]
    head = HeadOutput("timeline", np.eye(6, dtype=np.float32)[None, [2, 5]], np.full(6, 1 / 6))
    table = tabulate_rhythms([head], records, ["timeline"], window_samples=1_000)
    assert set(RHYTHM_PREDICTIONS.columns) <= set(table)
    assert table["predicted"].tolist() == ["SBR", "SBR", "B"]
