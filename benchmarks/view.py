"""The page of a 24 h record in a browser: ``python -m benchmarks.view``. Renders its own record; needs Chromium.

Prints the time until the samples of a day are a pyramid, until a strip is drawn after the page is opened, the median
time of jumps to random places, and what a strip and a whole day transfer. Prediction is off: it runs in another
process, and takes the same processors.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from ecgfeat.files import open_ecg
from ecgfeat.simulate import simulate_corpus
from ecgfeat.view.pyramid import Pyramid

FS_HZ, HOURS, NUM_JUMPS = 250, 24, 60
WIDTH, HEIGHT = 1280, 900
SHOW = """async (hash) => {
    performance.clearResourceTimings();
    const start = performance.now();
    const drawn = new Promise((resolve) => document.addEventListener("stripdrawn", resolve, { once: true }));
    location.hash = hash;
    await drawn;
    const took = performance.now() - start;
    const strips = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/strip?"));
    return [took, strips.length ? strips[strips.length - 1].transferSize : 0];
}"""


def main() -> None:
    """Print times and bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_corpus(folder, num_subjects=1, minutes=60 * HOURS, fs_hz=FS_HZ, seed=1)
        record = next(folder.glob("*.hea")).with_suffix("")
        signal = open_ecg(record)
        print(f"{HOURS} h, {len(signal.leads)} leads, {FS_HZ} Hz, {signal.num_samples:,} samples of each lead")
        print(f"pyramid: {time_pyramid(record, folder):.1f} s")
        command = [sys.executable, "-m", "ecgfeat.cli", "view", str(record), "--no-browser", "--no-predict"]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = server.stdout.readline().split(": ")[1].strip()
                print(f"server: {time.perf_counter() - start:.1f} s until its address is printed")
                measure_page(address)
            finally:
                server.terminate()


def time_pyramid(record: Path, folder: Path) -> float:
    """Return the seconds that reading a day into a pyramid takes."""
    signal = open_ecg(record)
    pyramid_folder = folder / "pyramid"
    pyramid_folder.mkdir()
    start = time.perf_counter()
    Pyramid(pyramid_folder, len(signal.leads), signal.num_samples).fill(signal)
    seconds = time.perf_counter() - start
    shutil.rmtree(pyramid_folder)
    return seconds


def measure_page(address: str) -> None:
    """Print the times of a page in a new browser."""
    path = shutil.which("chromium")
    assert path is not None, "apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        start = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("#strip[data-shown]")
        print(f"first strip: {time.perf_counter() - start:.2f} s after the page is opened")
        page.wait_for_selector("body[data-done]", timeout=120_000)
        print(f"everything read: {time.perf_counter() - start:.1f} s after the page is opened")
        measure_jumps(page)
        browser.close()


def measure_jumps(page: Page) -> None:
    """Print the times of jumps, and the bytes of strips."""
    rng = np.random.default_rng(0)
    for scale, name in (("10", "10 s"), ("300", "5 min"), ("86400", "the day")):
        span_s = float(scale)
        answers = [
            page.evaluate(SHOW, f"record=1&t={start_s:.3f}&scale={scale}")
            for start_s in rng.uniform(0, max(1.0, HOURS * 3600 - span_s), NUM_JUMPS)
        ]
        took_ms = [answer[0] for answer in answers]
        num_bytes = statistics.median(answer[1] for answer in answers)
        print(
            f"{name}: jump {statistics.median(took_ms):.0f} ms (median of {NUM_JUMPS}), "
            f"{np.percentile(took_ms, 95):.0f} ms (95 %); {num_bytes / 1000:.1f} kB"
        )


if __name__ == "__main__":
    main()
