"""The LTAFDB protocol to the last episode, from the real annotation files."""

import json

import pytest

from ecgfeat.corpora import get_corpus
from ecgfeat.errors import DataError
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.rhythm.protocol import protocol_counts, read_protocol, segment_counts


@pytest.fixture(scope="module")
def tables(ltafdb):
    seen = []
    tables = read_protocol(get_corpus("ltafdb"), ltafdb, on_record=seen.append)
    assert len(seen) == 84
    return tables


def test_records_of_the_split(tables):
    assert {split: len(records) for split, (records, _, _) in tables.items()} == {
        "train": 67,
        "validation": 8,
        "test": 9,
    }
    assert tables["test"][0] == ("100", "104", "105", "11", "200", "32", "48", "49", "68")
    assert tables["validation"][0] == ("103", "114", "117", "20", "205", "23", "47", "54")


# The counts are those of the original system, restated in its publication.
def test_published_test_episodes(tables):
    expected = {"NSR": 1824, "AFIB": 1179, "SBR": 305, "AB": 250, "SVTA": 60, "B": 98, "total": 3716}
    assert segment_counts(tables, "test") == expected
    assert segment_counts(tables, "test", epoch=5) == expected
    assert segment_counts(tables, "test", min_beats=4)["total"] == 3709


def test_published_training_windows(tables):
    expected = {"NSR": 16699, "AFIB": 6072, "SBR": 10481, "AB": 2084, "SVTA": 1602, "B": 2413, "total": 39351}
    assert segment_counts(tables, "train", min_beats=4) == expected


def make_corpus(folder):
    """Write an empty-handed ltafdb: each record 60 s of NSR, then 60 s of AFIB, a beat every second."""
    import numpy as np

    for record in get_corpus("ltafdb").records:
        write_record(folder, record, np.zeros((120 * 128, 2), dtype=np.int16), 128.0, ("ECG", "ECG"))
        beat = np.arange(64, 120 * 128, 128)
        sample = np.concatenate([[0], beat, [60 * 128]])
        symbol = np.array(["+", *["N"] * len(beat), "+"])
        aux = np.array(["(N", *[""] * len(beat), "(AFIB"], dtype=object)
        order = np.argsort(sample, kind="stable")
        write_annotation_file(folder, record, "atr", sample[order], symbol[order], list(aux[order]), 128.0)


def test_counts_of_a_made_corpus_and_the_shape_of_the_answer(tmp_path):
    make_corpus(tmp_path)
    counts = protocol_counts(get_corpus("ltafdb"), tmp_path)
    assert counts == json.loads(json.dumps(counts))
    assert list(counts) == ["records", "test_records", "episodes"]
    assert counts["records"] == {"train": 67, "validation": 8, "test": 9}
    assert counts["episodes"]["test"] == {"NSR": 9, "AFIB": 9, "SBR": 0, "AB": 0, "SVTA": 0, "B": 0, "total": 18}
    (tmp_path / "32.atr").unlink()
    with pytest.raises(DataError, match=r"32.*no annotation file"):
        protocol_counts(get_corpus("ltafdb"), tmp_path)
