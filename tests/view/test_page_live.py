"""The page while things change: records that are predicted, pans, faults."""

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from ecgfeat.records.writer import write_record
from ecgfeat.view.pyramid import Pyramid
from tests.fixtures.view_server import poll_until, serve, wait_for_strip, write_square_waves

expect.set_options(timeout=30_000)
DAY_LEFT_PX, DAY_RIGHT_PX = 64, 48


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


def pan(page, num_moves, step_px):
    """Press the pointer on the strip, and move it to the left faster than the screen is drawn."""
    page.evaluate(
        """([num_moves, step_px]) => {
            const box = document.getElementById("strip-frame").getBoundingClientRect();
            const send = (name, on, x) => on.dispatchEvent(
                new PointerEvent(name, { clientX: box.right - x, clientY: box.top + 80, bubbles: true }));
            send("pointerdown", document.getElementById("strip"), 0);
            for (let i = 1; i <= num_moves; i++) send("pointermove", window, i * step_px);
            send("pointerup", window, num_moves * step_px);
        }""",
        [num_moves, step_px],
    )


def shown_ink(page):
    """Return the dark pixels of each column of the strip."""
    return page.evaluate(
        """() => { const of = document.getElementById("strip");
        const { data, width, height } = of.getContext("2d").getImageData(0, 0, of.width, of.height);
        const ink = new Array(width).fill(0);
        for (let y = 40; y < height - 20; y++) for (let x = 0; x < width; x++) {
            const at = 4 * (y * width + x);
            if (data[at] + data[at + 1] + data[at + 2] < 150) ink[x] += 1;
        }
        return ink; }"""
    )


def test_a_pan_sends_one_request_at_a_time_and_the_last_wish_wins(open_page):
    page = open_page(width=1032, hash="record=1&t=0&scale=10")
    wait_for_strip(page, 0, 10)
    width = page.locator("#strip-frame").bounding_box()["width"]
    sent, in_flight, most = [], set(), 0

    def begin(request):
        nonlocal most
        if "/strip?" in request.url:
            sent.append(request.url)
            in_flight.add(request)
            most = max(most, len(in_flight))

    page.on("request", begin)
    page.on("requestfinished", lambda request: in_flight.discard(request))
    page.on("requestfailed", lambda request: in_flight.discard(request))
    pan(page, 100, 4)
    wait_for_strip(page, 400 / width * 10, 10)
    assert len(sent) == 1, "all moves of one picture are one request"
    for _ in range(20):
        pan(page, 5, 2)
    wait_for_strip(page, 600 / width * 10, 10)
    assert 1 < len(sent) <= 21
    assert most == 1
    assert f"from_s={600 / width * 10:.4f}" in sent[-1]


def test_samples_that_are_here_are_drawn_before_the_answer_and_an_old_answer_never_after_a_new_one(open_page):
    page = open_page(width=1032, hash="record=1&t=0&scale=10")
    wait_for_strip(page, 0, 10)
    width = page.locator("#strip-frame").bounding_box()["width"]
    whole = shown_ink(page)
    held = []
    page.route("**/strip?*", lambda route: held.append(route))
    pan(page, 1, 300)
    expect(page).to_have_url(re.compile(f"t={300 / width * 10:.3f}"))
    moved = shown_ink(page)
    same = [(a > 0) == (b > 0) for a, b in zip(whole[310:-10], moved[10:-310], strict=True)]
    assert sum(same) > 0.98 * len(same), "what is here is at its new place"
    assert not any(moved[-250:]), "what is not here is not drawn"
    poll_until(lambda: page.wait_for_timeout(10) or len(held) == 1)
    pan(page, 1, 300)  # the first request is not answered: after a while the newer one takes its place
    expect(page).to_have_url(re.compile(f"t={600 / width * 10:.3f}"))
    poll_until(lambda: page.wait_for_timeout(10) or len(held) == 2)
    held[1].continue_()
    wait_for_strip(page, 600 / width * 10, 10)
    held[0].abort()
    page.unroute("**/strip?*")
    assert any(shown_ink(page)[-250:])
    wait_for_strip(page, 600 / width * 10, 10)


def test_a_record_that_cannot_be_opened_says_so_and_all_others_can(browser, tmp_path):
    records = [write_square_waves(tmp_path / name) for name in ("a", "b", "c")]
    with serve(records, out=tmp_path / "out") as served:
        records[1].with_suffix(".hea").write_text("no header\n")
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{served.url}#record=2")
        state = page.locator("#state")
        expect(state).to_have_text(re.compile("^This record cannot be opened: .+"))
        assert state.locator("p").count() == 1
        expect(page.locator("#record-name")).to_have_text("b/square")
        for key in (
            "c",
            "m",
            "v",
            "PageDown",
            "End",
            "g",
            "l",
            "b",
            "3",
            "w",
            "+",
            "q",
            "c",
        ):  # none of them has a record
            page.keyboard.press(key)
        page.keyboard.press("]")
        expect(page.locator("#record-facts")).to_contain_text("leads II, V1")
        expect(page.locator("body")).to_have_attribute("data-done", "3")
        expect(state).to_have_text("")
        expect(page.locator("#strip")).to_have_attribute("data-shown", re.compile("."))
        page.locator("#records-list button").nth(1).click()
        expect(state).to_have_text(re.compile("^This record cannot be opened: .+"))
        expect(page.locator("#strip")).not_to_have_attribute("data-shown", re.compile("."))
        page.close()


