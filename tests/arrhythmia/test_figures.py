"""Figures of rhythm: names and columns agree, patterns are found, and what is not known stays missing."""

import numpy as np
import pytest

from ecgfeat.arrhythmia.figures import FIGURES, NUM_FIGURES, are_hidden, describe_rhythm
from ecgfeat.errors import UsageError

USUAL = (0.8, 0.8)


def describe(rr_s, ectopic, kind="s"):
    """Describe beats of which some are surely ectopic."""
    probability = np.zeros((len(rr_s), 3), dtype=np.float32)
    column = {"s": 1, "v": 2}[kind]
    probability[:, column] = ectopic
    probability[:, 0] = 1 - probability[:, column]
    rr_s = np.array(rr_s, dtype=np.float64)
    rr_s[0] = np.nan
    return dict(zip(FIGURES, describe_rhythm(rr_s, USUAL, probability).T, strict=True))


@pytest.mark.parametrize("kind", ["s", "v"])
@pytest.mark.parametrize(
    ("cycle", "pattern"),
    [([0, 1], "bigeminy"), ([1, 1, 1], "run"), ([0, 0, 1], "trigeminy")],
)
def test_each_pattern_is_found_and_no_other(kind, cycle, pattern):
    figure = describe(np.full(90, 0.8), np.resize(cycle, 90), kind)
    for name in ("bigeminy", "run", "trigeminy"):
        value = figure[f"{kind}_{name}_15"][20:70]
        expected = {"bigeminy": 1 / 2, "run": 1, "trigeminy": 1 / 3}[pattern] if name == pattern else 0
        np.testing.assert_allclose(value, expected, atol=0.04)
    other = {"s": "v", "v": "s"}[kind]
    assert not figure[f"p_{other}_mean_61"].any()


def test_neighbours_are_described_one_by_one():
    ectopic = np.zeros(50)
    ectopic[20] = 1
    figure = describe(np.full(50, 0.8), ectopic)
    assert figure["p_s_at_+0"][20] == 1
    assert figure["p_s_at_+3"][17] == 1
    assert figure["p_s_at_-2"][22] == 1
    assert np.isnan(figure["p_s_at_-4"][:4]).all()


def test_a_class_that_is_not_known_is_missing_and_the_rest_is_not():
    probability = np.full((40, 3), np.nan, dtype=np.float32)
    probability[:, :2] = 0.5
    rr_s = np.append(np.nan, np.full(39, 0.8))
    figure = dict(zip(FIGURES, describe_rhythm(rr_s, USUAL, probability).T, strict=True))
    assert np.isnan(figure["p_v_mean_61"]).all()
    assert np.isnan(figure["v_run_7"]).all()
    np.testing.assert_allclose(figure["p_s_mean_61"], 0.5)


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_a_stretch_may_be_short(size):
    rr_s = np.append(np.nan, np.full(size - 1, 0.8))
    figure = describe_rhythm(rr_s, USUAL, np.full((size, 3), 1 / 3, dtype=np.float32))
    assert figure.shape == (size, NUM_FIGURES)
    assert figure.dtype == np.float32
    assert not np.isinf(figure).any()


def test_figures_are_hidden_by_the_beginnings_of_their_names():
    hidden = [name for name, is_hidden in zip(FIGURES, are_hidden(["rr_rmssd", "p_v_at"]), strict=True) if is_hidden]
    assert len(hidden) == 4 + 9
    assert {name[:6] for name in hidden} == {"rr_rms", "p_v_at"}
    assert not are_hidden([]).any()
    with pytest.raises(UsageError, match="rr_rmsd"):
        are_hidden(["rr_rmsd"])
