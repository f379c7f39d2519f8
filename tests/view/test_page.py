"""The page in a browser."""

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.fixtures.view_server import find_browser, serve, write_square_waves


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve([write_square_waves(tmp_path_factory.mktemp("page"))]) as served:
        yield served


@pytest.fixture
def open_page(browser, served):
    """Return a function that opens the page; what the browser reports as an error fails the test."""
    contexts, faults = [], []

    def open_page(width=1280, height=900, dpr=1, hash="", scheme="light"):
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": height}, device_scale_factor=dpr, color_scheme=scheme
            )
        )
        page = contexts[-1].new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(served.url + hash)
        expect(page.locator("body")).to_have_attribute("data-done", "1")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def test_a_record_opens(open_page):
    page = open_page()
    expect(page.locator("#record-name")).to_have_text("square")
    expect(page.locator("#strip")).to_have_attribute(
        "aria-label", "Electrocardiogram, leads II, V1, 0:00:00.0 to 0:00:13.2. Beats: 6 N, 1 V."
    )
    assert page.url.split("#")[1] == "record=1&t=0.000&scale=25mm"
