"""The docs site builds without a warning, needs no other server, and has a page for every package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
API = {path.stem: path.read_text() for path in sorted((ROOT / "docs" / "api").glob("*.md"))}
PACKAGES = {path.parent.name for path in (ROOT / "ecgfeat").glob("*/__init__.py")}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_package_has_a_page():
    assert set(API) - {"base", "index"} == PACKAGES
    for name in PACKAGES:
        assert f"::: ecgfeat.{name}\n" in API[name]
        assert f"[`ecgfeat.{name}`]({name}.md)" in API["index"]


def test_every_page_is_in_the_site(site):
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 25
    assert [page for page in pages if not (site / page).is_file()] == []


def test_nothing_is_loaded_from_another_server(site):
    pages = [path.read_text() for path in site.rglob("*.html")]
    assert len(pages) > 25
    loaded = [
        source
        for text in pages
        for source in re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]+)', text)
    ]
    assert loaded == []


@pytest.mark.parametrize(
    ("page", "name"), [("store", "write_table"), ("models", "build_model"), ("scoring", "bootstrap_subjects")]
)
def test_the_reference_is_made_from_docstrings(site, page, name):
    text = (site / "api" / f"{page}.html").read_text()
    assert f">{name}<" in re.sub(r"\s+", "", text)
    assert "doc-section-title" in text
