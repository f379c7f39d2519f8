"""The fast embedding is the model's own, whatever the number of windows."""

import numpy as np
import pytest
import torch

from ecgfeat.beats.embedding import FastEmbedder, embed_windows
from ecgfeat.beats.windows import normalise
from ecgfeat.models import build_model


@pytest.fixture(scope="module")
def htf():
    """Give batch norm statistics like those of a trained model: fresh ones would be folded into nothing."""
    model = build_model("htf", seed=4)
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0.0, 0.3, generator=generator)
            module.running_var.uniform_(0.3, 2.0, generator=generator)
            torch.nn.init.uniform_(module.weight, 0.5, 2.0, generator=generator)
            torch.nn.init.normal_(module.bias, 0.0, 0.2, generator=generator)
    return model


@pytest.fixture(scope="module")
def window_uv():
    rng = np.random.default_rng(1)
    window = rng.normal(0, 300, (150, 2, 256)).cumsum(axis=2).clip(-30_000, 30_000).astype(np.int16)
    window[3, 1] = 0
    window[5, :, :100] = -32768
    window[7] = -32768
    return window


def eager(htf, window_uv):
    with torch.no_grad():
        return htf.embed(normalise(window_uv)).numpy()


def test_the_fast_embedding_is_within_1e_5_of_the_model(htf, window_uv):
    found, expected = embed_windows(htf, window_uv), eager(htf, window_uv)
    assert (found.shape, found.dtype) == ((150, 512), np.float32)
    assert expected.std(axis=0).max() > 0.05, "features that do not vary prove nothing"
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("num", [1, 127, 128, 129, 149])
def test_a_row_does_not_depend_on_the_number_of_rows(htf, window_uv, num):
    np.testing.assert_array_equal(embed_windows(htf, window_uv[:num]), embed_windows(htf, window_uv)[:num])


def test_a_row_does_not_depend_on_the_other_rows(htf, window_uv):
    order = np.random.default_rng(2).permutation(len(window_uv))
    np.testing.assert_array_equal(embed_windows(htf, window_uv[order]), embed_windows(htf, window_uv)[order])


def test_scale_does_not_matter(htf, window_uv):
    smaller = np.where(window_uv == -32768, window_uv, window_uv // 4 * 2)
    larger = np.where(window_uv == -32768, window_uv, window_uv // 4 * 4)
    assert np.abs(embed_windows(htf, smaller) - embed_windows(htf, larger)).max() < 1e-4


def test_batches_are_reported_and_other_sizes_agree(htf, window_uv):
    sizes = []
    found = embed_windows(htf, window_uv, batch=100, on_batch=sizes.append)
    assert sizes == [100, 50]
    assert np.abs(found - embed_windows(htf, window_uv)).max() < 1e-5


def test_no_windows_at_all(htf):
    assert embed_windows(htf, np.zeros((0, 2, 256), np.int16)).shape == (0, 512)


def test_other_window_lengths(htf):
    window_BCS = torch.randn(4, 2, 190, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert (FastEmbedder(htf)(window_BCS) - htf.embed(window_BCS)).abs().max() < 1e-5


def test_what_does_not_fit_is_refused(htf, window_uv):
    with pytest.raises(ValueError, match="windows of shape"):
        embed_windows(htf, window_uv[:, :1])
    with pytest.raises(ValueError, match="training mode"):
        embed_windows(build_model("htf").train(), window_uv)
