"""The PDF on paper: its millimetres are measured on the rasterised page, its words are read back."""

import dataclasses
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_ecg
from ecgfeat.outputs.write import refuse_to_replace_page
from ecgfeat.paper.pdf import digest_of, draw_pages, write_pdf
from ecgfeat.paper.strip_pages import MOST_LEADS
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import Signal
from ecgfeat.report.drawings.lettering import on_paper
from ecgfeat.version import __version__
from tests.fixtures.hand_made import BlockSource, make_prediction, make_regular, make_signal

DPI = 300
PX_PER_MM = DPI / 25.4
PAPER_LEFT_MM = 27.0
"""Where the ECG paper begins: margin and calibration pulse."""


def rasterise(path: Path, page: int) -> np.ndarray:
    """Return a page in grey, (rows, columns), 0 to 255."""
    document = pypdfium2.PdfDocument(path)
    try:
        return np.asarray(document[page].render(scale=DPI / 72).to_pil().convert("L"), dtype=np.float64)
    finally:
        document.close()


def read_texts(path: Path) -> list[str]:
    document = pypdfium2.PdfDocument(path)
    try:
        return [document[page].get_textpage().get_text_range() for page in range(len(document))]
    finally:
        document.close()


def square_wave() -> tuple[Signal, Prediction]:
    """Ten seconds with 1 mV from 4.02 to 5.02 s: its edges are between the lines of the grid."""
    signal_mv_SC = np.zeros((10_000, 1), np.float32)
    signal_mv_SC[4020:5020] = 1
    signal = Signal("square", 1000.0, ("X",), signal_mv_SC)
    return signal, make_prediction([], [(0.0, 10.0, "", np.nan, "noise")])


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    path = write_pdf(tmp_path_factory.mktemp("square") / "square.pdf", *square_wave())
    return rasterise(path, 1)


def test_a_page_is_a4_in_landscape(square: np.ndarray) -> None:
    assert square.shape == pytest.approx((210 * PX_PER_MM, 297 * PX_PER_MM), abs=1.5)


def centres(profile: np.ndarray, near_px: np.ndarray) -> np.ndarray:
    """Return the centre of the dark line near each position, in pixels."""
    found = []
    for at in near_px:
        low = round(at) - 4
        part = profile[low : low + 9]
        weight = np.maximum(part - np.median(part), 0)
        assert weight.sum() > 0, f"no line near pixel {at}"
        found.append(low + (weight * np.arange(9)).sum() / weight.sum())
    return np.array(found)


def paper_rows(page: np.ndarray) -> slice:
    """Return rows of the paper's lower part, below the trace, names and labels."""
    column = 255 - page[:, round((PAPER_LEFT_MM + 150.5) * PX_PER_MM)]
    trace = int(np.argmax(column))
    return slice(trace + round(3.2 * PX_PER_MM), trace + round(8.8 * PX_PER_MM))


def test_lines_are_one_and_five_millimetres_apart_over_200_mm(square: np.ndarray) -> None:
    profile = 255 - square[paper_rows(square)].mean(axis=0)
    near = (PAPER_LEFT_MM + np.arange(251)) * PX_PER_MM - 0.5
    at_px = centres(profile, near)
    assert np.abs(np.diff(at_px) - PX_PER_MM).max() < 1
    assert abs((at_px[225] - at_px[25]) / PX_PER_MM - 200) < 1 / PX_PER_MM
    assert np.abs(at_px - near).max() < 1
    # Every fifth line is bold, and no other.
    dark = np.array([profile[round(at) - 2 : round(at) + 3].sum() for at in at_px])
    fifth = np.arange(251) % 5 == 0
    assert dark[fifth].min() > 1.3 * dark[~fifth].max()


def test_a_millivolt_is_10_mm_high_and_a_second_25_mm_wide(square: np.ndarray) -> None:
    left, right = (round((PAPER_LEFT_MM + at) * PX_PER_MM) for at in (90, 240))
    is_trace = square[round(25 * PX_PER_MM) : round(160 * PX_PER_MM), left:right] < 90
    per_row, per_column = is_trace.sum(axis=1), is_trace.sum(axis=0)
    top = np.flatnonzero(per_row > 20 * PX_PER_MM)[0]
    base = np.flatnonzero(per_row > 100 * PX_PER_MM)[0]
    assert abs((base - top) / PX_PER_MM - 10) < 1 / PX_PER_MM
    edges = np.flatnonzero(per_column > 8 * PX_PER_MM)
    first, second = edges[edges < edges.mean()], edges[edges > edges.mean()]
    assert abs((second.mean() - first.mean()) / PX_PER_MM - 25) < 1 / PX_PER_MM
    assert abs((left + first.mean()) / PX_PER_MM - PAPER_LEFT_MM - 100.5) < 1.5 / PX_PER_MM


