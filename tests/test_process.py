"""Settings of a process: memory that was freed is used again, and what the environment says is left."""

import json
import os
import subprocess
import sys

import pytest

PROBE = """
import json, os, resource
from ecgfeat.process import prepare_process
if {is_prepared}:
    prepare_process()
import numpy as np
np.ones(4_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(4_000_000)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(json.dumps([faults, os.environ.get("GOMP_SPINCOUNT"), os.environ.get("MALLOC_MMAP_THRESHOLD_")]))
"""


def run(is_prepared: bool, **environment: str) -> list:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GOMP_"))}
    command = [sys.executable, "-c", PROBE.format(is_prepared=is_prepared)]
    return json.loads(
        subprocess.run(command, env=kept | environment, check=True, capture_output=True, text=True).stdout
    )


@pytest.mark.skipif(not os.confstr("CS_GNU_LIBC_VERSION"), reason="another C library")
def test_freed_memory_is_used_again():
    usual, _, none = run(False)
    assert none is None
    faults, spins, threshold = run(True)
    # An array is 32 MB: 7,813 pages, or 16 where the system gives large ones.
    assert faults < usual / 3
    assert (spins, threshold) == ("5000", "134217728")


def test_the_environment_comes_first():
    _, spins, threshold = run(True, GOMP_SPINCOUNT="7", MALLOC_MMAP_THRESHOLD_="65536")
    assert (spins, threshold) == ("7", "65536")
