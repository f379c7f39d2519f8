"""The residual network: its exact size, the sizes it would have if read otherwise, and windows of any length."""

import pytest
import torch
from torch import nn

from ecgfeat.models import count_parameters, draw_network
from ecgfeat.models.resnet1d import ResidualBlock, ResNet1D


@pytest.fixture(scope="module")
def model():
    return draw_network(ResNet1D, seed=1, width=8, stage_blocks=(1, 1, 1))


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def published():
    with torch.device("meta"):
        return ResNet1D()


def shortcuts(model):
    return [block.shortcut for block in model.stages if isinstance(block.shortcut, nn.Sequential)]


def test_published_parameter_count(published):
    assert count_parameters(published) == 8_794_246


def test_other_readings_of_the_text_have_another_size(published):
    # Each of these differs from the published count, which is how the layout was found.
    total = count_parameters(published)
    assert len(shortcuts(published)) == 3
    assert total - sum(count_parameters(shortcut[1]) for shortcut in shortcuts(published)) == 8_792_454
    assert total + published.stem[0].out_channels == 8_794_310
    assert total + sum(shortcut[0].out_channels for shortcut in shortcuts(published)) == 8_795_142


def test_length_after_the_stages(published):
    window = torch.empty(1, 2, 1280, device="meta")
    assert published.stages(published.stem(window)).shape == (1, 512, 40)


@pytest.mark.parametrize("num_samples", [3, 4, 77, 1280, 2001])
@torch.no_grad()
def test_any_length(model, num_samples):
    logits_BK = model(draw(3, 2, num_samples))
    assert logits_BK.shape == (3, 6)
    assert torch.isfinite(logits_BK).all()


@torch.no_grad()
def test_leads_classes_and_samples_all_count(model):
    one = draw_network(ResNet1D, seed=0, width=8, num_leads=1, num_classes=3)
    assert one(draw(2, 1, 100)).shape == (2, 3)
    signal = draw(1, 2, 256)
    expected = model(signal)
    for lead in (0, 1):
        changed = signal.clone()
        changed[:, lead, 100:140] += 3.0
        assert not torch.allclose(model(changed), expected, atol=1e-4)


@torch.no_grad()
def test_figures_beside_the_signal_reach_the_logits_and_cost_one_column_each(model):
    beside = draw_network(ResNet1D, seed=1, width=8, stage_blocks=(1, 1, 1), num_side=5)
    assert count_parameters(beside) == count_parameters(model) + 5 * 128
    signal, side = draw(3, 2, 256), draw(3, 5)
    logits = beside(signal, side)
    for figure in range(5):
        changed = side.clone()
        changed[1, figure] += 2.0
        moved = (beside(signal, changed) - logits).abs().amax(1) > 1e-4
        assert moved.tolist() == [False, True, False]


def test_the_trunk_is_what_stands_before_the_pooling(published):
    encoder, channels, stride = published.trunk()
    assert encoder(torch.empty(1, 2, 40 * stride, device="meta")).shape == (1, channels, 40)
    assert count_parameters(encoder) == 8_794_246 - count_parameters(published.head)


@torch.no_grad()
def test_windows_do_not_see_each_other(model):
    signal = draw(4, 2, 300)
    together = model(signal)
    for window in range(4):
        torch.testing.assert_close(model(signal[window : window + 1])[0], together[window], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_block_adds_to_what_came_in():
    block = ResidualBlock(4, 4, 7, 1, 0.2).eval()
    block.residual[5].weight.zero_()
    x_BDS = draw(2, 4, 20)
    torch.testing.assert_close(block(x_BDS), x_BDS.relu())
    assert ResidualBlock(4, 8, 7, 2, 0.2).eval()(x_BDS).shape == (2, 8, 10)


def test_every_weight_gets_a_gradient(model):
    model = draw_network(ResNet1D, seed=0, width=8).train()
    model(draw(4, 2, 256)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
