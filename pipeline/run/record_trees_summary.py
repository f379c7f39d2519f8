"""Keep the scores of the trees on record figures: ``python -m pipeline.run.record_trees_summary cinc2017``.

``docs/results/record-trees.json`` gets the table of ``reports/record_trees/<corpus>/scores.json``.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ecgfeat.errors import UsageError
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import read_report
from pipeline.read import paths
from pipeline.run.stage import run_stage

KEPT: Final = Path("docs/results/record-trees.json")


def main(slug: str) -> str:
    """Keep the scores of a corpus beside the other results."""
    scores = read_report(paths.record_tree_scores(slug) / "scores.json", "record_trees")
    kept = summarise_record_trees(scores)
    with publish(KEPT) as part:
        part.write_text(json.dumps(kept, indent=1) + "\n")
    return f"{len(kept['rows'])} rows in {KEPT}"


def summarise_record_trees(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out the scores of a corpus with one class per record as a table.

    Parameters
    ----------
    scores : mapping
        Of `ecgfeat.diagnosis.summary.summarise_diagnoses`.

    Returns
    -------
    dict
        ``about``, ``command``, ``confusion`` of the trees (rows the reference), ``columns`` and ``rows`` of texts.

    Raises
    ------
    UsageError
        If records of the corpus have several classes.
    """
    slug, classes = scores["corpus"], scores["classes"]
    if scores["task"] != "single":
        raise UsageError("record_trees_summary", found=slug, expected="a corpus with one class per record")
    names, mean = list(scores["models"]), f"mean F1 of {', '.join(scores['scored'])}"
    return {
        "about": f"{paths.record_tree_scores(slug)}/scores.json of: dvc exp run -S preset=real record_trees@{slug}",
        "command": f"python -m pipeline.run.record_trees_summary {slug}",
        "confusion": {"classes": classes, "counts": scores["models"][names[0]]["confusion"]},
        "columns": ["classifier", "records", f"{mean} (95 % interval)", *map(_in_words, classes)],
        "rows": [list(_row(title, of, classes)) for title, of in _models(scores)],
    }


def _models(scores: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the trees, the same on the half that nothing was chosen on, and the baselines."""
    first, *others = scores["models"]
    yield scores["titles"][first], scores["models"][first]
    yield "the same, the half of the records on which no figure was chosen", scores["held_half"]
    yield from ((scores["titles"][name], scores["models"][name]) for name in others)


def _row(title: str, of: Mapping[str, Any], classes: list[str]) -> Iterator[str]:
    low, high = (_share(of["interval"]["macro_f1"][end]) for end in ("low", "high"))
    yield title
    yield f"{of['num_records']:,}"
    yield f"**{_share(of['macro_f1'])}** ({low} to {high})"
    yield from (_share(of["f1"].get(name)) for name in classes)


def _in_words(name: str) -> str:
    return "noisy" if name == "~" else name


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".removeprefix("0")


if __name__ == "__main__":
    sys.exit(run_stage("record_trees_summary", main))
