"""The tutorial is executed, and its outputs are what is printed on it."""

import os
import re
import shutil
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


def texts_of(notebook) -> dict[str, list[str]]:
    """Return the outputs of each cell of code as plain text; those of a finished run differ from run to run."""
    return {
        cell.id: [as_text(output) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code" and "run" not in cell.metadata.get("tags", [])
    }


def as_text(output) -> str:
    assert output.output_type in ("execute_result", "display_data", "stream"), output
    return output.text if output.output_type == "stream" else output.data["text/plain"]


@pytest.fixture(scope="module")
def executed(systems_run: Path, tmp_path_factory: pytest.TempPathFactory):
    """The tutorial, executed in the folder of a finished run, as after `make repro` in a clone."""
    run = tmp_path_factory.mktemp("clone")
    shutil.copytree(systems_run / "data", run / "data")
    (run / "docs").mkdir()
    notebook = nbformat.read(TUTORIAL, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        client = nbclient.NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(run / "docs")}}
        )
        return client.execute()


def test_every_cell_runs_and_prints_what_stands_under_it(executed) -> None:
    printed = texts_of(nbformat.read(TUTORIAL, as_version=4))
    assert len(printed) > 8
    assert texts_of(executed) == printed


def test_every_cell_shows_something(executed) -> None:
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if not cell.outputs] == []
    assert any("image/svg+xml" in output.get("data", {}) for cell in code for output in cell.outputs)


def test_no_path_of_a_machine_is_in_the_tutorial() -> None:
    text = TUTORIAL.read_text("utf-8")
    assert not re.findall(r"/(?:tmp|home|root|work|Users)/", text)


def test_links_lead_to_pages() -> None:
    notebook = nbformat.read(TUTORIAL, as_version=4)
    links = [
        link
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for link in re.findall(r"\]\(([^)#]+)", cell.source)
    ]
    assert links
    assert [link for link in links if not (TUTORIAL.parent / link).is_file()] == []
