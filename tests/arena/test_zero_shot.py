"""The zero-shot protocol: which diagnoses speak for which class, which windows count, and what is pooled first."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML
from torch import nn

from ecgfeat.arena.checkpoint import save_left_out
from ecgfeat.arena.pooling import power_mean
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System
from ecgfeat.arena.transfer import arrange_leads, predict_by_folds
from ecgfeat.arena.zero_shot import (
    FIBRILLATION,
    SUPERCLASSES,
    find_groups,
    label_af_segments,
    pool_folds,
    refer_to_groups,
    score_groups,
)
from ecgfeat.corpora.corpus import LEADS_12
from ecgfeat.corpora.snomed import CLASSES_27
from ecgfeat.deploy.preparation import read_preparation
from ecgfeat.deploy.stream import name_record, open_stream
from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import read
from ecgfeat.records.annotations import Episodes
from pipeline import acquire, acquire_diagnostic, annotate, crossvalidate, diagnoses, signals
from pipeline.read.diagnoses import read_stored_leads, read_used_diagnoses
from pipeline.run import zero_shot
from tests.conftest import mirrored
from tests.fixtures.small_run import default_params

FS_HZ = 200
WINDOW = 2000


def probabilities(**known):
    row = np.zeros((1, len(CLASSES_27)))
    for name, value in known.items():
        row[0, CLASSES_27.index(name)] = value
    return row


def episodes(*rows):
    start, stop, rhythm = zip(*rows, strict=True) if rows else ((), (), ())
    return Episodes(np.array(start, dtype=np.int64), np.array(stop, dtype=np.int64), np.array(rhythm, dtype=np.str_))


def test_superclasses_are_known_diagnoses_and_hypertrophy_is_none():
    named = [name for group in SUPERCLASSES.values() for name in group]
    assert set(named) <= set(CLASSES_27)
    assert len(named) == len(set(named)) == 15
    assert list(SUPERCLASSES) == ["NORM", "MI", "STTC", "CD"]


def test_a_superclass_is_its_largest_diagnosis():
    row = probabilities(SNR=0.2, STach=0.6, QAb=0.1, TAb=0.3, LQT=0.25, NSIVCB=0.4, LBBB=0.35, AF=0.9, LAD=0.8)
    np.testing.assert_allclose(score_groups(row, CLASSES_27), [[0.6, 0.1, 0.3, 0.4]])
    for column, group in enumerate(SUPERCLASSES.values()):
        for name in group:
            scores = score_groups(probabilities(**{name: 0.5}), CLASSES_27)[0]
            assert scores[column] == scores.sum() == 0.5


def test_flutter_speaks_for_fibrillation():
    rows = np.concatenate([probabilities(AF=0.2, AFL=0.7), probabilities(AF=0.6), probabilities(SVPB=0.9)])
    np.testing.assert_allclose(score_groups(rows, CLASSES_27, FIBRILLATION), [[0.7], [0.6], [0.0]])


def test_a_network_with_fewer_diagnoses_scores_what_it_can():
    assert score_groups([[0.3, 0.4]], ("AFL", "SNR"), FIBRILLATION).tolist() == [[0.3]]
    with pytest.raises(UsageError, match="class MI: no diagnosis"):
        score_groups([[0.3, 0.4]], ("AFL", "SNR"))
    with pytest.raises(DataError, match="27 classes"):
        score_groups(np.zeros((2, 3)), CLASSES_27)


@pytest.mark.parametrize(
    ("target", "source", "groups"),
    [
        (("NORM", "MI", "STTC", "CD", "HYP"), CLASSES_27, SUPERCLASSES),
        (("NORM", "MI", "HYP"), ("SB", "AF", "SNR"), {"NORM": ("SNR", "SB")}),
        (("N", "A", "O", "~"), ("SNR", "SB", "AFL"), {"N": ("SNR",), "A": ("AFL",)}),
        (("AF", "AFL", "PAC", "TAb"), ("AF", "AFL", "PAC"), {"AF": ("AF", "AFL"), "PAC": ("PAC",)}),
        (("AFL", "SNR"), ("N", "A", "O", "~"), {"SNR": ("N",)}),
        (("PVC", "RBBB"), ("VPB", "PVC", "RBBB", "CRBBB"), {"PVC": ("PVC", "VPB"), "RBBB": ("RBBB", "CRBBB")}),
        (("PAC", "SVPB", "CRBBB"), ("PAC", "RBBB"), {"PAC": ("PAC",), "CRBBB": ("RBBB",)}),
        (("AF",), ("NORM", "MI"), {}),
    ],
)
def test_diagnoses_that_make_up_a_class(target, source, groups):
    assert find_groups(target, source) == groups


def test_a_record_states_denies_or_leaves_open():
    labels = [["AFL"], ["SNR"], ["SNR"], ["AF"], []]
    unknown = [["AF", "PAC"], ["AFL"], ["PAC"], ["AFL"], ["SB"]]
    found = refer_to_groups(labels, unknown, ("AF", "SNR", "PAC"))
    expected = [[1, 0, np.nan], [np.nan, 1, 0], [0, 1, np.nan], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(found, expected)


def test_two_codes_of_one_finding_are_one():
    labels, unknown = [["VPB"], ["SNR"], ["CRBBB"], []], [["PVC"], [], ["RBBB", "IRBBB"], ["VPB"]]
    found = refer_to_groups(labels, unknown, ("PVC", "RBBB"))
    np.testing.assert_array_equal(found, [[1, 0], [0, 0], [0, 1], [np.nan, 0]])


def test_windows_of_a_paroxysmal_record():
    # Normal, a transition in the third window, fibrillation, flutter, back in the seventh, an unnamed rest.
    marked = episodes(
        (0, 4500, "N"), (4500, 9000, "AFIB"), (9000, 12100, "AFL"), (12100, 16000, "N"), (16000, 18000, "VT")
    )
    start, is_af = label_af_segments(marked, 21_999, FS_HZ)
    assert start.tolist() == [0, 2000, 6000, 8000, 10000, 14000]
    assert is_af.tolist() == [False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(0, 1001, "N")], [False]),
        ([(0, 1000, "N")], []),  # a tie
        ([(0, 2000, "AFIB")], [True]),
        ([(0, 1999, "AFIB")], []),  # a transition
        ([(0, 1, "AFIB"), (1, 2000, "N")], []),
        ([(0, 1500, "AFIB"), (1500, 2000, "AFL")], [True]),
        ([(-50, 9999, "NSR")], [False]),
        ([(0, 2000, "VT")], []),
        ([], []),
    ],
)
def test_what_becomes_of_a_window(rows, kept):
    assert label_af_segments(episodes(*rows), WINDOW, FS_HZ)[1].tolist() == kept


def test_partial_windows_are_left_out():
    marked = episodes((0, 10_000, "AFIB"))
    assert label_af_segments(marked, WINDOW - 1, FS_HZ)[0].tolist() == []
    assert label_af_segments(marked, 2 * WINDOW - 1, FS_HZ)[0].tolist() == [0]
    assert label_af_segments(marked, 2 * WINDOW, FS_HZ)[0].tolist() == [0, 2000]
    assert label_af_segments(marked, 2 * WINDOW, FS_HZ, segment_s=5)[0].tolist() == [0, 1000, 2000, 3000]
    with pytest.raises(UsageError, match="segment_s"):
        label_af_segments(marked, WINDOW, FS_HZ, segment_s=0.001)


def test_folds_are_averaged_before_slices_are_pooled():
    by_fold = np.array([[[0.1], [0.9], [0.3]], [[0.3], [0.7], [0.5]]])
    record_R, pooled_RK = pool_folds(by_fold, [0, 0, 1], 3)
    assert record_R.tolist() == [0, 1]
    np.testing.assert_allclose(pooled_RK, [[power_mean([0.2, 0.8], 3)], [0.4]])
    # The other order would give another number.
    assert pooled_RK[0, 0] != pytest.approx(np.mean([power_mean([0.1, 0.9], 3), power_mean([0.3, 0.7], 3)]), abs=1e-4)
    with pytest.raises(DataError, match="folds, slices, classes"):
        pool_folds(by_fold[0], [0, 0, 1], 3)


class Peak(nn.Module):
    """A network whose two logits are the largest values of two leads, times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, signal_BCS):
        return self.factor * signal_BCS[:, :2].amax(2)


