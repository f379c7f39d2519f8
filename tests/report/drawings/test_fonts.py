"""Names in any script: an installed font that has the letters is taken, or their codes are drawn and said so."""

import copy
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from ecgfeat.report.drawings import fonts
from ecgfeat.report.drawings.lettering import on_paper, width_of
from ecgfeat.report.drawings.style import to_svg

CACHED = (fonts._paths, fonts._fallbacks, fonts._had, fonts._installed)
WIDE_EM = 0.75
Install = Callable[..., Path]


def build_font(path: Path, family: str, letters: str, *, is_postscript: bool = False, is_empty: bool = False) -> Path:
    """Build a font whose letters are squares, or nothing."""
    names = [".notdef", "space", *(f"uni{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=not is_postscript)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({32: "space"} | {ord(letter): f"uni{ord(letter):04X}" for letter in letters})
    glyphs = {}
    for name in names:
        pen = T2CharStringPen(750, None) if is_postscript else TTGlyphPen(None)
        if name.startswith("uni") and not is_empty:
            pen.moveTo((50, 0))
            for at in ((50, 600), (700, 600), (700, 0)):
                pen.lineTo(at)
            pen.closePath()
        glyphs[name] = pen.getCharString() if is_postscript else pen.glyph()
    if is_postscript:
        builder.setupCFF(family.replace(" ", ""), {}, glyphs, {})
    else:
        builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics({name: (round(1000 * WIDE_EM), 50) for name in names})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular", "psName": family.replace(" ", "")})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Have the fonts of matplotlib alone, and those that a test installs after matplotlib listed its own."""
    manager = copy.copy(font_manager.fontManager)
    manager.ttflist = [entry for entry in manager.ttflist if entry.name == fonts.FAMILY]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", manager.ttflist)
    paths: list[str] = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: paths)
    monkeypatch.setattr(fonts, "_announced", set())

    def forget() -> None:
        font_manager.fontManager._findfont_cached.cache_clear()
        for cached in CACHED:
            cached.cache_clear()

    def install(family: str, letters: str, **kind: bool) -> Path:
        paths.append(str(build_font(tmp_path / f"{family}.ttf", family, letters, **kind)))
        forget()
        return Path(paths[-1])

    forget()
    yield install
    monkeypatch.undo()
    forget()


def test_an_installed_font_that_has_the_letters_is_taken(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("Tiny Han", "記録")
    assert on_paper("記録 A") == "記録 A"
    assert fonts.families_of("記録 A") == ["DejaVu Sans", "Tiny Han"]
    assert fonts.families_of("plain") == ["DejaVu Sans"]
    # Squares of three quarters of an em, also where the text is bold and the font is not.
    for is_bold in (False, True):
        assert width_of("記録", 10, is_bold=is_bold) == pytest.approx(1.04 * 20 * WIDE_EM * 25.4 / 72, rel=0.05)
    assert capsys.readouterr().err == ""


def test_without_a_font_the_codes_are_drawn_and_said_once(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("Tiny Han", "記")
    assert on_paper("記録") == "記\\u9332"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no installed font has letters of these scripts: CJK." in said
    assert "apt install fonts-noto-cjk" in said
    assert "記" not in said
    assert "録" not in said
    assert on_paper("心") == "\\u5fc3"
    assert capsys.readouterr().err == ""
    on_paper("नाम")
    assert "DEVANAGARI. They are drawn as their codes. Install a font" in (said := capsys.readouterr().err)
    assert said.endswith("apt install fonts-noto-core\n")


def test_the_font_with_most_of_the_letters_comes_first(install: Install) -> None:
    install("Tiny One", "記")
    install("Tiny Two", "記録")
    install("Tiny Three", "心")
    assert fonts.families_of("記録心") == ["DejaVu Sans", "Tiny Two", "Tiny Three"]
    install("Tiny Han JP", "記録")
    install("Tiny Han SC", "記録さ")
    assert fonts.families_of("記録")[1] == "Tiny Han SC"
    install("Tiny Han JP Sans JP", "記録さ")
    assert fonts.families_of("記録さ")[1] == "Tiny Han JP Sans JP"


def test_boxes_and_blanks_are_no_letters(install: Install) -> None:
    install("Last Resort of all", "記")
    install("Tiny Blank", "記", is_empty=True)
    assert fonts.families_of("記") == ["DejaVu Sans"]
    assert on_paper("記") == "\\u8a18"


def test_a_damaged_font_is_passed_over(install: Install) -> None:
    install("Tiny Han", "記")
    install("Tiny Bad", "記").write_bytes(b"no font")
    assert fonts.families_of("記") == ["DejaVu Sans", "Tiny Han"]


def test_joiners_stay_and_codes_that_move_a_text_do_not(install: Install) -> None:
    assert on_paper("ن\u200cا") == "ن\u200cا"
    assert on_paper("a\u202eb") == "a\\u202eb"


@pytest.mark.parametrize("is_postscript", [False, True])
def test_the_font_is_in_the_pdf_and_the_letters_can_be_searched(install: Install, is_postscript: bool) -> None:
    pypdfium2 = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    install("Tiny Han", "記録", is_postscript=is_postscript)
    assert fonts.has_postscript_outlines("記録") == is_postscript
    assert not fonts.has_postscript_outlines("plain")
    with matplotlib.rc_context({"pdf.fonttype": 3 if is_postscript else 42}):
        contents = []
        for _ in range(2):
            figure = Figure(figsize=(2, 1))
            figure.text(0.1, 0.1, "記録 A", fontsize=20)
            fonts.set_fonts(figure)
            figure.savefig(buffer := io.BytesIO(), format="pdf", metadata={"CreationDate": None})
            contents.append(buffer.getvalue())
    assert contents[0] == contents[1]
    assert b"TinyHan" in contents[0]
    document = pypdfium2.PdfDocument(contents[0])
    assert document[0].get_textpage().get_text_range() == "記録 A"
    is_ink = document[0].render(scale=4).to_numpy()[..., 0] < 100
    # Two squares of 13 points: a box for a missing letter would be hollow.
    assert is_ink.sum() > 2 * (12 * 4) * (11 * 4)
    document.close()


def test_a_picture_names_the_font(install: Install) -> None:
    install("Tiny Han", "記")
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.1, "記")
    figure.text(0.1, 0.5, "plain")
    text = to_svg(figure).decode()
    assert "Tiny Han" in text
    assert text.count("Tiny Han") == 1
