"""No true label reaches a prediction: all that annotations say of the test records is made up, and nothing moves.

The whole pipeline runs twice on the same signals. The second time the annotation files of the test records hold other
symbols at other positions and other rhythms, drawn at random. Weights, R-peaks and every prediction must be the same
bit by bit, whatever the head and the protocol; episodes to be named are left out, because they are the reference's by
definition. Where an oracle is on, predictions must move: otherwise the scrambling would prove nothing.
"""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.acquire.manifest import read_manifest, write_manifest
from ecgfeat.arena import signal_systems
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.splits import read_split
from ecgfeat.records.formats import encode_annotations
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.records.writer import write_record
from ecgfeat.store.schemas import (
    BEAT_PREDICTIONS,
    BEAT_TABLE,
    CLASSES,
    EPISODE_SCORES,
    EPISODES,
    RECORD_SCORES,
    RECORDS,
    RHYTHM_PREDICTIONS,
    RPEAKS,
)
from ecgfeat.store.tables import Columns, read_table
from pipeline import evaluate
from pipeline.read import paths
from tests.fixtures import small_run

HISTORIES = ("predicted", "none", "oracle")
HEADS = {"timeline", "transformer", "trees", "both", "window", "majority", "rr_rules", "rr_logistic"}
# On real signals two: one that reads nothing but the signal, and the one that finds R-peaks in it.
SYSTEMS = {"simulate": list(signal_systems()), "mitdb": ["resnet1d", "ecg_ramba"]}
# Four to train on, 119 to validate, 200, 219 and 232 to test: ectopic beats and several rhythms in six minutes.
MITDB_RECORDS = ("106", "119", "200", "203", "209", "219", "223", "232")
MITDB_S = 360
SCRAMBLED = {
    paths.rpeaks: (RPEAKS, ("symbol", "aami", "rhythm", "matched")),
    paths.beats: (BEAT_TABLE, ("sample", "symbol", "aami", "rhythm")),
    paths.episodes: (EPISODES, ("start_sample", "stop_sample", "rhythm")),
}


@dataclass(frozen=True)
class Run:
    """What a run left behind: tables and annotation files by history of the rhythm heads, and what the systems said."""

    folder: Path
    tables: dict[str, dict[str, Columns]]
    files: dict[str, dict[str, bytes]]
    systems: Columns


