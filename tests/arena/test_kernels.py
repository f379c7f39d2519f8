"""The random-kernel features against a direct loop, and their projection against scikit-learn."""

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from sklearn.decomposition import PCA

from ecgfeat.arena import kernels as kernel_features
from ecgfeat.arena.kernels import Kernels, Pca, draw_kernels, fit_pca, list_dilations, project, transform
from ecgfeat.errors import DataError, UsageError


def draw_signal(num_records, num_leads, num_samples, seed=0):
    return torch.randn(num_records, num_leads, num_samples, generator=torch.Generator().manual_seed(seed))


def direct_responses(signal_CS, weight_KCT, dilation):
    """The definition, sample by sample, in float64."""
    num_samples = signal_CS.shape[1]
    response_KS = np.zeros((len(weight_KCT), num_samples))
    for kernel, weight_CT in enumerate(weight_KCT):
        for sample in range(num_samples):
            for tap in range(9):
                place = sample + (tap - 4) * dilation
                if 0 <= place < num_samples:
                    response_KS[kernel, sample] += weight_CT[:, tap] @ signal_CS[:, place]
    return response_KS


def direct_features(signal_CS, kernels):
    """Maximum and share above the threshold."""
    features = []
    for weight_KCT, threshold_K, dilation in zip(*kernels, strict=True):
        response_KS = direct_responses(signal_CS.double().numpy(), weight_KCT.double().numpy(), dilation)
        features.append(response_KS.max(1))
        features.append((response_KS > threshold_K.double().numpy()[:, None]).mean(1))
    return np.concatenate(features)


