"""params.yaml and the presets: every fault is named with its path, and nothing is converted behind the user's back."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from ecgfeat.errors import UsageError
from pipeline.params import Params, read_params
from pipeline.run.repro import forget_others, read_preset
from tests.fixtures.small_run import default_params

ROOT = Path(__file__).parents[2]
TEXT = default_params()
PRESETS = sorted((ROOT / "presets").glob("*.txt"))


def parse(tmp_path: Path, text: str) -> Params:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return read_params(path)


def test_shipped_params_are_valid(tmp_path):
    params = parse(tmp_path, TEXT)
    assert params.corpora == ["simulate"]
    assert params.train_htf.lr == 1e-3


def test_sections_stand_in_the_order_of_the_model():
    keys = [line.split(":")[0] for line in TEXT.splitlines() if line and line[0] not in " #-"]
    assert keys == list(Params.model_fields)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  lr: 1e-3", "  lrr: 1e-3", r"train_htf.lr: missing; train_htf.lrr: unknown param"),
        ("seed: 42", "sede: 42", r"sede: unknown param"),
        ("- simulate", "- mitbd", r"corpora: .*mitdb"),
        ("- simulate", "- mitdb\n- mitdb", r"corpora: .*named twice"),
        ("epochs: 6 ", "epochs: six ", r"train_htf.epochs: 'six'"),
        ("epochs: 6 ", "epochs: 0 ", r"train_htf.epochs: 0"),
        ("lr: 1e-3", "lr: '1e-3'", r"train_htf.lr"),
        ("method: ecgfeat", "method: pan", r"rpeaks.method: 'pan'"),
        ("ensemble: []", "ensemble: [resnet1d]", r"arena.ensemble \['resnet1d'\]: expected two"),
        ("ensemble: []", "ensemble: [resnet1d, resnet]", r"arena.ensemble .*: expected two"),
        ("  high_hz: 30", "  high_hz: 0.2", r"low_hz 0.5 with high_hz 0.2: expected a band"),
        ("  low_hz: 0.5 ", "  low_hz: 40 ", r"low_hz 40 at fs_hz 64: expected less than half"),
        ("  - all\n", "  - V9\n", r"crossvalidate.leads: simulate12: no lead V9; expected all, or"),
        ("  - all\n", "  - I\n  - I\n", r"crossvalidate.leads: simulate12: leads I, I; expected all, or"),
        ("  - all\n", "  - all\n  - I\n", r"crossvalidate.leads: simulate12: no lead all;"),
        ("weights: models/window", "weights: models/mine", r"htf_window.weights"),
        ("seed: 42", "seed: [", r"cannot be read"),
    ],
)
def test_faults_are_named(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(UsageError, match=message):
        parse(tmp_path, TEXT.replace(old, new, 1))


def test_all_faults_are_named_at_once(tmp_path):
    with pytest.raises(UsageError) as caught:
        parse(tmp_path, TEXT.replace("seed: 42", "seed: -1").replace("batch: 256", "batch: many"))
    assert "seed: -1" in str(caught.value)
    assert "train_htf.batch: 'many'" in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_set_the_same_keys_to_valid_values(tmp_path, preset):
    # A key that only one preset sets would stay behind when one goes back to another.
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    tree = yaml.load(TEXT)
    keys = []
    for line in read_preset(preset):
        key, value = line.split("=", 1)
        keys.append(key)
        *sections, name = key.split(".")
        section = tree
        for part in sections:
            section = section[part]
        assert name in section, key
        section[name] = yaml.load(value)
    Params.model_validate(tree)
    assert keys == [line.split("=")[0] for line in read_preset(ROOT / "presets" / "simulate.txt")]


def test_simulate_preset_is_what_params_yaml_says():
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    tree = yaml.load(TEXT)
    for line in read_preset(ROOT / "presets" / "simulate.txt"):
        key, value = line.split("=", 1)
        found = tree
        for part in key.split("."):
            found = found[part]
        assert found == yaml.load(value), key


def test_simulate_preset_leaves_params_yaml_byte_for_byte(tmp_path):
    # DVC rewrites the file under -S: what a newcomer's first command leaves must not show up in git diff.
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    for preset in ("simulate", "mitdb", "cinc2017", "simulate"):
        apply_overrides(path, read_preset(ROOT / "presets" / f"{preset}.txt"))
        if preset == "mitdb":
            apply_overrides(path, ["crossvalidate.leads=[I]"])
    assert path.read_text() == TEXT


def test_check_exits_with_2_and_one_line(tmp_path):
    (tmp_path / "params.yaml").write_text(TEXT.replace("epochs: 6 ", "epoch: 12", 1))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.check"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "train_htf.epoch: unknown param" in done.stderr


def test_outputs_of_other_corpora_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("windows/mitdb.zarr", "windows/simulate.zarr", "raw/mitdb", "raw/simulate"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data/windows/.gitignore").touch()
    for name in ("models/systems/resnet1d", "models/systems/gone", "reports/diagnostic/gone/resnet1d"):
        (tmp_path / name).mkdir(parents=True)
    forget_others(["mitdb", "resnet1d"])
    left = sorted(p.relative_to(tmp_path / "data").as_posix() for p in (tmp_path / "data").glob("*/*"))
    assert left == ["raw/mitdb", "windows/.gitignore", "windows/mitdb.zarr"]
    assert [path.name for path in (tmp_path / "models/systems").iterdir()] == ["resnet1d"]
    assert not list((tmp_path / "reports/diagnostic").iterdir())
