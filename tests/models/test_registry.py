"""Models are built, saved and loaded by name; what does not match is refused in one line."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from ecgfeat.errors import DataError, UsageError
from ecgfeat.models import MODELS, build_model, complete_config, count_parameters, load_model, save_model
from tests.fixtures.sealed import write_sealed

PARAMETERS = {"beat_net": 118_166, "htf": 1_143_939, "rhythm_timeline": 152_774, "rhythm_window": 892_806}


@pytest.mark.parametrize("name", MODELS)
def test_parameter_counts(name):
    assert count_parameters(build_model(name)) == PARAMETERS[name]


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_comes_back_whole(name, tmp_path):
    config = {"dropout": 0.2}
    model = build_model(name, seed=3, **config)
    saved = save_model(tmp_path, name, model, config, {"epochs": 2})
    loaded, described = load_model(tmp_path)
    assert described == saved
    assert described["config"] == complete_config(name, config)
    assert (described["name"], described["parameters"], described["info"]) == (name, PARAMETERS[name], {"epochs": 2})
    assert not loaded.training
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_global_state_alone(tmp_path):
    state = torch.get_rng_state()
    for folder in ("one", "two"):
        save_model(tmp_path / folder, "htf", build_model("htf", seed=5), info={"b": 1, "a": [2.5, None]})
    assert torch.equal(torch.get_rng_state(), state)
    for file_name in ("model.json", "model.safetensors"):
        assert (tmp_path / "one" / file_name).read_bytes() == (tmp_path / "two" / file_name).read_bytes()
    other = build_model("htf", seed=6).state_dict()["head.0.weight"]
    assert not torch.equal(other, build_model("htf", seed=5).state_dict()["head.0.weight"])


@pytest.fixture
def saved(tmp_path):
    save_model(tmp_path, "htf", build_model("htf"))
    return tmp_path


def edit(folder, **changes):
    path = folder / "model.json"
    write_sealed(path, {**json.loads(path.read_text()), **changes})


def replace_weights(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    edit(folder, weights_sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "model.json").unlink(), "model.json: no such file"),
        (lambda f: (f / "model.json").write_text('{"schema": '), "cannot be read"),
        (lambda f: (f / "model.json").write_text("[]"), "a list; expected a JSON object"),
        (lambda f: edit(f, schema_version=99), "schema ecgfeat.model 99"),
        (lambda f: edit(f, name="htg"), "unknown model 'htg'"),
        (lambda f: edit(f, parameters=7), "7 parameters"),
        (lambda f: edit(f, config={"leads": 3}), "unknown leads"),
        (lambda f: edit(f, config=None), "config"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be read"),
        (lambda f: (f / "model.safetensors").write_bytes(b"short"), "checksum"),
        (lambda f: replace_weights(f, b"not safetensors at all"), "weights of the model"),
    ],
)
def test_what_does_not_match_is_refused_in_one_line(saved, damage, words):
    damage(saved)
    with pytest.raises(DataError, match=words) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_refused_in_one_line(saved):
    from safetensors.torch import save

    replace_weights(saved, save({"head.0.weight": torch.zeros(2, 2)}))
    with pytest.raises(DataError, match="weights of htf") as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)


def test_an_interrupted_save_leaves_no_description_of_other_weights(saved, monkeypatch):
    rename, calls = Path.rename, []

    def stop_after_the_weights(source, target):
        if calls:
            raise KeyboardInterrupt
        calls.append(rename(source, target))

    monkeypatch.setattr(Path, "rename", stop_after_the_weights)
    with pytest.raises(KeyboardInterrupt):
        save_model(saved, "htf", build_model("htf", seed=9))
    with pytest.raises(DataError, match="no such file"):
        load_model(saved)


def test_wrong_names_and_keywords_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match=r"'htg'.*htf"):
        build_model("htg")
    with pytest.raises(UsageError, match="unknown leads"):
        build_model("htf", leads=2)
    with pytest.raises(ValueError, match="JSON"):
        save_model(tmp_path, "htf", build_model("htf"), info={"loss": float("nan")})
