"""Scores of diagnoses: by hand, against scikit-learn, under what must not change them, and with what is unknown."""

import numpy as np
import pytest
from sklearn import metrics

from ecgfeat.scoring.calibration import expected_calibration_error
from ecgfeat.scoring.diagnosis import diagnosis_scores
from ecgfeat.scoring.intervals import draw_subjects
from ecgfeat.scoring.ranking import rank_scores

RHYTHMS = ("N", "A", "O", "~")


def score(*arguments, num_resamples=0, seed=0, **options):
    """Score, without intervals by default."""
    return diagnosis_scores(*arguments, num_resamples=num_resamples, seed=seed, **options)


def one_hot(codes, num):
    return np.eye(num, dtype=int)[np.asarray(codes)]


def sure(codes, num, top=0.7):
    """Give the called class a probability of `top` and the rest of it to the others."""
    chosen = one_hot(codes, num)
    return chosen * top + (1 - chosen) * (1 - top) / (num - 1)


def draw_single(seed=0, num=200, classes=4, num_subjects=60):
    rng = np.random.default_rng(seed)
    code = rng.integers(0, classes, num)
    probability = rng.dirichlet(np.ones(classes), num) + 0.4 * one_hot(code, classes)
    return (
        one_hot(code, classes),
        probability / probability.sum(axis=1, keepdims=True),
        rng.integers(0, num_subjects, num),
    )


def draw_multi(seed=0, num=200, classes=3, num_subjects=60):
    rng = np.random.default_rng(seed)
    reference = (rng.random((num, classes)) < [0.5, 0.3, 0.1][:classes]).astype(int)
    # Two decimals only, so that there are ties.
    probability = np.round(np.clip(0.35 * reference + 0.65 * rng.random((num, classes)), 0, 1), 2)
    return reference, probability, rng.integers(0, num_subjects, num)


def flat(node, at=()):
    """Yield every number of a tree of scores with its place."""
    if isinstance(node, dict):
        for key in sorted(node):
            yield from flat(node[key], (*at, key))
    elif not isinstance(node, str | list):
        yield at, node


def test_official_f1_of_2017_by_hand():
    # F1 of N: 2 * 6 / (8 + 8), of A: 2 * 3 / (4 + 4), of O: 2 * 2 / (5 + 4); the noisy are not scored.
    table = np.array([[6, 0, 1, 1], [0, 3, 1, 0], [2, 1, 2, 0], [0, 0, 0, 2]])
    cells = [(row, column) for row in range(4) for column in range(4) for _ in range(table[row, column])]
    reference, called = np.array(cells).T
    of = score(one_hot(reference, 4), sure(called, 4), np.arange(19), RHYTHMS, task="single", scored=("N", "A", "O"))
    assert of["f1"] == pytest.approx({"N": 0.75, "A": 0.75, "O": 4 / 9, "~": 0.8})
    assert of["macro_f1"] == pytest.approx((0.75 + 0.75 + 4 / 9) / 3)
    assert of["accuracy"] == pytest.approx(13 / 19)
    assert of["sensitivity"]["O"] == pytest.approx(0.4)
    assert of["positive_predictivity"]["O"] == pytest.approx(0.5)
    assert of["confusion"] == table.tolist()
    assert of["support"] == {"N": 8, "A": 4, "O": 5, "~": 2}
    assert of["not_estimable"] == ["A"]
    assert (of["num_records"], of["num_subjects"], of["absent"]) == (19, 19, [])
    # Squares: 13 right records (0.3 ** 2 + 3 * 0.01), 6 wrong ones (0.7 ** 2 + 0.9 ** 2 + 2 * 0.01).
    assert of["brier"] == pytest.approx((13 * 0.12 + 6 * 1.32) / 19)
    assert of["ece"] == pytest.approx(abs(0.7 - 13 / 19))


