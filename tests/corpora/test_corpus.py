"""Facts of the corpora: consistent with each other, and with the real headers where these are at hand."""

import re
from pathlib import Path

import pytest

from ecgfeat.corpora import CORPORA, Corpus, get_corpus
from ecgfeat.corpora.splits import read_split
from ecgfeat.errors import UsageError
from ecgfeat.records.reader import read_header

NUM_RECORDS = {"mitdb": 48, "ltafdb": 84, "afdb": 25, "nsrdb": 18, "svdb": 78, "cpsc2021": 0, "icentia11k": 0}


def test_the_listed_corpora_are_known() -> None:
    assert set(NUM_RECORDS) <= set(CORPORA)
    for slug, num_records in NUM_RECORDS.items():
        assert len(get_corpus(slug).records) == num_records


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.slug)
def test_facts_are_consistent(corpus: Corpus) -> None:
    assert CORPORA[corpus.slug] is corpus
    assert re.fullmatch(r"[a-z0-9]+", corpus.slug)
    assert corpus.path == "" or corpus.path.endswith(f"/{corpus.version}")
    assert len(set(corpus.records)) == len(corpus.records)
    assert list(corpus.records) == sorted(corpus.records)
    assert corpus.fs_hz > 0
    assert len(corpus.lead_names) in (0, corpus.num_leads)
    if corpus.records:
        assert {*corpus.excluded, *corpus.subjects, *corpus.without_signal} <= set(corpus.records)
        assert read_split(corpus, corpus.default_split)
    assert all([corpus.title, corpus.licence, corpus.citation, corpus.annotation])
    assert all(quirk.endswith(".") for quirk in corpus.quirks)


@pytest.mark.parametrize(
    ("slug", "record", "subject"),
    [
        ("mitdb", "100", "100"),
        ("mitdb", "201", "201+202"),
        ("mitdb", "202", "201+202"),
        ("ltafdb", "00", "00"),
        ("cpsc2021", "Training_set_I/data_0_1", "0"),
        ("cpsc2021", "Training_set_II/data_104_12", "104"),
        ("icentia11k", "p00/p00000/p00000_s07", "p00000"),
    ],
)
def test_subject_of_a_record(slug: str, record: str, subject: str) -> None:
    assert CORPORA[slug].subject_of(record) == subject


def test_unmarked_time_of_these_corpora_is_no_evidence_of_sinus_rhythm() -> None:
    unlabelled = {slug for slug, corpus in CORPORA.items() if corpus.before_first == "unlabelled"}
    assert unlabelled == {"svdb", "qtdb", "cpsc2021", "icentia11k"}
    # The others follow annotate.before_first: marks begin at once, or NSR is what the corpus was selected for.
    assert {corpus.before_first for slug, corpus in CORPORA.items() if slug not in unlabelled} == {None}


def test_only_beats_in_a_reviewed_file_have_classes() -> None:
    assert [slug for slug, corpus in CORPORA.items() if not corpus.has_beat_classes] == ["afdb"]
    assert [slug for slug, corpus in CORPORA.items() if corpus.beat_annotation == "qrs"] == ["afdb"]


@pytest.mark.parametrize(("slug", "hint"), [("mitbd", "Did you mean mitdb?"), ("LTAFDB", "Did you mean ltafdb?")])
def test_an_unknown_corpus_is_refused_with_the_nearest(slug: str, hint: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown corpus '{slug}'; expected one of .*mitdb, ltafdb.*\. ") as error:
        get_corpus(slug)
    assert str(error.value).endswith(hint)


def check_headers(folder: Path, corpus: Corpus) -> set[str]:
    assert sorted(path.stem for path in folder.glob("*.hea")) == list(corpus.records)
    names = set()
    for record in corpus.records:
        header = read_header(folder, record)
        assert (header.fs_hz, len(header.leads)) == (corpus.fs_hz, corpus.num_leads)
        assert corpus.lead_names in ((), header.leads)
        names |= set(header.leads)
    return names


def test_mitdb_headers_say_what_the_facts_say(mitdb: Path) -> None:
    assert check_headers(mitdb, CORPORA["mitdb"]) == {"MLII", "V1", "V2", "V4", "V5"}


def test_ltafdb_headers_say_what_the_facts_say(ltafdb: Path) -> None:
    assert check_headers(ltafdb, CORPORA["ltafdb"]) == {"ECG"}
    hours = sum(read_header(ltafdb, record).num_samples for record in CORPORA["ltafdb"].records) / 128 / 3600
    assert round(hours, 1) == 1960.6
