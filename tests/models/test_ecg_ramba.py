"""ECG-RAMBA: its published size part by part, that every part is read, and that its options are the same network."""

import pytest
import torch
from torch import nn

from ecgfeat.arena.losses import asymmetric_loss
from ecgfeat.models.ecg_ramba import ECGRamba
from ecgfeat.models.ramba_parts import BiMamba, ConvNeXt, Fusion, LeadAttention, Perceiver, Tokenizer

SMALL = {
    "num_classes": 5, "num_features": 20, "num_rhythm": 7, "width": 48, "num_tokens": 30, "num_latents": 6, "depth": 2,
    "lead_width": 32, "state": 8, "head": 16,
}  # fmt: skip


def build(**config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ECGRamba(**{**SMALL, **config}).eval()


def draw(num_records=3, num_leads=12, num_samples=500, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (num_records, num_leads, num_samples), (num_records, 20), (num_records, 7)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def published():
    with torch.device("meta"):
        return ECGRamba()


def test_published_parameter_count(published):
    assert count(published) == 72_833_596
    with torch.device("meta"):
        assert count(ECGRamba(scan="tokens")) == 72_833_596


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("spatial",), 274_337),
        (("tokenizer",), 2_805_120),
        (("kernel_token", "kernel_latents"), 2_981_376),
        (("rhythm_token",), 14_208),
        (("fusion",), 1_481_088),
        (("project",), 148_608),
        (("latents",), 1_800_576),
        (("blocks",), 16 * 3_957_320),
    ],
)
def test_published_counts_of_the_parts(published, parts, expected):
    assert sum(count(getattr(published, part)) for part in parts) == expected


@torch.no_grad()
def test_published_shapes():
    model = ECGRamba(depth=0).eval()
    for num_samples in (2500, 5000):
        inputs = torch.zeros(2, 12, num_samples), torch.zeros(2, 3072), torch.zeros(2, 36)
        assert model.tokenizer(inputs[0]).shape == (2, 625, 384)
        assert model._join(*inputs).shape == (2, 690, 384)
        assert model(*inputs).shape == (2, 27)
    assert [branch(torch.zeros(1, 12, 2500)).shape[2] for branch in model.tokenizer.branches] == [625, 313, 157]


@pytest.mark.parametrize("num_leads", [1, 2, 12])
@pytest.mark.parametrize("scan", ["latents", "tokens"])
def test_all_parameters_but_the_unused_gate_get_a_gradient(num_leads, scan):
    model = build(num_leads=num_leads, scan=scan).train()
    model(*draw(num_leads=num_leads)).square().sum().backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {"fusion.gate.weight", "fusion.gate.bias"}
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


def test_the_unused_gate_has_the_documented_size(published):
    assert count(published.fusion.gate) == 295_296


@pytest.mark.parametrize("scan", ["latents", "tokens"])
@torch.no_grad()
def test_every_input_is_read(scan):
    model = build(scan=scan)
    inputs = draw()
    expected = model(*inputs)
    assert expected.shape == (3, 5)
    for place in range(3):
        changed = [value + (index == place) * torch.randn_like(value) for index, value in enumerate(inputs)]
        assert not torch.allclose(model(*changed), expected, atol=1e-5), place


@torch.no_grad()
def test_records_do_not_see_each_other():
    model, inputs = build(), draw()
    together = model(*inputs)
    for record in range(3):
        alone = model(*(value[record : record + 1] for value in inputs))
        torch.testing.assert_close(alone[0], together[record], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("spatial", {"spatial"}),
        ("multiscale", {"tokenizer.branches", "tokenizer.mix", "tokenizer.blocks"}),
        ("rocket", {"kernel_token", "kernel_latents", "fusion"}),
        ("hrv", {"rhythm_token"}),
        ("fusion", {"fusion"}),
        ("context", {"fusion", "latents", "blocks"}),
    ],
)
def test_ablations_take_their_part_away_and_still_train(switch, gone):
    full = {name for name, _ in build().named_parameters()}
    model = build(**{switch: False}).train()
    left = {name for name, _ in model.named_parameters()}
    assert full - left == {name for name in full if any(name.startswith(f"{part}.") for part in gone)}
    signal, kernel, rhythm = draw()
    logits = model(signal, None if switch == "rocket" else kernel, None if switch == "hrv" else rhythm)
    assert logits.shape == (3, 5)
    logits.square().sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is None} <= {
        "fusion.gate.weight",
        "fusion.gate.bias",
    }


