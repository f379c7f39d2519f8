"""Claims about the published systems that a few lines of this package can check, and the page that lists all."""

import ast
import inspect
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import Conv1d
from torch.nn.functional import silu

from ecgfeat.arena import signal_systems
from ecgfeat.arena.kernels import draw_kernels
from ecgfeat.arena.pooling import power_mean, slice_starts
from ecgfeat.arena.rhythm_vector import RHYTHM_SLOTS, describe_rhythm
from ecgfeat.arena.signal_table import Band, prepare_signal
from ecgfeat.models import build_model, count_parameters, draw_network
from ecgfeat.models.cnn_attn_bilstm import CNNAttnBiLSTM
from ecgfeat.models.ecg_mamba2 import ECGMamba2
from ecgfeat.models.ecg_mamba2_parts import Stem
from ecgfeat.models.htf import TIME_WIDTHS, convolution_trunk
from ecgfeat.models.mamba2 import Mamba2
from ecgfeat.models.rhythm_window import RhythmWindow

ROOT = Path(__file__).parents[2]
PAGE, CLAIMS = ((ROOT / "docs" / name).read_text() for name in ("systems.md", "claims.md"))
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in CLAIMS.split("\n## Claim and finding\n")[1].split("\n## ")[0].splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| system |"))
]


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# RhythmResNet1D and the HTF system


def test_the_two_trunks_of_the_embedder_are_not_the_same():
    trunk = count_parameters(convolution_trunk(2, TIME_WIDTHS, 0.1))
    assert trunk == 761_728
    assert 2 * trunk + 5_504 + 74_243 == 1_603_203
    assert count_parameters(build_model("htf")) == 1_143_939


def test_the_window_head_has_room_for_64_beats():
    sizes = {beats: count_parameters(RhythmWindow(max_beats=beats)) for beats in (32, 64)}
    assert sizes == {32: 888_710, 64: 892_806}


@torch.no_grad()
def test_half_precision_features_hardly_change_a_decision():
    # A cache of embeddings in float16 is said to cost five points of macro F1 and more.
    model = build_model("htf", seed=3)
    feature_BD = torch.cat([model.embed(draw(400, 2, 256)), model.encode_history(draw(400, 20, seed=1).abs())], 1)
    # Training spreads the logits; one that knows nothing has them all alike, so that rounding would count for more.
    before_BK, after_BK = (model.classify(x) for x in (feature_BD, feature_BD.half().float()))
    assert not torch.equal(before_BK, after_BK)
    assert (before_BK - after_BK).abs().max() < 1e-3
    assert (before_BK.argmax(1) != after_BK.argmax(1)).float().mean() < 0.01


# ECG-RAMBA


def as_published(probability, exponent):
    return np.exp(np.mean(exponent * np.log(probability), axis=0) / exponent)


@pytest.mark.parametrize("exponent", [1.0, 3.0, 10.0])
def test_the_published_power_mean_is_the_geometric_mean_whatever_the_exponent(exponent):
    probability_N = np.array([0.1, 0.5, 0.9])
    assert as_published(probability_N, exponent) == pytest.approx(np.prod(probability_N) ** (1 / 3))
    assert power_mean(probability_N, 0.0) == pytest.approx(as_published(probability_N, exponent))
    assert power_mean(probability_N, 3.0) == pytest.approx(0.6581, abs=5e-5)


def test_each_time_bin_of_the_published_training_holds_one_slice():
    centres = [(start + 1250) / 5000 for start in slice_starts(5000, 2500, 1250)]
    assert np.digitize(centres, [0, 0.33, 0.66, 1.01]).tolist() == [1, 2, 3]
    # A power mean of one is that one, so what is left is the plain mean over the bins.
    probability_N = np.array([0.1, 0.5, 0.9])
    assert power_mean(probability_N[:, None], 3.0, axis=1) == pytest.approx(probability_N)


def test_the_kernels_are_not_those_of_minirocket():
    # MiniRocket: all 84 kernels of nine taps with three of weight 2 and six of -1, one kind of feature.
    kernels = draw_kernels(12, 5000, kernels_per_dilation=1000)
    assert kernels.num_features == 20_000 == 2 * 10 * 1000
    assert [sorted(set(weight.unique().tolist())) for weight in kernels.weights] == [[-1.0, 0.0, 1.0]] * 10
    first_KT = kernels.weights[0][:, 0]
    assert len(torch.unique(first_KT, dim=0)) > 84
    assert first_KT.sum(1).abs().max() > 0


def test_three_published_rhythm_numbers_are_the_same_for_every_record():
    signal_BCS = draw(3, 12, 2560) * torch.tensor([0.1, 1.0, 3.0])[:, None, None] + 0.2
    standard_BCS = (signal_BCS - signal_BCS.mean((1, 2), keepdim=True)) / signal_BCS.std((1, 2), keepdim=True)
    slots = [RHYTHM_SLOTS[name] for name in ("mean", "std", "mean_square")]
    published_BR, ours_BR = (describe_rhythm(x.numpy(), 256.0)[:, slots] for x in (standard_BCS, signal_BCS))
    np.testing.assert_allclose(published_BR, np.tile([0.0, 1.0, 1.0], (3, 1)), atol=1e-4)
    assert (np.ptp(ours_BR, axis=0)[1:] > 1).all()


