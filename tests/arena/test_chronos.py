"""Frozen embeddings, with a tiny checkpoint of the same class: loaded by path, batched, deterministic, clear errors."""

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ecgfeat.errors import UsageError
from ecgfeat.models import count_parameters, draw_network
from ecgfeat.models.chronos_mlp import ChronosMLP

pytest.importorskip("transformers")

from ecgfeat.arena.chronos import embed, load_encoder, tiny_encoder


@pytest.fixture(scope="module")
def encoder():
    return tiny_encoder(seed=1)


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("chronos")
    encoder.save_pretrained(path)
    return path


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).cumsum(-1).astype(np.float32)


def test_the_mean_of_what_the_package_itself_gives_for_the_patches(encoder):
    signal = draw(3, 2, 170)
    found = embed(encoder, signal)
    assert (found.shape, found.dtype) == ((3, 32), torch.float32)
    # 170 samples are 11 patches of 16; the package appends two tokens more.
    tokens, _ = encoder.embed(signal)
    assert tokens[0].shape == (2, 11 + 2, 32)
    expected = torch.stack([token_CTE[:, :11].mean((0, 1)) for token_CTE in tokens])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert found.std(0).min() > 1e-3


def test_signals_of_a_batch_do_not_see_each_other_but_leads_do(encoder):
    signal = draw(5, 2, 128)
    expected = embed(encoder, signal)
    assert torch.equal(embed(encoder, signal), expected)
    for batch_size in (1, 2):
        torch.testing.assert_close(embed(encoder, signal, batch_size=batch_size), expected, atol=1e-4, rtol=0)
    tokens = [encoder.embed(signal[:1, lead : lead + 1])[0][0] for lead in (0, 1)]
    alone = torch.cat(tokens)[:, :-2].mean((0, 1))
    assert (alone - expected[0]).abs().max() > 1e-3


def test_gain_and_offset_of_a_lead_do_not_matter(encoder):
    signal = draw(2, 2, 128)
    moved = 250 * signal + np.array([[3.0], [-900.0]], np.float32)
    torch.testing.assert_close(embed(encoder, moved), embed(encoder, signal), atol=5e-3, rtol=0)


def test_invalid_samples_and_flat_leads_still_have_an_embedding(encoder):
    signal = draw(3, 2, 128)
    signal[0, 0], signal[1, 1], signal[2, 0, :40] = np.nan, 0.0, np.nan
    assert torch.isfinite(embed(encoder, signal)).all()


def test_seeds_and_global_state():
    state = torch.get_rng_state()
    one, same, other = (embed(tiny_encoder(seed), draw(1, 1, 64)) for seed in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-2)
    assert embed(tiny_encoder(0, embedding=16), draw(1, 1, 64)).shape == (1, 16)


@pytest.mark.parametrize("num_samples", [0, 8193])
def test_no_sample_is_dropped_unsaid(encoder, num_samples):
    with pytest.raises(ValueError, match="expected 1 to 8192"):
        embed(encoder, draw(1, 1, num_samples))


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_saved_checkpoint_is_loaded_by_path(encoder, folder, offline, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    signal = draw(2, 2, 128)
    loaded = load_encoder(folder)
    assert type(loaded) is type(encoder)
    assert not loaded.model.training
    assert torch.equal(embed(loaded, signal), embed(encoder, signal))


def test_what_cannot_be_loaded_is_told_in_one_line(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "older").mkdir()
    described = json.loads((folder / "config.json").read_text())
    (tmp_path / "older" / "config.json").write_text(json.dumps({**described, "architectures": ["ChronosBoltModel"]}))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text(json.dumps(described))
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no weights")
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "config.json").write_text(json.dumps(described))
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.final_layer_norm.weight"]
    save_file(weights, tmp_path / "partial" / "model.safetensors", metadata={"format": "pt"})
    cases = [
        ("nobody/no-such-model", "HF_HUB_OFFLINE is set.*hf download"),
        (tmp_path / "absent", "no config.json"),
        (tmp_path / "empty", "no config.json"),
        (tmp_path / "older", "class ChronosBoltModel; expected Chronos2Model"),
        (tmp_path / "damaged", "expected weights that can be read"),
        (tmp_path / "partial", "no weights of encoder.final_layer_norm.weight; expected all"),
    ]
    for checkpoint, words in cases:
        with pytest.raises(UsageError, match=words) as caught:
            load_encoder(checkpoint)
        assert "\n" not in str(caught.value)
        assert str(checkpoint) in str(caught.value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "chronos", None)
    for use, arguments in ((load_encoder, ["amazon/chronos-2"]), (tiny_encoder, [])):
        with pytest.raises(UsageError, match=r"no package chronos-forecasting;.*ecgfeat\[chronos\]"):
            use(*arguments)


def test_the_trained_part(encoder):
    model = draw_network(ChronosMLP, seed=1)
    # LayerNorm 768, 768 to 256, 256 to 6.
    assert count_parameters(model) == 2 * 768 + 769 * 256 + 257 * 6
    small = draw_network(ChronosMLP, seed=0, embedding=32, hidden=8, num_classes=3)
    embedding_BE = embed(encoder, draw(4, 2, 64))
    with torch.no_grad():
        logits_BK = small(embedding_BE)
        assert logits_BK.shape == (4, 3)
        # The scale of embeddings is not the classifier's business.
        torch.testing.assert_close(small(10 * embedding_BE), logits_BK, atol=1e-4, rtol=0)
