"""Copies of records with recorded noise are described anew, and what noise adds is no ectopic beat."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from ecgfeat.beats.net_training import IGNORED
from ecgfeat.errors import UsageError
from ecgfeat.simulate.recorded_noise import NoisePool
from ecgfeat.store.schemas import COMMON_FS_HZ, INVALID_UV
from pipeline.params import read_params
from pipeline.read import noisy_copies
from pipeline.read.beat_training import TRAINING_SPLITS, read_noisy_records, read_training_beats
from pipeline.read.noisy_copies import NOISE_S, add_changing_noise, read_noisy_copies
from pipeline.read.recorded_noise import read_noise
from tests.fixtures.noisy_corpus import add_noisy_corpus


@pytest.fixture(scope="module")
def run(systems_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a small run with a corpus of noise, and copies at 0 to 6 dB."""
    folder = tmp_path_factory.mktemp("noisy_copies") / "run"
    shutil.copytree(systems_run, folder)
    add_noisy_corpus(folder)
    set_noise(folder, [0.0, 6.0])
    return folder


def set_noise(folder: Path, snr_db: list[float]) -> None:
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["train_beats"]["noise_snr_db"] = snr_db
    yaml.dump(params, folder / "params.yaml")


def test_a_copy_is_found_and_described_anew(run: Path) -> None:
    with contextlib.chdir(run):
        params = read_params()
        clean = {beats.row["record"]: beats for _, beats in read_training_beats(params)}
        copies = list(read_noisy_copies(params, TRAINING_SPLITS, read_noise(params, "train")))
    noisy = {beats.row["record"]: beats for _, beats, _ in copies}
    assert noisy.keys() <= clean.keys()
    assert noisy
    assert {beats.row["split"] for beats in noisy.values()} <= set(TRAINING_SPLITS)
    for record, beats in noisy.items():
        assert len(beats.window_uv) == len(beats.rpeaks["sample"]) == beats.is_used.sum()
        noise = np.nanmedian(beats.feature["noise_1"])
        assert noise > 2 * np.nanmedian(clean[record].feature["noise_1"])


def test_what_noise_adds_is_taken_for_n_and_trees_learn_nothing_from_it(run: Path) -> None:
    with contextlib.chdir(run):
        params = read_params()
        pool = read_noise(params, "train")
        copies = list(read_noisy_copies(params, TRAINING_SPLITS, pool))
        records = list(read_noisy_records(params, np.random.default_rng(0)))
    assert sum(is_noise.sum() for _, _, is_noise in copies) > 0
    assert len(records) == len(copies)
    for record, (_, beats, is_noise) in zip(records, copies, strict=True):
        aami = beats.rpeaks["aami"].astype(str)
        assert (aami[is_noise] == "").all()
        assert (record.label[is_noise] == 0).all()
        assert (record.label[(aami == "") & ~is_noise] == IGNORED).all()
        assert (record.label[aami == "V"] == 2).all()
        assert record.prematurity is None
        assert record.weight == params.train_beats.noisy_weight
        assert record.trains_only


def test_flutter_waves_and_beats_that_are_badly_placed_are_no_noise(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.chdir(run):
        params = read_params()
        pool = read_noise(params, "train")
        _, beats, is_noise = max(read_noisy_copies(params, ("train",), pool), key=lambda copy: copy[2].sum())
        assert is_noise.any()
        reference = np.flatnonzero(beats.rpeaks["aami"] != "")
        distance = np.abs(beats.rpeaks["sample"][is_noise][:, None] - beats.rpeaks["sample"][reference]).min(axis=1)
        assert distance.min() >= (NOISE_S - 0.16) * COMMON_FS_HZ  # a matched beat is within 0.15 s of its reference
        describe = noisy_copies.find_and_describe_beats

        def in_flutter(*about: object) -> object:
            found = describe(*about)
            found.rpeaks["rhythm"][:] = "VFL"
            return found

        monkeypatch.setattr(noisy_copies, "find_and_describe_beats", in_flutter)
        assert not any(noise.any() for _, _, noise in read_noisy_copies(params, ("train",), pool))


def test_the_level_changes_and_both_leads_have_noise_of_their_own() -> None:
    rng = np.random.default_rng(0)
    piece = rng.normal(size=(4, 1280)).astype(np.float32)
    pool = NoisePool(piece / piece.std(axis=1, keepdims=True), COMMON_FS_HZ)
    # A square wave of 1 mV: the power of an ECG of this amplitude is 0.125 mV squared.
    time = np.arange(60 * 128)
    wave = np.where(time % 128 < 12, 1000, 0)
    signal = np.stack([wave, wave], axis=1).astype(np.int16)
    signal[:200, 1] = INVALID_UV
    noisy = add_changing_noise(signal, "a/1", pool, (0.0, 20.0))
    assert (noisy[:200, 1] == INVALID_UV).all()
    added = (noisy[256:] - signal[256:].astype(int)).astype(float)
    level = added[: len(added) // 640 * 640].reshape(-1, 640, 2).std(axis=1)
    assert level.max() < 500
    assert level.min() > 20
    assert (level.max(axis=0) > 1.5 * level.min(axis=0)).all()
    assert abs(np.corrcoef(added.T)[0, 1]) < 0.3
    np.testing.assert_array_equal(noisy, add_changing_noise(signal, "a/1", pool, (0.0, 20.0)))
    assert not np.array_equal(noisy, add_changing_noise(signal, "a/2", pool, (0.0, 20.0)))


def test_noise_that_is_nowhere_is_refused_in_a_line(systems_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(systems_run, folder)
    set_noise(folder, [0.0, 6.0])
    with contextlib.chdir(folder):
        with pytest.raises(UsageError, match=r"train_beats.noise_snr_db: no noisy record of cinc2017") as caught:
            list(read_noisy_records(read_params(), np.random.default_rng(0)))
        assert "\n" not in str(caught.value)
        set_noise(folder, [])
        assert list(read_noisy_records(read_params(), np.random.default_rng(0))) == []
