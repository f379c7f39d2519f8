"""The tables of README.md and docs/results.md are those that `make results` writes from docs/results."""

import json
import re
from pathlib import Path

import pytest

from pipeline.run.results import BLOCK, PAGES, fill, make_tables

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "results"
RUNS = json.loads((FOLDER / "runs.json").read_text())
TEXT = {path: (ROOT / path).read_text() for path in PAGES}


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_the_command_leaves_the_page_as_it_is(path):
    assert BLOCK.search(TEXT[path])
    assert fill(TEXT[path], make_tables(FOLDER)) == TEXT[path]


def test_a_changed_number_reaches_the_page():
    page = "before\n<!-- results: a -->\n| old |\n<!-- end of results -->\nafter\n"
    filled = fill(page, {"a": "| new |"})
    assert filled == "before\n<!-- results: a -->\n\n| new |\n\n<!-- end of results -->\nafter\n"
    assert fill(filled, {"a": "| new |"}) == filled


def test_every_table_is_on_a_page():
    shown = {name for text in TEXT.values() for _, name, _ in BLOCK.findall(text)}
    assert shown == set(make_tables(FOLDER))


@pytest.mark.parametrize("row", RUNS["rows"], ids=[row["id"] for row in RUNS["rows"]])
def test_every_run_names_its_command_and_the_commit_that_kept_it(row):
    assert re.fullmatch(r"(make|python -m) .+", row["command"])
    assert re.fullmatch(r"[0-9a-f]{7}", row["recorded"]["commit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["recorded"]["date"])
    for score in row.get("scores", []):
        assert score.get("low", score["value"]) <= score["value"] <= score.get("high", score["value"])


def test_the_readme_has_four_rows_with_intervals_and_fits_a_screen():
    text = TEXT[Path("README.md")]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 4
    assert all(re.search(r"\([\d.]+ to [\d.]+\)", row) and "`make " in row for row in rows)
    assert len(text.splitlines()) <= 60


def test_the_readme_says_what_does_not_carry_over_and_what_contains_the_answer():
    text = " ".join(TEXT[Path("README.md")].split())
    for words in (
        "does not carry over to other databases",
        "reference labels that contain the rhythm",
        "Not for clinical use",
    ):
        assert words in text, words
    outside = {tuple(row[:3]): row[3] for row in json.loads((FOLDER / "outside.json").read_text())["rows"]}
    values = {value for row in outside.values() for value in row}
    assert {0.025, 0.27, 0.38} <= values
    assert all(words in text for words in ("2.5 % of AF minutes", ".27 to .38"))


def test_the_readme_gives_the_numbers_of_the_shipped_models():
    real = json.loads((FOLDER / "real.json").read_text())
    beats, rhythm = real["mitdb_ds2"]["beats"], real["mitdb_ds2"]["rhythm"]
    short, clinic = real["cinc2017_held"], real["ptbxl"]
    shares = (
        short["af_auroc"],
        short["af_auroc_rr_irregular"],
        clinic["af_auroc"],
        clinic["af_auroc_rr_trees"],
        rhythm["af_duration_sensitivity"],
        rhythm["af_duration_positive_predictivity"],
        beats["v_f1"],
        beats["s_f1"],
        beats["s_f1_without_232"],
        rhythm["macro_f1"],
    )
    text = TEXT[Path("README.md")]
    for share in shares:
        assert f"{share:.3f}".removeprefix("0") in text
    for of in (short, clinic):
        assert f"{100 * of['ectopic_share_normal']:.1f} %" in text
