"""Fuzz every reader: ``python -m tests.robustness.fuzz [N] [--seed S]``.

Whatever bytes come in, a reader returns or raises `DataError` or `UsageError`, within two seconds and 256 MB. Inputs
are small whole files of each format, changed in a few places: bits, numbers, words, lines, lengths. What a library
raises and `ecgfeat.files.reading` converts is no defect; what our own code raises is, converted or not.
"""

import importlib
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_recording, read
from ecgfeat.records.reader import read_annotations, read_header, read_signal
from tests.robustness.campaign import NUM_WORKERS, read_arguments, run_workers
from tests.robustness.inputs import KINDS, make_inputs

LONGEST_S, LARGEST_MB = 2.0, 256
_OWN_FAULTS = (
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    NameError,
    AssertionError,
    ZeroDivisionError,
    OverflowError,
)
_NUMBERS = (b"0", b"-1", b"1.5", b"1e999", b"nan", b"1_0", b"1/3", b"212", b"16", b"2147483648", b"9" * 20, b"9" * 5000)
_WORDS = (b"", b"mV", b"mmHg", b"~", b"../../x", b"A" * 300, b"x" * 70000)
_MARKS = (b" ", b"\n", b"\r", b"+", b"-", b"/", b"(", b")", b"#", b",", b";", b'"', b"<", b"{", b"[" * 50)
_NO_ASCII = (
    b"\0", b"\x1a", b"\x1b[2J", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\xb2", b"\xd9\xa3",
)  # fmt: skip
_TOKENS = (*_NUMBERS, *_WORDS, *_MARKS, *_NO_ASCII)


