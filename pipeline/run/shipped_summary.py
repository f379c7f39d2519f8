"""The table of what was measured of the shipped models, from ``docs/results/real.json``."""

from collections.abc import Mapping
from typing import Any, Final

_RHYTHMS: Final = ("nsr", "afib", "sbr", "ab", "svta", "b")


def write_shipped_table(kept: Mapping[str, Any]) -> str:
    """Write the table in Markdown.

    Parameters
    ----------
    kept : mapping
        Content of ``docs/results/real.json``, as `pipeline.run.ship` writes it.

    Returns
    -------
    str
        A row for each question; corpora that were not scored have none.
    """
    rows: list[tuple[str, str, str, str]] = []
    ds2 = kept.get("mitdb_ds2", {})
    if "beats" in ds2:
        rows += _beat_rows(ds2["beats"])
    if "rhythm" in ds2:
        rows += _rhythm_rows(ds2["rhythm"])
    for key, data in (("cinc2017_held", "cinc2017, held half, one lead"), ("ptbxl", "ptbxl, twelve leads, 10 s")):
        if key in kept:
            rows += _record_rows(kept[key], f"{data}, {kept[key]['num_records']} records")
    about = {
        "ltafdb_labels_reference": "reference labels, **an oracle that contains the answer**",
        "ltafdb_labels_hidden": "no labels: RR intervals alone",
        "ltafdb_labels_drawn": "labels drawn from the confusion of the classifier, by annotated class: no S inside AF",
    }
    for key, given in about.items():
        if key in kept:
            text = f"macro F1 {_score(kept[key], 'macro_f1')}, AFIB {_score(kept[key], 'afib_f1')}"
            rows.append(("Rhythm of every annotated beat, six classes", "ltafdb, 9 test records", text, given))
    lines = ["| question | data | score (95 % interval) | beside it |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _beat_rows(of: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    data = "mitdb DS2, 22 test subjects"
    f1 = ", ".join(f"{name.upper()} {_score(of, f'{name}_f1')}" for name in "nsv")
    mean = f"mean S of records with ten or more {_share(of['mean_s_f1_of_records'])}"
    v = f"V: sensitivity {_share(of['v_sensitivity'])}, positive predictivity {_share(of['v_positive_predictivity'])}"
    return [
        ("Class of every beat, F1", data, f1, v),
        ("The same without record 232", data, f"S {_score(of, 's_f1_without_232')}", mean),
    ]


def _rhythm_rows(of: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    data = "mitdb DS2, 22 test subjects"
    by_class = ", ".join(f"{name.upper()} {_share(of[f'{name}_f1'])}" for name in _RHYTHMS if f"{name}_f1" in of)
    macro = f"macro F1 {_score(of, 'macro_f1')}, without record 232 {_score(of, 'macro_f1_without_232')}"
    names = (("sensitivity", "af_duration_sensitivity"), ("positive predictivity", "af_duration_positive_predictivity"))
    af = ", ".join(f"{name} {_score(of, key)}" for name, key in names)
    return [
        ("Rhythm of every beat, six classes", data, macro, by_class),
        ("Time in atrial fibrillation", data, af, ""),
    ]


def _record_rows(of: Mapping[str, Any], data: str) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, key in (
        ("Atrial fibrillation against all others, AUROC", "af_auroc"),
        ("The same against normal", "a_vs_n_auroc"),
    ):
        plain = f"RR irregularity {_share(of[f'{key}_rr_irregular'])}, RR trees {_share(of[f'{key}_rr_trees'])}"
        rows.append((name, data, _score(of, key), plain))
    rule = f"sensitivity {_score(of, 'af_rule_sensitivity')}, specificity {_score(of, 'af_rule_specificity')}"
    rows.append(("Atrial fibrillation by the predicted rhythm", data, rule, f"F1 {_share(of['af_rule_f1'])}"))
    called = ["–" if of[key] is None else f"{100 * of[key]:.2f}" for key in _bounds("ectopic_share_normal")]
    text = f"**{called[0]} %** ({called[1]} to {called[2]} %)"
    return [*rows, ("Beats called S or V in normal records", data, text, "")]


def _bounds(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def _score(of: Mapping[str, Any], name: str) -> str:
    value, low, high = (_share(of[key]) for key in _bounds(name))
    return f"**{value}**" + (f" ({low} to {high})" if low != "–" else "")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".removeprefix("0")