def test_several_classes_by_hand():
    reference = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 0], [0, -1]])
    probability = np.array([[0.9, 0.2], [0.5, 0.8], [0.6, 0.4], [0.1, 0.3], [0.2, 0.7], [0.0, 0.9]])
    of = score(reference, probability, np.arange(6), ("AF", "PVC"), task="multi")
    # AF: called in records 0, 1, 2; has it 0, 1, 4. PVC: called in 1, 4 of the known; has it 1, 3.
    assert of["f1"] == pytest.approx({"AF": 2 / 3, "PVC": 0.5})
    assert of["macro_f1"] == pytest.approx((2 / 3 + 0.5) / 2)
    assert of["micro_f1"] == pytest.approx(2 * 3 / (6 + 2 + 2))
    assert of["confusion"] == {"AF": [[2, 1], [1, 2]], "PVC": [[2, 1], [1, 1]]}
    assert of["unknown"] == {"AF": 0, "PVC": 1}
    assert of["support"] == {"AF": 3, "PVC": 2}
    assert of["negatives"] == {"AF": 3, "PVC": 3}
    # AF: of 9 pairs 0.9 wins 3, 0.5 wins 2, 0.2 wins 2. PVC: of 6 pairs 0.8 wins 3, 0.3 wins 1.
    assert of["auroc"] == pytest.approx({"AF": 7 / 9, "PVC": 4 / 6})
    assert of["auprc"] == pytest.approx({"AF": (1 + 2 / 3 + 3 / 4) / 3, "PVC": (1 + 2 / 4) / 2})
    assert of["macro_auroc"] == pytest.approx((7 / 9 + 4 / 6) / 2)
    squares = [0.1, 0.5, 0.6, 0.1, 0.8, 0.0, 0.2, 0.2, 0.4, 0.7, 0.7]
    assert of["brier"] == pytest.approx(np.square(squares).mean())
    assert of["not_estimable"] == ["AF", "PVC"]


@pytest.mark.parametrize("seed", range(3))
def test_single_agrees_with_scikit_learn(seed):
    reference, probability, subjects = draw_single(seed)
    of = score(reference, probability, subjects, RHYTHMS, task="single", scored=("N", "A", "O"))
    code, call = reference.argmax(axis=1), probability.argmax(axis=1)
    f1 = metrics.f1_score(code, call, average=None)
    assert list(of["f1"].values()) == pytest.approx(list(f1))
    precision = metrics.precision_score(code, call, average=None)
    assert list(of["positive_predictivity"].values()) == pytest.approx(list(precision))
    assert (of["task"], of["scored"]) == ("single", ["N", "A", "O"])
    assert of["macro_f1"] == pytest.approx(f1[:3].mean())
    assert of["accuracy"] == pytest.approx(metrics.accuracy_score(code, call))
    assert of["confusion"] == metrics.confusion_matrix(code, call).tolist()
    assert of["brier"] == pytest.approx(np.square(probability - reference).sum(axis=1).mean())
    assert of["ece"] == expected_calibration_error(code, probability)


@pytest.mark.parametrize("seed", range(3))
def test_several_agree_with_scikit_learn(seed):
    reference, probability, subjects = draw_multi(seed)
    of = score(reference, probability, subjects, "abc", task="multi")
    called = probability >= 0.5
    assert list(of["f1"].values()) == pytest.approx(list(metrics.f1_score(reference, called, average=None)))
    for name, by_scikit in (("sensitivity", metrics.recall_score), ("positive_predictivity", metrics.precision_score)):
        assert list(of[name].values()) == pytest.approx(list(by_scikit(reference, called, average=None)))
    assert (of["task"], of["scored"]) == ("multi", ["a", "b", "c"])
    assert of["macro_f1"] == pytest.approx(metrics.f1_score(reference, called, average="macro"))
    assert of["micro_f1"] == pytest.approx(metrics.f1_score(reference, called, average="micro"))
    assert of["macro_auroc"] == pytest.approx(metrics.roc_auc_score(reference, probability, average="macro"))
    assert of["macro_auprc"] == pytest.approx(metrics.average_precision_score(reference, probability, average="macro"))
    for k, name in enumerate("abc"):
        assert of["auroc"][name] == pytest.approx(metrics.roc_auc_score(reference[:, k], probability[:, k]))
        assert of["auprc"][name] == pytest.approx(metrics.average_precision_score(reference[:, k], probability[:, k]))
        assert of["confusion"][name] == metrics.confusion_matrix(reference[:, k], called[:, k]).tolist()
    brier = [metrics.brier_score_loss(reference[:, k], probability[:, k]) for k in range(3)]
    assert of["brier"] == pytest.approx(np.mean(brier))


