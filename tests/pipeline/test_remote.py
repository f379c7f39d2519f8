"""A run goes through a bucket by DVC: pushed, pulled into another clone, and whole though the server is killed."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pipeline.test_stages import lay_out_checkout, run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "storage.md").read_text()
LAST_STAGE = "rpeaks@simulate"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a small run up to the R-peaks under DVC."""
    lay_out_checkout(tmp_path / "run")
    must(tmp_path / "run", f"dvc repro {LAST_STAGE}")
    return tmp_path / "run"


def must(folder: Path, command: str) -> str:
    done = run(folder, *command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def artifacts(folder: Path) -> dict[str, bytes]:
    files = [path for path in (folder / "data").rglob("*") if path.is_file() and path.name != ".gitignore"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_whole(objects: dict[str, bytes]) -> None:
    assert objects
    for name, content in objects.items():
        parts = re.fullmatch(r"dvc/files/md5/([0-9a-f]{2})/([0-9a-f]{30})(\.dir)?", name)
        assert parts, name
        assert hashlib.md5(content).hexdigest() == parts[1] + parts[2], "a half object"


def test_run_is_pushed_and_pulled_though_the_server_is_killed(checkout, s3, tmp_path):
    pytest.importorskip("dvc_s3", reason="the extra s3 is not installed")
    commands = [line for line in PAGE.splitlines() if line.startswith("dvc remote add ")]
    assert commands == ["dvc remote add --default lab s3://lab/dvc"]
    must(checkout, commands[0])
    clone = Path(shutil.copytree(checkout, tmp_path / "clone", symlinks=True))
    for made in (clone / "data", clone / ".dvc" / "cache", clone / ".dvc" / "tmp"):
        shutil.rmtree(made)
    with s3.killed_in_the_middle("PUT 4"):
        run(checkout, "dvc", "push", "-j", "1")
    must(checkout, "dvc push")
    assert_whole(s3.objects())
    with s3.killed_in_the_middle("GET 3"):
        run(clone, "dvc", "pull", LAST_STAGE, "--with-deps", "-j", "1")
    must(clone, f"dvc pull {LAST_STAGE} --with-deps")
    assert artifacts(clone) == artifacts(checkout)
    assert len(artifacts(clone)) > 20
    must(clone, "dvc status " + LAST_STAGE)
    done = run(clone, "dvc", "pull", LAST_STAGE, "--with-deps")
    assert "Everything is up to date" in done.stdout
    table = clone / "data" / "rpeaks" / "simulate.parquet"
    table.unlink()
    must(clone, "dvc pull data/rpeaks/simulate.parquet")
    assert table.read_bytes() == artifacts(checkout)["data/rpeaks/simulate.parquet"]
    assert not any(secret in path.read_text() for secret in s3.environment.values() for path in configs(clone))


def configs(folder: Path) -> list[Path]:
    return [path for path in (folder / ".dvc").glob("config*") if path.is_file()]


def test_wrong_credentials_push_nothing_and_show_no_secret(checkout, s3, monkeypatch):
    pytest.importorskip("dvc_s3", reason="the extra s3 is not installed")
    must(checkout, "dvc remote add --default lab s3://lab/dvc")
    secret = "not-the-secret-of-this-laboratory-at-all"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    done: subprocess.CompletedProcess[str] = run(checkout, "dvc", "push", LAST_STAGE, "--with-deps")
    assert done.returncode != 0
    assert secret not in done.stdout + done.stderr
    assert s3.objects() == {}
