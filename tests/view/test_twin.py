"""The page as one file, from a folder, in a browser without a network."""

import re
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from ecgfeat.errors import DataError
from ecgfeat.files import read
from ecgfeat.prediction.record import Prediction
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.view import twin
from ecgfeat.view.marks import read_reference
from tests.fixtures.view_server import find_browser, write_square_waves

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return write_square_waves(tmp_path_factory.mktemp("twin"))


@pytest.fixture(scope="module")
def prediction(record):
    """Return the reference of a record in the form of a prediction."""
    marks = read_reference(record, read(record))
    num_beats = len(marks.time_s)
    beats = {"record": np.full(num_beats, "square", dtype=object), "time_s": marks.time_s, "rr_s": marks.rr_s}
    beats |= {"aami": marks.label.astype(object), "rhythm": np.full(num_beats, "NSR", dtype=object)}
    beats |= {f"p_{name}": (marks.label == name).astype(np.float32) for name in "NSV"}
    episodes = {"start_s": np.array([0.0]), "stop_s": np.array([60.0]), "rhythm": np.array(["NSR"], dtype=object)}
    episodes |= {"reason": np.array([""], dtype=object), "certainty": np.array([0.9], np.float32)}
    episodes |= {f"p_{name}": np.array([name == "NSR"], np.float32) for name in RHYTHMS}
    quality = {"lead": np.array([1]), "start_s": np.array([0]), "stop_s": np.array([5])}
    quality |= {"state": np.array(["noisy"], dtype=object)}
    return Prediction(beats, episodes, quality, 60.0, ("a note",), {"source": "0123456789abcdef"})


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser):
    """Return a function that opens a file without a network; what the browser reports fails the test."""
    faults, contexts = [], []

    def show(path, hash=""):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}, offline=True))
        page = contexts[-1].new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
        page.goto(f"{path.as_uri()}#{hash}")
        expect(page.locator("body")).to_have_attribute("data-done", "1")
        return page

    yield show
    for context in contexts:
        context.close()
    assert faults == []


def test_the_file_shows_what_the_page_shows(show, record, prediction, tmp_path):
    path = twin.write_html(
        tmp_path / "x.html", read(record), prediction, reference=read_reference(record, read(record))
    )
    page = show(path)
    expect(page.locator("#strip")).to_have_attribute(
        "aria-label", "Electrocardiogram, leads II, V1, 0:00:00.0 to 0:00:13.2. Beats: 6 N, 1 V."
    )
    expect(page.locator("#legend")).to_contain_text("Rows: prediction, reference.")
    expect(page.locator("#notes")).to_have_text("a note")
    expect(page.locator("#figures")).to_contain_text("AF burden")
    page.keyboard.press("v")
    expect(page.locator("#found")).to_have_text(re.compile("V beat .* 1 of 6, at 0:00:09"))
    for hidden in ("#review", "#files-open", "#records"):
        expect(page.locator(hidden)).to_be_hidden()
    for disabled in ("#save-pdf", "#save-html", "#why-beat", "#why-rhythm"):
        expect(page.locator(disabled)).to_be_disabled()
    page.select_option("#scale", "10")
    page.keyboard.press("c")
    expect(page.locator("#reading")).to_have_text(re.compile(r"II: \d+ ms · .* · [01]\.00 mV"))


def test_a_long_record_has_extremes_and_the_samples_of_events(show, record, prediction, tmp_path, monkeypatch):
    monkeypatch.setattr(twin, "MOST_SAMPLES", 1000)
    monkeypatch.setattr(twin, "_MOST_COLUMNS", 400)
    monkeypatch.setattr(twin, "_STRIP_S", 4.0)
    page = show(twin.write_html(tmp_path / "x.html", read(record), prediction), "record=1&t=8&scale=2")
    expect(page.locator("#scale-text")).not_to_contain_text("This file has only")
    page.evaluate("location.hash = 'record=1&t=5&scale=2'")
    expect(page.locator("#scale-text")).to_contain_text(
        "This file has only the lowest and highest of every 0.26 s here."
    )


def test_equal_content_gives_equal_bytes_and_names_its_recording(record, prediction, tmp_path):
    first, second = (twin.write_html(tmp_path / name, read(record), prediction) for name in ("a.html", "b.html"))
    assert first.read_bytes() == second.read_bytes()
    assert b"ecgfeat source 0123456789abcdef" in first.read_bytes()
    assert not re.search(rb'(?:src|href)="http', first.read_bytes())


def test_no_name_in_a_record_is_code(show, record, prediction, tmp_path):
    hostile = "</script><script>document.title='stolen'</script><img src=x onerror=alert(1)>"
    signal = replace(read(record), leads=(hostile, "V1"), record=hostile)
    page = show(twin.write_html(tmp_path / "x.html", signal, replace(prediction, notes=(hostile,))))
    assert page.title() == "ecgfeat view: record 1"
    expect(page.locator("#record-name")).to_have_text(hostile)
    expect(page.locator("#notes")).to_have_text(hostile)
    assert page.locator("img").count() == 0


def test_the_prediction_of_another_record_is_refused(record, prediction, tmp_path):
    with pytest.raises(DataError, match="a prediction of 30 s"):
        twin.write_html(tmp_path / "x.html", read(record), replace(prediction, duration_s=30.0))
    assert not list(tmp_path.iterdir())
