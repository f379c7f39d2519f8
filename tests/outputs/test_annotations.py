"""Predictions as WFDB annotation files: what goes in comes out of wfdb's own reader, at the record's own rate."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgfeat.outputs.annotations import encode_record, select_beats, select_rhythms, write_prediction_annotations
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store.schemas import BEAT_CLASSES

NONE = np.zeros(0, np.int64)


def read(path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return beats and rhythm notes with their positions, as wfdb reads them."""
    marks = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
    rows = list(zip(marks.sample.tolist(), marks.symbol, marks.aux_note, strict=True))
    beats = [(sample, symbol) for sample, symbol, _ in rows if symbol not in ("+", '"')]
    return beats, [(sample, note.rstrip("\0")) for sample, symbol, note in rows if symbol == "+"]


@pytest.mark.parametrize("fs_hz", [128.0, 250.0, 360.0])
def test_beats_and_rhythms_come_back_at_the_rate_of_the_record(tmp_path: Path, fs_hz: float) -> None:
    rng = np.random.default_rng(int(fs_hz))
    rpeaks = np.cumsum(rng.integers(30, 400_000, 300))
    beat = rng.choice(["N", "S", "V", ""], 300)
    rhythm = np.repeat(rng.choice(["NSR", "AFIB", "SVTA"], 30), 10)
    num_samples = int(rpeaks[-1] * fs_hz / 128) + 9
    content = encode_record(rpeaks, beat, rhythm, spans=[(0, 2**40)], fs_hz=fs_hz, num_samples=num_samples)
    (tmp_path / "x.ecg").write_bytes(content)
    assert wfdb.rdann(str(tmp_path / "x"), "ecg").fs == fs_hz
    beats, rhythms = read(tmp_path / "x.ecg")
    assert [symbol for _, symbol in beats] == [{"N": "N", "S": "A", "V": "V", "": "Q"}[name] for name in beat]
    at = [sample for sample, _ in beats]
    np.testing.assert_allclose(np.array(at) / fs_hz, rpeaks / 128, atol=0.5 / fs_hz + 1e-9)
    changes = [0, *(i for i in range(1, 300) if rhythm[i] != rhythm[i - 1])]
    notes = {"NSR": "(N", "AFIB": "(AFIB", "SVTA": "(SVTA"}
    assert rhythms == [(at[i] if i else 0, notes[str(rhythm[i])]) for i in changes]


def test_no_rhythm_is_written_between_stretches(tmp_path: Path) -> None:
    rpeaks = np.array([10, 100, 300, 700, 800])
    content = encode_record(
        rpeaks,
        np.full(5, "N"),
        np.array(["NSR", "NSR", "AFIB", "AFIB", "NSR"]),
        spans=[(0, 400), (600, 900)],
        fs_hz=256.0,
        num_samples=2000,
    )
    (tmp_path / "x.ecg").write_bytes(content)
    _, rhythms = read(tmp_path / "x.ecg")
    assert rhythms == [(0, "(N"), (600, "(AFIB"), (800, "("), (1200, "(AFIB"), (1600, "(N"), (1800, "(")]


def test_the_last_beat_stays_within_the_record(tmp_path: Path) -> None:
    (tmp_path / "x.ecg").write_bytes(
        encode_record(np.array([5, 1279]), np.array(["N", "V"]), None, spans=[(0, 1280)], fs_hz=360.0, num_samples=3597)
    )
    assert read(tmp_path / "x.ecg") == ([(14, "N"), (3596, "V")], [])


def test_a_record_without_beats_is_an_empty_file_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.ecg").write_bytes(
        encode_record(NONE, NONE.astype(str), NONE.astype(str), spans=[], fs_hz=360.0, num_samples=9)
    )
    assert read(tmp_path / "x.ecg") == ([], [])


def make_record(corpus: str, record: str, sample: list[int], label: list[int]) -> RhythmRecord:
    episodes = Episodes(NONE, NONE, NONE.astype(str))
    at = np.array(sample)
    return RhythmRecord(corpus, record, record, 1280, at, np.diff(at / 128, prepend=np.nan), np.array(label), episodes)


def test_files_hold_what_the_tables_chose(tmp_path: Path) -> None:
    records = [make_record("one", "100", [10, 100, 200], [0, 0, 0]), make_record("two", "100", [20, 90], [2, -1])]
    headers = {(one.corpus, one.record): {"fs_hz": 256.0, "num_samples": 2560} for one in records}
    rows = []
    for head, protocol, view, names in (
        ("timeline", "timeline", "tta7", [["SBR", "SBR", "SBR"], ["SBR", "SBR"]]),
        ("timeline", "timeline", "viterbi", [["NSR", "AFIB", "AFIB"], ["B", "B"]]),
        ("timeline", "grid", "viterbi", [["AB"], ["AB"]]),
        ("window", "timeline", "viterbi", [["SVTA", "SVTA", "SVTA"], ["SVTA", "SVTA"]]),
    ):
        for one, predicted in zip(records, names, strict=True):
            rows += [(one.corpus, one.record, head, protocol, view, name, 1) for name in predicted]
            # Time in which the reference changed: no R-peak of its own.
            rows += [(one.corpus, one.record, head, protocol, view, predicted[-1], 0)]
    columns = ("corpus", "record", "head", "protocol", "view", "predicted", "num_beats")
    rhythms = {name: np.array(column) for name, column in zip(columns, zip(*rows, strict=True), strict=True)}
    # Record 100 of the second corpus has no signal, so no predicted beats; the first misses a reference beat at 150.
    nan = float("nan")
    table = [("predicted", 0.2, 0.7, 0.1), ("predicted", nan, nan, nan), ("predicted", 0.9, 0.1, 0.0)]
    table += [("predicted", 0.1, 0.1, 0.8)] + [("oracle", 1.0, 0.0, 0.0)] * 3
    beats = {"corpus": np.full(7, "one"), "record": np.full(7, "100"), "history": np.array([row[0] for row in table])}
    beats |= {f"p_{name}": np.array([row[1 + k] for row in table]) for k, name in enumerate(BEAT_CLASSES)}
    beat_of = select_beats(beats)

    def write(view: str, note: str = "") -> None:
        write_prediction_annotations(tmp_path, records, headers, select_rhythms(rhythms, view), beat_of, note=note)

    write("viterbi", "oracles: none")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.ecg")) == [
        "one/100.ecg",
        "two/100.ecg",
    ]
    marks = wfdb.rdann(str(tmp_path / "one/100"), "ecg")
    assert (marks.sample[1], marks.symbol[1], marks.aux_note[1].rstrip("\0")) == (1, '"', "oracles: none")
    found = read(tmp_path / "one/100.ecg")
    assert found == ([(20, "A"), (200, "N"), (400, "V")], [(0, "(N"), (200, "(AFIB")])
    assert read(tmp_path / "two/100.ecg") == ([(40, "V"), (180, "Q")], [(0, "(B")])
    write("tta7")
    assert read(tmp_path / "one/100.ecg")[1] == [(0, "(SBR")]
    write("view3")
    assert read(tmp_path / "one/100.ecg") == (found[0], [])
