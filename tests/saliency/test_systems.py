"""Why a system names a segment as it does: planted networks, side inputs, and the relevance that one has of its own."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.arena import relevance
from ecgfeat.arena.kernels import Kernels
from ecgfeat.arena.rhythm_vector import RHYTHM_SLOTS
from ecgfeat.arena.system import System, build_system
from ecgfeat.deploy.preparation import Preparation
from ecgfeat.errors import DataError, UsageError
from ecgfeat.saliency import systems
from ecgfeat.saliency.gradients import LARGEST_RESIDUAL
from ecgfeat.saliency.systems import MAXIMA, RHYTHM, SHARES, explain_segment
from tests.fixtures.systems import settings_of
from tests.saliency.conftest import make_signal

FS_HZ, SAMPLES = 64, 640
CLASSES = ("one", "two", "three")
PREPARATION = Preparation("planted", FS_HZ, SAMPLES, 2, 0.5, 30.0, None, "", (), CLASSES, "single")


class SecondLead(nn.Module):
    """The logit of the second class is a sum over the second lead; the others are 0."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0, 1, SAMPLES))

    def forward(self, signal_BCS):
        logit_B = signal_BCS[:, 1] @ self.weight
        zero_B = torch.zeros_like(logit_B)
        return torch.stack([zero_B, logit_B, zero_B], dim=-1)


@pytest.fixture
def planted():
    return System(SecondLead(), num_samples=SAMPLES, num_classes=3, fs_hz=FS_HZ).eval()


def make_system(name):
    config = {"num_leads": 2, "num_classes": 3, "num_samples": SAMPLES}
    system = build_system(name, settings_of(name), seed=5, **config)
    system.fit_side([torch.randn(12, 2, SAMPLES, generator=torch.Generator().manual_seed(1))])
    return system


def check_sums(explanation):
    total = sum(part.value for part in explanation.parts) + explanation.residual
    assert total == pytest.approx(explanation.difference, abs=1e-4)
    assert abs(explanation.residual) <= LARGEST_RESIDUAL * max(abs(explanation.difference), 0.5)
    assert explanation.relevance.shape == (SAMPLES, 2)
    assert explanation.relevance.sum() == pytest.approx(explanation.parts[0].value, abs=1e-4)


def test_a_network_that_sees_one_lead_gives_the_other_nothing(planted):
    explanation = explain_segment(planted, PREPARATION, make_signal(), 3.0, answer="two")
    check_sums(explanation)
    np.testing.assert_array_equal(explanation.relevance[:, 0], 0)
    assert np.abs(explanation.relevance[:, 1]).max() > 0.5
    assert explanation.share == pytest.approx(1, abs=1e-4)
    assert explanation.columns == ("MLII", "V1")


def test_rows_have_the_times_of_the_record(planted):
    explanation = explain_segment(planted, PREPARATION, make_signal(), 13.0, answer="two")
    assert (explanation.at_s, explanation.start_s[0], explanation.stop_s[-1]) == (10.0, 10.0, 20.0)
    # The record has 28 s: its last segment ends with it.
    last = explain_segment(planted, PREPARATION, make_signal(), 27.0, answer="two")
    assert (last.start_s[0], last.stop_s[-1]) == (18.0, 28.0)


def test_a_gain_changes_nothing(planted):
    one, two = (explain_segment(planted, PREPARATION, make_signal(gain), 3.0, answer="two") for gain in (1.0, 4.0))
    # Whole microvolts: small deflections are rounded.
    np.testing.assert_allclose(two.relevance, one.relevance, atol=0.05)


@pytest.mark.parametrize("name", ["resnet1d", "cnn_attn_bilstm", "ecg_ramba"])
def test_the_parts_and_the_residual_are_the_difference(name):
    explanation = explain_segment(make_system(name), PREPARATION, make_signal(), 3.0)
    check_sums(explanation)
    assert explanation.baseline == "a flat line"
    groups = [*explanation.sum_groups()]
    assert groups == (["signal of the segment", MAXIMA, SHARES, RHYTHM] if name == "ecg_ramba" else groups[:1])


