"""Units of voltage as files spell them: case, micro sign and words differ between makers."""

from typing import Final

_SCALES: Final = {"p": 1e-9, "n": 1e-6, "u": 1e-3, "m": 1.0, "": 1e3}
_WORDS: Final = {"p": "pico", "n": "nano", "u": "micro", "m": "milli", "": ""}
_FACTORS: Final = {
    spelling: scale
    for prefix, scale in _SCALES.items()
    for spelling in (f"{prefix}v", f"{_WORDS[prefix]}v", f"{_WORDS[prefix]}volt", f"{_WORDS[prefix]}volts")
}
EXPECTED: Final = "a unit of voltage: nV, uV, mV or V"


def millivolts_per(unit: str) -> float | None:
    """Return how many millivolts one of `unit` is.

    Parameters
    ----------
    unit : str
        As in a file: ``uV``, ``µV`` with the micro sign or the Greek letter, ``microV``, ``Microvolts``, ``MV``. Case
        does not matter, as no electrocardiogram is in megavolts.

    Returns
    -------
    float or None
        Such as 0.001 for microvolts; None for what is no unit of voltage, an empty text among it.
    """
    # A micro sign that went through the wrong encoding is preceded by an A with circumflex, or by its Greek first half.
    spelling = unit.strip().removeprefix("Â").removeprefix("Î").replace("µ", "u").replace("μ", "u").replace("¼", "u")
    return _FACTORS.get(spelling.casefold())
