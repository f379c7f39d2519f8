"""The smoothed path: equal to trying every path, and better than single beats where rhythms last."""

import itertools
import json
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ecgfeat.rhythm.chunks import BeatRuns
from ecgfeat.rhythm.decoding import (
    Decoder,
    Durations,
    choose_decoder,
    count_durations,
    decoder_from_json,
    decoder_to_json,
    smooth_path,
    transition_matrix,
)

DURATIONS = Durations((20.0, 5.0, 8.0), ((0.0, 0.7, 0.3), (0.9, 0.0, 0.1), (0.5, 0.5, 0.0)), (0.6, 0.3, 0.1))


@pytest.mark.parametrize("num_phases", [1, 2])
@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_path_is_the_best_of_all_paths(num_phases, weight):
    rng = np.random.default_rng(num_phases)
    decoder = Decoder(DURATIONS, num_phases, weight, 0.5)
    posteriors = [rng.dirichlet(np.ones(3), size=length).astype(np.float32) for length in (5, 1, 4)]
    log_JJ = weight * transition_matrix(DURATIONS, num_phases)
    share = 0.5 * np.log(np.array(DURATIONS.share))
    for posterior, found in zip(posteriors, smooth_path(posteriors, decoder), strict=True):
        evidence = np.log(posterior.astype(np.float64)) - share

        def score(path, evidence=evidence):
            seen = sum(evidence[beat, state // num_phases] for beat, state in enumerate(path))
            return seen + sum(log_JJ[a, b] for a, b in itertools.pairwise(path))

        best = max(itertools.product(range(3 * num_phases), repeat=len(posterior)), key=score)
        assert_array_equal(found, np.array(best) // num_phases)


def test_weight_zero_takes_the_most_probable_class():
    posterior = np.random.default_rng(0).dirichlet(np.ones(3), size=200).astype(np.float32)
    path = smooth_path([posterior], Decoder(DURATIONS, 1, 0.0, 0.0))[0]
    assert_array_equal(path, posterior.argmax(1))


def test_a_single_odd_beat_is_smoothed_away():
    posterior = np.tile([0.8, 0.1, 0.1], (40, 1)).astype(np.float32)
    posterior[20] = [0.3, 0.6, 0.1]
    assert_array_equal(smooth_path([posterior], Decoder(DURATIONS, 1, 1.0, 0.0))[0], np.zeros(40))


def test_records_are_decoded_each_for_itself():
    rng = np.random.default_rng(1)
    posteriors = [rng.dirichlet(np.ones(3), size=length).astype(np.float32) for length in (30, 0, 50)]
    decoder = Decoder(DURATIONS, 3, 0.5, 0.0)
    for alone, beside in zip(posteriors, smooth_path(posteriors, decoder), strict=True):
        assert_array_equal(smooth_path([alone], decoder)[0], beside)
    assert smooth_path([], decoder) == []


def test_one_long_record_among_many_short_ones_takes_the_memory_of_its_beats():
    rng = np.random.default_rng(0)
    lengths = [20_000, *rng.integers(1, 50, 300)]
    posteriors = [rng.dirichlet(np.ones(3), length).astype(np.float32) for length in lengths]
    tracemalloc.start()
    smooth_path(posteriors, Decoder(DURATIONS, 3, 0.5, 0.0))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1000 * sum(lengths)


@pytest.mark.parametrize("num_phases", [1, 3])
def test_phases_keep_the_mean_duration(num_phases):
    matrix = np.exp(transition_matrix(DURATIONS, num_phases))
    assert_allclose(matrix.sum(1), 1.0)
    for k, mean in enumerate(DURATIONS.mean_beats):
        stay = matrix[k * num_phases, k * num_phases]
        assert num_phases / (1 - stay) == pytest.approx(max(mean, 2 * num_phases))


def test_durations_are_those_of_the_episodes():
    runs = BeatRuns(
        np.zeros(0, np.int64), np.array([0, 10, 40, 60]), np.array([10, 40, 50, 70]), np.array([0, 1, 0, 1])
    )
    durations = count_durations(runs, np.array([0, 50, 100]), 2)
    assert durations.mean_beats == ((20 + 1) / 3, (40 + 1) / 3)
    assert durations.share == pytest.approx((21 / 62, 41 / 62))
    assert durations.follows == ((0.0, 1.0), (1.0, 0.0))


def test_choice_is_the_best_on_the_records_it_is_shown_and_survives_json():
    rng = np.random.default_rng(2)
    label = np.repeat([0, 1, 0, 2, 0], 60)
    posterior = rng.dirichlet(np.ones(3), size=300) * 0.5 + np.eye(3)[label] * 0.3 + 0.2 / 3
    runs = BeatRuns(label, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    decoder, tried = choose_decoder(posterior.astype(np.float32), np.array([0, 120, 300]), runs, DURATIONS)
    scores = [row["beat_macro_f1"] for row in tried]
    assert tried[0]["weight"] == 0.0
    assert max(scores[1:]) > scores[0], "smoothing must help where rhythms last and beats are noisy"
    chosen = next(row for row in tried[1:] if row["beat_macro_f1"] == max(scores[1:]))
    assert (decoder.num_phases, decoder.weight) == (chosen["num_phases"], chosen["weight"])
    assert decoder_from_json(json.loads(json.dumps(decoder_to_json(decoder)))) == decoder
