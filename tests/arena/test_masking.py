"""Pretraining by hidden patches: what is hidden is hidden, the error counts it alone, and it becomes smaller."""

import math

import pytest
import torch
from torch import nn

from ecgfeat.arena.masking import MaskedAutoencoder, draw_masks, pretrain
from ecgfeat.models.resnet1d import ResNet1D

PATCH, PATCHES, LEADS = 8, 12, 2


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_model(seed=0):
    torch.manual_seed(seed)
    encoder, channels, patch = ResNet1D(LEADS, width=8, stage_blocks=(1, 1), dropout=0.0).trunk()
    return MaskedAutoencoder(encoder, channels=channels, patch=patch, num_leads=LEADS)


def make_waves(epoch, num=3):
    """Return windows of a sine with a random phase, of variance 1, three samples longer than whole patches."""
    generator = torch.Generator().manual_seed(epoch)
    time_S = torch.arange(PATCH * PATCHES + 3)
    for _ in range(num):
        phase_B11 = 2 * math.pi * torch.rand(16, 1, 1, generator=generator)
        yield math.sqrt(2) * torch.sin(2 * math.pi * time_S / 32 + phase_B11).expand(-1, LEADS, -1)


def test_masks_hide_the_same_number_everywhere_and_not_the_same_patches():
    is_hidden_BP = draw_masks(50, PATCHES, torch.Generator().manual_seed(1))
    assert (is_hidden_BP.sum(1) == PATCHES // 2).all()
    assert (is_hidden_BP.float().mean(0) > 0.2).all()
    assert (is_hidden_BP.float().mean(0) < 0.8).all()
    assert torch.equal(is_hidden_BP, draw_masks(50, PATCHES, torch.Generator().manual_seed(1)))
    assert (draw_masks(3, 4, torch.Generator(), share=0.01).sum(1) == 1).all()


def test_the_encoder_sees_nothing_of_what_is_hidden_and_all_of_the_rest():
    model = make_model().eval()
    assert model.patch == PATCH
    signal_BCS = next(make_waves(0))[:, :, : PATCH * PATCHES]
    is_hidden_BP = draw_masks(len(signal_BCS), PATCHES, torch.Generator().manual_seed(2))
    is_hidden_BCS = is_hidden_BP.repeat_interleave(PATCH, dim=1)[:, None].expand_as(signal_BCS)
    other_BCS = torch.where(is_hidden_BCS, torch.full_like(signal_BCS, 9.0), signal_BCS)
    with torch.no_grad():
        rebuilt_BCS = model(signal_BCS, is_hidden_BP)
        assert rebuilt_BCS.shape == signal_BCS.shape
        assert torch.equal(rebuilt_BCS, model(other_BCS, is_hidden_BP))
        assert not torch.equal(rebuilt_BCS, model(signal_BCS + ~is_hidden_BCS, is_hidden_BP))


def test_the_loss_is_the_error_of_the_hidden_samples_and_the_patches_are_where_they_belong():
    class Echo(nn.Module):
        """One channel per sample and lead of a patch: what a perfect encoder would say."""

        def forward(self, signal_BCS):
            batch = len(signal_BCS)
            return self.clean.reshape(batch, LEADS, PATCHES, PATCH).transpose(2, 3).reshape(batch, -1, PATCHES)

    encoder = Echo()
    model = MaskedAutoencoder(encoder, channels=LEADS * PATCH, patch=PATCH, num_leads=LEADS)
    with torch.no_grad():
        model.decoder.weight.copy_(torch.eye(LEADS * PATCH)[:, :, None])
        model.decoder.bias.zero_()
    signal_BCS = torch.randn(4, LEADS, PATCH * PATCHES, generator=torch.Generator().manual_seed(3))
    is_hidden_BP = draw_masks(4, PATCHES, torch.Generator().manual_seed(4))
    is_hidden_B1S = is_hidden_BP.repeat_interleave(PATCH, dim=1)[:, None]
    with torch.no_grad():
        encoder.clean = signal_BCS + 5.0 * ~is_hidden_B1S
        assert float(model.loss(signal_BCS, is_hidden_BP)) == pytest.approx(0.0, abs=1e-10)
        encoder.clean = signal_BCS + 2.0 * is_hidden_B1S
        assert float(model.loss(signal_BCS, is_hidden_BP)) == pytest.approx(4.0, rel=1e-5)


def test_it_learns_to_rebuild_and_repeats_itself():
    states = []
    for _ in range(2):
        model = make_model()
        before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
        log = pretrain(model, lambda epoch: make_waves(epoch, 8), epochs=6, lr=1e-2, weight_decay=0.0, seed=5)
        states.append(model.state_dict())
    assert log[-1]["train_loss"] < 0.5 * log[0]["train_loss"]
    assert any(not torch.equal(before[name], tensor) for name, tensor in model.encoder.state_dict().items())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
