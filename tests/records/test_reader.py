"""The reader against wfdb, on every real record and on written ones; the writer against wfdb and the reader."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecgfeat.corpora import CORPORA
from ecgfeat.errors import DataError
from ecgfeat.records.annotations import is_beat
from ecgfeat.records.formats import SYMBOLS, decode_annotations, encode_annotations
from ecgfeat.records.reader import read_annotations, read_header, read_signal
from ecgfeat.records.writer import write_annotation_file, write_record

MITDB_SYMBOLS = {
    **{"N": 75052, "L": 8075, "R": 7259, "V": 7130, "/": 7028, "A": 2546, "+": 1291, "f": 982, "F": 803, "~": 616},
    **{"!": 472, '"': 437, "j": 229, "x": 193, "a": 150, "|": 132, "E": 106, "J": 83, "Q": 33, "e": 16, "[": 6},
    **{"]": 6, "S": 2},
}
MITDB_RHYTHMS = {
    **{"N": 530, "B": 221, "AFIB": 107, "PREX": 103, "T": 83, "VT": 61, "P": 60, "AFL": 45, "NOD": 36, "SVTA": 26},
    **{"VFL": 6, "BII": 5, "IVR": 4, "AB": 3, "SBR": 1},
}
LTAFDB_SYMBOLS = {"N": 8710873, "A": 152332, "V": 132679, "Q": 89, "+": 53704, '"': 5959}
LTAFDB_RHYTHMS = {
    **{"N": 22834, "SBR": 11326, "AFIB": 7358, "AB": 4472, "SVTA": 3268, "B": 2696, "VT": 828, "T": 785, "IVR": 137},
}


def count(folder: Path, slug: str) -> tuple[Counter[str], Counter[str]]:
    symbols, rhythms = Counter[str](), Counter[str]()
    for record in CORPORA[slug].records:
        read = read_annotations(folder, record, "atr", None)
        symbols.update(read.symbol.tolist())
        rhythms.update(text.strip("(\0") for text in read.aux[read.symbol == "+"])
    return symbols, rhythms


def test_mitdb_counts(mitdb: Path) -> None:
    assert count(mitdb, "mitdb") == (MITDB_SYMBOLS, MITDB_RHYTHMS)


def test_ltafdb_counts(ltafdb: Path) -> None:
    assert count(ltafdb, "ltafdb") == (LTAFDB_SYMBOLS, LTAFDB_RHYTHMS)


def assert_same_annotations(path: Path) -> None:
    ours = read_annotations(path.parent, path.stem, path.suffix[1:], None)
    theirs = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
    assert np.array_equal(ours.sample, theirs.sample)
    assert ours.symbol.tolist() == theirs.symbol
    assert ours.aux.tolist() == theirs.aux_note
    assert ours.sample.dtype == np.int64


def test_every_mitdb_annotation_file_reads_as_wfdb_reads_it(mitdb: Path) -> None:
    for path in sorted(mitdb.glob("*.atr")):
        assert_same_annotations(path)


@pytest.mark.parametrize("name", ["00.atr", "30.atr", "64.atr", "75.atr", "75.qrs"])
def test_some_ltafdb_annotation_files_read_as_wfdb_reads_them(ltafdb: Path, name: str) -> None:
    # Five of 168: wfdb takes half a second for each. All of them were compared when this reader was written.
    assert_same_annotations(ltafdb / name)


def test_every_mitdb_signal_reads_as_wfdb_reads_it(mitdb: Path) -> None:
    for record in CORPORA["mitdb"].records:
        ours, theirs = read_signal(mitdb, record), wfdb.rdrecord(str(mitdb / record))
        assert ours.signal_mv_SC.shape == (650000, 2)
        assert ours.signal_mv_SC.dtype == np.float32
        # One unit in the last place of float32 at 5 mV.
        np.testing.assert_allclose(ours.signal_mv_SC, theirs.p_signal, rtol=0, atol=5e-7)
        assert (list(ours.leads), ours.fs_hz) == (theirs.sig_name, theirs.fs)


def test_ltafdb_has_headers_and_no_signals(ltafdb: Path) -> None:
    assert read_header(ltafdb, "00").num_samples == 9661440
    with pytest.raises(DataError, match=r"ltafdb/00: no signal file 00\.dat in .*ltafdb"):
        read_signal(ltafdb, "00")


# Bits per sample, and whether wfdb can write the format.
FORMATS = {"16": 16, "212": 12, "80": 8, "24": 24, "32": 32, "310": 10, "311": 10, "61": 16, "160": 16}


def raw_bytes(fmt: str, digital: np.ndarray) -> bytes:
    """Encode what wfdb does not write, from the format's definition."""
    flat = digital.reshape(-1)
    if fmt == "16":
        return flat.astype("<i2").tobytes()
    if fmt == "61":
        return flat.astype(">i2").tobytes()
    if fmt == "160":
        return (flat + 32768).astype("<u2").tobytes()
    if fmt == "80":
        return (flat + 128).astype(np.uint8).tobytes()
    if fmt == "32":
        return flat.astype("<i4").tobytes()
    if fmt == "24":
        return b"".join(int(value).to_bytes(3, "little", signed=True) for value in flat)
    low = [*(int(value) & (1 << FORMATS[fmt]) - 1 for value in flat), 0, 0]
    out = bytearray()
    if fmt == "212":
        for a, b in zip(low[0:-2:2], low[1:-1:2], strict=False):
            out += bytes([a & 255, a >> 8 | b >> 8 << 4, b & 255])
        return bytes(out)
    for a, b, c in zip(low[0:-2:3], low[1:-1:3], low[2::3], strict=False):
        if fmt == "310":
            out += ((a & 0x3FF) << 1 | (c & 31) << 11).to_bytes(2, "little")
            out += ((b & 0x3FF) << 1 | c >> 5 << 11).to_bytes(2, "little")
        else:
            out += (a | b << 10 | c << 20).to_bytes(4, "little")
    return bytes(out)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("num_samples", [24, 33])
