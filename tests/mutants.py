"""Change the code a little, run its tests, and report the changes that no test notices: ``make mutants``.

mutmut makes the mutants of the functions in the modules of ``[tool.mutmut]`` in pyproject.toml and runs the tests that
reach each. It leaves the constants of a module alone: mutants of those are listed here, and the first that were found.
What survives is listed in ``tests/mutants.md`` with the reason. A survivor without a reason fails the command.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "tests/mutants.md"
LEAST_KILLED = 0.9
NO_REASON = "none yet"


@dataclass(frozen=True)
class Mutant:
    """A change written by hand: in a file, one text in the place of another; ``tests`` are to notice it."""

    path: str
    old: str
    new: str
    tests: str


BY_HAND = [
    Mutant("ecgfeat/corpora/splits.py", "FOLD_SEED = 42", "FOLD_SEED = 43", "tests/corpora"),
    Mutant("ecgfeat/corpora/folds.py", "OFFICIAL_FOLDS = 10", "OFFICIAL_FOLDS = 11", "tests/corpora"),
    Mutant("ecgfeat/rhythm/rows.py", "ONSET_SAMPLES = 20", "ONSET_SAMPLES = 0", "tests/rhythm/test_rows.py"),
    Mutant("ecgfeat/records/annotations.py", '("ejn", "S")', '("ejn", "N")', "tests/records/test_annotations.py"),
    Mutant("ecgfeat/records/annotations.py", '("VEr", "V")', '("VE", "V")', "tests/records/test_annotations.py"),
    Mutant("ecgfeat/signals/rpeak_table.py", "int(MATCH", "int(2 * MATCH", "tests/signals/test_rpeak_table.py"),
    Mutant("ecgfeat/scoring/beats.py", "MATCH_WINDOW_S = 0.15", "MATCH_WINDOW_S = 0.16", "tests/scoring"),
    Mutant("ecgfeat/scoring/beats.py", "LEARNING_S = 300.0", "LEARNING_S = 299.0", "tests/scoring"),
    Mutant("ecgfeat/scoring/beats.py", 'FLUTTER = "VFL"', 'FLUTTER = "VT"', "tests/scoring"),
    Mutant(
        "ecgfeat/scoring/beats.py",
        "counted = reference[reference_index] >= skip_samples",
        "counted = test[test_index] >= skip_samples",
        "tests/scoring",
    ),
    Mutant("ecgfeat/scoring/intervals.py", "MIN_SUBJECTS = 5", "MIN_SUBJECTS = 4", "tests/scoring"),
    Mutant("ecgfeat/scoring/episodes.py", "MAX_GAP_S = 2.0", "MAX_GAP_S = 1.0", "tests/scoring"),
    Mutant("ecgfeat/scoring/rhythm.py", "support + predicted), np.nan)", "support + predicted), 0.0)", "tests/scoring"),
    Mutant("ecgfeat/scoring/diagnosis.py", "THRESHOLD = 0.5", "THRESHOLD = 0.6", "tests/scoring"),
    Mutant("ecgfeat/scoring/runs.py", '"v": ("V", "F")', '"v": ("V",)', "tests/scoring"),
    Mutant(
        "pipeline/read/rhythms.py",
        'return params.rpeaks.method == "annotated" and reads_reference',
        "return True",
        "tests/pipeline/test_read_rhythms.py",
    ),
]


ALWAYS_EQUAL = (
    # What may differ between two lines that do the same wherever they stand; why they do.
    (r'"utf-8"|"UTF-8"|None', "the same encoding under another name"),
    (r'(?<=, )f?"[^"]*"$', "the wording of an assertion"),
    (r'"nan"|"NAN"', "the same number"),
    (r"reshape\(.*?-[12]\)|reshape\(-[12], ", "NumPy finds the size of the one axis whose size is negative"),
)


def main() -> None:
    """Run both kinds of mutants, write the page, and exit with 1 where too many survive or one has no reason."""
    alive = [mutant for mutant in BY_HAND if not is_killed(mutant)]
    for mutant in alive:
        print(f"survived: {mutant.path}: {mutant.old} -> {mutant.new}")
    subprocess.run([Path(sys.executable).with_name("mutmut"), "run", *sys.argv[1:]], cwd=ROOT, check=True)
    results = list(read_results())
    survivors = [describe(name, module) for module, name, status in results if status in ("survived", "no tests")]
    reasons = read_reasons()
    rows = [(*row, reasons.get(row) or reason_by_kind(*row[1:])) for row in sorted(set(survivors))]
    write_page(count_by_module(), rows)
    made = [status for _, _, status in results if status != "caught by type check"]
    killed = sum(of in ("killed", "timeout", "segfault") for of in made)
    unknown = sum(of == "not checked" for of in made)
    print(f"{killed} of {len(made)} mutants killed ({killed / len(made):.1%}), {unknown} not run; {PAGE}")
    unexplained = [row for row in rows if row[-1] == NO_REASON]
    if alive or unknown or unexplained or killed < LEAST_KILLED * len(made):
        sys.exit(f"{len(alive)} mutants by hand alive, {len(unexplained)} survivors without a reason")


def is_killed(mutant: Mutant) -> bool:
    """Run the tests of a mutant in a copy of the code; True where they fail."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ecgfeat", "pipeline", "tests", "conf", "pyproject.toml", "params.yaml", "dvc.yaml"):
            source, copy = ROOT / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy)
        path = Path(folder) / mutant.path
        path.write_text(path.read_text().replace(mutant.old, mutant.new))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-pno:cacheprovider", mutant.tests]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 1