def test_weighted_ranks_agree_with_scikit_learn():
    reference, probability, _ = draw_multi(5, num=80)
    weight = np.random.default_rng(0).integers(0, 4, (6, 80))
    auroc, auprc = rank_scores(reference[:, 0] == 1, probability[:, 0], weight)
    for row, one, other in zip(weight, auroc, auprc, strict=True):
        of = reference[:, 0], probability[:, 0]
        assert one == pytest.approx(metrics.roc_auc_score(*of, sample_weight=row))
        assert other == pytest.approx(metrics.average_precision_score(*of, sample_weight=row))


@pytest.mark.parametrize(("draw", "task", "classes"), [(draw_single, "single", RHYTHMS), (draw_multi, "multi", "abc")])
def test_intervals_are_those_of_a_loop_over_drawn_subjects(draw, task, classes):
    reference, probability, subjects = draw(1, num=90, num_subjects=25)
    of = score(reference, probability, subjects, classes, task=task, num_resamples=60, seed=4)
    names, number = np.unique(subjects, return_inverse=True)
    drawn = {}
    for row in draw_subjects(len(names), 60, seed=4):
        rows = np.repeat(np.arange(90), row[number])
        resample = score(reference[rows], probability[rows], rows, classes, task=task)
        for at, value in flat(resample):
            drawn.setdefault(at, []).append(value)
    of_task = {"single": ("accuracy",), "multi": ("micro_f1", "macro_auroc", "macro_auprc")}[task]
    overall = ("macro_f1", "brier", "ece", *of_task)
    for name in overall:
        low, high = np.quantile(drawn[name,], [0.025, 0.975])
        assert of["interval"][name] == pytest.approx({"low": low, "high": high}), name
    for name in ("f1", "sensitivity", "positive_predictivity", *(("auroc", "auprc") if task == "multi" else ())):
        for one in classes:
            low, high = np.quantile(drawn[name, one], [0.025, 0.975])
            assert of["interval"][name][one] == pytest.approx({"low": low, "high": high}), (name, one)


@pytest.mark.parametrize(("draw", "task", "classes"), [(draw_single, "single", RHYTHMS), (draw_multi, "multi", "abc")])
def test_order_of_records_and_names_of_subjects_change_nothing(draw, task, classes):
    reference, probability, subjects = draw(2)
    options = {"task": task, "num_resamples": 40}
    of = score(reference, probability, subjects, classes, **options)
    shuffled = np.random.default_rng(0).permutation(len(subjects))
    names = np.array([f"s{one:04d}" for one in subjects])
    other = score(reference[shuffled], probability[shuffled], names[shuffled], classes, **options)
    assert dict(flat(other)) == pytest.approx(dict(flat(of)))
    assert of["interval"]["macro_f1"]["low"] < of["macro_f1"] < of["interval"]["macro_f1"]["high"]


@pytest.mark.parametrize(("draw", "task", "classes"), [(draw_single, "single", RHYTHMS), (draw_multi, "multi", "abc")])
def test_order_of_classes_changes_nothing(draw, task, classes):
    reference, probability, subjects = draw(2)
    of = score(reference, probability, subjects, classes, task=task, num_resamples=40)
    back = score(reference[:, ::-1], probability[:, ::-1], subjects, classes[::-1], task=task, num_resamples=40)
    for name in ("f1", "subjects", "macro_f1", "brier", "ece", "interval"):
        assert dict(flat({name: back[name]})) == pytest.approx(dict(flat({name: of[name]})))


