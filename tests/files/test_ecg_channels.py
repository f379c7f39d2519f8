"""Which channels are ECG leads: by name, by unit, by signal, or as named."""

from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import read
from ecgfeat.files.ecg_channels import name_lead
from tests.fixtures.plain_ecg import plain_ecg

FS_HZ = 250


@pytest.mark.parametrize(
    "name",
    [
        *("I", "II", "iii", "aVR", "AVL", "avf", "V1", "v6", "V3R", "MLII", "MLIII", "mV5", "ECG", "ecg1", "EKG", "D1"),
        *(
            "MCL1",
            "CM5",
            "CC5",
            "D4",
            "ML5",
            "mod.V1",
            "V2-V3",
            "DII",
            "V",
            "vx",
            "X",
            "CH_ECG",
            "-aVR",
            "ECG lead II",
            "Lead I",
            "lead V5",
            "ECG I",
        ),
        *("ECG1-ECG2", "MDC_ECG_LEAD_AVR", "Ableitung II", "A-S", "Chest ECG"),
    ],
)
def test_names_of_ecg_leads(name: str) -> None:
    assert name_lead(name) == "ecg"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ABP",
            "ART",
            "PAP",
            "CVP",
            "ICP",
            "PLETH",
            "SpO2",
            "RESP",
            "EEG",
            "EOG",
            "EMG",
            "CO2",
            "Marker",
            "Fp1",
            "C4",
        ),
        *("O2", "Time", "PPG", "Nasal", "Thorax", "BP", "HR", "PCG", "EEG C4-A1", "C4-A1", "Resp (sum)"),
        *("Airway pressure", "EMG chin", "ECG quality", "heart rate"),
    ],
)
def test_names_of_other_channels(name: str) -> None:
    assert name_lead(name) == "other"


@pytest.mark.parametrize("name", ["", "CH1", "channel 2", "signal", "Lead 1", "a", "Ablösung", "1"])
def test_names_that_say_nothing(name: str) -> None:
    assert name_lead(name) is None


def write(folder: Path, channels: list[tuple[str, str, np.ndarray]]) -> Path:
    lines = [f"x {len(channels)} {FS_HZ} {len(channels[0][2])}"]
    lines += [f"x.dat 16 100(0)/{unit} 16 0 0 0 0 {name}" for name, unit, _ in channels]
    np.stack([np.rint(100 * samples) for _, _, samples in channels], axis=1).astype("<i2").tofile(folder / "x.dat")
    (folder / "x.hea").write_text("\n".join(lines) + "\n")
    return folder / "x"


@pytest.fixture(scope="module")
def ecg() -> np.ndarray:
    return plain_ecg(FS_HZ, 60)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.convolve(np.random.default_rng(0).normal(0, 0.1, FS_HZ * 60), np.ones(8) / 8, "same")


def test_other_units_and_names_are_left_aside(tmp_path: Path, ecg: np.ndarray, noise: np.ndarray) -> None:
    pressure = 90 + 20 * np.maximum(0, np.sin(np.arange(len(ecg)) / 40))
    path = write(
        tmp_path, [("ABP", "mmHg", pressure), ("EEG C4-A1", "mV", noise), ("V5", "mV", ecg), ("II", "mV", -ecg)]
    )
    signal = read(path)
    assert signal.leads == ("V5", "II")
    np.testing.assert_allclose(signal.lead("V5"), ecg, atol=0.006)
    aside = "left aside: ABP (mmHg, 250 Hz), EEG C4-A1 (mV, 250 Hz)"
    assert signal.notes == (f"read as ECG by name and unit: V5, II; {aside}",)


def test_channels_without_a_name_beside_others_are_taken_by_their_signal(
    tmp_path: Path, ecg: np.ndarray, noise: np.ndarray
) -> None:
    path = write(tmp_path, [("EOG", "mV", noise), ("CH1", "mV", noise), ("CH2", "mV", ecg)])
    signal = read(path)
    assert signal.leads == ("CH2",)
    assert "read as ECG by signal: CH2" in signal.notes[0]


def test_a_record_whose_ecg_cannot_be_told_is_refused_with_the_list(tmp_path: Path, noise: np.ndarray) -> None:
    path = write(tmp_path, [("EOG", "mV", noise), ("CH1", "mV", noise)])
    with pytest.raises(
        DataError, match=r"among EOG \(mV, 250 Hz\), CH1 \(mV, 250 Hz\).*--lead NAME, or --lead POSITION"
    ):
        read(path)
    assert read(path, leads=["CH1"]).leads == ("CH1",)
    assert read(path, leads=["0"]).leads == ("EOG",)


def test_channels_without_names_are_all_read(tmp_path: Path, ecg: np.ndarray, noise: np.ndarray) -> None:
    signal = read(write(tmp_path, [("", "mV", noise), ("", "mV", ecg)]))
    assert signal.leads == ("lead 1", "lead 2")
    assert signal.notes == ()


def test_leads_are_read_in_the_order_they_are_named(tmp_path: Path, ecg: np.ndarray) -> None:
    path = write(tmp_path, [("II", "mV", ecg), ("V5", "uV", -ecg), ("ABP", "mmHg", ecg)])
    for leads in (["V5", "II"], [1, 0], ["1", "ii"]):
        signal = read(path, leads=leads)
        assert signal.leads == ("V5", "II")
        np.testing.assert_allclose(signal.signal_mv_SC[:, 0], -ecg / 1000, atol=6e-6)
    for leads, message in (
        (["V1"], "no lead called 'V1'; expected one of II, V5, ABP"),
        (["7"], "no lead at position 7"),
        (["II", "0"], "one lead twice"),
        (["ABP"], "ABP in mmHg; expected a channel in a unit of voltage"),
    ):
        with pytest.raises(UsageError, match=message):
            read(path, leads=leads)