def test_horizontal_lines_are_as_far_apart(square: np.ndarray) -> None:
    first = round((PAPER_LEFT_MM + 150.2) * PX_PER_MM)
    profile = 255 - square[:, first : first + round(0.6 * PX_PER_MM)].mean(axis=1)
    trace = int(np.argmax(profile))
    start = trace + 1.5 * PX_PER_MM
    line = start + int(np.argmax(profile[round(start) : round(start + PX_PER_MM)]))
    at_px = centres(profile, line + PX_PER_MM * np.arange(9))
    assert np.abs(np.diff(at_px) - PX_PER_MM).max() < 1
    assert abs(at_px[8] - at_px[0] - 8 * PX_PER_MM) < 1


def test_every_page_says_what_it_is(tmp_path: Path) -> None:
    signal = make_signal(300, start=datetime(2026, 3, 2, 9, 41, 12))
    rhythms = [(0.0, 200.0, "NSR", 0.9, ""), (200.0, 300.0, "AFIB", 0.52, "")]
    prediction = make_prediction([None, *[1.0] * 299], rhythms, notes=["a note on the record"])
    texts = read_texts(write_pdf(tmp_path / "hand.pdf", signal, prediction))
    assert len(texts) == 3
    for number, text in enumerate(texts, start=1):
        for words in (
            "Not for clinical use",
            f"page {number} of 3",
            "filter: none",
            f"models {digest_of(prediction.made_by)}",
            f"ecgfeat {__version__}",
            "2 leads: MLII, V1",
            "starts at 09:41:12",
        ):
            assert words in text
        assert text.count("hand") >= 2  # at the top and at the bottom
    assert "mean heart rate" in texts[0]
    assert "60 per min" in texts[0]
    assert "a note on the record" in texts[0]
    assert "The only NSR episode, certainty .90" in texts[1]
    assert "The only AFIB episode, certainty .52" in texts[1]
    assert "25 mm/s · 10 mm/mV" in texts[1]
    assert "1:35 to 1:45 · from 09:42:47" in texts[1]


