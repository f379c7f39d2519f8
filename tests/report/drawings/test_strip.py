"""ECG strips: drawn to scale, labelled, the same bytes each time, no surprise on bad input."""

import numpy as np
import pytest
import wfdb

from ecgfeat.clock import clock
from ecgfeat.report.drawings.ecg_paper import BEAT_COLOURS, FINE_LINE, MM_PER_INCH, Ribbon
from ecgfeat.report.drawings.strip import Strip, draw_strip
from ecgfeat.report.drawings.style import rhythm_colour, to_png, to_svg

FS_HZ = 128


def make_strip(duration_s=10.0, **changes):
    at = np.arange(round(duration_s * FS_HZ)) / FS_HZ
    signal = np.stack([np.sin(2 * np.pi * at), 0.3 * np.cos(2 * np.pi * at) + 5], axis=1).astype(np.float32)
    parts = {"title": "demo/1", "signal_mv_SC": signal, "fs_hz": FS_HZ, "leads": ("I", "V1")}
    return Strip(**(parts | changes))


def lines(figure):
    return figure.axes[0].get_lines()


def trace_of(figure, lead=0):
    return [line for line in lines(figure) if line.get_color() == "#111417"][lead]


def test_ten_seconds_are_250_mm_and_a_millivolt_is_10_mm():
    figure = draw_strip(make_strip())
    axis = figure.axes[0]
    mm_per_unit = figure.get_figwidth() * MM_PER_INCH / np.ptp(axis.get_xlim())
    assert mm_per_unit == pytest.approx(1)
    assert figure.get_figheight() * MM_PER_INCH / np.ptp(axis.get_ylim()) == pytest.approx(1)
    trace = trace_of(figure)
    assert np.ptp(trace.get_xdata()) == pytest.approx(250 * (10 - 1 / FS_HZ) / 10)
    assert np.ptp(trace.get_ydata()) == pytest.approx(20, abs=0.1)  # 2 mV from peak to peak
    assert trace.get_ydata()[FS_HZ // 4] < trace.get_ydata()[3 * FS_HZ // 4]  # up is positive; y runs down the page


def test_paper_has_a_line_each_millimetre():
    fine = next(line for line in lines(draw_strip(make_strip(duration_s=2.0))) if line.get_color() == FINE_LINE)
    vertical = fine.get_xdata()[: 3 * 51 : 3]
    assert vertical.tolist() == list(range(51))


def test_a_long_strip_continues_in_the_next_row():
    one, three = draw_strip(make_strip(10.0)), draw_strip(make_strip(25.0))
    assert three.get_figwidth() == one.get_figwidth()
    assert three.get_figheight() > 2 * one.get_figheight()
    traces = [line for line in lines(three) if line.get_color() == "#111417"]
    assert sum(len(line.get_xdata()) for line in traces) == 2 * 25 * FS_HZ


def test_offset_does_not_move_a_lead_out_of_its_lane():
    second = trace_of(draw_strip(make_strip()), lead=1)
    assert np.ptp(second.get_ydata()) == pytest.approx(6, abs=0.1)


def test_beats_are_labelled_and_mistakes_show_both_labels():
    strip = make_strip(
        start_s=60.0, rpeak_s=np.array([59.0, 61.0, 62.5, 70.5]), reference_label="NNVN", predicted_label="NNSN"
    )
    texts = {text.get_text(): text for text in draw_strip(strip).axes[0].texts}
    assert "V→S" in texts
    assert texts["V→S"].get_color() == BEAT_COLOURS["V"]
    assert texts["V→S"].get_position()[0] == pytest.approx(62.5)
    labels = [text.get_text() for text in draw_strip(strip).axes[0].texts]
    assert labels.count("N") == 1  # the beats at 59.0 s and 70.5 s are outside


def test_ribbons_are_clipped_to_the_row_and_keep_their_colour():
    ribbon = Ribbon("reference", np.array([0.0, 64.0]), np.array([64.0, 1000.0]), ["NSR", "AFIB"])
    axis = draw_strip(make_strip(start_s=60.0, ribbons=[ribbon])).axes[0]
    boxes = [p for p in axis.patches if p.get_height() == 4.0]
    assert [(p.get_x(), p.get_width()) for p in boxes] == [(0, 100), (100, 150)]
    drawn = ["#" + "".join(f"{round(255 * c):02x}" for c in p.get_facecolor()[:3]) for p in boxes]
    assert drawn == [rhythm_colour("NSR"), rhythm_colour("AFIB")]


def test_missing_signal_is_said_not_bridged():
    strip = make_strip()
    strip.signal_mv_SC[2 * FS_HZ : 4 * FS_HZ, 0] = np.nan
    figure = draw_strip(strip)
    assert np.isnan(trace_of(figure).get_ydata()).sum() == 2 * FS_HZ
    assert "no signal" in [text.get_text() for text in figure.axes[0].texts]
    strip.signal_mv_SC[:] = np.nan
    assert to_svg(draw_strip(strip))


def test_same_strip_same_bytes_without_date():
    assert to_svg(draw_strip(make_strip())) == to_svg(draw_strip(make_strip()))
    assert to_png(draw_strip(make_strip()), dpi=50) == to_png(draw_strip(make_strip()), dpi=50)
    assert b"<dc:date>" not in to_svg(draw_strip(make_strip()))


def test_dollar_signs_in_names_are_text_not_formulas():
    svg = to_svg(draw_strip(make_strip(title="cost $x_1$ and $")))
    assert b"cost $x_1$ and $" in svg


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leads": ("I",)}, "1 lead names"),
        ({"signal_mv_SC": np.zeros((0, 2), np.float32)}, "0 samples"),
        ({"rpeak_s": np.array([1.0, 2.0]), "reference_label": "N"}, "expected one for each of 2 beats"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        draw_strip(make_strip(**changes))


def test_clock():
    assert [clock(s) for s in (0, 61, 3599.6, 90_061)] == ["0:00", "1:01", "1:00:00", "25:01:01"]


def test_a_real_record_is_drawn(mitdb):
    record = wfdb.rdrecord(str(mitdb / "100"), sampto=3600)
    strip = Strip("mitdb/100", record.p_signal.astype(np.float32), record.fs, record.sig_name)
    assert len(to_svg(draw_strip(strip))) < 300_000
