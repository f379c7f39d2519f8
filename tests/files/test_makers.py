"""Files of makers against what was written into them, and against readers that share no code with ours.

A test that is expected to fail names a fault that is known; it is strict, so the mark goes with the fault.
"""

import logging
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.abc import MetaPathFinder
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_recording, read
from ecgfeat.records.reader import Signal
from tests.fixtures.maker_files import (
    EDF_KINDS,
    ISHNE_FAULT,
    MAKER_FORMATS,
    START,
    TWELVE,
    EdfChannel,
    Written,
    edf_channels,
    make_counts,
    place_records,
    write_aecg,
    write_dicom,
    write_edf,
    write_ishne,
    write_kardia,
    write_muse,
    write_scp,
)
from tests.fixtures.other_readers import open_by_ishneholterlib, read_by_pyedflib, read_by_sierraecg

# Of float32 at some millivolts; the finest gain here is thirty times that.
NEAR_MV = 1e-6
all_formats = pytest.mark.parametrize("name", list(MAKER_FORMATS))


def assert_same(signal: Signal | NDArray[np.floating], mv_SC: NDArray[np.floating], near_mv: float = NEAR_MV) -> None:
    """The same shape, NaN at the same places, and the same values elsewhere."""
    ours_SC = signal.signal_mv_SC if isinstance(signal, Signal) else signal
    assert ours_SC.shape == mv_SC.shape
    np.testing.assert_allclose(ours_SC, mv_SC, rtol=0, atol=near_mv, equal_nan=True)


def refused(read_it: Callable[[], object], *parts: str, kind: type[Exception] = DataError) -> None:
    """It is refused in one line, which says all of `parts`."""
    with pytest.raises(kind) as error:
        read_it()
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


# What was written is read.


@all_formats
def test_what_was_written_is_read(name: str, tmp_path: Path) -> None:
    made = MAKER_FORMATS[name]
    signal = read(made.make(tmp_path))
    assert_same(signal, made.written.mv_SC)
    assert signal.signal_mv_SC.dtype == np.float32
    assert signal.leads == made.names
    assert signal.fs_hz == made.written.fs_hz
    # Only AliveCor states which zone its clock is of.
    assert signal.start == (START.replace(tzinfo=UTC) if name == "AliveCor" else START)
    assert (signal.notes, signal.uncalibrated, signal.record) == ((), (), "x")


@all_formats
def test_the_format_is_named(name: str, tmp_path: Path) -> None:
    recording = open_recording(MAKER_FORMATS[name].make(tmp_path))
    assert recording.format.startswith(name.split(" Base64")[0].split(" Plain")[0].split(" XLI")[0])
    if name in EDF_KINDS:
        assert recording.format == name
    assert {channel.num_samples for channel in recording.channels} == {len(MAKER_FORMATS[name].written.counts_SC)}


@all_formats
def test_one_lead_is_read_by_name(name: str, tmp_path: Path) -> None:
    made = MAKER_FORMATS[name]
    signal = read(made.make(tmp_path), leads=[made.names[2], made.names[0]])
    assert signal.leads == (made.names[2], made.names[0])
    assert_same(signal, made.written.mv_SC[:, [2, 0]])


@all_formats
def test_a_wrong_ending_changes_nothing(name: str, tmp_path: Path) -> None:
    made = MAKER_FORMATS[name]
    path = made.make(tmp_path)
    for ending in (".dat", ".txt", ".csv", ".mat", ".npz", ".json", ".edf", ".dcm", ".XML", ""):
        copy = tmp_path / f"other{ending}"
        shutil.copyfile(path, copy)
        signal = read(copy)
        assert_same(signal, made.written.mv_SC)
        assert (signal.leads, signal.fs_hz) == (made.names, made.written.fs_hz)
        copy.unlink()


# The same by a reader that shares no code with ours.


def counts_of(signal_mv_SC: NDArray[np.floating], uv_per_count: float) -> NDArray[np.int64]:
    """Return the counts that were read; all are whole."""
    counts_SC = signal_mv_SC.astype(np.float64) * (1000 / uv_per_count)
    assert np.abs(counts_SC - np.rint(counts_SC)).max() < 0.1
    return np.rint(counts_SC).astype(np.int64)


