"""A work of small arrays, which leaves a file for every time a record is worked on, and can end its process."""

import os
import signal
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgfeat.engine.parts import Part
from ecgfeat.errors import DataError


class Counting:
    """Square the number in the name of a record.

    Parameters
    ----------
    folder : str
        Gets a file ``<record>-<pid>-<unique>`` whenever a record is worked on.
    kills : str
        Records that end their process, divided by commas: ``r3`` each time, ``r3?`` the first time.
    faults : str
        Records of which nothing can be made.
    takes_s : str
        How long a record takes.
    """

    def __init__(self, folder: str, kills: str = "", faults: str = "", takes_s: str = "0") -> None:
        self.takes_s = float(takes_s)
        self.folder, self.kills, self.faults = Path(folder), kills.split(","), faults.split(",")

    def inputs(self, record: str) -> Sequence[str]:
        return ("counting",)

    def work(self, record: str) -> Part:
        seen = list(self.folder.glob(f"{record}-*"))
        (self.folder / f"{record}-{os.getpid()}-{uuid.uuid4().hex}").touch()
        if record in self.kills or (f"{record}?" in self.kills and not seen):
            os.kill(os.getpid(), signal.SIGKILL)
        if record in self.faults:
            raise DataError(record, found="nothing", expected="a number")
        time.sleep(self.takes_s)
        number = int(record[1:])
        texts = np.array([record, "é", ""], dtype=object)
        return Part({"square": np.arange(number) ** 2, "text": texts}, (f"squared {number}",) if number % 2 else ())
