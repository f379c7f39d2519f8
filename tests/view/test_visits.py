"""Recordings of one patient stand together, and the page lists the others of the patient of the open record."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from ecgfeat.files.folders import Found
from ecgfeat.summary import Figure
from ecgfeat.view.sources import read_rule
from tests.fixtures.view_server import find_browser, give_prediction, serve, write_square_waves

STARTS = {
    "anna/1": "09:00:00 01/02/2020",
    "anna/2": "09:00:00 03/02/2020",
    "anna/3": "10:30:00 02/02/2020",
    "anna/4": "",
}


@pytest.fixture
def served(tmp_path):
    for name, start in {**STARTS, "bert/1": "", "single": ""}.items():
        header = write_square_waves(tmp_path / "records" / name).with_suffix(".hea")
        first, rest = header.read_text().split("\n", 1)
        header.write_text(f"{first} {start}\n{rest}")
    with serve([tmp_path / "records"], out=tmp_path / "out", subject_of=read_rule("^(anna|bert)/")) as served:
        yield served


def visits_of(served, number):
    return json.loads(served.ask(f"/records/{number}/visits")[1])


def test_recordings_of_a_patient_are_listed_by_date(served):
    records = json.loads(served.ask("/records")[1])
    assert [(of["id"], of["name"], of["subject"]) for of in records] == [
        *((str(at), f"anna/{at}/square", "anna") for at in range(1, 5)),
        ("5", "bert/1/square", ""),
        ("6", "single/square", ""),
    ]
    answer = visits_of(served, "2")
    assert answer["subject"] == "anna"
    assert [(of["id"], of["when"], of["start"]) for of in answer["visits"]] == [
        ("3", "earlier", "2020-02-02T10:30:00"),
        ("1", "earlier", "2020-02-01T09:00:00"),
        ("4", "", None),
    ]
    assert [of["id"] for of in visits_of(served, "1")["visits"]] == ["3", "2", "4"]
    assert [of["when"] for of in visits_of(served, "4")["visits"]] == ["", "", ""]
    assert visits_of(served, "5") == {"subject": "bert", "visits": []}
    assert visits_of(served, "6") == {"subject": "", "visits": []}
    assert served.ask("/records/9/visits")[0].status == 404


def test_recordings_of_a_corpus_that_are_of_one_patient(tmp_path):
    for name in ("100", "201", "202"):
        for path in write_square_waves(tmp_path / "mitdb").parent.glob("square.*"):
            path.with_stem(name).write_bytes(path.read_bytes().replace(b"square", name.encode()))
    for path in (tmp_path / "mitdb").glob("square.*"):
        path.unlink()
    with serve([tmp_path]) as served:
        assert [of["subject"] for of in json.loads(served.ask("/records")[1])] == [
            "",
            "201+202 of mitdb",
            "201+202 of mitdb",
        ]


def test_a_recording_that_comes_later_stands_with_those_of_its_patient(served, tmp_path):
    record = write_square_waves(tmp_path / "late")
    added = served.shelf.add([(Found(record, Path("anna")), Path("anna"), "late")])
    assert added == ["7"], "no number of an open tab changes"
    records = json.loads(served.ask("/records")[1])
    assert [(of["id"], of["subject"]) for of in records] == [
        *((number, "anna") for number in ("1", "2", "3", "4", "7")),
        ("5", ""),
        ("6", ""),
    ]
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(served.url)
        expect(page.locator("#records-list .patient")).to_have_text(["Patient anna"])
        page.goto(f"{served.url}#record=4")
        expect(page.locator("#record-name")).to_have_text("anna/4/square")
        page.keyboard.press("]")
        expect(page.locator("#record-name")).to_have_text("anna/late")
        page.keyboard.press("]")
        expect(page.locator("#record-name")).to_have_text("bert/1/square")
        browser.close()


def test_the_page_shows_earlier_recordings_of_the_patient(served):
    for number in ("1", "2"):
        give_prediction(served, number)
        entry = served.shelf.entries[number]
        figures = (Figure("af_burden", "AF burden", "12 %"), Figure("ectopic", "ectopic beats", "3.4 % of all beats"))
        entry.prediction = replace(entry.prediction, figures=figures)
    served.shelf.review("1").apply({"action": "beat", "at_s": 3, "now": "V", "reviewer": "r"})
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{served.url}#record=2")
        expect(page.locator("#visits-title")).to_have_text("Other recordings of patient anna")
        rows = page.locator("#visits-list li")
        expect(rows).to_have_text(
            [
                "anna/3/square 2020-02-02 10:30:00 · earlier · not predicted yet",
                "anna/1/square 2020-02-01 09:00:00 · earlier · AF burden 12 % · ectopic beats 3.4 % of all beats · "
                "1 correction",
                "anna/4/square no date in the file · not predicted yet",
            ]
        )
        assert page.locator("#records-list .patient").all_text_contents() == ["Patient anna"]
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        rows.nth(1).get_by_role("button").click()
        expect(page.locator("#record-name")).to_have_text("anna/1/square")
        expect(rows.nth(1)).to_contain_text("later · AF burden 12 % · ectopic beats 3.4 % of all beats · not reviewed")
        page.locator("#records-list button", has_text="single").click()
        expect(page.locator("#record-name")).to_have_text("single/square")
        expect(page.locator("#visits")).to_be_hidden()
        browser.close()
    assert faults == []


def test_dropped_files_are_removed_on_the_page(served, tmp_path):
    record = write_square_waves(tmp_path / "mine")
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(served.url)
        page.set_input_files("#files", [record.with_suffix(ending) for ending in (".hea", ".dat")])
        expect(page.locator("#drops li")).to_have_text("square.dat, square.hea (0.1 MB) Remove")
        expect(page.locator("#record-name")).to_have_text("square")
        page.get_by_role("button", name="Remove square.dat, square.hea").click()
        expect(page.locator("#drops li")).to_have_count(0)
        expect(page.locator("#record-name")).to_have_text("anna/1/square")
        expect(page.locator("#records-list li[data-record]")).to_have_count(6)
        browser.close()