@pytest.mark.parametrize("kind", [kind for kind in EDF_KINDS if not kind.endswith("D")])
def test_pyedflib_reads_the_same(kind: str, tmp_path: Path) -> None:
    made = MAKER_FORMATS[kind]
    path = made.make(tmp_path)
    signal = read(path)
    counts_SC, physical_uv_SC, head = read_by_pyedflib(path, len(made.names))
    assert (counts_of(signal.signal_mv_SC, made.written.uv_per_count) == counts_SC).all()
    assert_same(signal, physical_uv_SC / 1000)
    assert head == (signal.leads, signal.fs_hz, signal.start)


@pytest.mark.parametrize("kind", ["EDF", "BDF"])
def test_pyedflib_reads_the_same_of_a_range_that_is_not_even(kind: str, tmp_path: Path) -> None:
    written = MAKER_FORMATS[kind].written
    lead_S = written.counts_SC[:, 0]
    channels = [
        EdfChannel("ECG II", "mV", lead_S, 250, (-2048, 2047), (-4.1, 5.3)),
        EdfChannel("ECG V1", "uV", lead_S, 250, (-2000, 2047), (3300, -4000)),  # upside down
        EdfChannel("ECG V2", "V", lead_S, 250, (0, 2047), (0, 0.004)),
    ]
    path = tmp_path / "x"
    write_edf(path, channels, kind)
    _, physical_SC, _ = read_by_pyedflib(path, 3)
    assert_same(read(path), physical_SC * [1, 1e-3, 1e3])


@pytest.mark.parametrize("kind", ["EDF+D", "BDF+D"])
def test_pyedflib_reads_the_same_between_gaps(kind: str, tmp_path: Path) -> None:
    # It refuses a file with gaps, and reads its data records one after another where the header does not say so.
    pyedflib = pytest.importorskip("pyedflib")
    made = MAKER_FORMATS[kind]
    onsets_s = [0.5, 4.5, 6.75]
    path, plain = tmp_path / "x", tmp_path / "plain"
    write_edf(path, edf_channels(made.written, kind), kind, onsets_s=onsets_s)
    with pytest.raises(OSError, match="discontinuous"):
        pyedflib.EdfReader(str(path))
    raw = path.read_bytes()
    plain.write_bytes(raw[:192] + (b"" if kind == "EDF+D" else b"24BIT").ljust(44) + raw[236:])
    counts_SC, physical_uv_SC, _ = read_by_pyedflib(plain, len(made.names))
    signal_mv_SC = read(path).signal_mv_SC
    valid_S = np.isfinite(signal_mv_SC).all(axis=1)
    assert (counts_of(signal_mv_SC[valid_S], made.written.uv_per_count) == counts_SC).all()
    assert_same(signal_mv_SC, place_records(physical_uv_SC / 1000, 250, onsets_s, 250))


@pytest.mark.parametrize("unit", ["uV", "mV"])
def test_pydicom_reads_the_same(unit: str, tmp_path: Path) -> None:
    written = MAKER_FORMATS["DICOM"].written
    path = tmp_path / "x"
    write_dicom(path, written, units=[unit] * 12, correction=1.25, baseline_uv=-30)
    theirs = pydicom.dcmread(path)
    signal = read(path)
    assert_same(signal, theirs.waveform_array(0) * (0.001 if unit == "uV" else 1))
    assert_same(signal, written.mv_SC - 0.03)
    definitions = theirs.WaveformSequence[0].ChannelDefinitionSequence
    meanings = [definition.ChannelSourceSequence[0].CodeMeaning for definition in definitions]
    assert [f"Lead {name}" for name in signal.leads] == meanings


def test_pydicom_reads_the_same_of_a_file_of_a_cart() -> None:
    # pydicom has it among its own tests: the recording, and a second group of the median beat, which is none.
    path = get_testdata_file("waveform_ecg.dcm", download=False)
    if path is None:
        pytest.skip("pydicom is installed without its test files")
    theirs = pydicom.dcmread(path)
    signal = read(path)
    assert signal.leads == TWELVE
    assert signal.fs_hz == theirs.WaveformSequence[0].SamplingFrequency
    assert_same(signal, theirs.waveform_array(0) / 1000)


