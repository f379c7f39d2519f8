"""Write the tables of measured results into the pages that show them: ``python -m pipeline.run.results``.

``docs/results/*.json`` keeps the numbers. A page holds a pair of comments for each table, and what stands between
them is written by this command. A test repeats it and compares::

    <!-- results: zero-shot -->
    <!-- end of results -->
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from pipeline.run.ablation_table import write_beat_ablations, write_gate, write_rhythm_ablations
from pipeline.run.arena_summary import write_summary_table
from pipeline.run.shipped_summary import write_shipped_table

FOLDER = Path("docs/results")
PAGES = tuple(map(Path, ("README.md", "docs/results.md", "docs/ablations.md", "docs/speed.md", "docs/scale.md")))
BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def make_tables(folder: Path = FOLDER) -> dict[str, str]:
    """Return every table in Markdown, by the name that pages use.

    Parameters
    ----------
    folder : Path
        Folder of the kept results.

    Returns
    -------
    dict of str to str
        ``readme`` and ``runs`` from ``runs.json``, ``ablations-beats``, ``ablations-rhythm`` and
        ``ablations-gate`` from ``ablations.json``; every other file under its own name.
    """
    kept = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    runs = kept.pop("runs")
    rows = {row["id"]: row for row in runs["rows"]}
    tables = {
        "readme": _table(
            ["task", "data", "score (95 % interval)", "given to the model", "command"],
            [_run_cells(rows[name], kept) for name in runs["readme"]],
        ),
        "runs": _table(
            ["task", "data", "score (95 % interval)", "given to the model", "command", "recorded"],
            [[*_run_cells(row, kept), "{date}, `{commit}`".format(**row["recorded"])] for row in rows.values()],
        ),
        "zero-shot": _zero_shot(kept.pop("zero-shot")),
    }
    ablations = kept.pop("ablations")
    tables["ablations-beats"] = write_beat_ablations(ablations)
    tables["ablations-rhythm"] = write_rhythm_ablations(ablations)
    tables["ablations-gate"] = write_gate(ablations)
    for name, content in kept.items():
        write = write_summary_table if "scores" in content else write_shipped_table if "preset" in content else _plain
        tables[name] = write(content)
    return tables


def fill(page: str, tables: dict[str, str]) -> str:
    """Return a page with its tables written anew.

    Parameters
    ----------
    page : str
        Markdown with pairs of comments.
    tables : dict of str to str
        As `make_tables` returns them.

    Returns
    -------
    str
        The page; text outside the comments is untouched.
    """
    return BLOCK.sub(lambda block: f"{block[1]}\n{tables[block[2]]}\n\n{block[3]}", page)


def main() -> str:
    """Write the tables into the pages."""
    tables = make_tables()
    for path in PAGES:
        path.write_text(fill(path.read_text(), tables))
    return f"{len(tables)} tables, pages {', '.join(map(str, PAGES))}"


def _run_cells(row: dict[str, Any], kept: dict[str, Any]) -> list[str]:
    scores = row["scores"] if "scores" in row else [_score_of_arena(row["from"], kept)]
    return [row["task"], row["data"], ", ".join(map(_write_score, scores)), row["given"], f"`{row['command']}`"]


def _score_of_arena(source: dict[str, str], kept: dict[str, Any]) -> dict[str, Any]:
    """Read a score where the arena keeps it, so that it stands in one file only."""
    arena = kept[source["file"]]
    score = arena["scores"][arena["preset"]][source["model"]][source["view"]]
    return {"name": source["name"], "value": score["macro_f1"]} | score["interval"]


def _write_score(score: dict[str, Any]) -> str:
    write = _write_number if "unit" in score else _write_share
    unit = score.get("unit", "").strip()
    interval = f" ({write(score['low'])} to {write(score['high'])})" if "low" in score else ""
    return f"{score['name']} **{write(score['value'])}**{interval}" + (f" {unit}" if unit else "")


def _write_share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _write_number(value: float) -> str:
    return f"{value:.2f}" if value > 10 else f"{value:g}"


def _zero_shot(kept: dict[str, Any]) -> str:
    scores = ("roc_auc", "pr_auc", "f1")
    rows = []
    for row in kept["rows"]:
        values = (
            "{} ({} to {})".format(*(_write_share(row[name][key]) for key in ("value", "low", "high")))
            for name in scores
        )
        rows.append([row["trained_by"], f"`{row['model']}`", *values])
    return _table(["models of", "model", "ROC-AUC", "PR-AUC", "F1"], rows)


def _plain(kept: dict[str, Any]) -> str:
    """Write rows of texts, numbers and ranges as they are kept, and below them what they were measured on."""
    table = _table(kept["columns"], [[_write_cell(cell) for cell in row] for row in kept["rows"]])
    return f"{table}\n\n{kept['measured_on']['sentence']}" if "measured_on" in kept else table


def _write_cell(cell: object) -> str:
    if isinstance(cell, list):
        return " to ".join(map(_write_cell, cell))
    if isinstance(cell, float):
        return f"{cell:.{max(2, len(str(cell)) - 2)}f}".removeprefix("0") if cell < 1 else f"{cell:.2f}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


if __name__ == "__main__":
    sys.exit(print(main()))
