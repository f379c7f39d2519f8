"""Size of what ``pip install ecgfeat`` brings, beside this environment: ``python -m benchmarks.install``.

Builds the wheel, installs it in a fresh virtual environment with the versions of constraints.txt, and removes both.
The packages come from the package index, unless pip is configured otherwise: about 300 MB to fetch.
"""

import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKED = ("pyproject.toml", "README.md", "LICENSE", "ecgfeat")


def build_wheel(folder: Path) -> Path:
    """Build the wheel of ecgfeat with the setuptools of this environment, without a network.

    Parameters
    ----------
    folder : Path
        Where to; a copy of the code goes there too, because setuptools writes beside what it reads.

    Returns
    -------
    Path
        The wheel.
    """
    source = folder / "source"
    source.mkdir(parents=True)
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source], check=True)
    return next(folder.glob("ecgfeat-*.whl"))


def megabytes(path: Path) -> float:
    """Return the size of a file, or of all files below a folder, in units of 10^6 bytes; links count nothing."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if not file.is_symlink() and file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def count_packages(environment: Path) -> int:
    """Return how many packages a virtual environment holds."""
    return len(list(environment.glob("lib/python*/site-packages/*.dist-info")))


def main() -> None:
    """Print the sizes of the wheel, of a fresh environment and of this one."""
    with tempfile.TemporaryDirectory() as name:
        wheel = build_wheel(Path(name) / "wheel")
        print(f"wheel: {megabytes(wheel):.2f} MB")
        light = Path(name) / "light"
        venv.create(light, with_pip=True)
        pip = [light / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        start = time.perf_counter()
        subprocess.run([*pip, "-c", ROOT / "constraints.txt", wheel], check=True)
        taken = time.perf_counter() - start
        print(f"pip install ecgfeat: {megabytes(light):,.0f} MB, {count_packages(light)} packages, {taken:.0f} s")
    this = Path(sys.prefix)
    print(f"this environment: {megabytes(this):,.0f} MB, {count_packages(this)} packages")


if __name__ == "__main__":
    main()
