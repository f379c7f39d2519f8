"""The page in a browser: what it measures, what it draws, who can use it."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from matplotlib.image import imread
from playwright.sync_api import expect

from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.reviews.files import read_reviews
from ecgfeat.view.events import Doubt
from ecgfeat.view.security import private_page
from tests.fixtures.view_server import poll_until, serve, wait_for_strip, write_square_waves

PX_PER_MM = 96 / 25.4
expect.set_options(timeout=30_000)
TOP_PX, ROW_MM = 30, 40


def read_pixels(page, top_px, height_px):
    """Return rows of pixels of the strip, (height, width, 3), and how many of them are one pixel of the page."""
    content = page.evaluate("document.getElementById('strip').toDataURL('image/png').split(',')[1]")
    image = np.rint(255 * imread(io.BytesIO(base64.b64decode(content)), format="png"))
    ratio = image.shape[1] / page.locator("#strip").bounding_box()["width"]
    return ratio, image[round(top_px * ratio) : round((top_px + height_px) * ratio), :, :3]


def find_square(page):
    """Find the square of lead II from 1 s to 2 s in the pixels: left and right edge, base and top, in CSS pixels."""
    ratio, image = read_pixels(page, TOP_PX, ROW_MM * PX_PER_MM)
    dark = 255 - image.max(axis=2)
    dark[dark < 120] = 0
    dark[: round(22 * ratio), : round(80 * ratio)] = 0  # the name of the lead
    columns = dark.sum(axis=0)
    edges = np.flatnonzero(columns > 0.3 * columns.max())
    first = edges[edges < edges[0] + 4 * ratio]
    second = edges[(edges > first[-1] + 4 * ratio)]
    second = second[second < second[0] + 4 * ratio]
    left, right = ((np.average(at, weights=columns[at]) + 0.5) / ratio for at in (first, second))

    def level(x):
        rows = dark[:, round(x * ratio)]
        return TOP_PX + (np.average(np.arange(len(rows)), weights=rows) + 0.5) / ratio

    return left, right, level(left / 2), level((left + right) / 2)


@pytest.mark.parametrize("dpr", [1, 2])
@pytest.mark.parametrize(("scale", "gain"), [("2", "20"), ("5", "20"), ("10", "10")])
def test_a_square_of_1_mv_and_1_s_reads_so_by_the_calipers(open_page, dpr, scale, gain):
    page = open_page(dpr=dpr, hash=f"record=1&t=0.5&scale={scale}")
    page.select_option("#gain", gain)
    wait_for_strip(page, 0.5, float(scale))
    left, right, base, top = find_square(page)
    page.keyboard.press("c")
    box = page.locator("#strip").bounding_box()

    def measure(from_x, from_y, to_x, to_y):
        page.mouse.move(box["x"] + from_x, box["y"] + from_y)
        page.mouse.down()
        page.mouse.move(box["x"] + to_x, box["y"] + to_y)
        page.mouse.up()
        text = page.locator("#reading").inner_text()
        ms, mv = re.fullmatch(r"II: (\d+) ms · .* · ([\d.]+) mV", text).groups()
        return int(ms), float(mv)

    page.uncheck("#snap")
    ms, mv = measure(left, base, right, top)
    assert abs(ms - 1000) <= 8, "by the scale of the strip alone"
    assert abs(mv - 1) <= 0.02
    page.check("#snap")
    _, mv = measure(left / 2, base - 15, (left + right) / 2, top + 15)
    assert mv == 1, "the samples themselves"


@pytest.mark.parametrize("dpr", [1, 2])
def test_lines_of_the_grid_are_40_ms_apart_to_the_pixel(open_page, dpr):
    page = open_page(dpr=dpr, hash="record=1&t=0.5&scale=25mm")
    wait_for_strip(page, 0.5, page.locator("#strip-frame").bounding_box()["width"] / PX_PER_MM / 25)
    ratio, image = read_pixels(page, TOP_PX + 0.35 * PX_PER_MM, 1)
    red, green = image[0, :, 0], image[0, :, 1]
    is_line = (red - green > 12) & (red > 200)
    found = np.flatnonzero(is_line)
    expected_s = np.arange(np.ceil(0.5 / 0.04), 400) * 0.04
    expected = (expected_s - 0.5) * 25 * PX_PER_MM * ratio
    expected = expected[expected < image.shape[1] - 1]
    assert len(found) == len(expected) > 300
    assert np.abs(found - expected).max() <= 0.5 + 1e-6
    expect(page.locator("#scale-text")).to_contain_text("25.0 mm/s · 10 mm/mV · small square 40 ms × 0.1 mV")


def test_a_gap_is_a_gap(open_page):
    page = open_page(hash="record=1&t=39&scale=5")
    wait_for_strip(page, 39, 5)
    _, image = read_pixels(page, TOP_PX, 2 * ROW_MM * PX_PER_MM)
    is_ink = (image.max(axis=2) < 60).any(axis=0)
    at_s = 39 + (np.arange(len(is_ink)) + 0.5) * 5 / len(is_ink)
    assert is_ink[(at_s > 39.2) & (at_s < 39.95)].all()
    assert not is_ink[(at_s > 40.05) & (at_s < 41.95)].any()


def test_the_whole_walk_by_keyboard(open_page):
    page = open_page()
    strip, found = page.locator("#strip"), page.locator("#found")
    span_s = page.locator("#strip-frame").bounding_box()["width"] / PX_PER_MM / 25
    page.keyboard.press("PageDown")
    wait_for_strip(page, span_s, span_s)
    page.keyboard.press("v")
    expect(found).to_have_text(re.compile("V beat .* 2 of 6, at 0:00:19"))
    page.keyboard.press("v")
    expect(found).to_have_text(re.compile("V beat .* 3 of 6, at 0:00:29"))
    page.keyboard.press("Shift+V")
    expect(found).to_have_text(re.compile("V beat .* 2 of 6, at 0:00:19"))
    page.keyboard.press("p")
    expect(found).to_have_text("There is none: pause over 2 s.")
    page.keyboard.press("End")
    wait_for_strip(page, 60 - span_s, span_s)
    page.keyboard.press("Home")
    page.keyboard.press("-")
    expect(page.locator("#scale")).to_have_value("2")
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.locator("#gain")).to_have_value("20")
    expect(page.locator("#layout")).to_have_value("3x4")
    page.keyboard.press("]")
    expect(page.locator("body")).to_have_attribute("data-done", "2")
    expect(page.locator("#record-name")).to_have_text("b/square")
    assert page.url.endswith("#record=2&t=0.000&scale=2")
    page.keyboard.press("l")
    page.keyboard.press("l")
    page.keyboard.press("l")
    page.keyboard.press("c")
    page.locator("#handle-a").focus()
    before = page.locator("#reading").inner_text()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#reading")).not_to_have_text(before)
    page.keyboard.press("m")
    expect(page.locator("#march")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(page.locator("#help-dialog")).to_be_visible()
    assert page.locator("#help-dialog tbody tr").count() > 20
    page.keyboard.press("Escape")
    expect(page.locator("#help-dialog")).to_be_hidden()
    expect(strip).to_have_attribute("aria-label", re.compile("leads II, V1, 0:00:00.0 to 0:00:02.0. Beats: 1 N."))


def test_the_file_that_hides_the_token_opens_the_page(browser, served):
    page = browser.new_page()
    with private_page(served.url) as path:
        assert [of.stat().st_mode & 0o777 for of in (path, path.parent)] == [0o600, 0o700]
        page.goto(path.as_uri())
        expect(page.locator("#record-facts")).to_contain_text("leads II, V1")
    assert not path.parent.exists()
    assert "token" not in page.url
    page.close()


def test_everything_is_reached_by_tab(open_page):
    page = open_page()
    page.keyboard.press("c")
    controls = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, summary, [tabindex]")]
            .filter((of) => of.offsetParent !== null && !of.disabled).map((of) => of.id || of.textContent)"""
    )
    reached = set()
    for _ in range(len(controls) + 3):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert set(controls) <= reached
    assert len(controls) > 15


