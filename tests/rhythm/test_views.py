"""Views of beat windows: what they change, and that the embedder cannot see a gain."""

import numpy as np
import pytest
import torch

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.models import build_model
from ecgfeat.rhythm.views import GAINS, JITTER_SAMPLES, view_windows

INVALID = -32768


@pytest.fixture
def windows():
    window = np.random.default_rng(0).integers(-2000, 2000, size=(5, 2, 256)).astype(np.int16)
    window[0, 1] = INVALID
    return window


@pytest.mark.parametrize("kind", ["offsets", "leads", "gain", "jitter"])
def test_view_zero_is_the_window_itself(windows, kind):
    assert np.array_equal(view_windows(windows, kind, 0), windows)


@pytest.mark.parametrize("kind", ["leads", "gain", "jitter"])
def test_the_window_given_is_not_changed(windows, kind):
    before = windows.copy()
    assert not np.array_equal(view_windows(windows, kind, 1), before)
    assert np.array_equal(windows, before)


def test_leads_are_exchanged_in_every_other_view(windows):
    assert np.array_equal(view_windows(windows, "leads", 3), windows[:, ::-1])
    assert np.array_equal(view_windows(windows, "leads", 4), windows)


@pytest.mark.parametrize("view", range(1, 7))
def test_jitter_moves_every_sample_and_invents_none(windows, view):
    shift = JITTER_SAMPLES[view]
    moved = view_windows(windows, "jitter", view)
    for sample in range(256):
        source = sample - shift
        expected = windows[:, :, source] if 0 <= source < 256 else INVALID
        assert (moved[:, :, sample] == expected).all()


@pytest.mark.parametrize("view", range(1, 7))
def test_gain_scales_valid_samples_and_does_not_reach_the_embedding(windows, view):
    scaled = view_windows(windows, "gain", view)
    assert (scaled[0, 1] == INVALID).all()
    assert np.abs(scaled[1] - windows[1] * GAINS[view]).max() < 0.501  # float32 rounding
    htf = build_model("htf", seed=0)
    seen, same = (embed_windows(htf, one, torch.device("cpu")) for one in (windows, scaled))
    assert np.abs(seen - same).max() < 0.02 * np.abs(seen).max()
