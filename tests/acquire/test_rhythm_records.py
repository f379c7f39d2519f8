"""Rows of one record: the facts of the corpus about marks and beats come before the params."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from ecgfeat.acquire.manifest import write_manifest
from ecgfeat.acquire.rhythm_records import RecordRows, describe_record
from ecgfeat.beats.history import UNKNOWN, beat_labels
from ecgfeat.corpora import CORPORA, Corpus
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.signals.rpeak_table import tabulate_rpeaks, to_common_rate

DURATION_S = 60
SYMBOLS = ["N", "V", "N", "A"]
UNMARKED_IS_NO_NSR = ("svdb", "cpsc2021", "icentia11k", "ltdb", "edb")
FIRST_MARK_S = 20


def write_beats(
    folder: Path, corpus: Corpus, marks: dict[int, str] | None = None, comments: tuple[str, ...] = ()
) -> None:
    """Write a record ``x`` of one minute, a beat each second, as the corpus lays it out; ``marks`` by second."""
    num_samples = int(DURATION_S * corpus.fs_hz)
    leads = corpus.lead_names or ("MLII", "V1")
    signal_uv_SC = np.random.default_rng(0).normal(0, 200, (num_samples, corpus.num_leads)).astype(np.int16)
    write_record(folder, "x", signal_uv_SC, corpus.fs_hz, leads, comments)
    beats = [(round((second + 0.5) * corpus.fs_hz), SYMBOLS[second % 4], "") for second in range(DURATION_S)]
    changes = [(round(second * corpus.fs_hz), "+", note) for second, note in (marks or {}).items()]
    files = {corpus.annotation: changes, corpus.beat_annotation or corpus.annotation: beats}
    if corpus.beat_annotation is None:
        files = {corpus.annotation: sorted(changes + beats)}
    for extension, rows in files.items():
        sample, symbol, note = zip(*rows, strict=True)
        write_annotation_file(
            folder, "x", extension, np.array(sample), np.array(symbol), np.array(note, dtype=object), corpus.fs_hz
        )


def describe(folder: Path, corpus: Corpus, before_first: Literal["nsr", "unlabelled"] = "nsr") -> RecordRows:
    rules: dict[str, Any] = {"aami": "dechazal", "before_first": before_first, "min_episode_samples": 16}
    entry = describe_record(corpus, folder, "x", split="test", signals="measured", **rules)
    assert entry.row["status"] == "used", entry.row["reason"]
    return entry


@pytest.mark.parametrize("slug", UNMARKED_IS_NO_NSR)
def test_beats_without_a_rhythm_mark_are_in_no_rhythm(tmp_path: Path, slug: str) -> None:
    write_beats(tmp_path, CORPORA[slug])
    entry = describe(tmp_path, CORPORA[slug], "nsr")
    assert len(entry.episodes["rhythm"]) == 0
    assert set(entry.beats["rhythm"]) == {""}
    assert list(entry.beats["aami"][:4]) == ["N", "V", "N", "S"]


@pytest.mark.parametrize("slug", ["mitdb", "ltafdb", "nsrdb", "simulate"])
@pytest.mark.parametrize(("before_first", "rhythms"), [("nsr", ["NSR"]), ("unlabelled", [])])
def test_unmarked_time_follows_the_param_elsewhere(
    tmp_path: Path, slug: str, before_first: Literal["nsr", "unlabelled"], rhythms: list[str]
) -> None:
    corpus = CORPORA[slug]
    write_beats(tmp_path, corpus)
    entry = describe(tmp_path, corpus, before_first)
    assert list(entry.episodes["rhythm"]) == rhythms
    assert list(entry.episodes["stop_sample"]) == [int(DURATION_S * corpus.fs_hz)] * len(rhythms)
    assert set(entry.beats["rhythm"]) == set(rhythms or [""])


@pytest.mark.parametrize("slug", UNMARKED_IS_NO_NSR)
def test_marked_time_has_its_rhythm_and_the_time_before_it_has_none(tmp_path: Path, slug: str) -> None:
    corpus = CORPORA[slug]
    write_beats(tmp_path, corpus, {FIRST_MARK_S: "(AFIB"})
    entry = describe(tmp_path, corpus)
    assert list(entry.episodes["rhythm"]) == ["AFIB"]
    assert list(entry.episodes["start_sample"]) == [FIRST_MARK_S * corpus.fs_hz]
    assert list(entry.beats["rhythm"]) == [""] * FIRST_MARK_S + ["AFIB"] * (DURATION_S - FIRST_MARK_S)


def test_beats_of_a_corpus_without_beat_classes_have_no_class(tmp_path: Path) -> None:
    corpus = CORPORA["afdb"]
    write_beats(tmp_path, corpus, {0: "(AFIB"})
    entry = describe(tmp_path, corpus)
    assert list(entry.beats["symbol"]) == SYMBOLS * (DURATION_S // 4)
    assert set(entry.beats["aami"]) == {""}
    assert set(entry.beats["rhythm"]) == {"AFIB"}


@pytest.mark.parametrize(("slug", "is_known"), [("afdb", False), ("mitdb", True)])
def test_no_label_of_such_beats_is_taught_or_known_to_a_history(tmp_path: Path, slug: str, is_known: bool) -> None:
    corpus = CORPORA[slug]
    write_beats(tmp_path, corpus, {0: "(AFIB"})
    entry = describe(tmp_path, corpus)
    rpeaks = to_common_rate(entry.beats["sample"], corpus.fs_hz)
    table = tabulate_rpeaks("x", "x", rpeaks, entry.beats, entry.episodes, corpus.fs_hz)
    # Training, scoring and the oracle history read the labels alone; the detector is still held to the positions.
    assert set(beat_labels(table["aami"]).tolist()) == ({0, 1, 2} if is_known else {UNKNOWN})
    assert table["matched"].all()


def rows_of(folder: Path, corpus: Corpus, record: str = "x") -> RecordRows:
    rules: dict[str, Any] = {"aami": "dechazal", "before_first": "nsr", "min_episode_samples": 16}
    return describe_record(corpus, folder, record, split="test", signals="measured", **rules)


def test_incartdb_has_beats_and_no_rhythm_whatever_its_few_marks_say(tmp_path: Path) -> None:
    corpus = CORPORA["incartdb"]
    write_beats(tmp_path, corpus, {0: "(N", FIRST_MARK_S: "(AFIB"})
    entry = describe(tmp_path, corpus)
    assert entry.row["leads"][3:6] == ["AVR", "AVL", "AVF"]
    assert len(entry.episodes["rhythm"]) == 0
    assert list(entry.beats["aami"][:4]) == ["N", "V", "N", "S"]


def test_a_beat_before_the_start_is_left_out_in_incartdb_and_refused_elsewhere(tmp_path: Path) -> None:
    write_beats(tmp_path, CORPORA["incartdb"])
    raw = (tmp_path / "x.atr").read_bytes()
    num_samples = -17
    back = (59 << 10).to_bytes(2, "little") + (num_samples >> 16 & 0xFFFF).to_bytes(2, "little")
    back += (num_samples & 0xFFFF).to_bytes(2, "little") + (1 << 10).to_bytes(2, "little")
    forth = (59 << 10).to_bytes(2, "little") + bytes(2) + (-num_samples).to_bytes(2, "little")
    (tmp_path / "x.atr").write_bytes(back + forth + raw)
    entry = describe(tmp_path, CORPORA["incartdb"])
    assert len(entry.beats["sample"]) == DURATION_S
    assert min(entry.beats["sample"]) == round(0.5 * 257)
    strict = replace(CORPORA["incartdb"], marks_before_start=False)
    assert "position -17 in x.atr; expected 0 or more" in rows_of(tmp_path, strict).row["reason"]


@pytest.mark.parametrize(("patient", "status"), [("8", "used"), ("9", "failed")])
def test_a_header_that_names_another_patient_is_refused(tmp_path: Path, patient: str, status: str) -> None:
    corpus = replace(CORPORA["incartdb"], subjects={"x": "8"})
    write_beats(tmp_path, corpus, comments=("<age>: 65 <sex>: F", f"patient {patient}", "PVCs, patient 3 lines down"))
    row = rows_of(tmp_path, corpus).row
    assert (row["status"], row["subject"]) == (status, "8")
    if status == "failed":
        assert row["reason"].startswith("incartdb/x: subject 9 in the header; expected subject 8.")


def test_a_header_without_a_patient_is_taken_by_the_list(tmp_path: Path) -> None:
    write_beats(tmp_path, CORPORA["incartdb"], comments=("simulated waveform",))
    assert describe(tmp_path, CORPORA["incartdb"]).row["subject"] == "x"


def test_st_changes_of_edb_are_no_rhythms(tmp_path: Path) -> None:
    corpus = CORPORA["edb"]
    write_beats(tmp_path, corpus)
    seconds = [(1, "+", "(N"), (9, "s", "(ST0+"), (12, "T", "(T1-\x00N"), (20, '"', "(st0+"), (30, "+", "(B3")]
    sample = [round(second * corpus.fs_hz) for second, _, _ in seconds]
    symbols, notes = [row[1] for row in seconds], [row[2] for row in seconds]
    write_annotation_file(tmp_path, "x", "atr", sample, symbols, notes, corpus.fs_hz)
    entry = describe(tmp_path, corpus)
    assert list(entry.episodes["rhythm"]) == ["NSR", "B3"]
    assert list(entry.episodes["start_sample"]) == [250, 7500]


@pytest.mark.parametrize(("slug", "rhythms"), [("aftdb", ["AFIB"]), ("afpdb", [])])
def test_unaudited_beats_without_rhythm_marks(tmp_path: Path, slug: str, rhythms: list[str]) -> None:
    # All of a record of aftdb is atrial fibrillation by selection; of afpdb nothing is known.
    corpus = CORPORA[slug]
    write_beats(tmp_path, corpus, {FIRST_MARK_S: "(N"})
    entry = describe(tmp_path, corpus)
    assert list(entry.episodes["rhythm"]) == rhythms
    assert list(entry.episodes["stop_sample"]) == [DURATION_S * 128] * len(rhythms)
    assert set(entry.beats["aami"]) == {""}
    assert len(entry.beats["sample"]) == DURATION_S


def write_shdb(folder: Path, notes: dict[int, str]) -> None:
    """Write a record as shdb-af lays it out: comments at the detected beats, some with a note."""
    corpus = CORPORA["shdb-af"]
    write_beats(folder, corpus, {0: "(N"})
    sample = [round((second + 0.5) * corpus.fs_hz) for second in range(DURATION_S)]
    aux = [notes.get(second, "") for second in range(DURATION_S)]
    write_annotation_file(folder, "x", "atr", sample, ['"'] * DURATION_S, aux, corpus.fs_hz)


def test_rhythms_of_shdb_af_are_the_notes_of_comments(tmp_path: Path) -> None:
    write_shdb(tmp_path, {0: "(N", 10: "(AFIB", 20: "(N", 30: "(AFL"})
    entry = describe(tmp_path, CORPORA["shdb-af"])
    # What was not annotated is not sinus rhythm: it has none.
    assert list(entry.episodes["rhythm"]) == ["AFIB", "AFL"]
    assert list(entry.episodes["start_sample"]) == [2100, 6100]
    assert list(entry.episodes["stop_sample"]) == [4100, DURATION_S * 200]
    assert list(entry.beats["rhythm"]) == [""] * 10 + ["AFIB"] * 10 + [""] * 10 + ["AFL"] * 30
    assert set(entry.beats["symbol"]) <= set(SYMBOLS)
    assert set(entry.beats["aami"]) == {""}


def test_a_record_of_shdb_af_without_annotations_is_excluded_and_keeps_its_beats(tmp_path: Path) -> None:
    write_shdb(tmp_path, {})
    (tmp_path / "x.atr").unlink()
    entry = rows_of(tmp_path, CORPORA["shdb-af"])
    assert (entry.row["status"], entry.row["split"]) == ("excluded", "none")
    assert entry.row["reason"] == "without rhythm annotations"
    assert len(entry.beats["sample"]) == DURATION_S
    assert len(entry.episodes["rhythm"]) == 0
    # Elsewhere the absent file is a fault.
    assert (
        "no annotation file x.atr"
        in rows_of(tmp_path, replace(CORPORA["shdb-af"], some_unannotated=False)).row["reason"]
    )


@pytest.mark.parametrize("extension", ["hea", "atr", "dat"])
def test_a_file_that_changed_after_it_was_acquired_fails_its_record(tmp_path: Path, extension: str) -> None:
    """A damaged annotation file can mostly be read, as something else."""
    corpus = CORPORA["mitdb"]
    write_beats(tmp_path, corpus)
    manifest = write_manifest(tmp_path, corpus, "measured", ["x"])
    rules: dict[str, Any] = {"aami": "dechazal", "before_first": "nsr", "min_episode_samples": 16}
    sound = describe_record(corpus, tmp_path, "x", split="test", signals="measured", manifest=manifest, **rules)
    assert sound.row["status"] == "used"
    raw = bytearray((tmp_path / f"x.{extension}").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / f"x.{extension}").write_bytes(bytes(raw))
    row = describe_record(corpus, tmp_path, "x", split="test", signals="measured", manifest=manifest, **rules).row
    assert row["status"] == "failed"
    assert f"mitdb/x.{extension}: sha256 " in row["reason"]
    assert "as it was acquired. Delete the folder and run: dvc repro" in row["reason"]
