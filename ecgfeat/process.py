"""Settings of a process that computes, and of those that it starts."""

import contextlib
import ctypes
import os
import sys
from typing import Final

_SPINS: Final = "5000"

_MALLOC: Final = {
    # Numbers of glibc's mallopt. Arrays of millions of numbers come and go: memory that was freed is used again, where
    # the C library would give it back to the system, which clears every page before it is used again.
    "MALLOC_MMAP_THRESHOLD_": (-3, 128 << 20),
    "MALLOC_TRIM_THRESHOLD_": (-1, 256 << 20),
}


def prepare_process() -> None:
    """Set how threads wait for each other, and how much freed memory is kept; call it before torch is imported.

    Notes
    -----
    * Threads that spin for long while they wait stall on a machine that is shared; threads that do not spin at all take
      nearly twice as long on one that is not.
    * What the environment says already is left as it is: ``GOMP_SPINCOUNT``, ``MALLOC_MMAP_THRESHOLD_`` and
      ``MALLOC_TRIM_THRESHOLD_``. Processes that are started find the values there.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    if sys.platform != "linux":
        return
    for name, (option, num_bytes) in _MALLOC.items():
        if name not in os.environ:
            os.environ[name] = str(num_bytes)
            with contextlib.suppress(AttributeError, OSError):  # another C library
                ctypes.CDLL(None).mallopt(option, num_bytes)
