"""Why trees name a record as they do: SHAP values that add up to the logit, in words, with a check beside them."""

import re

import numpy as np
import pytest

from ecgfeat.diagnosis.record import describe_record
from ecgfeat.diagnosis.trees import load_record_trees, save_record_trees
from ecgfeat.errors import DataError, UsageError
from ecgfeat.saliency.explanation import Explanation
from ecgfeat.saliency.trees import GROUPS, describe_figure, explain_record, shuffle_leaves, split_score
from ecgfeat.store.record_feature_columns import RECORD_FEATURE_NAMES
from tests.saliency.conftest import grow_record_trees, make_signal

DESCRIBED = {"classes": ["one", "two", "three"], "task": "single", "info": {"corpus": "a", "fold": 1}}


def to_log_odds(probability):
    return np.log(probability / (1 - probability))


def check_sums(explanation: Explanation):
    assert sum(part.value for part in explanation.parts) == pytest.approx(explanation.difference, abs=1e-6)
    assert explanation.residual == 0


def figures_of(signal):
    figures = describe_record(signal.signal_mv_SC[:, 0], signal.fs_hz)
    return np.array([[figures[name] for name in RECORD_FEATURE_NAMES]], dtype=np.float32)


def test_the_parts_add_up_to_the_logit_of_each_class(record_trees):
    scores = []
    for answer in DESCRIBED["classes"]:
        explanation = explain_record(record_trees, DESCRIBED, make_signal(), answer=answer)
        check_sums(explanation)
        scores.append(explanation.value)
    # The number is what the trees predict: of one forest, softmax of the scores is their probability.
    one = grow_record_trees(3, seeds=(7,))
    scores = np.array([explain_record(one, DESCRIBED, make_signal(), answer=a).value for a in DESCRIBED["classes"]])
    softmax = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(softmax, one.predict(figures_of(make_signal()))[0], atol=1e-6)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_of_two_classes_the_number_is_the_log_odds(task):
    trees = grow_record_trees(2, task=task, seeds=(7,))
    described = DESCRIBED | {"classes": ["one", "two"], "task": task}
    probability = trees.predict(figures_of(make_signal()))[0]
    if task == "single":
        probability = [1 - probability[0], probability[0]] if len(probability) == 1 else probability
    for number, answer in enumerate(described["classes"]):
        explanation = explain_record(trees, described, make_signal(), answer=answer)
        check_sums(explanation)
        assert explanation.value == pytest.approx(to_log_odds(probability[number]), abs=1e-5)


def test_the_figures_are_named_in_words(record_trees):
    explanation = explain_record(record_trees, DESCRIBED, make_signal(), 3.0)
    assert (explanation.kind, explanation.at_s, explanation.columns) == ("record", 3.0, ())
    assert [*dict.fromkeys(part.group for part in explanation.parts)] == list(GROUPS)
    assert all(part.extent_s is None and not part.is_on_trace for part in explanation.parts)
    assert explanation.notes[-1] == "Every figure is of the whole record: none of them has a place in it."
    lines = explanation.as_lines()
    assert "On the trace: no sample is read." in lines
    assert not any("sum over steps" in line for line in lines)
    largest = max(explanation.parts, key=lambda part: abs(part.value)).name
    assert explanation.notes[0].startswith(f"{largest}: ")
    assert describe_figure("rr_shortest_s", 0.55) == "shortest interval; 0.55 s here"
    assert describe_figure("rr_shortest", np.nan) == "shortest interval over the median; missing here"
    assert describe_figure("rr_entropy_rate_100ms", 1.0).startswith("coefficient of sample entropy")


def test_shuffled_leaves_keep_the_splits(record_trees):
    trees = record_trees.forests[0][0]
    shuffled = shuffle_leaves(trees)

    def lines_of(text, key):
        return re.findall(rf"^{key}=(.*)$", text, flags=re.MULTILINE)

    assert lines_of(shuffled.text, "split_feature") == lines_of(trees.text, "split_feature")
    leaves, others = lines_of(trees.text, "leaf_value"), lines_of(shuffled.text, "leaf_value")
    assert leaves != others
    assert [sorted(of.split(" ")) for of in leaves] == [sorted(of.split(" ")) for of in others]
    assert shuffle_leaves(trees).text == shuffled.text
    value_D = figures_of(make_signal())[0]
    contribution_D, mean = split_score([shuffled], value_D, 0)
    assert np.abs(contribution_D - split_score([trees], value_D, 0)[0]).max() > 1e-3
    # The check is one of trees that work: their parts add up too.
    score = shuffled._booster.predict(value_D[None], raw_score=True)[0, 0]
    assert contribution_D.sum() + mean == pytest.approx(score, abs=1e-6)


def test_what_was_saved_is_read(tmp_path, record_trees):
    save_record_trees(tmp_path / "fold0", record_trees, DESCRIBED["classes"], "single", {"fold": 0})
    trees, described = load_record_trees(tmp_path / "fold0")
    assert trees.columns == record_trees.columns
    assert [[of.text for of in forest] for forest in trees.forests] == [
        [of.text for of in forest] for forest in record_trees.forests
    ]
    assert (described["classes"], described["task"]) == (DESCRIBED["classes"], "single")
    (tmp_path / "fold0" / "forest0_seed1.txt").write_text("trees")
    with pytest.raises(DataError, match="forest0_seed1"):
        load_record_trees(tmp_path / "fold0")


def test_what_cannot_be_explained_is_refused(record_trees):
    with pytest.raises(UsageError, match="no class 'four'; expected one of one, two, three"):
        explain_record(record_trees, DESCRIBED, make_signal(), answer="four")
    with pytest.raises(DataError, match="99 s; expected a time within 0 to 28 s"):
        explain_record(record_trees, DESCRIBED, make_signal(), 99.0)