def test_the_address_brings_back_record_and_time(open_page):
    page = open_page(hash="record=1&t=20.000&scale=10")
    wait_for_strip(page, 20, 10)
    page.evaluate("location.hash = 'record=1&t=30&scale=10'")
    wait_for_strip(page, 30, 10)


def test_leads_that_are_not_there_are_said_to_be_missing(open_page):
    page = open_page(hash="record=1&t=0&scale=10")
    heights = []
    for layout in ("3x4", "6x2", "12x1"):
        page.select_option("#layout", layout)
        heights.append(page.locator("#strip").bounding_box()["height"])
        texts = page.evaluate(
            """() => new Promise((resolve) => {
                const texts = [];
                const drawing = CanvasRenderingContext2D.prototype;
                const own = drawing.fillText;
                drawing.fillText = function (text, ...rest) { texts.push(text); own.call(this, text, ...rest); };
                const stop = () => { drawing.fillText = own; resolve(texts); };
                document.addEventListener("stripdrawn", stop, { once: true });
                window.dispatchEvent(new Event("resize"));
            })"""
        )
        assert {"aVR: not in this record", "V6: not in this record", "II", "V1"} <= set(texts), layout
    assert heights[0] < heights[1] < heights[2]


def test_the_size_of_the_screen_and_the_reviewer_are_kept(open_page, tmp_path):
    page = open_page()
    page.click("#calibrate")
    page.locator("#card-width").fill("428")
    assert page.locator("#card").bounding_box()["width"] == pytest.approx(428, abs=1)
    page.locator("#reviewer").evaluate("of => { of.value = 'Å. Reader'; of.dispatchEvent(new Event('change')); }")
    with serve([write_square_waves(tmp_path)]) as served:  # the next start, on another port
        page.goto(served.url)
        expect(page.locator("body")).to_have_attribute("data-done", "1")
        width = page.locator("#strip-frame").bounding_box()["width"]
        wait_for_strip(page, 0, width / 5 / 25)
        expect(page.locator("#scale-text")).to_contain_text("size of the screen measured by a card")
        assert page.locator("#reviewer").input_value() == "Å. Reader"
        page.keyboard.press("PageDown")
        wait_for_strip(page, width / 5 / 25, width / 5 / 25)
        page.click("#calibrate")
        page.click("#card-reset")
        expect(page.locator("#scale-text")).to_contain_text("size of the screen not measured")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_violation(open_page, scheme, width):
    page = open_page(width=width, scheme=scheme)
    page.keyboard.press("c")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.click("#help")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_phone_shows_it_without_scrolling_sideways(open_page):
    page = open_page(width=390, height=844, dpr=3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#strip").bounding_box()["width"] > 350
    page.click("#later")
    span_s = page.locator("#strip-frame").bounding_box()["width"] / PX_PER_MM / 25
    wait_for_strip(page, span_s, span_s)


def test_a_review_by_keyboard(open_page, served):
    page = open_page(hash="record=2&t=0&scale=10")
    says = page.locator("#review-says")
    page.keyboard.press("b")
    expect(says).to_contain_text("Beat at 0:00:07.00 is selected.")
    page.keyboard.press("3")
    expect(says).to_have_text("Write your name first: each correction says who made it.")
    page.keyboard.type("A. Reader")
    page.keyboard.press("Tab")
    page.keyboard.press("3")
    expect(says).to_contain_text("beat at 7.00 s: N is now V. 1 correction")
    page.mouse.click(*middle_of_beat(page, 3))
    expect(says).to_contain_text("Beat at 0:00:03.00 is selected.")
    page.keyboard.press("x")
    expect(says).to_contain_text("2 corrections")
    page.keyboard.press("o")
    expect(says).to_contain_text("0.2 min looked at")
    expect(page.locator("#strip")).to_have_attribute("aria-label", re.compile("Beats: 2 N, 2 V."))
    page.select_option("#rhythm", "AFIB")
    page.keyboard.press("c")
    page.click("#rhythm-set")
    expect(says).to_contain_text("NSR is now AFIB")
    page.keyboard.press("z")
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(says).to_contain_text("1 correction, 0.0 min")
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-done", "2")
    expect(says).to_contain_text("1 correction, 0.0 min")
    expect(page.locator("#records-list")).to_contain_text("1 correction")
    page.click("#history summary")
    expect(page.locator("#history li").last).to_contain_text("A. Reader · beat at 7.00 s: N is now V")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    expect(page.locator("#strip")).to_have_attribute("aria-label", re.compile("Beats: 3 N, 2 V."))
    logs, _ = read_reviews(served.shelf.out / "b")
    assert [(entry.kind, entry.now, entry.reviewer) for entry in logs["square"]][:2] == [
        ("beat", "V", "A. Reader"),
        ("beat", "", "A. Reader"),
    ]


def test_beats_are_right_or_wrong_only_where_a_reference_has_beats(open_page):
    was = open_page().evaluate(
        """async () => {
            const { beatsBetween } = await import("/page/trace.js");
            const of = (time) => ({ time, rr: time, label: time.map(() => 0), classes: "NSVFQ" });
            return [[], [5000]].map((times) => beatsBetween(of([1000]), of(times), 0, 2)[0].was);
        }"""
    )
    assert was == [None, ""]


def test_a_review_that_was_changed_in_another_window_is_shown(browser, served):
    pages = [browser.new_page() for _ in range(2)]  # a refusal is an error in the console
    for page in pages:
        page.goto(f"{served.url}#record=2&t=20&scale=10")
        expect(page.locator("body")).to_have_attribute("data-done", "2")
    says = [page.locator("#review-says") for page in pages]
    before = served.shelf.review("2").describe()["num_entries"]
    for page in pages:
        page.fill("#reviewer", "B. Reader")
        page.keyboard.press("Tab")
        page.keyboard.press("b")
    # Two corrections, the second before the first is answered; a key that is held down makes one.
    pages[0].evaluate(
        """() => [["2", false], ["3", false], ["3", true], ["3", true]].forEach(([key, repeat]) =>
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key, repeat, bubbles: true })))"""
    )
    expect(says[0]).to_contain_text("S is now V")
    assert served.shelf.review("2").describe()["num_entries"] == before + 2
    pages[1].keyboard.press("x")
    expect(says[1]).to_have_text("the review was changed elsewhere: reload the page")
    pages[1].keyboard.press("z")
    expect(says[1]).to_contain_text("undo at")
    assert served.shelf.review("2").describe()["num_entries"] == before + 3
    for page in pages:
        page.close()


def test_the_queue_goes_over_all_records_by_keyboard(open_page, served):
    entry = served.shelf.entries["2"]
    entry.doubts = [Doubt("disagreement", 30, 36), Doubt("uncertain", 50, 54, 0.4)]
    try:
        page = open_page(hash="record=1&t=0&scale=10")
        found = page.locator("#found")
        expect(page.locator("#predict-all")).to_be_hidden()
        page.keyboard.press("q")
        expect(found).to_have_text("b/square: 6.0 s of disagreement with the reference at 0:00:30.0")
        wait_for_strip(page, 28, 10)
        page.keyboard.press("q")
        expect(found).to_have_text("b/square: uncertain episode (certainty 0.40) at 0:00:50.0")
        page.keyboard.press("q")
        expect(found).to_have_text("There is nothing more to look at in the records that are predicted.")
        page.keyboard.press("Shift+Q")
        expect(found).to_contain_text("disagreement with the reference at 0:00:30.0")
    finally:
        entry.doubts = []


def middle_of_beat(page, at_s):
    """Return the place of the letter of a beat, where the strip shows 10 s from 0."""
    box = page.locator("#strip").bounding_box()
    return box["x"] + box["width"] * at_s / 10, box["y"] + 22


def test_files_are_opened_in_the_page(open_page, served, tmp_path):
    record = write_square_waves(tmp_path)
    page = open_page()
    page.set_input_files("#files", [record.with_suffix(ending) for ending in (".hea", ".dat")])
    expect(page.locator("#record-facts")).to_contain_text("leads II, V1")
    expect(page.locator("body")).to_have_attribute("data-done", "3")
    expect(page.locator("#legend")).to_have_text("")


def test_a_lead_without_a_gain_has_no_millivolts(open_page, tmp_path):
    record = write_square_waves(tmp_path)
    header = record.with_suffix(".hea")
    header.write_text(header.read_text().replace("1000(0)/mV", "0(0)/mV", 1))  # of lead II
    page = open_page()
    page.set_input_files("#files", [record.with_suffix(ending) for ending in (".hea", ".dat")])
    expect(page.locator("#scale-text")).to_contain_text("Amplitudes are relative in II.")
    page.keyboard.press("c")
    expect(page.locator("#reading")).to_have_text(re.compile("II: .* ms · .* · no mV: the file has no gain"))
    page.uncheck("#snap")
    box = page.locator("#strip").bounding_box()
    y = box["y"] + TOP_PX + 1.5 * ROW_MM * PX_PER_MM
    page.mouse.move(box["x"] + 100, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, y + 38)
    page.mouse.up()
    expect(page.locator("#reading")).to_have_text(re.compile(r"V1: .* ms · .* · 1\.0\d mV"))


def test_nothing_of_a_record_stands_under_the_name_of_the_next(open_page):
    page = open_page(hash="record=2&t=0&scale=10")
    expect(page.locator("#review")).to_be_visible()
    wait_for_strip(page, 0, 10)
    held = []
    page.route("**/records/1/open", lambda route: held.append(route))
    page.evaluate("location.hash = 'record=1&t=0&scale=10'")
    expect(page.locator("#state")).to_have_text("Opening the record.")
    expect(page.locator("#review")).to_be_hidden()
    for name in ("record-name", "record-facts", "legend", "scale-text", "trend"):
        expect(page.locator(f"#{name}")).to_have_text("")
    for name in ("strip", "overlay", "day", "lanes"):
        assert page.evaluate(
            """(name) => { const of = document.getElementById(name);
            return of.getContext("2d").getImageData(0, 0, of.width, of.height).data.every((value) => value === 0); }""",
            name,
        ), name
    page.keyboard.press("PageDown")  # there is nothing to move yet
    held[0].continue_()
    expect(page.locator("#record-name")).to_have_text("a/square")
    wait_for_strip(page, 0, 10)


def test_a_lead_is_found_by_what_its_name_means(open_page, tmp_path):
    record = write_square_waves(tmp_path)
    header = record.with_suffix(".hea")
    text = header.read_text().replace("1000(0)/mV", "0(0)/mV", 1)
    text = re.sub(r"\bV1$", "Lead II", re.sub(r"\bII$", "AVR", text, flags=re.M), flags=re.M)
    header.write_text(text)
    page = open_page()
    page.set_input_files("#files", [record.with_suffix(ending) for ending in (".hea", ".dat")])
    expect(page.locator("#record-facts")).to_contain_text("leads AVR, Lead II")
    page.select_option("#layout", "12x1")
    page.keyboard.press("c")
    expect(page.locator("#reading")).to_have_text(re.compile("II: .* mV$"))
    page.select_option("#layout", "3x4")
    page.keyboard.press("c")
    box = page.locator("#strip").bounding_box()
    x, y = box["x"] + box["width"] * 0.3, box["y"] + TOP_PX + 12.5 * PX_PER_MM
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y)
    page.mouse.up()
    expect(page.locator("#reading")).to_have_text(re.compile("aVR: .* no mV: the file has no gain"))


