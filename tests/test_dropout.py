"""Dropout drops its share, the same draws for the same seed, and nothing outside training."""

import pytest
import torch

from ecgfeat.dropout import Dropout, dropout, dropout_factors


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_mean_stays(share):
    torch.manual_seed(0)
    factors = dropout_factors(torch.ones(301, 1003), share)
    assert factors.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)])
    assert (factors == 0.0).float().mean() == pytest.approx(share, abs=0.005)
    assert factors.mean() == pytest.approx(1.0, abs=0.02)


def test_the_generator_of_torch_decides():
    x, draws = torch.ones(100), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(torch.stack([dropout_factors(x, 0.5) for _ in range(2)]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_gradients_are_those_of_what_is_kept():
    x = torch.randn(50, 20, requires_grad=True)
    y = dropout(x, 0.3, True)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x, y)


def test_nothing_is_dropped_outside_training():
    x = torch.randn(10)
    layer = Dropout(0.5)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)
    assert not torch.equal(layer.train()(torch.ones(100)), torch.ones(100))
