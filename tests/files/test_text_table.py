"""Tables of text: delimiters, headers, units, time columns, and what a watch writes."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_recording, read

FS_HZ = 250.0
NUM_SAMPLES = 1000
TIME_S = np.arange(NUM_SAMPLES) / FS_HZ
LEAD_MV = np.round(np.sin(np.arange(NUM_SAMPLES) / 9), 4)
OTHER_MV = np.round(0.4 * np.cos(np.arange(NUM_SAMPLES) / 9), 4)


def table(*columns: np.ndarray, head: str = "", delimiter: str = ",", comma: bool = False, digits: int = 4) -> str:
    lines = [delimiter.join(f"{value:.{digits}f}" for value in row) for row in zip(*columns, strict=True)]
    text = "\n".join(lines) + "\n"
    return head + (text.replace(".", ",") if comma else text)


def write(folder: Path, text: str, encoding: str = "utf-8", name: str = "x.csv") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x"])
@pytest.mark.parametrize(
    ("text", "leads"),
    [
        (table(LEAD_MV, OTHER_MV), ("lead 1", "lead 2")),
        (table(LEAD_MV, OTHER_MV, delimiter="\t"), ("lead 1", "lead 2")),
        (table(LEAD_MV, OTHER_MV, delimiter=";", comma=True), ("lead 1", "lead 2")),
        (table(LEAD_MV, OTHER_MV, delimiter="   "), ("lead 1", "lead 2")),
        (table(LEAD_MV, OTHER_MV, delimiter="|"), ("lead 1", "lead 2")),
        (table(LEAD_MV, OTHER_MV, head="II,V5\n"), ("II", "V5")),
        (table(LEAD_MV, OTHER_MV, head='"II","V5"\r\n'), ("II", "V5")),
        (table(LEAD_MV, OTHER_MV, head="# exported by hand\nII,V5\nmV,mV\n"), ("II", "V5")),
        (table(1000 * LEAD_MV, 1000 * OTHER_MV, head="II (uV),V5 [µV]\n"), ("II", "V5")),
        (table(LEAD_MV / 1000, OTHER_MV / 1000, head="II_V,V5_V\n", digits=7), ("II", "V5")),
    ],
)
def test_delimiter_names_and_units_are_found(tmp_path: Path, text: str, leads: tuple[str, ...], name: str) -> None:
    signal = read(write(tmp_path, text, name=name), fs_hz=FS_HZ)
    assert (signal.leads, signal.fs_hz, len(signal.signal_mv_SC)) == (leads, FS_HZ, NUM_SAMPLES)
    np.testing.assert_allclose(signal.signal_mv_SC, np.stack([LEAD_MV, OTHER_MV], axis=1), atol=2e-4)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    text = table(1000 * LEAD_MV, head="Zeit;Ableitung II (µV)\n".replace("Zeit;", ""))
    signal = read(write(tmp_path, text, encoding), fs_hz=FS_HZ)
    assert signal.leads == ("Ableitung II",)
    np.testing.assert_allclose(signal.signal_mv_SC[:, 0], LEAD_MV, atol=2e-4)


def clock(at_s: float) -> str:
    return f"{int(at_s // 60)}:{at_s % 60:06.3f}"


@pytest.mark.parametrize(
    "text",
    [
        table(TIME_S, LEAD_MV, head="time,II\n"),
        table(TIME_S, LEAD_MV, head="Time (s),II (mV)\n"),
        table(1000 * TIME_S, LEAD_MV, head="time_ms,II\n"),
        table(1000 * TIME_S, LEAD_MV, head="t,II\nms,mV\n"),
        table(TIME_S, LEAD_MV, head="Zeit;EKG II\n", delimiter=";", comma=True),
        table(TIME_S + 17.0, LEAD_MV),
        "time,II\n" + "".join(f"{clock(at)},{value}\n" for at, value in zip(TIME_S, LEAD_MV, strict=True)),
        "'Elapsed time','II'\n'hh:mm:ss.mmm','mV'\n"
        + "".join(f"'{clock(at + 50)}',{value:.4f}\n" for at, value in zip(TIME_S, LEAD_MV, strict=True)),
    ],
)
def test_the_rate_follows_from_a_time_column(tmp_path: Path, text: str) -> None:
    signal = read(write(tmp_path, text))
    assert signal.fs_hz == FS_HZ
    np.testing.assert_allclose(signal.signal_mv_SC[:, 0], LEAD_MV, atol=2e-4)


@pytest.mark.parametrize("rate_hz", [128.0, 360.0, 257.3, 500.2])
def test_times_that_are_rounded_to_milliseconds(tmp_path: Path, rate_hz: float) -> None:
    time_s = np.round(np.arange(60 * round(rate_hz)) / rate_hz, 3)
    values = np.sin(np.arange(len(time_s)) / 9)
    signal = read(write(tmp_path, table(time_s, values, head="time,II\n")))
    assert signal.fs_hz == pytest.approx(rate_hz, rel=5e-5)
    assert len(signal.signal_mv_SC) == len(time_s)


def test_a_date_is_the_start(tmp_path: Path) -> None:
    start = datetime(2024, 2, 29, 23, 59, 58)
    stamps = [(start + timedelta(seconds=float(at))).isoformat(timespec="milliseconds") for at in TIME_S]
    text = "timestamp,ecg\n" + "".join(f"{stamp},{value}\n" for stamp, value in zip(stamps, LEAD_MV, strict=True))
    signal = read(write(tmp_path, text))
    assert (signal.start, signal.fs_hz, signal.leads) == (start, FS_HZ, ("ecg",))


@pytest.mark.parametrize("zone", ["", "Z", "+01:00", "-0530"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_stamps_of_any_zone_and_precision(tmp_path: Path, zone: str, delimiter: str) -> None:
    start = datetime(2024, 1, 2, 3, 4, 5)
    stamps = [(start + timedelta(milliseconds=4 * at)).isoformat() + zone for at in range(200)]
    mark = "," if delimiter == ";" else "."
    lines = [f"{stamp}{delimiter}0{mark}{at % 7 + 1}\n" for at, stamp in enumerate(stamps)]
    signal = read(write(tmp_path, f"stamp{delimiter}ecg\n" + "".join(lines)))
    assert (signal.start, signal.fs_hz, len(signal.signal_mv_SC)) == (start, FS_HZ, 200)
    assert signal.signal_mv_SC[2, 0] == pytest.approx(0.3)


def test_missing_times_are_a_gap(tmp_path: Path) -> None:
    kept = np.r_[0:400, 650:NUM_SAMPLES]
    signal = read(write(tmp_path, table(TIME_S[kept], LEAD_MV[kept], head="time,II\n")))
    assert len(signal.signal_mv_SC) == NUM_SAMPLES
    assert np.flatnonzero(np.isnan(signal.signal_mv_SC[:, 0])).tolist() == list(range(400, 650))
    np.testing.assert_allclose(signal.signal_mv_SC[650:, 0], LEAD_MV[650:], atol=1e-6)
    assert signal.notes == ("1 gap of 1 s in all in its time column",)


def test_empty_cells_are_invalid(tmp_path: Path) -> None:
    signal = read(write(tmp_path, "II,V5\n0.1,0.2\n,0.3\nNaN,-\n0.4,0.5\n"), fs_hz=FS_HZ)
    expected = [[0.1, 0.2], [np.nan, 0.3], [np.nan, np.nan], [0.4, 0.5]]
    np.testing.assert_allclose(signal.signal_mv_SC, expected, rtol=1e-6)


WATCH = "Name,Somebody\nRecorded Date,2024-01-02 03:04:05 +0100\nClassification,Sinus Rhythm\nSymptoms,\n"
WATCH += 'Software Version,1.90\nDevice,"Watch6,1"\nSample Rate,512 hertz\n\n\nLead,Lead I\nUnit,µV\n\n'


def test_an_apple_watch_states_rate_and_unit(tmp_path: Path) -> None:
    signal = read(write(tmp_path, WATCH + table(1000 * LEAD_MV, digits=3)))
    assert (signal.fs_hz, signal.leads, signal.start) == (512.0, ("Lead I",), datetime(2024, 1, 2, 3, 4, 5))
    np.testing.assert_allclose(signal.signal_mv_SC[:, 0], LEAD_MV, atol=1e-6)


def test_a_watch_of_a_country_with_a_decimal_comma(tmp_path: Path) -> None:
    head = "Name,Jemand\nKlassifizierung,Sinusrhythmus\nAbtastrate,511,5 Hertz\n\nAbleitung,Ableitung I\nEinheit,µV\n\n"
    signal = read(write(tmp_path, head + table(1000 * LEAD_MV, digits=3, comma=True)))
    assert (signal.fs_hz, signal.leads) == (511.5, ("Ableitung I",))
    np.testing.assert_allclose(signal.signal_mv_SC[:, 0], LEAD_MV, atol=1e-6)


def test_whole_numbers_need_their_unit(tmp_path: Path) -> None:
    path = write(tmp_path, table(np.rint(1000 * LEAD_MV), head="II\n", digits=0))
    with pytest.raises(UsageError, match="whole numbers of II without a unit"):
        read(path, fs_hz=FS_HZ)
    np.testing.assert_allclose(read(path, fs_hz=FS_HZ, unit="uV").signal_mv_SC[:, 0], LEAD_MV, atol=6e-4)


def test_what_is_no_ecg_is_left_aside(tmp_path: Path) -> None:
    text = table(TIME_S, LEAD_MV, 90 + OTHER_MV, head="time (s),II (mV),ABP (mmHg)\n")
    signal = read(write(tmp_path, text))
    assert signal.leads == ("II",)
    assert signal.notes == ("read as ECG by name and unit: II; left aside: ABP (mmHg, 250 Hz)",)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (table(LEAD_MV), UsageError, r"x\.csv: no rate in it, and no --fs.*Add --fs HZ"),
        ("hello\nworld\n", DataError, "text without lines of numbers; expected a table"),
        ("time (s),II\n0,1.5\n1,2.5\n1,3.5\n2,1.5\n", DataError, "a time column that does not rise at line 4"),
        ("time,II\n0,1.5\n1,2.5\n2,x\n3,1.5\n", DataError, "a line that does not fit"),
        ("time,II\n0,0.5\n1,0.5\n2,0.5,7\n3,0.5\n", DataError, "a line that does not fit"),
        (table(TIME_S**1.3, LEAD_MV, head="time,II\n"), DataError, "times that are uneven"),
        ("time (s),II\n0,0.5\n1,0.6\n9000000000,0.5\n", DataError, "expected at most 62 days"),
        ("time (s),ABP (mmHg)\n0,90.5\n1,90.5\n2,90.5\n", DataError, "no channel that is an ECG lead"),
        (WATCH + "time\n", DataError, r"x\.csv: "),
    ],
)
def test_tables_that_are_no_recording_are_refused(tmp_path: Path, text: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        read(write(tmp_path, text))
    assert "again" not in str(raised.value)


FILTERS = "Device X, bandwidth 0.05-150 Hz\n# Notch filter 50 Hz\n# High pass 0.5 Hz\n"


@pytest.mark.parametrize(
    ("line", "rate_hz"),
    [
        ("Sampling rate: 250 Hz", 250.0),
        ("fs=250 Hz", 250.0),
        ("fs=250", 250.0),
        ("Sampling: 1 kHz, mains 50 Hz", 1000.0),
        ("Abtastrate;500 Hz", 500.0),
        ("Fréquence d'échantillonnage : 512,5 Hz", 512.5),
        ("Частота дискретизации 250 Гц", 250.0),
        ("Sample Rate,512 hertz", 512.0),
    ],
)
def test_a_filter_is_no_sampling_rate(tmp_path: Path, line: str, rate_hz: float) -> None:
    path = write(tmp_path, f"{FILTERS}{line}\nMains 60 Hz, 7500 samples\nII\n" + table(LEAD_MV))
    assert read(path).fs_hz == rate_hz
    with pytest.raises(UsageError, match="no rate in it, and no --fs"):
        read(write(tmp_path, f"{FILTERS}II\n" + table(LEAD_MV)))
    assert read(path, fs_hz=FS_HZ).fs_hz == FS_HZ if rate_hz == FS_HZ else True


@pytest.mark.parametrize("name", ["x", "Время", "时间", "tempo", "Czas [s]", "tijd", "anything"])
def test_a_column_that_rises_evenly_is_the_time(tmp_path: Path, name: str) -> None:
    signal = read(write(tmp_path, table(TIME_S, LEAD_MV, head=f"{name},ECG\n")))
    assert (signal.leads, signal.fs_hz) == (("ECG",), FS_HZ)


@pytest.mark.parametrize("start", [0, 1_700_000_000_000])
def test_whole_milliseconds_are_not_taken_for_seconds(tmp_path: Path, start: int) -> None:
    lines = "".join(f"{start + 4 * at},{value}\n" for at, value in enumerate(LEAD_MV))
    path = write(tmp_path, "time,ecg\n" + lines)
    with pytest.raises(UsageError, match="times that rise by 4 and state no unit.*call the column time_ms"):
        read(path)
    assert read(path, fs_hz=FS_HZ).fs_hz == FS_HZ
    counted = write(tmp_path, "time,ecg\n" + "".join(f"{at},{value}\n" for at, value in enumerate(LEAD_MV)))
    assert len(read(counted, fs_hz=FS_HZ).signal_mv_SC) == NUM_SAMPLES


@pytest.mark.parametrize("head", ["0,1\n", "1,2\n"])
def test_numbers_of_columns_are_names(tmp_path: Path, head: str) -> None:
    signal = read(write(tmp_path, table(LEAD_MV, OTHER_MV, head=head)), fs_hz=FS_HZ)
    assert len(signal.signal_mv_SC) == NUM_SAMPLES
    assert read(tmp_path / "x.csv", fs_hz=FS_HZ, leads=["1"]).leads == ("1",)


@pytest.mark.parametrize("head", ["EKG\n", '"EKG"\n'])
def test_one_column_with_a_decimal_comma(tmp_path: Path, head: str) -> None:
    signal = read(write(tmp_path, table(LEAD_MV, head=head, comma=True)), fs_hz=FS_HZ)
    np.testing.assert_allclose(signal.signal_mv_SC[:, 0], LEAD_MV, atol=1e-4)


def test_quoted_numbers_with_a_decimal_comma(tmp_path: Path) -> None:
    lines = "".join(f'"{at / 250:.3f}","{value:.4f}"\n'.replace(".", ",") for at, value in enumerate(LEAD_MV))
    signal = read(write(tmp_path, "time,II\n" + lines))
    assert (signal.fs_hz, signal.leads) == (FS_HZ, ("II",))
    np.testing.assert_allclose(signal.signal_mv_SC[:, 0], LEAD_MV, atol=1e-4)


@pytest.mark.parametrize(
    ("head", "other"),
    [("time,II,ABP\n", 90 + OTHER_MV), ("time,II,marker\n", 0 * OTHER_MV), ("time,II,HR\n", np.rint(70 + OTHER_MV))],
)
def test_columns_beside_the_ecg_need_no_unit(tmp_path: Path, head: str, other: np.ndarray) -> None:
    signal = read(write(tmp_path, table(TIME_S, LEAD_MV, other, head=head)))
    assert signal.leads == ("II",)
    assert "left aside" in signal.notes[0]


def test_a_delimiter_at_the_end_of_the_lines_is_no_column(tmp_path: Path) -> None:
    text = "time,II,\n" + "".join(f"{at / 250:.3f},{value},\n" for at, value in enumerate(LEAD_MV))
    signal = read(write(tmp_path, text))
    assert (signal.leads, signal.notes) == (("II",), ())


def test_two_rates_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, table(TIME_S, LEAD_MV, head="time,II\n"))
    with pytest.raises(UsageError, match="100 Hz by --fs, 250 Hz by its time column; expected one rate"):
        read(path, fs_hz=100)
    with pytest.raises(UsageError, match=r"--unit: uV for x\.csv; expected what the file states"):
        read(write(tmp_path, table(TIME_S, LEAD_MV, head="time,II (mV)\n")), unit="uV")
    assert open_recording(path).channels[0].fs_hz == FS_HZ
