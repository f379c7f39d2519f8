"""Rhythms and beats of the simulator against the figures they were drawn from."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.errors import DataError
from ecgfeat.simulate import estimate
from ecgfeat.simulate.figures import ARCHETYPES, FIGURES_PATH, LEVELS, SIMULATED_RHYTHMS, draw, load_figures
from ecgfeat.simulate.rhythm import SHORTEST_RR_S, draw_beat_train, find_fibrillation
from ecgfeat.simulate.traits import draw_traits

GOLDEN = 0.6180339887498949
MEDIAN = LEVELS.index(0.5)
LOW, HIGH = LEVELS.index(0.1), LEVELS.index(0.9)


def draw_train(seed, *, hours=1.0, number=0, variety=0.0, dwell_compression=1.0):
    rng = np.random.default_rng([seed, number])
    traits = draw_traits(load_figures(), rng, archetype_u=(0.3 + number * GOLDEN) % 1, variety=variety)
    train = draw_beat_train(traits, load_figures(), rng, duration_s=hours * 3600, dwell_compression=dwell_compression)
    return traits, train


def as_beats(train, hours):
    """Bring a simulated record into the form that the figures are estimated from."""
    first = np.flatnonzero(train.is_first)
    first = first[np.append(True, train.rhythm[first][1:] != train.rhythm[first][:-1])]
    episode = np.searchsorted(first, np.arange(len(train.label)), side="right") - 1
    return {
        "rr_s": np.diff(train.time_s, prepend=np.nan),
        "label": train.label,
        "rhythm": train.rhythm,
        "episode": episode,
        "names": train.rhythm[first],
        "num_beats": np.bincount(episode),
        "hours": hours,
    }


@pytest.fixture(scope="module")
def found():
    """Figures of 80 simulated subjects of 8 hours with both knobs off."""
    return estimate.estimate_figures({str(n): as_beats(draw_train(7, hours=8, number=n)[1], 8.0) for n in range(80)})


@pytest.fixture(scope="module")
def dense():
    """Trains of 40 subjects of half an hour with the knobs as they are by default."""
    return [draw_train(3, hours=0.5, number=n, variety=0.85, dwell_compression=4.0)[1] for n in range(40)]


@pytest.mark.parametrize("rhythm", SIMULATED_RHYTHMS)
def test_beat_labels_occur_as_often_as_in_the_source(found, rhythm):
    real, simulated = load_figures()["rhythms"][rhythm]["labels"], found["rhythms"][rhythm]["labels"]
    for label in "NAV":
        assert simulated[label] == pytest.approx(real[label], abs=0.03)


@pytest.mark.parametrize("rhythm", ["NSR", "AFIB", "SBR", "AB", "SVTA", "B"])
def test_episodes_last_as_long_as_in_the_source(found, rhythm):
    real, simulated = (figures["rhythms"][rhythm]["dwell_log_mean"][MEDIAN] for figures in (load_figures(), found))
    # Medians of a few dozen subjects each; long episodes are cut by the eight hours.
    assert simulated == pytest.approx(real, abs=0.35 if rhythm not in ("NSR", "AFIB") else 2.5)


@pytest.mark.parametrize("rhythm", ["NSR", "AFIB", "SBR"])
def test_mean_interval_of_the_subjects_lies_where_the_source_has_it(found, rhythm):
    real, simulated = (figures["rhythms"][rhythm]["mean_rr_s"] for figures in (load_figures(), found))
    assert simulated[MEDIAN] == pytest.approx(real[MEDIAN], rel=0.12)
    assert real[LOW] * 0.85 < simulated[LOW] < simulated[HIGH] < real[HIGH] * 1.15


def test_fibrillation_is_irregular_without_memory_and_sinus_rhythm_is_not(found):
    afib, nsr = found["rhythms"]["AFIB"], found["rhythms"]["NSR"]
    assert abs(afib["lag1"][MEDIAN]) < 0.1
    assert nsr["lag1"][MEDIAN] > 0.3
    assert nsr["difference"][HIGH] < 0.06 < 0.14 < afib["difference"][LOW]
    for simulated, rhythm in ((afib, "AFIB"), (nsr, "NSR")):
        assert simulated["difference"][MEDIAN] == pytest.approx(
            load_figures()["rhythms"][rhythm]["difference"][MEDIAN], rel=0.3
        )


@pytest.mark.parametrize("early", ["A", "V"])
def test_an_early_beat_comes_early_and_a_pause_follows(found, early):
    pre, post = found["coupling"][early]["pre"], found["coupling"][early]["post"]
    real = load_figures()["coupling"][early]
    assert pre[MEDIAN] == pytest.approx(real["pre"][MEDIAN], abs=0.08)
    assert post[MEDIAN] == pytest.approx(real["post"][MEDIAN], abs=0.2)
    assert pre[HIGH] < 0.95 < 1.0 < post[MEDIAN]


@pytest.mark.parametrize(
    ("rhythm", "pattern"),
    [("AB", "AN"), ("B", "VN"), ("T", "VNN"), ("SVTA", "A"), ("VT", "V"), ("IVR", "V")],
)
def test_pattern_rhythms_repeat_their_pattern(dense, rhythm, pattern):
    num_episodes = 0
    for train in dense:
        starts = np.append(np.flatnonzero(train.is_first), len(train.label))
        for start, stop in pairwise(starts):
            if train.rhythm[start] == rhythm and stop < len(train.label):
                text = "".join(train.label[start:stop])
                assert text == (pattern * len(text))[: len(text)]
                # It ends with an early beat: what follows belongs to the next rhythm.
                assert text[-1] == pattern[0]
                assert len(text) >= 3
                num_episodes += 1
    assert num_episodes > 0


def test_bradycardia_is_slow_and_supraventricular_tachycardia_fast(dense):
    rr_s = {name: [] for name in SIMULATED_RHYTHMS}
    for train in dense:
        inside = ~train.is_first
        inside[0] = False
        for name in SIMULATED_RHYTHMS:
            rr_s[name].append(np.diff(train.time_s, prepend=0)[inside & (train.rhythm == name)])
    median_s = {name: float(np.median(np.concatenate(values))) for name, values in rr_s.items()}
    assert median_s["SVTA"] < 0.7 < median_s["NSR"] < 1.1 < 1.2 < median_s["SBR"]
    # Learnable, not trivial: single intervals of SBR and NSR overlap.
    assert np.quantile(np.concatenate(rr_s["NSR"]), 0.99) > np.quantile(np.concatenate(rr_s["SBR"]), 0.05)


def test_short_records_of_a_small_corpus_hold_all_six_classes(dense):
    subjects = {name: sum(bool(np.any(train.rhythm == name)) for train in dense) for name in SIMULATED_RHYTHMS[:6]}
    assert min(subjects.values()) >= 10


def test_knobs_make_episodes_shorter_and_rhythms_more_various():
    plain = [draw_train(5, number=n)[1] for n in range(30)]
    compressed = [draw_train(5, number=n, dwell_compression=4.0)[1] for n in range(30)]
    various = [draw_train(5, number=n, variety=1.0, dwell_compression=4.0)[1] for n in range(30)]

    def episodes(trains):
        return sum(int(train.is_first.sum()) for train in trains)

    def rhythms(trains):
        return sum(len(np.unique(train.rhythm)) for train in trains)

    assert episodes(compressed) > 1.5 * episodes(plain)
    assert rhythms(various) > 1.2 * rhythms(compressed)


def test_archetypes_differ_as_their_names_say():
    kinds = {name: [] for name in ARCHETYPES}
    for number in range(60):
        traits, train = draw_train(11, number=number, hours=4.0)
        kinds[traits.archetype].append(np.mean(train.rhythm == "AFIB"))
    assert np.median(kinds["permanent"]) > 0.9 > np.median(kinds["paroxysmal"])
    assert np.median(kinds["sinus"]) < 0.2
    weights = [load_figures()["archetypes"][name]["weight"] for name in ARCHETYPES]
    assert [len(kinds[name]) / 60 for name in ARCHETYPES] == pytest.approx(weights, abs=0.03)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    minutes=st.floats(0.5, 30),
    variety=st.floats(0, 1),
    dwell_compression=st.floats(1, 8),
)
def test_any_record_is_filled_with_ordered_beats(seed, minutes, variety, dwell_compression):
    _, train = draw_train(seed, hours=minutes / 60, variety=variety, dwell_compression=dwell_compression)
    assert train.is_first[0]
    assert 0 <= train.time_s[0] < 1
    assert minutes * 60 - 10 < train.time_s[-1] < minutes * 60
    assert np.diff(train.time_s).min(initial=1.0) > SHORTEST_RR_S - 1e-9
    assert set(train.label) <= set("NAV")
    # Fibrillating atria make no early atrial beats.
    assert not np.any(train.fibrillating & (train.label == "A"))
    assert np.all(train.fibrillating[train.rhythm == "AFIB"])
    assert not np.any(train.fibrillating[np.isin(train.rhythm, ["NSR", "AB", "SVTA"])])


@pytest.mark.parametrize(
    ("rhythms", "expected"),
    [
        (["AFIB", "SBR", "AFIB"], [1, 1, 1]),
        (["AFIB", "SBR", "NSR"], [1, 0, 0]),
        (["NSR", "SBR", "VT", "AFIB"], [0, 0, 0, 1]),
        (["AFIB", "VT", "T", "AFIB", "B"], [1, 1, 1, 1, 1]),
        (["VT", "AFIB"], [1, 1]),
        (["SBR", "T"], [0, 0]),
        (["AFIB", "SVTA", "AFIB"], [1, 0, 1]),
        ([], []),
    ],
)
def test_atria_of_ambiguous_rhythms_follow_both_neighbours(rhythms, expected):
    assert find_fibrillation(np.array(rhythms, dtype=np.str_)).tolist() == [bool(value) for value in expected]


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=60))
def test_quantiles_and_draw_invert_each_other(values):
    summary = estimate.quantiles(values)
    assert summary == sorted(summary)
    assert draw(summary, LEVELS).tolist() == summary
    assert summary[0] == pytest.approx(min(values), abs=1e-4)
    assert summary[-1] == pytest.approx(max(values), abs=1e-4)


def test_weights_move_quantiles():
    assert estimate.quantiles([0, 1], [1, 1])[MEDIAN] == 0.5
    assert estimate.quantiles([0, 0, 0, 1, 1], [9, 9, 9, 1, 1])[MEDIAN] == 0.0


def test_shipped_figures_are_what_the_script_estimates(ltafdb, tmp_path):
    output = tmp_path / "figures.json"
    read = []
    estimate.main([str(ltafdb), "--output", str(output)], on_record=read.append)
    assert output.read_bytes() == FIGURES_PATH.read_bytes()
    # The nine test and eight validation records of the split stay unseen.
    assert len(read) == 67
    assert not {"100", "104", "105", "11", "200", "32", "48", "49", "68", "103", "114"} & set(read)


def test_transitions_are_probabilities_between_known_rhythms():
    for kind in load_figures()["archetypes"].values():
        for row, targets in kind["transitions"].items():
            assert row in SIMULATED_RHYTHMS
            assert set(targets) <= set(SIMULATED_RHYTHMS) - {row}
            assert sum(targets.values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("text", ["{", json.dumps({"levels": []}), None])
def test_broken_figures_are_refused_by_name(tmp_path, text):
    path = tmp_path / "figures.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"figures\.json: no .*; expected"):
        load_figures(path)


def test_a_corpus_without_a_rhythm_gives_no_figures():
    records = {"0": as_beats(draw_train(7, hours=0.1)[1], 0.1)}
    with pytest.raises(DataError, match=r"figures of \w+: no beat in 1 records; expected some of every rhythm"):
        estimate.estimate_figures(records)