def test_unknown_entries_are_masked_whatever_was_predicted():
    reference, probability, subjects = draw_multi(3)
    reference[::3, 1] = -1
    of = score(reference, probability, subjects, "abc", task="multi", num_resamples=30)
    probability[::3, 1] = 1 - probability[::3, 1]
    again = score(reference, probability, subjects, "abc", task="multi", num_resamples=30)
    assert again == of
    assert of["unknown"]["b"] == 67
    as_nan = np.where(reference < 0, np.nan, reference)
    assert score(as_nan, probability, subjects, "abc", task="multi", num_resamples=30) == of
    as_negative = score(np.maximum(reference, 0), probability, subjects, "abc", task="multi")
    assert as_negative["f1"]["b"] != of["f1"]["b"]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_records_of_which_nothing_is_known_are_outside(task):
    reference, probability, subjects = (draw_single if task == "single" else draw_multi)(4)
    classes = RHYTHMS[: reference.shape[1]]
    of = score(reference, probability, subjects, classes, task=task, num_resamples=30)
    unknown = np.full((7, len(classes)), -1)
    more = score(
        np.concatenate([reference, unknown]),
        np.concatenate([probability, probability[:7]]),
        np.concatenate([subjects, 900 + np.arange(7)]),
        classes,
        task=task,
        num_resamples=30,
    )
    assert more.pop("num_outside") == 7
    assert of.pop("num_outside") == 0
    if task == "multi":
        assert more.pop("unknown") == of.pop("unknown")
    assert more == of


def test_a_record_of_no_class_is_outside_a_single_task_only():
    none, chance = np.zeros((1, 2), int), np.array([[0.5, 0.5]])
    reference, probability = np.concatenate([one_hot([0, 1, 0], 2), none]), np.concatenate([sure([0, 1, 1], 2), chance])
    for task, outside in (("single", 1), ("multi", 0)):
        assert score(reference, probability, [1, 2, 3, 4], "ab", task=task)["num_outside"] == outside


def test_a_class_of_one_record_is_scored_and_not_estimable():
    reference = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]])
    of = score(reference, np.array([[0.9, 0.8, 0.6], [0.9, 0.7, 0.2], [0.1, 0.1, 0.1]]), [1, 2, 3], "abc", task="multi")
    assert of["not_estimable"] == ["a", "b"]
    assert of["absent"] == ["c"]
    assert of["positive_predictivity"] == {"a": 1.0, "b": 0.5}
    single = score(one_hot([0, 0, 1], 3), sure([0, 2, 1], 3), [1, 2, 3], "abc", task="single")
    assert set(single["positive_predictivity"]) == {"a", "b"}


def test_classes_without_a_record_are_left_out_of_the_means_and_named():
    reference, probability, subjects = draw_multi(6)
    of = score(reference, probability, subjects, "abc", task="multi", num_resamples=30)
    empty = np.concatenate([reference, np.zeros((200, 1), int)], axis=1)
    wide = np.concatenate([probability, np.full((200, 1), 0.9)], axis=1)
    more = score(empty, wide, subjects, "abcd", task="multi", num_resamples=30)
    assert more["absent"] == ["d"]
    assert "d" not in more["f1"]
    assert "d" not in more["auroc"]
    for name in ("macro_f1", "micro_f1", "macro_auroc", "macro_auprc"):
        assert more[name] == pytest.approx(of[name])
        assert more["interval"][name] == pytest.approx(of["interval"][name])


