"""Text on paper: nothing leaves its room, whatever a name holds."""

import pytest

from ecgfeat.report.drawings.lettering import on_paper, shorten, width_of, wrap

ODD = [
    "",
    "a",
    "x" * 5000,
    "心電図 12",
    "$x_1$ and \\alpha",
    "two\nlines\tand \x1b[2J",
    "\udc80 half",
    "é" * 400,
    "i" * 90,
]


def test_a_text_is_as_wide_as_its_letters() -> None:
    # DejaVu Sans: a zero is 1303 of 2048 units wide, and on a screen some percent more.
    assert width_of("0" * 10, 10) == pytest.approx(1.04 * 10 * 10 * 1303 / 2048 * 25.4 / 72, rel=0.02)
    assert width_of("wide", 8, is_bold=True) > width_of("wide", 8) > width_of("wide", 6)
    assert width_of("", 8) == 0


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("room_mm", [3.0, 40.0, 200.0])
def test_what_is_shortened_fits(text: str, room_mm: float) -> None:
    assert width_of(shorten(text, room_mm, 8), 8) <= room_mm
    for line in wrap(text, room_mm, 8, max_lines=3):
        assert width_of(line, 8) <= room_mm
        assert "\n" not in line


def test_what_fits_is_left_as_it_is() -> None:
    assert shorten("mitdb/100", 50, 8) == "mitdb/100"
    assert wrap("one two three", 100, 8, max_lines=2) == ["one two three"]
    assert shorten("a long name of a record", 20, 8).endswith("…")


def test_a_text_of_more_lines_than_there_are_says_so() -> None:
    lines = wrap("word " * 100, 30, 8, max_lines=3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert not lines[0].endswith("…")


def test_what_is_no_letter_is_written_as_its_code() -> None:
    assert on_paper("\U00050000 A") == "\\U00050000 A"
    assert on_paper("a\nb") == "a\\nb"
    assert on_paper("Müller Ω → ½") == "Müller Ω → ½"