def test_equal_content_has_equal_bytes_in_any_process(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "first.pdf", *square_wave())
    code = (
        "import sys; from pathlib import Path; from ecgfeat.paper.pdf import write_pdf; "
        "from tests.paper.test_pdf import square_wave; write_pdf(Path(sys.argv[1]), *square_wave())"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": root}
    command = [sys.executable, "-c", code, str(tmp_path / "again.pdf")]
    subprocess.run(command, check=True, env=environment, cwd=root, timeout=300)
    assert (tmp_path / "again.pdf").read_bytes() == path.read_bytes()
    content = path.read_bytes()
    assert b"CreationDate" not in content
    assert b"matplotlib" not in content.lower()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["again.pdf", "first.pdf"]


def test_fonts_are_truetype(tmp_path: Path) -> None:
    content = write_pdf(tmp_path / "fonts.pdf", *square_wave()).read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_twelve_leads_are_a_page_and_the_missing_ones_are_named(tmp_path: Path) -> None:
    signal = make_signal(10, ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3"))
    texts = read_texts(write_pdf(tmp_path / "twelve.pdf", signal, make_regular(10)))
    assert len(texts) == 2
    for name in ("V4", "V5", "V6"):
        assert f"{name} missing" in texts[1]
    assert texts[1].count("missing") == 3
    assert "each column continues the one before, 2.5 s later" in texts[1]
    assert "Whole record" in texts[1]


def test_leads_beside_the_twelve_are_named(tmp_path: Path) -> None:
    signal = make_signal(10, ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "X"))
    texts = read_texts(write_pdf(tmp_path / "eight.pdf", signal, make_regular(10)))
    assert "not drawn, without a place here: X" in texts[1]


def leads_drawn(text: str) -> list[str]:
    """Return the leads whose names stand alone on a line: beside a trace, not in the head of the page."""
    return [line for line in text.splitlines() if line.startswith("channel") and "," not in line]


def test_leads_that_do_not_fit_continue_on_the_next_page(tmp_path: Path) -> None:
    signal = make_signal(20, [f"channel {number}" for number in range(9)])
    texts = read_texts(write_pdf(tmp_path / "nine.pdf", signal, make_regular(20)))
    assert len(texts) == 5
    for first, second in ((1, 2), (3, 4)):
        assert leads_drawn(texts[first]) == [f"channel {number}" for number in range(5)]
        assert leads_drawn(texts[second]) == [f"channel {number}" for number in range(5, 9)]
        assert texts[second].count("25 mm/s · 10 mm/mV") == 1
    assert "Whole record, leads 1 to 5 of 9" in texts[1]
    assert "Whole record, continued: leads 6 to 9 of 9" in texts[2]
    assert "continued: leads 6 to 9 of 9" in texts[4]


def test_the_leads_of_two_pages_are_shared_evenly(tmp_path: Path) -> None:
    signal = make_signal(10, [f"channel {number}" for number in range(6)])
    texts = read_texts(write_pdf(tmp_path / "six.pdf", signal, make_regular(10)))
    assert [len(leads_drawn(text)) for text in texts[1:]] == [3, 3]
    assert "lead 6 of 6" not in texts[2]


def test_chosen_leads_are_drawn_in_their_order_and_said_so(tmp_path: Path) -> None:
    signal = make_signal(10, [f"channel {number}" for number in range(9)])
    texts = read_texts(write_pdf(tmp_path / "two.pdf", signal, make_regular(10), leads=["Channel 8", 0]))
    assert [leads_drawn(text) for text in texts[1:]] == [["channel 8", "channel 0"]]
    assert "2 of 9 leads, as chosen" in texts[1]
    for leads, message in (
        ([], "no lead"),
        (["X"], "no lead called 'X'"),
        (["0", "channel 0"], "one lead twice"),
        ([9], "0 to 8"),
    ):
        with pytest.raises(UsageError, match=message):
            write_pdf(tmp_path / "none.pdf", signal, make_regular(10), leads=leads)
    assert not (tmp_path / "none.pdf").exists()


def test_a_lead_of_twelve_that_is_chosen_has_a_lane(tmp_path: Path) -> None:
    signal = make_signal(10, ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2"))
    texts = read_texts(write_pdf(tmp_path / "one.pdf", signal, make_regular(10), leads=["V2"]))
    assert "missing" not in texts[1]
    assert "1 of 8 leads, as chosen" in texts[1]


def test_of_very_many_leads_the_first_are_drawn_and_the_page_says_how_to_see_others(tmp_path: Path) -> None:
    signal = make_signal(10, [f"channel {number}" for number in range(30)])
    texts = read_texts(write_pdf(tmp_path / "many.pdf", signal, make_regular(10)))
    assert sum(len(leads_drawn(text)) for text in texts) == MOST_LEADS == 24
    assert "the first 24 of 30 leads; for others: ecgfeat plot --pdf --lead NAME" in texts[1]
    texts = read_texts(write_pdf(tmp_path / "all.pdf", signal, make_regular(10), leads=range(30)))
    assert sum(len(leads_drawn(text)) for text in texts) == 30


def test_high_traces_have_lanes_that_hold_them_on_as_many_pages_as_they_need(tmp_path: Path) -> None:
    signal = make_signal(10, [f"channel {number}" for number in range(4)])
    signal.signal_mv_SC[:] = 0
    signal.signal_mv_SC[1005:1030] = 2.4
    path = write_pdf(tmp_path / "high.pdf", signal, make_regular(10))
    assert [leads_drawn(text) for text in read_texts(path)[1:]] == [
        ["channel 0", "channel 1"],
        ["channel 2", "channel 3"],
    ]
    # The edge at 4.02 s is drawn in its full height, 24 mm.
    is_trace = rasterise(path, 2)[round(25 * PX_PER_MM) : round(160 * PX_PER_MM)] < 90
    column = is_trace[:, round((PAPER_LEFT_MM + 100.5) * PX_PER_MM) + np.arange(-3, 4)].any(axis=1)
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], column, [0]]))).reshape(-1, 2), axis=1).ravel()
    assert np.sort(runs)[-2:] / PX_PER_MM == pytest.approx([24, 24], abs=0.5)


def test_high_traces_stay_on_the_page() -> None:
    signal = make_signal(20, [f"X{number}" for number in range(5)])
    high = dataclasses.replace(signal, signal_mv_SC=signal.signal_mv_SC * 50)
    for figure in draw_pages(high, make_regular(20)):
        axis = figure.axes[0]
        for line in axis.get_lines():
            values = np.asarray(line.get_ydata(), np.float64)
            assert np.nanmax(values) <= 199.001
            assert np.nanmin(values) >= 0


