"""ONNX files: the same logits, the same bytes, a quarter of the size in integers, and how long a record takes."""

import builtins
import time

import numpy as np
import pytest
import torch
from torch import nn

from ecgfeat.arena import get_signal_system
from ecgfeat.deploy import export
from ecgfeat.deploy.export import check_onnx, export_onnx
from ecgfeat.deploy.quantise import quantise_onnx
from ecgfeat.deploy.session import open_onnx, run_onnx
from ecgfeat.errors import EXTRA_OF, DataError, UsageError
from ecgfeat.models import draw_network
from ecgfeat.models.mamba2 import Mamba2
from ecgfeat.models.resnet1d import ResNet1D

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CONFIG = {
    "resnet1d": {"width": 16, "stage_blocks": [1, 1, 1]},
    "cnn_attn_bilstm": {"widths": [16, 32, 48], "lstm_widths": [48, 32], "num_leads": 2, "num_classes": 6},
}


def draw(num_records, num_samples=600, seed=0):
    # Half sines, half noise: records that a network tells apart even when its weights are random.
    generator = np.random.default_rng(seed)
    frequency_B11 = generator.uniform(0.01, 0.4, (num_records, 1, 1))
    noise = generator.normal(size=(num_records, 2, num_samples))
    return (np.sin(frequency_B11 * np.arange(num_samples)) + noise).astype(np.float32)


@pytest.fixture(scope="module", params=CONFIG)
def exported(request, tmp_path_factory):
    model = draw_network(get_signal_system(request.param).network, seed=1, **CONFIG[request.param])
    # Spread the classes about zero, so that every record does not get the same one.
    with torch.no_grad():
        model.head[-1].weight.mul_(20)
        model.head[-1].bias.sub_(model(torch.from_numpy(draw(64, seed=9))).mean(0))
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return model, path, export_onnx(model, [draw(2)], path)


def test_the_file_gives_the_same_logits_for_any_number_of_records(exported):
    model, path, size_bytes = exported
    assert size_bytes == path.stat().st_size > 4 * sum(value.numel() for value in model.parameters())
    assert check_onnx(model, [draw(7, seed=3)], path) <= 1e-4
    session = open_onnx(path)
    assert [(found.name, found.shape) for found in session.get_inputs()] == [("signal_BCS", ["batch", 2, 600])]
    assert run_onnx(session, [draw(1)]).shape == (1, 6)


def test_the_file_names_its_operator_set_and_no_path(exported):
    onnx = pytest.importorskip("onnx")
    _, path, _ = exported
    assert [found.version for found in onnx.load(path).opset_import if not found.domain] == [18]
    assert b"ecgfeat" not in path.read_bytes()
    assert b".py" not in path.read_bytes()


def test_integers_are_small_and_agree(exported, tmp_path):
    model, path, size_bytes = exported
    records = draw(64, seed=5)
    float_B = run_onnx(open_onnx(path), [records]).argmax(1)
    assert len(set(float_B)) > 2
    for calibration in (None, [draw(32, seed=6)]):
        target = tmp_path / "integers.onnx"
        assert quantise_onnx(path, target, calibration) == target.stat().st_size < 0.4 * size_bytes
        session = open_onnx(target)
        # Weights are random, so margins are narrow; classes guessed at random would agree in a sixth.
        assert np.mean(run_onnx(session, [records]).argmax(1) == float_B) >= 0.8
        # They are integers: the logits are close, not the same.
        with pytest.raises(DataError, match="logits differ"):
            check_onnx(model, [records], target)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["integers.onnx"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    model = draw_network(ResNet1D, seed=1, width=4, stage_blocks=[1])
    path = tmp_path_factory.mktemp("small") / "model.onnx"
    export_onnx(model, [draw(1, 50)], path)
    return model, path


def test_the_same_network_gives_the_same_bytes(small, tmp_path):
    model, path = small
    export_onnx(model, [draw(1, 50, seed=8)], tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    for name in ("one", "two"):
        quantise_onnx(path, tmp_path / name, [draw(3, 50)])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_says_what_it_is_told_to_and_nothing_else(small, tmp_path):
    onnx = pytest.importorskip("onnx")
    model, path = small
    noted = {"task": "single", "fs_hz": "64.0"}
    export_onnx(model, [draw(1, 50)], tmp_path / "noted.onnx", noted)
    quantise_onnx(tmp_path / "noted.onnx", tmp_path / "integers.onnx", [draw(3, 50)])
    for name in ("noted.onnx", "integers.onnx"):
        props = onnx.load(tmp_path / name).metadata_props
        assert [(one.key, one.value) for one in props] == [("fs_hz", "64.0"), ("task", "single")]
    assert not onnx.load(path).metadata_props


def test_a_file_of_other_weights_is_refused(small):
    other = draw_network(ResNet1D, seed=2, width=4, stage_blocks=[1])
    with pytest.raises(DataError, match=r"logits differ by .*; expected at most 0.0001"):
        check_onnx(other, [draw(2, 50)], small[1])


def test_a_file_that_is_wrong_is_not_left(small, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(DataError, match="at most -1"):
        export_onnx(small[0], [draw(1, 50)], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_mixer_is_exported_though_running_it_would_fix_the_number_of_records(tmp_path):
    generator = torch.Generator().manual_seed(0)
    model = Mamba2(8, state=4, head=4, chunk=4).eval()
    x_BLD = torch.randn(3, 8, 8, generator=generator).numpy()
    export_onnx(model, [x_BLD[:1]], tmp_path / "model.onnx")
    assert check_onnx(model, [x_BLD], tmp_path / "model.onnx") <= 1e-4


class Sign(nn.Module):
    def forward(self, signal_BCS):
        return signal_BCS.mean(2) if bool((signal_BCS > 0).all()) else signal_BCS.amax(2)


def test_a_network_whose_values_decide_is_refused_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="Sign cannot be recorded") as caught:
        export_onnx(Sign().eval(), [draw(1, 50)], tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls = 0

    def forward(self, signal_BCS):
        self.calls += 1
        # The first call is slower and must not count.
        time.sleep(0.2 if self.calls == 1 else 0.02)
        return signal_BCS.mean(2) * self.weight


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_named(missing, tmp_path, monkeypatch):
    def without(package):
        if package == missing:
            raise ModuleNotFoundError(package)
        return builtins.__import__(package)

    monkeypatch.setattr(export, "import_module", without)
    model = draw_network(ResNet1D, seed=0, width=4, stage_blocks=[1])
    with pytest.raises(UsageError, match=rf"^{missing}: not installed;.*ecgfeat\[{EXTRA_OF[missing]}\]"):
        export_onnx(model, [draw(1, 50)], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
