"""Every number of metrics.json, recomputed from the tables by another route than the one under test."""

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from ecgfeat.scoring.beat_summary import summarise_beats
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.rhythm_summary import summarise_rhythm
from ecgfeat.scoring.rpeak_summary import summarise_rpeaks
from ecgfeat.scoring.summary import summarise

RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
FS_HZ = 128
ORACLES = {"rpeaks": False, "history": False, "episodes": True}


def rpeaks_table(seed=0):
    rng = np.random.default_rng(seed)
    rows = [(d, c, r) for d in ("ecgfeat", "xqrs") for c, n in (("mitdb", 8), ("simulate", 3)) for r in range(n)]
    table = {
        "corpus": [c for _, c, _ in rows],
        "subject": [f"s{r // 2 if c == 'mitdb' else r}" for _, c, r in rows],
        "record": [f"{100 + r}" for _, _, r in rows],
        "detector": [d for d, _, _ in rows],
    }
    for suffix, scale in (("", 2000), ("_after_5min", 1500)):
        table[f"true_positives{suffix}"] = rng.integers(scale // 2, scale, len(rows))
        table[f"false_negatives{suffix}"] = rng.integers(0, 30, len(rows))
        table[f"false_positives{suffix}"] = rng.integers(0, 30, len(rows))
    table["offset_ms"] = rng.normal(3, 2, len(rows))
    return table


def beats_table(seed=0, num_beats=600):
    rng = np.random.default_rng(seed)
    parts = []
    for history in ("none", "oracle", "predicted"):
        reference = rng.choice(list("NSVFQ"), num_beats, p=[0.6, 0.15, 0.15, 0.05, 0.05])
        chance = rng.dirichlet([2, 1, 1], num_beats)
        for k, name in enumerate("NSV"):
            chance[reference == name, k] += 0.5
        subject = rng.integers(0, 9, num_beats)
        parts.append(
            {
                "corpus": np.full(num_beats, "mitdb"),
                "subject": np.array([f"m{i}" for i in subject]),
                "record": np.array([f"r{i}" for i in subject]),
                "split": np.where(subject < 2, "train", "test"),
                "history": np.full(num_beats, history),
                "sample": np.arange(num_beats) * 128,
                "reference": reference,
                "rhythm": rng.choice(["NSR", "VFL", ""], num_beats, p=[0.8, 0.1, 0.1]),
                "predicted": np.array(list("NSV"))[chance.argmax(axis=1)],
                **{f"p_{c}": p for c, p in zip("NSV", (chance / chance.sum(1, keepdims=True)).T, strict=True)},
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rhythm_table(seed=0, num_units=240, views=("single", "tta7", "view0")):
    rng = np.random.default_rng(seed)
    parts = []
    for head, protocol in (("dense", "timeline"), ("rhythm_window", "episode")):
        subject = np.sort(rng.integers(0, 8, num_units))
        reference = rng.choice([*RHYTHMS[:5], "VT"], num_units)  # no record has B
        start = np.arange(num_units) * 1280
        for view in views:
            chance = rng.dirichlet(np.ones(6), num_units)
            for k, name in enumerate(RHYTHMS):
                chance[reference == name, k] += 0.4
            parts.append(
                {
                    "corpus": np.full(num_units, "simulate"),
                    "subject": np.array([f"m{i}" for i in subject]),
                    "record": np.array([f"r{i}" for i in subject]),
                    "protocol": np.full(num_units, protocol),
                    "head": np.full(num_units, head),
                    "view": np.full(num_units, view),
                    "num_beats": np.ones(num_units, dtype=np.int32),
                    "start_sample": start,
                    "stop_sample": start + 1280,
                    "reference": reference,
                    "predicted": np.array(RHYTHMS)[chance.argmax(1)],
                    **{f"p_{c}": p for c, p in zip(RHYTHMS, (chance / chance.sum(1, keepdims=True)).T, strict=True)},
                }
            )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rows_where(table, **columns):
    keep = np.ones(len(next(iter(table.values()))), bool)
    for name, value in columns.items():
        keep &= np.asarray(table[name]) == value
    return {name: np.asarray(column)[keep] for name, column in table.items()}


def everything(**changes):
    tables = {"rpeaks": rpeaks_table(), "beats": beats_table(), "rhythm": rhythm_table()}
    arguments = {"oracles": ORACLES, "fs_hz": FS_HZ, "seed": 7, "detector": "ecgfeat", "num_resamples": 40}
    return summarise(**(tables | arguments | changes))


def test_fixed_names_are_there():
    tree = everything()
    assert {"sensitivity", "positive_predictivity", "f1"} <= set(tree["rpeaks"]["mitdb"])
    assert {"n_f1", "s_f1", "v_f1"} <= set(tree["beats"]["mitdb"]["predicted"])
    assert set(tree["beats"]["mitdb"]) == {"none", "oracle", "predicted"}
    scores = tree["rhythm"]["simulate"]["rhythm_window"]["episode"]
    assert set(scores) == {"single", "tta7"}
    assert {"macro_f1", "accuracy", "balanced_accuracy", "f1", "support", "subjects"} <= set(scores["tta7"])
    assert set(scores["tta7"]["support"]) == set(RHYTHMS)
    assert tree["oracles"] == ORACLES


def test_rpeaks_recomputed():
    table = rpeaks_table()
    tree = everything()["rpeaks"]
    for corpus in ("mitdb", "simulate"):
        for detector in ("ecgfeat", "xqrs"):
            rows, scores = rows_where(table, corpus=corpus, detector=detector), tree[corpus]["detectors"][detector]
            for suffix in ("", "_after_5min"):
                tp, fn, fp = (rows[f"{n}{suffix}"] for n in ("true_positives", "false_negatives", "false_positives"))
                assert scores[f"sensitivity{suffix}"] == round(tp.sum() / (tp.sum() + fn.sum()), 6)
                assert scores[f"positive_predictivity{suffix}"] == round(tp.sum() / (tp.sum() + fp.sum()), 6)
                assert scores[f"f1{suffix}"] == round(2 * tp.sum() / (2 * tp.sum() + fn.sum() + fp.sum()), 6)
                assert scores[f"sensitivity{suffix}_record_mean"] == round(np.mean(tp / (tp + fn)), 6)
                assert scores[f"f1{suffix}_record_mean"] == round(np.mean(2 * tp / (2 * tp + fn + fp)), 6)
                assert scores[f"false_positives{suffix}"] == fp.sum()
            assert scores["offset_ms"] == pytest.approx(np.median(rows["offset_ms"]), abs=1e-6)
    assert tree["mitdb"]["num_subjects"] == 4
    assert tree["mitdb"]["f1"] == tree["mitdb"]["detectors"]["ecgfeat"]["f1"]
    # Four and three subjects: too few for an interval.
    assert tree["mitdb"]["interval"] == {}


def test_rpeaks_interval_is_over_subjects():
    table = rpeaks_table()
    table["subject"] = table["record"]
    scores = summarise_rpeaks(table, detector="ecgfeat", num_resamples=60, seed=2)["mitdb"]
    rows = rows_where(table, corpus="mitdb", detector="ecgfeat")
    rng = np.random.default_rng(2)
    f1 = []
    for times in rng.multinomial(8, np.full(8, 1 / 8), size=60):
        tp, fn, fp = ((times * rows[n]).sum() for n in ("true_positives", "false_negatives", "false_positives"))
        f1.append(2 * tp / (2 * tp + fn + fp))
    bound = scores["interval"]["f1"]
    assert (bound["low"], bound["high"]) == pytest.approx(tuple(np.quantile(f1, [0.025, 0.975])))


def test_short_records_have_no_score_after_five_minutes():
    table = rpeaks_table()
    for name in ("true_positives", "false_negatives", "false_positives"):
        table[f"{name}_after_5min"] = np.zeros_like(table[name])
    scores = summarise_rpeaks(table, detector="xqrs", num_resamples=0, seed=0)["simulate"]
    assert "sensitivity" in scores
    assert "sensitivity_after_5min" not in scores


def test_several_detectors_need_a_choice():
    with pytest.raises(ValueError, match="expected the name of the one in use"):
        summarise_rpeaks(rpeaks_table(), num_resamples=0, seed=0)
    with pytest.raises(ValueError, match="expected the name of the one in use"):
        summarise_rpeaks(rpeaks_table(), detector="pantompkins", num_resamples=0, seed=0)
    only = rows_where(rpeaks_table(), detector="xqrs")
    assert summarise_rpeaks(only, num_resamples=0, seed=0)["mitdb"]["num_records"] == 8


def test_beats_recomputed_and_only_on_the_test_split():
    tree = everything()["beats"]["mitdb"]
    for history, scores in tree.items():
        rows = rows_where(beats_table(), history=history, split="test")
        called = np.array(list("NSV"))[np.stack([rows[f"p_{c}"] for c in "NSV"], 1).argmax(1)]
        f1 = metrics.f1_score(rows["reference"], called, labels=list("NSV"), average=None)
        se = metrics.recall_score(rows["reference"], called, labels=list("NSV"), average=None)
        ppv = metrics.precision_score(rows["reference"], called, labels=list("NSV"), average=None)
        for k, name in enumerate("nsv"):
            assert scores[f"{name}_f1"] == round(f1[k], 6)
            assert scores[f"{name}_sensitivity"] == round(se[k], 6)
            assert scores[f"{name}_positive_predictivity"] == round(ppv[k], 6)
            assert scores[f"{name}_support"] == (rows["reference"] == name.upper()).sum()
            assert scores["interval"][f"{name}_f1"]["low"] < f1[k] < scores["interval"][f"{name}_f1"]["high"]
        # bxb excuses F and Q called V.
        plain_v = (called == "V") & (rows["reference"] != "V")
        excused = plain_v & ~np.isin(rows["reference"], ["F", "Q"])
        hits = ((called == "V") & (rows["reference"] == "V")).sum()
        assert scores["bxb"]["v_positive_predictivity"] == round(hits / (hits + excused.sum()), 6)
        assert scores["num_subjects"] == 7
        for name in "NSV":
            assert scores[f"{name.lower()}_subjects"] == len(set(rows["subject"][rows["reference"] == name]))


def test_intervals_of_beats_are_over_subjects():
    rows = rows_where(beats_table(), history="none", split="test")
    scores = summarise_beats(rows, fs_hz=FS_HZ, num_resamples=60, seed=2)["mitdb"]["none"]
    called = np.array(list("NSV"))[np.stack([rows[f"p_{c}"] for c in "NSV"], 1).argmax(1)]
    names, subject = np.unique(rows["subject"], return_inverse=True)
    drawn = np.random.default_rng(2).multinomial(len(names), np.full(len(names), 1 / len(names)), size=60)
    for name in "NSV":
        f1 = [
            metrics.f1_score(rows["reference"] == name, called == name, sample_weight=times[subject]) for times in drawn
        ]
        bound = scores["interval"][f"{name.lower()}_f1"]
        assert (bound["low"], bound["high"]) == pytest.approx(tuple(np.quantile(f1, [0.025, 0.975])))


def test_beats_without_a_predicted_class_are_missed():
    table = rows_where(beats_table(), history="oracle", split="test")
    table["predicted"] = np.where(table["reference"] == "S", "", table["predicted"])
    scores = summarise_beats(table, fs_hz=FS_HZ, num_resamples=0, seed=0)["mitdb"]["oracle"]
    assert scores["s_sensitivity"] == 0
    assert scores["n_sensitivity"] > 0


def test_rhythm_recomputed():
    tree = everything()["rhythm"]["simulate"]
    for head, protocol in (("dense", "timeline"), ("rhythm_window", "episode")):
        for view in ("single", "tta7"):
            scores = tree[head][protocol][view]
            rows = rows_where(rhythm_table(), head=head, protocol=protocol, view=view)
            assert scores["num_outside"] == (rows["reference"] == "VT").sum()
            inside = rows["reference"] != "VT"
            rows = {name: column[inside] for name, column in rows.items()}
            chance = np.stack([rows[f"p_{c}"] for c in RHYTHMS], 1)
            called, present = np.array(RHYTHMS)[chance.argmax(1)], list(RHYTHMS[:5])
            truth = rows["reference"]
            hours = (rows["stop_sample"] - rows["start_sample"]) / FS_HZ / 3600
            f1 = metrics.f1_score(truth, called, labels=present, average=None)
            assert scores["f1"] == {name: round(value, 6) for name, value in zip(present, f1, strict=True)}
            assert scores["macro_f1"] == pytest.approx(f1.mean(), abs=1e-6)
            weighed = metrics.f1_score(truth, called, labels=present, average="macro", sample_weight=hours)
            of_time = scores["per_second"]["macro_f1"] if protocol == "timeline" else scores["macro_f1_hours"]
            assert of_time == pytest.approx(weighed, abs=1e-6)
            assert scores["accuracy"] == round((truth == called).mean(), 6)
            recall = metrics.recall_score(truth, called, labels=present, average=None)
            assert scores["balanced_accuracy"] == pytest.approx(recall.mean(), abs=1e-6)
            assert scores["sensitivity"] == pytest.approx(dict(zip(present, recall, strict=True)), abs=1e-6)
            for name in RHYTHMS:
                assert scores["support"][name] == (truth == name).sum()
                assert scores["subjects"][name] == len(set(rows["subject"][truth == name]))
                assert scores["hours"][name] == pytest.approx(hours[truth == name].sum(), abs=1e-6)
            assert scores["absent"] == ["B"]
            onehot = np.array(RHYTHMS)[None] == truth[:, None]
            assert scores["brier"] == pytest.approx(((chance - onehot) ** 2).sum(1).mean(), abs=1e-6)
            gap, bins = 0.0, np.ceil(chance.max(1) * 15)
            for b in range(1, 16):
                if (bins == b).any():
                    gap += abs((truth == called)[bins == b].sum() - chance.max(1)[bins == b].sum())
            assert scores["ece"] == pytest.approx(gap / len(truth), abs=1e-6)


def test_af_is_scored_where_the_whole_record_is_covered():
    tree = everything()["rhythm"]["simulate"]
    assert "af" not in tree["rhythm_window"]["episode"]["single"]
    rows = rows_where(rhythm_table(), head="dense", view="single")
    called = np.stack([rows[f"p_{c}"] for c in RHYTHMS], 1).argmax(1) == 1
    truth = rows["reference"] == "AFIB"
    af = tree["dense"]["timeline"]["single"]["af"]
    assert af["duration_sensitivity"] == round((called & truth).sum() / truth.sum(), 6)
    starts = truth & ~(np.r_[False, truth[:-1]] & np.r_[False, rows["record"][1:] == rows["record"][:-1]])
    assert af["num_reference_episodes"] == starts.sum()
    burden = [abs(called[rows["record"] == r].mean() - truth[rows["record"] == r].mean()) for r in set(rows["record"])]
    assert af["burden_error"] == round(np.mean(burden), 6)


def test_single_views_never_count_as_samples():
    with_views = everything()["rhythm"]
    without = rhythm_table()
    keep = without["view"] != "view0"
    without = {name: column[keep] for name, column in without.items()}
    assert with_views == everything(rhythm=without)["rhythm"]


def test_a_binary_head_is_scored_on_its_two_classes():
    table = rhythm_table(views=("single",))
    binary = table["head"] == "dense"
    total = table["p_NSR"] + table["p_AFIB"]
    for name in RHYTHMS:
        kept = table[f"p_{name}"] / total if name in ("NSR", "AFIB") else np.nan
        table[f"p_{name}"] = np.where(binary, kept, table[f"p_{name}"])
    binary_call = np.where(table["p_NSR"] >= table["p_AFIB"], "NSR", "AFIB")
    table["predicted"] = np.where(binary, binary_call, table["predicted"])
    scores = summarise_rhythm(table, fs_hz=FS_HZ, num_resamples=0, seed=0)["simulate"]
    assert set(scores["dense"]["timeline"]["single"]["support"]) == {"NSR", "AFIB"}
    assert set(scores["rhythm_window"]["episode"]["single"]["support"]) == set(RHYTHMS)


def test_pyarrow_tables_and_any_row_order_give_the_same_bytes():
    tables = {"rpeaks": rpeaks_table(), "beats": beats_table(), "rhythm": rhythm_table()}
    as_arrow = {name: pa.table({k: pa.array(np.asarray(v)) for k, v in t.items()}) for name, t in tables.items()}
    assert json.dumps(everything()) == json.dumps(everything(**as_arrow))
    mixed = {}
    for name, table in tables.items():
        order = np.random.default_rng(3).permutation(len(table["corpus"]))
        mixed[name] = {key: np.asarray(column)[order] for key, column in table.items()}
    assert json.dumps(everything()) == json.dumps(everything(**mixed))


def test_result_is_plain_sorted_json():
    text = json.dumps(everything(), allow_nan=False)
    assert text == json.dumps(json.loads(text), sort_keys=True)


def test_missing_tables_leave_their_section_empty():
    tree = everything(rpeaks=None, beats={}, rhythm=pa.table({"corpus": pa.array([], pa.string())}))
    assert (tree["rpeaks"], tree["beats"], tree["rhythm"]) == ({}, {}, {})


def test_every_oracle_switch_must_be_named():
    with pytest.raises(ValueError, match="episodes"):
        everything(oracles={"rpeaks": False})


def test_plain_numbers():
    tree = {"b": np.float32(0.12345678), "a": [np.int64(3), np.nan, np.bool_(True)], "c": -0.0000001}
    assert json.dumps(plain_numbers(tree)) == '{"a": [3, null, true], "b": 0.123457, "c": 0.0}'


def test_the_smoothed_path_is_scored_by_what_it_chose_and_has_no_calibration():
    table = rhythm_table(views=("single", "tta7"))
    smooth = {name: np.copy(column) for name, column in rows_where(table, view="tta7", head="dense").items()}
    smooth["view"] = np.full(len(smooth["view"]), "viterbi")
    inside = np.isin(smooth["reference"], RHYTHMS)
    smooth["predicted"] = np.where(inside, smooth["reference"], "NSR")  # a path that is right wherever it counts
    table = {name: np.concatenate([column, smooth[name]]) for name, column in table.items()}
    views = everything(rhythm=table)["rhythm"]["simulate"]["dense"]["timeline"]
    assert views["viterbi"]["accuracy"] == views["viterbi"]["per_second"]["macro_f1"] == 1
    assert not {"ece", "brier"} & set(views["viterbi"])
    assert {"ece", "brier"} <= set(views["tta7"])
    assert views["tta7"]["accuracy"] < 1


def test_beats_after_five_minutes_and_out_of_flutter():
    table = rows_where(beats_table(), history="none")
    order = np.random.default_rng(5).permutation(len(table["sample"]))  # rows stand in any order
    table = {name: column[order] for name, column in table.items()}
    scores = everything(beats=table)["beats"]["mitdb"]["none"]
    late = (table["sample"] >= 300 * FS_HZ) & (table["rhythm"] != "VFL")
    assert 0 < late.sum() < (table["sample"] >= 300 * FS_HZ).sum()
    rest = {name: column[late] for name, column in table.items()}
    expected = everything(beats=rest)["beats"]["mitdb"]["none"]
    assert scores["num_beats"] > scores["after_5min"]["num_beats"] == expected["num_beats"]
    assert "after_5min" not in scores["after_5min"]
    del expected["after_5min"], expected["runs"]
    # Left-out beats part runs, which a table without them cannot tell: runs are compared in their own test.
    assert {name: value for name, value in scores["after_5min"].items() if name != "runs"} == expected


def test_runs_end_at_what_is_left_out():
    called = np.array(list("NVVVVVN"))
    table = {
        **{name: np.full(7, name) for name in ("corpus", "subject", "record")},
        **{"split": np.full(7, "test"), "history": np.full(7, "none"), "sample": (301 + np.arange(7)) * FS_HZ},
        **{"reference": called, "rhythm": np.where(np.arange(7) == 3, "VFL", "NSR")},
        "predicted": called,
    }
    scores = summarise_beats(table, fs_hz=FS_HZ, num_resamples=0, seed=0)["corpus"]["none"]
    assert scores["runs"]["v"]["short_runs"]["num_reference_runs"] == 1
    assert scores["after_5min"]["runs"]["v"]["short_runs"]["num_reference_runs"] == 0
    assert scores["after_5min"]["runs"]["v"]["couplets"]["num_predicted_runs"] == 2
    table["sample"] -= 301 * FS_HZ
    assert "after_5min" not in summarise_beats(table, fs_hz=FS_HZ, num_resamples=0, seed=0)["corpus"]["none"]


def beat_rows(reference, called, sample, record=None):
    """Make rows of one subject from a letter for each beat; ``-`` is no beat."""
    sides = [np.array([mark.replace("-", "") for mark in marks], dtype="<U1") for marks in (reference, called)]
    record = np.full(len(reference), "r") if record is None else np.asarray(record)
    return {
        "record": record,
        **{name: np.full(len(reference), name) for name in ("corpus", "subject")},
        **{"split": np.full(len(reference), "test"), "history": np.full(len(reference), "none")},
        **{"sample": np.asarray(sample), "reference": sides[0], "rhythm": np.full(len(reference), "NSR")},
        "predicted": sides[1],
    }


def test_runs_end_with_the_record_and_tolerate_150_ms():
    table = beat_rows("NVVN", "NVVN", [0, 128, 0, 128], record=["a", "a", "b", "b"])
    runs = summarise_beats(table, fs_hz=FS_HZ, num_resamples=0, seed=0)["corpus"]["none"]["runs"]
    assert runs["v"]["couplets"]["num_reference_runs"] == 0
    # 150 ms are 19 whole samples at 128 Hz.
    for distance, sensitivity in ((19, 1), (20, 0)):
        sample = [100 - distance, 100, 200, 200 + distance]
        scores = summarise_beats(beat_rows("-VV-", "V--V", sample), fs_hz=FS_HZ, num_resamples=0, seed=0)
        assert scores["corpus"]["none"]["runs"]["v"]["couplets"]["sensitivity"] == sensitivity


def test_the_first_five_minutes_end_at_300_s():
    table = beat_rows("NN", "NN", [300 * FS_HZ - 1, 300 * FS_HZ])
    scores = summarise_beats(table, fs_hz=FS_HZ, num_resamples=0, seed=0)["corpus"]["none"]
    assert (scores["num_beats"], scores["after_5min"]["num_beats"]) == (2, 1)


def test_the_grid_has_atrial_fibrillation_and_hours_but_no_beats():
    table = rows_where(rhythm_table(views=("single",)), head="dense")
    table["protocol"] = np.full(len(table["head"]), "grid")
    table["num_beats"] = np.zeros(len(table["head"]), dtype=np.int32)  # a segment counts without a beat, too
    scores = summarise_rhythm(table, fs_hz=FS_HZ, num_resamples=0, seed=0)["simulate"]["dense"]["grid"]["single"]
    inside = table["reference"] != "VT"
    assert scores["num_units"] == inside.sum()
    assert {"af", "macro_f1_hours", "hours"} <= set(scores)
    assert not {"episodes", "per_second"} & set(scores)
    assert sum(scores["hours"].values()) == pytest.approx(10 * inside.sum() / 3600)


def test_records_without_a_pair_have_no_offset():
    table = rpeaks_table()
    is_first = np.array(table["record"]) == "100"
    table["offset_ms"] = np.where(is_first, np.nan, 4.0)
    assert summarise_rpeaks(table, detector="xqrs", num_resamples=0, seed=0)["mitdb"]["offset_ms"] == 4
    table["offset_ms"] = np.full(len(is_first), np.nan)
    assert np.isnan(summarise_rpeaks(table, detector="xqrs", num_resamples=0, seed=0)["mitdb"]["offset_ms"])


def test_unannotated_corpora_are_not_scored():
    beats, rhythm = beats_table(), rhythm_table()
    beats["reference"] = np.full(len(beats["reference"]), "", dtype=object)
    rhythm["reference"] = np.full(len(rhythm["reference"]), "", dtype=object)
    found = everything(beats=beats, rhythm=rhythm)
    assert found["beats"] == {}
    assert found["rhythm"] == {}
    assert found["rpeaks"] == everything()["rpeaks"]


def test_an_unannotated_corpus_does_not_hide_the_others():
    beats, rhythm = beats_table(), rhythm_table()
    alone = everything(beats=beats, rhythm=rhythm)
    for name, table in (("beats", beats), ("rhythm", rhythm)):
        for corpus in ("aaa", "zzz"):  # before the others by name, and after them
            size = len(table["corpus"])
            silent = {"corpus": np.full(size, corpus), "reference": np.full(size, "", dtype=object)}
            both = {key: np.concatenate([silent.get(key, column), column]) for key, column in table.items()}
            assert everything(**{"beats": beats, "rhythm": rhythm} | {name: both})[name] == alone[name]


def test_beats_without_a_class_after_five_minutes_have_no_scores_of_that_time():
    beats = beats_table()
    beats["reference"] = np.where(beats["sample"] >= 300 * FS_HZ, "", beats["reference"])
    scores = everything(beats=beats)["beats"]["mitdb"]["predicted"]
    assert "after_5min" not in scores
    assert not any(name.endswith("_support") for name in scores["bxb"])


def test_a_corpus_of_one_rhythm_is_scored():
    rhythm = rhythm_table()
    rhythm["reference"] = np.full(len(rhythm["reference"]), "NSR")
    assert everything(rhythm=rhythm)["rhythm"]["simulate"]["dense"]["timeline"]["single"]["support"]["NSR"] == 240


def test_usable_time_and_length_are_added_up_in_hours():
    table = rpeaks_table()
    num_rows = len(table["corpus"])
    table |= {"duration_s": np.full(num_rows, 7200.0), "usable_s": np.arange(num_rows) * 36.0}
    scores = summarise_rpeaks(table, detector="ecgfeat", num_resamples=0, seed=0)["mitdb"]
    of = (np.asarray(table["corpus"]) == "mitdb") & (np.asarray(table["detector"]) == "ecgfeat")
    assert scores["duration_h"] == pytest.approx(2 * of.sum(), rel=1e-9)
    assert scores["usable_h"] == pytest.approx(np.flatnonzero(of).sum() / 100, rel=1e-9)