@pytest.fixture(scope="module", params=["simulate", "mitdb"])
def slug(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def runs(slug: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The run on the true annotations of the test records, and that on made-up ones."""
    folder = tmp_path_factory.mktemp(f"leakage_{slug}")
    if slug == "mitdb":
        mirror = request.getfixturevalue("mitdb")
        changes = {"corpora": [slug], "models": SYSTEMS[slug]}
        run_pipeline(folder / "true", lambda _: shorten_records(mirror), changes)
    else:
        changes = {}
        shutil.copytree(request.getfixturevalue("systems_run"), folder / "true")

    def acquire_scrambled(slug: str) -> None:
        shutil.copytree(folder / "true" / paths.raw(slug), paths.raw(slug))
        scramble_annotations(slug, np.random.default_rng(7))

    run_pipeline(folder / "scrambled", acquire_scrambled, changes)
    return {name: read_run(folder / name) for name in ("true", "scrambled")}


def run_pipeline(folder: Path, acquire: Callable[[str], object], changes: dict[str, object]) -> None:
    """Run all that predicts; scores and the report are of no interest here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_run.acquire, "main", acquire)
        for stage in (small_run.sensitivity, small_run.report):
            patch.setattr(stage, "main", lambda: None)
        small_run.add_systems(small_run.make_small_run(folder, **changes))


def read_run(folder: Path) -> Run:
    tables, files = {}, {}
    with contextlib.chdir(folder):
        for history in HISTORIES:
            tables[history], files[history] = predict(history)
        systems = read_table(paths.SYSTEM_PREDICTIONS / "rhythm.parquet", RHYTHM_PREDICTIONS)
    return Run(folder, tables, files, systems)


def predict(history: str) -> tuple[dict[str, Columns], dict[str, bytes]]:
    """Run the stage with another source of the labels that the rhythm heads see."""
    params = Path("params.yaml")
    text = params.read_text()
    assert text.count("  history: predicted") == 1
    params.write_text(text.replace("  history: predicted", f"  history: {history}"))
    evaluate.main()
    params.write_text(text)
    schemas = {"rhythm": RHYTHM_PREDICTIONS, "beats": BEAT_PREDICTIONS}
    tables = {name: read_table(paths.PREDICTIONS / f"{name}.parquet", schema) for name, schema in schemas.items()}
    annotations = paths.PREDICTIONS / "annotations"
    return tables, {
        str(path.relative_to(annotations)): path.read_bytes() for path in sorted(annotations.rglob("*.ecg"))
    }


def shorten_records(mirror: Path) -> None:
    """Write the first minutes of some records as a corpus of their own."""
    folder = paths.raw("mitdb")
    folder.mkdir(parents=True)
    for record in MITDB_RECORDS:
        signal = read_signal(mirror, record)
        stop = round(MITDB_S * signal.fs_hz)
        signal_uv_SC = np.rint(signal.signal_mv_SC[:stop] * 1000).astype(np.int16)
        write_record(folder, record, signal_uv_SC, signal.fs_hz, signal.leads)
        marks = read_annotations(mirror, record, "atr", None)
        kept = marks.sample < stop
        content = encode_annotations(
            marks.sample[kept], marks.symbol[kept].tolist(), marks.aux[kept].tolist(), signal.fs_hz
        )
        (folder / f"{record}.atr").write_bytes(content)
    write_manifest(folder, get_corpus("mitdb"), "measured", list(MITDB_RECORDS))


def scramble_annotations(slug: str, rng: np.random.Generator) -> None:
    """Give the test records annotations that have nothing to do with them."""
    folder, corpus = paths.raw(slug), get_corpus(slug)
    names = read_manifest(folder)["records"]
    split = read_split(corpus, corpus.default_split, records=names)
    test = [name for name in names if split[name] == "test"]
    assert len(test) >= 2
    for record in test:
        signal = read_signal(folder, record)
        num_beats, num_marks = rng.integers(300, 500), 12
        sample = np.sort(rng.choice(len(signal.signal_mv_SC) - 1, num_beats + num_marks, replace=False) + 1)
        is_mark = np.isin(np.arange(len(sample)), rng.choice(len(sample), num_marks, replace=False))
        symbol = np.where(is_mark, "+", rng.choice(["N", "A", "V", "F", "Q"], len(sample)))
        note = np.where(is_mark, rng.choice(["(N", "(AFIB", "(SBR", "(SVTA", "(B", "(VT"], len(sample)), "")
        content = encode_annotations(sample, symbol.tolist(), note.tolist(), signal.fs_hz)
        path = folder / f"{record}.atr"
        assert path.read_bytes() != content
        path.write_bytes(content)
    small_run.accept_changes(folder)


def keys(table: Columns, rows: np.ndarray, *names: str) -> list[tuple[object, ...]]:
    return list(zip(*(table[name][rows].tolist() for name in names), strict=True))


def bits(table: Columns, rows: np.ndarray) -> np.ndarray:
    """The probabilities of some rows as the bits they are stored in."""
    columns = [table[name][rows] for name in sorted(table) if name.startswith("p_")]
    assert len(columns) >= 3
    return np.stack(columns, axis=1).view(np.uint32)


def whole_record(table: Columns) -> np.ndarray:
    """Rows of the protocols that need to know nothing of the reference."""
    return np.flatnonzero(np.isin(table["protocol"], ["timeline", "grid"]))


def of_head(table: Columns, head: str) -> np.ndarray:
    """Rows of R-peaks and grid windows, which there are as many of whatever the reference is."""
    rows = whole_record(table)
    is_unit = (table["protocol"][rows] == "grid") | (table["num_beats"][rows] > 0)
    return rows[(table["head"][rows] == head) & is_unit]


def said_over_time(table: Columns) -> list[tuple[object, ...]]:
    """What the heads say, from when to when: rows that are divided where the reference changes are one again."""
    rows = whole_record(table)
    names = ("corpus", "subject", "record", "protocol", "head", "view", "predicted")
    whose = [(*key, chance.tobytes()) for key, chance in zip(keys(table, rows, *names), bits(table, rows), strict=True)]
    extents = keys(table, rows, "start_sample", "stop_sample", "num_beats")
    said: list[tuple[object, ...]] = []
    for key, (start, stop, num_beats) in zip(whose, extents, strict=True):
        if said and said[-1][0] == key and "timeline" in key and said[-1][2] == start:
            _, before, _, counted = said.pop()
            start, num_beats = before, counted + num_beats
        said.append((key, start, stop, num_beats))
    return said


def at_rpeaks(table: Columns, history: str) -> np.ndarray:
    """Rows of the detected R-peaks; the other ones are reference beats that no R-peak was found for."""
    return np.flatnonzero((table["history"] == history) & np.isfinite(table["p_N"]))


def test_what_the_tables_say_of_the_test_records_is_scrambled(slug, runs):
    for path, (schema, names) in SCRAMBLED.items():
        true, scrambled = (read_table(run.folder / path(slug), schema) for run in runs.values())
        records = read_table(runs["true"].folder / paths.records(slug), RECORDS)
        for record, split in zip(records["record"], records["split"], strict=True):
            for name in names:
                before, after = (table[name][table["record"] == record] for table in (true, scrambled))
                assert np.array_equal(before, after) == (split != "test"), f"{record}: {schema.name}.{name}"


def test_records_weights_and_rpeaks_know_nothing_of_the_annotations(slug, runs):
    true, scrambled = (run.folder for run in runs.values())
    weights = sorted(path.relative_to(true) for path in (true / "models").rglob("*.*") if path.is_file())
    assert {str(path) for path in weights} >= {f"models/{name}/model.safetensors" for name in ("htf", "timeline")}
    assert {str(path) for path in weights} >= {f"models/systems/{name}/system.safetensors" for name in SYSTEMS[slug]}
    for path in (*weights, paths.records(slug)):
        assert (true / path).read_bytes() == (scrambled / path).read_bytes(), path
    found = [read_table(folder / paths.rpeaks(slug), RPEAKS) for folder in (true, scrambled)]
    assert keys(found[0], slice(None), "record", "sample") == keys(found[1], slice(None), "record", "sample")


@pytest.mark.parametrize("history", ["predicted", "none"])
def test_rhythms_know_nothing_of_the_annotations(runs, history):
    true, scrambled = (run.tables[history]["rhythm"] for run in runs.values())
    before, after = whole_record(true), whole_record(scrambled)
    assert set(true["head"][before]) == HEADS
    assert {"timeline", "grid"} <= set(true["protocol"][before])
    assert {"single", "tta7", "viterbi"} <= set(true["view"][before])
    assert said_over_time(true) == said_over_time(scrambled)
    assert keys(true, before, "reference", "start_sample") != keys(scrambled, after, "reference", "start_sample")


def test_rhythms_of_the_systems_know_nothing_of_the_annotations(slug, runs):
    true, scrambled = (run.systems for run in runs.values())
    before, after = whole_record(true), whole_record(scrambled)
    assert set(true["head"][before]) == set(SYSTEMS[slug])
    assert {"timeline", "grid"} <= set(true["protocol"][before])
    assert said_over_time(true) == said_over_time(scrambled)
    assert keys(true, before, "reference", "start_sample") != keys(scrambled, after, "reference", "start_sample")


@pytest.mark.parametrize("history", ["predicted", "none"])
def test_beat_classes_know_nothing_of_the_annotations(runs, history):
    true, scrambled = (run.tables["predicted"]["beats"] for run in runs.values())
    before, after = at_rpeaks(true, history), at_rpeaks(scrambled, history)
    assert len(before) >= 300
    assert keys(true, before, "record", "sample") == keys(scrambled, after, "record", "sample")
    assert np.array_equal(bits(true, before), bits(scrambled, after))
    assert (true["reference"][before] != scrambled["reference"][after]).any()


def test_the_beat_classifier_knows_nothing_of_the_annotations(slug, runs):
    true, scrambled = (read_table(run.folder / paths.classes(slug), CLASSES) for run in runs.values())
    for name in CLASSES.columns:
        np.testing.assert_array_equal(true[name], scrambled[name])
    is_test = ~true["held_out"]
    assert np.isfinite(true["p_N"][is_test]).sum() >= 300


def test_the_outside_evaluation_knows_nothing_of_the_annotations(slug, runs):
    schemas = {"records": RECORD_SCORES, "beats": BEAT_PREDICTIONS, "rhythm": RHYTHM_PREDICTIONS}
    schemas |= {"episodes": EPISODE_SCORES}
    true, scrambled = (
        {
            name: read_table(run.folder / paths.OUTSIDE_PREDICTIONS / f"{name}.parquet", schema)
            for name, schema in schemas.items()
        }
        for run in runs.values()
    )
    for name in RECORD_SCORES.columns:
        if name not in ("stated", "reference", "reference_af"):  # what labels tell of a record
            np.testing.assert_array_equal(true["records"][name], scrambled["records"][name], err_msg=name)
    assert (true["records"]["corpus"] == slug).sum() >= 2
    before, after = (at_rpeaks(of["beats"], "none") for of in (true, scrambled))
    assert len(before) >= 300
    names = ("record", "sample", "predicted")
    assert keys(true["beats"], before, *names) == keys(scrambled["beats"], after, *names)
    assert np.array_equal(bits(true["beats"], before), bits(scrambled["beats"], after))
    assert (true["beats"]["reference"][before] != scrambled["beats"]["reference"][after]).any()
    assert said_over_time(true["rhythm"]) == said_over_time(scrambled["rhythm"])
    assert {"single", "viterbi"} == set(true["rhythm"]["view"])
    before, after = (of["episodes"] for of in (true, scrambled))
    for name in set(EPISODE_SCORES.columns) - {"reference", "known_s", "agree_s"}:
        assert [str(value) for value in before[name]] == [str(value) for value in after[name]], name
    assert (before["corpus"] == slug).any()
    assert (before["agree_s"] != after["agree_s"]).any()


@pytest.mark.parametrize("history", ["predicted", "none"])
def test_annotation_files_know_nothing_of_the_annotations(runs, history):
    true, scrambled = (run.files[history] for run in runs.values())
    assert len(true) >= 2
    assert true == scrambled


def test_oracle_history_of_beats_does_see_the_scrambled_labels(runs):
    true, scrambled = (run.tables["predicted"]["beats"] for run in runs.values())
    before, after = at_rpeaks(true, "oracle"), at_rpeaks(scrambled, "oracle")
    assert keys(true, before, "record", "sample") == keys(scrambled, after, "record", "sample")
    assert (bits(true, before) != bits(scrambled, after)).any()


@pytest.mark.parametrize("head", ["timeline", "window"])
def test_oracle_history_of_rhythms_does_see_the_scrambled_labels(runs, head):
    true, scrambled = (run.tables["oracle"]["rhythm"] for run in runs.values())
    assert (bits(true, of_head(true, head)) != bits(scrambled, of_head(scrambled, head))).any()


@pytest.mark.parametrize("head", ["timeline", "window"])
def test_the_rhythm_heads_see_the_labels_they_are_said_to_see(runs, head):
    by_history = [runs["true"].tables[history]["rhythm"] for history in HISTORIES]
    assert len({bits(table, of_head(table, head)).tobytes() for table in by_history}) == len(HISTORIES)
