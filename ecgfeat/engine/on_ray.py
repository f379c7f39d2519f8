"""The workers of a Ray cluster: each keeps the opened work, with its model, and works on one record at a time.

Only names travel: signals are read in folders that all machines see, and parts are written there or in a bucket. The
environment variable RAY_ADDRESS names the cluster; without it that which runs on this machine is taken, or else one is
started, and ended with the process.

A worker that ends in the middle of a record (killed, out of memory, its machine lost) is replaced, and its record is
tried again; a record that ends its worker each time is reported, and the others are finished.
"""

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ecgfeat.engine.local import ATTEMPTS, ended
from ecgfeat.engine.parts import PartStore, open_parts
from ecgfeat.engine.work import Outcome, WorkName, finish_record
from ecgfeat.errors import DataError, need_extras

_OBJECT_STORE_BYTES: Final = 100 * 2**20
"""Of a cluster that is started here: what Ray takes at least. Outcomes are a line each."""

_ANSWER_S: Final = 10.0
_SILENCE_S: Final = 60.0


def finish_on_ray(
    name: WorkName, records: Sequence[str], parts: PartStore, *, num_workers: int = 0, has_gpu: bool = False
) -> Iterator[Outcome]:
    """Work on records in the workers of a cluster.

    Parameters
    ----------
    name : WorkName
        How a worker opens the work; it must be importable on every machine.
    records : sequence of str
        What to work on.
    parts : PartStore
        Where the parts go: a folder that every machine sees under this path, as it does the working directory, or an
        address of objects.
    num_workers : int
        How many; 0 for one per core of the cluster, or per GPU.
    has_gpu : bool
        Whether each worker is given a GPU of its own, where the cluster has any.

    Yields
    ------
    Outcome
        One per record, in the order in which they end.

    Raises
    ------
    UsageError
        If Ray is not installed.
    DataError
        If there is no cluster at RAY_ADDRESS, or its workers do not start.
    """
    with need_extras():
        import ray
    if not ray.is_initialized():
        _connect(ray)
    resources = ray.cluster_resources()
    num_gpus = int(resources.get("GPU", 0)) if has_gpu else 0
    most = num_workers or num_gpus or max(1, int(resources.get("CPU", 1)))
    options = {"num_gpus": 1} if num_gpus else {"num_cpus": 1}
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    worker = ray.remote(**options, runtime_env={"env_vars": {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}})(_Worker)

    def start() -> tuple[Any, Any]:
        handle = worker.remote(name, Path.cwd(), parts.where)
        return handle.is_ready.remote(), handle

    waiting, attempts, num_left, num_failed = list(reversed(records)), dict[str, int](), len(records), 0
    starting = dict(start() for _ in range(min(most, num_left)))
    idle: list[Any] = []
    working: dict[Any, tuple[Any, str]] = {}
    try:
        while num_left:
            while waiting and idle:
                record, handle = waiting.pop(), idle.pop()
                working[handle.finish.remote(record)] = handle, record
            answered, _ = ray.wait([*working, *starting], timeout=_SILENCE_S)
            if not answered and not working:
                print("ray: no worker has started: waiting for cores of the cluster", file=sys.stderr)
            for reference in answered:
                handle, record = working.pop(reference, (starting.pop(reference, None), ""))
                try:
                    outcome = ray.get(reference)
                except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError) as error:
                    # A worker that never started says why: a folder that its machine does not see, say.
                    num_failed += not record
                    if num_failed > ATTEMPTS * most:
                        raise DataError(
                            "ray", found=str(error).strip().splitlines()[-1], expected="workers that start"
                        ) from error
                    starting |= dict([start()])
                    if not record:
                        continue
                    attempts[record] = attempts.get(record, 0) + 1
                    if attempts[record] < ATTEMPTS:
                        waiting.append(record)
                        continue
                    outcome = Outcome(record, ended(record))
                else:
                    idle.append(handle)
                if record:
                    num_left -= 1
                    yield outcome
    finally:
        for handle in (*idle, *starting.values(), *(handle for handle, _ in working.values())):
            ray.kill(handle)


def _connect(ray: Any) -> None:
    """Connect to the cluster, or start one.

    Raises
    ------
    DataError
        If there is none at RAY_ADDRESS. Ray itself would wait for it for minutes.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition(":")
    quiet = {"log_to_driver": False, "configure_logging": False}
    try:
        if port.isdigit() and not address.startswith("ray://"):
            socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
        ray.init(address=address or "auto", **quiet)
    except (OSError, ValueError) as error:
        if address:
            raise DataError(
                "RAY_ADDRESS",
                found=f"no cluster at {address}",
                expected="the address of a Ray cluster",
                remedy="Start one with: ray start --head. Or unset it, for one of this machine alone.",
            ) from error
        ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, **quiet)


class _Worker:
    """A process of the cluster with the work open in it."""

    def __init__(self, name: WorkName, working: Path, where: str) -> None:
        os.chdir(working)
        self.work, self.parts = name.open(), open_parts(where)

    def is_ready(self) -> None:
        """Answer once the work is open."""

    def finish(self, record: str) -> Outcome:
        """Work on a record."""
        return finish_record(self.work, record, self.parts)
