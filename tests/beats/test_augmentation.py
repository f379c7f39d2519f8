"""Each variation does what it is named for, and nothing when it is off."""

import pytest
import torch

from ecgfeat.beats.augmentation import Augmentation, corrupt_labels


@pytest.fixture(name="window_BCS")
def random_windows():
    return torch.randn(400, 2, 64, generator=torch.Generator().manual_seed(0))


def vary(window_BCS, **how):
    return Augmentation(**{"swap_leads": 0.0, "shift_samples": 0, "noise": 0.0} | how)(
        window_BCS, torch.Generator().manual_seed(1)
    )


def test_no_augmentation_changes_nothing(window_BCS):
    assert torch.equal(vary(window_BCS), window_BCS)


def test_each_augmentation_does_what_it_says(window_BCS):
    assert torch.equal(vary(window_BCS, swap_leads=1.0), window_BCS.flip(1))
    swapped = (vary(window_BCS, swap_leads=0.5) == window_BCS.flip(1)).all(dim=2).all(dim=1)
    # Four standard deviations around one half of 400 windows, drawn one by one.
    assert 0.4 < swapped.float().mean() < 0.6
    noise = vary(window_BCS, noise=0.1) - window_BCS
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)


def test_shifted_windows_are_moved_copies_with_zeros_behind(window_BCS):
    shifted = vary(window_BCS, shift_samples=2)
    seen = set()
    for before, after in zip(window_BCS, shifted, strict=True):
        for shift in range(-2, 3):
            expected = before.roll(-shift, dims=1)
            expected[:, 64 - shift :] = 0.0 if shift > 0 else expected[:, 64 - shift :]
            expected[:, : max(0, -shift)] = 0.0
            if torch.equal(after, expected):
                seen.add(shift)
                break
        else:
            raise AssertionError("a window is no shifted copy")
    assert seen == {-2, -1, 0, 1, 2}


@pytest.fixture
def label():
    """Number 4,000 histories in binary, so that each differs from all others."""
    return ((torch.arange(4000)[:, None] >> torch.arange(12)) & 1).float()


def corrupt(label, **how):
    return corrupt_labels(label, **{"noise": 0.0, "dropout": 0.0, **how}, generator=torch.Generator().manual_seed(0))


def test_histories_are_left_alone_where_not_asked(label):
    assert torch.equal(corrupt(label), label)


def test_a_share_of_the_histories_is_forgotten_whole(label):
    after = corrupt(label, dropout=0.3)
    changed = (after != label).any(dim=1)
    assert 0.27 < changed.float().mean() < 0.33
    assert not after[changed].any()


def test_a_share_of_the_histories_is_exchanged_for_others_of_the_batch(label):
    after = corrupt(label, noise=0.3)
    assert 0.27 < (after != label).any(dim=1).float().mean() < 0.33
    assert (corrupt(label, noise=1.0) != label).any(dim=1).float().mean() > 0.99
    number = (corrupt(label, noise=1.0) * 2 ** torch.arange(12)).sum(dim=1)
    assert torch.equal(number.sort().values, torch.arange(4000.0))
