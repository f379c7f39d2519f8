"""Fixtures every test may use: real records where they are present, one torch thread."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


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
def arena_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small run up to the arena: made once, so look at it and work in a copy."""
    from tests.fixtures.small_run import add_arena, make_small_run

    return add_arena(make_small_run(tmp_path_factory.mktemp("arena")))
