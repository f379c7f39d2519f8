"""The window head: its exact size, and that padding, batch and dropout states do not leak into results."""

import pytest
import torch
from torch import nn

from ecgfeat.models.rhythm_window import RhythmWindow, WindowBlock

NUM_FEATURES = 12


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RhythmWindow(num_features=NUM_FEATURES).eval()


def draw(num_windows, num_beats, seed=0):
    generator = torch.Generator().manual_seed(seed)
    feature_BLD = torch.randn(num_windows, num_beats, NUM_FEATURES, generator=generator)
    length_B = torch.randint(1, num_beats + 1, (num_windows,), generator=generator)
    length_B[0] = num_beats
    return feature_BLD, torch.arange(num_beats) < length_B[:, None]


def test_published_parameter_count():
    assert sum(parameter.numel() for parameter in RhythmWindow().parameters()) == 892_806


@torch.no_grad()
def test_contents_and_length_of_padding_do_not_matter(model):
    feature_BLD, valid_BL = draw(8, 10)
    expected = model(feature_BLD, valid_BL)
    poisoned = feature_BLD.masked_fill(~valid_BL[..., None], float("nan"))
    longer = torch.cat([poisoned, torch.full((8, 22, NUM_FEATURES), float("inf"))], 1)
    valid_longer = torch.cat([valid_BL, torch.zeros(8, 22, dtype=torch.bool)], 1)
    assert torch.equal(model(poisoned, valid_BL), expected)
    torch.testing.assert_close(model(longer, valid_longer), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_may_stand_in_front(model):
    feature_BLD, valid_BL = draw(8, 10)
    shifted = torch.cat([torch.zeros(8, 3, NUM_FEATURES), feature_BLD], 1)
    valid_shifted = torch.cat([torch.zeros(8, 3, dtype=torch.bool), valid_BL], 1)
    torch.testing.assert_close(model(shifted, valid_shifted), model(feature_BLD, valid_BL), atol=1e-5, rtol=0)


@torch.no_grad()
def test_windows_do_not_see_each_other(model):
    feature_BLD, valid_BL = draw(8, 10)
    together = model(feature_BLD, valid_BL)
    for window in range(8):
        kept = valid_BL[window]
        alone = model(feature_BLD[window, kept][None], kept[kept][None])
        torch.testing.assert_close(alone[0], together[window], atol=1e-5, rtol=0)


@torch.no_grad()
def test_order_of_beats_matters(model):
    feature_BLD, valid_BL = draw(1, 10)
    assert not torch.allclose(model(feature_BLD.flip(1), valid_BL), model(feature_BLD, valid_BL), atol=1e-4)


@torch.no_grad()
def test_block_equals_the_encoder_layer_of_torch():
    # torch's own pre-norm layer, given the same weights, is the oracle for attention, mask and residual order.
    generator = torch.Generator().manual_seed(1)
    block = WindowBlock(128, 4, 0.1).eval()
    oracle = nn.TransformerEncoderLayer(
        128, 4, 512, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    oracle.self_attn.in_proj_weight.copy_(block.query_key_value.weight)
    oracle.self_attn.in_proj_bias.copy_(block.query_key_value.bias.normal_(generator=generator))
    oracle.self_attn.out_proj.load_state_dict(block.attention_out.state_dict())
    oracle.norm1.load_state_dict(block.attention_norm.state_dict())
    oracle.norm2.load_state_dict(block.feed_forward[0].state_dict())
    oracle.linear1.load_state_dict(block.feed_forward[1].state_dict())
    oracle.linear2.load_state_dict(block.feed_forward[3].state_dict())
    _, valid_BL = draw(6, 9)
    x_BLD = torch.randn(6, 9, 128, generator=generator)
    expected = oracle(x_BLD, src_key_padding_mask=~valid_BL)[valid_BL]
    torch.testing.assert_close(block(x_BLD[valid_BL], valid_BL), expected, atol=1e-5, rtol=1e-5)


def test_dropout_acts_in_training_only(model):
    feature_BLD, valid_BL = draw(4, 6)
    assert torch.equal(model(feature_BLD, valid_BL), model(feature_BLD, valid_BL))
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(model(feature_BLD, valid_BL), model(feature_BLD, valid_BL))


def test_new_head_keeps_everything_else(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.replace_head(2, generator=torch.Generator().manual_seed(5))
    after = model.state_dict()
    assert after["head.3.weight"].shape == (2, 128)
    assert after["head.3.weight"].abs().max() <= 128**-0.5
    for name in before.keys() - {"head.3.weight", "head.3.bias"}:
        assert torch.equal(before[name], after[name])
    assert model(*draw(4, 6)).shape == (4, 2)


def test_too_many_beats_are_refused(model):
    with pytest.raises(ValueError, match="positions for 64"):
        model(*draw(1, 65))
