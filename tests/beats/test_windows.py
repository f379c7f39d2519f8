import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecgfeat.beats.windows import cut_beats, normalise
from ecgfeat.errors import DataError
from ecgfeat.store.schemas import INVALID_UV

SHAPE = {"num_samples": 256, "num_leads": 2}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2000, 2000, shape).astype(np.int16)


@given(
    total=st.integers(1, 600),
    share=st.lists(st.floats(0, 0.999), max_size=5),
    num_samples=st.sampled_from([1, 2, 255, 256]),
)
def test_windows_equal_slices_of_the_signal(total: int, share: list[float], num_samples: int) -> None:
    signal = noise(total, 2)
    sample = np.array(sorted(int(s * total) for s in share), dtype=np.int64)
    window = cut_beats(signal, sample, num_samples=num_samples, num_leads=2)
    assert window.shape == (len(share), 2, num_samples)
    assert window.dtype == np.int16
    for beat, r in enumerate(sample):
        for s in range(num_samples):
            position = r - num_samples // 2 + s
            expected = signal[position] if 0 <= position < total else INVALID_UV
            np.testing.assert_array_equal(window[beat, :, s], expected)


def test_cutting_is_shift_invariant() -> None:
    signal, sample = noise(3000, 2), np.array([200, 1000, 2500])
    moved = np.concatenate([noise(77, 2, seed=1), signal])
    inside = sample[1:]
    np.testing.assert_array_equal(cut_beats(signal, inside, **SHAPE), cut_beats(moved, inside + 77, **SHAPE))


def test_first_leads_are_cut_and_a_missing_lead_is_invalid() -> None:
    signal, sample = noise(3000, 3), np.array([200, 1000, 2500])
    window = cut_beats(signal, sample, **SHAPE)
    np.testing.assert_array_equal(window, cut_beats(signal[:, :2], sample, **SHAPE))
    single = cut_beats(signal[:, :1], sample, **SHAPE)
    np.testing.assert_array_equal(single[:, 0], window[:, 0])
    assert (single[:, 1] == INVALID_UV).all()


def test_beats_outside_the_record_are_refused() -> None:
    for sample in (-1, 100):
        with pytest.raises(DataError, match=f"sample {sample}"):
            cut_beats(noise(100, 2), np.array([50, sample]), **SHAPE)
    with pytest.raises(DataError, match="samples, leads"):
        cut_beats(noise(100), np.array([50]), **SHAPE)


def test_normalised_windows_have_mean_0_and_deviation_1() -> None:
    window = normalise(noise(5, 2, 256))
    assert window.dtype == torch.float32
    torch.testing.assert_close(window.mean(-1), torch.zeros(5, 2), rtol=0, atol=1e-6)
    torch.testing.assert_close(window.std(-1, correction=0), torch.ones(5, 2), rtol=0, atol=1e-5)


def test_normalising_ignores_what_is_invalid() -> None:
    window = noise(4, 2, 256)
    window[0, 0, 100:] = INVALID_UV
    out = normalise(window)
    assert torch.all(out[0, 0, 100:] == 0)
    torch.testing.assert_close(out[0, 0, :100], normalise(window[:1, :1, :100])[0, 0], rtol=0, atol=1e-6)
    # The other leads and windows do not notice.
    torch.testing.assert_close(out[1:], normalise(window[1:]), rtol=0, atol=0)
    torch.testing.assert_close(out[0, 1], normalise(window[:1, 1:])[0, 0], rtol=0, atol=0)


@pytest.mark.parametrize("level", [0, 1234, -32767, INVALID_UV])
def test_flat_and_invalid_leads_become_zero(level: int) -> None:
    assert torch.all(normalise(np.full((2, 2, 256), level, dtype=np.int16)) == 0)


@given(gain=st.sampled_from([-7, -1, 2, 15]), offset=st.integers(-1000, 1000), seed=st.integers(0, 99))
def test_normalising_undoes_gain_polarity_and_offset(gain: int, offset: int, seed: int) -> None:
    window = noise(2, 2, 256, seed=seed)
    changed = (window.astype(np.int64) * gain + offset).clip(-32767, 32767).astype(np.int16)
    np.testing.assert_array_equal(changed, window.astype(np.int64) * gain + offset)
    torch.testing.assert_close(normalise(changed), np.sign(gain) * normalise(window), rtol=0, atol=1e-5)


def test_the_batch_does_not_matter() -> None:
    window = noise(64, 2, 256)
    one_by_one = torch.cat([normalise(window[i : i + 1]) for i in range(64)])
    torch.testing.assert_close(normalise(window), one_by_one, rtol=0, atol=1e-6)
    torch.testing.assert_close(normalise(torch.from_numpy(window)), one_by_one, rtol=0, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu() -> None:
    window = noise(100, 2, 256)
    window[3, :, 200:] = INVALID_UV
    torch.testing.assert_close(normalise(window, "cuda").cpu(), normalise(window), rtol=0, atol=1e-5)
