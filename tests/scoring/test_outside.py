"""Scores of records that took no part in training, by hand: who has AF, who is called to have it, who is left out."""

import numpy as np
import pytest

from ecgfeat.scoring.intervals import draw_subjects
from ecgfeat.scoring.outside import mean_s_f1, summarise_outside, summarise_records
from ecgfeat.store.schemas import BEAT_PREDICTIONS, EPISODE_SCORES, RECORD_SCORES, RHYTHM_PREDICTIONS, RHYTHMS
from tests.fixtures.outside_inputs import FS_HZ, WITHOUT, draw_tables, summarise

DEFAULT = {
    "corpus": "toy",
    "reference": "NSR",
    "reference_af": 0.0,
    "is_normal": False,
    "duration_s": 60.0,
    "usable_s": 60.0,
    "num_beats": 100,
    "num_s": 0,
    "num_v": 0,
    "rate_bpm": 70.0,
    "rhythm": "NSR",
    "certainty": 0.9,
    "af_s": 0.0,
    "p_afib": 0.1,
    "p_afib_rr_trees": 0.1,
    "rr_irregular": 0.1,
}


def af(p_afib=0.9, af_s=60.0, **changes):
    return {"reference": "AFIB", "reference_af": 1.0, "p_afib": p_afib, "af_s": af_s, "rhythm": "AFIB"} | changes


def free(p_afib=0.1, **changes):
    return {"p_afib": p_afib} | changes


def table(*rows):
    """Lay out records, each of a subject of its own unless it names one."""
    whole = [
        DEFAULT | {"subject": f"s{k}", "record": f"r{k}", "stated": []} | row | {"stated": []}
        for k, row in enumerate(rows)
    ]
    return {name: np.array([row[name] for row in whole], dtype=_type(name)) for name in RECORD_SCORES.columns}


def _type(name):
    return None if name not in ("corpus", "subject", "record", "reference", "rhythm", "stated") else object


def scores(*rows, num_resamples=0):
    return summarise_records(table(*rows), num_resamples=num_resamples, seed=3)


def test_auroc_is_the_share_of_pairs_in_the_right_order_and_ties_count_half():
    of = scores(af(0.9), af(0.5), af(0.2), free(0.5), free(0.1))["af"]["both"]
    assert of["auroc"] == pytest.approx((2 + 1.5 + 1) / 6)
    # From the top: one hit of 1; then a step of a hit and a false one; then a hit.
    assert of["auprc"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3)
    assert scores(af(0.4), free(0.4), free(0.4))["af"]["both"]["auroc"] == 0.5
    assert set(of) == {"auroc", "auprc", "auroc_normal", "auprc_normal"}


def test_every_score_ranks_by_its_own_column():
    rows = [af(0.9, p_afib_rr_trees=0.1, rr_irregular=0.5), free(0.1, p_afib_rr_trees=0.9, rr_irregular=0.5)]
    of = scores(*rows)["af"]
    assert [of[name]["auroc"] for name in ("both", "rr_trees", "rr_irregular")] == [1.0, 0.0, 0.5]


def test_against_normal_records_only_those_are_compared():
    of = scores(af(0.5), free(0.8), free(0.2, is_normal=True), free(0.9, is_normal=True))["af"]["both"]
    assert of["auroc"] == pytest.approx(1 / 3)
    assert of["auroc_normal"] == pytest.approx(1 / 2)
    assert np.isnan(scores(af(), free())["af"]["both"]["auroc_normal"])


@pytest.mark.parametrize(
    ("duration_s", "share", "counted"),
    [
        (600.0, 0.05, (1, 1)),  # 30 s
        (600.0, 0.0499, (0, 1)),  # a little AF: neither
        (30.0, 0.5, (1, 1)),  # half of a short record
        (30.0, 0.49, (0, 1)),
        (60.0, 0.0, (0, 2)),
        (60.0, np.nan, (0, 1)),  # not known
    ],
)
def test_a_record_has_af_from_thirty_seconds_or_half_of_it_on(duration_s, share, counted):
    changed = {"duration_s": duration_s, "usable_s": duration_s, "reference_af": share}
    # A second record with AF keeps the scores from being left out.
    rule = scores(af(subject="known"), af() | changed | {"reference": "NSR"}, free())["af_rule"]
    assert (rule["num_af"] - 1, rule["num_free"]) == counted


@pytest.mark.parametrize(
    ("usable_s", "af_s", "is_called"),
    [(600.0, 30.0, True), (600.0, 29.9, False), (20.0, 10.0, True), (20.0, 9.9, False), (0.0, 0.0, False)],
)
def test_a_record_is_called_af_from_thirty_seconds_or_half_of_its_usable_time_on(usable_s, af_s, is_called):
    rule = scores(af(duration_s=600.0, usable_s=usable_s, af_s=af_s), free())["af_rule"]
    assert rule["sensitivity"] == float(is_called)
    assert rule["specificity"] == 1.0


