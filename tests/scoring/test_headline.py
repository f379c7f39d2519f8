"""The headline numbers: which ones, in what order, and how many where room is short."""

import pytest

from ecgfeat.scoring.headline import HEADS, MAX_NUMBERS, headline_numbers

RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
VIEWS = ("single", "tta7", "viterbi")
ORACLES = {"rpeaks": False, "history": True, "episodes": False}


def scores_of(*corpora, **parts):
    """All scores of a run: every number is different, so that a path leads to one of them only."""
    count = iter(range(100_000))

    def view():
        return {"macro_f1": next(count), "accuracy": next(count), "f1": {name: next(count) for name in RHYTHMS}}

    def rhythm():
        return {
            head: {protocol: {name: view() for name in VIEWS} for protocol in ("timeline", "grid", "episode")}
            for head in (*HEADS, "another")
        }

    return {
        "oracles": ORACLES,
        "rpeaks": {
            corpus: {name: next(count) for name in ("sensitivity", "positive_predictivity", "f1", "num_records")}
            for corpus in corpora
        },
        "beats": {
            corpus: {
                history: {f"{name}_{score}": next(count) for name in "nsv" for score in ("f1", "support")}
                for history in ("none", "oracle", "predicted")
            }
            for corpus in corpora
        },
        "rhythm": {corpus: rhythm() for corpus in corpora},
    } | parts


def paths_of(tree, at=()):
    """Return the paths of the numbers of a tree, in its order."""
    if not isinstance(tree, dict):
        return [at]
    return [path for name, branch in tree.items() for path in paths_of(branch, (*at, name))]


def value_at(tree, path):
    for name in path:
        tree = tree[name]
    return tree


def test_one_corpus_has_all_of_its_headline_numbers():
    scores = scores_of("toy")
    picked = headline_numbers(scores)
    timeline = picked["rhythm"]["toy"].pop("timeline")
    assert timeline == {
        "timeline": {
            "single": scores["rhythm"]["toy"]["timeline"]["timeline"]["single"],
            "viterbi": {"macro_f1": scores["rhythm"]["toy"]["timeline"]["timeline"]["viterbi"]["macro_f1"]},
        },
        **{
            protocol: {
                view: {"macro_f1": scores["rhythm"]["toy"]["timeline"][protocol][view]["macro_f1"]}
                for view in ("tta7", "single")
            }
            for protocol in ("grid", "episode")
        },
    }
    window = [("timeline", "viterbi"), ("timeline", "single")]
    window += [(protocol, view) for protocol in ("grid", "episode") for view in ("tta7", "single")]
    baseline = [(protocol, "single") for protocol in ("timeline", "grid", "episode")]
    expected = [("oracles", name) for name in ORACLES]
    expected += [("rhythm", "toy", "window", *place, "macro_f1") for place in window]
    heads = ("both", "rr_logistic", "rr_rules", "majority")
    expected += [("rhythm", "toy", head, *place, "macro_f1") for head in heads for place in baseline][: 37 - 25]
    expected += [("rpeaks", "toy", name) for name in ("sensitivity", "positive_predictivity", "f1")]
    expected += [("beats", "toy", "predicted", f"{name}_f1") for name in "nsv"]
    assert sorted(paths_of(picked)) == sorted(expected)
    for path in expected:
        assert value_at(picked, path) == value_at(scores, path), path


def test_numbers_of_several_corpora_share_the_room_evenly():
    for num in (2, 3, 7):
        corpora = [f"c{number}" for number in range(num)]
        scores = scores_of(*corpora)
        paths = paths_of(headline_numbers(scores))
        room = (MAX_NUMBERS - 3) // num
        assert paths[:3] == [("oracles", name) for name in ORACLES]
        for corpus in corpora:
            of = [path for path in paths if path[1] == corpus]
            assert len(of) == room
            main = ("rhythm", corpus, "timeline", "timeline", "single")
            most_telling = [(*main, "macro_f1"), *((*main, "f1", name) for name in RHYTHMS), (*main, "accuracy")]
            assert set(most_telling[:room]) <= set(of)
        for path in paths:
            assert value_at(headline_numbers(scores), path) == value_at(scores, path)


def test_the_view_of_a_run_comes_first():
    scores = scores_of("toy", chosen_view="tta7")
    main = scores["rhythm"]["toy"]["timeline"]["timeline"]["tta7"]
    assert headline_numbers(scores)["rhythm"]["toy"]["timeline"]["timeline"]["tta7"] == main


@pytest.mark.parametrize(
    ("histories", "chosen"), [(("none", "oracle"), "none"), (("oracle", "predicted"), "predicted")]
)
def test_beats_are_those_of_predicted_labels_or_else_of_the_first_history(histories, chosen):
    scores = scores_of("toy")
    scores["beats"]["toy"] = {history: scores["beats"]["toy"][history] for history in histories}
    assert list(headline_numbers(scores)["beats"]["toy"]) == [chosen]


def test_what_was_not_scored_is_left_out():
    scores = scores_of("toy", rhythm={}, beats={})
    assert list(headline_numbers(scores)) == ["oracles", "rpeaks"]
    scores = scores_of("toy", rpeaks={}, beats={})
    single = scores["rhythm"]["toy"]["timeline"]["timeline"]["single"]
    single["f1"].pop("B")
    single["accuracy"] = None
    picked = headline_numbers(scores)["rhythm"]["toy"]["timeline"]["timeline"]["single"]
    assert picked == {"macro_f1": single["macro_f1"], "f1": single["f1"]}
    nothing = {"oracles": ORACLES, "rpeaks": {}, "beats": {}, "rhythm": {}}
    assert headline_numbers(nothing) == {"oracles": ORACLES}


def test_usable_time_stands_beside_the_rpeaks_where_it_was_measured():
    scores = scores_of("toy")
    scores["rpeaks"]["toy"] |= {"usable_h": 23.1, "duration_h": 24.0}
    assert headline_numbers(scores)["rpeaks"]["toy"] == {
        name: scores["rpeaks"]["toy"][name]
        for name in ("sensitivity", "positive_predictivity", "f1", "usable_h", "duration_h")
    }
