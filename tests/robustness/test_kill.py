"""A short campaign of kills, and that it finds what it looks for."""

import shutil
from pathlib import Path

import pytest

from tests.robustness import kill

pytestmark = pytest.mark.skipif(kill.COMPILER is None, reason="no C compiler")
STAGES = ("annotate simulate", "quality simulate")


@pytest.fixture
def run(systems_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(systems_run, tmp_path / "run"))


def test_a_killed_stage_leaves_nothing_half_written_and_its_next_run_the_same_bytes(run: Path) -> None:
    tally = kill.run_worker(1, 6, run, STAGES)
    assert tally.defects == {}
    assert tally.num_kills.total() >= 6
    assert tally.num_repeats >= 2


def test_a_half_written_output_and_a_changed_file_are_found(run: Path) -> None:
    own = kill.outputs_of("annotate simulate")
    assert Path("data/beats/simulate.parquet") in own
    quiet = kill.hash_files(run, [Path(name) for name in ("data", "models", "reports")])
    whole = {name: digest for name, digest in quiet.items() if Path(name) in own}
    others = {name: digest for name, digest in quiet.items() if name not in whole}
    assert kill.find_defects(run, own, whole, others) == []
    half = run / own[0]
    half.write_bytes(half.read_bytes()[:100])
    (run / "data/quality/simulate.parquet").unlink()
    assert kill.find_defects(run, own, whole, others) == [
        f"{own[0]} is half-written",
        "data/quality/simulate.parquet of another stage has changed",
    ]
    half.unlink()
    assert len(kill.find_defects(run, own, whole, others)) == 1
    (run / "data/beats/left.parquet").write_bytes(b"")
    (run / "data/quality/simulate.parquet").write_bytes((run / "data/quality/simulate12.parquet").read_bytes())
    assert len(kill.find_defects(run, own, whole, others)) == 1
