"""Rows of one record: the facts of the corpus about marks and beats come before the params."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from ecgfeat.acquire.rhythm_records import RecordRows, describe_record
from ecgfeat.beats.history import UNKNOWN, beat_labels
from ecgfeat.corpora import CORPORA, Corpus
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.signals.rpeak_table import tabulate_rpeaks, to_common_rate

DURATION_S = 60
SYMBOLS = ["N", "V", "N", "A"]
UNMARKED_IS_NO_NSR = ("svdb", "cpsc2021", "icentia11k")
FIRST_MARK_S = 20


def write_beats(folder: Path, corpus: Corpus, marks: dict[int, str] | None = None) -> None:
    """Write a record ``x`` of one minute, a beat each second, as the corpus lays it out; ``marks`` by second."""
    num_samples = int(DURATION_S * corpus.fs_hz)
    leads = corpus.lead_names or ("MLII", "V1")
    signal_uv_SC = np.random.default_rng(0).normal(0, 200, (num_samples, corpus.num_leads)).astype(np.int16)
    write_record(folder, "x", signal_uv_SC, corpus.fs_hz, leads)
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
