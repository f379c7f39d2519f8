"""The layout of a table of text: delimiter, decimal mark, names, units and rate, from its first lines."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ecgfeat.errors import DataError
from ecgfeat.records.units import millivolts_per

_DELIMITERS = (",", ";", "\t", "|", " ")
_LONGEST_LINE, _LONGEST_NAME, _MOST_COLUMNS = 2000, 100, 1024
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?|[-+]?(nan|na|n/a|null|inf|-)?", re.IGNORECASE)
ZONE = r"(?:Z|[+-]\d\d:?\d\d)"
CLOCK = re.compile(rf"(?:\d{{4}}-\d\d-\d\d[T ])?\d{{1,3}}:\d\d(?::\d\d)?(?:[.,]\d+)?{ZONE}?")
_IN_BRACKETS = re.compile(r"^(.*?)[\s_]*[\[(]\s*([^\])]*?)\s*[\])]\s*$")

# What a line calls the sampling rate, in the languages of usual exporters. A filter has a frequency in Hz too.
_SAMPLING = (
    r"sampl\w*|abtast\w*|messrate|[ée]chantillon\w*|muestreo|campionament\w*|amostrag\w*|дискретизац\w*|"
    r"サンプ\w*|采样\w*|örnekleme\w*|próbkowan\w*|vzorkov\w*"
)
_UNIT_KEY = re.compile(r"unit|einheit|unidad|unidade|eenheit|enhet|jednostka|един|单位|單位", re.IGNORECASE)
_HERTZ = r"k?hz|k?hertz|герц|гц|samples?/s(?:ec)?|sps"
_RATE = re.compile(
    rf"(?:(?:{_SAMPLING})[^\d\n]{{0,40}}?(\d{{1,7}}(?:[.,]\d{{1,9}})?)\s{{0,4}}({_HERTZ})\b"
    rf"|(?:\bfs|\bsfreq|(?:{_SAMPLING})[ _]?(?:rate|freq\w*))[^\d\n,;]{{0,12}}[:=,;\s]\s{{0,4}}"
    rf"(\d{{1,7}}(?:[.,]\d{{1,9}})?)\s{{0,4}}({_HERTZ})?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Layout:
    """What is known of a table before its numbers are read.

    Attributes
    ----------
    delimiter, decimal : str
        One letter each.
    first_line : int
        Line of the first numbers, from 0.
    names, units : tuple of str
        Of the columns; empty where none is stated.
    preamble : str
        The lines before the names.
    rates_hz : tuple of float
        Sampling rates that the preamble states.
    """

    delimiter: str
    decimal: str
    first_line: int
    names: tuple[str, ...]
    units: tuple[str, ...]
    preamble: str
    rates_hz: tuple[float, ...]


def find_layout(where: str, lines: Sequence[str]) -> Layout:
    """Find the layout of a table.

    Parameters
    ----------
    where : str
        File, for messages.
    lines : sequence of str
        Its first lines.

    Raises
    ------
    DataError
        If there are no lines of numbers, or a thousand columns of them.
    """
    best: tuple[int, int, str, int] | None = None
    for delimiter in _DELIMITERS:
        rows = [(at, split_line(line, delimiter)) for at, line in enumerate(lines) if line.strip()]
        widths = [len(row) if all(map(_is_number, row)) else 0 for _, row in rows]
        width = max(set(widths) - {0}, key=widths.count, default=0)
        is_row = [size == width > 0 for size in widths]
        first = next((at for at, fits in enumerate(is_row) if fits and _goes_on(is_row, at)), None)
        if first is None or not any(letter.isdecimal() for field in rows[first][1] for letter in field):
            continue
        if len(rows) > first + 1 and _are_column_numbers(rows[first][1], rows[first + 1][1]):
            first += 1
        score = (sum(is_row[first:]), width, delimiter, rows[first][0])
        if best is None or score[:2] > best[:2]:
            best = score
    if best is None:
        expected = "a table: one line per sample, one column per lead"
        raise DataError(where, found="text without lines of numbers", expected=expected)
    _, width, delimiter, first_line = best
    if width > _MOST_COLUMNS:
        raise DataError(where, found=f"{width} columns", expected=f"at most {_MOST_COLUMNS}: one line per sample")
    preamble = [line[:_LONGEST_LINE] for line in lines[:first_line] if line.strip()]
    heading = [[field[:_LONGEST_NAME] for field in split_line(line, delimiter)] for line in preamble]
    rows_after = [split_line(line, delimiter) for line in lines[first_line:] if line.strip()]
    has_comma = any("," in field for row in rows_after for field in row)
    if delimiter == "," and width == 2 and heading and (len(heading[-1]) == 1 or _is_pair(heading[-1])):
        # One column with a decimal comma: "-12,345" below a name, or below "Unit,µV" of a watch.
        delimiter, width, has_comma = "\t", 1, True
        heading = [[field[:_LONGEST_NAME] for field in split_line(line, delimiter)] for line in preamble]
    names, units, num_heading = _read_heading(heading, width)
    before = "\n".join(preamble[: len(preamble) - num_heading])
    return Layout(
        delimiter, "," if has_comma else ".", first_line, names, units, before, tuple(dict.fromkeys(_rates_in(before)))
    )


def split_line(line: str, delimiter: str) -> list[str]:
    """Divide a line into its fields, without quotes and blanks around them."""
    if delimiter == " ":
        fields = line.split()
    elif '"' in line and line.count('"') < 4 * _MOST_COLUMNS:
        fields = next(csv.reader([line], delimiter=delimiter), [])
    else:
        fields = line.split(delimiter)
    return [field.strip().strip("\"'").strip() for field in fields]


def _is_number(field: str) -> bool:
    return _NUMBER.fullmatch(field) is not None or CLOCK.fullmatch(field) is not None


def _goes_on(is_row: list[bool], at: int) -> bool:
    """Tell whether most of the lines after a line of numbers are such lines too."""
    following = is_row[at + 1 : at + 4]
    return 2 * sum(following) >= len(following)


def _are_column_numbers(row: list[str], following: list[str]) -> bool:
    """Tell whether a line numbers the columns, from 0 or 1: whole numbers above a line that has decimals."""
    numbered = [str(number) for number in range(len(row))], [str(number + 1) for number in range(len(row))]
    return len(row) > 1 and row in numbered and any("." in field or "," in field for field in following)


def _is_pair(fields: list[str]) -> bool:
    """Tell whether a line is a key with its unit, as in ``Unit,µV``."""
    return len(fields) == 2 and millivolts_per(fields[1]) is not None and _UNIT_KEY.match(fields[0]) is not None


def _read_heading(heading: list[list[str]], width: int) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Return names and units of the columns, and how many lines of the heading these are."""
    names, units, num_lines = [""] * width, [""] * width, 0
    if heading and len(heading[-1]) == width and (width > 1 or len(heading) == 1):
        bare = [field.strip("[]() ") for field in heading[-1]]
        # A line of units has a unit of voltage in it; V alone may be a lead.
        is_units = any(millivolts_per(field) is not None and len(field) > 1 for field in bare)
        if is_units and len(heading) > 1 and len(heading[-2]) == width:
            names, units, num_lines = list(heading[-2]), bare, 2
        elif is_units:
            units, num_lines = bare, 1
        else:
            names, num_lines = list(heading[-1]), 1
    elif width == 1:
        for row in heading:
            fields = re.split(r"[,;:]", row[0]) if len(row) == 1 else row
            key, value = fields[0].strip().casefold(), fields[-1].strip()
            if len(fields) > 1 and millivolts_per(value) is not None:
                units[0] = value
            elif len(fields) > 1 and key.startswith(("lead", "ableitung", "dérivation", "deriv")):
                names[0] = value
    for column, name in enumerate(names):
        if match := _IN_BRACKETS.match(name):
            names[column], units[column] = match.group(1), units[column] or match.group(2).strip()
        else:
            stem, _, ending = name.rpartition("_")
            if stem and millivolts_per(ending) is not None:
                names[column], units[column] = stem, units[column] or ending
    return tuple(names), tuple(units), num_lines


def _rates_in(preamble: str) -> list[float]:
    """Return the sampling rates that lines state."""
    rates = []
    for match in _RATE.finditer(preamble):
        number, hertz = match.group(1) or match.group(3), match.group(2) or match.group(4) or ""
        rates.append(float(number.replace(",", ".")) * (1000 if hertz.casefold().startswith("k") else 1))
    return rates
