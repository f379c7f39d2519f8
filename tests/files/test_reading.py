"""The one reader: arrays, MATLAB, JSON and WFDB; what is refused, and with which words."""

import json
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_recording, read
from ecgfeat.files.wfdb_record import start_time
from ecgfeat.records.writer import write_record

FS_HZ = 250.0
SIGNAL_MV = np.stack([np.sin(np.arange(2500) / 9), 0.3 * np.cos(np.arange(2500) / 9)], axis=1)


def write_npy(folder: Path, array: Any) -> Path:
    np.save(folder / "x.npy", array)
    return folder / "x.npy"


@pytest.mark.parametrize("shaped", [SIGNAL_MV, SIGNAL_MV.T, SIGNAL_MV.astype(np.float32), np.asfortranarray(SIGNAL_MV)])
def test_an_array_is_read_in_either_order_of_its_axes(tmp_path: Path, shaped: np.ndarray) -> None:
    signal = read(write_npy(tmp_path, shaped), fs_hz=FS_HZ)
    np.testing.assert_allclose(signal.signal_mv_SC, SIGNAL_MV, atol=1e-6)
    assert (signal.fs_hz, signal.leads, signal.record) == (FS_HZ, ("lead 1", "lead 2"), "x")


def test_one_axis_is_one_lead(tmp_path: Path) -> None:
    np.testing.assert_allclose(
        read(write_npy(tmp_path, SIGNAL_MV[:, 0]), fs_hz=FS_HZ).signal_mv_SC, SIGNAL_MV[:, :1], atol=1e-6
    )


@pytest.mark.parametrize(
    ("unit", "scale"), [("V", 1e-3), ("uV", 1e3), ("\u00b5V", 1e3), ("\u03bcV", 1e3), ("MV", 1), ("nV", 1e6)]
)
def test_a_unit_that_is_named_scales(tmp_path: Path, unit: str, scale: float) -> None:
    signal = read(write_npy(tmp_path, SIGNAL_MV * scale), fs_hz=FS_HZ, unit=unit)
    np.testing.assert_allclose(signal.signal_mv_SC, SIGNAL_MV, atol=1e-6)


def test_invalid_samples_are_nan(tmp_path: Path) -> None:
    array = SIGNAL_MV.copy()
    array[[3, 5], [0, 1]] = np.nan, np.inf
    found = read(write_npy(tmp_path, array), fs_hz=FS_HZ).signal_mv_SC
    assert np.argwhere(~np.isfinite(found)).tolist() == [[3, 0], [5, 1]]
    assert np.isnan(found[5, 1])


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((20, 3, 2)), DataError, r"an array of shape \(20, 3, 2\); expected \(samples, leads\)"),
        (np.zeros((0, 2)), DataError, r"an array of shape \(0, 2\)"),
        (np.zeros((600, 500)), DataError, r"an array of shape \(600, 500\)"),
        (
            np.arange(10000, dtype=np.int16).reshape(5000, 2) % 7,
            UsageError,
            "whole numbers without a unit.*Add --unit.*never guessed",
        ),
        (
            800.5 * np.sin(np.arange(10000)).reshape(5000, 2),
            DataError,
            "values up to 800.5 and no unit; expected mV, below 33.*--unit uV",
        ),
        (np.zeros((50, 2), complex), DataError, "complex128 values; expected numbers"),
        (np.array(["a", "b"]), DataError, "<U1 values; expected numbers"),
        (np.array([True, False]), DataError, "bool values; expected numbers"),
    ],
)
def test_arrays_that_are_no_signal_are_refused(tmp_path: Path, array: np.ndarray, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        read(write_npy(tmp_path, array), fs_hz=FS_HZ)


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="NumPy array that cannot be read"):
        read(tmp_path / "x.npy", fs_hz=FS_HZ)


def test_a_length_that_the_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A header of 60 bytes can state terabytes."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000000000, 2), }".ljust(118) + b"\n"
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64)
    with pytest.raises(DataError, match=r"^x\.npy: "):
        read(path, fs_hz=FS_HZ)


