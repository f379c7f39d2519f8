"""Digests of code: what a stage would run, without comments and docstrings, as one short text.

DVC compares files byte by byte, so a stage that depends on its modules would run again for every comment. Here the
dependency is a digest of the *import closure*: the script of the stage, every module of ours that it imports, directly
or not, and the data files that lie beside them. Comments, docstrings and layout leave the digest as it is; a changed
literal changes it for exactly the stages whose closure holds the module.
"""

import ast
import hashlib
import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Folder of the checkout, which holds ``ecgfeat/`` and ``pipeline/``."""

PACKAGES = ("ecgfeat", "pipeline")

WITHOUT_INFLUENCE = (
    "ecgfeat/__init__.py",
    "pipeline/__init__.py",
    "pipeline/params/__init__.py",
    "pipeline/run/stage.py",
)
"""What Python users import, how a script starts, how params are checked: not followed."""

VERSIONS_FILE = "constraints.txt"
"""Versions of the libraries: part of every digest."""


def code_digest(stage: str, root: Path = ROOT) -> str:
    """Return the digest of the code that a stage runs.

    Parameters
    ----------
    stage : str
        Name of the stage, which is the name of its script in ``pipeline/``.
    root : Path
        Folder of the checkout.

    Returns
    -------
    str
        32 hex digits. Equal code in another folder has an equal digest.

    Notes
    -----
    * Of a Python file the syntax tree counts, without the texts that stand alone as a statement (docstrings).
    * Data files count by their bytes: every file that is not Python in the folder of a module of the closure, and in
      the folders below it that are no packages.
    """
    digest = hashlib.sha256()
    modules = import_closure(root / "pipeline" / f"{stage}.py", root)
    for path in (*modules, *_data_files(modules), root / VERSIONS_FILE):
        content = _read_source(path.read_bytes())[1] if path.suffix == ".py" else path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def import_closure(script: Path, root: Path = ROOT) -> list[Path]:
    """Return a script and every module of ours that it imports, directly or not.

    Parameters
    ----------
    script : Path
        Python file below ``root``.
    root : Path
        Folder of the checkout.

    Returns
    -------
    list of Path
        Sorted. Imports inside functions count; modules named by a text do not.
    """
    closure, queue, modules = {script}, [script], _find_modules(root)
    while queue:
        for name in _read_source(queue.pop().read_bytes())[0]:
            # Importing a module runs the __init__ of the packages above it.
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                path = modules.get(".".join(parts[:depth]))
                if path is not None and path not in closure:
                    closure.add(path)
                    queue.append(path)
    return sorted(closure)


def _find_modules(root: Path) -> dict[str, Path]:
    """Return the files of our modules by their dotted names, without those that are not followed."""
    modules = {}
    for package in PACKAGES:
        for folder, _, files in os.walk(root / package):
            above = Path(folder).relative_to(root).parts
            for file in files:
                name, ending = os.path.splitext(file)
                if ending == ".py" and "/".join((*above, file)) not in WITHOUT_INFLUENCE:
                    modules[".".join(above if name == "__init__" else (*above, name))] = Path(folder, file)
    return modules


@cache
def _read_source(source: bytes) -> tuple[frozenset[str], bytes]:
    """Return the dotted names of ours that a file imports, and its syntax tree as text, without docstrings.

    A name in a module counts as a module that may exist.
    """
    names: set[str] = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]  # type: ignore[attr-defined]
    return frozenset(name for name in names if name.split(".")[0] in PACKAGES), ast.dump(tree).encode()


def _data_files(modules: list[Path]) -> list[Path]:
    """Return the data files of the packages that the modules lie in."""
    files: set[Path] = set()
    for folder in {path.parent for path in modules}:
        for entry in folder.iterdir():
            if entry.is_dir() and entry.name != "__pycache__" and not (entry / "__init__.py").is_file():
                files |= {path for path in entry.rglob("*") if path.is_file()}
            elif entry.is_file() and entry.suffix != ".py":
                files.add(entry)
    return sorted(path for path in files if "__pycache__" not in path.parts and not path.name.startswith("."))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