@pytest.mark.parametrize(
    "name", ["記録 $x_1$ \\alpha $", "x" * 3000, "two\nlines", "\udcff", "", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢" * 30, "%s & <b>"], ids=range(7)
)
def test_odd_names_and_long_notes_stay_on_the_page(tmp_path: Path, name: str) -> None:
    signal = make_signal(70, (name or "lead", "V1"), record=name)
    prediction = make_regular(70, notes=[f"note {name} " * 200])
    pages = list(draw_pages(signal, prediction))
    for figure in pages:
        figure.canvas.draw()
        texts = [*figure.texts, *(text for axis in figure.axes for text in axis.texts)]
        for text in texts:
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.x1 <= figure.bbox.x1, text
            assert box.y0 >= 0, text
            assert box.y1 <= figure.bbox.y1, text
            assert "\n" not in text.get_text() or text in figure.axes[-1].get_xticklabels()
    write_pdf(tmp_path / "odd.pdf", signal, prediction)
    assert all("Not for clinical use" in text for text in read_texts(tmp_path / "odd.pdf"))


def test_a_name_in_any_script_is_on_every_page_and_in_the_title(tmp_path: Path) -> None:
    name = "記録 नाम"
    for copy in ("first.pdf", "again.pdf"):
        write_pdf(tmp_path / copy, make_signal(20, ("胸部", "V1"), record=name), make_regular(20))
    texts = read_texts(tmp_path / "first.pdf")
    assert len(texts) == 2
    # In its letters where a font of this machine has them, else in codes; and never as boxes.
    for text in texts:
        assert text.count(on_paper("記録")) >= 2
        assert on_paper("胸部") in text
        assert "\ufffd" not in text
    document = pypdfium2.PdfDocument(tmp_path / "first.pdf")
    assert document.get_metadata_value("Title") == name
    document.close()
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "again.pdf").read_bytes()


def test_the_samples_are_read_once_and_only_those_drawn_are_kept(tmp_path: Path) -> None:
    prediction = make_regular(600)
    source = BlockSource(600 * 250, ("MLII", "V1"))
    write_pdf(tmp_path / "blocks.pdf", source, prediction)
    assert source.reads == [0, 1]


@pytest.mark.parametrize("name", ["x.txt", "x", "x.pdf.svg"])
def test_another_ending_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}: another ending; expected a name that ends in .pdf") as caught:
        write_pdf(tmp_path / name, make_signal(20), make_regular(20))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_prediction_of_another_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a prediction of 100 s; expected one of this record, which has 90 s"):
        write_pdf(tmp_path / "x.pdf", make_signal(90), make_regular(100))
    assert not list(tmp_path.iterdir())


def test_a_record_without_a_beat_is_drawn(tmp_path: Path) -> None:
    prediction = make_prediction([], [(0.0, 100.0, "", np.nan, "no signal")])
    signal = make_signal(100)
    signal.signal_mv_SC[:] = np.nan
    (text,) = read_texts(write_pdf(tmp_path / "empty.pdf", signal, prediction))
    assert "no heart rate" in text
    assert "unknown" in text


def test_what_is_not_calibrated_is_said_so(tmp_path: Path) -> None:
    signal = dataclasses.replace(make_signal(20), uncalibrated=("V1",))
    texts = read_texts(write_pdf(tmp_path / "x.pdf", signal, make_regular(20)))
    assert "amplitudes are relative" in texts[1]


def test_a_page_says_of_which_recording_it_is(tmp_path: Path) -> None:
    prediction = make_regular(20)
    made_by = prediction.made_by | {"source": "0123456789abcdef"}
    path = write_pdf(tmp_path / "x.pdf", make_signal(20), dataclasses.replace(prediction, made_by=made_by))
    refuse_to_replace_page(path, "0123456789abcdef")
    with pytest.raises(UsageError):
        refuse_to_replace_page(path, "another")


def test_digests_tell_models_apart() -> None:
    made_by = make_regular(10).made_by
    assert len(digest_of(made_by)) == 12
    assert digest_of(made_by) != digest_of(made_by | {"weights": {"other": "c" * 64}})
    assert digest_of({}) == "unknown"


def test_a_real_record_is_drawn(mitdb: Path, tmp_path: Path) -> None:
    signal = open_ecg(mitdb / "100")
    duration_s = signal.num_samples / signal.fs_hz
    prediction = make_prediction([None, *[0.8] * 2000], [(0.0, duration_s, "NSR", 0.9, "")], fs_hz=signal.fs_hz)
    path = write_pdf(tmp_path / "100.pdf", signal, prediction)
    texts = read_texts(path)
    assert "MLII, V5" in texts[0]
    assert path.stat().st_size < 1_000_000
    is_trace = rasterise(path, 1)[round(40 * PX_PER_MM) : round(80 * PX_PER_MM)] < 90
    assert is_trace.any(axis=0)[round(40 * PX_PER_MM) : round(270 * PX_PER_MM)].all()
