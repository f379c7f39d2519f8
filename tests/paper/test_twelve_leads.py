"""Twelve leads: each in its place and time, the missing ones named."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from ecgfeat.errors import UsageError
from ecgfeat.paper.twelve_leads import LAYOUTS, draw_layout, has_twelve_leads
from ecgfeat.report.drawings.ecg_paper import MM_PER_INCH, TRACE, Ribbon
from ecgfeat.report.drawings.strip import Strip
from ecgfeat.report.drawings.style import to_svg

FS_HZ = 100
NAMES = ("I", "II", "III", "AVR", "aVL", "avf", "V1", "V2", "V3", "V4", "V5", "V6")
STANDARD = {"AVR": "aVR", "avf": "aVF"}


def make_strip(leads: tuple[str, ...] = NAMES, duration_s: float = 10.0, **changes: object) -> Strip:
    """A strip of which lead k has one pulse of (k + 1) / 10 mV in each second s, 10 (s + 1) ms long."""
    signal = np.zeros((round(duration_s * FS_HZ), len(leads)), np.float32)
    for lead in range(len(leads)):
        for second in range(int(duration_s)):
            signal[FS_HZ * second : FS_HZ * second + second + 1, lead] = (lead + 1) / 10
    return Strip("twelve", signal, FS_HZ, leads, **changes)  # type: ignore[arg-type]


def traces_of(axis: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    lines = [line for line in axis.get_lines() if line.get_color() == TRACE]
    return [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in lines]


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_each_lead_is_in_its_row_and_column_and_goes_on_in_time(layout: str) -> None:
    figure = draw_layout(make_strip(), layout)
    axis = figure.axes[0]
    assert figure.get_figwidth() * MM_PER_INCH / np.ptp(axis.get_xlim()) == pytest.approx(1)
    assert figure.get_figheight() * MM_PER_INCH / abs(np.ptp(axis.get_ylim())) == pytest.approx(1)
    rows = LAYOUTS[layout]
    names = [name for row in rows for name in row] + ["II"] * (layout == "3x4")
    traces = traces_of(axis)
    assert len(traces) == len(names)
    column_s = 10 / len(rows[0])
    for number, (name, (x_mm, y_mm)) in enumerate(zip(names, traces, strict=True)):
        is_rhythm = number == 12
        from_s = 0 if is_rhythm else column_s * (number % len(rows[0]))
        length_s = 10 if is_rhythm else column_s
        assert x_mm[0] == pytest.approx(25 * from_s)
        assert len(x_mm) == length_s * FS_HZ
        lead = [STANDARD.get(lead, lead) for lead in NAMES].index(name)
        height_mm = np.median(y_mm) - y_mm.min()
        assert height_mm == pytest.approx(lead + 1, abs=0.01)  # (k + 1) / 10 mV
        # The pulses are as long as those of the seconds that the column shows.
        first, last = round(from_s * FS_HZ), round((from_s + length_s) * FS_HZ)
        expected = int((make_strip().signal_mv_SC[first:last, lead] > 0).sum())
        assert int((y_mm < np.median(y_mm) - 0.5 * height_mm).sum()) == expected
    drawn = [text.get_text() for text in axis.texts]
    for name in set(names):
        assert drawn.count(name) == names.count(name)
    assert ("each column continues the one before" in " ".join(drawn)) == (len(rows[0]) > 1)


def test_a_missing_lead_is_named_in_its_place_in_grey() -> None:
    kept = tuple(name for name in NAMES if name not in ("V2", "II"))
    axis = draw_layout(make_strip(kept), "3x4").axes[0]
    texts = {text.get_text(): text for text in axis.texts}
    assert texts["V2 missing"].get_position()[0] == pytest.approx(25 * 6.25)
    assert "II missing" in texts
    assert "V2" not in texts
    # The rhythm strip is of the next lead that is there.
    assert [text.get_text() for text in axis.texts].count("V5") == 2
    assert len(traces_of(axis)) == 11


def test_leads_of_other_names_are_not_guessed_and_named() -> None:
    axis = draw_layout(make_strip(("X", "V1", "mlii", "V1")), "6x2").axes[0]
    drawn = [text.get_text() for text in axis.texts]
    assert sum("missing" in text for text in drawn) == 11
    assert "II missing" in drawn
    assert any("not drawn, without a place here: X, mlii, V1" in text for text in drawn)


def test_mlii_is_the_rhythm_lead_where_there_is_no_ii() -> None:
    axis = draw_layout(make_strip(("MLII", "V1")), "3x4").axes[0]
    drawn = [text.get_text() for text in axis.texts]
    assert drawn.count("MLII") == drawn.count("V1") == 1
    assert sum("missing" in text for text in drawn) == 11
    assert not any("without a place" in text for text in drawn)
    assert len(traces_of(axis)[-1][0]) == 10 * FS_HZ
    axis = draw_layout(make_strip((*NAMES, "MLII")), "3x4").axes[0]
    drawn = [text.get_text() for text in axis.texts]
    assert drawn.count("II") == 2
    assert any("without a place here: MLII" in text for text in drawn)


def test_a_record_that_ends_early_ends_on_paper() -> None:
    axis = draw_layout(make_strip(duration_s=6.0), "3x4").axes[0]
    assert [text.get_text() for text in axis.texts].count("end") == 3 + 3 + 1
    assert max(x_mm.max() for x_mm, _ in traces_of(axis)) < 150


def test_a_high_trace_may_enter_the_next_row_but_not_leave_the_paper() -> None:
    strip = make_strip()
    strip.signal_mv_SC[50, 1] = 3.0
    strip.signal_mv_SC[50, 2] = 50.0
    axis = draw_layout(strip, "3x4").axes[0]
    traces = traces_of(axis)
    second, third = traces[4][1], traces[8][1]
    assert np.median(second) - second.min() == pytest.approx(30)
    assert third.min() > 7  # the title stands above


def test_beats_and_rhythms_are_drawn() -> None:
    ribbon = Ribbon("predicted", np.array([0.0]), np.array([10.0]), ["AFIB"])
    axis = draw_layout(make_strip(rpeak_s=np.array([1.0, 2.0]), reference_label="NV", ribbons=[ribbon])).axes[0]
    drawn = [text.get_text() for text in axis.texts]
    assert {"N", "V", "AFIB", "predicted"} <= set(drawn)


def test_equal_strips_have_equal_bytes() -> None:
    assert to_svg(draw_layout(make_strip())) == to_svg(draw_layout(make_strip()))


def test_what_is_no_layout_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown layout '4x3'; expected one of 3x4, 6x2, 12x1"):
        draw_layout(make_strip(), "4x3")
    with pytest.raises(ValueError, match="at most 10 s"):
        draw_layout(make_strip(duration_s=11.0))


def test_a_record_of_most_of_the_leads_has_twelve() -> None:
    assert has_twelve_leads(NAMES)
    assert has_twelve_leads(NAMES[:7])
    assert not has_twelve_leads(NAMES[:6])
    assert not has_twelve_leads(("MLII", "V5"))
    assert not has_twelve_leads(("I",) * 12)


def test_names_of_many_leads_do_not_hide_the_note_nor_leave_the_page() -> None:
    leads = (*NAMES, *(f"channel {number}" for number in range(60)))
    figure = draw_layout(make_strip(leads, note="beats and rhythms: hand.atr"), "6x2")
    figure.canvas.draw()
    axis = figure.axes[0]
    assert "beats and rhythms: hand.atr" in [text.get_text() for text in axis.texts]
    assert max(text.get_window_extent().x1 for text in axis.texts) <= figure.bbox.x1
