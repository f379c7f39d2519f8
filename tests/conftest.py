"""Fixtures every test may use: real records where they are present, one torch thread, runs that are made once."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import Phase, settings

from tests.fixtures.s3_server import S3Server

torch.set_num_threads(1)
# A deadline would fail a test because the machine is busy. Every mutant meets the same examples; no failure is shrunk.
settings.register_profile("suite", deadline=None)
settings.register_profile("mutants", deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
settings.load_profile("mutants" if "MUTANT_UNDER_TEST" in os.environ else "suite")

MakeOnce = Callable[[str, Callable[[Path], object]], Path]


def mirrored(corpus: str) -> Path:
    """Return the folder of a real corpus, or skip the test where the machine has none."""
    folder = Path(os.environ.get("ECGFEAT_MIRROR", "no mirror")) / corpus
    if not folder.is_dir():
        pytest.skip(f"no {corpus}")
    return folder.resolve()


@pytest.fixture(scope="session")
def mitdb() -> Path:
    return mirrored("mitdb")


@pytest.fixture(scope="session")
def ltafdb() -> Path:
    return mirrored("ltafdb")


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return a function that makes a folder once for all workers of pytest-xdist; look at it and work in a copy."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / "shared" / name, shared / "shared" / f"{name}.done"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(shared / "shared" / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                done.touch()
        return folder

    return make_once


@pytest.fixture(scope="session")
def systems_run(make_once: MakeOnce) -> Path:
    """Return the folder of a small run up to the report, with the systems that read signal."""
    from tests.fixtures.small_run import add_systems, make_small_run

    return make_once("systems", lambda folder: add_systems(make_small_run(folder)))


@pytest.fixture(scope="session")
def arena_run(make_once: MakeOnce, systems_run: Path) -> Path:
    """Return the folder of a small run up to the arena."""
    from tests.fixtures.small_run import add_arena

    return make_once("arena", lambda folder: add_arena(Path(shutil.copytree(systems_run, folder))))


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Return a server of objects with an empty bucket ``lab``; the environment leads to it, with credentials."""
    yield from serve_objects(S3Server(tmp_path / "s3"), monkeypatch)


@pytest.fixture
def public_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Return a server that anyone may read; ``open/x`` is in its bucket ``lab``."""
    server = S3Server(tmp_path / "s3", is_public=True)
    server.put("open/x", b"for all")
    yield from serve_objects(server, monkeypatch)


def serve_objects(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Start a server, and stop it behind the test."""
    for package in ("moto", "obstore"):
        pytest.importorskip(package, reason="the extras s3 and dev are not installed")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.stop()
