"""The page of the arena: every model on every corpus under one protocol, from ``reports/arena.json`` alone.

Layout of the file, version 1; a value that is null or absent is written as a dash with its reason::

    schema    "ecgfeat.arena"
    version   1
    oracles   {rpeaks, history, episodes: bool}, of the rhythm corpora
    machine   {threads: int, device: str or null, corpus: slug, optional}: threads of the CPU timings, name of the
              GPU, the corpus whose training is told of in parameters, size and times
    notes     [str], optional: sentences for the end of the page
    order     {models: [name], corpora: [slug]}, optional: order on the page, which sorted keys do not keep
    corpora   {slug: {title, kind: "rhythm" or "diagnostic", protocols: [str] or task: "single" or "multi",
              classes: [str], scored: [str], optional: those of the mean, records: int, subjects: int, split: str,
              unit: "records", "windows" ..., leads: [str], optional: those shown, signals: "measured", "simulated" or
              "rendered"}}
    models    {name: {title, command, parameters, published_parameters, size_bytes, training_s, ms_per_record_cpu,
              ms_per_record_gpu, int8: {size_bytes, float_size_bytes, ms_per_record_cpu, float_ms_per_record_cpu,
              corpus, macro_f1, same_call} or null, left_out: {what: why}}}
    costs     {slug: {model: {parameters, training_s, ms_per_record_cpu, ms_per_record_gpu, left_out}}}, optional: of
              the models of a cross-validation; training of all folds together
    scores    {slug: {model: {view: score}}}, view one of single, tta7, timeline

A score is what `ecgfeat.scoring.diagnosis.diagnosis_scores` or `ecgfeat.scoring.units.rhythm_scores` returns: at least
``macro_f1, f1, support, subjects`` and, where there are any, ``interval`` and the other overall scores. What was left
out is named by a corpus (``ptbxl``), a corpus and a view (``mitdb.timeline``) or a field of the model (``training_s``).
"""

from typing import Any

from ecgfeat.errors import DataError
from ecgfeat.report.arena_costs import fold_cost_sheet, int8_sheet, model_sheet, narrow_models
from ecgfeat.report.arena_plot import Scores, plot_arena
from ecgfeat.report.arena_tables import (
    ARENA_VIEWS,
    arena_corpus_sheet,
    bound_of,
    class_sheets,
    glance_sheet,
    left_out_sheet,
    number_sheet,
    views_of,
)
from ecgfeat.report.inputs import SIGNAL_KINDS
from ecgfeat.report.pictures import Picture, make_picture
from ecgfeat.report.sheet import Tag, oracle_names, oracle_tags
from ecgfeat.report.template import load_template

SCHEMA, VERSION = "ecgfeat.arena", 1


def arena_page(arena: dict[str, Any]) -> str:
    """Write the page of the arena.

    Parameters
    ----------
    arena : dict
        Content of ``reports/arena.json``, laid out as this module says.

    Returns
    -------
    str
        An HTML document without any external resource, time or host name; the same for the same content.

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
    return load_template("arena.html").render(
        arena=arena,
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
        left_out=left_out_sheet(arena),
    )


def _check(arena: dict[str, Any]) -> None:
    found = arena.get("schema"), arena.get("version")
    if found != (SCHEMA, VERSION):
        raise DataError("reports/arena.json", found=f"schema {found[0]} {found[1]}", expected=f"{SCHEMA} {VERSION}")
    for slug, models in arena["scores"].items():
        if slug not in arena["corpora"]:
            raise DataError("reports/arena.json", found=f"scores of {slug}", expected="a corpus it describes")
        for name in models:
            if name not in arena["models"]:
                raise DataError(
                    "reports/arena.json", found=f"{slug}: scores of {name}", expected="a model it describes"
                )


def _in_order(arena: dict[str, Any], part: str) -> dict[str, Any]:
    """Put the models or corpora that the file orders first, in that order."""
    wanted = [name for name in (arena.get("order") or {}).get(part, ()) if name in arena[part]]
    return {name: arena[part][name] for name in dict.fromkeys([*wanted, *arena[part]])}


def arena_panels(arena: dict[str, Any]) -> dict[str, dict[str, Scores]]:
    """Return what the picture shows: corpus, view in words, and macro F1 with its interval by model."""
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