def read_results() -> Iterator[tuple[str, str, str]]:
    """Yield module, name and fate of every mutant that mutmut made."""
    from mutmut.stats import status_by_exit_code

    for path in sorted((ROOT / "mutants").rglob("*.py.meta")):
        module = str(path.relative_to(ROOT / "mutants")).removesuffix(".meta")
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items():
            yield module, name, status_by_exit_code[code]


def count_by_module() -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for module, _, status in read_results():
        counts[module][status] += 1
    return counts


def describe(name: str, module: str) -> tuple[str, str, str]:
    """Return the function of a mutant, the line as it is and the line as it was changed."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    diff = get_diff_for_mutant(name, path=ROOT / "mutants" / module).splitlines()
    old = " ".join(line[1:].strip() for line in diff if re.match(r"-(?!--)", line))
    new = " ".join(line[1:].strip() for line in diff if re.match(r"\+(?!\+\+)", line))
    package, _, function = name.rpartition(".")
    function = re.sub(r"^x_?|__mutmut_\d+$", "", function).replace("ǁ", ".").strip(".")
    return f"{package.removeprefix('ecgfeat.')}.{function}", *(text.replace("|", "\\|") for text in (old, new))


def reason_by_kind(old: str, new: str) -> str:
    """Return why every mutant of this kind may live; the words for no reason where it is of no kind."""
    for pattern, reason in ALWAYS_EQUAL:
        if re.sub(pattern, "", old) == re.sub(pattern, "", new):
            return reason
    return NO_REASON


def read_reasons() -> dict[tuple[str, str, str], str]:
    """Return the reasons of the page, by function and change."""
    if not PAGE.exists():
        return {}
    rows = re.findall(r"^\| `(.*?)` \| `` (.*?) `` \| `` (.*?) `` \| (.*?) \|$", PAGE.read_text(), re.M)
    known = {(function, old.strip(), new.strip()): reason for function, old, new, reason in rows}
    return {row: reason for row, reason in known.items() if reason != NO_REASON}


def write_page(counts: dict[str, Counter[str]], rows: list[tuple[str, str, str, str]]) -> None:
    """Write the page anew around the reasons it holds."""
    text = PAGE.read_text() if PAGE.exists() else ""
    head = text[: text.index("## Counts")] if "## Counts" in text else "# Mutants\n\n"
    lines = ["## Counts", "", "| module | mutants | killed | survived | refused by mypy |", "|---|---|---|---|---|"]
    for module, of in sorted(counts.items()):
        lost = of["survived"] + of["no tests"]
        refused = of["caught by type check"]
        lines.append(f"| `{module}` | {of.total()} | {of.total() - lost - refused} | {lost} | {refused} |")
    lines += ["", "## Survivors", "", "| function | code | mutant | why it may live |", "|---|---|---|---|"]
    lines += [f"| `{function}` | `` {old} `` | `` {new} `` | {reason} |" for function, old, new, reason in rows]
    PAGE.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
