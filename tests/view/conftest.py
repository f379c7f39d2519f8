"""The page in a browser, for the tests of what it shows and does."""

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.fixtures.view_server import find_browser, give_prediction, serve, write_square_waves


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with serve([write_square_waves(folder / "a"), write_square_waves(folder / "b")], out=folder / "out") as served:
        give_prediction(served, "2")
        yield served


@pytest.fixture
def open_page(browser, served):
    """Return a function that opens the page; what the browser reports as an error fails the test."""
    contexts, faults = [], []

    def open_page(width=1280, height=900, dpr=1, hash="", scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=dpr, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{served.url}#{hash}")
        expect(page.locator("body")).to_have_attribute("data-done", "2" if "record=2" in hash else "1")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
