"""Harder signals: the shift follows the gradient and touches nothing else; bands go where and as often as set."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ecgfeat.arena.adversarial import adversarial_loss, fgsm, mask_band


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv1d(2, 8, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 16, 3)
        ).train()


TARGET = torch.tensor([0, 1, 2, 1])


def test_a_linear_model_is_shifted_by_the_sign_of_its_weights():
    weight_BCS = draw(1, 2, 30)
    weight_BCS[:, :, 7] = 0
    signal_BCS = draw(4, 2, 30, seed=1)

    class Weighted(nn.Module):
        def forward(self, x_BCS):
            return (x_BCS * weight_BCS).sum((1, 2))

    shifted = fgsm(Weighted(), signal_BCS, 3.0, lambda out, target: (target * out).sum(), eps=0.2)
    torch.testing.assert_close(shifted - signal_BCS, (0.2 * weight_BCS.sign()).expand(4, 2, 30), atol=1e-6, rtol=0)
    assert torch.equal(shifted[:, :, 7], signal_BCS[:, :, 7])


def test_the_shift_makes_the_loss_grow_more_than_chance_does(model):
    model.eval()
    signal_BCS = draw(4, 2, 20)
    before = cross_entropy(model(signal_BCS), TARGET)
    after = cross_entropy(model(fgsm(model, signal_BCS, TARGET, cross_entropy, 0.01)), TARGET)
    by_chance = [
        cross_entropy(model(signal_BCS + 0.01 * draw(4, 2, 20, seed=seed).sign()), TARGET) for seed in range(20)
    ]
    assert after - before > 3 * (max(by_chance) - before)


def test_the_model_is_left_as_it_was(model):
    model[2].eval()
    modes = [module.training for module in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random_state = torch.get_rng_state()
    signal_BCS = draw(4, 2, 20)
    kept = signal_BCS.clone()
    with torch.no_grad():
        shifted = fgsm(model, signal_BCS, TARGET, cross_entropy, 0.01)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(signal_BCS, kept)
    assert not signal_BCS.requires_grad
    assert not shifted.requires_grad


def test_the_model_comes_back_from_a_failure(model):
    def fail(output, target):
        raise RuntimeError("no loss")

    with pytest.raises(RuntimeError, match="no loss"):
        fgsm(model, draw(4, 2, 20), TARGET, fail, 0.01)
    assert all(module.training for module in model.modules())


def test_the_shift_of_a_record_does_not_depend_on_its_batch(model):
    # In training mode batch normalisation would see the others, and dropout another draw.
    signal_BCS = draw(4, 2, 20)
    together = fgsm(model, signal_BCS, TARGET, cross_entropy, 0.01)
    for record in range(4):
        alone = fgsm(model, signal_BCS[record, None], TARGET[record, None], cross_entropy, 0.01)
        torch.testing.assert_close(alone[0], together[record], atol=1e-6, rtol=0)


def test_recurrent_layers_keep_their_mode(model):
    lstm = nn.LSTM(2, 4)

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = lstm
            self.modes = []

        def forward(self, x_BCS):
            self.modes.append(lstm.training)
            return lstm(x_BCS.permute(2, 0, 1))[0][-1]

    recurrent = Recurrent()
    fgsm(recurrent, draw(4, 2, 20), TARGET, cross_entropy, 0.01)
    fgsm(recurrent.eval(), draw(4, 2, 20), TARGET, cross_entropy, 0.01)
    assert recurrent.modes == [True, False]


def test_the_mixed_loss_is_the_mean_of_both(model):
    model.eval()
    signal_BCS = draw(4, 2, 20)
    clean = cross_entropy(model(signal_BCS), TARGET)
    shifted = cross_entropy(model(fgsm(model, signal_BCS, TARGET, cross_entropy, 0.3)), TARGET)
    mixed = adversarial_loss(model, signal_BCS, TARGET, cross_entropy, eps=0.3, share=0.25)
    torch.testing.assert_close(mixed, 0.75 * clean + 0.25 * shifted)
    assert torch.equal(adversarial_loss(model, signal_BCS, TARGET, cross_entropy, 0.01, share=0.0), clean)
    mixed.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_training_on_shifted_signals_withstands_them_better():
    # One wide weak feature that an attack of eps undoes, and one strong one that it cannot.
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 2, (256,), generator=generator)
    sign = (2.0 * target - 1)[:, None]
    signal_BCS = 0.05 * torch.randn(256, 1, 20, generator=generator)
    signal_BCS[:, 0, 1:] += 0.1 * sign
    signal_BCS[:, 0, 0] += 0.3 * sign[:, 0]
    losses = {}
    for share in (0.0, 0.5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = nn.Sequential(nn.Flatten(), nn.Linear(20, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(100):
            optimizer.zero_grad()
            adversarial_loss(model, signal_BCS, target, cross_entropy, eps=0.2, share=share).backward()
            optimizer.step()
        losses[share] = cross_entropy(model(fgsm(model, signal_BCS, target, cross_entropy, 0.2)), target).item()
    assert losses[0.5] < 0.7 * losses[0.0]


FS_HZ = 500.0


def spectrum(signal_BCS):
    return torch.fft.rfft(signal_BCS.double()).abs()


def make(num_signals=200, num_samples=1000, seed=0):
    return draw(num_signals, 2, num_samples, seed=seed).double() + 3


def mask(signal_BCS, seed=0, probability=0.5, **config):
    generator = torch.Generator().manual_seed(seed)
    return mask_band(signal_BCS, FS_HZ, generator, probability=probability, **config)


def test_bands_are_removed_whole_and_the_rest_stays():
    signal_BCS = make()
    before, after = spectrum(signal_BCS), spectrum(mask(signal_BCS, probability=1.0))
    removed = after < 1e-9
    torch.testing.assert_close(after[~removed], before[~removed], atol=1e-8, rtol=0)
    assert torch.equal(removed[:, 0], removed[:, 1])
    frequency_F = torch.fft.rfftfreq(1000, 1 / FS_HZ)
    assert not removed[:, :, frequency_F >= 50].any()
    # Every frequency below 50 Hz is hit in some signal, but the mean, which is never.
    assert removed[:, 0, (frequency_F < 49) & (frequency_F > 1)].any(0).all()
    assert not removed[:, :, 0].any()
    # Two bands of 0 to 5 Hz with one or two of them used: 3.75 Hz on average, less where they overlap; bins of 0.5 Hz.
    mean_hz = removed[:, 0].sum(1).float().mean() * 0.5
    assert 3.2 < mean_hz < 4.1


def test_number_and_width_of_bands():
    for max_bands in (1, 3):
        # Narrow bands on a fine grid hardly ever touch.
        signal_BCS = make(100, 20_000)[:, :1]
        removed = spectrum(mask(signal_BCS, probability=1.0, max_bands=max_bands, max_width=0.02))[:, 0] < 1e-7
        edges = (removed[:, 1:] & ~removed[:, :-1]).sum(1)
        assert edges.max() == max_bands
        assert edges.float().mean() == pytest.approx((1 + max_bands) / 2, abs=0.25)
        if max_bands == 1:
            assert removed.sum(1).max() * FS_HZ / 20_000 <= 1.05


def test_probability_and_untouched_signals():
    signal_BCS = make(400, 200).float()
    masked = mask(signal_BCS, max_width=0.5)
    changed = (masked != signal_BCS).any(2).any(1)
    assert changed.float().mean() == pytest.approx(0.5, abs=0.1)
    assert masked.dtype == torch.float32
    assert torch.equal(mask(signal_BCS, probability=0.0), signal_BCS)


def test_the_generator_alone_decides():
    signal_BCS = make(20, 200)
    assert torch.equal(mask(signal_BCS, seed=1), mask(signal_BCS, seed=1))
    assert not torch.equal(mask(signal_BCS, seed=1), mask(signal_BCS, seed=2))
    # What is in the signals does not change where the bands lie.
    kept = spectrum(mask(signal_BCS, seed=1, probability=1.0)) > 1e-9
    other = spectrum(mask(make(20, 200, seed=9), seed=1, probability=1.0)) > 1e-9
    assert torch.equal(kept, other)


def test_bands_stay_below_half_the_sampling_rate_and_odd_lengths_keep_theirs():
    signal_BCS = make(200, 301)
    generator = torch.Generator().manual_seed(0)
    masked = mask_band(signal_BCS, 40.0, generator, probability=1.0, max_bands=1, max_width=0.5)
    assert masked.shape == signal_BCS.shape
    removed = spectrum(masked)[:, 0] < 1e-9
    # Widths of 0 to 10 Hz on a grid of 0.13 Hz: hardly a band falls between two frequencies, and none above 20 Hz.
    assert removed.any(1).float().mean() > 0.95
    # Uniform from 0 to 20 Hz: the lower and the upper half lose alike.
    low, high = removed[:, 1:75].float().mean(), removed[:, 76:150].float().mean()
    assert 0.7 < low / high < 1.4
