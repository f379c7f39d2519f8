"""No true label reaches a prediction: all that annotations say of the test records is scrambled, and nothing moves.

What is scrambled are the tables that the annotations of the test records went into, behind the models: classes, rhythms
and matches of their R-peaks, classes and positions of their reference beats, names and boundaries of their episodes.
The R-peaks themselves are detections and stay. Where an oracle is asked for, predictions must move: otherwise the
scrambling would prove nothing.
"""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.artifacts import table_header
from ecgfeat.schemas import BEAT_PREDICTIONS, BEAT_TABLE, EPISODES, RECORDS, RHYTHM_PREDICTIONS, RPEAKS, TableSchema
from ecgfeat.store import Columns, hash_file, read_table, write_table
from pipeline import embed, evaluate, paths, windows
from tests.small_run import make_small_run

SLUG = "simulate"
SCRAMBLED = {
    paths.rpeaks(SLUG): (RPEAKS, ("symbol", "aami", "rhythm", "matched")),
    paths.beats(SLUG): (BEAT_TABLE, ("sample", "symbol", "aami", "rhythm")),
    paths.episodes(SLUG): (EPISODES, ("start_sample", "stop_sample", "rhythm")),
}


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Columns]]:
    """Predictions by history of the rhythm head and by what the tables said: ``true`` or ``scrambled``."""
    folder = make_small_run(tmp_path_factory.mktemp("leakage"))
    found = {}
    with contextlib.chdir(folder):
        found["predicted", "true"] = read_predictions()
        found["oracle", "true"] = predict("oracle")
        chunks = [path for path in (paths.embeddings(SLUG) / "embedding").rglob("*") if path.is_file()]
        embedded = [path.read_bytes() for path in chunks]
        scramble_tables(np.random.default_rng(7))
        # Both stores carry the hash of the R-peak table, so they are made again, from the scrambled one.
        windows.main(SLUG)
        embed.main(SLUG)
        assert [path.read_bytes() for path in chunks] == embedded
        found["oracle", "scrambled"] = predict("oracle")
        found["predicted", "scrambled"] = predict("predicted")
        found["none", "scrambled"] = predict("none")
    return found


def read_predictions() -> dict[str, Columns]:
    schemas = {"rhythm": RHYTHM_PREDICTIONS, "beats": BEAT_PREDICTIONS}
    return {name: read_table(paths.PREDICTIONS / f"{name}.parquet", schema) for name, schema in schemas.items()}


def predict(history: str) -> dict[str, Columns]:
    """Run the stage with another source of the labels that the rhythm head sees."""
    params = Path("params.yaml")
    text = params.read_text()
    assert text.count("  history: predicted") == 1
    params.write_text(text.replace("  history: predicted", f"  history: {history}"))
    evaluate.main()
    params.write_text(text)
    return read_predictions()


def scramble_tables(rng: np.random.Generator) -> None:
    records = read_table(paths.records(SLUG), RECORDS)
    test = set(records["record"][records["split"] == "test"])
    assert len(test) >= 2
    for path, (schema, names) in SCRAMBLED.items():
        before, hash_before = read_table(path, schema), hash_file(path)
        after = scramble(before, schema, names, test, rng)
        write_table(path, after, schema, table_header(path)["params"])
        assert hash_file(path) != hash_before
    # Nothing behind the tables may look at the annotation files either.
    for record in test:
        (paths.raw(SLUG) / f"{record}.atr").unlink()