def test_a_fault_hides_neither_reading_nor_prediction(open_page, served, monkeypatch):
    opened, entry = served.shelf.open("3"), served.shelf.entries["3"]
    poll_until(lambda: opened.is_reference_read and opened.pyramid.is_fill_ended)
    own = Pyramid.num_ready.fget
    quarter = property(lambda of: own(of) // 4 if of is opened.pyramid else own(of))
    monkeypatch.setattr(Pyramid, "num_ready", quarter)
    opened.pyramid.is_fill_ended, entry.state = False, "running"
    opened.faults.append("the reference is damaged")
    try:
        page = open_page()
        page.evaluate("location.hash = 'record=3&t=0'")
        lines = page.locator("#state p")
        expect(lines).to_have_text(["the reference is damaged", "Read so far: 25 %.", "Predicting beats and rhythms."])
        entry.num_beats = 7
        expect(lines.last).to_have_text("Predicting: 7 beats are classified.")
        opened.pyramid.is_fill_ended, entry.state, entry.message = True, "failed", "no beats"
        expect(lines).to_have_text(
            ["the reference is damaged", "Only 25 % of the record could be read.", "No prediction: no beats"]
        )
    finally:
        opened.faults.clear()
        opened.pyramid.is_fill_ended, entry.state = True, "none"


def test_a_command_that_was_ended_is_noticed(browser, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    with serve([write_square_waves(tmp_path)]) as served:
        page.goto(served.url)
        expect(page.locator("body")).to_have_attribute("data-done", "1")
    page.keyboard.press("PageDown")
    expect(page.locator("#state")).to_have_text(
        "The command ecgfeat view does not answer. If it was ended, start it again."
    )
    page.close()


def test_the_ribbon_and_the_heart_rate_have_one_scale_of_time(open_page):
    page = open_page(hash="record=1&t=0&scale=10")
    boxes = [page.locator(of).bounding_box() for of in ("#day", "#trend .u-over")]
    assert boxes[0]["x"] + DAY_LEFT_PX == pytest.approx(boxes[1]["x"], abs=1)
    assert boxes[0]["x"] + boxes[0]["width"] - DAY_RIGHT_PX == pytest.approx(boxes[1]["x"] + boxes[1]["width"], abs=1)
    x = boxes[1]["x"] + boxes[1]["width"] / 2
    for box in boxes:
        page.keyboard.press("Home")
        wait_for_strip(page, 0, 10)
        page.mouse.click(x, box["y"] + 8)
        expect(page).to_have_url(re.compile(r"t=2[45]\.\d"))  # 30 s in the middle
    page.mouse.move(x, boxes[0]["y"] + 8)
    page.mouse.down()
    page.mouse.move(x + boxes[1]["width"] / 4, boxes[0]["y"] + 8, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"t=(39|40)\.\d"))


def test_a_strip_whose_width_changes_is_fetched_anew(open_page):
    page = open_page(hash="record=1&t=0&scale=25mm")
    width = page.locator("#strip-frame").bounding_box()["width"]
    wait_for_strip(page, 0, width / (25 * 96 / 25.4))
    page.evaluate("document.querySelector('main').style.marginRight = '200px'")  # the window keeps its size
    wait_for_strip(page, 0, (width - 200) / (25 * 96 / 25.4))


def test_what_is_not_there_is_said_and_not_offered(browser, tmp_path):
    folders = [tmp_path / name for name in ("bare", "flat")]
    records = [write_square_waves(folders[0])]
    records[0].with_suffix(".atr").unlink()
    folders[1].mkdir()
    write_record(folders[1], "flat", np.full((30 * 250, 1), -32768, np.int16), 250, ["II"])
    with serve([*records, folders[1] / "flat"], out=tmp_path / "out") as served:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(served.url)
        expect(page.locator("#state")).to_have_text(
            "Beats and rhythms are not known: there is neither a prediction nor a reference."
        )
        for hidden in ("#trend", "#exports", "#whys", "#review", "#figures"):
            expect(page.locator(hidden)).to_be_hidden()
        page.evaluate("location.hash = 'record=2'")
        expect(page.locator("#record-facts")).to_have_text("30 s · 250 Hz · lead II")
        entry = served.shelf.entries["1"]
        entry.state = "running"
        page.evaluate("location.hash = 'record=1'")
        expect(page.locator("#trend")).to_have_text("The heart rate is shown here once beats are predicted.")
        entry.state = "failed"
        expect(page.locator("#trend")).to_be_hidden()
        assert Axe().run(page).violations_count == 0
        page.close()


def test_the_focus_is_seen_wherever_it_is(open_page):
    page = open_page(hash="record=1&t=0&scale=10")
    page.keyboard.press("c")
    places = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        place, width, style = page.evaluate(
            """() => { const of = document.activeElement, { outlineWidth, outlineStyle } = getComputedStyle(of);
            return [of.id || of.textContent, outlineWidth, outlineStyle]; }"""
        )
        places.add(place)
        if not place.startswith("\n"):  # the page itself, between its end and its beginning
            assert (width, style) == ("3px", "solid"), place
    assert {"day", "handle-a", "help", "find", "snap", "record-05/square"} <= places


def test_the_keys_are_shown_from_their_beginning_and_give_the_focus_back(open_page):
    page = open_page(height=500)
    page.locator("#help").focus()
    page.keyboard.press("?")
    dialog = page.locator("#help-dialog")
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    assert dialog.evaluate("of => of.scrollTop") == 0
    expect(dialog.locator("h3")).to_have_text(
        ["Move", "Find the next; with Shift the one before", "Calipers", "Review", "Why", "Records", "Signs"]
    )
    page.keyboard.press("End")  # it scrolls by keys, and Close stays in sight
    page.keyboard.press("PageDown")
    expect(dialog.get_by_role("button", name="Close")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#help")).to_be_focused()
