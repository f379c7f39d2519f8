"""The page in a real browser: no sideways scrolling on a phone, a bar that knows its place, tips by keyboard."""

import shutil

import pytest

from ecgfeat.report.page import render_page
from pipeline.read.report import read_glossary
from tests.fixtures.outside_inputs import make_outside
from tests.fixtures.report_inputs import make_inputs, read_strip

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CLIPPED = """() => [...document.querySelectorAll('.chip, .card *, .headline *, summary, th, td, .row > *, .held')]
    .filter(e => getComputedStyle(e).display != 'inline' && getComputedStyle(e).overflowX == 'visible')
    .filter(e => !e.matches('.scale') && e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"""
MARKED = """() => [...document.querySelectorAll('nav a')]
    .filter(a => getComputedStyle(a).borderBottomColor != 'rgba(0, 0, 0, 0)').map(a => a.textContent)"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    inputs = make_inputs(read_strip=read_strip, outside=make_outside(), glossary=read_glossary())
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(inputs), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, url):
    contexts = []

    def open_at(width, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_leaves_the_screen_or_its_box(open_page, width):
    page = open_page(width)
    page.evaluate("document.querySelectorAll('details').forEach(of => of.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CLIPPED) == []


def test_the_bar_stays_and_marks_the_section_that_is_read(open_page):
    page = open_page(1280)
    assert page.evaluate(MARKED) == ["Summary"]
    page.click("nav a[href='#rhythm']")
    page.wait_for_function(f"({MARKED})().join() == 'Rhythm'")
    assert page.evaluate("document.querySelector('nav').getBoundingClientRect().top") == 0


def test_a_record_leads_to_its_strip_below_the_bar(open_page):
    page = open_page(390)
    page.click(".rows a >> nth=0")
    page.wait_for_function("document.querySelector(':target')?.getBoundingClientRect().top < innerHeight")
    below = page.evaluate("document.querySelector('nav').getBoundingClientRect().bottom")
    assert page.evaluate("document.querySelector(':target').getBoundingClientRect().top") >= below
    assert page.evaluate("document.querySelector(':target img').naturalWidth") > 0


def test_a_tip_opens_by_keyboard_and_closes_again(open_page):
    page = open_page(390)
    page.locator(".headline .term").first.focus()
    page.keyboard.press("Enter")
    tip = page.locator(":popover-open")
    assert tip.count() == 1
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    assert tip.count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_violation(open_page, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = open_page(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(of => of.open = true)")
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_the_page_is_dark_where_the_screen_is(open_page):
    grounds = [
        open_page(1280, scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 25, 30)"]