def test_what_stands_beside_the_network_is_named_and_placed():
    system = make_system("ecg_ramba")
    explanation = explain_segment(system, PREPARATION, make_signal(), 13.0)
    parts = {group: [part for part in explanation.parts if part.group == group] for group in (MAXIMA, SHARES, RHYTHM)}
    assert [part.name for part in parts[RHYTHM]] == [*RHYTHM_SLOTS]
    assert [part.extent_s for part in parts[MAXIMA]] == [(10.0 + second, 11.0 + second) for second in range(10)]
    assert [part.name for part in parts[SHARES]] == [
        f"taps {dilation / FS_HZ:.3g} s apart" for dilation in system.side_inputs.kernels.dilations
    ]
    assert all(any(part.value for part in of) for of in parts.values())


def test_a_maximum_lies_where_the_kernel_responds_most(monkeypatch):
    """One kernel of one tap of the first lead: all of the part of the maxima is in the second of the spike."""
    system = make_system("ecg_ramba")
    side = system.side_inputs
    weight = torch.zeros(1, 2, 9)
    weight[0, 0, 4] = 1.0
    side.kernels = Kernels((weight,), (torch.zeros(1),), (1,))
    side.mean, side.components = torch.zeros(2), torch.zeros(8, 2)
    side.components[0, 0] = side.components[1, 1] = 1.0
    signal_1CS = torch.zeros(1, 2, SAMPLES)
    signal_1CS[0, 0, 7 * FS_HZ + 3] = 5.0
    attribution_P = torch.tensor([2.0, 0.5, *[0.0] * 6], dtype=torch.float64)
    monkeypatch.setattr(systems, "transform", lambda signal, kernels: torch.tensor([[5.0, 1 / SAMPLES]]))
    *maxima, share = systems._list_kernels(side, signal_1CS, 20.0, FS_HZ, attribution_P)
    assert {part.extent_s: part.value for part in maxima if part.value} == {(27.0, 28.0): 2.0}
    assert share.value == pytest.approx(0.5)


def test_the_system_with_a_relevance_of_its_own_uses_it(monkeypatch):
    system = make_system("ecg_mamba2")
    explanation = explain_segment(system, PREPARATION, make_signal(), 3.0)
    check_sums(explanation)
    assert explanation.baseline_value == 0
    assert [part.name for part in explanation.parts] == ["", ""]
    calls = []
    monkeypatch.setattr(relevance, "explain", lambda *args: calls.append(args) or torch.zeros(1, 2, SAMPLES))
    assert explain_segment(system, PREPARATION, make_signal(), 3.0).share in (0, None)
    assert len(calls) == 2


def test_equal_bytes_each_time():
    one, two = (
        json.dumps(explain_segment(make_system("resnet1d"), PREPARATION, make_signal(), 3.0).as_dict())
        for _ in range(2)
    )
    assert one == two


def test_a_lead_that_is_missing_is_named(planted):
    explanation = explain_segment(planted, PREPARATION, make_signal(num_leads=1), 3.0, answer="two")
    assert explanation.columns == ("MLII", "missing")
    np.testing.assert_array_equal(explanation.relevance, 0)


def test_what_cannot_be_explained_is_refused(planted):
    with pytest.raises(UsageError, match="no class 'four'; expected one of one, two, three"):
        explain_segment(planted, PREPARATION, make_signal(), 3.0, answer="four")
    with pytest.raises(DataError, match="drawn: 30 s; expected a time within 0 to 28 s"):
        explain_segment(planted, PREPARATION, make_signal(), 30.0)
    with pytest.raises(DataError, match=r"drawn: 6.0 s; expected at least 10 s of signal"):
        explain_segment(planted, PREPARATION, make_signal(duration_s=6.0), 3.0)
    blind = System(SecondLead(), reads_signal=False, num_samples=SAMPLES, num_classes=3, fs_hz=FS_HZ)
    with pytest.raises(UsageError, match="chronos_mlp, whose network reads an embedding alone"):
        explain_segment(blind, replace(PREPARATION, system="chronos_mlp"), make_signal(), 3.0)
