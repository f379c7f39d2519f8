"""Why a beat got its class: the parts are the difference, a planted network is found, a gain changes nothing."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.beats.probabilities import Curve
from ecgfeat.beats.shapes import draw_windows
from ecgfeat.errors import UsageError
from ecgfeat.files import read
from ecgfeat.prediction.record import predict_record
from ecgfeat.records.reader import Signal
from ecgfeat.saliency import beats
from ecgfeat.saliency.beats import explain_beat
from ecgfeat.saliency.gradients import LARGEST_RESIDUAL, NUM_STEPS
from ecgfeat.saliency.seen import see_record
from tests.saliency.conftest import BROAD, make_signal


class FirstLead(nn.Module):
    """A network that sees the window of the first lead alone: the logit of V is a sum over its samples."""

    def __init__(self, num_samples=144):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, num_samples))

    def reset_parameters(self):
        nn.init.normal_(self.weight)

    def forward(self, window_BLC2S, is_there_BLC, wave_BLCD, beat_BLD, is_beat_BL):
        logit_BL = (window_BLC2S[:, :, 0, 0] * self.weight).sum(-1)
        logits_BLK = torch.stack([torch.zeros_like(logit_BL), torch.zeros_like(logit_BL), logit_BL], dim=-1)
        # Figures and neighbours are read, with a weight of zero, so that there is a gradient.
        unread = 0 * (wave_BLCD.sum() + beat_BLD.sum())
        return (logits_BLK + unread).expand(2, *logits_BLK.shape)


@pytest.fixture(scope="module")
def explanation(models, seen):
    return explain_beat(models, seen, seen.find_beat(8.25))


@pytest.fixture
def planted(models):
    classifier = replace(models.classifier, nets=(FirstLead().eval(),), ventricular_curve=Curve(1.5, 0.25))
    return replace(models, classifier=classifier)


def test_the_drawn_broad_beats_are_v(seen):
    assert np.flatnonzero(seen.label == 2).tolist() == list(BROAD)


@pytest.mark.parametrize("at_s", [8.25, 0.5])
def test_the_number_is_the_logit_of_what_predict_prints(models, seen, at_s):
    beat = seen.find_beat(at_s)
    explanation = explain_beat(models, seen, beat)
    printed = predict_record(make_signal(), models).beats
    assert printed["aami"][beat] == explanation.answer
    assert printed["time_s"][beat] == pytest.approx(explanation.at_s, abs=1 / 128)
    probability = float(printed[f"p_{explanation.answer}"][beat])
    assert explanation.value == pytest.approx(np.log(probability / (1 - probability)), abs=2e-3)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"answer": "F"}, r"^class: unknown class 'F'; expected one of N, S, V\.$"),
        ({"baseline": "zz"}, r"^baseline: unknown baseline 'zz'; expected one of usual, flat\.$"),
    ],
)
def test_a_name_that_there_is_not_is_refused_with_those_there_are(models, seen, choice, message):
    with pytest.raises(UsageError, match=message):
        explain_beat(models, seen, 12, **choice)


@pytest.mark.parametrize(("answer", "baseline"), [("V", "flat"), ("S", "usual"), ("N", "flat")])
def test_the_parts_and_the_residual_are_the_difference(models, seen, answer, baseline):
    explanation = explain_beat(models, seen, BROAD[1], answer=answer, baseline=baseline)
    total = sum(part.value for part in explanation.parts) + explanation.residual
    assert total == pytest.approx(explanation.difference, abs=1e-9)
    assert abs(explanation.residual) <= LARGEST_RESIDUAL * max(abs(explanation.difference), 0.5)
    on_trace = sum(part.value for part in explanation.parts if part.is_on_trace)
    assert explanation.relevance.sum() == pytest.approx(on_trace)
    names = {part.name for part in explanation.parts}
    assert {"qrs_width_s", "rr_before_s", "qrs_cluster_share"} < names


def test_what_makes_a_beat_v_lies_in_its_own_window(explanation):
    groups = explanation.sum_groups()
    assert explanation.answer == "V"
    assert explanation.difference > 3
    # Measured: 2.9 of 8.4; the usual beats around differ from the median beat by noise alone.
    assert groups["waveform of this beat"] > 1
    assert abs(groups["waveform of the beats around"]) < 0.3 * groups["waveform of this beat"]
    size_T = np.abs(explanation.relevance).sum(axis=1)
    is_own_T = (explanation.start_s > explanation.at_s - 0.5) & (explanation.start_s < explanation.at_s + 0.625)
    assert size_T[is_own_T].sum() > 0.5 * size_T.sum()


def test_the_usual_beat_differs_little_from_itself(models, seen):
    explanation = explain_beat(models, seen, 4)
    assert explanation.answer == "N"
    assert abs(explanation.difference) < 1.5


def test_a_network_that_sees_one_lead_gives_the_other_nothing(planted, seen):
    explanation = explain_beat(planted, seen, BROAD[1], answer="V")
    assert np.abs(explanation.relevance[:, 0]).max() > 0.01
    np.testing.assert_array_equal(explanation.relevance[:, 1], 0)
    groups = explanation.sum_groups()
    assert groups["waveform of this beat"] == pytest.approx(explanation.difference, abs=1e-4)
    assert explanation.share == pytest.approx(1, abs=1e-4)
    for group in ("wave figures of this beat", "figures of the beats around", "interval figures, by the trees"):
        assert groups[group] == 0


def test_a_linear_network_is_explained_as_arithmetic_has_it(planted, seen):
    beat = BROAD[1]
    explanation = explain_beat(planted, seen, beat, answer="V")
    window_S = draw_windows(seen.shapes, slice(beat, beat + 1))[0][0, 0, 0].numpy()
    median = seen.shapes.median
    usual_S = (median.beat[0] * median.sign[0] / median.amplitude[0]).numpy()
    # The other logits are 0, so the log odds of V are the logit less log 2; the curve multiplies them.
    expected_S = 1.5 * np.linspace(-1, 1, 144) * (window_S - usual_S)
    first = round((explanation.at_s - explanation.start_s[0]) * 128) - 64
    np.testing.assert_allclose(explanation.relevance[first : first + 144, 0], expected_S, atol=1e-5)


def test_gain_and_polarity_change_nothing(models, explanation):
    for gain in (2.0, -1.0):
        other = explain_beat(models, *_see(models, make_signal(gain)))
        assert other.value == pytest.approx(explanation.value, abs=0.2)
        shown = np.corrcoef(other.relevance.ravel(), explanation.relevance.ravel())[0, 1]
        # Microvolts are whole numbers, so that the last digits differ.
        assert shown > 0.97


def test_equal_bytes_each_time(models, seen, explanation):
    again = explain_beat(models, seen, seen.find_beat(8.25))
    assert json.dumps(again.as_dict()) == json.dumps(explanation.as_dict())
    np.testing.assert_array_equal(again.relevance, explanation.relevance)


def test_the_models_are_not_changed(models, seen):
    before = copy.deepcopy(models.classifier.nets[0].state_dict())
    explain_beat(models, seen, 4)
    after = models.classifier.nets[0].state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in models.classifier.nets[0].parameters())


def test_random_weights_make_another_map_and_the_same_ones_the_same(models, seen, explanation, monkeypatch):
    assert explanation.similarity < 0.9
    monkeypatch.setattr(beats, "RANDOM_STEPS", NUM_STEPS)
    monkeypatch.setattr(beats, "redraw_weights", lambda net, seed: copy.deepcopy(net))
    assert explain_beat(models, seen, seen.find_beat(8.25)).similarity == pytest.approx(1)


@pytest.mark.parametrize("changes", [{"num_leads": 1}, {"duration_s": 6.0}])
def test_one_lead_and_a_short_record(models, changes):
    seen = see_record(make_signal(**changes), models)
    explanation = explain_beat(models, seen, seen.find_beat(3.7))
    assert explanation.relevance.shape[1] == changes.get("num_leads", 2) == len(explanation.columns)
    assert np.isfinite(explanation.relevance).all()
    assert explanation.start_s[0] >= 0
    total = sum(part.value for part in explanation.parts) + explanation.residual
    assert total == pytest.approx(explanation.difference, abs=1e-9)


def test_v_beats_of_a_real_record(models, mitdb):
    whole = read(mitdb / "208")
    signal = Signal(whole.record, whole.fs_hz, whole.leads, whole.signal_mv_SC[: 60 * 360])
    seen = see_record(signal, models)
    rows = np.flatnonzero(seen.label == 2)[3:12:3]
    assert len(rows) == 3
    shares = []
    for row in rows.tolist():
        explanation = explain_beat(models, seen, row)
        assert abs(explanation.residual) <= LARGEST_RESIDUAL * max(abs(explanation.difference), 0.5)
        assert explanation.difference > 2
        shares.append(explanation.share)
    # Measured 0.45 to 0.65 of V beats of this record: V is found by the windows, and by figures of the same waves.
    assert np.mean(shares) > 0.25


def _see(models, signal):
    seen = see_record(signal, models)
    return seen, seen.find_beat(8.25)
