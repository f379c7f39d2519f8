"""Run a stage in a process of its own, and say what it costs: seconds and memory."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pairs import plain_environment


@dataclass(frozen=True)
class StageCost:
    """Cost of a stage.

    Attributes
    ----------
    cpu_s, wall_s : float
        Seconds of the processors, its pool of processes included, and of the wall.
    peak_bytes : int
        Most memory that its own process held, without pages of mapped files, which the system takes back where it
        needs them.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: int


def run_stage(stage: str, folder: Path, code: Path, threads: int) -> StageCost:
    """Run a stage.

    Parameters
    ----------
    stage : str
        A script of ``pipeline/``, and what follows it: ``signals mitdb``.
    folder : Path
        Folder of the run, with ``params.yaml``.
    code : Path
        Folder with ``ecgfeat`` and ``pipeline``.
    threads : int
        Threads of every library; 0: as many as there are cores.

    Returns
    -------
    StageCost

    Raises
    ------
    RuntimeError
        If the stage fails, with the end of what it printed.
    """
    script, *words = stage.split()
    command = [sys.executable, "-m", f"pipeline.{script}", *words]
    with tempfile.TemporaryFile() as printed:
        started_s = time.perf_counter()
        environment = plain_environment(code, threads)
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=printed, stderr=printed)
        peak = _Peak(process.pid)
        try:
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - started_s
        except BaseException:
            process.kill()
            raise
        finally:
            peak_bytes = peak.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            printed.seek(0)
            raise RuntimeError(f"{stage} with the code in {code}: {printed.read()[-2000:].decode(errors='replace')}")
    return StageCost(usage.ru_utime + usage.ru_stime, wall_s, peak_bytes)


class _Peak:
    """Watches how much memory a process holds."""

    def __init__(self, pid: int) -> None:
        self._path, self._most, self._is_done = Path(f"/proc/{pid}/status"), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._is_done.wait(0.02):
            with contextlib.suppress(OSError, StopIteration):
                line = next(line for line in self._path.read_text().splitlines() if line.startswith("RssAnon"))
                self._most = max(self._most, 1024 * int(line.split()[1]))

    def stop(self) -> int:
        """Return the most bytes that were seen."""
        self._is_done.set()
        self._thread.join()
        return self._most
