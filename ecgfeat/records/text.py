"""Text and numbers of files that people edit: any usual encoding, and decimal numbers in one notation only."""

import codecs
import re
from math import isfinite

_LONGEST_NUMBER = 32
_LARGEST_WHOLE = 1 << 53


def parse_number(text: str) -> float | None:
    """Read a decimal number, without the other notations of Python.

    Parameters
    ----------
    text : str
        Such as ``-1.5e3``.

    Returns
    -------
    float or None
        None for what is no finite number: ``1_000``, ``nan``, ``1e999``, ``1,5``, digits of other scripts.
    """
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", text):
        return None
    return float(text) if isfinite(float(text)) else None


def parse_integer(text: str) -> int | None:
    """Read a whole number.

    Parameters
    ----------
    text : str
        Such as ``1024``, or ``1024.0`` as some exporters write it.

    Returns
    -------
    int or None
        None for anything else, and beyond 2**53.
    """
    number = parse_number(text)
    return int(number) if number is not None and number == int(number) and abs(number) < _LARGEST_WHOLE else None


def decode_text(raw: bytes) -> str:
    r"""Decode a text file as editors leave it: UTF-8 or UTF-16 with or without their mark, or else Latin-1.

    Parameters
    ----------
    raw : bytes
        The file.

    Returns
    -------
    str
        Without the mark at its start, and without the end mark (``^Z``) of DOS. Lines end in ``\n``, however they were
        ended.
    """
    return re.sub(r"\r\n?", "\n", _decode(raw)).rstrip("\x1a")


def _decode(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.removeprefix(codecs.BOM_UTF8).decode("latin-1")
