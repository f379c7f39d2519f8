"""The tables of what each ingredient of the shipped chain is worth, from ``docs/results/ablations.json``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ecgfeat.arrhythmia.posteriors import METHODS
from pipeline.run.ablation_lines import WHOLE

Row = Mapping[str, Any]

_BEATS: Final = {
    "N": "n_f1",
    "S": "s_f1",
    "V": "v_f1",
    "S, mean of records": "s_mean",
    "V, mean of records": "v_mean",
    "calibration error": "ece",
    "S or V in normal cinc2017": "ectopic_normal",
}
_METHODS: Final = {"Transformer": "transformer", "trees": "trees", "both": "both"}
_GATE: Final = ("f1", "sensitivity", "positive_predictivity")
assert tuple(_METHODS.values()) == METHODS


def write_beat_ablations(kept: Mapping[str, Any]) -> str:
    """Write the table of the beat classifier in Markdown.

    Parameters
    ----------
    kept : mapping
        Content of ``docs/results/ablations.json``, as `pipeline.run.ablate` writes it.

    Returns
    -------
    str
        One row per line that was run. Bold is what lies beyond chance, see `is_beyond_chance`.
    """
    return _write(kept, "beats", {title: _at(key) for title, key in _BEATS.items()})


def write_rhythm_ablations(kept: Mapping[str, Any]) -> str:
    """Write the table of the rhythm head in Markdown, as `write_beat_ablations` does."""
    columns = {f"macro F1, {title}": _at(method, "macro_f1") for title, method in _METHODS.items()}
    columns |= {f"AFIB, {title}": _at(method, "afib_f1") for title, method in _METHODS.items()}
    columns |= {
        "macro F1, both, V not known": _at("both", "hidden_macro_f1"),
        "AFIB, both, V not known": _at("both", "hidden_afib_f1"),
        "AFIB of cinc2017, both": _at("both", "short_afib_f1"),
    }
    return _write(kept, "rhythm", columns)


def write_gate(kept: Mapping[str, Any]) -> str:
    """Write the table of S beats with and without the gate in Markdown; without rows where it was not scored."""
    lines = [["S beats of mitdb DS1", "F1", "sensitivity", "positive predictivity"], ["---"] * 4]
    for row in kept["lines"]:
        if "gate" in row["scores"]:
            for prefix, title in (("plain_", "as the classifier has them"), ("", "P(S) multiplied by 1 - P(AFIB)")):
                of = [row["scores"]["gate"][f"{prefix}s_{name}"] for name in _GATE]
                lines.append([title, *map(_share, of)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def is_beyond_chance(value: float, whole: Sequence[float]) -> bool:
    """Tell whether a score is further from those of all ingredients than these are from each other.

    Parameters
    ----------
    value : float
        Without an ingredient.
    whole : sequence of float
        With all of them, from several seeds.

    Returns
    -------
    bool
    """
    spread = max(whole) - min(whole)
    return not min(whole) - spread <= value <= max(whole) + spread


def _write(kept: Mapping[str, Any], part: str, columns: Mapping[str, Callable[[Row], float | None]]) -> str:
    rows = [row for row in kept["lines"] if row["part"] == part]
    whole = [row for row in rows if row["without"] == WHOLE]
    lines = [["without", "line", *columns], ["---"] * (2 + len(columns))]
    for row in rows:
        title = ", ".join([WHOLE, *row["set"]]).replace("seed=", "seed ") if row in whole else row["without"]
        cells = []
        for read in columns.values():
            value, others = read(row), [other for other in map(read, whole) if other is not None]
            is_bold = value is not None and row not in whole and is_beyond_chance(value, others)
            cells.append("–" if value is None else f"**{_share(value)}**" if is_bold else _share(value))
        lines.append([title, _command(row, kept), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _command(row: Row, kept: Mapping[str, Any]) -> str:
    if not row["set"]:
        return f"`{kept['line'] if row['without'] == WHOLE else kept['command']}`"
    return f'`{kept["line"]} SET="{" ".join(row["set"])}"`'


def _at(*keys: str) -> Callable[[Row], float | None]:
    def read(row: Row) -> float | None:
        value: Any = row["scores"]
        for key in keys:
            value = value.get(key) if value else None
        return value

    return read


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