@dataclass
class Tally:
    """What a campaign found.

    Attributes
    ----------
    num_inputs : Counter
        Inputs by kind.
    num_read : Counter
        Those that were read.
    defects : dict of str to str
        One example of each kind of defect: where it was raised, and the input as bytes.
    slowest_s, largest_mb : float
        Longest time of an input, and largest growth of a process.
    """

    num_inputs: Counter[str] = field(default_factory=Counter)
    num_read: Counter[str] = field(default_factory=Counter)
    defects: dict[str, str] = field(default_factory=dict)
    slowest_s: float = 0.0
    largest_mb: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add what another worker found."""
        self.num_inputs += other.num_inputs
        self.num_read += other.num_read
        self.defects |= other.defects
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.largest_mb = max(self.largest_mb, other.largest_mb)


def mutate(raw: bytes, rng: random.Random) -> bytes:
    """Change a file in one to six places."""
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(9)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at : at + rng.randrange(9)] = rng.randbytes(rng.randrange(9))
        elif kind == 2:
            changed[at : at + rng.randrange(6)] = rng.choice(_TOKENS)
        elif kind == 3:
            del changed[at:]
        elif kind == 4:
            other = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[other : other + rng.randrange(60)]
        elif kind == 5:
            numbers = list(re.finditer(rb"[-+]?[0-9][0-9.]*", bytes(changed[:4096])))
            if numbers:
                number = rng.choice(numbers)
                changed[number.start() : number.end()] = rng.choice(_TOKENS)
        elif kind == 6:
            lines = bytes(changed).split(b"\n")
            line = rng.randrange(len(lines))
            lines[line : line + 1] = rng.choice(([], [lines[line]] * 2, [lines[line][::-1]], [lines[line], b""]))
            changed = bytearray(b"\n".join(lines))
        elif kind == 7:
            changed[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0"))
        else:
            del changed[at : at + rng.randrange(40)]
    return bytes(changed)


def read_input(kind: str, path: Path, rng: random.Random) -> None:
    """Read a file as its kind is read."""
    if kind == "annotations":
        read_annotations(path.parent, path.stem, "atr", rng.choice((None, 500)), fs_hz=rng.choice((None, 100.0, 250.0)))
    elif kind == "header":
        read_header(path.parent, path.stem)
        read_signal(path.parent, path.stem)
    else:
        fs_hz = rng.choice((None, 250.0)) if kind in ("npy", "npz", "mat", "json", "csv", "watch") else None
        recording = open_recording(path, fs_hz=fs_hz, unit=rng.choice((None, "uV")) if fs_hz else None)
        if sum(channel.num_samples for channel in recording.channels) < 1 << 24:
            read(path, fs_hz=fs_hz)


def try_input(kind: str, path: Path, rng: random.Random) -> tuple[bool, str]:
    """Read a file; return whether it was read, and where a defect was raised."""
    signal.setitimer(signal.ITIMER_REAL, 30 * LONGEST_S)
    try:
        read_input(kind, path, rng)
    except (DataError, UsageError) as error:
        if "\n" in str(error) or not str(error).isprintable():
            return False, f"a message that is no line: {str(error)[:80]!r}"
        cause = error.__cause__
        if isinstance(cause, _OWN_FAULTS):
            last = traceback.extract_tb(cause.__traceback__)[-1]
            if f"{os.sep}ecgfeat{os.sep}" in last.filename:
                return False, f"{type(cause).__name__} in {Path(last.filename).name}:{last.lineno}, converted"
        return False, ""
    except (Exception, _EndlessError) as error:
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}ecgfeat{os.sep}" in frame.filename
        ]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "elsewhere"
        return False, f"{type(error).__name__} in {where}: {str(error)[:80]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True, ""


class _EndlessError(BaseException):
    """Raised by the timer: no reader converts it."""


def _end(number: int, frame: FrameType | None) -> None:
    raise _EndlessError


def run_worker(seed: int, num_inputs: int, folder: Path) -> Tally:
    """Fuzz with one seed."""
    rng, tally = random.Random(seed), Tally()
    signal.signal(signal.SIGALRM, _end)
    folder.mkdir(parents=True)
    importlib.import_module("ecgfeat.signals.quality")  # torch is imported once, in no input's time
    inputs = make_inputs(folder / "whole")
    begin_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(num_inputs):
        kind = KINDS[number % len(KINDS)]
        name, raw = rng.choice(inputs[kind])
        path = folder / "whole" / kind / name
        mutated = mutate(raw, rng)
        path.write_bytes(mutated)
        start = time.process_time()  # the machine may be busy with something else
        was_read, defect = try_input(kind, path, rng)
        took_s = time.process_time() - start
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin_kb) / 1024
        tally.num_inputs[kind] += 1
        tally.num_read[kind] += was_read
        tally.slowest_s = max(tally.slowest_s, took_s)
        if took_s > LONGEST_S:
            defect = defect or f"{kind}: {took_s:.1f} s"
        if grown_mb > max(tally.largest_mb, LARGEST_MB):
            defect = defect or f"{kind}: {grown_mb:.0f} MB"
        tally.largest_mb = max(tally.largest_mb, grown_mb)
        if defect and len(tally.defects) < 50:
            tally.defects.setdefault(f"{kind}: {defect}", mutated[:4000].hex())
        path.write_bytes(raw)
    return tally


def fuzz(num_inputs: int, seed: int) -> Tally:
    """Fuzz all readers in worker processes, each with its own seed."""
    total = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        share = -(-num_inputs // NUM_WORKERS)
        jobs = [(seed + worker, share, Path(scratch) / str(worker)) for worker in range(NUM_WORKERS)]
        for tally in run_workers(run_worker, jobs):
            total.add(tally)
    return total


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    """Run a campaign from the command line."""
    tally = fuzz(*read_arguments(arguments, __doc__, 20_000))
    for kind in KINDS:
        say(f"{kind:<12} {tally.num_inputs[kind]:>9,} inputs, {tally.num_read[kind]:>9,} read")
    for defect, raw in sorted(tally.defects.items()):
        say(f"defect: {defect}\n  {raw[:200]}")
    total = sum(tally.num_inputs.values())
    say(
        f"fuzz: {total:,} inputs, {len(tally.defects)} kinds of defect; the slowest took {tally.slowest_s:.2f} s, a "
        f"process grew by {tally.largest_mb:.0f} MB at most"
    )
    return 1 if tally.defects else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
