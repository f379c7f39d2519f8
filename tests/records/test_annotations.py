"""Beat classes and rhythm episodes: against wfdb's symbol table, a sample-by-sample oracle, and the real files."""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.corpora import CORPORA
from ecgfeat.corpora.splits import read_split
from ecgfeat.records.annotations import (
    AAMI_CLASSES,
    BEAT_SYMBOLS,
    Episodes,
    aami_class,
    find_episodes,
    is_beat,
    rhythm_at,
    rhythm_text,
)
from ecgfeat.records.formats import SYMBOLS
from ecgfeat.records.reader import read_annotations, read_header

LABELS = {"N": "NSR", "AF": "AFIB"}
episodes_of = partial(find_episodes, before_first="nsr", min_samples=16)
SIX = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")


def test_the_two_maps_differ_in_escape_beats_only() -> None:
    symbols = np.array(list("NLRBAaJSVErF/fQ?ejn"))
    assert "".join(aami_class(symbols, "dechazal")) == "NNNNSSSSVVVFQQQQNNN"
    assert "".join(aami_class(symbols, "ec57")) == "NNNNSSSSVVVFQQQQSSS"
    assert set(AAMI_CLASSES["ec57"]) == set(AAMI_CLASSES["dechazal"]) == set(BEAT_SYMBOLS)
    assert set(BEAT_SYMBOLS) == set(symbols.tolist())


def test_what_is_no_beat_has_no_class() -> None:
    others = [symbol for symbol in SYMBOLS if symbol not in BEAT_SYMBOLS]
    assert set('+"~|![]x^@=ps*DTut()') < set(others)
    assert not is_beat(others).any()
    assert (aami_class(others, "dechazal") == "").all()
    assert is_beat(BEAT_SYMBOLS).all()
    assert len(aami_class(np.array([], dtype="<U2"), "ec57")) == 0


def test_an_unknown_map_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^mapping: found 'aami'; expected one of dechazal, ec57\.$"):
        aami_class(["N"], "aami")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("aux", "text"),
    [
        ("(AFIB", "AFIB"),
        ("(AFIB\0", "AFIB"),
        ("(N \0", "N"),
        ("( N\t\r\n", "N"),
        ("(N ) ", "N"),
        ("(N)", "N"),
        (")", ""),
        ("(", ""),
        ("", ""),
    ],
)
def test_rhythm_text(aux: str, text: str) -> None:
    assert rhythm_text(aux) == text


def oracle(sample: list[int], aux: list[str], num_samples: int, before_first: str, min_samples: int) -> list[tuple]:
    """Label every sample, cut into runs per mark, drop the short ones, merge what touches."""
    marks = sorted(((at, i) for i, (at, text) in enumerate(zip(sample, aux, strict=True)) if text), key=lambda m: m)
    owner = [-1] * num_samples
    for at, i in marks:
        for t in range(max(at, 0), num_samples):
            owner[t] = i
    runs: list[tuple[int, int, str]] = []
    t = 0
    while t < num_samples:
        stop = t
        while stop < num_samples and owner[stop] == owner[t]:
            stop += 1
        text = rhythm_text(aux[owner[t]]) if owner[t] >= 0 else ("N" if before_first == "nsr" else "")
        if text and stop - t >= min_samples:
            runs.append((t, stop, LABELS.get(text, text)))
        t = stop
    merged: list[tuple[int, int, str]] = []
    for run in runs:
        if merged and merged[-1][1] == run[0] and merged[-1][2] == run[2]:
            merged[-1] = (merged[-1][0], run[1], run[2])
        else:
            merged.append(run)
    return merged


def tuples(episodes: Episodes) -> list[tuple[int, int, str]]:
    return list(
        zip(episodes.start_sample.tolist(), episodes.stop_sample.tolist(), episodes.rhythm.tolist(), strict=True)
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 140), st.sampled_from(["(N", "(AFIB\0", "(AF", ")", "(SBR", ""])), max_size=8),
    st.integers(0, 120),
    st.sampled_from(["nsr", "unlabelled"]),
    st.sampled_from([1, 4, 16]),
)
def test_episodes_equal_a_sample_by_sample_oracle(
    marks: list[tuple[int, str]], num_samples: int, before_first: str, min_samples: int
) -> None:
    sample, aux = [at for at, _ in marks], [text for _, text in marks]
    found = find_episodes(
        sample,
        aux,
        num_samples,
        LABELS,
        before_first=before_first,
        min_samples=min_samples,  # type: ignore[arg-type]
    )
    assert tuples(found) == oracle(sample, aux, num_samples, before_first, min_samples)
    position = np.arange(-3, num_samples + 3)
    named = rhythm_at(position, found)
    for at, name in zip(position.tolist(), named.tolist(), strict=True):
        inside = [rhythm for start, stop, rhythm in tuples(found) if start <= at < stop]
        assert [name] == (inside or [""])


