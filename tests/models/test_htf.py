"""The HTF has the published size, sees history only where it should, and computes its spectrum itself."""

import pytest
import torch

from ecgfeat.models import build_model, count_parameters
from ecgfeat.models.htf import HTF, log_spectrum


@pytest.fixture(scope="module")
def htf() -> HTF:
    return build_model("htf", seed=1)


@pytest.mark.parametrize(
    ("part", "parameters"), [("time", 761_728), ("frequency", 302_464), ("history", 5_504), ("head", 74_243)]
)
def test_each_part_has_the_published_size(htf, part, parameters):
    assert count_parameters(getattr(htf, part)) == parameters


def test_the_whole_has_the_published_size(htf):
    assert count_parameters(htf) == 1_143_939


def test_shapes(htf):
    window_BCS, history_BD = torch.randn(5, 2, 256), torch.zeros(5, 20)
    assert htf.embed(window_BCS).shape == (5, 512)
    assert htf.encode_history(history_BD).shape == (5, 64)
    assert htf(window_BCS, history_BD).shape == (5, 3)


def test_forward_classifies_window_features_then_history_features(htf):
    window_BCS, history_BD = torch.randn(3, 2, 256), torch.rand(3, 20)
    feature_BD = torch.cat((htf.embed(window_BCS), htf.encode_history(history_BD)), dim=1)
    assert torch.equal(htf(window_BCS, history_BD), htf.classify(feature_BD))


def test_history_changes_the_logits_but_not_the_embedding(htf):
    window_BCS = torch.randn(1, 2, 256)
    one, other = htf(window_BCS, torch.zeros(1, 20)), htf(window_BCS, torch.ones(1, 20))
    assert not torch.equal(one, other)


def test_frequency_features_ignore_where_a_beat_lies_and_its_polarity(htf):
    window_BCS = torch.randn(2, 2, 256)
    for changed in (window_BCS.roll(40, dims=-1), -window_BCS):
        moved = (htf.embed(changed) - htf.embed(window_BCS)).abs()
        assert moved[:, 256:].max() < 1e-5
        assert moved[:, :256].max() > 1e-3


def test_spectrum_of_a_sine_is_one_line():
    time_s = torch.arange(256) / 128
    spectrum = log_spectrum(torch.sin(2 * torch.pi * 10 * time_s).expand(1, 2, 256))
    assert spectrum.shape == (1, 2, 129)
    # 10 Hz in windows of 2 s is line 20, of height 256 / 2.
    assert spectrum.argmax(dim=-1).tolist() == [[20, 20]]
    assert spectrum[0, 0, 20].item() == pytest.approx(torch.tensor(129.0).log().item(), abs=1e-4)


def test_gradients_reach_every_parameter():
    htf = build_model("htf").train()
    htf(torch.randn(4, 2, 256), torch.rand(4, 20)).square().sum().backward()
    assert [name for name, p in htf.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_history_length_and_classes_change_only_what_reads_them():
    htf = build_model("htf", history_beats=8, num_classes=4)
    assert htf.history[0].in_features == 8 * 5
    assert htf(torch.randn(2, 2, 256), torch.zeros(2, 40)).shape == (2, 4)
