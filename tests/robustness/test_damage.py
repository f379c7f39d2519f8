"""A short campaign of damages, and that it finds what it looks for."""

import shutil
from pathlib import Path

import pytest

from tests.robustness import damage


@pytest.fixture
def run(systems_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(systems_run, tmp_path / "run"))


def test_a_damaged_file_is_seen_and_never_read_as_something_else(run: Path) -> None:
    tally = damage.run_worker(5, 15 * len(damage.HARMS), run)
    assert tally.defects == {}
    assert set(tally.num_damages) == set(damage.HARMS)
    assert tally.num_seen.total() + tally.num_missing.total() == tally.num_damages.total()
    assert set(tally.num_missing) - {kind for kind, count in tally.num_missing.items() if not count} <= {"no file"}


def test_an_artifact_that_is_read_without_its_digest_is_found(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ecgfeat.store.tables", "ecgfeat.look.tables"):
        monkeypatch.setattr(f"{module}.find_stamp", lambda path, remedy: True)
    monkeypatch.setattr(damage, "HARMS", ("bit in the last bytes",))
    monkeypatch.setattr(damage, "FOLDERS", ("data/records", "data/beats", "data/episodes", "data/rpeaks"))
    assert {defect.split(":")[0] for defect in damage.run_worker(3, 250, run).defects} == {
        "read as something else",
        "unseen by check",
    }