def test_every_format_reads_as_wfdb_reads_it(tmp_path: Path, fmt: str, num_samples: int) -> None:
    bound = 1 << min(FORMATS[fmt] - 1, 15)
    digital = np.random.default_rng(1).integers(-bound + 1, bound, (num_samples, 2))
    digital[3, 1] = -(1 << FORMATS[fmt] - 1)  # invalid
    sums = [int(total) & 0xFFFF for total in digital.sum(axis=0)]
    (tmp_path / "x.dat").write_bytes(b"\7" * 5 + raw_bytes(fmt, digital))
    lines = [f"x.dat {fmt}+5 20{i}(-{i})/mV 12 0 {digital[0, i]} {sums[i]} 0 lead {i}" for i in range(2)]
    (tmp_path / "x.hea").write_text(f"x 2 250 {num_samples}\n" + "\n".join(lines) + "\n")
    ours = read_signal(tmp_path, "x")
    theirs = wfdb.rdrecord(str(tmp_path / "x"))
    expected = (digital + np.arange(2)) / np.array([200, 201])
    expected[3, 1] = np.nan
    np.testing.assert_allclose(ours.signal_mv_SC, expected, rtol=1e-6)
    np.testing.assert_allclose(ours.signal_mv_SC, theirs.p_signal, rtol=1e-6)
    assert np.isnan(ours.signal_mv_SC[3, 1])
    assert np.isnan(ours.signal_mv_SC).sum() == 1


@pytest.mark.parametrize(("unit", "scale"), [("mV", 1), ("uV", 1e-3), ("V", 1e3), ("nV", 1e-6)])
def test_units_become_millivolts(tmp_path: Path, unit: str, scale: float) -> None:
    write_record(tmp_path, "x", np.full((10, 1), 500, np.int16), 128, ["I"])
    header = (tmp_path / "x.hea").read_text()
    (tmp_path / "x.hea").write_text(header.replace("/mV", f"/{unit}"))
    np.testing.assert_allclose(read_signal(tmp_path, "x").signal_mv_SC, 0.5 * scale, rtol=1e-6)


def test_other_units_are_refused(tmp_path: Path) -> None:
    write_record(tmp_path, "x", np.full((10, 1), 500, np.int16), 128, ["ABP"])
    (tmp_path / "x.hea").write_text((tmp_path / "x.hea").read_text().replace("/mV", "/mmHg"))
    with pytest.raises(DataError, match=r"unit mmHg of lead 0 \(ABP\); expected a unit of voltage: nV, uV, mV or V"):
        read_signal(tmp_path, "x")


