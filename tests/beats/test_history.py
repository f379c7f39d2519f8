"""History features are what a loop over beats gives, and labels fed back side by side what feeding back one gives."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecgfeat.beats import history
from ecgfeat.beats.history import HISTORIES, beat_labels, history_features, predict_labels
from ecgfeat.models import build_model

STARTS = np.array([0, 40, 40, 41, 43, 143, 170])


@pytest.fixture(scope="module")
def htf():
    model = build_model("htf", seed=2)
    # Drawn weights give nearly constant labels: make the head depend on the history and the window.
    with torch.no_grad():
        model.head[0].weight[:, :512] *= 3
        model.head[0].weight[:, 512:] *= 30
        model.head[3].bias -= model.head[3].bias
    return model


@pytest.fixture(scope="module")
def beats():
    rng = np.random.default_rng(0)
    num = STARTS[-1]
    rr_s = rng.uniform(0.3, 1.5, num).astype(np.float32)
    rr_s[STARTS[:-1][STARTS[:-1] < num]] = np.nan
    embedding = rng.exponential(0.5, (num, 512)).astype(np.float32)
    return embedding, rr_s, rng.integers(-1, 3, num)


def loop_history(rr_s, label, beat, num_beats=5):
    """One beat at a time, as the definition reads."""
    rr, one_hot = np.zeros(num_beats), np.zeros((num_beats, 3))
    for back in range(1, num_beats + 1):
        if beat - back < 0:
            break
        interval = rr_s[beat - back + 1]
        rr[back - 1] = 0 if np.isnan(interval) else interval
        if label[beat - back] >= 0:
            one_hot[back - 1, label[beat - back]] = 1
    return np.concatenate((rr, one_hot.ravel())).astype(np.float32)


def loop_probability(htf, embedding, rr_s, mode, oracle):
    """One beat at a time through the whole head."""
    label, rows = np.full(len(rr_s), -1), []
    for beat in range(len(rr_s)):
        known = oracle if mode == "oracle" else label
        feature = torch.from_numpy(loop_history(rr_s, known, beat))[None]
        with torch.no_grad():
            encoded = htf.encode_history(feature)
            logits = htf.classify(torch.cat((torch.from_numpy(embedding[beat : beat + 1]), encoded), dim=1))
        rows.append(logits.softmax(-1)[0].numpy())
        if mode == "predicted":
            label[beat] = rows[-1].argmax()
    return np.array(rows).reshape(-1, 3)


def run(htf, beats, mode, **more):
    embedding, rr_s, label = beats
    return predict_labels(
        htf, embedding, rr_s, STARTS, history=mode, oracle_label=label if mode == "oracle" else None, **more
    )


def test_labels_of_unclassified_beats_are_unknown():
    assert beat_labels(["N", "S", "V", "F", "Q", ""]).tolist() == [0, 1, 2, -1, -1, -1]
    assert beat_labels([]).shape == (0,)


def test_a_written_out_example():
    feature = history_features([np.nan, 0.8, 0.5, 1.1], [0, 2, -1, 1], num_beats=2)
    assert feature.dtype == np.float32
    np.testing.assert_array_equal(
        feature,
        np.float32(
            [
                [0.0, 0.0, 0, 0, 0, 0, 0, 0],
                [0.8, 0.0, 1, 0, 0, 0, 0, 0],
                [0.5, 0.8, 0, 0, 1, 1, 0, 0],
                [1.1, 0.5, 0, 0, 0, 0, 0, 1],
            ]
        ),
    )


@given(
    st.lists(st.tuples(st.floats(0, 4, width=32) | st.just(float("nan")), st.integers(-1, 2)), max_size=12),
    st.integers(1, 7),
)
def test_history_features_equal_the_loop(rows, num_beats):
    rr_s = np.array([interval for interval, _ in rows], dtype=np.float32)
    label = np.array([number for _, number in rows], dtype=np.int64)
    expected = [loop_history(rr_s, label, beat, num_beats) for beat in range(len(rows))]
    found = history_features(rr_s, label, num_beats=num_beats)
    np.testing.assert_array_equal(found, np.reshape(expected, (len(rows), 4 * num_beats)))


def test_a_beat_does_not_see_its_own_label_nor_later_ones():
    rr_s, label = np.full(20, 0.8), np.zeros(20, dtype=np.int64)
    changed = label.copy()
    changed[10:] = 2
    same = history_features(rr_s, label, num_beats=5) == history_features(rr_s, changed, num_beats=5)
    assert same[:11].all()
    assert not same[11:16].all(axis=1).any()


@pytest.mark.parametrize("mode", HISTORIES)
def test_side_by_side_equals_beat_by_beat(htf, beats, mode):
    embedding, rr_s, label = beats
    spans = [slice(a, b) for a, b in pairwise(STARTS)]
    expected = np.concatenate([loop_probability(htf, embedding[s], rr_s[s], mode, label[s]) for s in spans])
    found = run(htf, beats, mode)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))
    assert len(np.unique(found.argmax(1))) == 3, "a classifier of one class proves nothing"


def test_histories_differ(htf, beats):
    labels = [tuple(run(htf, beats, mode).argmax(1)) for mode in HISTORIES]
    assert len(set(labels)) == len(HISTORIES)


@pytest.mark.parametrize("held", [1, 9, 60, 1000])
def test_how_many_beats_are_held_changes_nothing(htf, beats, held, monkeypatch):
    expected = run(htf, beats, "predicted")
    monkeypatch.setattr(history, "HELD_BEATS", held)
    np.testing.assert_array_equal(run(htf, beats, "predicted"), expected)


@pytest.mark.parametrize("mode", HISTORIES)
def test_a_record_does_not_depend_on_those_beside_it(htf, beats, mode):
    embedding, rr_s, label = beats
    together = run(htf, beats, mode)
    for a, b in pairwise(STARTS):
        oracle = label[a:b] if mode == "oracle" else None
        alone = predict_labels(htf, embedding[a:b], rr_s[a:b], [0, b - a], history=mode, oracle_label=oracle)
        np.testing.assert_array_equal(alone, together[a:b])


@pytest.mark.parametrize("mode", HISTORIES)
def test_every_beat_is_reported(htf, beats, mode):
    counts = []
    run(htf, beats, mode, on_beats=counts.append)
    assert sum(counts) == STARTS[-1]


def test_no_beats_at_all(htf):
    for mode in ("predicted", "none"):
        found = predict_labels(htf, np.zeros((0, 512), np.float32), [], [0], history=mode)
        assert found.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"history": "true"}, "history 'true'"),
        ({"history": "predicted", "oracle_label": np.zeros(170)}, "only with it"),
        ({"history": "oracle"}, "must be given"),
        ({"record_start": [0, 10]}, "record_start"),
        ({"rr_s": np.zeros(3)}, "embedding"),
    ],
)
def test_what_does_not_fit_is_refused(htf, beats, change, words):
    arguments = {"rr_s": beats[1], "record_start": STARTS, "history": "none", **change}
    with pytest.raises(ValueError, match=words):
        predict_labels(htf, beats[0], **arguments)


def test_mismatched_history_features_are_refused():
    with pytest.raises(ValueError, match="one length"):
        history_features([0.8, 0.8], [0], num_beats=5)
    with pytest.raises(ValueError, match="labels in"):
        history_features([0.8, 0.8], [0, 3], num_beats=5)