def test_ishneholterlib_reads_the_same(tmp_path: Path) -> None:
    path = MAKER_FORMATS["ISHNE"].make(tmp_path)
    holter = open_by_ishneholterlib(path)
    signal = read(path)
    assert_same(signal, np.stack([lead.data for lead in holter.lead], axis=1))
    assert signal.leads == tuple(lead.spec_str() for lead in holter.lead)
    assert (signal.fs_hz, signal.start.date(), signal.start.time()) == (
        holter.sr,
        holter.record_date,
        holter.start_time,
    )
    assert holter.checksum == holter.compute_checksum(header_block=path.read_bytes()[10 : holter.ecg_block_offset])


def test_the_checksums_of_scp_are_those_of_another_library(tmp_path: Path) -> None:
    # There is no other reader of it here; at least what is written is whole by somebody else's sum.
    crc = pytest.importorskip("crccheck.crc").Crc16CcittFalse
    raw = MAKER_FORMATS["SCP-ECG"].make(tmp_path).read_bytes()
    assert crc.calc(raw[2:]) == int.from_bytes(raw[:2], "little")
    assert int.from_bytes(raw[2:6], "little") == len(raw)
    num_sections, at = 0, 6
    while at < len(raw):
        length = int.from_bytes(raw[at + 4 : at + 8], "little")
        assert crc.calc(raw[at + 2 : at + length]) == int.from_bytes(raw[at : at + 2], "little")
        num_sections, at = num_sections + 1, at + length
    assert num_sections == 4


@pytest.mark.parametrize("name", ["Philips XLI", "Philips Base64"])
def test_sierraecg_reads_the_same(name: str, tmp_path: Path) -> None:
    made = MAKER_FORMATS[name]
    path = made.make(tmp_path)
    theirs_SC, names, rates_hz = read_by_sierraecg(path, is_compressed=name == "Philips XLI")
    signal = read(path)
    assert (counts_of(signal.signal_mv_SC, made.written.uv_per_count) == theirs_SC).all()
    assert list(signal.leads) == names
    assert rates_hz == {signal.fs_hz}


# Gaps, and samples that are none.


@pytest.mark.parametrize("kind", ["EDF+D", "BDF+D"])
def test_a_gap_is_invalid_and_as_long_as_the_times_say(kind: str, tmp_path: Path) -> None:
    fs_hz, record_s = 250, 0.5
    written = Written(make_counts(4 * 125, 2), ("I", "V5"), fs_hz, MAKER_FORMATS[kind].written.uv_per_count)
    onsets_s = [3.0, 3.5, 6.2, 6.7]
    slow = EdfChannel("Resp", "uV", written.counts_SC[::25, 0], 5, (-32000, 32000), (-100, 100))
    path = tmp_path / "x"
    channels = [*edf_channels(written, kind, record_s=record_s), slow]
    write_edf(path, channels, kind, record_s=record_s, onsets_s=onsets_s)
    signal = read(path)
    # From 1.0 s to 3.2 s of the recording.
    assert np.isnan(signal.signal_mv_SC[250:800]).all()
    assert np.isfinite(signal.signal_mv_SC[:250]).all()
    assert np.isfinite(signal.signal_mv_SC[800:]).all()
    assert_same(signal, place_records(written.mv_SC, 125, onsets_s, fs_hz))
    assert signal.notes[0] == "1 gap of 2.2 s in all between its data records"
    assert "left aside: Resp (uV, 10 Hz)" in signal.notes[1]
    assert len(signal.notes) == 2


def test_gaps_are_where_they_are_in_a_long_file(tmp_path: Path) -> None:
    # A gap stands between the data records 599 and 600, where one block of reading ends and the next begins.
    written = Written(make_counts(605 * 450, 1), ("II",), 450)
    path = tmp_path / "x"
    onsets_s = [float(at) for at in range(600)] + [602.5, 603.5, 604.5, 700.0, 701.0]
    write_edf(path, edf_channels(written), "EDF+D", onsets_s=onsets_s)
    signal = read(path)
    assert_same(signal, place_records(written.mv_SC, 450, onsets_s, 450))
    assert signal.notes == ("2 gaps of 97 s in all between its data records",)
    write_edf(path, edf_channels(written), "EDF")
    signal = read(path)
    assert_same(signal, written.mv_SC)
    assert signal.notes == ()


