"""Strips of what costs most time: which confusion, which passage, which beats."""

import dataclasses
import itertools

import numpy as np
import pytest

from ecgfeat.report import pictures
from ecgfeat.report.drawings.strip import Strip
from ecgfeat.report.page import render_page
from ecgfeat.report.results.units import select_units
from ecgfeat.report.worst_strips import find_lost_passages, label_strip, worst_strips
from ecgfeat.store.schemas import RHYTHMS
from tests.fixtures.outside_inputs import make_outside
from tests.fixtures.report_inputs import make_inputs

FS_HZ = 128
RECORDS = {
    # A second for each beat: reference and name.
    "a": [("AFIB", "NSR")] * 6 + [("AFIB", "AFIB")] * 4 + [("NSR", "AFIB")] * 20 + [("VT", "AFIB")] * 50,
    "b": [("AFIB", "NSR")] * 9 + [("NSR", "NSR")] * 5 + [("AFIB", "NSR")] * 8 + [("AFIB", "")] * 4,
}


def rhythm_table():
    columns = {name: [] for name in ("record", "start_sample", "stop_sample", "reference", "predicted")}
    for record, beats in RECORDS.items():
        for k, (reference, predicted) in enumerate(beats):
            row = (record, k * FS_HZ, (k + 1) * FS_HZ, reference, predicted)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    size = len(columns["record"])
    table = {name: np.array(column, dtype=None if "sample" in name else object) for name, column in columns.items()}
    about = {"corpus": "ptbxl", "subject": "s", "protocol": "timeline", "head": "both", "view": "viterbi"}
    for name, value in about.items():
        table[name] = np.full(size, value, dtype=object)
    table["num_beats"] = np.ones(size, dtype=np.int32)
    return table | {f"p_{name}": np.full(size, 1 / 6, dtype=np.float32) for name in RHYTHMS}


def episode_table():
    rows = []
    for record, beats in RECORDS.items():
        edges = [0, *(k for k in range(1, len(beats)) if beats[k][1] != beats[k - 1][1]), len(beats)]
        for start, stop in itertools.pairwise(edges):
            rows.append((record, start * FS_HZ, stop * FS_HZ, beats[start][1]))
    names = ("record", "start_sample", "stop_sample", "rhythm")
    table = {name: np.array([row[k] for row in rows]) for k, name in enumerate(names)}
    length = (table["stop_sample"] - table["start_sample"]) // FS_HZ
    size = len(rows)
    return table | {
        "corpus": np.full(size, "ptbxl", dtype=object),
        "certainty": np.where(table["rhythm"] == "", np.nan, 0.75),
        "classes": np.array([("NV" * 99)[:number] for number in length], dtype=object),
        "evidence": np.array([f"rate of {name}" * bool(name) for name in table["rhythm"]], dtype=object),
    }


@pytest.fixture
def units():
    return select_units(rhythm_table(), "both", "timeline", "viterbi", FS_HZ)


def test_each_confusion_has_its_longest_passage_and_the_one_that_costs_most_comes_first(units):
    passages = find_lost_passages(units, 9)
    assert [(of.reference, of.predicted, of.record, of.start_s, of.stop_s, of.lost_s) for of in passages] == [
        ("AFIB", "NSR", "b", 0.0, 9.0, 23.0),
        ("NSR", "AFIB", "a", 10.0, 30.0, 20.0),
        ("AFIB", "", "b", 22.0, 26.0, 4.0),
    ]  # VT is none of the six
    assert len(find_lost_passages(units, 2)) == 2


def test_beats_have_the_class_of_the_unit_that_begins_at_them(units):
    signal = np.zeros((10 * FS_HZ, 1), dtype=np.float32)
    rpeak_s = np.array([0.0, 1.0, 2.0, 25.0, 26.5])  # the last one is beyond the usable time
    strip = Strip("t", signal, FS_HZ, ["I"], rpeak_s=rpeak_s, reference_label=["", "", "", "", ""], note="n")
    classes = ("NV" * 99)[: len(RECORDS["b"])]
    alone = label_strip(strip, units["ptbxl"], "b", classes)
    assert (alone.reference_label, alone.predicted_label) == (["N", "V", "N", "V", ""], ())
    assert alone.note == "n, beat classes are predicted"
    beside = label_strip(dataclasses.replace(strip, reference_label=list("NNNNN")), units["ptbxl"], "b", classes)
    assert beside.predicted_label == ["N", "V", "N", "V", ""]
    with pytest.raises(AssertionError, match="a class for each beat"):
        label_strip(strip, units["ptbxl"], "b", classes + "N")


def read_strip(corpus, record, start_s, stop_s):
    signal = np.zeros((round((stop_s - start_s) * FS_HZ), 1), dtype=np.float32)
    rpeak_s = np.arange(start_s, stop_s)
    label = ["N"] * len(rpeak_s)
    return Strip(f"{corpus}/{record}", signal, FS_HZ, ["I"], start_s, rpeak_s, label)


def test_a_picture_says_what_is_lost_where_and_why(monkeypatch):
    monkeypatch.setattr(pictures, "to_data_uri", lambda figure: "data:,")
    outside = make_outside()
    inputs = make_inputs(outside=outside)
    inputs = dataclasses.replace(
        inputs, read_strip=read_strip, outside_rhythm=rhythm_table(), outside_episodes=episode_table(), fs_hz=FS_HZ
    )
    shown = worst_strips(inputs)
    assert [picture.caption for picture in shown] == [
        "AFIB, named NSR: 23 s in ptbxl. Longest passage: ptbxl/b from 0:00, 9 s. "
        "Certainty 0.750; evidence of the name: rate of NSR.",
        "NSR, named AFIB: 20 s in ptbxl. Longest passage: ptbxl/a from 0:10, 20 s. "
        "Certainty 0.750; evidence of the name: rate of AFIB.",
        "AFIB, not classified: 4 s in ptbxl. Longest passage: ptbxl/b from 0:22, 4 s. No rhythm is certain enough.",
    ]
    section = render_page(inputs).partition('<section id="outside">')[2].partition("</section>")[0]
    assert section.count("<figure") == 3
    assert "What costs most time" in section
    for missing in ({"outside_rhythm": None}, {"outside_episodes": None}, {"read_strip": None}):
        assert worst_strips(dataclasses.replace(inputs, **missing)) == []
    assert worst_strips(dataclasses.replace(inputs, read_strip=lambda *where: None)) == []
