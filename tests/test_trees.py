"""Boosted trees are text: equal on every machine, read only if whole, and balanced over records."""

import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import torch

from ecgfeat.trees import Trees, TreeSettings, balance_rows, fit_trees

SETTINGS = TreeSettings(iterations=8, leaves=5, min_rows=20, lr=0.2)


def make_rows(num_classes):
    rng = np.random.default_rng(0)
    value = rng.normal(size=(3000, 4)).astype(np.float32)
    value[::7, 1] = np.nan
    target = (value[:, 0] > 0).astype(np.int64)
    if num_classes == 3:
        target += value[:, 2] > 1
    return value, target


@pytest.mark.parametrize("num_classes", [2, 3])
def test_trees_learn_and_return_probabilities(num_classes):
    value, target = make_rows(num_classes)
    trees = fit_trees(value, target, np.ones(3000), list("abcd"), SETTINGS, num_classes=num_classes, seed=1)
    probability = trees.predict(value)
    assert trees.columns == ("a", "b", "c", "d")
    assert probability.dtype == np.float32
    if num_classes == 2:
        assert probability.shape == (3000,)
        assert ((probability > 0.5) == target).mean() > 0.97
        assert trees.predict(value[:0]).shape == (0,)
    else:
        np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)
        assert (probability.argmax(axis=1) == target).mean() > 0.95
        assert trees.predict(value[:0]).shape == (0, 3)
    np.testing.assert_array_equal(Trees(trees.text).predict(value), probability)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_parts_of_a_score_are_the_score(num_classes):
    value, target = make_rows(num_classes)
    trees = fit_trees(value, target, np.ones(3000), list("abcd"), SETTINGS, num_classes=num_classes, seed=1)
    part_NKD = trees.split_scores(value[:50])
    assert part_NKD.shape == (50, 1 if num_classes == 2 else 3, 5)
    score_NK = part_NKD.sum(axis=2)
    if num_classes == 2:
        expected = 1 / (1 + np.exp(-score_NK[:, 0]))
    else:
        expected = np.exp(score_NK) / np.exp(score_NK).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(trees.predict(value[:50]), expected, atol=1e-5)
    # The mean of the training rows is the same for every row, and the column that is pure noise has little.
    np.testing.assert_array_equal(part_NKD[1:, :, -1], part_NKD[:-1, :, -1])
    assert np.abs(part_NKD[..., 3]).mean() < 0.1 * np.abs(part_NKD[..., 0]).mean()


def test_the_text_does_not_depend_on_the_number_of_threads():
    code = (
        "import numpy, hashlib\nfrom ecgfeat.trees import *\nr = numpy.random.default_rng(0)\n"
        "x = r.normal(size=(20000, 6)).astype('f4')\ny = (x[:, 0] + x[:, 1] > 0).astype(int)\n"
        "t = fit_trees(x, y, numpy.ones(20000), list('abcdef'), TreeSettings(5, 8, 20, .1), num_classes=2, seed=3)\n"
        "print(hashlib.sha256(t.text.encode()).hexdigest())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"OMP_NUM_THREADS": threads, "PATH": ""}, cwd=Path(__file__).parents[1],
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(texts) == 1


def test_trees_take_as_many_threads_as_torch_and_are_the_same(monkeypatch):
    value, target = make_rows(3)
    given = []
    train, predict = lightgbm.train, lightgbm.Booster.predict

    def train_and_note(params, *rest):
        given.append(params["num_threads"])
        return train(params, *rest)

    def predict_and_note(booster, rows, **options):
        given.append(options["num_threads"])
        return predict(booster, rows, **options)

    monkeypatch.setattr(lightgbm, "train", train_and_note)
    monkeypatch.setattr(lightgbm.Booster, "predict", predict_and_note)
    before, texts, answers = torch.get_num_threads(), [], []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            trees = fit_trees(value, target, np.ones(3000), list("abcd"), SETTINGS, num_classes=3, seed=1)
            texts.append(trees.text)
            answers.append(trees.predict(value).tobytes())
    finally:
        torch.set_num_threads(before)
    assert given == [1, 1, 2, 2]
    assert len(set(texts)) == len(set(answers)) == 1


def test_neither_a_record_nor_a_class_with_many_rows_decides_everything():
    target = np.repeat([0, 1, 1], [900, 100, 400])
    group = np.repeat([0, 0, 1], [900, 100, 400])
    weight = balance_rows(target, group, 2)
    assert weight.mean() == pytest.approx(1)
    first, second = weight[target == 1][[0, -1]]
    assert first / second == pytest.approx(2)  # 400 rows count each half of what 100 do