def test_archives_and_matlab_files_may_hold_their_rate(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ecg=SIGNAL_MV, fs=FS_HZ)
    np.savez_compressed(tmp_path / "b.npz", x=SIGNAL_MV)
    scipy.io.savemat(tmp_path / "c.mat", {"ecg": SIGNAL_MV, "Fs": FS_HZ, "name": "x"})
    scipy.io.savemat(tmp_path / "d.mat", {"val": np.rint(SIGNAL_MV.T * 1000).astype(np.int16)})
    scipy.io.savemat(tmp_path / "e.mat", {"anything": SIGNAL_MV}, format="4")
    for name, options in {
        "a.npz": {},
        "b.npz": {"fs_hz": FS_HZ},
        "c.mat": {},
        "d.mat": {"fs_hz": FS_HZ, "unit": "uV"},
        "e.mat": {"fs_hz": FS_HZ},
    }.items():
        signal = read(tmp_path / name, **options)
        np.testing.assert_allclose(signal.signal_mv_SC, SIGNAL_MV, atol=6e-4)
        assert signal.fs_hz == FS_HZ
    with pytest.raises(UsageError, match=r"a\.npz: 100 Hz by --fs, 250 Hz by a\.npz; expected one rate"):
        read(tmp_path / "a.npz", fs_hz=100)
    with pytest.raises(UsageError, match=r"b\.npz: no rate in it, and no --fs.*Add --fs HZ"):
        read(tmp_path / "b.npz")
    np.savez(tmp_path / "two.npz", a=SIGNAL_MV, b=SIGNAL_MV)
    with pytest.raises(DataError, match="arrays a 2500x2, b 2500x2; expected one matrix, or one called val, signal"):
        read(tmp_path / "two.npz", fs_hz=FS_HZ)


def test_a_matlab_file_beside_a_header_is_its_record(tmp_path: Path) -> None:
    """As in the Challenges of Computing in Cardiology: the header has the gain."""
    write_record(tmp_path, "A00001", np.rint(SIGNAL_MV[:, :1] * 1000).astype(np.int16), 300, ["ECG"])
    (tmp_path / "A00001.dat").rename(tmp_path / "A00001.mat")
    header = tmp_path / "A00001.hea"
    header.write_text(header.read_text().replace("A00001.dat", "A00001.mat"))
    for name in ("A00001", "A00001.mat", "A00001.hea"):
        signal = read(tmp_path / name)
        assert (signal.fs_hz, signal.record) == (300, "A00001")
        np.testing.assert_allclose(signal.signal_mv_SC, SIGNAL_MV[:, :1], atol=6e-4)