def test_flutter_is_neither_af_nor_free_of_it():
    rows = [af(0.6), free(0.1), free(0.9, reference="AFL", reference_af=0.0, af_s=60.0)]
    of = scores(*rows, free(0.9, reference="AFL", reference_af=np.nan, af_s=60.0))
    assert of["af"]["both"]["auroc"] == 1.0
    assert (of["af_rule"]["num_free"], of["af_rule"]["specificity"]) == (1, 1.0)


def test_a_record_without_usable_time_ranks_last_and_is_called_free():
    empty = {"p_afib": np.nan, "p_afib_rr_trees": np.nan, "rr_irregular": np.nan, "usable_s": 0.0, "af_s": 0.0}
    of = scores(af() | empty, af(0.9), free(0.0), free(0.05))
    assert of["af"]["both"]["auroc"] == pytest.approx(2 / 4)  # below those of probability 0 too
    assert of["af_rule"]["sensitivity"] == 0.5
    assert scores(af(), free() | empty)["af_rule"]["specificity"] == 1.0


def test_the_rule_is_scored_by_rate_and_by_noise():
    rows = [af(rate_bpm=59.0), af(af_s=0.0, rate_bpm=60.0), af(rate_bpm=100.0), free(rate_bpm=99.0)]
    rows += [free(af_s=40.0, rate_bpm=99.0, usable_s=53.0), free(rate_bpm=99.0, usable_s=54.0)]
    rule = scores(*rows)["af_rule"]
    assert (rule["sensitivity"], rule["specificity"]) == pytest.approx((2 / 3, 2 / 3))
    assert (rule["positive_predictivity"], rule["f1"]) == pytest.approx((2 / 3, 4 / 6))
    counts = {name: (rule[name]["num_af"], rule[name]["num_free"]) for name in rule if isinstance(rule[name], dict)}
    assert counts == {
        "rate_below_60": (1, 0),
        "rate_60_to_100": (1, 3),
        "rate_from_100": (1, 0),
        "noisy": (0, 1),  # 7 of 60 s; 6 are a tenth
        "clean": (3, 2),
    }
    assert rule["rate_60_to_100"]["sensitivity"] == 0.0
    assert rule["noisy"]["specificity"] == 0.0
    assert np.isnan(rule["noisy"]["sensitivity"])


def test_ectopic_beats_are_counted_in_normal_records_alone():
    rows = [free(is_normal=True, num_beats=100, num_s=3, num_v=1), free(is_normal=True, num_beats=300, num_s=1)]
    normal = scores(*rows, free(num_beats=50, num_s=50))["normal"]
    assert normal == {
        "num_records": 2,
        "num_beats": 400,
        "share_s": 4 / 400,
        "share_v": 1 / 400,
        "share_ectopic": 5 / 400,
    }
    assert "normal" not in scores(free(), af())


def test_time_named_af_is_that_of_records_without_af():
    rows = [free(af_s=30.0, usable_s=200.0), free(usable_s=100.0), free(reference="AFL", af_s=50.0), af(af_s=60.0)]
    free_of_af = scores(*rows)["free_of_af"]
    assert free_of_af == {"num_records": 2, "usable_h": 300 / 3600, "share_called_af": 0.1}
    assert "free_of_af" not in scores(af())


def test_certainty_is_compared_with_the_share_that_is_right():
    rows = [free(certainty=0.95), free(certainty=0.95, rhythm="SBR"), af(certainty=0.6), free(certainty=0.6)]
    # Left out: not classified, without certainty, a rhythm that is none of the six, AF in part.
    rows += [free(rhythm=""), free(certainty=np.nan), free(reference="AFL"), af(reference_af=0.5)]
    of = scores(*rows)["certainty"]
    assert of["num_records"] == 4
    assert [(of_bin["num"], of_bin["accuracy"]) for of_bin in of["bins"]] == [(2, 1.0), (2, 0.5)]
    assert of["accuracy"] == 3 / 4
    assert of["mean_certainty"] == pytest.approx((2 * 0.95 + 2 * 0.6) / 4)
    assert of["ece"] == pytest.approx((abs(1 - 2 * 0.95) + abs(2 - 2 * 0.6)) / 4)
    assert "certainty" not in scores(free(reference="VT"))


def test_intervals_are_over_subjects_and_there_are_none_for_too_few():
    rows = [af(0.5 + k / 20, subject=f"s{k % 3}") for k in range(6)] + [free(k / 10, subject=f"t{k}") for k in range(7)]
    of = scores(*rows, num_resamples=200)["af"]["both"]
    assert of["auroc_low"] < of["auroc"] < of["auroc_high"]
    weight = draw_subjects(10, 200, 3)[:, [0, 1, 2, 0, 1, 2, *range(3, 10)]]
    score = np.array([row["p_afib"] for row in rows])
    pair = (score[:6, None] > score[None, 6:]) + 0.5 * (score[:6, None] == score[None, 6:])
    auroc = [w[:6] @ pair @ w[6:] / (w[:6].sum() * w[6:].sum()) for w in weight if w[:6].sum() * w[6:].sum()]
    expected = np.quantile(auroc, [0.025, 0.975])
    assert (of["auroc_low"], of["auroc_high"]) == pytest.approx(tuple(expected))
    few = [row | {"subject": f"s{k % 4}"} for k, row in enumerate(rows)]
    assert "auroc_low" not in scores(*few, num_resamples=200)["af"]["both"]


