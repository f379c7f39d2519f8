"""Text that stays in its place on paper: measured, shortened, wrapped, in letters that some font has."""

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from ecgfeat.errors import printable
from ecgfeat.report.drawings.fonts import JOINERS, families_of, undrawable

_MM_PER_POINT = 25.4 / 72
_ON_SCREEN = 1.04  # letters are set to whole pixels there: up to some percent wider


def on_paper(text: str) -> str:
    r"""Return a text in letters that some installed font has, on one line.

    Parameters
    ----------
    text : str
        Such as a name from a file.

    Returns
    -------
    str
        A control character, and a letter that no installed font has, are written as their code, such as ``\u8a18``.
    """
    missing = undrawable(text)
    return "".join(_code(letter) if letter in missing else _shown(letter) for letter in text)


def _shown(letter: str) -> str:
    return letter if letter in JOINERS else printable(letter)


def _code(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def width_of(text: str, size_pt: float, *, is_bold: bool = False) -> float:
    """Return the width of a text in millimetres.

    Parameters
    ----------
    text : str
        One line, as `on_paper` returns it.
    size_pt : float
        Size of the letters in points.
    is_bold : bool, default False
        Whether they are bold.

    Returns
    -------
    float
    """
    if not text:
        return 0.0
    font = FontProperties(family=families_of(text), size=size_pt, weight="bold" if is_bold else "normal")
    width_pt = float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])
    return _ON_SCREEN * width_pt * _MM_PER_POINT


def shorten(text: str, room_mm: float, size_pt: float, *, is_bold: bool = False) -> str:
    """Return a text that fits into its room: `on_paper`, with its end replaced by ``…`` if it is too long.

    Parameters
    ----------
    text : str
        Any text.
    room_mm : float
        Width that is free.
    size_pt, is_bold
        As of `width_of`.

    Returns
    -------
    str
    """
    # No line of paper holds more; a name of a megabyte is not measured letter by letter.
    text = on_paper(text[:1000])
    if width_of(text, size_pt, is_bold=is_bold) <= room_mm:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(text[:middle].rstrip() + "…", size_pt, is_bold=is_bold) <= room_mm:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


def wrap(text: str, room_mm: float, size_pt: float, *, max_lines: int) -> list[str]:
    """Divide a text into lines that fit into their room.

    Parameters
    ----------
    text : str
        Any text.
    room_mm, size_pt
        As of `shorten`.
    max_lines : int
        The last line ends with ``…`` if there would be more.

    Returns
    -------
    list of str
    """
    words = on_paper(text[:5000]).split()
    lines: list[str] = []
    while words and len(lines) < max_lines:
        line = words.pop(0)
        while words and width_of(f"{line} {words[0]}", size_pt) <= room_mm:
            line = f"{line} {words.pop(0)}"
        lines.append(shorten(line, room_mm, size_pt))
    if words:
        lines[-1] = shorten(f"{lines[-1]} {' '.join(words)}", room_mm, size_pt)
    return lines
