"""Each variation does what it says, and nothing where it is not asked for."""

import pytest
import torch

from ecgfeat.augmentation import Augmentation, spoil_labels


@pytest.fixture(name="window_BCS")
def random_windows():
    return torch.randn(400, 2, 64, generator=torch.Generator().manual_seed(0))


def vary(window_BCS, **how):
    return Augmentation(**how)(window_BCS, torch.Generator().manual_seed(1))


def test_no_augmentation_changes_nothing(window_BCS):
    assert torch.equal(vary(window_BCS), window_BCS)


def test_each_augmentation_does_what_it_says(window_BCS):
    assert torch.equal(vary(window_BCS, swap_leads=1.0), window_BCS.flip(1))
    assert torch.equal(vary(window_BCS, flip_polarity=1.0), -window_BCS)
    flipped = (vary(window_BCS, flip_polarity=0.5) == -window_BCS).all(dim=2)
    # Four standard deviations around one half of 800 leads, drawn one by one.
    assert 0.43 < flipped.float().mean() < 0.57
    assert (flipped[:, 0] != flipped[:, 1]).any()
    dropped = (vary(window_BCS, drop_lead=1.0) == 0).all(dim=2)
    assert (dropped.sum(dim=1) == 1).all()
    assert dropped.any(dim=0).all()
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


def test_labels_are_exchanged_one_by_one_and_forgotten_history_by_history():
    before = torch.eye(3)[torch.zeros(2000, 5, dtype=torch.long)]
    before[:, 4] = 0.0
    generator = torch.Generator().manual_seed(0)
    after = spoil_labels(before.flatten(1), 3, noise=0.3, dropout=0.5, generator=generator).view(2000, 5, 3)
    forgotten = (after == 0).all(dim=2).all(dim=1)
    assert 0.45 < forgotten.float().mean() < 0.55
    kept = after[~forgotten]
    assert (kept[:, :4].sum(dim=2) == 1).all()
    assert not kept[:, 4].any(), "an unknown label stays unknown"
    # A label is exchanged in 3 of 10 cases, and for itself in a third of them.
    assert 0.17 < (kept[:, :4, 0] == 0).float().mean() < 0.23


def test_histories_are_left_alone_where_not_asked():
    label = torch.eye(3)[torch.arange(15) % 3].view(3, 15)
    same = spoil_labels(label, 3, noise=0.0, dropout=0.0, generator=torch.Generator().manual_seed(0))
    assert torch.equal(same, label)
