"""The zero-shot protocol: which diagnoses speak for which class, which windows count, and what is pooled first."""

import numpy as np
import pytest

from ecgfeat.annotations import Episodes
from ecgfeat.corpora.snomed import CLASSES_27
from ecgfeat.errors import DataError, UsageError
from ecgfeat.record_pooling import power_mean
from ecgfeat.zero_shot import (
    FIBRILLATION,
    SUPERCLASSES,
    find_groups,
    label_af_windows,
    pool_folds,
    refer_to_groups,
    score_groups,
)

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
    ("asked", "known", "groups"),
    [
        (("NORM", "MI", "STTC", "CD", "HYP"), CLASSES_27, SUPERCLASSES),
        (("NORM", "MI", "HYP"), ("SB", "AF", "SNR"), {"NORM": ("SNR", "SB")}),
        (("N", "A", "O", "~"), ("SNR", "SB", "AFL"), {"N": ("SNR",), "A": ("AFL",)}),
        (("AF", "AFL", "PAC", "TAb"), ("AF", "AFL", "PAC"), {"AF": ("AF", "AFL"), "PAC": ("PAC",)}),
        (("AFL", "SNR"), ("N", "A", "O", "~"), {"SNR": ("N",)}),
        (("AF",), ("NORM", "MI"), {}),
    ],
)
def test_who_speaks_for_whom(asked, known, groups):
    assert find_groups(asked, known) == groups


def test_a_record_states_denies_or_leaves_open():
    labels = [["AFL"], ["SNR"], ["SNR"], ["AF"], []]
    unknown = [["AF", "PAC"], ["AFL"], ["PAC"], ["AFL"], ["SB"]]
    found = refer_to_groups(labels, unknown, ("AF", "SNR", "PAC"))
    expected = [[1, 0, np.nan], [np.nan, 1, 0], [0, 1, np.nan], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(found, expected)


def test_windows_of_a_paroxysmal_record():
    # Normal, a transition in the third window, fibrillation, flutter, back in the seventh, an unnamed rest.
    marked = episodes(
        (0, 4500, "N"), (4500, 9000, "AFIB"), (9000, 12100, "AFL"), (12100, 16000, "N"), (16000, 18000, "VT")
    )
    start, is_af = label_af_windows(marked, 21_999, FS_HZ)
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
    assert label_af_windows(episodes(*rows), WINDOW, FS_HZ)[1].tolist() == kept


def test_partial_windows_are_left_out():
    marked = episodes((0, 10_000, "AFIB"))
    assert label_af_windows(marked, WINDOW - 1, FS_HZ)[0].tolist() == []
    assert label_af_windows(marked, 2 * WINDOW - 1, FS_HZ)[0].tolist() == [0]
    assert label_af_windows(marked, 2 * WINDOW, FS_HZ)[0].tolist() == [0, 2000]
    assert label_af_windows(marked, 2 * WINDOW, FS_HZ, window_s=5)[0].tolist() == [0, 1000, 2000, 3000]
    with pytest.raises(UsageError, match="window_s"):
        label_af_windows(marked, WINDOW, FS_HZ, window_s=0.001)


def test_folds_are_averaged_before_slices_are_pooled():
    by_fold = np.array([[[0.1], [0.9], [0.3]], [[0.3], [0.7], [0.5]]])
    record_R, pooled_RK = pool_folds(by_fold, [0, 0, 1])
    assert record_R.tolist() == [0, 1]
    np.testing.assert_allclose(pooled_RK, [[power_mean([0.2, 0.8], 3)], [0.4]])
    # The other order would give another number.
    assert pooled_RK[0, 0] != pytest.approx(np.mean([power_mean([0.1, 0.9], 3), power_mean([0.3, 0.7], 3)]), abs=1e-4)
    with pytest.raises(DataError, match="folds, slices, classes"):
        pool_folds(by_fold[0], [0, 0, 1])