def make_peaks(factor, num_samples=100):
    return System(Peak(factor), num_samples=num_samples, num_classes=2, fs_hz=10.0)


def test_folds_are_asked_about_half_overlapping_slices():
    rng = np.random.default_rng(0)
    signals = SignalTable([rng.integers(-900, 900, (2, num)).astype(np.int16) for num in (200, 250, 60)], 10.0)
    slices = []
    found_RK = predict_by_folds(
        [make_peaks(0.1), make_peaks(-0.3)], signals, "multi", power=3.0, on_slices=slices.append
    )
    assert sum(slices) == 2 * (3 + 4 + 1), "each model reads every slice"
    for row, starts in enumerate([(0, 50, 100), (0, 50, 100, 150), (0,)]):
        window_BCS = signals.segments(np.full(len(starts), row), np.array(starts), 100)
        top_BK = window_BCS.amax(2).double()
        mean_BK = ((0.1 * top_BK).sigmoid() + (-0.3 * top_BK).sigmoid()) / 2
        np.testing.assert_allclose(found_RK[row], power_mean(mean_BK.numpy(), 3.0), rtol=1e-5)
    np.testing.assert_allclose(predict_by_folds([make_peaks(1.0)], signals, "single", power=1.0).sum(axis=1), 1.0)


def test_leads_stand_where_the_model_expects_them():
    signal_CS = np.arange(6, dtype=np.int16).reshape(3, 2)
    found_LS = arrange_leads(signal_CS, ("V1", "II", "x"), ("I", "II", "V1"), "corpus")
    assert found_LS.tolist() == [[0, 0], [2, 3], [0, 1]]
    with pytest.raises(DataError, match="leads ECG, ECG"):
        arrange_leads(signal_CS, ("ECG", "ECG"), ("I", "II"), "ltafdb/00")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with models of simulated twelve-lead records, and simulated two-lead records they never saw."""
    folder = tmp_path_factory.mktemp("zero-shot")
    yaml = YAML()
    params = yaml.load(default_params())
    changes = {
        "acquire": {"subjects": 6, "minutes": 5},
        "acquire_diagnostic": {"records": 40},
        "diagnoses": {"folds": 2},
        "resnet1d": {"width": 4, "record_epochs": 1, "seconds": 5},
        "crossvalidate": {"views": 1},
        "arena": {"bootstrap": 100},
        "runtime": {"device": "cpu", "threads": 1},
    }
    for section, values in changes.items():
        assert values.keys() <= params[section].keys()
        params[section] |= values
    with contextlib.chdir(folder):
        yaml.dump(params, Path("params.yaml"))
        for stage in (acquire_diagnostic, diagnoses):
            stage.main("simulate12")
        crossvalidate.main("simulate12", "resnet1d")
        for stage in (acquire, annotate, signals):
            stage.main("simulate")
    return folder


def test_windows_of_a_corpus_of_rhythms_are_asked_about_fibrillation(trained, monkeypatch):
    monkeypatch.chdir(trained)
    line = zero_shot.main("simulate12", "simulate", "resnet1d")
    found = json.loads(Path("reports/zero_shot/simulate12-simulate-resnet1d.json").read_text())
    scores = found["scores"]
    assert found["groups"] == {"AF": ["AF"]}
    assert found["folds"] == 2
    # MLII stands for II; of twelve leads two are shown.
    assert found["leads_missing"] == ["I", "III", "aVR", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6"]
    assert scores["num_subjects"] == 6
    assert scores["support"]["AF"] + scores["negatives"]["AF"] == scores["num_records"] > 30
    assert min(scores["support"]["AF"], scores["negatives"]["AF"]) > 5
    assert 0 <= scores["macro_auroc"] <= 1
    assert (
        scores["interval"]["macro_auroc"]["low"] <= scores["macro_auroc"] <= scores["interval"]["macro_auroc"]["high"]
    )
    assert f"ROC-AUC {scores['macro_auroc']:.3f}" in line
    before = Path("reports/zero_shot/simulate12-simulate-resnet1d.json").read_bytes()
    zero_shot.main("simulate12", "simulate", "resnet1d")
    assert Path("reports/zero_shot/simulate12-simulate-resnet1d.json").read_bytes() == before


def test_a_system_may_be_shown_some_leads_alone(trained, tmp_path, monkeypatch):
    folder = shutil.copytree(trained, tmp_path / "run")
    monkeypatch.chdir(folder)
    yaml = YAML()
    params = yaml.load(Path("params.yaml"))
    params["crossvalidate"]["leads"] = ["V1", "II"]
    yaml.dump(params, Path("params.yaml"))
    rows = read_used_diagnoses("simulate12")[:2]
    for some_SC, all_SC in zip(
        read_stored_leads("simulate12", rows, ["II", "V1"]),
        read_stored_leads("simulate12", rows, LEADS_12),
        strict=True,
    ):
        np.testing.assert_array_equal(some_SC, all_SC[:, [1, 6]])
    crossvalidate.main("simulate12", "resnet1d")
    described = json.loads(Path("models/diagnostic/simulate12/resnet1d/fold0/system.json").read_text())
    assert described["config"]["num_leads"] == 2
    assert described["info"]["leads"] == ["II", "V1"]
    # Streamed or exported, it wants the same two.
    wanted = read_preparation(described)
    assert json.loads(wanted.as_metadata()["lead_names"]) == ["II", "V1"]
    record = read(Path("data/diagnostic/simulate12") / rows[0]["record"])
    stream = open_stream(Path("models/diagnostic/simulate12/resnet1d/fold0"), record.fs_hz)
    assert len(list(name_record(stream, record))) >= 1
    np.testing.assert_array_equal(
        wanted.pick_leads(record), record.signal_mv_SC[:, [record.leads.index("II"), record.leads.index("V1")]]
    )
    # On another corpus it reads the same two; MLII stands for II.
    zero_shot.main("simulate12", "simulate", "resnet1d")
    found = json.loads(Path("reports/zero_shot/simulate12-simulate-resnet1d.json").read_text())
    assert found["leads_missing"] == []


def test_what_cannot_be_asked_is_refused(trained, monkeypatch):
    monkeypatch.chdir(trained)
    with pytest.raises(UsageError, match="simulate12 as source and target"):
        zero_shot.main("simulate12", "simulate12", "resnet1d")
    with pytest.raises(UsageError, match="reads signal"):
        zero_shot.main("simulate12", "simulate", "htf_window")
    with pytest.raises(DataError, match="crossvalidate@simulate12-ecg_ramba"):
        zero_shot.main("simulate12", "simulate", "ecg_ramba")
    save_left_out(Path("models/diagnostic/simulate12/chronos_mlp"), "chronos_mlp", "no checkpoint at hand")
    with pytest.raises(UsageError, match="no checkpoint at hand"):
        zero_shot.main("simulate12", "simulate", "chronos_mlp")
    with pytest.raises(UsageError, match="unknown corpus"):
        zero_shot.main("simulate12", "nothing", "resnet1d")


def test_the_first_500_records_of_ptbxl_are_named_by_models_of_simulated_ones(trained, monkeypatch):
    monkeypatch.setenv("ECGFEAT_MIRROR", str(mirrored("ptbxl").parent))
    monkeypatch.chdir(trained)
    acquire_diagnostic.main("ptbxl")
    diagnoses.main("ptbxl")
    zero_shot.main("simulate12", "ptbxl", "resnet1d")
    found = json.loads(Path("reports/zero_shot/simulate12-ptbxl-resnet1d.json").read_text())
    # No simulated diagnosis speaks for infarction, ST-T changes or hypertrophy, and none is made up for them.
    assert found["groups"] == {"NORM": ["SNR", "SB", "STach"], "CD": ["LBBB", "RBBB", "IAVB"]}
    assert found["without_score"] == ["MI", "STTC", "HYP"]
    assert found["leads_missing"] == []
    assert found["scores"]["support"] == {"CD": 78, "NORM": 297}
    assert found["scores"]["num_records"] == 487
    assert set(found["scores"]["auroc"]) == {"CD", "NORM"}