def test_leads_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "one.dat").write_bytes(np.arange(6, dtype="<i2").tobytes())
    (tmp_path / "two.dat").write_bytes(np.arange(6, 12, dtype="<i2").tobytes())
    (tmp_path / "x.hea").write_text("x 2 100 6\none.dat 16 100 12 0 0 15 0 I\ntwo.dat 16 100/mV 12 6 6 51 0 II\n")
    signal = read_signal(tmp_path, "x")
    np.testing.assert_allclose(signal.signal_mv_SC, np.stack([np.arange(6), np.arange(6)], 1) / 100, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 3),
    st.sampled_from([128, 250.0, 257.5]),
    st.integers(0, 2**31),
)
def test_written_records_read_back(
    tmp_path_factory: pytest.TempPathFactory, num_samples: int, num_leads: int, fs_hz: float, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("written")
    uv = np.random.default_rng(seed).integers(-32768, 32768, (num_samples, num_leads)).astype(np.int16)
    names = ["MLII", "lead two", "V1"][:num_leads]
    write_record(folder, "x", uv, fs_hz, names, ["age 70", "synthetic"])
    ours, theirs = read_signal(folder, "x"), wfdb.rdrecord(str(folder / "x"))
    np.testing.assert_allclose(ours.signal_mv_SC, np.where(uv == -32768, np.nan, uv / 1000), rtol=1e-6)
    np.testing.assert_allclose(theirs.p_signal, ours.signal_mv_SC, rtol=1e-6)
    assert (list(ours.leads), ours.fs_hz) == (names, fs_hz)
    recounted = wfdb.rdrecord(str(folder / "x"), physical=False).calc_checksum()
    assert [checksum % 65536 for checksum in theirs.checksum] == recounted
    assert read_header(folder, "x").comments == ("age 70", "synthetic")


@settings(max_examples=60, deadline=None)
@example(entries=[(0, '"', "")])
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 5), st.integers(0, 1025), st.integers(0, 1 << 26)),
            st.sampled_from([symbol for symbol in SYMBOLS if symbol != " "]),
            st.one_of(st.just(""), st.text("(AFIBN\0 \x01", max_size=6), st.text("ü", min_size=254, max_size=255)),
        ),
        max_size=12,
    )
)
def test_written_annotations_read_back(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("written")
    sample = np.cumsum([0, *(step for step, _, _ in entries)])[1:]
    symbol, aux = [one for _, one, _ in entries], [one for _, _, one in entries]
    write_annotation_file(folder, "x", "atr", sample, symbol, aux, 250)
    ours = read_annotations(folder, "x", "atr", None, fs_hz=250, allow_empty=True)
    assert ours.sample.tolist() == sample.tolist()
    assert ours.symbol.tolist() == symbol
    assert ours.aux.tolist() == aux
    # wfdb reads notes as UTF-8 where they are not ASCII, so only plain ones are compared with it; a note at sample 0
    # it takes for a definition, and drops. It has no symbols for codes that users define.
    is_dropped = any(at == 0 and name == '"' for at, name in zip(sample, symbol, strict=True))
    if entries and all(text.isascii() for text in aux) and not is_dropped and max(map(len, symbol)) == 1:
        theirs = wfdb.rdann(str(folder / "x"), "atr")
        assert theirs.sample.tolist() == sample.tolist()
        assert theirs.symbol == symbol
        assert theirs.aux_note == aux
        assert theirs.fs == 250


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_annotations_or_a_value_error(raw: bytes) -> None:
    try:
        decoded = decode_annotations(raw)
    except ValueError:
        return
    assert len(decoded.sample) == len(decoded.symbol) == len(decoded.aux)


def test_definitions_in_the_file_are_read_and_not_returned(tmp_path: Path) -> None:
    wfdb.wrann(
        "x",
        "atr",
        np.array([5, 10]),
        symbol=["N", "X"],
        custom_labels=[(42, "X", "own beat")],
        fs=360,
        write_dir=str(tmp_path),
    )
    read = read_annotations(tmp_path, "x", "atr", None, fs_hz=360)
    assert (read.sample.tolist(), read.symbol.tolist(), read.aux.tolist()) == ([5, 10], ["N", "X"], ["", ""])
    assert read_annotations(tmp_path, "x", "atr", None, fs_hz=180).sample.tolist() == [3, 5]


def test_codes_that_users_define_have_the_names_of_the_wfdb_library(tmp_path: Path) -> None:
    codes = [*range(42, 50), 15, 17]
    (tmp_path / "x.atr").write_bytes(b"".join((code << 10 | 7).to_bytes(2, "little") for code in codes) + b"\0\0")
    read = read_annotations(tmp_path, "x", "atr", None)
    assert read.symbol.tolist() == [f"[{code}]" for code in codes]
    assert not is_beat(read.symbol).any()
    (tmp_path / "x.atr").write_bytes((50 << 10 | 7).to_bytes(2, "little") + b"\0\0")
    with pytest.raises(DataError, match="annotation code 50 has no meaning"):
        read_annotations(tmp_path, "x", "atr", None)


def test_an_end_mark_before_the_end_is_refused(tmp_path: Path) -> None:
    beat = (1 << 10 | 7).to_bytes(2, "little")
    (tmp_path / "x.atr").write_bytes(beat + b"\0\0" + beat + b"\0\0")
    with pytest.raises(DataError, match="an end mark at byte 2 of 8, and annotations behind it.*Copy or download"):
        read_annotations(tmp_path, "x", "atr", None)
    (tmp_path / "x.atr").write_bytes(beat + b"\0" * 6)  # filled up with zeros, as tapes were
    assert read_annotations(tmp_path, "x", "atr", None).sample.tolist() == [7]


def aha_record(letter: str, sample: int, note: bytes = b"") -> bytes:
    high, low = sample >> 16, sample & 0xFFFF
    time = high.to_bytes(2, "little") + low.to_bytes(2, "little")
    return b"\0" + letter.encode() + time + b"\x01\0" + b"\0\1" + note.ljust(6, b"\0")


def test_annotations_of_the_aha_are_read(tmp_path: Path) -> None:
    """Letters and places as the library of WFDB maps them: annot(5)."""
    rows = [aha_record("N", 70), aha_record("V", 70_000), aha_record("[", 70_001), aha_record("]", 80_000, b"end")]
    rows += [aha_record(letter, 90_000) for letter in "FEPQORU"]
    (tmp_path / "x.ann").write_bytes(b"".join(rows) + b"\xff" * 16)
    read = read_annotations(tmp_path, "x", "ann", None)
    assert read.sample.tolist() == [70, 70_000, 70_001, 80_000, *[90_000] * 7]
    assert read.symbol.tolist() == ["N", "V", "[", "]", *'FE/Q"r~']
    assert read.aux.tolist()[3] == "end"
    for damaged, reason in (
        (b"".join(rows)[:-3], "truncated within"),
        (rows[0] + aha_record("x", 3), "AHA code 'x'"),
        (rows[0] + b"\1" + rows[1][1:], "annotation 1 does not begin with a zero byte"),
    ):
        (tmp_path / "x.ann").write_bytes(damaged)
        with pytest.raises(DataError, match=reason):
            read_annotations(tmp_path, "x", "ann", None)


@pytest.mark.parametrize(
    ("sample", "symbol", "aux", "found"),
    [
        ([5, 4], ["N", "N"], None, "positions descend"),
        ([-1], ["N"], None, "positions descend or are negative"),
        ([1], ["ZZ"], None, "'ZZ' is no WFDB annotation symbol"),
        ([1], [" "], None, "' ' is no WFDB annotation symbol"),
        ([1], ["N"], ["x" * 256], "a note of 256 characters"),
    ],
)
def test_what_cannot_be_written_is_refused(sample: list[int], symbol: list[str], aux: list[str], found: str) -> None:
    with pytest.raises(ValueError, match=found):
        encode_annotations(sample, symbol, aux, 128)


@pytest.mark.parametrize(
    ("signal", "fs_hz", "leads", "found"),
    [
        (np.zeros((5, 2), np.int32), 128, ["I", "II"], "int32"),
        (np.zeros((5, 2), np.int16), 128, ["I"], "expected int16, 1 leads"),
        (np.zeros((0, 1), np.int16), 128, ["I"], "0 samples"),
        (np.zeros((5, 1), np.int16), 0, ["I"], "positive rate"),
        (np.zeros((5, 1), np.int16), 128, ["I\nx.dat"], "line break"),
    ],
)
def test_what_is_no_record_is_not_written(
    tmp_path: Path, signal: np.ndarray, fs_hz: float, leads: list[str], found: str
) -> None:
    with pytest.raises(ValueError, match=found):
        write_record(tmp_path, "x", signal, fs_hz, leads)
    assert list(tmp_path.iterdir()) == []
