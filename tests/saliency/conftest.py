"""The shipped models, small ones of other kinds, and a drawn record with broad early beats as they see it."""

import numpy as np
import pytest

from ecgfeat.arrhythmia.plain import INTERVAL_FIGURES
from ecgfeat.diagnosis.trees import FigureTable, fit_record_trees
from ecgfeat.models import build_model, save_model
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import find_models
from ecgfeat.records.reader import Signal
from ecgfeat.rhythm.baselines import FEATURES
from ecgfeat.saliency.seen import find_stretches, see_record
from ecgfeat.store.record_feature_columns import RECORD_FEATURE_NAMES
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.trees import TreeSettings, fit_trees
from tests.fixtures.beats import draw_beats

BROAD = (10, 17, 24)
DURATIONS = {"mean_beats": [20.0] * 6, "follows": [[1 / 6] * 6] * 6, "share": [1 / 6] * 6}
DECODER = {"durations": DURATIONS, "num_phases": 1, "weight": 0.0, "prior_power": 0.0}
DECODERS = [{"beat_macro_f1": 0.5}, {"beat_macro_f1": 0.4}]
FS_HZ = 200.0


def make_signal(gain=1.0, num_leads=2, duration_s=28.0):
    """Return a record of 75 beats a minute in which three beats are broad, early, and followed by a pause."""
    beat_s = np.arange(0.5, duration_s - 0.4, 0.8)
    broad = [beat for beat in BROAD if beat < len(beat_s)]
    beat_s[broad] -= 0.25
    leads = [
        draw_beats(beat_s, duration_s, FS_HZ, broad=broad, qrs_mv=size, seed=seed)
        for seed, size in enumerate((1.0, -0.7))
    ]
    signal_mv_SC = (gain * np.stack(leads[:num_leads], axis=1)).astype(np.float32)
    return Signal("drawn", FS_HZ, ("MLII", "V1")[:num_leads], signal_mv_SC)


@pytest.fixture(scope="session")
def models():
    return load_models(find_models("real"))


@pytest.fixture(scope="session")
def seen(models):
    return see_record(make_signal(), models)


@pytest.fixture(scope="session")
def found():
    return find_stretches(make_signal(), 12.0)


@pytest.fixture(scope="session")
def rr_trees():
    """Trees grown on noise: what they have learnt does not matter here."""
    rng = np.random.default_rng(0)
    value = rng.normal(size=(600, len(INTERVAL_FIGURES))).astype(np.float32)
    value[rng.random(value.shape) < 0.1] = np.nan
    settings = TreeSettings(8, 6, 5, 0.2)
    target = rng.integers(0, len(RHYTHMS), 600)
    return fit_trees(value, target, np.ones(600), INTERVAL_FIGURES, settings, num_classes=len(RHYTHMS), seed=1)


@pytest.fixture(scope="session")
def fitted():
    """Baselines with a regression on three rhythms, of drawn weights."""
    rng = np.random.default_rng(3)
    num, classes = len(FEATURES), RHYTHMS[:3]
    regression = {
        "features": list(FEATURES),
        "classes": list(classes),
        "num_beats": 100,
        "mean": rng.normal(size=num).tolist(),
        "scale": rng.uniform(0.5, 2, num).tolist(),
        "weight": rng.normal(size=(3, num)).tolist(),
        "bias": [0.3, -0.2, 0.1],
    }
    share = [1 / len(RHYTHMS)] * len(RHYTHMS)
    rules = {"irregular": 0.1, "sureness": 0.8}
    return {"classes": list(RHYTHMS), "majority": {"share": share}, "rr_rules": rules, "rr_logistic": regression}


def grow_record_trees(num_classes, *, task="single", seeds=(1, 2)):
    """Return trees on figures of records, grown on noise."""
    rng = np.random.default_rng(num_classes)
    num = 200
    value = rng.normal(size=(num, len(RECORD_FEATURE_NAMES))).astype(np.float32)
    target = rng.integers(0, num_classes, num)
    if task == "multi":
        target = (rng.random((num, num_classes)) < 0.4).astype(np.float32)
    names = [str(row) for row in range(num)]
    table = FigureTable(value, RECORD_FEATURE_NAMES, target, names, [["one"]] * num)
    return fit_record_trees(table, num_classes, TreeSettings(5, 5, 5, 0.2), seeds)


@pytest.fixture(scope="session")
def record_trees():
    return grow_record_trees(3)


@pytest.fixture(scope="session")
def chain_folders(tmp_path_factory):
    """A beat embedder, a timeline and a window head of the published kind, with drawn weights, as a run has them."""
    folder = tmp_path_factory.mktemp("models")
    both = {"features": "embeddings", "history": "predicted", "rr_features": True}
    shared = {"classes": list(RHYTHMS), "prior": [1 / 6] * 6, "log": [{"epoch": 0}]}
    save_model(folder / "htf", "htf", build_model("htf", seed=3), {}, {"trained": True, "window_samples": 256})
    timeline = {"num_features": 611, "width": 16, "num_blocks": 1}
    params = {**both, "neighbour_beats": 3, "chunk_beats": 256}
    decoder = {"decoder": DECODER, "decoders": DECODERS}
    model = build_model("rhythm_timeline", seed=4, **timeline)
    save_model(folder / "timeline", "rhythm_timeline", model, timeline, {**shared, **decoder, "params": params})
    window = {"width": 16, "num_blocks": 1}
    params = {**both, "window_samples": 1280, "max_beats": 32}
    save_model(
        folder / "window",
        "rhythm_window",
        build_model("rhythm_window", seed=5, **window),
        window,
        {**shared, "params": params},
    )
    return folder
