"""No label of a picture leaves the picture or its box, or stands on another label, however long, many or close."""

import dataclasses
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from ecgfeat.report.arena import plot_arena
from ecgfeat.report.drawings import plots
from ecgfeat.report.drawings.dag import draw_dag
from ecgfeat.report.drawings.strip import Ribbon, Strip, draw_strip
from ecgfeat.report.drawings.tachogram import Tachogram, draw_tachogram
from ecgfeat.scoring.calibration import reliability_curve
from tests.fixtures.extents import label_faults

FS_HZ = 128
RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")


def strip(start_s=0.0, rr_s=0.8, duration_s=10.0, num_leads=2, **changes):
    at = np.arange(round(duration_s * FS_HZ)) / FS_HZ
    signal = np.stack([np.sin(2 * np.pi * at)] * num_leads, axis=1).astype(np.float32)
    rpeak_s = np.arange(start_s + 0.01, start_s + duration_s, rr_s)
    bounds = start_s + np.array([0.0, 0.3, 0.55, 0.9, 1.4, 5.0, duration_s])
    names = ["AFIB", "SVTA", "B", "NSR", "", "IVR"]
    ribbons = [Ribbon(title, bounds[:-1], bounds[1:], names) for title in ("reference", "predicted")]
    parts = {"title": "mitdb/100", "signal_mv_SC": signal, "fs_hz": FS_HZ, "leads": ["MLII", "V5", "aVR"][:num_leads]}
    parts |= {"start_s": start_s, "rpeak_s": rpeak_s, "reference_label": ["S"] * len(rpeak_s)}
    parts |= {"predicted_label": ["V"] * len(rpeak_s), "ribbons": ribbons, "note": "simulated waveforms"}
    return Strip(**(parts | changes))


STRIPS = {
    "plain": strip(),
    "after hours": strip(start_s=36_000.0),
    "fast": strip(rr_s=0.25),
    "tied": strip(rr_s=0.02, duration_s=2.0),
    "short": strip(duration_s=3.0),
    "long name": strip(title="ptbxl/records100/00000/00072_lr of a recording whose folder has a very long name, " * 3),
    "long note": strip(note="beat classes are predicted, and so is every rhythm of this strip, " * 4),
    "long lead": strip(leads=["the first lead of the recorder on the left arm", "V5"]),
    "gaps": strip(signal_mv_SC=np.full((10 * FS_HZ, 2), np.nan, dtype=np.float32)),
    "rows": strip(duration_s=25.0, start_s=3595.0),
}


@pytest.mark.parametrize("name", STRIPS)
def test_strip(name):
    assert label_faults(draw_strip(STRIPS[name])) == []


@pytest.mark.parametrize("width_in", [6.4, 9.6])
@pytest.mark.parametrize("rr_s", [0.9, 0.3])
def test_tachogram(width_in, rr_s):
    rpeak_s = np.arange(7200.0, 7260.0, rr_s)
    rr = np.where(np.arange(len(rpeak_s)) % 7 == 3, 3.0, rr_s)
    label = ["V" if k % 3 else "N" for k in range(len(rpeak_s))]
    bounds = 7200 + np.array([0.0, 1.0, 3.0, 6.0, 10.0, 60.0])
    ribbons = [Ribbon(t, bounds[:-1], bounds[1:], [*RHYTHMS[:4], "IVR"]) for t in ("reference", "predicted")]
    of = Tachogram("ltafdb/117", 7200.0, 7260.0, rpeak_s, rr, label, ribbons)
    assert label_faults(draw_tachogram(of, width_in=width_in)) == []
    assert label_faults(draw_tachogram(dataclasses.replace(of, ribbons=[], note="no signal"), width_in=width_in)) == []


