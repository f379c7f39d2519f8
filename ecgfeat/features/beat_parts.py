"""Which samples of a beat window are read, and how they are smoothed. It needs no torch."""

from typing import Final

BEFORE_SAMPLES, AFTER_SAMPLES = 64, 80
"""Part of a beat window that is read: 0.5 s before the R-peak to 0.625 s after it."""

LOW_PASS: Final = (0.625, 0.25, -0.0625)
"""Five even taps, the middle one first: 0.95 at 20 Hz, 0.52 at 40 Hz, 0.22 at 50 Hz, 0.02 at 60 Hz."""

LOST_SHARE: Final = 0.2
"""A beat of which so large a share is invalid has no signal in that lead."""

WIDE_QRS: Final = (-18, 23)
"""First sample after the R-peak, and the one after the last, in which the ends of a QRS complex are looked for."""

TINY_MV: Final = 1e-4
"""Size of a QRS complex that is never fallen below."""

TINY_QRS_MV: Final = 0.02
"""Smallest QRS complex by which windows are scaled."""
