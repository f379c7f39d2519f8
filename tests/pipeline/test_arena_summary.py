"""What the pages print of the arena is what docs/results keeps, and that is what a run said."""

import json
import re
from pathlib import Path

import pytest

from pipeline.run.arena_summary import summarise_arena, write_summary_table

ROOT = Path(__file__).parents[2]
KEPT = {
    preset: json.loads((ROOT / f"docs/results/arena-{preset}.json").read_text()) for preset in ("mitdb", "cinc2017")
}


@pytest.mark.parametrize("preset", KEPT)
def test_the_page_shows_the_table_below_its_command(preset):
    assert KEPT[preset]["preset"] == preset
    heading = rf"^### .*\(`{KEPT[preset]['command']}`\)$"
    section = re.split(heading, (ROOT / "docs/results.md").read_text(), flags=re.M)[1].split("\n#")[0]
    assert re.findall(r"^\|.*$", section, re.M) == write_summary_table(KEPT[preset]).splitlines()


def test_what_is_kept_is_above_the_floors():
    # What a network of this kind reaches on these records when nothing is broken, not what it reaches at best.
    scores = {name: of["tta7"]["macro_f1"] for name, of in KEPT["cinc2017"]["scores"]["cinc2017"].items()}
    assert scores["cnn_attn_bilstm"] >= 0.70
    assert max(scores.values()) >= 0.76


@pytest.mark.parametrize("preset", KEPT)
def test_every_model_has_scores_or_a_reason(preset):
    for name, model in KEPT[preset]["models"].items():
        for slug in KEPT[preset]["corpora"]:
            assert (name in KEPT[preset]["scores"][slug]) != bool(model["left_out"].get(slug)), f"{name} {slug}"


def test_a_summary_keeps_what_the_run_said(arena_run):
    path = arena_run / "reports/arena.json"
    arena = json.loads(path.read_text())
    found = summarise_arena("simulate12", path)
    assert all(list(found) == list(kept) for kept in KEPT.values())
    assert found["models"] == arena["models"]
    assert found["costs"] == arena["costs"]
    for name, model in found["models"].items():
        for slug in found["corpora"]:
            assert (name in found["scores"][slug]) != bool(model["left_out"].get(slug)), f"{name} {slug}"
    for slug, by_model in arena["scores"].items():
        for name, by_view in by_model.items():
            for view, of in by_view.items():
                kept = found["scores"][slug][name][view]
                assert kept == {"macro_f1": of["macro_f1"], "interval": of["interval"].get("macro_f1"), "f1": of["f1"]}
    for name, of in found["crossvalidate"]["simulate12"].items():
        training = json.loads((arena_run / f"reports/diagnostic/simulate12/{name}/training.json").read_text())
        assert of["parameters"] == training["parameters"]
        assert of["seconds"] * of["fs_hz"] == training["config"]["num_samples"]
    rows = write_summary_table(found).splitlines()[2:]
    assert len(rows) == len(arena["scores"]["simulate12"])
    assert "**" in rows[0]