def test_marks_are_taken_by_symbol_where_symbols_are_given() -> None:
    sample, aux = [10, 20, 30, 40], ["(AFIB", "(SBR", "", "N"]
    by_text = episodes_of(sample, aux, 100, LABELS, min_samples=1)
    assert tuples(by_text) == [(0, 10, "NSR"), (10, 20, "AFIB"), (20, 100, "SBR")]
    by_symbol = episodes_of(sample, aux, 100, LABELS, min_samples=1, symbol=["+", '"', "+", "+"])
    assert tuples(by_symbol) == [(0, 10, "NSR"), (10, 30, "AFIB"), (40, 100, "NSR")]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^annotations: \(2,\) positions and \(1,\) notes; expected one each\.$"):
        episodes_of([1, 2], ["(N"], 100, LABELS)
    with pytest.raises(ValueError, match="expected one each"):
        episodes_of([[1]], [["(N"]], 100, LABELS)
    with pytest.raises(ValueError, match=r"^num_samples: found -1; expected 0 or more\.$"):
        episodes_of([1], ["(N"], -1, LABELS)
    with pytest.raises(ValueError, match=r"^before_first: found 'AFIB'; expected nsr, afib, unlabelled\.$"):
        episodes_of([1], ["(N"], 100, LABELS, before_first="AFIB")  # type: ignore[arg-type]


def test_an_episode_of_the_shortest_length_is_kept() -> None:
    sample, aux = [0, 16, 31, 40], ["(AFIB", "(SBR", "(B", "(N"]
    assert tuples(episodes_of(sample, aux, 56, LABELS)) == [(0, 16, "AFIB"), (40, 56, "NSR")]
    # Whatever the limit, an episode has a sample: of the two marks on sample 5 the last one holds.
    for min_samples in (0, 1):
        episodes = episodes_of([0, 5, 5, 6], ["(N", "(SBR", "(AFIB", "(B"], 7, LABELS, min_samples=min_samples)
        assert tuples(episodes) == [(0, 5, "NSR"), (5, 6, "AFIB"), (6, 7, "B")]
        assert len(episodes) == 3
    assert tuples(episodes_of([0, 5, 6], ["(N", "(B", "(AFIB"], 7, LABELS, min_samples=2)) == [(0, 5, "NSR")]


def test_neighbours_are_merged_only_where_they_touch() -> None:
    touching = episodes_of([0, 20, 40], ["(N", "(NSR", "(AFIB"], 60, LABELS)
    assert tuples(touching) == [(0, 40, "NSR"), (40, 60, "AFIB")]
    apart = episodes_of([0, 20, 25], ["(N", "(AFIB", "(N"], 60, LABELS)
    assert tuples(apart) == [(0, 20, "NSR"), (25, 60, "NSR")]


def test_of_many_marks_on_one_sample_the_last_in_the_file_wins() -> None:
    sample, aux = [30] * 99 + [5], [f"(R{i}" for i in range(99)] + ["(AFIB"]
    assert tuples(episodes_of(sample, aux, 60, LABELS)) == [(5, 30, "AFIB"), (30, 60, "R98")]


def test_notes_that_are_no_marks_are_ignored() -> None:
    episodes = episodes_of([0, 20, 40, 60], [" (AFIB", "MISSB", "N(", ")"], 80, LABELS)
    assert tuples(episodes) == [(0, 60, "AFIB")]


def test_the_rhythm_at_a_sample_is_that_of_its_half_open_episode() -> None:
    episodes = Episodes(np.array([10, 30]), np.array([20, 40]), np.array(["AFIB", "SBR"]))
    position = [-1, 9, 10, 19, 20, 29, 30, 39, 40]
    assert rhythm_at(position, episodes).tolist() == ["", "", "AFIB", "AFIB", "", "", "SBR", "SBR", ""]
    none = Episodes(np.array([], np.int64), np.array([], np.int64), np.array([], "<U1"))
    assert rhythm_at(position, none).tolist() == [""] * 9


def has_window(start: int, stop: int, total: int, window: int = 1280) -> bool:
    """Tell whether the 10 s window of the published protocol fits around an episode."""
    overlap = min(window // 2, stop - start)
    return max(0, start - window + overlap) <= min(total - window, stop - overlap)


def test_ltafdb_test_records_give_the_3716_published_episodes(ltafdb: Path) -> None:
    corpus, counts = CORPORA["ltafdb"], Counter[str]()
    for record, split in read_split(corpus, "seed42").items():
        if split == "test":
            header = read_header(ltafdb, record)
            read = read_annotations(ltafdb, record, "atr", header.num_samples)
            episodes = episodes_of(read.sample, read.aux, header.num_samples, corpus.rhythm_labels)
            with_symbols = episodes_of(
                read.sample, read.aux, header.num_samples, corpus.rhythm_labels, symbol=read.symbol
            )
            assert tuples(episodes) == tuples(with_symbols)
            counts.update(name for start, stop, name in tuples(episodes) if has_window(start, stop, header.num_samples))
    assert [counts[name] for name in SIX] == [1824, 1179, 305, 250, 60, 98]
    assert sum(counts[name] for name in SIX) == 3716
    assert [counts[name] for name in ("VT", "T", "IVR")] == [31, 26, 1]


def test_mitdb_beats_per_class(mitdb: Path) -> None:
    # Sums of the symbol counts of the database: N + L + R + e + j; A + a + J + S; V + E; F; / + f + Q.
    counts = Counter[str]()
    for record in CORPORA["mitdb"].records:
        symbol = read_annotations(mitdb, record, "atr", None).symbol
        counts.update(aami_class(symbol, "dechazal").tolist())
    assert counts["N"] == 75052 + 8075 + 7259 + 16 + 229
    assert counts["S"] == 2546 + 150 + 83 + 2
    assert counts["V"] == 7130 + 106
    assert counts["F"] == 803
    assert counts["Q"] == 7028 + 982 + 33
