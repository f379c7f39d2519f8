"""The timeline head: only distances between beats count, nothing outside the record does, and the sums are right."""

import copy
import math

import numpy as np
import pytest
import torch

from ecgfeat.dropout import Dropout
from ecgfeat.models.rhythm_timeline import LONGEST_TURN_BEATS, RhythmTimeline, rotations

D, K = 7, 6


@pytest.fixture(scope="module")
def model() -> RhythmTimeline:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        model = RhythmTimeline(num_features=D, num_classes=K, width=32, num_blocks=2, num_heads=4).eval()
        # Weights as they are drawn give attention that hardly chooses; a position would not be missed then.
        for block in model.blocks:
            block.query_key_value.weight.data *= 2
    return model


def features(num_chunks: int, num_beats: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(num_chunks, num_beats, D, generator=torch.Generator().manual_seed(seed))


def ask(model: RhythmTimeline, feature_BLD: torch.Tensor, valid_BL: torch.Tensor | None = None) -> torch.Tensor:
    with torch.inference_mode():
        return model(feature_BLD, torch.ones(feature_BLD.shape[:2], dtype=torch.bool) if valid_BL is None else valid_BL)


def place(feature_BLD: torch.Tensor, at: int, num_places: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the beats into a longer chunk of which nothing else may be seen."""
    stop = at + feature_BLD.shape[1]
    wide = torch.zeros(feature_BLD.shape[0], num_places, D)
    valid = torch.zeros(wide.shape[:2], dtype=torch.bool)
    wide[:, at:stop], valid[:, at:stop] = feature_BLD, True
    return wide, valid


@pytest.mark.parametrize("at", [1, 40, 156])
def test_moving_beats_along_a_chunk_changes_nothing(model: RhythmTimeline, at: int) -> None:
    beats = features(3, 100)
    here = ask(model, *place(beats, 0, 256))[:, :100]
    there = ask(model, *place(beats, at, 256))[:, at : at + 100]
    torch.testing.assert_close(here, there, rtol=0, atol=1e-5)


def test_distance_between_beats_does_count(model: RhythmTimeline) -> None:
    beats = features(1, 30)
    wide, valid = place(beats, 0, 60)
    apart, seen = wide.clone(), valid.clone()
    apart[:, 20:50], seen[:, 15:20], seen[:, 30:35] = 0, False, True
    apart[:, 20:35] = beats[:, 15:]
    moved = ask(model, apart, seen)
    assert (ask(model, wide, valid)[:, :15] - moved[:, :15]).abs().max() > 1e-3


def test_order_of_beats_does_count(model: RhythmTimeline) -> None:
    beats = features(1, 30)
    turned = ask(model, beats.flip(1)).flip(1)
    assert (ask(model, beats) - turned).abs().max() > 1e-3


def test_what_stands_outside_the_record_does_not_matter(model: RhythmTimeline) -> None:
    wide, valid = place(features(2, 50), 30, 128)
    damaged = torch.where(valid[..., None], wide, 1e3 * features(2, 128, seed=1))
    assert torch.equal(ask(model, wide, valid)[valid], ask(model, damaged, valid)[valid])


def test_a_masked_chunk_is_a_shorter_chunk(model: RhythmTimeline) -> None:
    beats = features(2, 50)
    masked = ask(model, *place(beats, 0, 128))[:, :50]
    torch.testing.assert_close(masked, ask(model, beats), rtol=0, atol=1e-5)
    shown = place(beats, 0, 128)[0]
    assert (ask(model, shown)[:, :50] - masked).abs().max() > 1e-3  # zeros that may be seen are beats


def test_chunks_of_a_batch_do_not_see_each_other(model: RhythmTimeline) -> None:
    beats = features(4, 64)
    valid = torch.ones(4, 64, dtype=torch.bool)
    valid[2, 40:] = False
    alone = torch.cat([ask(model, beats[i : i + 1], valid[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(alone[valid], ask(model, beats, valid)[valid], rtol=0, atol=1e-5)


def test_dropout_is_for_training_alone(model: RhythmTimeline) -> None:
    beats = features(1, 40)
    assert torch.equal(ask(model, beats), ask(model, beats))
    model.train()
    try:
        assert not torch.equal(ask(model, beats), ask(model, beats))
    finally:
        model.eval()


def reference(model: RhythmTimeline, feature_LD: np.ndarray, seen_L: np.ndarray) -> np.ndarray:
    """The head for one chunk, one beat and one head at a time, in double precision."""
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}

    def linear(name: str, x_LD: np.ndarray) -> np.ndarray:
        return x_LD @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x_LD: np.ndarray) -> np.ndarray:
        centred = x_LD - x_LD.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def turned(x_D: np.ndarray, beat: int) -> np.ndarray:
        found = np.empty_like(x_D)
        for pair in range(len(x_D) // 2):
            angle = beat * LONGEST_TURN_BEATS ** (-2 * pair / len(x_D))
            first, second = x_D[2 * pair], x_D[2 * pair + 1]
            found[2 * pair] = first * math.cos(angle) - second * math.sin(angle)
            found[2 * pair + 1] = first * math.sin(angle) + second * math.cos(angle)
        return found

    gelu = np.vectorize(lambda value: 0.5 * value * (1 + math.erf(value / math.sqrt(2))))
    x_LD = linear("project", feature_LD)
    num_beats, width = x_LD.shape
    for number, block in enumerate(model.blocks):
        query_LD, key_LD, value_LD = np.split(
            linear(f"blocks.{number}.query_key_value", norm(f"blocks.{number}.attention_norm", x_LD)), 3, axis=1
        )
        gathered_LD = np.zeros_like(x_LD)
        for head in np.split(np.arange(width), block.num_heads):
            for beat in range(num_beats):
                own = turned(query_LD[beat, head], beat)
                fit = [own @ turned(key_LD[other, head], other) / math.sqrt(len(head)) for other in range(num_beats)]
                share = np.where(seen_L, np.exp(fit), 0.0)
                gathered_LD[beat, head] = share @ value_LD[:, head] / share.sum()
        x_LD = x_LD + linear(f"blocks.{number}.attention_out", gathered_LD)
        hidden_LD = linear(f"blocks.{number}.feed_forward.1", norm(f"blocks.{number}.feed_forward.0", x_LD))
        x_LD = x_LD + linear(f"blocks.{number}.feed_forward.3", gelu(hidden_LD))
    return linear("head", norm("norm", x_LD))


@pytest.mark.parametrize("num_seen", [24, 17])
def test_logits_are_those_of_attention_written_out(model: RhythmTimeline, num_seen: int) -> None:
    beats = features(1, 24)
    valid = torch.arange(24)[None] < num_seen
    expected = reference(model, beats[0].double().numpy(), valid[0].numpy())
    found = ask(model, beats, valid)[0].numpy()
    np.testing.assert_allclose(found[:num_seen], expected[:num_seen], rtol=0, atol=1e-5)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(AssertionError, match="heads must divide the width"):
        RhythmTimeline(width=30, num_heads=4)
    with pytest.raises(AssertionError, match="turned in pairs"):
        RhythmTimeline(width=12, num_heads=4)


def test_gradients_of_training_are_those_of_evaluation(model: RhythmTimeline) -> None:
    feature_BLD = features(3, 40)
    gradients = []
    for is_training in (False, True):
        trained = copy.deepcopy(model).double().train(is_training)
        for module in trained.modules():
            if hasattr(module, "dropout"):
                module.dropout = 0.0
            if isinstance(module, Dropout):
                module.share = 0.0
        trained.attend(feature_BLD.double(), turns(40), None).square().sum().backward()
        gradients.append([parameter.grad for parameter in trained.parameters()])
    assert all(gradient.any() for gradient in gradients[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def turns(num_beats: int) -> torch.Tensor:
    return rotations(num_beats, 8, torch.device("cpu")).to(torch.complex128)