def test_json_with_a_rate_and_leads(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    named = {"II": SIGNAL_MV[:, 0].tolist(), "V5": SIGNAL_MV[:, 1].tolist()}
    listed = [{"name": name, "samples": samples} for name, samples in named.items()]
    for leads, extra in (
        (named, {}),
        (listed, {}),
        (SIGNAL_MV.T.tolist(), {"names": ["II", "V5"]}),
        (SIGNAL_MV.tolist(), {"names": ["II", "V5"]}),
    ):
        path.write_text(json.dumps({"fs": FS_HZ, "leads": leads, "start": "2024-01-02T03:04:05", **extra}))
        signal = read(path)
        assert (signal.leads, signal.fs_hz, signal.start) == (("II", "V5"), FS_HZ, datetime(2024, 1, 2, 3, 4, 5))
        np.testing.assert_allclose(signal.signal_mv_SC, SIGNAL_MV, atol=1e-6)
    path.write_text(json.dumps({"fs": FS_HZ, "unit": "uV", "leads": {"II": [100, None, 300]}}))
    np.testing.assert_allclose(read(path).signal_mv_SC[:, 0], [0.1, np.nan, 0.3], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", DataError, "no JSON"),
        ("[]", DataError, r"leads of \[0\] samples"),
        ("[0.5, 0.25]", UsageError, "no rate in it, and no --fs"),
        ('{"fs": 250}', DataError, "lead 0 that is no list of numbers"),
        ('{"fs": "fast", "leads": [[0.5]]}', DataError, "rate 'fast'; expected a number of Hz"),
        ('{"fs": 250, "leads": {"I": [0.5], "II": [0.5, 1]}}', DataError, r"leads of \[1, 2\] samples"),
        ('{"fs": 250, "leads": {"I": [0.5, true]}}', DataError, "lead I that is no list of numbers"),
        ('{"fs": 250, "leads": {"I": [1, 2]}}', UsageError, "whole numbers of I without a unit"),
        ('{"fs": 250, "unit": "mmHg", "leads": {"I": [1, 2]}}', DataError, "no channel that is an ECG lead"),
        ("[" * 50_000, DataError, "JSON file that cannot be read"),
    ],
)
def test_json_that_is_no_recording_is_refused(tmp_path: Path, content: str, error: type, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(error, match=message):
        read(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("x.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "an HDF5 file"),
        ("x.csv", b"%PDF-1.4", "a PDF file"),
        ("x", b"\x89PNG\r\n", "a picture"),
        ("x.edf", b"0       " * 40, "no recording that is known"),
        ("x.dcm", b"\0" * 200, "no recording that is known"),
        ("x.mat", b"\1\2\3" * 9, "no recording that is known"),
        ("x.xml", b"<html><body>hello</body></html>", "no recording that is known"),
        ("x.csv", b"", "an empty file"),
    ],
)
def test_what_is_no_recording_is_told_what_is_read(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=found) as error:
        read(tmp_path / name, fs_hz=None)
    message = str(error.value)
    assert "\n" not in message
    assert "again" not in message
    if content:
        assert "EDF" in message
        assert "WFDB, .npy" in message


def test_a_name_without_a_folder_is_written_as_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^nope: no such file, and no WFDB header nope\.hea; expected a recording"):
        read("nope")
    with pytest.raises(DataError, match="a folder; expected a recording"):
        read(tmp_path)


def test_a_start_time_in_any_notation() -> None:
    whole = datetime(2020, 11, 5, 12, 30, 1)
    for text in ("12:30:01 05/11/2020", "12:30:01 2020-11-05", "05.11.2020 12:30:01", "12:30:01.000 5/11/2020"):
        assert start_time(text) == whole
    assert start_time("12:30 05/11/2020") == datetime(2020, 11, 5, 12, 30)
    for text in ("", "12:30", "05/11/2020", "99:99:99 99/99/9999"):
        assert start_time(text) is None


def test_leads_of_several_rates_are_read_beside_each_other(tmp_path: Path) -> None:
    """As in records of intensive care: the ECG has four samples per frame, the pressure one."""
    frames, t = 500, np.arange(2000)
    ecg, pressure = (
        np.rint(900 * np.sin(t / 11)).astype("<i2"),
        np.rint(100 * np.cos(np.arange(frames) / 5)).astype("<i2"),
    )
    np.concatenate([ecg.reshape(frames, 4), pressure[:, None]], axis=1).astype("<i2").tofile(tmp_path / "x.dat")
    (tmp_path / "x.hea").write_text(
        "x 2 62.5 500\nx.dat 16x4 1000/mV 16 0 0 0 0 II\nx.dat 16 100/mmHg 16 0 0 0 0 ABP\n"
    )
    recording = open_recording(tmp_path / "x")
    assert [(channel.fs_hz, channel.num_samples) for channel in recording.channels] == [(250.0, 2000), (62.5, 500)]
    signal = read(tmp_path / "x")
    assert (signal.leads, signal.fs_hz) == (("II",), 250.0)
    np.testing.assert_allclose(signal.signal_mv_SC[:, 0], ecg / 1000, atol=1e-6)
    assert signal.notes == ("read as ECG by name and unit: II; left aside: ABP (mmHg, 62.5 Hz)",)


@pytest.mark.parametrize("name", ["\udcff\udcfe.npy", "a\x1b[2Jb.npy"])
def test_names_that_no_terminal_should_print(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "plain.npy", SIGNAL_MV)
    (tmp_path / "plain.npy").rename(tmp_path / name)
    signal = read(tmp_path / name, fs_hz=FS_HZ)
    assert signal.record.isprintable()
    with pytest.raises(UsageError) as error:
        read(tmp_path / name)
    assert str(error.value).isprintable()


START = {
    "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1), }".ljust(128),
    "json": b'{"fs": 250, "leads": {"II": [0.1, 0.2]}}',
    "csv": b"t,II\n0,0.1\n0.004,0.2\n0.008,0.3\n",
    "hea": b"x 2 250 100\nx.dat 16 200(0)/mV 16 0 0 0 0 I\nx.dat 16 200/mV 16 0 0 0 0 V5\n",
    "edf": b"0".ljust(8)
    + b"x".ljust(80)
    + b"x".ljust(80)
    + b"01.01.2001.01.01"
    + b"512".ljust(8)
    + b"".ljust(44)
    + b"1".ljust(8)
    + b"1".ljust(8)
    + b"1".ljust(4),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(START)), data=st.data())
def test_any_bytes_give_a_signal_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    raw = bytearray(START[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        change: Callable[[], bytes] = lambda: data.draw(st.binary(max_size=6))  # noqa: E731
        raw[at : at + data.draw(st.integers(0, 4))] = change()
    path = tmp_path_factory.mktemp("fuzz") / f"x.{kind}"
    path.write_bytes(bytes(raw))
    if kind == "hea":
        path.with_suffix(".dat").write_bytes(b"\0" * 400)
    try:
        read(path, fs_hz=data.draw(st.sampled_from([None, 250.0])))
    except (DataError, UsageError) as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("place", ["lead", "rate"])
def test_a_whole_number_of_json_that_no_float_holds_is_one_line(tmp_path: Path, place: str) -> None:
    number = "9" * 400
    samples, rate = ("0.1, " * 300 + number, "250") if place == "lead" else ("0.1, " * 300 + "0.2", number)
    (tmp_path / "x.json").write_text(f'{{"fs": {rate}, "unit": "mV", "leads": {{"II": [{samples}]}}}}')
    with pytest.raises(DataError, match="a number beyond all others in II"):
        read(tmp_path / "x.json")
