"""Scores computed again from the prediction tables alone, and which oracles those tables record."""

from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.scoring.evaluation import as_table, find_tables, recorded_oracles, score_predictions
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.rhythm_summary import summarise_rhythm
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.schemas import BEAT_PREDICTIONS, COMMON_FS_HZ, RHYTHM_PREDICTIONS, RPEAK_SCORES, RPEAKS
from ecgfeat.store.tables import read_table, write_table
from tests.fixtures.rhythm_predictions import predictions, write_predictions

NONE = {"rpeaks": None, "history": None, "episodes": None}


def no_rows(schema: TableSchema) -> dict[str, list]:
    return {name: [] for name in schema.columns}


def write_beats(path: Path) -> Path:
    """Two beats in the first five minutes and two after them; one of the latter is missed."""
    names = {"corpus": "toy", "subject": "s0", "record": "r0", "split": "test", "history": "none", "rhythm": "NSR"}
    columns = {name: [value] * 4 for name, value in names.items()} | {
        "sample": [100, 200, 301 * 128, 302 * 128],
        "reference": ["N", "V", "N", "V"],
        "predicted": ["N", "V", "N", "N"],
        "p_N": [0.8, 0.2, 0.9, 0.9],
        "p_S": [0.1, 0.1, 0.05, 0.05],
        "p_V": [0.1, 0.7, 0.05, 0.05],
    }
    write_table(path, columns, BEAT_PREDICTIONS, {})
    return path


def test_the_tables_of_a_folder_are_found_by_name_and_a_single_table_by_its_schema(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "predictions", range(2))
    names = ("rpeaks", "beats", "rhythm")
    assert find_tables(folder) == {name: folder / f"{name}.parquet" for name in names}
    (folder / "beats.parquet").unlink()
    assert list(find_tables(folder)) == ["rpeaks", "rhythm"]
    for name in ("rpeaks", "rhythm"):
        moved = (folder / f"{name}.parquet").rename(tmp_path / f"{name}_of_mine.parquet")
        assert find_tables(moved) == {name: moved}


def test_a_place_without_a_table_is_refused_and_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_tables(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: no table of predictions; expected rpeaks.parquet, beats.parquet, rhythm")
    assert message.endswith("Run: dvc repro evaluate")
    write_table(tmp_path / "x.parquet", no_rows(BEAT_PREDICTIONS), BEAT_PREDICTIONS, {})
    assert list(find_tables(tmp_path / "x.parquet")) == ["beats"]
    schemas = ", ".join(schema.name for schema in (RPEAK_SCORES, BEAT_PREDICTIONS, RHYTHM_PREDICTIONS))
    write_table(tmp_path / "y.parquet", no_rows(RPEAKS), RPEAKS, {})
    with pytest.raises(DataError, match=f"no table of predictions; expected {schemas}"):
        find_tables(tmp_path / "y.parquet")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, NONE),
        ({"rpeaks": {}, "rhythm": {"features": "annotations"}, "evaluate": {}}, NONE),
        ({"rpeaks": {"method": "annotated"}}, NONE | {"rpeaks": True}),
        ({"rpeaks": {"method": "ecgfeat"}}, NONE | {"rpeaks": False}),
        ({"rhythm": {"history": "oracle"}}, NONE),
        ({"rhythm": {"features": "annotations", "history": "none"}}, NONE | {"history": True}),
        ({"rhythm": {"features": "embeddings", "history": "oracle"}}, NONE | {"history": True}),
        ({"rhythm": {"features": "embeddings", "history": "predicted"}}, NONE | {"history": False}),
        ({"evaluate": {"protocols": ["timeline", "episode"]}}, NONE | {"episodes": True}),
        ({"evaluate": {"protocols": ["timeline", "grid"]}}, NONE | {"episodes": False}),
    ],
)
def test_oracles_are_read_from_the_params_of_the_tables(tmp_path: Path, params: dict, expected: dict) -> None:
    path = tmp_path / "beats.parquet"
    write_table(path, no_rows(BEAT_PREDICTIONS), BEAT_PREDICTIONS, params)
    assert recorded_oracles({"beats": path}, None) == expected
    # The detector of the counts says more than the params; a table without rows says nothing.
    assert recorded_oracles({"beats": path}, {"detector": np.array([], dtype=object)}) == expected
    for detector, is_oracle in (("annotated", True), ("xqrs", False)):
        counts = {"detector": np.array([detector], dtype=object)}
        assert recorded_oracles({"beats": path}, counts) == expected | {"rpeaks": is_oracle}


