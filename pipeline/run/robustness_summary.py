"""Keep the robustness of the shipped models: ``python -m pipeline.run.robustness_summary``.

``docs/results/robustness.json`` gets the table of ``reports/robustness.json``, with the records, the hours and the
models that it was measured on. A report of other models than those that are shipped is refused.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ecgfeat.errors import DataError
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.scoring.variants import AS_IT_IS
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import read_report
from pipeline.read import paths
from pipeline.run.stage import run_stage

KEPT: Final = Path("docs/results/robustness.json")

_COLUMNS: Final = (
    "change",
    "beats: macro F1",
    "rhythm by the second: macro F1",
    "limit",
    "time no longer named",
)
_WORDS: Final = {
    "leads_swapped": "leads swapped",
    "first_lead_dropped": "first lead lost",
    "second_lead_dropped": "second lead lost",
    "one_lead": "only the first lead recorded",
    "polarity_inverted": "polarity inverted",
}


def main() -> str:
    """Keep the report of the stage ``robustness`` beside the other results."""
    report = read_report(paths.ROBUSTNESS, "robustness")
    shipped = dict(load_models(find_models(DEFAULT)).checksums)
    if report["models"] != shipped:
        raise DataError(
            str(paths.ROBUSTNESS),
            found="scores of other models",
            expected=f"those of the shipped models ({DEFAULT})",
            remedy=f"Run: dvc exp run -S preset={DEFAULT} robustness",
        )
    kept = summarise_robustness(report)
    with publish(KEPT) as part:
        part.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return f"{len(kept['rows'])} changes in {KEPT}; {kept['measured_on']['sentence']}"


def summarise_robustness(report: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a report of the stage ``robustness`` as a table, with what it was measured on.

    Parameters
    ----------
    report : mapping
        Content of ``reports/robustness.json``.

    Returns
    -------
    dict
        ``command``; ``measured_on``: ``split``, ``hours`` of each record (0: all of it), ``records``, how many of each
        corpus, ``noise``, and all of it as a ``sentence``; ``models``: sha256 by file; ``columns`` and ``rows`` of
        texts.

    Notes
    -----
    * A corpus without records of the split has no row.
    * A change of macro F1 beyond its limit is bold.
    """
    records = {slug: of["num_records"] for slug, of in report["records"].items()}
    rows = []
    for slug, variants in report["corpora"].items():
        for name in sorted(variants, key=_place):
            if name != AS_IT_IS:
                change = _in_words(name)
                cells = list(_cells(variants[name]))
                rows.append([change if len(records) == 1 else f"{slug}: {change}", *cells])
    return {
        "command": "python -m pipeline.run.robustness_summary",
        "measured_on": {
            "split": report["split"],
            "hours": report["hours"],
            "records": records,
            "noise": {"corpus": report["noise_corpus"], "num_pieces": report["num_noise_pieces"]},
            "sentence": _say_measured_on(report, records),
        },
        "models": dict(report["models"]),
        "columns": list(_COLUMNS),
        "rows": rows,
    }


def _say_measured_on(report: Mapping[str, Any], records: Mapping[str, int]) -> str:
    """Say in a sentence which records and models were measured."""
    hours = report["hours"]
    length = f"the first {60 * hours:.0f} min of each" if hours else "all of each"
    counts = ", ".join(f"{number} records of {slug}" for slug, number in records.items())
    models = ", ".join(f"`{name}` {value[:12]}" for name, value in report["models"].items())
    return f"{counts} ({report['split']}), {length}; sha256 of the models: {models}."


def _place(name: str) -> tuple[int, float, str]:
    """Return where a variant comes in the table: leads, polarity, gains, rates, noise from little to much."""
    parts = [part for part in name.split("_") if part.replace(".", "").isdigit()]
    number = float(parts[0]) if parts else 0.0
    if name in _WORDS:
        return list(_WORDS).index(name), 0.0, name
    kinds = ("gain", "rate", "noise", "recorded")
    kind = name.split("_")[0]
    return len(_WORDS) + (kinds.index(kind) if kind in kinds else len(kinds)), -number if "db" in name else number, name


def _in_words(name: str) -> str:
    """Return what a variant changes."""
    if name in _WORDS:
        return _WORDS[name]
    what, _, rest = name.rpartition("noise_")
    if rest.endswith("_db"):
        kind = "recorded noise" if what else "wander and muscle noise"
        return f"{kind}, {rest.removesuffix('_db')} dB"
    if name.startswith("rate_"):
        return f"{name.removeprefix('rate_').removesuffix('_hz')} Hz"
    return name.replace("_", " ")


def _cells(scores: Mapping[str, Any]) -> Iterator[str]:
    """Yield the cells of a variant after its name."""
    changes = [scores.get("difference", {}).get(part) for part in ("beats", "rhythm_per_second")]
    yield from map(_write_change, changes)
    limits = [f"{change['limit']:g}" for change in changes if change and "limit" in change]
    yield limits[0] if limits else ""
    yield f"{100 * sum(scores['unnamed'].values()):.1f} %"


def _write_change(change: Mapping[str, Any] | None) -> str:
    if change is None or change["value"] is None:
        return ""
    has_interval = change.get("low") is not None
    span = " ({} to {})".format(*(_signed(change[name]) for name in ("low", "high"))) if has_interval else ""
    text = f"{_signed(change['value'])}{span}"
    return text if change.get("is_within", True) else f"**{text}**"


def _signed(value: float) -> str:
    """Write a change with its sign; what rounds to nothing has none."""
    text = f"{value:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else text


if __name__ == "__main__":
    sys.exit(run_stage("robustness_summary", main))
