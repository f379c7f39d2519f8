"""The baseline beside the rhythm head reads intervals alone, and is whole on disk."""

import json

import numpy as np
import pytest

from ecgfeat.arrhythmia.figures import FIGURES
from ecgfeat.arrhythmia.plain import INTERVAL_FIGURES, interval_figures, load_rr_trees, save_rr_trees
from ecgfeat.arrhythmia.posteriors import Stretch
from ecgfeat.arrhythmia.segments import Segment
from ecgfeat.arrhythmia.training import train_trees
from ecgfeat.errors import DataError
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.trees import TreeSettings

TREES = TreeSettings(iterations=15, leaves=5, min_rows=10, lr=0.2)


def figures_of(rr_s, probability):
    usual_s = (float(np.mean(rr_s)), float(np.median(rr_s)))
    return Stretch(np.append(np.nan, rr_s), usual_s, np.tile(probability, (len(rr_s) + 1, 1))).describe()


@pytest.fixture(scope="module")
def segments():
    """Stretches of regular and of irregular intervals."""
    rng = np.random.default_rng(4)
    segments = []
    for number in range(16):
        is_af = number % 2 == 1
        rr_s = rng.uniform(0.4, 1.1, 120) if is_af else 0.8 + 0.01 * rng.normal(size=120)
        rhythm = np.full(121, RHYTHMS.index("AFIB" if is_af else "NSR"))
        segments.append(Segment(figures_of(rr_s, np.float32([0.9, 0.05, 0.05])), rhythm, number))
    return segments


@pytest.fixture(scope="module")
def trees(segments):
    return train_trees(segments, TREES, rows_per_rhythm=30, seed=1, figures=INTERVAL_FIGURES)


def test_the_figures_of_intervals_come_first_and_no_beat_class_moves_them(segments):
    assert 5 < len(INTERVAL_FIGURES) < len(FIGURES)
    assert FIGURES[: len(INTERVAL_FIGURES)] == INTERVAL_FIGURES
    assert not [name for name in FIGURES[len(INTERVAL_FIGURES) :] if name.startswith("rr_")]
    rr_s = np.random.default_rng(2).uniform(0.5, 1.0, 60)
    normal, ectopic, unknown = (
        figures_of(rr_s, np.float32(probability)) for probability in ([1, 0, 0], [0, 0, 1], [np.nan] * 3)
    )
    assert not np.array_equal(normal, ectopic)
    for other in (ectopic, unknown):
        np.testing.assert_array_equal(interval_figures(normal), interval_figures(other))


def test_irregular_intervals_are_called_af_and_regular_ones_not(segments, trees):
    for segment in segments:
        probability_LK = trees.predict(interval_figures(segment.figure))
        assert probability_LK.shape == (121, len(RHYTHMS))
        is_af = segment.rhythm[0] == RHYTHMS.index("AFIB")
        assert (probability_LK[:, RHYTHMS.index("AFIB")].mean() > 0.5) == is_af


def test_trees_come_back_from_disk_and_damage_is_refused(tmp_path, segments, trees):
    folder = tmp_path / "rr_trees"
    save_rr_trees(folder, trees, {"corpora": ["toy"]})
    figure_LD = interval_figures(segments[1].figure)
    np.testing.assert_array_equal(load_rr_trees(folder).predict(figure_LD), trees.predict(figure_LD))
    described = json.loads((folder / "rr_trees.json").read_text())
    assert described["figures"] == list(INTERVAL_FIGURES)
    assert described["info"] == {"corpora": ["toy"]}
    text = (folder / "rr_trees.txt").read_text()
    (folder / "rr_trees.txt").write_text(text.replace("leaf_value=", "leaf_value=0", 1))
    with pytest.raises(DataError, match=r"rr_trees\.txt"):
        load_rr_trees(folder)
    (folder / "rr_trees.txt").write_text(text)
    (folder / "rr_trees.json").write_text(json.dumps(described | {"figures": list(INTERVAL_FIGURES[1:])}))
    with pytest.raises(DataError, match=r"rr_trees"):
        load_rr_trees(folder)
    with pytest.raises(DataError, match=r"train_rhythm"):
        load_rr_trees(tmp_path / "absent")