def test_confusion():
    counts = 10.0 ** np.arange(36).reshape(6, 6) % 1_234_567_890
    hours = np.linspace(0.001, 123_456.7, 36).reshape(6, 6)
    assert label_faults(plots.plot_confusion({"in beats": counts, "in hours": hours}, RHYTHMS)) == []
    assert label_faults(plots.plot_confusion({"in segments": counts[:1, :1]}, RHYTHMS[:1])) == []


@pytest.mark.parametrize("num_views", [1, 3])
def test_f1(num_views):
    of = {"f1": dict.fromkeys(RHYTHMS, 1.0), "interval": {"f1": {name: {"low": 0.0, "high": 1.0} for name in RHYTHMS}}}
    views = dict.fromkeys(("single view", "TTA-7", "smoothed")[:num_views], of)
    assert label_faults(plots.plot_f1(views, RHYTHMS)) == []


def test_reliability():
    right = reliability_curve(np.array([0, 1] * 20), np.array([[0.9, 0.1], [0.6, 0.4]] * 20))
    assert label_faults(plots.plot_reliability({"single view": right, "TTA-7": right})) == []


@pytest.mark.parametrize("num_epochs", [0, 1, 300])
def test_training(num_epochs):
    epochs = [{"epoch": e, "train_loss": 1e-6 * e, "validation_loss": 1e6, "macro_f1": 0.5} for e in range(num_epochs)]
    figure = plots.plot_training(epochs)
    assert label_faults(figure) == []


@pytest.mark.parametrize("num_records", [1, 8, 49, 300])
@pytest.mark.parametrize("name", ["{}", "records100/00000/{:05d}_lr"])
def test_records(num_records, name):
    rng = np.random.default_rng(0)
    scores = {of: rng.uniform(0.9999, 1, num_records) for of in ("sensitivity", "positive predictivity")}
    assert label_faults(plots.plot_records([name.format(k) for k in range(num_records)], scores)) == []


@pytest.mark.parametrize("num_corpora", [1, 2, 7])
def test_arena(num_corpora):
    models = ["htf_timeline", "cnn_attn_bilstm", "a model whose name is longer than those of all the others"]
    panels = {
        f"a corpus of some name {k}": {"single view": {models[0]: (0.5, 0.1, 0.9)}, "TTA-7": {}, "timeline": {}}
        for k in range(num_corpora)
    }
    left_out = dict.fromkeys(panels, models[1:])
    assert label_faults(plot_arena(panels, models, left_out=left_out)) == []


def test_stages():
    names = [f"a_stage_of_a_{'very_' * (k % 5)}long_name_{k}" for k in range(20)]
    edges = [(a, b) for k, a in enumerate(names) for b in names[k + 2 : k + 8 : 3]]
    drawing = draw_dag(edges)
    width = float(re.search(r'viewBox="0 0 (\S+) ', drawing)[1])
    boxes = [tuple(map(float, of)) for of in re.findall(r'<rect class="node" x="(\S+)" y="\S+" width="(\S+)"', drawing)]
    bold = FontProperties(family="DejaVu Sans", weight="bold")
    for (x, box_width), name in zip(boxes, names, strict=True):
        letters = TextPath((0, 0), name, size=13, prop=bold).get_extents().width
        assert letters < box_width - 8
        assert x + box_width <= width
    turns = [float(x) for x in re.findall(r'class="edge skip" d="M\S+ \S+H(\S+?)Q', drawing)]
    assert turns
    assert min(turns) > 0


def test_a_fault_is_found():
    figure = Figure(figsize=(2, 1))
    figure.text(0.9, 0.5, "leaves the figure")
    assert label_faults(figure) == ["'leaves the figure' leaves the figure"]
    figure = Figure(figsize=(4, 2))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.add_patch(Rectangle((0.4, 0.4), 0.1, 0.2))
    axes.text(0.45, 0.5, "leaves its box", ha="center", va="center")
    axes.text(0.2, 0.9, "one")
    axes.text(0.21, 0.9, "two")
    assert label_faults(figure) == ["'leaves its box' leaves its box", "'one' is on 'two'"]
