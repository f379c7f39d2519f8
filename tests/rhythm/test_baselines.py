"""Heads without a network: what they name on made rhythms, and that each beat sees its own record only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from ecgfeat.errors import DataError
from ecgfeat.records.annotations import Episodes, rhythm_at
from ecgfeat.rhythm import baselines
from ecgfeat.rhythm.baselines import (
    BASELINES,
    fit_baselines,
    predict_baseline,
    read_baselines,
    sample_beats,
    save_baselines,
)
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.rr_features import FEATURES, WINDOWS_BEATS, fill_rr, rr_features, rule_figures
from ecgfeat.store.schemas import RHYTHMS


def intervals(rhythm: str, num_beats: int, seed: int = 0) -> np.ndarray:
    """Make the intervals of a rhythm as textbooks describe it."""
    rng = np.random.default_rng(seed)
    steady = rng.normal(1, 0.01, num_beats)
    long_short = np.where(np.arange(num_beats) % 2, 1.1, 0.55)
    return {
        "NSR": 0.80 * steady,
        "AFIB": rng.uniform(0.45, 1.1, num_beats),
        "SBR": 1.20 * steady,
        "AB": 0.9 * long_short * steady,
        "SVTA": 0.40 * steady,
        "B": long_short * steady,
    }[rhythm]


def record(name: str, *rhythms: str, num_beats: int = 200) -> RhythmRecord:
    """Make a record of one rhythm after the other."""
    rr_s = np.concatenate([intervals(one, num_beats, seed=index) for index, one in enumerate(rhythms)])
    sample = np.cumsum(np.rint(rr_s * 128)).astype(np.int64)
    edge = np.append(sample[::num_beats], sample[-1] + 1)
    return RhythmRecord(
        "made", name, name, int(sample[-1]) + 64, sample, np.diff(sample / 128, prepend=np.nan),
        np.zeros(len(sample), np.int64), Episodes(edge[:-1], edge[1:], np.array(rhythms)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    return [record("a", *RHYTHMS), record("b", "NSR", "AFIB", "NSR"), record("c", "SBR", "B", "AB", "SVTA")]


@pytest.fixture(scope="module")
def fitted(records):
    return fit_baselines(records, max_beats=900)


def named(fitted, head, rr_s):
    return [RHYTHMS[code] for code in predict_baseline(fitted, head, rr_s).argmax(axis=1)]


def test_majority_is_the_share_of_the_labelled_beats(fitted, records):
    label = np.concatenate([rhythm_at(one.sample, one.episodes) for one in records])
    posterior = predict_baseline(fitted, "majority", records[0].rr_s)
    for code, name in enumerate(RHYTHMS):
        np.testing.assert_allclose(posterior[:, code], (label == name).mean(), rtol=1e-6)
    unlabelled = RhythmRecord(
        "made", "d", "d", 10_000, np.arange(1, 90) * 100, np.full(89, 100 / 128), np.zeros(89, np.int64),
        Episodes(np.array([0]), np.array([10_000]), np.array(["VT"])),
    )  # fmt: skip
    assert fit_baselines([*records, unlabelled], max_beats=900)["majority"] == fitted["majority"]


@pytest.mark.parametrize(("rhythm", "answer"), [("SBR", "SBR"), ("AFIB", "AFIB"), ("NSR", "NSR"), ("SVTA", "NSR")])
def test_rules_know_slow_and_irregular(fitted, rhythm, answer):
    assert set(named(fitted, "rr_rules", intervals(rhythm, 300, seed=9))) == {answer}


def test_slow_irregular_is_fibrillation_and_lone_ectopics_change_nothing(fitted):
    rr_s = intervals("AFIB", 300, seed=9)
    assert set(named(fitted, "rr_rules", rr_s * 1.8)) == {"AFIB"}
    rr_s = intervals("NSR", 300)
    rr_s[20::25], rr_s[21::25] = 0.45, 1.15
    assert set(named(fitted, "rr_rules", rr_s)) == {"NSR"}


def test_threshold_of_the_rules_is_the_best_of_those_tried(records):
    label = np.concatenate([rhythm_at(one.sample, one.episodes) for one in records])
    known = np.isin(label, baselines.NAMEABLE)

    def answers(irregular):
        rules = {"rr_rules": {"irregular": irregular, "sureness": 0.9}}
        return np.concatenate([named(rules, "rr_rules", one.rr_s) for one in records])

    found = fit_baselines(records, max_beats=200_000)["rr_rules"]
    macro_f1 = {
        one: metrics.f1_score(label[known], answers(one)[known], average="macro") for one in baselines.IRREGULAR
    }
    assert macro_f1[found["irregular"]] == max(macro_f1.values()) > min(macro_f1.values())
    accuracy = (answers(found["irregular"]) == label).mean()
    assert found["sureness"] == pytest.approx(max(accuracy, baselines.LEAST_SURE))


def test_logistic_regression_tells_all_six_apart(fitted):
    for rhythm in RHYTHMS:
        answers = named(fitted, "rr_logistic", intervals(rhythm, 200, seed=77))
        # Both bigeminies are made with the same intervals but for a factor: they may be taken for each other.
        allowed = {"AB", "B"} if rhythm in ("AB", "B") else {rhythm}
        assert np.isin(answers, list(allowed)).mean() > 0.95, rhythm


@pytest.mark.parametrize("rhythms", [RHYTHMS, ("NSR", "AFIB"), ("AFIB", "SBR", "B"), ("NSR",)])
def test_logistic_posterior_is_that_of_scikit_learn(monkeypatch, rhythms):
    models = []

    class Kept(LogisticRegression):
        def fit(self, *args, **kwargs):
            models.append(self)
            return super().fit(*args, **kwargs)

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", Kept)
    one = record("a", *rhythms)
    fitted = fit_baselines([one], max_beats=200_000)
    posterior = predict_baseline(fitted, "rr_logistic", one.rr_s)
    codes = [RHYTHMS.index(name) for name in sorted(rhythms, key=RHYTHMS.index)]
    assert (np.delete(posterior, codes, axis=1) == 0).all()
    if len(rhythms) == 1:
        assert not models
        assert (posterior[:, codes] == 1).all()
    else:
        scaled = (rr_features(one.rr_s) - np.array(fitted["rr_logistic"]["mean"])) / fitted["rr_logistic"]["scale"]
        np.testing.assert_allclose(posterior[:, codes], models[0].predict_proba(scaled), atol=1e-6)


@pytest.mark.parametrize("head", BASELINES)
@pytest.mark.parametrize("num_beats", [0, 1, 2, 3, 12])
def test_short_records(fitted, head, num_beats):
    rr_s = np.full(num_beats, 0.8)
    rr_s[:1] = np.nan
    posterior = predict_baseline(fitted, head, rr_s)
    assert posterior.shape == (num_beats, 6)
    assert posterior.dtype == np.float32
    np.testing.assert_allclose(posterior.sum(axis=1), 1, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 40) | st.just(float("nan")), max_size=90))
def test_any_intervals_give_a_posterior(rr_s):
    features = rr_features(rr_s)
    assert features.shape == (len(rr_s), len(FEATURES))
    assert np.isfinite(features).all()


def test_features_are_those_of_a_plain_loop():
    rr_s = intervals("AFIB", 150, seed=3)
    features = dict(zip(FEATURES, rr_features(rr_s).T, strict=True))
    for beat in (0, 40, 75, 149):
        for width in WINDOWS_BEATS:
            centre = min(max(beat, width // 2), 149 - width // 2)
            near = rr_s[centre - width // 2 : centre + width // 2 + 1]
            before = np.concatenate([rr_s[:1], rr_s])[centre - width // 2 : centre + width // 2 + 1]
            change = near - before
            assert features[f"log_median_rr_{width}"][beat] == pytest.approx(np.log(np.median(near)), abs=1e-5)
            assert features[f"pnn50_{width}"][beat] == pytest.approx((abs(change) > 0.05).mean(), abs=1e-6)
            rmssd = np.sqrt((change**2).mean()) / near.mean()
            assert features[f"log_rmssd_{width}"][beat] == pytest.approx(np.log(rmssd + 0.01), abs=1e-5)
    assert features["log_ratio_next"][5] == pytest.approx(np.log(rr_s[6] / np.median(rr_s[:11])), abs=1e-5)
    # In strict alternation an interval is the opposite of its neighbour and the same as the next but one.
    features = dict(zip(FEATURES, rr_features(np.tile([0.5, 1.0], 60)).T, strict=True))
    assert features["repeat_1_61"][60] == pytest.approx(-1, abs=0.02)
    assert features["repeat_2_61"][60] == pytest.approx(1, abs=0.02)
    assert features["turning_rate_61"][60] == 1


def test_far_beats_and_other_records_change_nothing(fitted, records):
    rr_s = records[0].rr_s
    changed = rr_s.copy()
    changed[500:] = 0.31
    reach = max(WINDOWS_BEATS) // 2 + 2
    for head in BASELINES:
        near = predict_baseline(fitted, head, rr_s)[: 500 - reach]
        np.testing.assert_allclose(predict_baseline(fitted, head, changed)[: 500 - reach], near, atol=1e-6)
    # Beats are described record by record in fitting too: the order of the records does not matter.
    other_way = fit_baselines(records[::-1], max_beats=10**6)
    one_way = fit_baselines(records, max_beats=10**6)
    assert other_way["rr_rules"] == one_way["rr_rules"]
    np.testing.assert_allclose(other_way["rr_logistic"]["mean"], one_way["rr_logistic"]["mean"], atol=1e-9)


def test_fitting_repeats_exactly_and_reads_no_beat_labels(fitted, records):
    assert fit_baselines(records, max_beats=900) == fitted
    relabelled = [RhythmRecord(**(vars(one) | {"label": one.label + 1})) for one in records]
    assert fit_baselines(relabelled, max_beats=900) == fitted


def test_sampled_beats_hold_all_of_a_rare_rhythm_and_reach_over_all_of_a_common_one():
    label = np.concatenate([np.full(1000, 0), np.full(7, 3), np.full(500, -1), np.full(1000, 0)])
    chosen = sample_beats(label, 50)
    assert (np.diff(chosen) > 0).all()
    assert (label[chosen] == 3).sum() == 7
    common = chosen[label[chosen] == 0]
    assert len(common) == 50
    assert (common < 1000).sum() == 25
    assert (label[chosen] >= 0).all()


def test_gaps_and_unknown_intervals():
    np.testing.assert_allclose(fill_rr([np.nan, 0.7, np.nan, 0.9, 60.0, 0.01]), [0.7, 0.7, 0.8, 0.9, 3.0, 0.15])
    rate, irregularity = rule_figures(np.full(40, 0.5))
    np.testing.assert_allclose(rate, 120)
    assert (irregularity == 0).all()


def test_saved_baselines_predict_the_same(fitted, records, tmp_path):
    save_baselines(tmp_path / "kept", fitted, {})
    for head in BASELINES:
        expected = predict_baseline(fitted, head, records[0].rr_s)
        assert (predict_baseline(read_baselines(tmp_path / "kept"), head, records[0].rr_s) == expected).all()


def test_faults_are_named(fitted, records, tmp_path):
    with pytest.raises(DataError, match="no baselines.json; expected a complete model. Run: dvc repro train_baselines"):
        read_baselines(tmp_path / "nothing")
    save_baselines(tmp_path / "other", fitted | {"classes": ["NSR"]}, {})
    with pytest.raises(DataError, match="other classes"):
        read_baselines(tmp_path / "other")
    save_baselines(tmp_path / "fewer", {name: value for name, value in fitted.items() if name != "rr_rules"}, {})
    with pytest.raises(DataError, match="other heads or features"):
        read_baselines(tmp_path / "fewer")
    save_baselines(tmp_path / "kept", fitted, {})
    path = tmp_path / "kept" / "baselines.json"
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(DataError, match="cannot be read|digest"):
        read_baselines(tmp_path / "kept")
    with pytest.raises(ValueError, match="'resnet'; expected one of majority"):
        predict_baseline(fitted, "resnet", records[0].rr_s)
    with pytest.raises(DataError, match="no beat in a rhythm of the task"):
        fit_baselines([RhythmRecord(**(vars(records[0]) | {"episodes": no_episodes()}))], max_beats=900)


def no_episodes() -> Episodes:
    none = np.zeros(0, np.int64)
    return Episodes(none, none, none.astype(str))