def scramble(
    table: Columns, schema: TableSchema, names: tuple[str, ...], test: set[str], rng: np.random.Generator
) -> Columns:
    """Draw some columns of the test records anew: labels from all there are, positions in order within the record."""
    assert set(names) <= set(schema.columns)
    after = {name: column.copy() for name, column in table.items()}
    values = {name: np.unique(table[name]) for name in names} | {"matched": np.array([False, True])}
    for record in sorted(test):
        rows = np.flatnonzero(table["record"] == record)
        for name in names:
            if not name.endswith("sample"):
                after[name][rows] = rng.choice(values[name], len(rows))
        last = max(int(table[name][rows].max()) for name in schema.columns if name.endswith("sample"))
        if "start_sample" in names:
            bounds = np.sort(rng.choice(np.arange(1, last), len(rows) - 1, replace=False))
            after["start_sample"][rows], after["stop_sample"][rows] = [0, *bounds], [*bounds, last]
        elif "sample" in names:
            after["sample"][rows] = np.sort(rng.choice(last, len(rows), replace=False))
        for name in names:
            assert (after[name][rows] != table[name][rows]).any(), f"{record}: {name} is as it was"
    return after


def bits(table: Columns, rows: np.ndarray) -> np.ndarray:
    """The probabilities of some rows as the bits they are stored in."""
    columns = [table[name][rows] for name in sorted(table) if name.startswith("p_")]
    assert len(columns) >= 3
    return np.stack(columns, axis=1).view(np.uint32)


def keys(table: Columns, rows: np.ndarray, names: tuple[str, ...]) -> list[tuple[object, ...]]:
    return list(zip(*(table[name][rows].tolist() for name in names), strict=True))


def grid(table: Columns) -> np.ndarray:
    return np.flatnonzero(table["protocol"] == "grid")


def at_rpeaks(table: Columns, history: str) -> np.ndarray:
    """Rows of the detected R-peaks; the other ones are reference beats that no R-peak was found for."""
    return np.flatnonzero((table["history"] == history) & np.isfinite(table["p_N"]))


def test_rhythms_of_the_grid_know_nothing_of_the_annotations(predictions):
    true, scrambled = (predictions["predicted", tables]["rhythm"] for tables in ("true", "scrambled"))
    before, after = grid(true), grid(scrambled)
    assert len(before) >= 9 * 2 * 29  # view, mean and single, two records of five minutes
    names = ("record", "view", "start_sample", "stop_sample", "num_beats")
    assert keys(true, before, names) == keys(scrambled, after, names)
    assert np.array_equal(bits(true, before), bits(scrambled, after))
    assert (true["reference"][before] != scrambled["reference"][after]).any()


@pytest.mark.parametrize("history", ["predicted", "none"])
def test_beat_classes_without_an_oracle_know_nothing_of_the_annotations(predictions, history):
    true, scrambled = (predictions["predicted", tables]["beats"] for tables in ("true", "scrambled"))
    before, after = at_rpeaks(true, history), at_rpeaks(scrambled, history)
    assert len(before) >= 300
    names = ("record", "sample")
    assert keys(true, before, names) == keys(scrambled, after, names)
    assert np.array_equal(bits(true, before), bits(scrambled, after))
    assert (true["reference"][before] != scrambled["reference"][after]).any()


def test_oracle_history_of_beats_does_see_the_scrambled_labels(predictions):
    true, scrambled = (predictions["predicted", tables]["beats"] for tables in ("true", "scrambled"))
    before, after = at_rpeaks(true, "oracle"), at_rpeaks(scrambled, "oracle")
    assert keys(true, before, ("record", "sample")) == keys(scrambled, after, ("record", "sample"))
    assert (bits(true, before) != bits(scrambled, after)).any()


def test_oracle_history_of_rhythms_does_see_the_scrambled_labels(predictions):
    true, scrambled = (predictions["oracle", tables]["rhythm"] for tables in ("true", "scrambled"))
    assert (bits(true, grid(true)) != bits(scrambled, grid(scrambled))).any()


def test_the_rhythm_head_sees_the_labels_it_is_said_to_see(predictions):
    by_history = {history: predictions[history, "scrambled"]["rhythm"] for history in ("predicted", "none", "oracle")}
    seen = {bits(table, grid(table)).tobytes() for table in by_history.values()}
    assert len(seen) == 3