# The last is longer than a tile.
@pytest.mark.parametrize(("num_leads", "num_samples"), [(1, 33), (2, 130), (12, 70), (2, 600)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_equal_to_the_direct_loop(num_leads, num_samples, dtype):
    kernels = draw_kernels(num_leads, num_samples, kernels_per_dilation=6)
    signal_BCS = draw_signal(2, num_leads, num_samples)
    found_BF = transform(signal_BCS, kernels, dtype=dtype).double().numpy()
    is_ppv = np.tile(np.repeat([False, True], 6), len(kernels.dilations))
    for found_F, signal_CS in zip(found_BF, signal_BCS, strict=True):
        expected_F = direct_features(signal_CS, kernels)
        np.testing.assert_allclose(found_F[~is_ppv], expected_F[~is_ppv], atol=0, rtol=1e-5)
        # A sample within rounding of its threshold may be counted on the wrong side in float32, and moves a PPV by 1/S.
        flipped = (found_F - expected_F)[is_ppv] * num_samples
        np.testing.assert_allclose(flipped, np.round(flipped), atol=1e-3)
        assert np.abs(np.round(flipped)).sum() <= (0 if dtype == torch.float64 else 1)


def test_float32_is_as_near_as_promised_at_the_published_length():
    # Production computes in float32: with as many kernels a sample or two of five million may change sides.
    kernels = draw_kernels(12, 5000, kernels_per_dilation=100)
    signal_BCS = draw_signal(1, 12, 5000, seed=1)
    exact, quick = (
        transform(signal_BCS, kernels, dtype=dtype).double().view(len(kernels.dilations), 2, 100)
        for dtype in (torch.float64, torch.float32)
    )
    assert not torch.equal(exact, quick)
    torch.testing.assert_close(quick[:, 0], exact[:, 0], atol=0, rtol=1e-5)
    assert ((quick - exact)[:, 1] * 5000).abs().sum() < 2.5


def test_the_published_size_and_order():
    kernels = draw_kernels(12, 5000, kernels_per_dilation=1000)
    assert kernels.dilations == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    assert kernels.num_features == 20_000
    assert {tuple(weight_KCT.shape) for weight_KCT in kernels.weights} == {(1000, 12, 9)}
    assert kernels.weights[3].unique().tolist() == [-1, 0, 1]
    assert torch.cat(kernels.thresholds).std() == pytest.approx(0.1, rel=0.05)
    # Weights, then thresholds, dilation by dilation, from one generator.
    generator = torch.Generator().manual_seed(42)
    for weight_KCT, threshold_K in zip(kernels.weights[:2], kernels.thresholds[:2], strict=True):
        assert torch.equal(torch.randint(-1, 2, (1000, 12, 9), generator=generator).float(), weight_KCT)
        assert torch.equal(torch.randn(1000, generator=generator) * 0.1, threshold_K)


def test_dilations_by_length():
    assert list_dilations(9) == (1,)
    assert list_dilations(16) == (1,)
    assert list_dilations(17) == (1, 2)
    assert list_dilations(4096) == (1, 2, 4, 8, 16, 32, 64, 128, 256)
    with pytest.raises(UsageError, match="at least 9"):
        list_dilations(8)


def test_a_record_does_not_see_its_batch_nor_the_size_of_a_tile(monkeypatch):
    kernels = draw_kernels(3, 700, kernels_per_dilation=20)
    signal_BCS = draw_signal(7, 3, 700)
    together = transform(signal_BCS, kernels)
    for size in (1, 2, 5):
        parts = torch.cat([transform(part, kernels) for part in signal_BCS.split(size)])
        assert torch.equal(parts, together)
    assert transform(signal_BCS[:0], kernels).shape == (0, kernels.num_features)
    monkeypatch.setattr(kernel_features, "_TILE_SAMPLES", 97)
    torch.testing.assert_close(transform(signal_BCS, kernels, dtype=torch.float64), together, atol=1e-5, rtol=1e-5)


def test_tiles_are_joined(monkeypatch):
    # The largest response and the counts must come from all the tiles, the short last one too.
    monkeypatch.setattr(kernel_features, "_TILE_SAMPLES", 16)
    kernels = Kernels((torch.ones(1, 1, 9),), (torch.tensor([0.5]),), (1,))
    for peak in (0, 7, 15):
        signal = torch.zeros(1, 1, 16)
        signal[..., peak] = 1.0
        max_value, ppv = transform(signal, kernels)[0].tolist()
        assert max_value == 1
        assert ppv == pytest.approx((min(peak, 4) + 1 + min(15 - peak, 4)) / 16)
    monkeypatch.setattr(kernel_features, "_TILE_SAMPLES", 5)
    assert transform(signal, kernels)[0].tolist() == [1, 5 / 16]


def test_float16_round_trip():
    kernels = draw_kernels(1, 100, kernels_per_dilation=8)
    plain = transform(draw_signal(3, 1, 100), kernels)
    rounded = transform(draw_signal(3, 1, 100), kernels, as_float16=True)
    assert rounded.dtype == torch.float32
    assert torch.equal(rounded, plain.to(torch.float16).float())
    assert not torch.equal(rounded, plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_equals_cpu():
    kernels = draw_kernels(12, 1000, kernels_per_dilation=50)
    signal_BCS = draw_signal(4, 12, 1000)
    expected = transform(signal_BCS, kernels, dtype=torch.float64)
    found = transform(signal_BCS.cuda(), kernels, dtype=torch.float64).cpu()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_signals_that_do_not_fit_are_refused():
    kernels = draw_kernels(2, 100, kernels_per_dilation=3)
    for shape in ((1, 3, 100), (1, 2, 500), (2, 100)):
        with pytest.raises(DataError, match="signal: shape"):
            transform(torch.zeros(shape), kernels)
    with pytest.raises(DataError, match="not finite"):
        transform(torch.full((1, 2, 100), torch.nan), kernels)
    with pytest.raises(UsageError, match="kernels_per_dilation: 0"):
        draw_kernels(2, 100, kernels_per_dilation=0)


def draw_features(num_records, num_features, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale_F = torch.linspace(5, 0.1, num_features)
    mixed_FF = torch.linalg.qr(torch.randn(num_features, num_features, generator=generator))[0]
    return torch.randn(num_records, num_features, generator=generator) * scale_F @ mixed_FF + 3.0


@pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
@pytest.mark.parametrize("exact", [True, False])
def test_pca_equals_scikit_learn(shape, exact, monkeypatch):
    if not exact:
        monkeypatch.setattr(kernel_features, "_EXACT_SIZE", 10)
    feature_NF = draw_features(*shape)
    oracle = PCA(5, svd_solver="full").fit(feature_NF.double().numpy())
    pca = fit_pca(feature_NF, 5, 42)
    tolerance = 1e-4 if exact else 2e-2
    np.testing.assert_allclose(pca.variance, oracle.explained_variance_ratio_, rtol=tolerance)
    cosine_P = (pca.components.double().numpy() * oracle.components_).sum(1)
    np.testing.assert_allclose(np.abs(cosine_P), 1, atol=tolerance)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(5), atol=1e-5)
    assert (pca.components.max(1).values == pca.components.abs().max(1).values).all()
    other_NF = draw_features(7, shape[1], seed=1)
    if exact:
        expected = oracle.transform(other_NF.double().numpy()) * np.sign(cosine_P)
        np.testing.assert_allclose(project(other_NF, pca), expected, atol=1e-3)


def test_fewer_records_than_components():
    feature_NF = draw_features(6, 30)
    pca = fit_pca(feature_NF, 8, 42)
    assert pca.components.shape == (8, 30)
    assert (pca.components[:5].norm(dim=1) > 0.99).all()  # six records span five directions
    assert (pca.components[5:] == 0).all()
    assert pca.variance.sum() == pytest.approx(1, abs=1e-5)
    projected_NP = project(feature_NF, pca)
    assert (projected_NP[:, 5:] == 0).all()
    torch.testing.assert_close(projected_NP @ pca.components + pca.mean, feature_NF, atol=1e-4, rtol=0)


def test_equal_records_have_no_directions():
    pca = fit_pca(torch.ones(4, 10), 3, 42)
    assert (project(torch.randn(5, 10), pca) == 0).all()
    assert (pca.variance == 0).all()


def test_pca_is_repeatable_and_survives_a_file(monkeypatch):
    monkeypatch.setattr(kernel_features, "_EXACT_SIZE", 10)
    feature_NF = draw_features(60, 50)
    state = torch.get_rng_state()
    pca = fit_pca(feature_NF, 5, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    loaded = Pca(**load(save(fit_pca(feature_NF, 5, seed=1)._asdict())))
    assert set(loaded._asdict()) == {"mean", "components", "variance"}
    for first, second in zip(pca, loaded, strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(fit_pca(feature_NF, 5, seed=2).components, pca.components)


def test_too_few_records_are_refused():
    with pytest.raises(DataError, match="two records"):
        fit_pca(torch.zeros(1, 10), 3, 42)
    with pytest.raises(UsageError, match="num_components"):
        fit_pca(torch.zeros(4, 10), 0, 42)