def test_mean_of_s_is_over_records_that_have_ten():
    def record(name, hits, missed, false):
        reference = ["S"] * (hits + missed) + ["N"] * (false + 5)
        return reference, ["S"] * hits + [""] * missed + ["S"] * false + ["N"] * 5, [name] * len(reference)

    parts = [record("a", 8, 2, 2), record("b", 9, 0, 50), record("c", 5, 15, 0)]
    columns = [np.array([text for part in parts for text in part[column]], dtype=object) for column in range(3)]
    beats = dict(zip(("reference", "predicted", "record"), columns, strict=True))
    assert mean_s_f1(beats) == pytest.approx((2 * 8 / (16 + 2 + 2) + 2 * 5 / (10 + 15)) / 2)
    few = {name: column[beats["record"] == "b"] for name, column in beats.items()}
    assert np.isnan(mean_s_f1(few))


def test_heavy_records_are_left_out_of_a_second_set_of_scores():
    tables = draw_tables()
    whole = summarise()
    assert whole["without"]["left_out"] == {"mitdb": ["232"]}
    # Record 232 of ltafdb is another one; qtdb has no heavy record and is not scored twice.
    assert {part: list(whole["without"][part]) for part in ("beats", "rhythm")} == {
        "beats": ["mitdb"],
        "rhythm": ["mitdb"],
    }
    kept = {
        name: {key: column[of["record"] != "232"] for key, column in of.items()} if name != "records" else of
        for name, of in tables.items()
    }
    expected = summarise(kept)
    for part in ("beats", "rhythm"):
        assert whole["without"][part]["mitdb"] == expected[part]["mitdb"] != whole[part]["mitdb"]
        assert whole[part] == summarise(without={})[part]
    assert "without" not in expected
    assert "without" not in summarise(without={"qtdb": ("999",), "absent": ("232",)})


def test_what_is_not_classified_is_wrong_for_every_class_and_its_share_is_given():
    tables = draw_tables()
    rhythm, of = tables["rhythm"], summarise()["rhythm"]["ptbxl"]["both"]["viterbi"]
    rows = (rhythm["corpus"] == "ptbxl") & (rhythm["view"] == "viterbi") & np.isin(rhythm["reference"], RHYTHMS)
    reference, predicted = rhythm["reference"][rows], rhythm["predicted"][rows]
    assert (predicted == "").mean() > 0.05
    assert of["not_classified"] == pytest.approx((predicted == "").mean(), abs=1e-6)
    assert of["accuracy"] == pytest.approx((predicted == reference).mean(), abs=1e-6)
    for name in ("NSR", "AFIB"):
        hit, called, true = (predicted == name) & (reference == name), predicted == name, reference == name
        assert of["sensitivity"][name] == pytest.approx(hit.sum() / true.sum(), abs=1e-6)
        assert of["f1"][name] == pytest.approx(2 * hit.sum() / (called.sum() + true.sum()), abs=1e-6)
    assert set(of["f1"]) <= set(RHYTHMS)  # what is not classified is no class of the mean


def test_af_duration_has_the_interval_of_a_bootstrap_over_subjects():
    rhythm = draw_tables()["rhythm"]
    rows = (rhythm["corpus"] == "ptbxl") & (rhythm["view"] == "viterbi")
    subject = rhythm["subject"][rows]
    names = sorted(set(subject))
    length = (rhythm["stop_sample"] - rhythm["start_sample"])[rows] / FS_HZ
    true, called = rhythm["reference"][rows] == "AFIB", rhythm["predicted"][rows] == "AFIB"
    called &= rhythm["reference"][rows] != "AFL"
    ratios = {"duration_sensitivity": true, "duration_positive_predictivity": called}
    found = summarise()["rhythm"]["ptbxl"]["both"]["viterbi"]["af"]
    for name, of in ratios.items():
        drawn = []
        for weight in draw_subjects(len(names), 60, 2):
            time = length * weight[[names.index(one) for one in subject]]
            drawn.append(time[true & called].sum() / time[of].sum())
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert found["interval"][name] == pytest.approx({"low": low, "high": high}, abs=1e-6)
        assert found[name] == pytest.approx(length[true & called].sum() / length[of].sum(), abs=1e-6)
        assert low < found[name] < high


def test_a_run_without_records_has_no_scores():
    schemas = {"records": RECORD_SCORES, "beats": BEAT_PREDICTIONS, "rhythm": RHYTHM_PREDICTIONS}
    schemas |= {"episodes": EPISODE_SCORES}
    empty = {
        part: {name: np.empty(0, dtype=column.type.to_pandas_dtype()) for name, column in schema.columns.items()}
        for part, schema in schemas.items()
    }
    for num_resamples in (0, 50):
        of = summarise_outside(**empty, without=WITHOUT, fs_hz=FS_HZ, num_resamples=num_resamples, seed=1)
        assert of == {"records": {}, "beats": {}, "rhythm": {}, "episodes": {}}
