"""The convolution, gate and LSTM network: exact sizes of every variant, lengths, what is trained and penalised."""

import pytest
import torch
from torch import nn

from ecgfeat.models import count_parameters, draw_network
from ecgfeat.models.cnn_attn_bilstm import CNNAttnBiLSTM

SMALL = {"widths": (4, 6, 8), "lstm_widths": (6, 4), "hidden": 8, "kernel": 5}


def build(**config):
    return draw_network(CNNAttnBiLSTM, seed=1, **{**SMALL, **config})


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("num_leads", "use_attention", "use_bilstm", "expected"),
    [
        (12, True, True, 944_969),
        (12, False, False, 500_937),
        (12, True, False, 517_449),
        (12, False, True, 928_457),
        (1, True, True, 939_689),
        (1, True, False, 512_169),
        (1, False, False, 495_657),
    ],
)
def test_published_parameter_counts(num_leads, use_attention, use_bilstm, expected):
    model = draw_network(CNNAttnBiLSTM, seed=0, num_leads=num_leads, use_attention=use_attention, use_bilstm=use_bilstm)
    assert count_parameters(model) == expected


def test_every_value_is_as_many_as_torch_holds():
    # 2 LSTMs x 2 directions x 4 gates x (128, 64) second biases, zero and not trained.
    model = CNNAttnBiLSTM()
    assert sum(parameter.numel() for parameter in model.parameters()) == 946_505
    frozen = {name: value for name, value in model.named_parameters() if not value.requires_grad}
    assert sum(value.numel() for value in frozen.values()) == 946_505 - 944_969
    assert all("bias_hh" in name and not value.any() for name, value in frozen.items())


@torch.no_grad()
def test_published_lengths():
    model = build()
    signal = draw(1, 12, 15000)
    lengths = []
    for module in (*model.blocks, model.shorten):
        signal = module(signal)
        lengths.append(signal.shape[2])
    assert lengths == [3750, 938, 235, 118]


@pytest.mark.parametrize("num_samples", [1, 2, 31, 500])
@pytest.mark.parametrize(("use_attention", "use_bilstm"), [(True, True), (False, False), (True, False), (False, True)])
@torch.no_grad()
def test_any_length(num_samples, use_attention, use_bilstm):
    logits_BK = build(use_attention=use_attention, use_bilstm=use_bilstm)(draw(2, 12, num_samples))
    assert logits_BK.shape == (2, 9)
    assert torch.isfinite(logits_BK).all()


@torch.no_grad()
def test_records_do_not_see_each_other():
    model, signal = build(), draw(3, 12, 200)
    together = model(signal)
    for record in range(3):
        torch.testing.assert_close(model(signal[record : record + 1])[0], together[record], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_gate_weighs_and_the_lstms_look_both_ways():
    signal = draw(1, 12, 400)
    model = build()
    expected = model(signal)
    model.gate[0].bias.fill_(-100.0)
    # A closed gate lets nothing of the signal through.
    assert not torch.allclose(model(signal), expected, atol=1e-4)
    torch.testing.assert_close(model(signal), model(2 * signal))
    early = draw(1, 8, 20)
    late = early.clone()
    late[:, :, -1] += 1.0
    lstm = build().lstms[0]
    assert not torch.allclose(lstm(early.transpose(1, 2))[0][:, 0], lstm(late.transpose(1, 2))[0][:, 0], atol=1e-6)


def test_the_order_of_time_matters_to_the_lstms_only():
    with torch.no_grad():
        steps = draw(2, 10, 8)
        for use_bilstm in (True, False):
            model = build(use_bilstm=use_bilstm, use_attention=False)
            model.blocks, model.shorten = nn.Identity(), nn.Identity()
            forth, back = model(steps.transpose(1, 2)), model(steps.flip(1).transpose(1, 2))
            assert torch.allclose(forth, back, atol=1e-6) is not use_bilstm


def test_every_trained_weight_gets_a_gradient():
    model = build().train()
    # Biases before a batch normalisation have none but for rounding; the penalty leaves them alone.
    (model(draw(4, 12, 400)).square().sum() + model.l2_penalty()).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_penalty_is_that_of_the_convolutions_and_the_dense_layer():
    model = build()
    weights = [
        value.detach() for name, value in model.named_parameters() if value.dim() > 1 and name.startswith("blocks")
    ]
    assert len(weights) == 6
    expected = 0.001 * sum(float((value**2).sum()) for value in [*weights, model.head[1].weight.detach()])
    assert float(model.l2_penalty().detach()) == pytest.approx(expected, rel=1e-5)


def test_first_weights_are_drawn_as_named():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CNNAttnBiLSTM()
    convolutions = [module for module in model.blocks.modules() if isinstance(module, nn.Conv1d)]
    for index, module in enumerate(convolutions):
        fan_in, fan_out = module.in_channels * 15, module.out_channels * 15
        variance = 2 / fan_in if index < 2 else 2 / (fan_in + fan_out)
        assert float(module.weight.detach().var()) == pytest.approx(variance, rel=0.1), index
        assert not module.bias.any()
    recurrent = model.lstms[0].weight_hh_l0.detach()
    torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(128), atol=1e-5, rtol=0)
    assert model.lstms[0].bias_ih_l0_reverse.view(4, 128).mean(1).tolist() == [0, 1, 0, 0]


def test_one_dropout_per_block():
    with pytest.raises(ValueError, match="one per block"):
        CNNAttnBiLSTM(widths=(4, 8))
