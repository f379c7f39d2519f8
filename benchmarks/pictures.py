"""Make the pictures of the page and of the PDF in ``docs/img``: ``python -m benchmarks.pictures``. Needs Chromium.

All that they show is simulated, and predicted by the shipped models.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pypdfium2
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ecgfeat.simulate import simulate_corpus

IMAGES = Path(__file__).parents[1] / "docs" / "img"
SEED, FS_HZ = 1, 128
NUM_RECORDS, MINUTES, OPEN_RECORD = 6, 5, 2
PAPER_RECORD, PAPER_MINUTES, PAPER_WIDTH_PX = "sim005", 60, 1280
PAPER_COMPRESSION = 1.5
"""Longer episodes than in a training record, so that an hour of them can be seen apart on a page."""

WIDE, PHONE = {"width": 1180, "height": 1340}, {"width": 390, "height": 844}
WAIT_MS = 300_000
SHOWN = """async () => {
    const { view, span } = await import("/page/view.js");
    return `${view.from_s.toFixed(3)} ${span().toFixed(3)}`;
}"""
"""What the strip is to show, as it says itself once it does."""

AROUND = """async () => {
    const { view, span } = await import("/page/view.js");
    const [at_s, times] = [view.marked_s, Array.from(view.prediction.time, (of) => of / 1000)];
    return [times.findLast((time) => time < at_s - 0.05), times.find((time) => time > at_s + 0.05)]
        .map((time) => (time - view.from_s) / span());
}"""
"""Where the beats before and after the beat that was found stand, as shares of the width of the strip."""


def main() -> None:
    """Simulate records, and write all pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "records").mkdir()
        simulate_corpus(folder / "records", num_subjects=NUM_RECORDS, minutes=MINUTES, fs_hz=FS_HZ, seed=SEED)
        picture_paper(folder)
        command = [sys.executable, "-m", "ecgfeat.cli", "view", "records", "--no-browser"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as server:
            try:
                assert server.stdout is not None
                picture_page(server.stdout.readline().split(": ")[1].strip())
            finally:
                server.terminate()


def picture_paper(folder: Path) -> None:
    """Write the first page of a PDF of ``ecgfeat predict``."""
    corpus = folder / "paper"
    corpus.mkdir()
    simulate_corpus(
        corpus,
        num_subjects=NUM_RECORDS,
        minutes=PAPER_MINUTES,
        fs_hz=FS_HZ,
        seed=SEED,
        records=[PAPER_RECORD],
        dwell_compression=PAPER_COMPRESSION,
    )
    predict = [sys.executable, "-m", "ecgfeat.cli", "predict", PAPER_RECORD, "--format", "pdf"]
    subprocess.run(predict, check=True, cwd=corpus, stdout=subprocess.DEVNULL)
    document = pypdfium2.PdfDocument(next(corpus.rglob("*.pdf")))
    page = document[0]
    page.render(scale=PAPER_WIDTH_PX / page.get_width()).to_pil().save(IMAGES / "paper.png", optimize=True)
    document.close()


def picture_page(address: str) -> None:
    """Write the page as a wide window in light colours and a phone in dark ones show it."""
    path = shutil.which("chromium")
    assert path is not None, "apt-get install chromium"
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = open_page(browser, address, WIDE, "light", 1)
        page.locator("#predict-all").click()
        expect(page.locator("#records-list li[data-record] > span", has_text="least certain")).to_have_count(
            NUM_RECORDS
        )
        find_v_beat(page)
        measure_around(page)
        page.screenshot(path=IMAGES / "view.png")
        page = open_page(browser, address, PHONE, "dark", 1.5)
        find_v_beat(page)
        page.evaluate("document.getElementById('strip-frame').scrollIntoView({ block: 'center' })")
        page.screenshot(path=IMAGES / "view-phone.png")
        browser.close()


def open_page(browser: Browser, address: str, size: dict[str, int], scheme: str, dpr: float) -> Page:
    """Open a record, and wait until everything of it is there."""
    context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=dpr)
    page = context.new_page()
    page.goto(f"{address}#record={OPEN_RECORD}")
    expect(page.locator("body")).to_have_attribute("data-done", str(OPEN_RECORD))
    return page


def find_v_beat(page: Page) -> None:
    """Go to a V beat, and wait for its strip."""
    for _ in range(2):
        page.keyboard.press("v")
    expect(page.locator("#found")).to_contain_text("V beat (PVC)")
    expect(page.locator("#strip")).to_have_attribute("data-shown", page.evaluate(SHOWN))


def measure_around(page: Page) -> None:
    """Measure from the beat before the V beat to the beat after it."""
    page.keyboard.press("c")
    box = page.locator("#strip").bounding_box()
    assert box is not None
    first, last = (box["x"] + share * box["width"] for share in page.evaluate(AROUND))
    page.mouse.move(first, box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(last, box["y"] + 0.35 * box["height"], steps=5)
    page.mouse.up()


if __name__ == "__main__":
    main()
