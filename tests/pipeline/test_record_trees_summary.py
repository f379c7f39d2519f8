"""The kept table of the trees on record figures is laid out by a command from the scores of a run."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import UsageError
from ecgfeat.store.seal import write_report
from pipeline.read import paths
from pipeline.run import record_trees_summary
from pipeline.run.record_trees_summary import KEPT, summarise_record_trees

ROOT = Path(__file__).parents[2]


def scores_of(macro_f1: float, num_records: int = 1999) -> dict:
    return {
        "num_records": num_records,
        "macro_f1": macro_f1,
        "interval": {"macro_f1": {"low": macro_f1 - 0.02, "high": macro_f1 + 0.02}},
        "f1": {"N": macro_f1, "A": 0.0},
        "confusion": [[5, 1], [2, 3]],
    }


def run_scores(**changes: object) -> dict:
    return {
        "corpus": "cinc2017",
        "task": "single",
        "classes": ["N", "A"],
        "scored": ["N", "A"],
        "titles": {"record_trees": "trees", "majority": "shares"},
        "models": {"record_trees": scores_of(0.8), "majority": scores_of(0.25)},
        "held_half": scores_of(0.79, 1000),
    } | changes


def test_rows_are_the_trees_their_held_half_and_the_baselines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = paths.record_tree_scores("cinc2017")
    folder.mkdir(parents=True)
    write_report(folder / "scores.json", "record_trees", run_scores())
    Path("docs/results").mkdir(parents=True)
    assert record_trees_summary.main("cinc2017") == f"3 rows in {KEPT}"
    kept = json.loads(KEPT.read_text())
    assert kept == summarise_record_trees(run_scores())
    assert kept["rows"][0] == ["trees", "1,999", "**.800** (.780 to .820)", ".800", ".000"]
    assert [row[1] for row in kept["rows"]] == ["1,999", "1,000", "1,999"]
    assert kept["rows"][2][0] == "shares"
    assert kept["confusion"] == {"classes": ["N", "A"], "counts": [[5, 1], [2, 3]]}


def test_a_corpus_with_several_classes_per_record_is_refused():
    with pytest.raises(UsageError, match="one class per record"):
        summarise_record_trees(run_scores(task="multi"))


def test_the_kept_table_is_as_the_command_writes_it():
    kept = json.loads((ROOT / KEPT).read_text())
    assert kept["command"] == "python -m pipeline.run.record_trees_summary cinc2017"
    assert all(len(row) == len(kept["columns"]) for row in kept["rows"])
    count_KK = np.array(kept["confusion"]["counts"])
    assert f"{count_KK.sum():,}" == kept["rows"][0][1]
    f1_K = 2 * np.diag(count_KK) / (count_KK.sum(axis=0) + count_KK.sum(axis=1))
    assert kept["rows"][0][3:] == [f"{f1:.3f}".removeprefix("0") for f1 in f1_K]
    assert kept["rows"][0][2].startswith(f"**{f1_K[:3].mean():.3f}".replace("0.", "."))
