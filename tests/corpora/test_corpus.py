"""Facts of the corpora: consistent with each other, and with the real headers where these are at hand."""

import re
from collections import Counter
from pathlib import Path

import pytest

from ecgfeat.corpora import CORPORA, Corpus, get_corpus
from ecgfeat.corpora.own import LOCAL
from ecgfeat.corpora.splits import read_split
from ecgfeat.errors import UsageError
from ecgfeat.records.reader import read_header

NUM_RECORDS = {
    "mitdb": 48,
    "ltafdb": 84,
    "afdb": 25,
    "nsrdb": 18,
    "svdb": 78,
    "cpsc2021": 0,
    "icentia11k": 0,
    "incartdb": 75,
    "ltdb": 7,
    "edb": 90,
    "aftdb": 80,
    "afpdb": 300,
    "shdb-af": 0,
}


def test_the_listed_corpora_are_known() -> None:
    assert set(NUM_RECORDS) <= set(CORPORA)
    for slug, num_records in NUM_RECORDS.items():
        assert len(get_corpus(slug).records) == num_records


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.slug)
def test_facts_are_consistent(corpus: Corpus) -> None:
    assert CORPORA[corpus.slug] is corpus
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", corpus.slug)
    assert corpus.path == "" or corpus.path.endswith(f"/{corpus.version}")
    assert len(set(corpus.records)) == len(corpus.records)
    assert list(corpus.records) == sorted(corpus.records)
    # Only one's own recordings have rates and leads of their own.
    assert (corpus.fs_hz is None, corpus.num_leads is None) == (corpus is LOCAL, corpus is LOCAL)
    assert corpus.fs_hz is None or corpus.fs_hz > 0
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
        ("incartdb", "I01", "1"),
        ("incartdb", "I17", "8"),
        ("incartdb", "I75", "32"),
        ("edb", "e0122", "e0118"),
        ("qtdb", "sele0121", "e0118"),
        ("qtdb", "sele0122", "e0118"),
        ("qtdb", "sele0103", "sele0103"),
        ("edb", "e0210", "e0206"),
        ("edb", "e0103", "e0103"),
        ("aftdb", "n07", "n07"),
        ("aftdb", "t10", "s10+t10"),
        ("aftdb", "b20", "a+b"),
        ("afpdb", "p16c", "p15"),
        ("afpdb", "p38", "p01+p37"),
        ("afpdb", "t100", "t99"),
        ("shdb-af", "020", "005+020"),
        ("shdb-af", "107", "107"),
    ],
)
def test_subject_of_a_record(slug: str, record: str, subject: str) -> None:
    assert CORPORA[slug].subject_of(record) == subject


def test_unmarked_time_of_these_corpora_is_no_evidence_of_sinus_rhythm() -> None:
    unlabelled = {slug for slug, corpus in CORPORA.items() if corpus.before_first == "unlabelled"}
    assert unlabelled == {
        "svdb",
        "qtdb",
        "cpsc2021",
        "icentia11k",
        "incartdb",
        "ltdb",
        "edb",
        "afpdb",
        "shdb-af",
        "local",
    }
    assert [slug for slug, corpus in CORPORA.items() if corpus.before_first == "afib"] == ["aftdb"]
    # The others follow annotate.before_first: marks begin at once, or NSR is what the corpus was selected for.
    assert {corpus.before_first for slug, corpus in CORPORA.items() if slug not in {*unlabelled, "aftdb"}} == {None}


def test_only_beats_in_a_reviewed_file_have_classes() -> None:
    unaudited = ["afdb", "aftdb", "afpdb", "shdb-af"]
    assert [slug for slug, corpus in CORPORA.items() if not corpus.has_beat_classes] == unaudited
    assert [
        slug for slug, corpus in CORPORA.items() if "qrs" in (corpus.annotation, corpus.beat_annotation)
    ] == unaudited


def test_records_of_one_person_stay_together() -> None:
    def size_of_subjects(slug: str) -> Counter[int]:
        corpus = CORPORA[slug]
        return Counter(Counter(corpus.subject_of(record) for record in corpus.records).values())

    # Records per patient as the headers of the 75 records count them: 32 patients.
    assert size_of_subjects("incartdb") == {1: 2, 2: 18, 3: 11, 4: 1}
    # 90 records of 79 subjects; one group more than that is joined, for safety.
    assert size_of_subjects("edb") == {1: 70, 2: 6, 4: 2}
    assert size_of_subjects("aftdb") == {1: 10, 2: 10, 50: 1}
    # 50 pairs of the learning set with their continuations, 50 of the test set; two pairs are one subject.
    assert size_of_subjects("afpdb") == {2: 50, 4: 48, 8: 1}


@pytest.mark.parametrize("slug", ["aftdb", "afpdb"])
def test_a_corpus_whose_subjects_are_not_all_known_stands_on_one_side(slug: str) -> None:
    split = read_split(CORPORA[slug], CORPORA[slug].default_split)
    assert set(split.values()) == {"test", "none"}
    assert {record for record, side in split.items() if side == "none"} == set(CORPORA[slug].excluded)


def test_excerpts_of_a_listed_corpus_are_refused_or_not_used() -> None:
    qtdb = CORPORA["qtdb"]
    assert qtdb.excerpts_of == ("nsrdb", "edb")
    for slug in ("mitdb", "svdb", "ltdb"):
        excerpts = {record.removeprefix("sel") for record, why in qtdb.excluded.items() if why.endswith(f" {slug}")}
        assert excerpts
        assert excerpts <= set(CORPORA[slug].records)
    assert "ltafdb" in CORPORA["aftdb"].excerpts_of
    assert {"ltafdb", "aftdb"} <= set(CORPORA["afpdb"].excerpts_of)
    assert {other for corpus in CORPORA.values() for other in corpus.excerpts_of} <= set(CORPORA)


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
