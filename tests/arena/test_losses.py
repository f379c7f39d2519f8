"""The losses by hand, against finite differences, and that an unknown target has no part in them."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgfeat.arena.losses import asymmetric_loss, binary_cross_entropy

LOSSES = [binary_cross_entropy, asymmetric_loss]


def logit(probability):
    return math.log(probability / (1 - probability))


def draw(seed=0, shape=(5, 7)):
    generator = torch.Generator().manual_seed(seed)
    target_BK = (torch.rand(shape, generator=generator) < 0.3).float()
    return 3 * torch.randn(shape, generator=generator), target_BK


def test_asymmetric_loss_by_hand():
    # A positive at 0.8: -log 0.8. A negative at 0.35: -(0.30 ** 2.5) log 0.70. A negative at 0.04: below the clip.
    logits = torch.tensor([[logit(0.8), logit(0.35), logit(0.04)]])
    target = torch.tensor([[1.0, 0.0, 0.0]])
    expected = -math.log(0.8) - 0.30**2.5 * math.log(0.70)
    assert asymmetric_loss(logits, target).item() == pytest.approx(expected, rel=1e-5)
    # Summed over classes, averaged over records.
    assert asymmetric_loss(logits.repeat(4, 1), target.repeat(4, 1)).item() == pytest.approx(expected, rel=1e-5)
    focused = asymmetric_loss(logits, target, gamma_positive=2, gamma_negative=1, clip=0).item()
    by_hand = -(0.2**2) * math.log(0.8) - 0.35 * math.log(0.65) - 0.04 * math.log(0.96)
    assert focused == pytest.approx(by_hand, rel=1e-5)


def test_equal_to_the_formula_of_the_source():
    logits_BK, target_BK = draw()
    p = torch.sigmoid(logits_BK.double())
    q = (p - 0.05).clamp_min(0)
    loss = target_BK * torch.log(p + 1e-8) + (1 - target_BK) * q**2.5 * torch.log(1 - q + 1e-8)
    assert asymmetric_loss(logits_BK, target_BK).item() == pytest.approx(-loss.sum().item() / 5, rel=1e-5)


def test_without_focus_it_is_the_binary_cross_entropy_on_its_own_scale():
    logits_BK, target_BK = draw()
    expected = binary_cross_entropy_with_logits(logits_BK, target_BK)
    torch.testing.assert_close(binary_cross_entropy(logits_BK, target_BK), expected)
    plain = asymmetric_loss(logits_BK, target_BK, gamma_negative=0, clip=0)
    torch.testing.assert_close(plain, expected * logits_BK.shape[1])


def test_binary_cross_entropy_by_hand():
    logits = torch.tensor([[logit(0.8), logit(0.25), 0.0]])
    target = torch.tensor([[1.0, 0.0, torch.nan]])
    expected = -(math.log(0.8) + math.log(0.75)) / 2
    assert binary_cross_entropy(logits, target).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_equals_finite_differences(loss):
    logits_BK, target_BK = draw(1)
    target_BK[0, 0] = torch.nan
    logits_BK.requires_grad_()
    loss(logits_BK, target_BK).backward()
    for place in ((0, 0), (1, 2), (2, 3), (4, 6), (3, 1)):
        step = torch.zeros_like(logits_BK)
        step[place] = 1e-2
        with torch.no_grad():
            slope = (loss(logits_BK + step, target_BK) - loss(logits_BK - step, target_BK)) / 2e-2
        assert logits_BK.grad[place].item() == pytest.approx(slope.item(), abs=1e-3), place


@pytest.mark.parametrize("loss", LOSSES)
def test_unknown_targets_have_no_part(loss):
    logits_BK, target_BK = draw(2)
    target_BK[:, 3] = torch.nan
    logits_BK.requires_grad_()
    value = loss(logits_BK, target_BK)
    value.backward()
    assert (logits_BK.grad[:, 3] == 0).all()
    assert logits_BK.grad.isfinite().all()
    known = [0, 1, 2, 4, 5, 6]
    torch.testing.assert_close(value, loss(logits_BK[:, known], target_BK[:, known]))


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_known_is_no_loss(loss):
    logits_BK = torch.zeros(2, 3, requires_grad=True)
    value = loss(logits_BK, torch.full((2, 3), torch.nan))
    value.backward()
    assert value.item() == 0
    assert (logits_BK.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_are_finite_and_still_pull(loss):
    logits_BK = torch.tensor([[-200.0, 200.0]], requires_grad=True)
    value = loss(logits_BK, torch.tensor([[1.0, 0.0]]))
    value.backward()
    assert value.isfinite()
    assert logits_BK.grad.isfinite().all()
    assert logits_BK.grad[0, 0] < 0  # a positive far off is pulled up; the source's floor would leave it


def test_an_easy_negative_has_neither_loss_nor_gradient():
    logits_BK = torch.tensor([[logit(0.049)]], requires_grad=True)
    value = asymmetric_loss(logits_BK, torch.zeros(1, 1))
    value.backward()
    assert (value.item(), logits_BK.grad.item()) == (0, 0)


def test_half_precision_logits_are_summed_in_float32():
    logits_BK, target_BK = draw()
    for loss in LOSSES:
        assert loss(logits_BK.bfloat16(), target_BK).dtype == torch.float32


@pytest.mark.parametrize(
    "options", [{"gamma_negative": 0.5}, {"gamma_positive": -1}, {"gamma_negative": math.nan}, {"clip": 1}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        asymmetric_loss(*draw(), **options)
