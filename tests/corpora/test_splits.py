"""Splits: shipped lists follow from their rules, and no subject is in two parts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ecgfeat.corpora
from ecgfeat.corpora import CORPORA, Corpus
from ecgfeat.corpora.splits import (
    SPLITS,
    check_split,
    draw_fold,
    draw_split,
    parse_split,
    read_split,
)
from ecgfeat.errors import DataError, UsageError

SHIPPED = Path(ecgfeat.corpora.__file__).parent / "split_tables"
DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()  # noqa: SIM905


def of(split: dict[str, str], part: str) -> list[str]:
    return [record for record, side in split.items() if side == part]


def test_ltafdb_split_is_the_published_one() -> None:
    split = read_split(CORPORA["ltafdb"], "seed42")
    assert [len(of(split, side)) for side in SPLITS] == [67, 8, 9, 0]
    assert of(split, "test") == ["100", "104", "105", "11", "200", "32", "48", "49", "68"]
    assert of(split, "validation") == ["103", "114", "117", "20", "205", "23", "47", "54"]


def test_ltafdb_file_follows_from_its_rule() -> None:
    shuffled = sorted(CORPORA["ltafdb"].records)
    np.random.default_rng(42).shuffle(shuffled)
    side = {record: "train" if i < 67 else "validation" if i < 75 else "test" for i, record in enumerate(shuffled)}
    text = "record,split\n" + "".join(f"{record},{side[record]}\n" for record in sorted(side))
    assert (SHIPPED / "ltafdb-seed42.csv").read_text("utf-8") == text
    assert draw_split(CORPORA["ltafdb"].records, 42, (80, 10, 10)) == side


def test_mitdb_split_tests_on_ds2_and_trains_on_no_subject_of_it() -> None:
    split = read_split(CORPORA["mitdb"], "ds1ds2")
    assert of(split, "test") == DS2
    assert of(split, "validation") == ["114", "119"]
    assert of(split, "none") == ["102", "104", "107", "201", "217"]
    assert len(of(split, "train")) == 19
    # The usual DS1 holds 201, whose subject is the one of test record 202.
    with pytest.raises(DataError, match=r"excluded record 201 in train \(the subject of record 201"):
        check_split(CORPORA["mitdb"], split | {"201": "train"}, "split mitdb-usual")
    open_corpus = Corpus(**{**vars(CORPORA["mitdb"]), "excluded": {}})
    with pytest.raises(DataError, match=r"subject 201\+202 \(record 202\) in train and test"):
        check_split(open_corpus, split | {"201": "train"}, "split mitdb-usual")


def listed(corpus: Corpus) -> list[str] | None:
    names = {
        "qtdb": [*(f"sele{number:04d}" for number in range(100, 120)), *CORPORA["qtdb"].excluded],
        "shdb-af": [f"{number:03}" for number in range(1, 144) if number not in (16, 30)],
        "cpsc2021": [f"Training_set_I/data_{subject}_{i}" for subject in range(30) for i in range(1, 5)],
        "local": [f"p{number}" for number in range(20)],
        "icentia11k": [
            f"p0{subject // 10}/p0{subject:04d}/p0{subject:04d}_s0{i}" for subject in range(30) for i in (0, 1)
        ],
    }
    return names.get(corpus.slug)


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.slug)
def test_default_split_keeps_subjects_apart(corpus: Corpus) -> None:
    names = listed(corpus)
    split = read_split(corpus, corpus.default_split, records=names)
    assert list(split) == list(names or corpus.records or split)
    sides: dict[str, set[str]] = {}
    for record, side in split.items():
        assert (side == "none") == (record in corpus.excluded)
        if side != "none":
            sides.setdefault(corpus.subject_of(record), set()).add(side)
    assert all(len(side) == 1 for side in sides.values())
    # Half of qtdb trains and half validates: its records are excerpts of databases that others test on. Of two corpora
    # not all subjects are known, so that they stand on one side.
    one_sided = {"qtdb": {"train", "validation"}, "aftdb": {"test"}, "afpdb": {"test"}}
    assert set(split.values()) - {"none"} == one_sided.get(corpus.slug, {"train", "validation", "test"})


@given(st.sets(st.text("abc0123456789", min_size=1, max_size=4), max_size=40), st.integers(0, 5), st.randoms())
def test_a_drawn_split_does_not_depend_on_the_order(names: set[str], seed: int, random: object) -> None:
    ordered = sorted(names)
    mixed = sorted(names, key=lambda _: random.random())  # type: ignore[attr-defined]
    split = draw_split(mixed, seed, (80, 10, 10))
    assert split == draw_split(ordered, seed, (80, 10, 10))
    assert list(split) == ordered
    counts = [list(split.values()).count(side) for side in SPLITS[:3]]
    assert counts[:2] == [len(names) * 80 // 100, len(names) * 10 // 100]
    assert sum(counts) == len(names)


def test_shares_can_be_stated() -> None:
    split = read_split(CORPORA["svdb"], "seed7-50-25-25")
    assert [len(of(split, side)) for side in SPLITS] == [39, 19, 20, 0]
    assert split != read_split(CORPORA["svdb"], "seed8-50-25-25")
    for percent in ("50-50-50", "50-20-20"):
        with pytest.raises(UsageError, match=rf"^split: shares {percent}; expected three that add up to 100\.$"):
            read_split(CORPORA["svdb"], f"seed7-{percent}")


def test_a_part_without_a_share_gets_no_subject() -> None:
    sides = list(draw_split("abcde", 42, (50, 50, 0)).values())
    assert [sides.count(side) for side in SPLITS] == [2, 3, 0, 0]
    assert set(draw_split("abcde", 42, (0, 0, 100)).values()) == {"test"}


def test_a_seed_without_shares_is_80_10_10() -> None:
    split = read_split(CORPORA["svdb"], "seed7")
    assert split == read_split(CORPORA["svdb"], "seed7-80-10-10")
    assert [len(of(split, side)) for side in SPLITS] == [62, 7, 9, 0]


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.slug)
def test_every_subject_is_tested_in_exactly_one_fold(corpus: Corpus) -> None:
    names = listed(corpus) or list(corpus.records) or [f"s{i:02}" for i in range(40)]
    used = [record for record in names if record not in corpus.excluded]
    num_subjects = len({corpus.subject_of(record) for record in used})
    tested: list[str] = []
    for i in range(5):
        split = read_split(corpus, f"fold{i}of5", records=names)
        assert list(split) == names
        assert all((side == "none") == (record in corpus.excluded) for record, side in split.items())
        of_side = {side: {corpus.subject_of(record) for record in of(split, side)} for side in SPLITS[:3]}
        assert sum(map(len, of_side.values())) == len(set.union(*of_side.values())) == num_subjects
        assert num_subjects // 5 <= len(of_side["test"]) <= -(-num_subjects // 5)
        assert len(of_side["validation"]) == round((num_subjects - len(of_side["test"])) / 8)
        tested += of(split, "test")
    assert sorted(tested) == sorted(used)


def test_folds_follow_from_their_rule_and_not_from_the_order() -> None:
    # Worked by hand from the shuffle: part 1 of 3 is tested, the subject after it validates.
    shuffled = sorted("abcdefgh")
    np.random.default_rng(42).shuffle(shuffled)
    split = draw_fold("hgfedcba", 1, 3)
    assert sorted(of(split, "test")) == sorted(shuffled[3:6])
    assert of(split, "validation") == [shuffled[6]]
    assert sorted(of(split, "train")) == sorted([*shuffled[:3], shuffled[7]])
    # Literal, so that another seed, which would make old and new folds incomparable, is noticed.
    assert (of(split, "test"), of(split, "validation")) == (["b", "g", "h"], ["f"])
    # The last fold goes on at the beginning of the shuffle.
    assert of(draw_fold("abcdefgh", 2, 3), "validation") == [shuffled[0]]


def test_one_subject_of_two_records_is_tested_whole() -> None:
    mitdb = CORPORA["mitdb"]
    open_corpus = Corpus(**{**vars(mitdb), "excluded": {}})
    folds = [read_split(open_corpus, f"fold{i}of5") for i in range(5)]
    assert all(split["201"] == split["202"] for split in folds)
    assert [split["202"] for split in folds].count("test") == 1
    assert {read_split(mitdb, f"fold{i}of5")["201"] for i in range(5)} == {"none"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fold5of5", r"^split: fold5of5; expected fold0of5 to fold4of5\.$"),
        ("fold0of1", r"^split: fold0of1; expected two folds or more\.$"),
        ("fold0of0", r"^split: fold0of0; expected two folds or more\.$"),
        ("fold0of5", r"^split: fold0of5 of 4 subjects; expected at most 4 folds\.$"),
    ],
)
def test_an_impossible_fold_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_split(CORPORA["svdb"], name, records=["800", "801", "802", "803"])


def test_folds_that_leave_no_training_subject_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"^split: fold0of2 of 3 subjects; expected two .* or more outside each fold\.$"
    ):
        draw_fold("abc", 0, 2)
    assert sorted(draw_fold("abcd", 1, 2).values()) == ["test", "test", "train", "validation"]
    assert sorted(draw_fold("abc", 0, 3).values()) == ["test", "train", "validation"]


def test_unknown_names_and_records_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"mitdb: split: unknown split 'ds1'; expected ds1ds2, seed<number>, fold<i>of<k>\."
    ):
        read_split(CORPORA["mitdb"], "ds1")
    with pytest.raises(DataError, match="no line for record 999"):
        read_split(CORPORA["mitdb"], "ds1ds2", records=["100", "999"])
    with pytest.raises(DataError) as error:
        read_split(CORPORA["cpsc2021"], "seed42")
    expected = "the names of the records: this corpus has no list"
    assert str(error.value) == f"split cpsc2021-seed42: no records; expected {expected}."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line ''; expected record,split."),
        ("record;split\n1;train\n", "first line 'record;split'; expected record,split."),
        ("split,record\n1,train\n", "first line 'split,record'; expected record,split."),
        ("record,split\n1,training\n", "line '1,training'; expected record and one of train, validation, test, none."),
        ("record,split\n1\n", "line '1'; expected record and one of train, validation, test, none."),
        ("record,split\n1,train\n1,train\n", "record 1 twice; expected each record once."),
    ],
)
def test_a_malformed_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        parse_split(text, "split x")
    assert str(error.value) == f"split x: {message}"


def test_a_file_is_read_line_by_line() -> None:
    assert parse_split("record,split\n2,test\n1,none\n", "split x") == {"2": "test", "1": "none"}
    assert parse_split("record,split\n", "split x") == {}