@pytest.mark.parametrize("onsets_s", [[0, 0.5, 1.5], [5, 6, 2]])
def test_data_records_that_overlap_are_refused(onsets_s: list[float], tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_edf(path, edf_channels(MAKER_FORMATS["EDF"].written), "EDF+D", onsets_s=onsets_s)
    refused(lambda: read(path), "overlap")


def test_a_data_record_without_a_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_edf(path, edf_channels(MAKER_FORMATS["EDF"].written), "EDF+D", onsets_s=[0, 7.25, 9])
    path.write_bytes(path.read_bytes().replace(b"+7.25\x14\x14", bytes(7)))
    refused(lambda: read(path), "data record 1 without a time")


def test_a_gap_of_years_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_edf(path, edf_channels(MAKER_FORMATS["EDF"].written), "EDF+D", onsets_s=[0, 1, 3e8])
    refused(lambda: read(path), "days")


def test_many_short_gaps_are_noted(tmp_path: Path) -> None:
    written = Written(make_counts(1000 * 40, 1), ("II",), 1000)
    path = tmp_path / "x"
    write_edf(path, edf_channels(written), "EDF+D", onsets_s=[at * 1.001 for at in range(40)])
    signal = read(path)
    assert not np.isnan(signal.signal_mv_SC).any() or any("gaps" in note for note in signal.notes)


@pytest.mark.parametrize(
    "uv_per_count",
    [2.5, 1.0],
)
def test_the_fault_mark_of_ishne_is_invalid(uv_per_count: float, tmp_path: Path) -> None:
    written = MAKER_FORMATS["ISHNE"].written.but(uv_per_count=uv_per_count)
    counts_SC, mv_SC = written.counts_SC.copy(), written.mv_SC
    counts_SC[100:130, 1], mv_SC[100:130, 1] = ISHNE_FAULT, np.nan
    counts_SC[-1, 2], mv_SC[-1, 2] = ISHNE_FAULT, np.nan
    counts_SC[5, 0], mv_SC[5, 0] = ISHNE_FAULT + 1, (ISHNE_FAULT + 1) * uv_per_count / 1000
    path = tmp_path / "x"
    write_ishne(path, written.but(counts_SC=counts_SC))
    assert_same(read(path), mv_SC, near_mv=5e-6)


def test_the_padding_of_dicom_is_invalid(tmp_path: Path) -> None:
    written = MAKER_FORMATS["DICOM"].written
    counts_SC, mv_SC = written.counts_SC.copy(), written.mv_SC
    counts_SC[10:30, 4], mv_SC[10:30, 4] = -9999, np.nan
    path = tmp_path / "x"
    write_dicom(path, written.but(counts_SC=counts_SC), padding=-9999)
    assert_same(read(path), mv_SC)


def test_null_of_alivecor_is_invalid(tmp_path: Path) -> None:
    written = MAKER_FORMATS["AliveCor"].written
    mv_SC = written.mv_SC
    mv_SC[[3, 4, 700], 0] = np.nan
    path = tmp_path / "x"
    write_kardia(path, written, missing=[3, 4, 700])
    signal = read(path)
    assert_same(signal, mv_SC)
    assert "missing samples" in signal.notes[0]


# Files that are not whole.


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@all_formats
def test_a_file_that_is_cut_is_refused_or_shorter(name: str, share: float, tmp_path: Path) -> None:
    made = MAKER_FORMATS[name]
    path = made.make(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    if name != "ISHNE":
        refused(lambda: read(path), path.name)
        return
    # Its header need not state how long it is.
    try:
        signal = read(path)
    except DataError as error:
        assert "\n" not in str(error)
        assert share == 0.1
    else:
        num_samples = len(signal.signal_mv_SC)
        assert num_samples == (int(len(raw) * share) - 522 - 21) // 6
        assert_same(signal, made.written.mv_SC[:num_samples])
        assert any("truncated" in note for note in signal.notes)


def test_an_ishne_file_that_is_cut_between_two_samples_says_so(tmp_path: Path) -> None:
    path = MAKER_FORMATS["ISHNE"].make(tmp_path)
    path.write_bytes(path.read_bytes()[: -100 * 6])
    try:
        notes = read(path).notes
    except DataError:
        return
    assert notes


@pytest.mark.parametrize("kind", EDF_KINDS)
def test_an_edf_file_that_lacks_one_byte_is_refused(kind: str, tmp_path: Path) -> None:
    path = MAKER_FORMATS[kind].make(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    refused(lambda: read(path), "2 of 3 data records", "cut short")


def test_an_edf_file_may_hold_more_than_it_states(tmp_path: Path) -> None:
    written = MAKER_FORMATS["EDF"].written
    path = tmp_path / "x"
    write_edf(path, edf_channels(written), num_stated=2)
    signal = read(path)
    assert_same(signal, written.mv_SC[: 2 * len(written.mv_SC) // 3])
    assert signal.notes == ("1 data records behind the stated end were not read",)
    write_edf(path, edf_channels(written), num_stated=-1)
    signal = read(path)
    assert_same(signal, written.mv_SC)
    assert signal.notes == ()


def test_an_edf_file_of_unknown_length_says_that_its_end_is_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_edf(path, edf_channels(MAKER_FORMATS["EDF"].written), num_stated=-1)
    path.write_bytes(path.read_bytes()[:-100])
    signal = read(path)
    assert len(signal.signal_mv_SC) == 500
    assert any("ncomplete" in note for note in signal.notes)


@pytest.mark.parametrize(("name", "at"), [("SCP-ECG", -50), ("SCP-ECG", 170), ("ISHNE", 30), ("ISHNE", 530)])
def test_a_wrong_checksum_is_refused(name: str, at: int, tmp_path: Path) -> None:
    path = MAKER_FORMATS[name].make(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    refused(lambda: read(path), "checksum")


def test_a_wrong_checksum_of_a_muse_lead_is_refused(tmp_path: Path) -> None:
    path = MAKER_FORMATS["GE MUSE"].make(tmp_path)
    text = path.read_text("latin-1")
    at = text.rindex("<LeadDataCRC32>") + len("<LeadDataCRC32>")
    path.write_text(f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}", "latin-1")
    refused(lambda: read(path), "V6")


@all_formats
def test_damaged_bytes_are_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    path = MAKER_FORMATS[name].make(tmp_path)
    raw = np.frombuffer(path.read_bytes(), np.uint8)
    num_refused = 0
    for trial in range(40):
        damaged = raw[: rng.integers(1, len(raw)) if trial % 8 == 0 else None].copy()
        # Half of them in the header, where most can go wrong.
        damaged[rng.integers(0, min(len(damaged), 2000 if trial % 2 else len(damaged)), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        try:
            read(path)
        except (DataError, UsageError) as error:
            assert "\n" not in str(error)
            num_refused += 1
    assert num_refused > 0


# Units, rates and times.


def muse_in(path: Path, written: Written, unit: str) -> None:
    scale = {"uV": 1.0, "mV": 1e-3, "V": 1e-6}[unit] * written.uv_per_count
    spelling = {"uV": "MICROVOLTS", "mV": "MILLIVOLTS", "V": "VOLTS"}[unit]
    write_muse(path, written, units=dict.fromkeys(written.leads, (f"{scale:.10g}", spelling)))


WRITE_IN_UNIT: dict[str, Callable[[Path, Written, str], None]] = {
    "DICOM": lambda path, written, unit: write_dicom(path, written, units=[unit] * len(written.leads)),
    "HL7 aECG": lambda path, written, unit: write_aecg(path, written, unit=unit),
    "GE MUSE": muse_in,
    "EDF": lambda path, written, unit: write_edf(path, edf_channels(written, unit=unit)),
    "BDF": lambda path, written, unit: write_edf(path, edf_channels(written, "BDF", unit=unit), "BDF"),
}


@pytest.mark.parametrize("unit", ["uV", "mV", "V"])
@pytest.mark.parametrize("name", list(WRITE_IN_UNIT))
def test_every_unit_gives_the_same_millivolts(name: str, unit: str, tmp_path: Path) -> None:
    written = MAKER_FORMATS[name].written
    path = tmp_path / "x"
    WRITE_IN_UNIT[name](path, written, unit)
    assert_same(read(path), written.mv_SC)


def test_units_may_differ_between_channels(tmp_path: Path) -> None:
    made = MAKER_FORMATS["DICOM"]
    path = tmp_path / "x"
    write_dicom(path, made.written, units=["mV", "uV", "V"] * 4)
    assert_same(read(path), made.written.mv_SC)
    muse = MAKER_FORMATS["GE MUSE"]
    write_muse(path, muse.written, units={"II": ("0.00488", "MILLIVOLTS")})
    assert_same(read(path), muse.written.mv_SC)
    edf = MAKER_FORMATS["EDF"]
    _, second, last = edf_channels(edf.written)
    # The micro sign in Latin-1, as many makers write it.
    write_edf(path, [edf_channels(edf.written, unit="mV")[0], replace(second, unit="µV"), replace(last, unit="uv")])
    assert_same(read(path), edf.written.mv_SC)


def test_the_origin_of_aecg_is_added(tmp_path: Path) -> None:
    written = MAKER_FORMATS["HL7 aECG"].written
    path = tmp_path / "x"
    for unit, origin in (("uV", -250), ("mV", -0.25)):
        write_aecg(path, written, unit=unit, origin=origin)
        assert_same(read(path), written.mv_SC - 0.25)


def test_aecg_may_name_its_namespace(tmp_path: Path) -> None:
    made = MAKER_FORMATS["HL7 aECG"]
    path = tmp_path / "x"
    write_aecg(path, made.written, prefix="hl7:", increment=("2", "ms"))
    signal = read(path)
    assert_same(signal, made.written.mv_SC)
    assert (signal.leads, signal.fs_hz, signal.start) == (made.names, 500, START)


def write_edf_aside(path: Path, written: Written) -> None:
    first, second, last = edf_channels(written)
    write_edf(path, [first, second, replace(last, label="ECG X", unit="counts")])


def write_dicom_aside(path: Path, written: Written) -> None:
    leads = (*written.leads[:-1], "PRESSURE")
    write_dicom(path, written.but(leads=leads), units=["uV"] * (len(leads) - 1) + ["mm[Hg]"])


def write_muse_aside(path: Path, written: Written) -> None:
    write_muse(path, written, units={written.leads[-1]: ("1", "PASCAL")})


@pytest.mark.parametrize(
    ("name", "write", "aside"),
    [
        ("EDF", write_edf_aside, "ECG X (counts, 250 Hz)"),
        ("DICOM", write_dicom_aside, "PRESSURE"),
        ("HL7 aECG", lambda *args: write_aecg(*args, other="mm[Hg]"), "PRESSURE"),
        ("GE MUSE", write_muse_aside, "V6"),
    ],
)
def test_a_channel_in_another_unit_is_left_aside(
    name: str, write: Callable[[Path, Written], None], aside: str, tmp_path: Path
) -> None:
    written, path = MAKER_FORMATS[name].written, tmp_path / "x"
    write(path, written)
    signal = read(path)
    kept = len(written.leads) - (name != "HL7 aECG")
    assert_same(signal, written.mv_SC[:, :kept])
    assert any("left aside" in note and aside in note for note in signal.notes)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("EDF", lambda path, written: write_edf(path, [replace(edf_channels(written)[0], unit="mmHg")])),
        ("DICOM", lambda *args: write_dicom(*args, units=["mm[Hg]"] * 12)),
        ("HL7 aECG", lambda *args: write_aecg(*args, unit="mm[Hg]")),
    ],
)
def test_a_file_without_a_voltage_is_refused(name: str, write: Callable[[Path, Written], None], tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, MAKER_FORMATS[name].written)
    refused(lambda: read(path), "x")


def test_an_edf_file_without_units_needs_one(tmp_path: Path) -> None:
    path, written = tmp_path / "x", MAKER_FORMATS["EDF"].written
    write_edf(path, [replace(channel, unit="") for channel in edf_channels(written)])
    refused(lambda: read(path), "Add --unit", kind=UsageError)
    assert_same(read(path, unit="uV"), written.mv_SC)


def test_a_stated_unit_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_dicom(path, MAKER_FORMATS["DICOM"].written, units=["mm[Hg]"] * 12)
    with pytest.raises((DataError, UsageError)):
        read(path, unit="mV")


@all_formats
def test_what_the_file_states_is_not_asked_for(name: str, tmp_path: Path) -> None:
    made = MAKER_FORMATS[name]
    path = made.make(tmp_path)
    refused(lambda: read(path, fs_hz=made.written.fs_hz), "--fs", "Remove --fs", kind=UsageError)
    refused(lambda: read(path, unit="mV"), "--unit", "Remove --unit", kind=UsageError)


@pytest.mark.parametrize(("per_record", "record_s", "fs_hz"), [(125, 0.5, 250), (150, 1.171875, 128), (30, 8, 3.75)])
def test_the_rate_of_edf_is_that_of_its_data_records(
    per_record: int, record_s: float, fs_hz: float, tmp_path: Path
) -> None:
    written, path = MAKER_FORMATS["EDF"].written, tmp_path / "x"
    write_edf(path, [replace(channel, per_record=per_record) for channel in edf_channels(written)], record_s=record_s)
    signal = read(path)
    assert signal.fs_hz == fs_hz
    assert_same(signal, written.mv_SC)


@pytest.mark.parametrize("fs_hz", [100, 128, 200, 250, 256, 1000])
def test_usual_rates_are_kept(fs_hz: int, tmp_path: Path) -> None:
    written, path = Written(make_counts(300, 12), fs_hz=fs_hz), tmp_path / "x"
    for write in (write_scp, write_aecg, write_dicom, write_muse):
        write(path, written)
        assert read(path).fs_hz == fs_hz


RATE_HZ = 62.5


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("DICOM", write_dicom),
        ("AliveCor", write_kardia),
        ("HL7 aECG", write_aecg),
        ("SCP-ECG", write_scp),
        ("GE MUSE", write_muse),
    ],
)
def test_a_rate_that_is_not_whole_is_kept_or_refused(
    name: str, write: Callable[[Path, Written], None], tmp_path: Path
) -> None:
    path = tmp_path / "x"
    write(path, MAKER_FORMATS[name].written.but(fs_hz=RATE_HZ))
    try:
        signal = read(path)
    except DataError:
        return
    assert signal.fs_hz == RATE_HZ


def test_the_start_of_edf_plus_may_have_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_edf(path, edf_channels(MAKER_FORMATS["EDF"].written), "EDF+C", onsets_s=[0.5, 1.5, 2.5])
    assert read(path).start == START + timedelta(seconds=0.5)


@pytest.mark.parametrize("year", [1985, 1999, 2000, 2084])
def test_the_century_of_edf_is_that_of_its_definition(year: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_edf(path, edf_channels(MAKER_FORMATS["EDF"].written), start=START.replace(year=year))
    assert read(path).start == START.replace(year=year)


def test_an_edf_file_without_a_date_has_no_start(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_edf(path, edf_channels(MAKER_FORMATS["EDF"].written), start=datetime(1985, 1, 1))
    assert read(path).start is None


# Libraries that are not installed.


class Absent(MetaPathFinder):
    """Say of one package what the import system says where it is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def without(package: str) -> Iterator[None]:
    """Make a package one that is not installed, and forget those that may have imported it."""
    roots = {package, "ecgdatakit", "edfio"}

    def ours() -> Sequence[str]:
        return [name for name in sys.modules if name.split(".")[0] in roots]

    kept, finder = {name: sys.modules[name] for name in ours()}, Absent(package)
    try:
        for name in kept:
            del sys.modules[name]
        sys.meta_path.insert(0, finder)
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in ours():
            del sys.modules[name]
        sys.modules.update(kept)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("edfio", "EDF"),
        ("edfio", "BDF+D"),
        ("ecgdatakit", "ISHNE"),
        ("ecgdatakit", "Philips Base64"),
        ("xmltodict", "GE MUSE"),
        ("defusedxml", "HL7 aECG"),
        ("pydicom", "DICOM"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(module: str, name: str, tmp_path: Path) -> None:
    path = MAKER_FORMATS[name].make(tmp_path)
    read(path)
    with without(module):
        refused(lambda: read(path), "not installed", "pip install 'ecgfeat[formats]'", kind=UsageError)
    assert_same(read(path), MAKER_FORMATS[name].written.mv_SC)


def test_reading_many_files_leaves_nothing_behind_in_the_process(tmp_path: Path) -> None:
    path = MAKER_FORMATS["DICOM"].make(tmp_path)
    read(path)
    handlers, filters = len(logging.getLogger("pydicom").handlers), len(warnings.filters)
    for _ in range(5):
        read(path)
    assert (len(logging.getLogger("pydicom").handlers), len(warnings.filters)) == (handlers, filters)
