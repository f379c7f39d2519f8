"""The folder of a run opens its records, those of the test first, and its own models where they are complete."""

import shutil

import numpy as np
import pytest

from ecgfeat.errors import UsageError
from ecgfeat.pretrained import find_models
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.schemas import RECORDS
from ecgfeat.store.tables import write_table
from ecgfeat.view.run import choose_models_of_run, find_records_of_run, is_run

ROWS = [
    ("sim000", "train", "used"),
    ("sim001", "none", "excluded"),
    ("sim002", "test", "used"),
    ("gone", "test", "used"),
]


@pytest.fixture
def run(tmp_path):
    raw = tmp_path / "data" / "raw" / "sim"
    raw.mkdir(parents=True)
    simulate_corpus(raw, num_subjects=3, minutes=1, fs_hz=128, seed=1)
    assert not is_run(tmp_path)
    record, split, status = (np.array(column, dtype=object) for column in zip(*ROWS, strict=True))
    num = len(ROWS)
    columns = {"record": record, "split": split, "status": status, "subject": record}
    columns |= {"fs_hz": np.full(num, 128.0), "num_samples": np.full(num, 7680, np.int64)}
    leads = np.empty(num, dtype=object)
    leads[:] = [["I"] for _ in range(num)]
    columns |= {"leads": leads, "reason": np.full(num, "", dtype=object)}
    columns |= {"signals": np.full(num, "simulated", dtype=object)}
    (tmp_path / "data" / "records").mkdir()
    write_table(tmp_path / "data" / "records" / "sim.parquet", columns, RECORDS, {})
    return tmp_path


def test_records_are_those_that_were_used_and_of_the_test_first(run):
    assert is_run(run)
    raw = run / "data" / "raw" / "sim"
    found = find_records_of_run(run)
    assert [(of.path, folder.as_posix(), name) for of, folder, name in found] == [
        (raw / "sim002", "sim", "sim002"),
        (raw / "sim000", "sim", "sim000"),
    ]


def test_without_raw_files_it_is_one_line(run):
    for header in (run / "data" / "raw" / "sim").glob("*.hea"):
        header.unlink()
    with pytest.raises(UsageError, match="no raw record"):
        find_records_of_run(run)


def test_models_are_its_own_where_they_are_complete(run):
    shipped = find_models("real")
    folder, note = choose_models_of_run(run)
    assert folder == shipped
    assert note.startswith("Predicted by the shipped models")
    shutil.copytree(shipped, run / "models")
    folder, note = choose_models_of_run(run)
    assert folder == run / "models"
    assert note.startswith("Predicted by the models of the run,")
    (run / "models" / "rhythm" / "trees.txt").unlink()
    assert choose_models_of_run(run)[0] == shipped
