"""The page of the arena: every model on every corpus under one protocol, from ``reports/arena.json`` alone.

Layout of the file, version 1. A value that is null or absent is written as a dash with its reason::

    schema    "ecgfeat.arena"
    version   1
    oracles   {rpeaks, history, episodes: bool}, of the rhythm corpora
    machine   {threads: int, device: str or null, corpus: slug, optional}: threads of the CPU timings, name of the
              GPU, the corpus of the training that parameters, size and times belong to
    notes     [str], optional: sentences for the end of the page
    order     {models: [name], corpora: [slug]}, optional: order on the page, which sorted keys do not keep
    corpora   {slug: {title, kind: "rhythm" or "diagnostic", protocols: [str] or task: "single" or "multi",
              classes: [str], scored: [str], optional: classes of the mean, records: int, subjects: int, split: str,
              unit: "records", "windows" ..., leads: [str], optional: leads of the model, signals: "measured",
              "simulated" or "rendered"}}
    models    {name: {title, command, parameters, published_parameters, size_bytes, training_s, ms_per_record_cpu,
              ms_per_record_gpu, int8: {size_bytes, float_size_bytes, ms_per_record_cpu, float_ms_per_record_cpu,
              corpus, macro_f1, same_call} or null, left_out: {what: why}}}
    costs     {slug: {model: {parameters, training_s, ms_per_record_cpu, ms_per_record_gpu, left_out}}}, optional: of
              the models of a cross-validation; training of all folds together
    scores    {slug: {model: {view: score}}}, view one of single, tta7, timeline

A score is what `ecgfeat.scoring.diagnosis.diagnosis_scores` or `ecgfeat.scoring.units.rhythm_scores` returns: at least
``macro_f1, f1, support, subjects`` and, where there are any, ``interval`` and the other overall scores. A key of
``left_out`` is a corpus (``ptbxl``), a corpus and a view (``mitdb.timeline``) or a field of the model (``training_s``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ecgfeat.errors import DataError
from ecgfeat.report.drawings.style import MUTED, SERIES, STYLE
from ecgfeat.report.pictures import Picture, make_picture
from ecgfeat.report.results.inputs import SIGNAL_KINDS
from ecgfeat.report.tables.arena import (
    ARENA_VIEWS,
    arena_corpus_sheet,
    bound_of,
    class_sheets,
    fold_cost_sheet,
    glance_sheet,
    int8_sheet,
    left_out_sheet,
    model_sheet,
    narrow_models,
    number_sheet,
    views_of,
)
from ecgfeat.report.tables.sheet import Tag, oracle_names, oracle_tags
from ecgfeat.report.templates import load_template

Scores = Mapping[str, tuple[float, float | None, float | None]]
"""Macro F1 of each model, and the ends of its interval."""
MAX_COLUMNS = 3


def plot_arena(
    panels: Mapping[str, Mapping[str, Scores]], models: Sequence[str], *, left_out: Mapping[str, Sequence[str]]
) -> Figure:
    """Draw a panel for each corpus, a row for each model, a dot with its 95 % interval for each view.

    Parameters
    ----------
    panels : mapping of str to mapping of str to Scores
        Title of each panel, the views it shows, and the scores of the models that have one.
    models : sequence of str
        Models from top to bottom.
    left_out : mapping of str to sequence of str
        Models of each panel that were not run; their row is marked so.

    Returns
    -------
    Figure
        The figure.
    """
    columns = max(min(len(panels), MAX_COLUMNS), 1)
    rows = max(-(-len(panels) // columns), 1)
    views = list(dict.fromkeys(view for of in panels.values() for view in of))
    height = 0.95 + 0.42 * len(models)
    names_in = max(1.3, 0.3 + 0.085 * max(map(len, models), default=0))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(names_in + 3.0 * columns, rows * height), layout="constrained")
        grid = np.atleast_2d(figure.subplots(rows, columns, sharey=True, squeeze=False))
        offsets = np.linspace(-0.2, 0.2, len(views)) if len(views) > 1 else np.zeros(len(views))
        for number, axis in enumerate(grid.ravel()):
            if number >= len(panels):
                axis.set_visible(False)
                continue
            title = list(panels)[number]
            for view, of in panels[title].items():
                at = views.index(view)
                colour = SERIES[at]
                for row, model in enumerate(models):
                    if model not in of:
                        continue
                    value, low, high = of[model]
                    if low is not None and high is not None:
                        axis.plot([low, high], [row + offsets[at]] * 2, color=colour, linewidth=1.8)
                    # A score without an interval is a hollow dot.
                    face = "white" if low is None else colour
                    axis.plot([value], [row + offsets[at]], "o", markersize=5.5, color=colour, markerfacecolor=face)
            for row, model in enumerate(models):
                if model in left_out.get(title, ()):
                    axis.text(0.5, row, "not run", color=MUTED, fontsize=8, ha="center", va="center")
            axis.set(xlim=(-0.01, 1.01), ylim=(len(models) - 0.5, -0.5), xlabel="macro F1")
            axis.set_title(title)
            axis.set_yticks(range(len(models)), list(models))
            axis.grid(axis="x")
            axis.hlines(np.arange(len(models) - 1) + 0.5, 0, 1, color=STYLE["grid.color"], linewidth=0.6)
            axis.tick_params(axis="y", length=0)
            axis.spines["left"].set_visible(False)
        handles = [
            matplotlib.lines.Line2D([], [], marker="o", markersize=5.5, color=SERIES[at], label=view)
            for at, view in enumerate(views)
        ]
        if handles:
            figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


SCHEMA, VERSION = "ecgfeat.arena", 1


def arena_page(arena: dict[str, Any]) -> str:
    """Write the page of the arena.

    Parameters
    ----------
    arena : dict
        Content of ``reports/arena.json``, in the layout above.

    Returns
    -------
    str
        An HTML document without external resources, time or host name. Equal content gives equal bytes.

    Raises
    ------
    DataError
        If the content has another schema or version, or scores of a corpus or model that it does not describe.
    """
    _check(arena)
    arena = arena | {part: _in_order(arena, part) for part in ("models", "corpora")}
    corpora = arena["corpora"]
    has_rhythm = any(corpus["kind"] == "rhythm" for corpus in corpora.values())
    cautions = [
        Tag(f"{slug}: {SIGNAL_KINDS[corpus['signals']]}", "caution")
        for slug, corpus in corpora.items()
        if corpus.get("signals", "measured") != "measured"
    ]
    details = [
        {
            "slug": slug,
            "title": corpus.get("title", slug),
            "sheets": class_sheets(arena, slug),
            "numbers": number_sheet(arena, slug),
            "costs": fold_cost_sheet(arena, slug),
        }
        for slug, corpus in corpora.items()
    ]
    left_out = left_out_sheet(arena)
    links = {"glance": "At a glance", "corpora": "Corpora"}
    links |= {str(of["slug"]): str(of["slug"]) for of in details if of["sheets"]}
    links |= {"models": "Models", **({"left-out": "Missing values"} if left_out else {}), "limits": "Limits"}
    return load_template("arena.html").render(
        arena=arena,
        links=links,
        notes=arena.get("notes") or [],
        tags=(oracle_tags(arena["oracles"]) if has_rhythm else []) + cautions,
        has_rhythm=has_rhythm,
        oracles_on=oracle_names(arena["oracles"]) if has_rhythm else [],
        cautions=cautions,
        narrow=narrow_models(arena),
        glance=glance_sheet(arena),
        picture=_picture(arena),
        corpora=arena_corpus_sheet(arena),
        details=details,
        models=model_sheet(arena),
        int8=int8_sheet(arena),
        left_out=left_out,
    )


def _check(arena: dict[str, Any]) -> None:
    schema, version = arena.get("schema"), arena.get("version")
    if (schema, version) != (SCHEMA, VERSION):
        raise DataError("reports/arena.json", found=f"schema {schema} {version}", expected=f"{SCHEMA} {VERSION}")
    for slug, models in arena["scores"].items():
        if slug not in arena["corpora"]:
            raise DataError("reports/arena.json", found=f"scores of {slug}", expected="a corpus it describes")
        for name in models:
            if name not in arena["models"]:
                raise DataError(
                    "reports/arena.json", found=f"{slug}: scores of {name}", expected="a model it describes"
                )


def _in_order(arena: dict[str, Any], part: str) -> dict[str, Any]:
    """Sort the models or corpora as the file orders them; others follow."""
    ordered = [name for name in (arena.get("order") or {}).get(part, ()) if name in arena[part]]
    return {name: arena[part][name] for name in dict.fromkeys([*ordered, *arena[part]])}


def arena_panels(arena: dict[str, Any]) -> dict[str, dict[str, Scores]]:
    """Return the content of the picture: by corpus and view (in words), macro F1 with its interval by model."""
    panels: dict[str, dict[str, Scores]] = {}
    for slug in arena["corpora"]:
        panels[slug] = {}
        for view in views_of(arena, slug):
            of: dict[str, tuple[float, float | None, float | None]] = {}
            for name in arena["models"]:
                score = arena["scores"][slug].get(name, {}).get(view)
                if score and score.get("macro_f1") is not None:
                    bound = bound_of(score)
                    ends = (bound["low"], bound["high"]) if bound else (None, None)
                    of[name] = (float(score["macro_f1"]), *ends)
            panels[slug][ARENA_VIEWS[view]] = of
    return panels


def _picture(arena: dict[str, Any]) -> Picture | None:
    panels = {slug: of for slug, of in arena_panels(arena).items() if any(of.values())}
    if not panels:
        return None
    models = list(arena["models"])
    left_out = {
        slug: [name for name in models if not any(name in scores for scores in of.values())]
        for slug, of in panels.items()
    }
    alt = "Macro F1 of " + "; ".join(
        f"{slug}, {view}: " + ", ".join(f"{name} {score[0]:.3f}" for name, score in scores.items())
        for slug, of in panels.items()
        for view, scores in of.items()
    )
    caption = "Macro F1 with 95 % intervals over subjects; a hollow dot has none."
    return make_picture(plot_arena(panels, models, left_out=left_out), alt, caption, is_wide=True)
