"""Windows of a longer signal: where they lie, how they are scaled and padded, and the mean of their posteriors."""

import numpy as np
import pytest
import torch

from ecgfeat.models import build_model
from ecgfeat.signal_views import cut_views, predict_tta, scale_leads, view_starts


@pytest.fixture(scope="module")
def model():
    return build_model("resnet1d", seed=2, width=4, stage_blocks=(1, 1))


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def posterior(model, window_CW):
    scaled = (window_CW - window_CW.mean(1, keepdims=True)) / (window_CW.std(1, keepdims=True) + 1e-6)
    with torch.no_grad():
        return model(torch.from_numpy(scaled)[None])[0].softmax(0).numpy()


def test_starts_cover_the_signal_evenly():
    assert view_starts(2500, 1280) == (0, 203, 406, 610, 813, 1016, 1220)
    assert view_starts(2500, 1280, 1) == (610,)
    assert view_starts(1280, 1280) == view_starts(12, 1280) == view_starts(1280, 1280, seed=3) == (0,)


def test_random_starts_follow_the_seed_and_fit():
    starts = view_starts(1300, 1280, 500, seed=5)
    assert starts == view_starts(1300, 1280, 500, seed=5) != view_starts(1300, 1280, 500, seed=6)
    # Every place is possible, the last one too.
    assert set(starts) == set(range(21))


def test_the_mean_posterior_of_seven_windows(model):
    signal = draw(2, 1000)
    starts = view_starts(1000, 300)
    expected = np.mean([posterior(model, signal[:, start : start + 300]) for start in starts], axis=0)
    found = predict_tta(model, signal, window_samples=300)
    assert found.shape == (6,)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    one = predict_tta(model, signal, window_samples=300, num_views=1)
    assert np.abs(one - found).max() > 1e-4
    drawn = predict_tta(model, signal, window_samples=300, seed=1)
    assert np.abs(drawn - found).max() > 1e-6
    np.testing.assert_array_equal(drawn, predict_tta(model, torch.from_numpy(signal), window_samples=300, seed=1))


def test_signals_of_a_batch_do_not_influence_each_other(model):
    signals = draw(3, 2, 700)
    together = predict_tta(model, signals, window_samples=300, seed=4)
    assert together.shape == (3, 6)
    for signal, expected in zip(signals, together, strict=True):
        np.testing.assert_allclose(predict_tta(model, signal, window_samples=300, seed=4), expected, atol=1e-6)


def test_gain_and_offset_of_a_lead_do_not_matter(model):
    signal = draw(2, 600)
    moved = signal * np.array([[1000.0], [0.5]], np.float32) + np.array([[-300.0], [7.0]], np.float32)
    expected = predict_tta(model, signal, window_samples=300)
    np.testing.assert_allclose(predict_tta(model, moved, window_samples=300), expected, atol=1e-4)


def test_every_window_is_scaled_alone():
    signal = np.concatenate([draw(1, 100), 50 + 9 * draw(1, 100, seed=1)], 1)
    view_VBCW = cut_views(torch.from_numpy(signal)[None], 100, (0, 100))
    assert view_VBCW.shape == (2, 1, 1, 100)
    np.testing.assert_allclose(view_VBCW.mean(3), 0, atol=1e-5)
    np.testing.assert_allclose(view_VBCW.std(3, correction=0), 1, atol=1e-5)


def test_a_short_signal_is_padded_on_the_right_after_scaling():
    signal = torch.from_numpy(5 + draw(1, 2, 40))
    padded = cut_views(signal, 100, (0,))[0]
    torch.testing.assert_close(padded[:, :, :40], scale_leads(signal))
    assert not padded[:, :, 40:].any()


def test_invalid_samples_and_flat_leads_become_zero():
    signal = 5 + draw(1, 3, 50)
    signal[0, 1], signal[0, 2] = 3.0, np.nan
    holes = np.insert(signal, 20, np.nan, axis=2)
    found = scale_leads(torch.from_numpy(holes)).numpy()
    assert not found[0, 1:].any()
    assert found[0, 0, 20] == 0
    np.testing.assert_allclose(np.delete(found, 20, axis=2), scale_leads(torch.from_numpy(signal)), atol=1e-6)


def test_several_classes_at_once(model):
    signal = draw(2, 300)
    single = predict_tta(model, signal, window_samples=300)
    several = predict_tta(model, signal, window_samples=300, task="multi")
    # Odds of two classes are a ratio of softmax values: both come from the same logits.
    logit = np.log(several / (1 - several))
    np.testing.assert_allclose(np.log(single) - np.log(single[0]), logit - logit[0], atol=1e-4)
    assert abs(several.sum() - 1) > 0.1


@pytest.mark.parametrize("shape", [(300,), (2, 0), (1, 1, 2, 300)])
def test_other_shapes_are_refused(model, shape):
    with pytest.raises(ValueError, match="expected"):
        predict_tta(model, np.zeros(shape, np.float32))