@torch.no_grad()
def test_the_published_stand_in_for_the_cpu_computes_something_else():
    norm = Mamba2().norm
    y, gate = draw(4, 1, 768), draw(4, 1, 768, seed=1)
    gate_first, norm_first = norm(y, gate), norm.weight * y * norm.factor(y) * silu(gate)
    assert (gate_first - norm_first).norm() > 0.3 * gate_first.norm()


# Enhanced ECG-Mamba2


def after(length, kernel, stride, padding=0):
    return (length + 2 * padding - kernel) // stride + 1


def test_no_stack_of_equal_convolutions_makes_729_steps_of_8192_samples():
    # The formula, on the convolutions that are here in place of the unknown ones.
    x_BCS, length = torch.empty(1, 12, 8192, device="meta"), 8192
    for conv in (layer for layer in Stem(12, 2, 2, 2).to("meta") if isinstance(layer, Conv1d)):
        x_BCS, length = conv(x_BCS), after(length, conv.kernel_size[0], conv.stride[0], conv.padding[0])
        assert x_BCS.shape[2] == length != 729
    for kernel, stride, is_padded in itertools.product(range(1, 21), range(1, 8), (False, True)):
        length = 8192
        for _ in range(6):
            if length < kernel:
                break
            length = after(length, kernel, stride, kernel // 2 * is_padded)
            assert length != 729, (kernel, stride, is_padded)
    single = [(k, s) for k in range(1, 400) for s in range(1, 20) if after(8192, k, s) == 729]
    assert single == [(kernel, 11) for kernel in range(174, 185)]


def test_other_layouts_of_ecg_mamba2_are_as_near_to_the_published_count():
    with torch.device("meta"):
        counts = [count_parameters(ECGMamba2(state=state)) for state in (64, 128)]
    assert counts == [29_287_077, 29_685_413]
    assert round(counts[0] / 1e6, 1) == 29.3


# CNN-Attention-BiLSTM


def test_only_one_variant_has_the_published_count_of_half_a_million():
    def count(leads, attention, bilstm):
        with torch.device("meta"):
            return count_parameters(CNNAttnBiLSTM(num_leads=leads, use_attention=attention, use_bilstm=bilstm))

    variants = itertools.product((12, 1), (True, False), (True, False))
    assert [one for one in variants if round(count(*one) / 1e6, 2) == 0.52] == [(12, True, False)]


def test_the_published_size_is_that_of_another_file():
    with torch.device("meta"):
        model = CNNAttnBiLSTM()
    averages = sum(one.numel() for one in model.buffers() if one.ndim)  # of the batch normalisations
    num_bytes = 4 * (count_parameters(model) + averages)
    assert (round(num_bytes / 2**20, 2), round(num_bytes / 1e6, 2)) == (3.61, 3.78)


def test_at_500_hz_the_window_is_half_as_long_and_the_filter_twice_as_high():
    # A minute of 1 Hz: half of the amplitude is left at the edge of the filter, which runs forward and backward.
    signal_uv_SC = (1000 * np.sin(2 * np.pi * np.arange(30_000) / 500)).astype(np.int16)[:, None]
    for told_hz, minutes, amplitude_uv in ((500, 1, 1000), (250, 2, 500)):
        prepared_CS = prepare_signal(signal_uv_SC, told_hz, Band(250, 0.5, 0))
        assert prepared_CS.shape == (1, minutes * 15_000)
        assert prepared_CS[0, 2500:-2500].max() == pytest.approx(amplitude_uv, rel=0.01)


@torch.no_grad()
def test_the_attention_is_a_gate_that_sees_one_step():
    gate = draw_network(CNNAttnBiLSTM, seed=1).gate
    x_BDT, order = draw(2, 128, 10), torch.randperm(10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gate(x_BDT)[..., order], gate(x_BDT[..., order]))


# The page


def test_the_table_has_rows_of_every_system():
    assert len(ROWS) >= 35
    assert {row[0] for row in ROWS} == {"A", "B", "C", "D", "E"}
    assert {len(row) for row in ROWS} == {4}


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} {row[1][:40]}" for row in ROWS])
def test_every_row_names_what_shows_it(row):
    shown = row[3]
    named = re.findall(r"`([\w/]+)\.py::(test_\w+)`", shown)
    for module, function in named:
        trees = [ast.parse(path.read_text()) for path in (ROOT / "tests").rglob(f"{module}.py")]
        names = {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in names, shown
    sums = re.findall(r"`([\d.+*/() -]+) = (\d*\.?(\d*))`", shown)
    for term, result, decimals in sums:
        assert eval(term) == pytest.approx(float(result), abs=0.5001 * 10 ** -len(decimals)), term
    assert named or shown.startswith("not checked here: needs ") or (shown.startswith("arithmetic: ") and sums), shown


SIZES = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.split("\n## Sizes\n")[1].split("\n## ")[0], re.M))


def test_every_published_system_has_its_sizes_on_the_page():
    assert {name for name, system in signal_systems().items() if system.parameters} <= set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_the_published_sizes_are_the_defaults_of_the_networks(name):
    keywords = inspect.signature(signal_systems()[name].network).parameters
    sizes = {key: float(value) for key, value in re.findall(r"`(\w+)` (\d[\d.]*)", SIZES[name])}
    assert sizes == {key: keywords[key].default for key in sizes}
    assert sizes or name == "cnn_attn_bilstm"
