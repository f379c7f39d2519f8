"""ECG-Mamba2: its exact size, its layers against torch's, its switches, and signals of other leads and lengths."""

import pytest
import torch
from torch import nn

from ecgfeat.models.ecg_mamba2 import ECGMamba2
from ecgfeat.models.ecg_mamba2_parts import AttentionLayer, BothWays, Stem, min_samples

SMALL = {
    "stem_1": 6,
    "stem_2": 8,
    "width": 16,
    "num_steps": 20,
    "num_layers": 2,
    "state": 8,
    "head": 8,
    "chunk": 8,
    "num_heads": 2,
}


def build(seed=0, **config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ECGMamba2(**{**SMALL, **config}).eval()


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def published(**config):
    with torch.device("meta"):
        return ECGMamba2(**config)


def test_published_parameter_counts():
    model = published()
    assert count(model) == 29_287_077
    assert count(model.stem) == 2_940_160
    assert [count(stem) for stem in model.group_stems] == [11_696_128 // 4] * 4
    assert count(model.fusion) == 590_976
    assert [count(layer) for layer in model.layers] == [12_282_656 // 4] * 4
    assert count(model.attention) == 1_774_464
    assert count(published(use_multi_branch=False)) == 29_287_077 - 11_696_128 - 590_976
    assert count(published(use_attention=False)) == 29_287_077 - 1_774_464


def test_published_shapes():
    with torch.device("meta"):
        model = ECGMamba2().eval()
        shapes = {}
        for name in ("stem.2", "stem.5", "stem.8", "stem.11", "fusion", "layers.3", "attention"):
            model.get_submodule(name).register_forward_hook(
                lambda module, inputs, output, name=name: shapes.update({name: tuple(output.shape)})
            )
        assert model(torch.empty(2, 12, 8192)).shape == (2, 5)
    assert shapes == {
        "stem.2": (2, 128, 2728),
        "stem.5": (2, 256, 905),
        "stem.8": (2, 384, 896),
        "stem.11": (2, 384, 887),
        "fusion": (2, 729, 384),
        "layers.3": (2, 729, 384),
        "attention": (2, 729, 384),
    }


@pytest.mark.parametrize(
    ("num_leads", "groups"),
    [(1, []), (2, []), (3, []), (4, [3, 1]), (8, [3, 3, 2]), (12, [3, 3, 3, 3])],
)
@torch.no_grad()
def test_groups_follow_the_leads_there_are(num_leads, groups):
    model = build(num_leads=num_leads, num_classes=4)
    assert [stem[0].in_channels for stem in model.group_stems] == groups
    assert model(draw(3, num_leads, 400)).shape == (3, 4)


@torch.no_grad()
def test_each_group_stem_sees_its_own_leads():
    model = build()
    seen = []
    for stem in model.group_stems:
        stem.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    signal_BCS = draw(1, 12, 300)
    model(signal_BCS)
    for group, leads in enumerate(seen):
        assert torch.equal(leads, signal_BCS[:, 3 * group : 3 * group + 3])


@torch.no_grad()
def test_the_parts_follow_each_other_as_described():
    model = build()
    given, made = {}, {}
    for name in ("stem", "fusion", "layers.0", "layers.1", "attention", "norm", "head"):

        def record(module, inputs, output, name=name):
            given[name], made[name] = inputs[0], output

        model.get_submodule(name).register_forward_hook(record)
    model(draw(2, 12, 400))
    # ReLU ends a stem: half of what follows batch normalisation is zero, and nothing is below.
    assert made["stem"].min() == 0
    main_BLD = torch.nn.functional.adaptive_avg_pool1d(made["stem"], 20).transpose(1, 2)
    assert torch.equal(given["layers.0"], main_BLD + made["fusion"])
    assert torch.equal(given["layers.1"], made["layers.0"])
    assert torch.equal(given["attention"], made["layers.1"])
    assert torch.equal(given["norm"], made["attention"])
    assert torch.equal(given["head"], made["norm"].mean(1))


@torch.no_grad()
def test_each_switch_changes_the_result():
    signal_BCS = draw(2, 12, 400)
    whole = build()
    weights = whole.state_dict()
    for switch in ("use_multi_branch", "use_attention"):
        model = build(**{switch: False})
        names = model.state_dict().keys()
        assert names < weights.keys()
        model.load_state_dict({name: weights[name] for name in names})
        assert not torch.allclose(model(signal_BCS), whole(signal_BCS), atol=1e-4)


@torch.no_grad()
def test_attention_layer_equals_the_encoder_layer_of_torch():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = AttentionLayer(32, 4, 0.1).eval()
        oracle = nn.TransformerEncoderLayer(
            32, 4, 128, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        ).eval()
    oracle.self_attn.in_proj_weight.copy_(layer.query_key_value.weight)
    oracle.self_attn.in_proj_bias.copy_(layer.query_key_value.bias)
    oracle.self_attn.out_proj.load_state_dict(layer.attention_out[0].state_dict())
    oracle.norm1.load_state_dict(layer.attention_norm.state_dict())
    oracle.norm2.load_state_dict(layer.feed_forward[0].state_dict())
    oracle.linear1.load_state_dict(layer.feed_forward[1].state_dict())
    oracle.linear2.load_state_dict(layer.feed_forward[4].state_dict())
    x_BLD = draw(3, 50, 32)
    torch.testing.assert_close(layer(x_BLD), oracle(x_BLD), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_layer_sees_both_ways_and_mirrors_when_its_mixers_are_exchanged():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = BothWays(16, state=8, conv=4, expand=2, head=8, chunk=8).double()
    x_BLD = draw(1, 30, 16).double()
    expected = layer(x_BLD)
    for changed_step, seen_step in ((0, 29), (29, 0)):
        changed = x_BLD.clone()
        changed[:, changed_step, 0] += 1
        assert (layer(changed)[:, seen_step] - expected[:, seen_step]).abs().max() > 1e-6
    layer.ahead, layer.back = layer.back, layer.ahead
    torch.testing.assert_close(layer(x_BLD.flip(1)), expected.flip(1), atol=1e-12, rtol=0)
    assert not torch.allclose(layer(x_BLD), expected, atol=1e-3)


@torch.no_grad()
def test_shortest_signal_and_refusals():
    assert min_samples() == 211
    model = build()
    for samples in (211, 8192):
        assert torch.isfinite(model(draw(1, 12, samples))).all()
    # One sample less does not reach the end of the stem: the limit is not a guess.
    with pytest.raises(RuntimeError):
        Stem(12, 6, 8, 16).eval()(draw(1, 12, 210))
    with pytest.raises(ValueError, match="210 samples; this model takes 12 leads and at least 211"):
        model(draw(1, 12, 210))
    with pytest.raises(ValueError, match="signals of 2 leads"):
        model(draw(1, 2, 400))
    with pytest.raises(ValueError, match="heads must divide"):
        build(num_heads=3)


@torch.no_grad()
def test_records_do_not_see_each_other_and_dropout_acts_in_training_only():
    model = build()
    signal_BCS = draw(4, 12, 400)
    together = model(signal_BCS)
    torch.testing.assert_close(model(signal_BCS[2:3]), together[2:3], atol=1e-5, rtol=1e-5)
    assert torch.equal(model(signal_BCS), together)
    # Only the attention layer has dropout, and batch normalisation must stay as it is for this comparison.
    model.attention.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(model(signal_BCS), model(signal_BCS))


def test_every_parameter_is_trained():
    model = build().train()
    model(draw(4, 12, 400)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
