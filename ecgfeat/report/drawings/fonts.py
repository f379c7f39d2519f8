"""Letters that the font of the drawings lacks: installed fonts that have them, and a word to the user where none has.

Names of patients and leads may be in any script. Matplotlib draws each letter in the first family of a list that has
it, and joins and orders the letters of Arabic or Devanagari.
"""

import contextlib
import logging
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontPath, FontProperties, findfont, get_font
from matplotlib.text import Text

FAMILY = "DejaVu Sans"
JOINERS = "\u200c\u200d"
"""They are not drawn: they say whether the letters beside them join."""

_WEIGHTS = ("normal", "bold")
_NO_FONTS = ("Last Resort", "Adobe Blank", "Adobe NotDef")
"""Begin the names of fonts that have a box, or nothing, for every letter."""

_REGIONS = {"HIRAGANA": "JP", "KATAKANA": "JP", "HANGUL": "KR"}
_EAST_ASIAN = frozenset({"CJK", "BOPOMOFO", *_REGIONS})
_announced: set[str] = set()


def families_of(text: str) -> list[str]:
    """Return the families in which a text is set.

    Parameters
    ----------
    text : str
        Such as a name from a file.

    Returns
    -------
    list of str
        `FAMILY`, and after it installed ones that have letters which it lacks. The same on one machine, whatever was
        drawn before.
    """
    return [FAMILY, *_fallbacks(_foreign(text))]


def undrawable(text: str) -> frozenset[str]:
    """Return the letters of a text that no installed font has, and say once on stderr what to install for them."""
    foreign = _foreign(text)
    missing = foreign.difference(*(_had(foreign, family) for family in _fallbacks(foreign)))
    if scripts := {_script(letter) for letter in missing} - _announced:
        _announced.update(scripts)
        # The names of the scripts, not the letters: a log must not hold parts of a name.
        packages = sorted({"fonts-noto-cjk" if script in _EAST_ASIAN else "fonts-noto-core" for script in scripts})
        print(
            f"ecgfeat: no installed font has letters of these scripts: {', '.join(sorted(scripts))}. They are drawn as "
            f"their codes. Install a font that has them; on Debian: apt install {' '.join(packages)}",
            file=sys.stderr,
        )
    return missing


def set_fonts(figure: Figure) -> None:
    """Let each text of a figure be drawn in fonts that have its letters."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if len(families := families_of(text.get_text())) > 1:
            text.set_fontfamily(families)


def has_postscript_outlines(text: str) -> bool:
    """Return whether a font of a text has PostScript outlines, as OpenType fonts of East Asian scripts have.

    A PDF cannot hold such a font as a TrueType font.
    """
    from fontTools.ttLib import TTFont

    paths = [path for family in families_of(text)[1:] for path in _paths(family)]
    for path in paths:
        with TTFont(path, fontNumber=path.face_index, lazy=True) as font:
            if "CFF " in font or "CFF2" in font:
                return True
    return False


def _foreign(text: str) -> frozenset[str]:
    """Return the letters of a text that the first font lacks."""
    own = _own_letters()
    return frozenset(letter for letter in text if ord(letter) not in own and letter.isprintable())


@cache
def _own_letters() -> frozenset[int]:
    """Return the letters that both weights of the first font have."""
    normal, bold = (get_font(path).get_charmap() for path in _paths(FAMILY))
    return frozenset(normal) & frozenset(bold)


@cache
def _paths(family: str) -> tuple[FontPath, ...]:
    """Return the files of the two weights of a family; they may be the same."""
    return tuple(findfont(FontProperties(family=[family], weight=weight)) for weight in _WEIGHTS)


@cache
def _fallbacks(letters: frozenset[str]) -> tuple[str, ...]:
    """Choose installed families that have letters: that with most of them first."""
    if not letters:
        return ()
    region = next((_REGIONS[script] for script in sorted(map(_script, letters)) if script in _REGIONS), "SC")
    has: dict[str, frozenset[str]] = {}
    for family, path in _installed():
        if found := _letters_in(path, letters):
            has[family] = has.get(family, frozenset()) | found
    left, chosen = set(letters), []
    while left:
        of = {family: _had(letters, family) & left for family, found in has.items() if found & left}
        # Of equals a plain font for text, in the form of the letters that is usual in the region.
        order = sorted(
            (family for family in of if of[family]),
            key=lambda family: (
                -len(of[family]),
                "Mono" in family,
                "Serif" in family,
                not family.endswith(f" {region}"),
                not family.startswith("Noto Sans"),
                family,
            ),
        )
        if not order:
            break
        chosen.append(order[0])
        left -= of[order[0]]
    return tuple(chosen)


@cache
def _had(letters: frozenset[str], family: str) -> frozenset[str]:
    """Return the letters that both weights of a family have."""
    return letters.intersection(*(_letters_in(path, letters) for path in _paths(family)))


def _letters_in(path: FontPath, letters: Iterable[str]) -> frozenset[str]:
    """Return the letters that a file has an outline of; none where it cannot be read."""
    with contextlib.suppress(OSError, RuntimeError):
        font = get_font(path)
        found = [letter for letter in letters if font.get_char_index(ord(letter))]
        return frozenset(letter for letter in found if _is_outlined(path, letter))
    return frozenset()


def _is_outlined(path: FontPath, letter: str) -> bool:
    """Return whether a letter is drawn as an outline: that of a colour font is a picture."""
    font = get_font(path)
    font.load_char(ord(letter))
    return len(font.get_path()[0]) > 0 or letter.isspace()


@cache
def _installed() -> tuple[tuple[str, FontPath], ...]:
    """Return the families of this machine with their upright files, also those installed since the last run."""
    logging.getLogger(font_manager.__name__).addFilter(_is_no_missing_weight)
    manager = font_manager.fontManager
    known = {entry.fname for entry in manager.ttflist}
    for path in sorted(font_manager.findSystemFonts()):
        if path not in known:
            # A file that matplotlib cannot read has no letters for us.
            with contextlib.suppress(Exception):
                manager.addfont(path)
    faces = {
        (entry.name, FontPath(entry.fname, entry.index))
        for entry in manager.ttflist
        if entry.style == "normal" and entry.name != FAMILY and not entry.name.startswith(_NO_FONTS)
    }
    return tuple(sorted(faces, key=lambda face: (face[0], str(face[1]), face[1].face_index)))


def _is_no_missing_weight(message: logging.LogRecord) -> bool:
    """Return whether a message says something else than that a family has no bold letters, which is as it is."""
    return "Failed to find font weight" not in str(message.msg)


def _script(letter: str) -> str:
    """Return the first word of the name of a letter, which is mostly its script."""
    return unicodedata.name(letter, "UNNAMED").split()[0].split("-")[0]
