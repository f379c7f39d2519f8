"""The Mamba-2 mixer: its exact size, agreement with a known mixer and a plain recurrence, what must not matter."""

import math
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import softplus
from torch.utils.flop_counter import FlopCounterMode

from ecgfeat.models import mamba2
from ecgfeat.models.mamba2 import Mamba2, Scan, scan_chunks

SMALL = {"state": 8, "head": 8}


def build(width=16, seed=0, **config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Mamba2(width, **{**SMALL, **config})


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_published_size_and_names():
    shapes = {name: tuple(parameter.shape) for name, parameter in Mamba2().named_parameters()}
    assert sum(math.prod(shape) for shape in shapes.values()) == 943_780
    assert shapes == {
        "dt_bias": (12,),
        "A_log": (12,),
        "D": (12,),
        "in_proj.weight": (1676, 384),
        "conv1d.weight": (896, 1, 4),
        "conv1d.bias": (896,),
        "norm.weight": (768,),
        "out_proj.weight": (384, 768),
    }


def test_initial_steps_and_decays_lie_in_their_ranges():
    # Many heads, so that a range that is wrong shows.
    mixer = build(512, head=1, state=1)
    step_H, decay_H = softplus(mixer.dt_bias), mixer.A_log.exp()
    assert 0.001 <= step_H.min() < 0.0011
    assert 0.09 < step_H.max() <= 0.1001
    # Half of the heads on either side of the middle: of the logarithm for the steps, of the rate for the decays.
    assert ((step_H < 0.01).float().mean() - 0.5).abs() < 0.06
    assert 1 <= decay_H.min() < 1.2
    assert 15.8 < decay_H.max() <= 16
    assert ((decay_H < 8.5).float().mean() - 0.5).abs() < 0.06
    assert torch.equal(mixer.D, torch.ones(1024))


@pytest.mark.parametrize("length", [1, 64, 65, 100, 729])
@torch.no_grad()
def test_agrees_with_the_mixer_of_transformers(length):
    pytest.importorskip("transformers")
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Config, Mamba2Mixer

    config = Mamba2Config(
        hidden_size=384, state_size=64, num_heads=12, head_dim=64, n_groups=1, num_hidden_layers=1, chunk_size=32
    )
    oracle = Mamba2Mixer(config, 0).eval()
    mixer = build(384, state=64, head=64).eval()
    # Numbers far from their first values, so that a term that is missing shows.
    mixer.D.copy_(draw(12, seed=1))
    mixer.norm.weight.copy_(1 + 0.3 * draw(768, seed=2))
    oracle.load_state_dict(mixer.state_dict())
    x_BLD = draw(2, length, 384)
    torch.testing.assert_close(mixer(x_BLD), oracle(x_BLD), atol=1e-5, rtol=0)


def recur(mixer, x_BLD):
    """Run the mixer one step at a time, as the state equations are written."""
    num_heads, inner, state = len(mixer.D), mixer.inner, mixer.state
    decay_H = -mixer.A_log.exp()
    taps = mixer.conv1d.kernel_size[0]
    past = [x_BLD.new_zeros(len(x_BLD), inner + 2 * state)] * (taps - 1)
    h_BHPN = x_BLD.new_zeros(len(x_BLD), num_heads, mixer.head, state)
    rows = []
    for x_BD in x_BLD.unbind(1):
        gate, mixed, dt = (x_BD @ mixer.in_proj.weight.T).split([inner, inner + 2 * state, num_heads], -1)
        past = [*past[-(taps - 1) :], mixed]
        mixed = sum(row * mixer.conv1d.weight[:, 0, k] for k, row in enumerate(past)) + mixer.conv1d.bias
        mixed = mixed * torch.sigmoid(mixed)
        value, into, out = mixed.split([inner, state, state], -1)
        value = value.reshape(len(x_BD), num_heads, mixer.head)
        dt = torch.log1p(torch.exp(dt + mixer.dt_bias))
        h_BHPN = torch.exp(dt * decay_H)[..., None, None] * h_BHPN
        h_BHPN = h_BHPN + torch.einsum("bh,bhp,bn->bhpn", dt, value, into)
        y = torch.einsum("bhpn,bn->bhp", h_BHPN, out) + mixer.D[:, None] * value
        y = y.reshape(len(x_BD), inner) * gate * torch.sigmoid(gate)
        y = y / torch.sqrt((y**2).mean(-1, keepdim=True) + 1e-5) * mixer.norm.weight
        rows.append(y @ mixer.out_proj.weight.T)
    return torch.stack(rows, 1)


@pytest.mark.parametrize("conv", [2, 4])
@torch.no_grad()
def test_agrees_with_the_recurrence(conv):
    mixer = build(conv=conv, chunk=16).double()
    mixer.D.copy_(draw(4, seed=1))
    mixer.norm.weight.copy_(1 + 0.3 * draw(32, seed=2))
    x_BLD = 3 * draw(2, 75, 16, dtype=torch.float64)
    torch.testing.assert_close(mixer(x_BLD), recur(mixer, x_BLD), atol=1e-10, rtol=0)


@pytest.mark.parametrize("chunk", [1, 7, 64, 99, 100, 101, 1000])
@torch.no_grad()
def test_the_chunk_does_not_matter(chunk):
    x_BLD = draw(2, 100, 16, dtype=torch.float64)
    expected = build(chunk=100).double()(x_BLD)
    torch.testing.assert_close(build(chunk=chunk).double()(x_BLD), expected, atol=1e-12, rtol=0)


@torch.no_grad()
def test_later_steps_and_other_sequences_are_not_seen():
    mixer = build(chunk=16).double()
    x_BLD = draw(3, 50, 16, dtype=torch.float64)
    expected = mixer(x_BLD)
    changed = x_BLD.clone()
    changed[:, 30:] = draw(3, 20, 16, seed=1, dtype=torch.float64)
    torch.testing.assert_close(mixer(changed)[:, :30], expected[:, :30], atol=1e-12, rtol=0)
    torch.testing.assert_close(mixer(x_BLD[:, :30]), expected[:, :30], atol=1e-12, rtol=0)
    assert (mixer(changed)[:, 30:] - expected[:, 30:]).abs().amin((1, 2)).max() > 0
    torch.testing.assert_close(mixer(x_BLD[1:2]), expected[1:2], atol=1e-12, rtol=0)


@torch.no_grad()
def test_the_first_step_reaches_the_last_across_chunks():
    # The convolution sees four steps, so what arrives after 40 came through the carried states.
    mixer = build(chunk=8).double()
    x_BLD = draw(1, 41, 16, dtype=torch.float64)
    changed = x_BLD.clone()
    changed[:, 0] += 1
    assert (mixer(changed)[:, -1] - mixer(x_BLD)[:, -1]).abs().max() > 1e-4


def test_gradients_are_right_and_finite_under_strong_decay():
    mixer = build(chunk=4).double()
    x_BLD = draw(1, 10, 16, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(mixer, (x_BLD,))
    mixer = build(chunk=128)
    with torch.no_grad():
        # exp of the sum of a chunk is zero in float32 here, and its inverse infinite.
        mixer.dt_bias.fill_(5.0)
    mixer(100 * draw(2, 300, 16)).square().sum().backward()
    for name, parameter in mixer.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_cost_is_linear_in_length():
    mixer = build(chunk=32)
    operations, numbers = [], []
    for length in (128, 256, 512, 1024):
        kept = 0

        def count(tensor):
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
            mixer(draw(1, length, 16))
        operations.append(counter.get_total_flops())
        numbers.append(kept)
    for counted in (operations, numbers):
        # Doubling the length doubles the cost, up to what does not depend on it; a full matrix would quadruple it.
        ratios = [after / before for before, after in pairwise(counted)]
        assert all(1.9 < ratio < 2.1 for ratio in ratios), (counted, ratios)


@torch.no_grad()
def test_half_precision_stays_near():
    mixer = build()
    x_BLD = draw(2, 100, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = mixer(x_BLD)
    assert half.dtype == torch.bfloat16
    expected = mixer(x_BLD)
    assert (half.float() - expected).abs().max() < 0.05 * expected.abs().max()


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="heads must divide"):
        Mamba2(16, head=7)
    with pytest.raises(ValueError, match="chunks of 0"):
        Mamba2(64, chunk=0)


def test_package_import_does_not_touch_the_kernel():
    code = (
        "import sys, ecgfeat.models.mamba2\n"
        "sys.exit(any(name.partition('.')[0] in ('mamba_ssm', 'transformers') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@torch.no_grad()
def test_the_cpu_never_uses_the_kernel(monkeypatch):
    monkeypatch.setattr(mamba2, "find_kernel", lambda: pytest.fail("called"))
    assert build()(draw(1, 5, 16)).shape == (1, 5, 16)


class SaysGpu(torch.Tensor):
    """A tensor on the CPU that claims to be on a GPU, so that the way to the kernel is tested without one."""

    is_cuda = True


@pytest.mark.parametrize(
    ("dtype", "kernel", "used"),
    [(torch.float32, True, True), (torch.float64, True, False), (torch.float32, False, False)],
)
@torch.no_grad()
def test_the_kernel_is_used_on_a_gpu_but_never_for_float64(monkeypatch, dtype, kernel, used):
    shapes = []

    def stand_in(x_BLHP, dt_BLH, A_H, B_BLGN, C_BLGN, chunk):
        shapes.append([tuple(tensor.shape) for tensor in (x_BLHP, dt_BLH, A_H, B_BLGN, C_BLGN)] + [chunk])
        return scan_chunks(x_BLHP, dt_BLH, A_H, B_BLGN[:, :, 0], C_BLGN[:, :, 0], chunk)

    monkeypatch.setattr(mamba2, "find_kernel", lambda: stand_in)
    mixer = build(kernel=kernel).to(dtype)
    x_BLD = draw(2, 70, 16, dtype=dtype)
    torch.testing.assert_close(mixer(x_BLD.as_subclass(SaysGpu)).as_subclass(torch.Tensor), mixer(x_BLD))
    assert shapes == ([[(2, 70, 4, 8), (2, 70, 4), (4,), (2, 70, 1, 8), (2, 70, 1, 8), 64]] if used else [])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@torch.no_grad()
def test_gpu_agrees_with_cpu():
    mixer = build(384, state=64, head=64, kernel=False).double()
    x_BLD = draw(2, 300, 384, dtype=torch.float64)
    expected = mixer(x_BLD)
    torch.testing.assert_close(mixer.cuda()(x_BLD.cuda()).cpu(), expected, atol=1e-10, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available() or mamba2.find_kernel() is None, reason="needs a GPU and mamba_ssm")
@torch.no_grad()
def test_kernel_agrees_with_the_plain_form():
    mixer = build(384, state=64, head=64).cuda()
    x_BLD = draw(2, 300, 384).cuda()
    fast = mixer(x_BLD)
    mixer.scan = Scan(128, kernel=False)
    torch.testing.assert_close(fast, mixer(x_BLD), atol=5e-3, rtol=5e-3)
