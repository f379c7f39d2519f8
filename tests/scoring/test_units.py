"""Each number of protocol ``timeline`` again, from the rows, by plain loops over beats and ticks of the clock."""

import math

import numpy as np
import pytest

from ecgfeat.scoring.summary import summarise

RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
FS_HZ = 128
NUM_RESAMPLES, SEED = 60, 5


def timeline_rows(seed=1, num_records=8, num_beats=60):
    """Rows as `evaluate` writes them: they tile each record, in whole quarters of a second."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(num_records):
        # Two records of one subject; flutter and unlabelled time are outside the task.
        names = rng.choice([*RHYTHMS[:5], "AFL", ""], 12, p=[0.25, 0.25, 0.1, 0.1, 0.1, 0.15, 0.05])
        length = rng.multinomial(num_beats, np.full(12, 1 / 12))
        reference = [str(name) for name, beats in zip(names, length, strict=True) for _ in range(beats)]
        edge = np.concatenate([[0], np.cumsum(rng.integers(2, 8, num_beats))]) * (FS_HZ // 4)
        for view in ("single", "view0", "tta7", "viterbi"):
            before = "NSR"
            for beat in range(num_beats):
                chance = rng.dirichlet(np.ones(6))
                if reference[beat] in RHYTHMS:
                    chance[RHYTHMS.index(reference[beat])] += 0.5
                chance = (chance / chance.sum()).tolist()
                best = RHYTHMS[max(range(6), key=chance.__getitem__)]
                called = before if view == "viterbi" and rng.random() < 0.5 else best
                before = called
                row = {"corpus": "toy", "subject": f"s{number // 2 if number < 4 else number}", "record": f"r{number}"}
                row |= {"protocol": "timeline", "head": "timeline", "view": view}
                row |= {"start_sample": int(edge[beat]), "stop_sample": int(edge[beat + 1])}
                # Some rows hold no R-peak: time, but no beat.
                row |= {"reference": reference[beat], "predicted": called, "num_beats": int(beat % 5 != 2)}
                rows.append(row | {f"p_{name}": p for name, p in zip(RHYTHMS, chance, strict=True)})
    return rows


def ratio(part, whole):
    return part / whole if whole else math.nan


def class_numbers(pairs):
    """Scores of (reference, predicted, weight) by counting."""
    numbers = {"f1": {}, "sensitivity": {}, "positive_predictivity": {}}
    right = total = 0.0
    for reference, called, weight in pairs:
        total += weight
        right += weight * (reference == called)
    for name in RHYTHMS:
        hit = sum(w for r, p, w in pairs if r == p == name)
        support = sum(w for r, _, w in pairs if r == name)
        called = sum(w for _, p, w in pairs if p == name)
        if support:
            numbers["f1"][name] = 2 * hit / (support + called)
            numbers["sensitivity"][name] = hit / support
            numbers["positive_predictivity"][name] = ratio(hit, called)
    present = len(numbers["f1"])
    numbers["macro_f1"] = ratio(sum(numbers["f1"].values()), present)
    numbers["balanced_accuracy"] = ratio(sum(numbers["sensitivity"].values()), present)
    numbers["accuracy"] = ratio(right, total)
    return numbers


def bootstrapped(rows, weigh):
    """Intervals of the scores, drawing whole subjects."""
    subjects = sorted({row["subject"] for row in rows if row["reference"] in RHYTHMS})
    draws = np.random.default_rng(SEED).multinomial(
        len(subjects), np.full(len(subjects), 1 / len(subjects)), size=NUM_RESAMPLES
    )
    found = []
    for draw in draws.tolist():
        times = dict(zip(subjects, draw, strict=True))
        pairs = [
            (row["reference"], row["predicted"], weigh(row) * times[row["subject"]])
            for row in rows
            if row["reference"] in RHYTHMS and times[row["subject"]]
        ]
        found.append(class_numbers(pairs))
    return found


def bounds(values):
    values = [value for value in values if value == value]
    low, high = np.quantile(values, [0.025, 0.975])
    return {"low": pytest.approx(low, abs=1e-6), "high": pytest.approx(high, abs=1e-6)}


def seconds(row):
    return (row["stop_sample"] - row["start_sample"]) / FS_HZ


def ticks(rows):
    """One (reference, predicted) per quarter of a second and record, in time order."""
    axes = {}
    for row in sorted(rows, key=lambda row: (row["record"], row["start_sample"])):
        num = (row["stop_sample"] - row["start_sample"]) * 4 // FS_HZ
        axes.setdefault(row["record"], []).extend([(row["reference"], row["predicted"])] * num)
    return axes


def stretches(marks):
    """Return (start, stop) of the runs of true marks."""
    found, start = [], None
    for at, mark in enumerate([*marks, False]):
        if mark and start is None:
            start = at
        if not mark and start is not None:
            found.append((start, at))
            start = None
    return found


def episode_numbers(rows, name):
    """Episodes and time of one rhythm, tick by tick; flutter is left out of what is predicted to be AFIB."""
    num = {"reference": 0, "predicted": 0}
    hit, spent, both, error = dict(num), dict(num), 0, []
    for axis in ticks(rows).values():
        truth, call = [r == name for r, _ in axis], [p == name for _, p in axis]
        flutter = [r == "AFL" and name == "AFIB" for r, _ in axis]
        for start, stop in stretches(truth):
            num["reference"] += 1
            hit["reference"] += any(call[start:stop])
        for start, stop in stretches(call):
            if all(flutter[start:stop]):
                continue
            num["predicted"] += 1
            hit["predicted"] += any(truth[start:stop])
        spent["reference"] += sum(truth)
        spent["predicted"] += sum(p and not f for p, f in zip(call, flutter, strict=True))
        both += sum(r and p for r, p in zip(truth, call, strict=True))
        error.append(abs(sum(truth) - sum(call)) / len(axis))
    return {
        "episode_sensitivity": ratio(hit["reference"], num["reference"]),
        "episode_positive_predictivity": ratio(hit["predicted"], num["predicted"]),
        "duration_sensitivity": ratio(both, spent["reference"]),
        "duration_positive_predictivity": ratio(both, spent["predicted"]),
        "num_reference_episodes": num["reference"],
        "num_predicted_episodes": num["predicted"],
    }, sum(error) / len(error)


def same(found, expected):
    """Compare with a printed number: 6 digits, None for undefined."""
    if isinstance(expected, dict):
        return set(found) == set(expected) and all(same(found[name], value) for name, value in expected.items())
    if expected != expected:
        return found is None
    return found == pytest.approx(expected, abs=1.1e-6)


ROWS = timeline_rows()


@pytest.fixture  # not of the module: `make mutants` runs for a function the tests that call it
def views():
    order = np.random.default_rng(0).permutation(len(ROWS))
    table = {name: np.array([ROWS[i][name] for i in order]) for name in ROWS[0]}
    oracles = dict.fromkeys(("rpeaks", "history", "episodes"), False)
    tree = summarise(
        rpeaks=None, beats=None, rhythm=table, oracles=oracles, fs_hz=FS_HZ, seed=SEED, num_resamples=NUM_RESAMPLES
    )
    return tree["rhythm"]["toy"]["timeline"]["timeline"]


def test_only_the_scored_views_are_there(views):
    assert list(views) == ["single", "tta7", "viterbi"]


@pytest.mark.parametrize("view", ["single", "tta7", "viterbi"])
def test_every_number_follows_from_the_rows(views, view):
    scores = views[view]
    rows = [row for row in ROWS if row["view"] == view]
    inside = [row for row in rows if row["reference"] in RHYTHMS]
    hours = {name: sum(seconds(row) for row in inside if row["reference"] == name) / 3600 for name in RHYTHMS}
    rows, inside = ([row for row in some if row["num_beats"]] for some in (rows, inside))
    by_beat = class_numbers([(row["reference"], row["predicted"], 1) for row in inside])
    subjects = {name: {row["subject"] for row in inside if row["reference"] == name} for name in RHYTHMS}
    checked = {"interval", "per_second", "episodes", "af"}

    for name, value in by_beat.items():
        assert same(scores[name], value), name
        checked.add(name)
    other = {
        "support": {name: sum(row["reference"] == name for row in inside) for name in RHYTHMS},
        "subjects": {name: len(of) for name, of in subjects.items()},
        "num_units": len(inside),
        "num_outside": len(rows) - len(inside),
        "num_subjects": 6,
        "hours": hours,
    }
    for name, value in other.items():
        assert same(scores[name], value), name
        checked.add(name)
    assert scores["absent"] == ["B"]
    assert scores["not_estimable"] == [name for name in RHYTHMS if 0 < len(subjects[name]) < 5]
    checked |= {"absent", "not_estimable"}

    if view == "viterbi":
        assert any(row["predicted"] != max(RHYTHMS, key=lambda name: row[f"p_{name}"]) for row in rows)
    else:
        brier, bins = 0.0, {}
        for row in inside:
            chance = [row[f"p_{name}"] for name in RHYTHMS]
            brier += sum((p - (row["reference"] == name)) ** 2 for name, p in zip(RHYTHMS, chance, strict=True))
            right = RHYTHMS[chance.index(max(chance))] == row["reference"]
            bins.setdefault(math.ceil(max(chance) * 15), []).append(right - max(chance))
        assert same(scores["brier"], brier / len(inside))
        assert same(scores["ece"], sum(abs(sum(gaps)) for gaps in bins.values()) / len(inside))
        checked |= {"ece", "brier"}
    assert set(scores) == checked, "a number that nothing recomputes"


@pytest.mark.parametrize("view", ["single", "viterbi"])
def test_per_second_scores_follow_from_the_rows(views, view):
    scores = views[view]["per_second"]
    rows = [row for row in ROWS if row["view"] == view]
    inside = [row for row in rows if row["reference"] in RHYTHMS]
    expected = class_numbers([(row["reference"], row["predicted"], seconds(row)) for row in inside])
    for name, value in expected.items():
        assert same(scores[name], value), name
    hours = {name: sum(seconds(row) for row in inside if row["reference"] == name) / 3600 for name in RHYTHMS}
    assert same(scores["hours"], hours)
    assert same(views[view]["hours"], hours)
    assert set(scores) == {*expected, "hours", "interval"}


@pytest.mark.parametrize("view", ["tta7", "viterbi"])
def test_intervals_draw_subjects_with_all_their_beats_or_seconds(views, view):
    rows = [row for row in ROWS if row["view"] == view]
    rare = views[view]["not_estimable"]
    for scores, weigh in ((views[view], lambda row: row["num_beats"]), (views[view]["per_second"], seconds)):
        found = bootstrapped(rows, weigh)
        for name in ("macro_f1", "accuracy", "balanced_accuracy"):
            assert scores["interval"][name] == bounds([one[name] for one in found])
        estimable = [name for name in scores["f1"] if name not in rare]
        assert set(scores["interval"]["f1"]) == set(estimable)
        for name in estimable:
            assert scores["interval"]["f1"][name] == bounds([one["f1"].get(name, math.nan) for one in found])


@pytest.mark.parametrize("view", ["single", "tta7", "viterbi"])
def test_episodes_and_burden_follow_tick_by_tick(views, view):
    rows = [row for row in ROWS if row["view"] == view]
    assert set(views[view]["episodes"]) == set(RHYTHMS)
    for name in RHYTHMS:
        expected, burden_error = episode_numbers(rows, name)
        assert same(views[view]["episodes"][name], expected), name
        if name == "AFIB":
            assert same(views[view]["af"], {**expected, "burden_error": burden_error})
