"""Why beats got their rhythm: the parts are the difference, and planted models are found."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.arrhythmia.figures import FIGURES
from ecgfeat.errors import UsageError
from ecgfeat.files import read
from ecgfeat.records.reader import Signal
from ecgfeat.saliency import rhythms
from ecgfeat.saliency.gradients import LARGEST_RESIDUAL, NUM_STEPS
from ecgfeat.saliency.rhythms import GROUPS, explain_rhythm
from ecgfeat.saliency.seen import see_record
from ecgfeat.store.schemas import RHYTHMS


class ThreeBack(nn.Module):
    """A Transformer's place-holder: the logit of B at a beat is twice the probability of V three beats before."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([2.0]))

    def forward(self, feature_BLD, valid_BL):
        seen_BL = feature_BLD[..., FIGURES.index("p_v_at_+0")]
        logit_BL = self.factor * torch.roll(seen_BL, 3, dims=1)
        return torch.stack([torch.zeros_like(logit_BL)] * (len(RHYTHMS) - 1) + [logit_BL], dim=-1)


@pytest.fixture(scope="module")
def explanation(models, seen):
    return explain_rhythm(models, seen, 12)


def check_sums(explanation):
    total = sum(part.value for part in explanation.parts) + explanation.residual
    assert total == pytest.approx(explanation.difference, abs=1e-9)
    assert abs(explanation.residual) <= LARGEST_RESIDUAL * max(abs(explanation.difference), 0.5)
    on_trace = sum(part.value for part in explanation.parts if part.is_on_trace)
    assert explanation.relevance.sum() == pytest.approx(on_trace)


def test_the_number_is_the_logit_of_the_posterior(seen, explanation):
    probability = float(seen.posterior[12].max())
    assert explanation.answer == RHYTHMS[int(seen.posterior[12].argmax())]
    assert explanation.value == pytest.approx(np.log(probability / (1 - probability)), abs=2e-3)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"answer": "AFL"}, r"^rhythm: unknown rhythm 'AFL'; expected one of NSR, AFIB, SBR, AB, SVTA, B\.$"),
        ({"baseline": "zz"}, r"^baseline: unknown baseline 'zz'; expected one of regular, mean\.$"),
    ],
)
def test_a_name_that_there_is_not_is_refused_with_those_there_are(models, seen, choice, message):
    with pytest.raises(UsageError, match=message):
        explain_rhythm(models, seen, 12, **choice)


@pytest.mark.parametrize(("answer", "baseline"), [("B", "regular"), ("AFIB", "mean")])
def test_the_parts_and_the_residual_are_the_difference(models, seen, answer, baseline):
    explanation = explain_rhythm(models, seen, 12, answer=answer, baseline=baseline)
    check_sums(explanation)
    names = {part.name for part in explanation.parts}
    assert set(FIGURES) < names
    assert {part.group for part in explanation.parts} == {
        f"{group}, by the {method}" for group in GROUPS for method in ("Transformer", "trees")
    }


@pytest.mark.parametrize("method", ["transformer", "trees"])
def test_of_one_method_alone_the_other_has_no_part(models, seen, method):
    head = replace(models.head, method=method)
    explanation = explain_rhythm(replace(models, head=head), seen, 12, answer="SVTA")
    check_sums(explanation)
    assert all(part.is_on_trace == (method == "transformer") for part in explanation.parts)
    if method == "trees":
        np.testing.assert_array_equal(explanation.relevance, 0)
        assert explanation.similarity is None


def test_a_network_that_sees_one_beat_gives_all_others_nothing(models, seen):
    head = replace(models.head, net=ThreeBack().eval(), method="transformer")
    explanation = explain_rhythm(replace(models, head=head), seen, 13, answer="B")
    at = 13 - 3  # the broad beat that is V, in the one stretch of this record
    expected_NG = np.zeros((len(seen.label), len(GROUPS)))
    own_D, usual_D = (np.full(len(FIGURES), chance, dtype=np.float32) for chance in (seen.probability[at, 2], 0))
    change = (head.scale.apply(own_D) - head.scale.apply(usual_D))[FIGURES.index("p_v_at_+0")]
    expected_NG[at, GROUPS.index("V beats")] = 2 * change / head.smoothing["transformer"].temperature
    np.testing.assert_allclose(explanation.relevance, expected_NG, rtol=1e-3, atol=1e-6)
    assert explanation.share == pytest.approx(1, abs=1e-4)


def test_rows_are_the_intervals_before_the_beats(seen, explanation):
    assert len(explanation.start_s) == len(seen.time_s)
    np.testing.assert_array_equal(explanation.stop_s, seen.time_s)
    np.testing.assert_allclose(explanation.start_s[1:], seen.time_s[:-1])


def test_equal_bytes_each_time(models, seen, explanation):
    assert json.dumps(explain_rhythm(models, seen, 12).as_dict()) == json.dumps(explanation.as_dict())


def test_random_weights_make_another_map_and_the_same_ones_the_same(models, seen, explanation, monkeypatch):
    assert explanation.similarity < 0.95
    monkeypatch.setattr(rhythms, "RANDOM_STEPS", NUM_STEPS)
    monkeypatch.setattr(rhythms, "redraw_weights", copy.deepcopy)
    assert explain_rhythm(models, seen, 12).similarity == pytest.approx(1)


def test_fibrillation_of_a_real_record_is_seen_in_its_intervals(models, mitdb):
    whole = read(mitdb / "203")
    signal = Signal(whole.record, whole.fs_hz, whole.leads, whole.signal_mv_SC[: 150 * 360])
    seen = see_record(signal, models)
    is_fibrillation = seen.posterior.argmax(axis=1) == RHYTHMS.index("AFIB")
    assert is_fibrillation.mean() > 0.5
    explanation = explain_rhythm(models, seen, int(np.flatnonzero(is_fibrillation)[is_fibrillation.sum() // 2]))
    check_sums(explanation)
    assert explanation.answer == "AFIB"
    groups = explanation.sum_groups()
    by_intervals = groups["intervals, by the Transformer"] + groups["intervals, by the trees"]
    # Regular beats are no fibrillation: what differs from them is first of all the intervals.
    assert by_intervals > 0.5 * explanation.difference > 2