@torch.no_grad()
def test_only_the_scan_of_tokens_depends_on_their_order_beyond_the_tokenizer():
    # Attention reads a set. Tokens in another order change nothing for the latents, and something for the scan.
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    inputs = draw()
    for scan, is_same in (("latents", True), ("tokens", False)):
        model = build(scan=scan)
        expected = model(*inputs)
        model.tokenizer.register_forward_hook(lambda module, _, token_BLD: token_BLD[:, order])
        assert torch.allclose(model(*inputs), expected, atol=1e-5) == is_same


def test_the_rhythm_vector_is_projected_in_float32_under_autocast():
    model = build()
    seen = []
    model.rhythm_token[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    model.kernel_token.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    signal, kernel, rhythm = draw()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(signal, kernel, rhythm.bfloat16())
    assert seen == [torch.bfloat16, torch.float32]
    assert logits.isfinite().all()


@torch.no_grad()
def test_leads_are_weighed_between_nought_and_one_by_all_the_leads():
    torch.manual_seed(0)
    weigh = LeadAttention(3, 16, 4)
    signal_BCS = torch.randn(2, 3, 400)
    factor_BCS = weigh(signal_BCS) / signal_BCS
    assert (factor_BCS - factor_BCS[..., :1]).abs().max() < 1e-4  # one number per lead
    assert ((factor_BCS > 0) & (factor_BCS < 1)).all()
    equal_BC = weigh(torch.ones(2, 3, 400))[..., 0]
    assert (equal_BC - equal_BC[:, :1]).abs()[:, 1:].min() > 1e-6  # leads differ by their content, too
    changed_BCS = signal_BCS.clone()
    changed_BCS[:, 2] *= 5
    assert not torch.allclose((weigh(changed_BCS) / changed_BCS)[:, 0, 0], factor_BCS[:, 0, 0], atol=1e-5)


@torch.no_grad()
def test_convnext_by_hand():
    torch.manual_seed(0)
    block = ConvNeXt(6, 0.1).eval()
    block.gain_D.normal_()
    block.shift_D.normal_()
    x_BLD = torch.randn(2, 9, 6)
    near = block.depthwise(x_BLD.transpose(1, 2)).transpose(1, 2)
    normed = (near - near.mean(-1, keepdim=True)) / (near.std(-1, keepdim=True) + 1e-5) * block.gain_D + block.shift_D
    torch.testing.assert_close(block(x_BLD), x_BLD + block.channels(normed), atol=1e-6, rtol=0)


def test_equal_channels_have_a_finite_gradient():
    block = ConvNeXt(6, 0.0)
    nn.init.zeros_(block.depthwise.weight)
    nn.init.zeros_(block.depthwise.bias)
    block(torch.randn(1, 5, 6)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in block.parameters())


@torch.no_grad()
def test_latents_read_one_token_as_the_same_vector():
    # The docstring's claim: with one key the cross-attention adds one vector to all latents.
    torch.manual_seed(0)
    perceiver = Perceiver(12, 5, 2, 0.0, norm_source=True)
    read_BND = perceiver.cross(torch.randn(2, 5, 12), torch.randn(2, 1, 12))
    torch.testing.assert_close(read_BND, read_BND[:, :1].expand(-1, 5, -1))


@torch.no_grad()
def test_tokens_keep_the_order_of_time():
    torch.manual_seed(0)
    tokenizer = Tokenizer(2, 12, 40, 0.0).eval()
    signal_BCS = torch.zeros(1, 2, 640)
    quiet_LD = tokenizer(signal_BCS)[0]
    signal_BCS[..., 480] = 10.0
    changed_L = (tokenizer(signal_BCS)[0] - quiet_LD).abs().sum(1)
    assert abs(changed_L.argmax().item() - 30) <= 1
    assert (changed_L[:20] < 1e-6).all()


def build_mamba(toward):
    """A block whose gate takes all from the forward mixer (above zero) or all from the backward one."""
    torch.manual_seed(0)
    block = BiMamba(12, 0.3, state=4, conv=4, expand=2, head=6).eval()
    nn.init.zeros_(block.gate.weight)
    nn.init.constant_(block.gate.bias, toward)
    return block


@torch.no_grad()
def test_one_mixer_reads_forth_and_the_other_back():
    x_BLD = torch.randn(1, 20, 12, generator=torch.Generator().manual_seed(0))
    changed_BLD = x_BLD.clone()
    changed_BLD[:, 10, 0] += 3.0
    for toward, unseen, seen in ((100.0, slice(0, 10), slice(10, 14)), (-100.0, slice(11, 20), slice(7, 11))):
        block = build_mamba(toward)
        difference_L = (block(changed_BLD) - block(x_BLD)).abs().sum((0, 2))
        assert (difference_L[unseen] == 0).all()
        assert (difference_L[seen] > 1e-4).all()


@torch.no_grad()
def test_a_mamba_block_by_hand():
    block = build_mamba(0.0)
    x_BLD = torch.randn(2, 9, 12)
    u_BLD = nn.functional.layer_norm(x_BLD, (12,))
    back_BLD = torch.stack([block.back(u_BLD[record].flip(0)[None])[0].flip(0) for record in range(2)])
    mixed_BLD = x_BLD + (block.forth(u_BLD) + back_BLD) / 2
    v_BLD = nn.functional.layer_norm(mixed_BLD, (12,))
    gate_BLD = block.feed_gate(v_BLD)
    expected = mixed_BLD + block.feed_out(gate_BLD * gate_BLD.sigmoid() * block.feed_in(v_BLD))
    torch.testing.assert_close(block(x_BLD), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_fusion_lets_both_sides_read_the_other_as_it_was():
    torch.manual_seed(0)
    fusion = Fusion(12, 2, 0.1).eval()
    token_BLD, latent_BND = torch.randn(2, 7, 12), torch.randn(2, 3, 12)
    expected = fusion(token_BLD, latent_BND)
    assert expected.shape == (2, 10, 12)
    # Without what is read, the shortcuts are left.
    for attention, place in ((fusion.to_tokens, slice(0, 7)), (fusion.to_latents, slice(7, 10))):
        nn.init.zeros_(attention.out_proj.weight)
        before = torch.cat([token_BLD, latent_BND], 1)
        assert torch.equal(fusion(token_BLD, latent_BND)[:, place], before[:, place])
        assert not torch.allclose(expected[:, place], before[:, place], atol=1e-3)
    # Tokens read nothing now, and the latents' reading is as it was before: it was of the tokens, not of the sum.
    torch.manual_seed(0)
    again = Fusion(12, 2, 0.1).eval()
    nn.init.zeros_(again.to_tokens.out_proj.weight)
    assert torch.equal(again(token_BLD, latent_BND)[:, 7:], expected[:, 7:])


@torch.no_grad()
def test_a_perceiver_is_a_decoder_layer_without_order():
    # torch's pre-norm decoder layer attends to itself first; with that reading nothing, the two agree.
    torch.manual_seed(0)
    perceiver = Perceiver(12, 4, 2, 0.1, norm_source=False).eval()
    oracle = nn.TransformerDecoderLayer(
        12, 2, 24, activation="gelu", batch_first=True, norm_first=True, dropout=0.1
    ).eval()
    for attention in (perceiver.among, oracle.self_attn):
        nn.init.zeros_(attention.out_proj.weight)
    oracle.multihead_attn.load_state_dict(perceiver.cross.state_dict())
    oracle.linear1.load_state_dict(perceiver.feed_forward[1].state_dict())
    oracle.linear2.load_state_dict(perceiver.feed_forward[3].state_dict())
    source_BLD = torch.randn(3, 9, 12)
    latent_BND = perceiver.latent_ND.expand(3, -1, -1)
    torch.testing.assert_close(perceiver(source_BLD), oracle(latent_BND, source_BLD), atol=1e-5, rtol=0)


@torch.no_grad()
def test_latents_of_a_perceiver_see_each_other():
    torch.manual_seed(0)
    perceiver = Perceiver(12, 4, 2, 0.0, norm_source=True)
    source_BLD = torch.randn(1, 9, 12)
    expected = perceiver(source_BLD)
    torch.testing.assert_close(perceiver(3 * source_BLD), expected, atol=1e-4, rtol=0)  # what is read is normalised
    perceiver.latent_ND[3, 0] += 1.0
    assert ((perceiver(source_BLD) - expected)[0, :3].abs().sum(1) > 1e-5).all()


@pytest.mark.parametrize("scan", ["latents", "tokens"])
def test_a_small_one_learns(scan):
    model = build(num_leads=1, scan=scan).train()
    inputs = draw(8, 1, 300)
    target_BK = (inputs[1][:, :5] > 0).float()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    torch.manual_seed(0)
    losses = []
    for _ in range(25):
        loss = asymmetric_loss(model(*inputs), target_BK)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_dropout_acts_in_training_only():
    model, inputs = build(), draw()
    assert torch.equal(model(*inputs), model(*inputs))
    model.train()
    torch.manual_seed(0)
    assert not torch.equal(model(*inputs), model(*inputs))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"width": 50}, "width 50"),
        ({"num_heads": 5}, "5 heads"),
        ({"lead_width": 20}, "lead_width 20"),
        ({"scan": "samples"}, "one of latents, tokens"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(config, words):
    with pytest.raises(ValueError, match=words):
        build(**config)


def test_missing_inputs_are_refused():
    signal, kernel, rhythm = draw()
    with pytest.raises(ValueError, match="kernel features are missing"):
        build()(signal, None, rhythm)
    with pytest.raises(ValueError, match="rhythm vector is missing"):
        build()(signal, kernel)
