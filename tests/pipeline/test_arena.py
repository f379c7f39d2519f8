"""The mean of several systems: unit by unit, whatever the order of the rows, and only of the same units."""

import numpy as np
import pytest

from ecgfeat.arena.scores import average_systems, rhythm_scores_of
from ecgfeat.errors import DataError
from ecgfeat.store.schemas import RHYTHM_PREDICTIONS, RHYTHMS

HEADS = {"window": "htf_window", "resnet1d": "resnet1d"}


def make_table(head, seed, num=40, views=("single", "tta7", "view0")):
    """Return grid rows of two records of two subjects, in an order of their own."""
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(len(RHYTHMS)), num * len(views))
    start = np.tile(np.arange(num) // 2 * 1280, len(views))
    table = {
        "corpus": np.full(len(start), "mitdb", dtype=object),
        "record": np.tile(np.array(["100", "101"] * (num // 2), dtype=object), len(views)),
        "protocol": np.full(len(start), "grid", dtype=object),
        "head": np.full(len(start), head, dtype=object),
        "view": np.repeat(np.array(views, dtype=object), num),
        "start_sample": start,
        "stop_sample": start + 1280,
        "reference": np.tile(np.array(RHYTHMS, dtype=object)[np.arange(num) % 5], len(views)),
        "predicted": np.array(RHYTHMS, dtype=object)[probability.argmax(1)],
        "purity": np.ones(len(start), dtype=np.float32),
        "num_beats": np.full(len(start), 12, dtype=np.int32),
        **{f"p_{name}": probability[:, k].astype(np.float32) for k, name in enumerate(RHYTHMS)},
    }
    table["subject"] = table["record"]
    order = rng.permutation(len(start))
    assert set(table) == set(RHYTHM_PREDICTIONS.columns)
    return {name: column[order] for name, column in table.items()}


def by_unit(table, view):
    rows = np.flatnonzero(table["view"] == view)
    return {
        (table["record"][row], table["start_sample"][row]): np.array([table[f"p_{name}"][row] for name in RHYTHMS])
        for row in rows
    }


def test_posteriors_are_averaged_unit_by_unit_and_view_by_view():
    one, two = make_table("window", 1), make_table("resnet1d", 2)
    mean = average_systems([one, two], HEADS, "both")
    assert set(mean["view"]) == {"single", "tta7"}
    assert set(mean["head"]) == {"both"}
    assert set(mean) == set(RHYTHM_PREDICTIONS.columns)
    for view in ("single", "tta7"):
        a, b, both = (by_unit(table, view) for table in (one, two, mean))
        assert len(both) == 40
        for unit, found in both.items():
            np.testing.assert_allclose(found, (a[unit] + b[unit]) / 2, rtol=1e-6)
    chosen = np.array([mean[f"p_{name}"] for name in RHYTHMS]).argmax(0)
    assert [RHYTHMS[k] for k in chosen] == mean["predicted"].tolist()


def test_the_mean_is_scored_like_a_system():
    tables = [make_table("window", 1), make_table("resnet1d", 2)]
    tables.append(average_systems(tables, HEADS, "both"))
    scores = rhythm_scores_of(tables, HEADS | {"both": "both"}, {}, bootstrap=100, seed=1)["mitdb"]
    assert set(scores) == {"htf_window", "resnet1d", "both"}
    assert len({of["single"]["macro_f1"] for of in scores.values()}) == 3
    assert scores["both"]["tta7"]["support"] == scores["resnet1d"]["tta7"]["support"]


def test_a_system_with_its_own_mean_changes_nothing():
    one = make_table("window", 1)
    twin = one | {"head": np.full(len(one["head"]), "resnet1d", dtype=object)}
    mean = average_systems([one, twin], HEADS, "both")
    for view in ("single", "tta7"):
        of, both = by_unit(one, view), by_unit(mean, view)
        assert all(np.array_equal(of[unit], found) for unit, found in both.items())


def test_other_units_and_silent_systems_are_refused():
    one, two = make_table("window", 1), make_table("resnet1d", 2)
    with pytest.raises(DataError, match="resnet1d has predicted other units"):
        average_systems([one, two | {"start_sample": two["start_sample"] + 1}], HEADS, "both")
    with pytest.raises(DataError, match="resnet1d has predicted other units"):
        average_systems([one, make_table("resnet1d", 2, views=("single",))], HEADS, "both")
    with pytest.raises(DataError, match="no rhythm of resnet1d"):
        average_systems([one], HEADS, "both")