def test_nothing_that_the_strip_shows_is_left_out_of_a_search(open_page):
    page = open_page(hash="record=1&t=8.5&scale=10")  # V beats at 9 s, 19 s, 29 s
    found = page.locator("#found")
    page.keyboard.press("v")
    expect(found).to_have_text(re.compile("V beat .* 1 of 6, at 0:00:09"))
    page.evaluate("location.hash = 'record=1&t=22&scale=10'")
    wait_for_strip(page, 22, 10)
    page.keyboard.press("Shift+V")
    expect(found).to_have_text(re.compile("V beat .* 3 of 6, at 0:00:29"))


def test_disagreement_is_known_where_the_reference_comes_after_the_prediction(open_page, served):
    page = open_page(hash="record=1&t=0&scale=10")
    entry = served.shelf.entries["2"]
    opened = served.shelf.open("2")
    poll_until(lambda: opened.is_reference_read)
    whole, reference = entry.prediction, opened.reference
    label = whole.label.copy()
    label[3] = "S"
    entry.prediction, opened.reference, opened.is_reference_read = replace(whole, label=label), None, False
    try:
        page.evaluate("location.hash = 'record=2&t=0&scale=10'")
        expect(page.locator("#legend")).to_contain_text("Rows: prediction")
        opened.reference, opened.is_reference_read = reference, True
        expect(page.locator("body")).to_have_attribute("data-done", "2")
        page.keyboard.press("d")
        expect(page.locator("#found")).to_have_text(re.compile("disagreement .* 1 of 1, at 0:00:07"))
    finally:
        entry.prediction, opened.reference, opened.is_reference_read = whole, reference, True