def test_scores_are_those_of_the_tables_and_what_is_given_beats_what_is_recorded(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path, range(6))
    scores = score_predictions(folder, oracles={}, num_resamples=20, seed=3)
    rows = read_table(folder / "rhythm.parquet", RHYTHM_PREDICTIONS)
    whole = plain_numbers(summarise_rhythm(rows, fs_hz=COMMON_FS_HZ, num_resamples=20, seed=3))
    assert scores["rhythm"] == whole
    assert "interval" in scores["rhythm"]["toy"]["timeline"]["grid"]["single"]
    assert scores["beats"] == {}
    assert scores["rpeaks"]["toy"]["sensitivity"] == 0.5
    assert scores["oracles"] == {"rpeaks": True, "history": True, "episodes": False}
    given = score_predictions(folder, oracles=NONE | {"history": False}, num_resamples=0, seed=3)
    assert given["oracles"] == {"rpeaks": True, "history": False, "episodes": False}
    assert given["oracles_by_protocol"] == {"grid": given["oracles"], "timeline": given["oracles"]}
    assert list(given["oracles_by_protocol"]) == ["grid", "timeline"]


def test_only_the_episode_protocol_is_given_the_episodes(tmp_path: Path) -> None:
    table = predictions(range(2))
    table["protocol"] = np.where(table["protocol"] == "grid", "episode", table["protocol"])
    path = tmp_path / "rhythm.parquet"
    write_table(path, table, RHYTHM_PREDICTIONS, {})
    oracles = {"rpeaks": False, "history": True, "episodes": True}
    scores = score_predictions(path, oracles=oracles, num_resamples=0, seed=3)
    assert scores["oracles_by_protocol"] == {"episode": oracles, "timeline": oracles | {"episodes": False}}


def test_oracles_that_are_neither_given_nor_recorded_are_asked_for(tmp_path: Path) -> None:
    path = write_beats(tmp_path / "beats.parquet")
    with pytest.raises(UsageError) as caught:
        score_predictions(path, oracles={"history": False}, num_resamples=0, seed=3)
    assert str(caught.value).startswith(
        f"{path}: no record of oracles: rpeaks, episodes; expected "
        "--oracle-rpeaks or --no-oracle-rpeaks, --oracle-episodes or --no-oracle-episodes."
    )


def test_the_main_numbers_as_lines(tmp_path: Path) -> None:
    write_predictions(tmp_path, range(6))
    write_beats(tmp_path / "beats.parquet")
    scores = score_predictions(tmp_path, oracles={}, num_resamples=0, seed=3)
    lines = as_table(scores).splitlines()
    rhythm = scores["rhythm"]["toy"]

    def numbers(of: dict) -> str:
        return "  ".join(f"{name} {of[name]:.4f}" for name in ("macro_f1", "accuracy", "balanced_accuracy"))

    names = [
        "rpeaks toy",
        "usable toy",
        "beats toy none",
        "beats toy none after 5 min",
        "rhythm toy majority grid single",
        "rhythm toy majority timeline single",
        "rhythm toy majority timeline single per second",
        "rhythm toy timeline grid single",
        *(
            f"rhythm toy timeline timeline {view}{unit}"
            for view in ("single", "tta7", "viterbi")
            for unit in ("", " per second")
        ),
        "oracles",
    ]
    width = max(map(len, names))
    assert [line[:width].rstrip() for line in lines] == names
    texts = [line[width:] for line in lines]
    assert texts[0] == "  sensitivity 0.5000  positive_predictivity 0.5000  f1 0.5000"
    # Two of two beats and one of two: F1 of N is 4 / 5, of V 2 / 3; after five minutes 2 / 3 and 0. S is absent.
    assert texts[1] == "  0.00 of 0.00 h"
    assert texts[2] == "  n_f1 0.8000  s_f1 -  v_f1 0.6667"
    assert texts[3] == "  n_f1 0.6667  s_f1 -  v_f1 0.0000"
    assert texts[7] == f"  {numbers(rhythm['timeline']['grid']['single'])}"
    assert texts[-2] == f"  {numbers(rhythm['timeline']['timeline']['viterbi']['per_second'])}"
    assert texts[-1] == "  history, rpeaks"
    assert as_table(scores | {"oracles": {}}).endswith("none")
