"""params.yaml and the presets: every fault is named with its path, and nothing is converted behind the user's back."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ecgfeat.errors import UsageError
from pipeline.params import Params, read_params
from pipeline.run.repro import compose
from tests.fixtures.small_run import default_params

ROOT = Path(__file__).parents[2]
TEXT = default_params()
PRESETS = sorted(path.stem for path in (ROOT / "conf" / "preset").glob("*.yaml"))


def parse(tmp_path: Path, text: str) -> Params:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return read_params(path)


def test_shipped_params_are_valid(tmp_path):
    params = parse(tmp_path, TEXT)
    assert params.corpora == ["simulate"]
    assert params.train_htf.lr == 1e-3


@pytest.mark.parametrize(
    ("slugs", "slug", "others"),
    [
        ("qtdb edb", "qtdb", "edb"),
        ("qtdb nsrdb edb", "qtdb", "edb, nsrdb"),
        ("ltafdb aftdb", "aftdb", "ltafdb"),
        ("afpdb ltafdb nsrdb", "afpdb", "ltafdb, nsrdb"),
        ("aftdb afpdb", "afpdb", "aftdb"),
    ],
)
def test_corpora_that_share_subjects_are_refused(tmp_path, slugs, slug, others):
    listed = "corpora:\n" + "".join(f"- {name}\n" for name in slugs.split())
    message = f"{slug} has excerpts of {others}: a subject would stand on both sides"
    with pytest.raises(UsageError, match=message):
        parse(tmp_path, TEXT.replace("corpora:\n- simulate\n", listed, 1))
    # So are those whose annotations alone are read.
    first, *rest = slugs.split()
    text = TEXT.replace("corpora:\n- simulate\n", f"corpora:\n- {first}\n", 1)
    with pytest.raises(UsageError, match=message):
        parse(tmp_path, text.replace("annotations:\n  corpora: []", f"annotations:\n  corpora: [{', '.join(rest)}]"))


@pytest.mark.parametrize("slugs", ["mitdb qtdb ltdb svdb", "incartdb edb ltafdb shdb-af", "afpdb edb incartdb mitdb"])
def test_corpora_that_share_none_are_used_together(tmp_path, slugs):
    listed = "corpora:\n" + "".join(f"- {name}\n" for name in slugs.split())
    assert parse(tmp_path, TEXT.replace("corpora:\n- simulate\n", listed, 1)).corpora == slugs.split()


def test_params_yaml_has_every_section_of_the_model():
    keys = [line.split(":")[0] for line in TEXT.splitlines() if line and line[0] not in " #-"]
    assert sorted(keys) == sorted(Params.model_fields)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  lr: 0.001", "  lrr: 0.001", r"train_htf.lr: missing; train_htf.lrr: unknown param"),
        ("seed: 42", "sede: 42", r"sede: unknown param"),
        ("- simulate", "- mitbd", r"corpora: .*mitdb"),
        ("- simulate", "- mitdb\n- mitdb", r"corpora: .*named twice"),
        ("epochs: 6\n", "epochs: six\n", r"train_htf.epochs: 'six'"),
        ("epochs: 6\n", "epochs: 0\n", r"train_htf.epochs: 0"),
        ("lr: 0.001", "lr: '0.001'", r"train_htf.lr"),
        ("method: ecgfeat", "method: pan", r"rpeaks.method: 'pan'"),
        (
            "short_records:\n  corpora:\n  - simulate12",
            "short_records:\n  corpora: []",
            r"outside.corpora ",
        ),
        (
            "outside:\n  corpora:\n  - simulate12",
            "outside:\n  corpora: [mitdb]",
            r"outside.corpora ",
        ),
        ("  split: test\n", "  split: train\n", r"outside.split: 'train'"),
        ("ensemble: []", "ensemble: [resnet1d]", r"arena.ensemble \['resnet1d'\]: expected two"),
        ("ensemble: []", "ensemble: [resnet1d, resnet]", r"arena.ensemble .*: expected two"),
        ("  high_hz: 30", "  high_hz: 0.2", r"low_hz 0.5 with high_hz 0.2: expected a band"),
        ("  low_hz: 0.5\n", "  low_hz: 40\n", r"low_hz 40 at fs_hz 64: expected less than half"),
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


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_hold_only_what_differs(preset, monkeypatch):
    monkeypatch.chdir(ROOT)
    yaml = YAML(typ="safe")
    own = yaml.load(ROOT / "conf" / "preset" / f"{preset}.yaml")
    systems = next((entry["override /systems"] for entry in own.pop("defaults", [])), "quick")
    base = compose([f"systems={systems}", "~preset"]).model_dump()
    composed = compose([f"preset={preset}"]).model_dump()
    assert composed == merged(base, own)
    repeated = [key for key, value in leaves(own) if dict(leaves(base))[key] == value]
    assert not repeated, f"{preset}.yaml repeats {repeated}"


def leaves(tree, prefix=""):
    for key, value in tree.items():
        yield from leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]


def merged(base, own):
    return base | {key: merged(base[key], value) if isinstance(value, dict) else value for key, value in own.items()}


def test_params_yaml_is_the_default_preset_byte_for_byte():
    # What a newcomer's first command leaves must not show up in git diff.
    committed = subprocess.run(
        ["git", "show", "HEAD:params.yaml"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    if not committed:
        pytest.skip("not in a checkout of Git")
    assert default_params("preset=simulate") == default_params() == committed


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("preset=typo", r"conf preset=typo: .*preset/typo"),
        ("train_htf.lrr=3", r"conf train_htf.lrr=3: .*train_htf.lrr"),
        ("train_htf.epochs=six", r"train_htf.epochs=six: train_htf.epochs: 'six'"),
        ("corpora=[mitbd]", r"corpora: .*Did you mean mitdb"),
    ],
)
def test_overrides_that_do_not_fit_are_named(override, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UsageError, match=message):
        compose([override])


def test_check_exits_with_2_and_one_line(tmp_path):
    (tmp_path / "params.yaml").write_text(TEXT.replace("epochs: 6\n", "epoch: 12\n", 1))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.code"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "train_htf.epoch: unknown param" in done.stderr


@pytest.mark.parametrize(
    "value", [".inf", "-.inf", ".nan", "2024-01-02", "2024-01-02T03:04:05", "!!binary aGk=", "[1, 2]"]
)
def test_yaml_values_of_other_kinds_are_one_line(tmp_path, monkeypatch, value):
    text = default_params().replace("  lr: 0.002\n", f"  lr: {value}\n", 1)
    assert value in text
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"params\.yaml: train_beats\.lr: ") as error:
        read_params(tmp_path / "params.yaml")
    assert "\n" not in str(error.value)
