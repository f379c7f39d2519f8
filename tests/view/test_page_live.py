"""The page while things change: records that are predicted, pans, faults."""

import pytest
from playwright.sync_api import expect

from tests.fixtures.view_server import serve, wait_for_strip, write_square_waves

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve as many records as fill more than the list shows at once."""
    folder = tmp_path_factory.mktemp("live")
    with serve([write_square_waves(folder / f"record-{at:02}") for at in range(40)], out=folder / "out") as served:
        yield served


def test_a_list_that_changes_keeps_focus_and_scroll(open_page, served):
    entries = [served.shelf.entries[number] for number in ("2", "40")]
    entries[0].state, entries[1].state = "running", "waiting"
    page = open_page(width=500)
    rows = page.locator("#records-list li")
    button = rows.nth(39).locator("button")
    button.focus()
    expect(button).to_be_focused()
    before = page.evaluate("document.getElementById('records-list').scrollTop")
    assert before > 0
    page.evaluate("window.row = document.activeElement")
    entries[0].num_beats = 123
    expect(rows.nth(1)).to_contain_text("predicting: 123 beats")
    entries[1].state = "running"
    expect(rows.nth(39)).to_contain_text("predicting")
    assert page.evaluate("document.activeElement === window.row")
    assert page.evaluate("document.getElementById('records-list').scrollTop") == before
    entries[0].state = entries[1].state = "none"
    expect(rows.nth(39)).not_to_contain_text("predicting")
    page.keyboard.press("Enter")
    expect(page.locator("#record-name")).to_have_text("record-39/square")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-current", "true")
    assert rows.locator("[aria-current]").count() == 1
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#record-name")).to_have_text("record-38/square")


def test_the_row_of_the_record_that_is_opened_is_in_sight(open_page):
    page = open_page(width=500)
    page.locator("#records-search").fill("record-3")
    assert page.locator("#records-list li:visible").count() == 10
    page.locator("#records-search").fill("")
    page.evaluate("location.hash = 'record=40'")
    expect(page.locator("#record-name")).to_have_text("record-39/square")
    boxes = [page.locator(of).bounding_box() for of in ("#records-list", "#records-list [aria-current]")]
    assert boxes[0]["y"] <= boxes[1]["y"] < boxes[0]["y"] + boxes[0]["height"]


def test_a_handle_that_hides_gives_its_focus_to_the_button(open_page):
    page = open_page(hash="record=1&t=0&scale=10")
    wait_for_strip(page, 0, 10)
    button, handle = page.locator("#calipers"), page.locator("#handle-a")
    page.keyboard.press("c")
    handle.focus()
    page.keyboard.press("PageDown")  # out of the strip
    expect(handle).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("PageUp")
    expect(handle).to_be_visible()
    handle.focus()
    page.keyboard.press("c")
    expect(handle).to_be_hidden()
    expect(button).to_be_focused()