def test_the_calipers_snap_to_the_r_peak_and_not_to_the_s_wave(browser, tmp_path):
    signal_uv_SC = np.zeros((10 * 250, 1), np.int16)
    signal_uv_SC[4 * 250 : 4 * 250 + 100] = 1600  # the lane is moved up for this
    signal_uv_SC[5 * 250, 0], signal_uv_SC[5 * 250 + 8, 0] = 1000, -200
    write_record(tmp_path, "qrs", signal_uv_SC, 250, ["II"])
    write_annotation_file(tmp_path, "qrs", "atr", [5 * 250], ["N"], [""], 250)
    with serve([tmp_path / "qrs"]) as served:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{served.url}#record=1&t=4&scale=2")
        page.select_option("#gain", "20")
        expect(page.locator("body")).to_have_attribute("data-done", "1")
        wait_for_strip(page, 4, 2)
        page.keyboard.press("c")
        box = page.locator("#strip").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + TOP_PX + 20)
        expect(page.locator("#handle-a")).to_have_attribute("aria-label", re.compile(r"Caliper A, II, 5\.000 s"))
        page.close()


def test_what_is_not_in_the_strip_is_not_corrected(open_page):
    page = open_page(hash="record=2&t=0&scale=10")
    says = page.locator("#review-says")
    sent = []
    page.on("request", lambda request: sent.append(request.post_data) if request.method == "POST" else None)
    page.locator("#reviewer").fill("A. Reader")
    page.locator("#reviewer").blur()
    page.keyboard.press("b")
    expect(says).to_contain_text("Beat at 0:00:07.00 is selected.")
    page.keyboard.press("c")
    page.keyboard.press("PageDown")
    wait_for_strip(page, 10, 10)
    page.keyboard.press("3")
    expect(says).to_have_text(re.compile("The selected beat, at 0:00:07.00, is not in the strip"))
    page.keyboard.press("i")
    expect(says).to_have_text("Caliper A is not in the strip. Put it on the beat first.")
    page.click("#rhythm-set")
    expect(says).to_have_text(re.compile("A caliper is not in the strip."))
    assert sent == []
