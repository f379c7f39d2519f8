"""Integrated gradients against arithmetic, and the check with random weights."""

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.models import build_model
from ecgfeat.models.mamba2 import Mamba2
from ecgfeat.saliency.gradients import LARGEST_RESIDUAL, compare_maps, integrate_gradients, redraw_weights


def test_of_a_linear_number_each_input_has_its_weight_times_its_change():
    weight = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    inputs, baselines = torch.tensor([[1.0, 2.0, 3.0]]).double(), torch.tensor([[0.5, 0.0, 3.0]]).double()
    integral = integrate_gradients(lambda x_BD: x_BD @ weight, (inputs,), (baselines,))
    np.testing.assert_allclose(integral.attributions[0], [1.0, -2.0, 0.0], atol=1e-6)
    assert integral.value == pytest.approx(1.5)
    assert integral.baseline_value == pytest.approx(2.5)
    assert integral.residual == pytest.approx(0, abs=1e-6)


def test_of_a_product_both_inputs_have_one_half():
    inputs = (torch.tensor([[3.0]]).double(), torch.tensor([[4.0]]).double())
    baselines = tuple(torch.zeros_like(of) for of in inputs)
    integral = integrate_gradients(lambda one_B1, two_B1: (one_B1 * two_B1)[:, 0], inputs, baselines)
    assert [float(of) for of in integral.attributions] == pytest.approx([6.0, 6.0], abs=1e-5)


def test_parts_and_residual_are_the_difference():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)).double()
    inputs, baselines = torch.randn(1, 8).double(), torch.randn(1, 8).double()
    integral = integrate_gradients(lambda x_BD: net(x_BD)[:, 0], (inputs,), (baselines,))
    difference = integral.value - integral.baseline_value
    assert float(integral.attributions[0].sum()) + integral.residual == pytest.approx(difference, abs=1e-12)
    assert abs(integral.residual) <= LARGEST_RESIDUAL * max(abs(difference), 0.5)


def test_more_points_are_taken_where_a_number_jumps():
    # A narrow step between two of 32 points: the sum over few points misses it.
    def number(x_B1):
        return torch.sigmoid(400 * (x_B1[:, 0] - 0.503))

    inputs, baselines = (torch.ones(1, 1).double(),), (torch.zeros(1, 1).double(),)
    rough = integrate_gradients(number, inputs, baselines, num_steps=(32,))
    fine = integrate_gradients(number, inputs, baselines)
    assert abs(rough.residual) > 0.1
    assert abs(fine.residual) < 0.02


@pytest.mark.parametrize("name", ["beat_net", "rhythm_timeline"])
def test_redrawn_weights_are_others_and_the_same_each_time(name):
    net = build_model(name, seed=1).eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.random.get_rng_state()
    one, same, other = redraw_weights(net), redraw_weights(net), redraw_weights(net, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])
        assert torch.equal(one.state_dict()[key], same.state_dict()[key])
    weights = [key for key, value in before.items() if value.dim() > 1]
    assert weights
    for key in weights:
        assert not torch.equal(one.state_dict()[key], before[key])
        assert not torch.equal(one.state_dict()[key], other.state_dict()[key])
    assert not one.training


def test_parameters_without_a_layer_of_torch_change_places():
    net = Mamba2(8, state=4, head=8)
    own = [
        (key, value)
        for key, value in net.named_parameters(recurse=False)
        if value.numel() > 1 and len(value.unique()) > 1
    ]
    assert own
    drawn = dict(redraw_weights(net).named_parameters())
    for key, value in own:
        assert torch.equal(drawn[key].flatten().sort().values, value.flatten().sort().values)


def test_the_same_map_has_similarity_1_and_a_shuffled_one_about_0():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(2, 500))
    assert compare_maps(one, one) == pytest.approx(1)
    assert compare_maps(one, -3 * one) == pytest.approx(1)
    assert abs(compare_maps(one, rng.permutation(one.ravel()).reshape(one.shape))) < 0.15


def test_places_that_are_0_in_both_maps_are_not_compared():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=40), rng.normal(size=40)
    padded = np.zeros(1000)
    assert compare_maps(np.append(one, padded), np.append(other, padded)) == compare_maps(one, other)


@pytest.mark.parametrize("other", [np.zeros(5), np.ones(5)])
def test_a_constant_map_has_no_similarity(other):
    assert compare_maps(np.arange(5.0), other) is None
