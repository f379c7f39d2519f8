"""The trunk in training computes what its blocks compute, and its gradients."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.models import htf_trunk
from ecgfeat.models.htf import TIME_WIDTHS, convolution_trunk
from ecgfeat.models.htf_trunk import REACH, padded_samples, train_trunk, winograd_matrices


def test_winograd_matrices_correlate_exactly_but_for_rounding():
    output, filter_, input_ = winograd_matrices()
    rng = np.random.default_rng(0)
    tile, taps = rng.normal(size=10), rng.normal(size=7)
    expected = np.correlate(tile, taps, mode="valid")
    np.testing.assert_allclose(output @ ((filter_ @ taps) * (input_ @ tile)), expected, atol=1e-12)


@pytest.mark.parametrize("samples", [4, 30, 64])
@pytest.mark.parametrize("tiles_at_once", [1, 3])
def test_a_convolution_and_its_gradients_are_those_of_torch(monkeypatch, samples, tiles_at_once):
    num, channels, num_out = 3, 5, 2
    monkeypatch.setattr(htf_trunk, "CACHED", tiles_at_once * 10 * num * (channels + num_out))
    matrices = [torch.from_numpy(matrix) for matrix in winograd_matrices()]
    generator = torch.Generator().manual_seed(samples)
    value_SBC = torch.randn(samples, num, channels, dtype=torch.float64, generator=generator, requires_grad=True)
    weight_OCK = torch.randn(num_out, channels, 7, dtype=torch.float64, generator=generator, requires_grad=True)
    padded_SBC = nn.functional.pad(value_SBC, (0, 0, 0, 0, REACH, padded_samples(samples) - REACH - samples))
    own = htf_trunk._Convolution.apply(padded_SBC, weight_OCK, samples, *matrices)
    expected = nn.functional.conv1d(value_SBC.permute(1, 2, 0), weight_OCK, padding=REACH).permute(2, 0, 1)
    torch.testing.assert_close(own, expected)
    gradient = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    of_own = torch.autograd.grad(own, (value_SBC, weight_OCK), gradient)
    of_torch = torch.autograd.grad(expected, (value_SBC, weight_OCK), gradient)
    torch.testing.assert_close(of_own, of_torch)


@pytest.mark.parametrize("samples", [256, 129, 190])
def test_training_runs_the_blocks(samples):
    torch.manual_seed(1)
    trunk = convolution_trunk(2, TIME_WIDTHS[:3], dropout=0.0).train()
    plain = copy.deepcopy(trunk)
    # What lies apart stays apart: rounding decides which of two equal neighbours a pool takes.
    x_BCS = torch.randn(4, 2, samples, generator=torch.Generator().manual_seed(0)).cumsum(dim=2)
    own, expected = train_trunk(trunk, x_BCS), plain(x_BCS)
    torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-4)
    gradient = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    own.backward(gradient)
    expected.backward(gradient)
    for (name, of_own), of_torch in zip(trunk.named_parameters(), plain.parameters(), strict=True):
        error = (of_own.grad - of_torch.grad).norm() / of_torch.grad.norm()
        assert error < 0.02, name
    for of_own, of_torch in zip(trunk.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(of_own, of_torch, rtol=1e-4, atol=1e-5)


def test_dropout_drops_its_share_of_the_channels_in_training():
    torch.manual_seed(3)
    trunk = convolution_trunk(2, (64,), dropout=0.25).train()
    x_BCS = torch.randn(32, 2, 64).cumsum(dim=2)
    whole = copy.deepcopy(trunk)
    whole[0][4].share = 0.0
    kept, expected = train_trunk(trunk, x_BCS), train_trunk(whole, x_BCS)
    is_open = expected > 0.0
    assert ((kept == 0.0) & is_open).sum() / is_open.sum() == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(kept[kept > 0.0], expected[kept > 0.0] / 0.75)
