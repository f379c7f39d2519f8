"""Explanations: relevance sums to the logit, which plain gradients miss, and biases account for what is missing."""

import copy

import pytest
import torch
from torch import nn

from ecgfeat.arena.relevance import LINEAR_PARTS, RULES, apply_relevance_rules, explain, lead_scores, time_map
from ecgfeat.arena.system import System, build_system
from ecgfeat.errors import UsageError
from ecgfeat.models import mamba2
from ecgfeat.models.ecg_mamba2 import ECGMamba2
from ecgfeat.models.mamba2 import Mamba2, Scan, scan_chunks
from tests.fixtures.systems import settings_of

SMALL = {
    "stem_1": 6,
    "stem_2": 8,
    "width": 16,
    "num_steps": 40,
    "num_layers": 2,
    "state": 8,
    "head": 8,
    "chunk": 16,
    "num_heads": 2,
}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(*, biases, **config):
    """Build a model in float64 with no biases at all, or with large ones."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = ECGMamba2(**{**SMALL, **config}).double().eval()
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):
                parameter.copy_(0.3 * torch.randn_like(parameter) if biases else torch.zeros_like(parameter))
        for part in model.modules():
            if isinstance(part, nn.BatchNorm1d):
                # A running mean is a bias by another name and stays zero; the scale may be anything.
                part.running_var.uniform_(0.1, 2)
                part.weight.uniform_(0.5, 2)
    return model


SIGNAL_BCS = draw(3, 12, 600)


def differ(found_B, expected_B):
    return ((found_B - expected_B) / expected_B).abs().max().item()


@pytest.mark.parametrize(
    "config", [{}, {"use_multi_branch": False}, {"use_attention": False}, {"num_leads": 2, "conv": 3}]
)
def test_relevance_sums_to_the_logit_without_biases(config):
    model = build(biases=False, **config)
    signal_BCS = SIGNAL_BCS[:, : config.get("num_leads", 12)]
    logits_BK = model(signal_BCS).detach()
    for class_index in range(5):
        relevance_BCS = explain(model, signal_BCS, class_index)
        assert relevance_BCS.shape == signal_BCS.shape
        assert differ(relevance_BCS.sum((1, 2)), logits_BK[:, class_index]) < 1e-9


def test_relevance_sums_to_the_logit_through_a_system():
    system = System(build(biases=False), num_samples=600, num_classes=5, fs_hz=60.0).eval()
    logits_BK = system(SIGNAL_BCS).detach()
    for class_index in range(5):
        relevance_BCS = explain(system, SIGNAL_BCS, class_index)
        assert relevance_BCS.dtype == torch.float64
        assert differ(relevance_BCS.sum((1, 2)), logits_BK[:, class_index]) < 1e-6
        torch.testing.assert_close(relevance_BCS, explain(system.network, SIGNAL_BCS, class_index), rtol=0, atol=0)


def test_a_system_of_another_network_is_refused_in_one_line():
    settings = settings_of("resnet1d")
    system = build_system("resnet1d", settings, num_leads=2, num_classes=3, num_samples=600, seed=0)
    with pytest.raises(UsageError, match="explain: a system of ResNet1D; expected one of ECGMamba2. Open") as caught:
        explain(system, SIGNAL_BCS[:, :2].float(), 0)
    assert "\n" not in str(caught.value)


class SaysGpu(torch.Tensor):
    """A tensor on the CPU that claims to be on a GPU, so that the way to the kernel is tested without one."""

    is_cuda = True


def test_the_kernel_is_never_used_while_explaining(monkeypatch):
    # It agrees to about three digits only, and relevance would no longer sum to the logit.
    chunks = []

    def stand_in(x_BLHP, dt_BLH, A_H, B_BLGN, C_BLGN, chunk):
        chunks.append(chunk)
        return scan_chunks(x_BLHP, dt_BLH, A_H, B_BLGN[:, :, 0], C_BLGN[:, :, 0], chunk)

    monkeypatch.setattr(mamba2, "find_kernel", lambda: stand_in)
    model = build(biases=False).float()
    signal_BCS = SIGNAL_BCS.float().as_subclass(SaysGpu)
    with torch.no_grad():
        model(signal_BCS)
    assert len(chunks) == 2 * SMALL["num_layers"]  # the model itself takes it, in both directions
    explain(model, signal_BCS, 1)
    assert len(chunks) == 2 * SMALL["num_layers"]
    assert all(part.kernel for part in model.modules() if isinstance(part, Scan))


def test_plain_gradient_times_input_does_not():
    model = build(biases=False)
    x_BCS = SIGNAL_BCS.clone().requires_grad_()
    logit_B = model(x_BCS)[:, 1]
    (gradient_BCS,) = torch.autograd.grad(logit_B.sum(), x_BCS)
    plain_B = (x_BCS * gradient_BCS).sum((1, 2))
    assert ((plain_B - logit_B) / logit_B).abs().min() > 0.5


@pytest.mark.parametrize("left_out", RULES, ids=lambda kind: kind.__name__)
def test_every_rule_is_needed(left_out, monkeypatch):
    model = build(biases=False)
    logit_B = model(SIGNAL_BCS)[:, 1].detach()
    monkeypatch.delitem(RULES, left_out)
    monkeypatch.setattr("ecgfeat.arena.relevance.LINEAR_PARTS", (*LINEAR_PARTS, left_out))
    assert differ(explain(model, SIGNAL_BCS, 1).sum((1, 2)), logit_B) > 1e-6


def test_three_residual_mixers_alone():
    # The check by which the rules were chosen, on random sums of the output: plain gradients miss by a good part.
    class Mixers(nn.Sequential):
        def forward(self, x_BLD):
            for mixer in self:
                x_BLD = x_BLD + mixer(x_BLD)
            return x_BLD

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mixers = Mixers(*(Mamba2(16, state=8, head=8, chunk=8) for _ in range(3))).double()
    for mixer in mixers:
        nn.init.zeros_(mixer.conv1d.bias)
    weight_BLD = draw(1, 30, 16, seed=1)
    sums = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgfeat.arena.relevance.LINEAR_PARTS", (*LINEAR_PARTS, Mixers))
        for name, model in (("rules", apply_relevance_rules(mixers)), ("plain", mixers)):
            x_BLD = draw(1, 30, 16).requires_grad_()
            out = (weight_BLD * model(x_BLD)).sum()
            (gradient_BLD,) = torch.autograd.grad(out, x_BLD)
            sums[name] = ((x_BLD * gradient_BLD).sum() / out).item()
    assert sums["rules"] == pytest.approx(1, rel=1e-12)
    assert abs(sums["plain"] - 1) > 0.2


def test_biases_account_for_what_is_missing():
    model = build(biases=True)
    logits_BK = model(SIGNAL_BCS).detach()
    relevance_BCS = explain(model, SIGNAL_BCS, 2)
    missing_B = logits_BK[:, 2] - relevance_BCS.sum((1, 2))
    assert (missing_B / logits_BK[:, 2]).abs().min() > 0.01
    biases = [parameter for name, parameter in model.named_parameters() if name.endswith(".bias")]
    ruled = apply_relevance_rules(model)
    for signal in range(3):
        gradients = torch.autograd.grad(ruled(SIGNAL_BCS[signal, None])[0, 2], biases)
        absorbed = sum((bias * gradient).sum() for bias, gradient in zip(biases, gradients, strict=True))
        torch.testing.assert_close(absorbed, missing_B[signal], rtol=1e-9, atol=0)


@torch.no_grad()
def test_the_copy_says_the_same_and_shares_the_weights():
    model = build(biases=True)
    ruled = apply_relevance_rules(model)
    torch.testing.assert_close(ruled(SIGNAL_BCS), model(SIGNAL_BCS), rtol=1e-12, atol=1e-12)
    for (name, mine), (_, theirs) in zip(model.state_dict().items(), ruled.state_dict().items(), strict=True):
        assert mine.data_ptr() == theirs.data_ptr(), name


def test_the_model_is_left_as_it_was():
    model = build(biases=True).train()
    model.layers[0].eval()
    modes = [part.training for part in model.modules()]
    state = copy.deepcopy(model.state_dict())
    own = [set(vars(part)) for part in model.modules()]
    with torch.no_grad():
        explain(model, SIGNAL_BCS, 0)
    assert [part.training for part in model.modules()] == modes
    assert [set(vars(part)) for part in model.modules()] == own
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not SIGNAL_BCS.requires_grad
    # Gradients for training are those of the model, not of the rules.
    model.eval()
    x_BCS = SIGNAL_BCS.clone().requires_grad_()
    (gradient_BCS,) = torch.autograd.grad(model(x_BCS)[:, 0].sum(), x_BCS)
    assert not torch.allclose(x_BCS * gradient_BCS, explain(model, SIGNAL_BCS, 0), rtol=1e-2)


def test_each_signal_has_its_own_class():
    model = build(biases=True)
    together = explain(model, SIGNAL_BCS, torch.tensor([4, 0, 2]))
    for signal, class_index in enumerate((4, 0, 2)):
        alone = explain(model, SIGNAL_BCS[signal, None], class_index)
        torch.testing.assert_close(together[signal, None], alone, rtol=1e-9, atol=1e-12)


def test_maps_keep_the_sum_and_silent_leads_get_nothing():
    model = build(biases=True)
    signal_BCS = SIGNAL_BCS.clone()
    signal_BCS[:, 3:6] = 0
    relevance_BCS = explain(model, signal_BCS, 0)
    time_BS, score_BC = time_map(relevance_BCS), lead_scores(relevance_BCS)
    assert (time_BS.shape, score_BC.shape) == ((3, 600), (3, 12))
    torch.testing.assert_close(time_BS.sum(1), score_BC.sum(1))
    assert torch.equal(score_BC[:, 3:6], torch.zeros(3, 3, dtype=torch.float64))
    assert (score_BC[:, [0, 1, 2, 6, 7, 8, 9, 10, 11]] != 0).all()


def test_relevance_finds_the_lead_that_a_model_learned_from():
    # A burst in lead V2 makes the class; the other leads are noise.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ECGMamba2(**SMALL, num_classes=2, dropout=0.0)
        target_B = torch.arange(32) % 2
        signal_BCS = 0.3 * torch.randn(32, 12, 400)
        signal_BCS[target_B == 1, 7, 200:260] += 2
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        for _ in range(25):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(signal_BCS), target_B).backward()
            optimizer.step()
    found = explain(model, signal_BCS[target_B == 1], 1)
    assert lead_scores(found).mean(0).argmax() == 7
    assert time_map(found).mean(0)[200:260].sum() > 2 * time_map(found).mean(0)[:200].sum()


def test_float32_stays_near():
    model = build(biases=False)
    expected = explain(model, SIGNAL_BCS, 0)
    found = explain(model.float(), SIGNAL_BCS.float(), 0)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(("part", "name"), [(nn.Tanh(), "Tanh"), (nn.MultiheadAttention(16, 2), "MultiheadAttention")])
def test_a_part_without_a_rule_is_refused(part, name):
    model = build(biases=False)
    model.attention = part
    with pytest.raises(ValueError, match=f"attention: no rule for {name}"):
        explain(model, SIGNAL_BCS, 0)