def test_rare_classes_are_not_estimable_and_few_subjects_have_no_interval():
    reference, probability, subjects = draw_multi(7, num_subjects=30)
    subjects[reference[:, 2] == 1] %= 4
    of = score(reference, probability, subjects, "abc", task="multi", num_resamples=30)
    assert of["not_estimable"] == ["c"]
    assert of["subjects"]["c"] == len(set(subjects[reference[:, 2] == 1])) <= 4
    assert "c" in of["f1"]
    assert {name: "c" in of["interval"][name] for name in ("f1", "auroc", "auprc")} == dict.fromkeys(
        ("f1", "auroc", "auprc"), False
    )
    few = score(reference, probability, subjects % 4, "abc", task="multi", num_resamples=30)
    assert not list(flat(few["interval"]))


def test_five_subjects_of_a_class_are_enough_for_its_interval():
    reference, probability, subjects = draw_multi(7, num_subjects=30)
    has_class = reference[:, 2] == 1
    for num, estimable in ((4, False), (5, True)):
        subjects[has_class] = np.arange(has_class.sum()) % num
        of = score(reference, probability, subjects, "abc", task="multi", num_resamples=30)
        assert of["subjects"]["c"] == num
        assert ("c" in of["not_estimable"]) is not estimable
        assert [("c" in of["interval"][name]) for name in ("f1", "auroc", "auprc")] == [estimable] * 3
    # The whole set needs five subjects too.
    for num, keys in ((4, 0), (5, 2)):
        few = score(reference, probability, np.arange(200) % num, "abc", task="multi", num_resamples=30)
        assert len(few["interval"].get("macro_auroc", {})) == keys


def test_a_class_that_every_record_has_cannot_be_ranked():
    reference, probability, subjects = draw_multi(8)
    reference[:, 0] = 1
    of = score(reference, probability, subjects, "abc", task="multi")
    assert set(of["auroc"]) == {"b", "c"}
    assert of["macro_auroc"] == pytest.approx((of["auroc"]["b"] + of["auroc"]["c"]) / 2)


def test_perfect_and_opposite_predictions():
    reference, _, subjects = draw_multi(9)
    of = score(reference, reference, subjects, "abc", task="multi", num_resamples=20)
    perfect = ("macro_f1", "micro_f1", "macro_auroc", "macro_auprc")
    assert [of[name] for name in perfect] == [1.0] * 4
    assert (of["brier"], of["ece"]) == (0.0, 0.0)
    assert of["interval"]["macro_f1"] == {"low": 1.0, "high": 1.0}
    of = score(reference, 1 - reference, subjects, "abc", task="multi")
    assert (of["macro_f1"], of["macro_auroc"], of["brier"], of["ece"]) == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_no_record_gives_no_score(task):
    of = score(np.zeros((0, 2)), np.zeros((0, 2)), [], "ab", task=task, num_resamples=10)
    assert np.isnan(of["macro_f1"])
    assert (of["num_records"], of["absent"], of["interval"]) == (0, ["a", "b"], {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference_NK": [[1, 2]]}, "a reference other than"),
        ({"reference_NK": [[1, 1]]}, "several classes"),
        ({"probability_NK": [[3.0, -2.0]]}, "outside 0 to 1"),
        ({"probability_NK": [[1.5, 0.0]]}, "outside 0 to 1"),
        ({"probability_NK": [[1.0, 0.0, 0.0]]}, r"probability \(1, 3\); expected \(1, 2\)"),
        ({"probability_NK": [[np.nan, 1.0]]}, "outside 0 to 1"),
        ({"probability_NK": [[0.9, 0.9]]}, "sum to 1"),
        ({"subjects": [1, 2]}, "subjects by classes"),
        ({"scored": ["c"]}, "scored c"),
        ({"scored": []}, "scored nothing"),
        ({"task": "both"}, "expected single or multi"),
    ],
)
def test_what_cannot_be_scored_is_refused(change, message):
    given = {
        "reference_NK": [[1, 0]],
        "probability_NK": [[0.6, 0.4]],
        "subjects": [1],
        "classes": "ab",
        "task": "single",
    }
    with pytest.raises(ValueError, match=message):
        score(**given | change)
