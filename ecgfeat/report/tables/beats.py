"""Tables of R-peaks and beat classes: detectors, classes counted both ways, runs, effect of the label history."""

from collections.abc import Mapping
from typing import Any

from ecgfeat.report.results.choice import HISTORY_ORDER, ranked
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.tables.sheet import (
    CHANGE,
    DASH,
    PERCENT,
    SCORE,
    Cell,
    Sheet,
    Tag,
    corpus_tags,
    oracle_tags,
    signal_tags,
    whole,
)
from ecgfeat.scoring.intervals import MIN_SUBJECTS
from ecgfeat.scoring.runs import RUN_LENGTHS
from ecgfeat.store.schemas import BEAT_CLASSES

AAMI_MAPS = {"dechazal": "e and j are N", "ec57": "e and j are S"}
_HISTORY_TEXTS = {"predicted": "predicted by the model", "none": "not used", "oracle": "annotated"}
_BXB_NOTE = (
    "Se: sensitivity; +P: positive predictivity. “plain” counts every wrong class as an error. “bxb” counts as EC57 "
    "requires: a fusion or unclassifiable beat predicted as V is no error, nor is an unclassifiable beat predicted as "
    "S or N. FPR (false-positive rate): share of the beats of other classes that were predicted as this class. “After "
    "5 min” is without the first five minutes of each record and without ventricular flutter, as in EC57."
)


def rpeak_sheet(inputs: ReportInputs) -> Sheet:
    """Tabulate the R-peak scores of every detector on every corpus."""
    rows = []
    for corpus, chosen in inputs.metrics["rpeaks"].items():
        for name, scores in chosen["detectors"].items():
            used = all(scores.get(key) == chosen.get(key) for key in ("true_positives", "false_positives"))
            many = len(chosen["detectors"]) > 1
            cells = [Cell(f"{name} (used)" if used and many else name, f"{corpus}, {scores['num_records']} records")]
            for suffix in ("", "_after_5min"):
                for key in ("sensitivity", "positive_predictivity", "f1"):
                    bound = scores.get("interval", {}).get(f"{key}{suffix}")
                    cells.append(PERCENT.cell(scores.get(f"{key}{suffix}"), bound))
            cells += [
                PERCENT.cell(scores.get(f"{key}_record_mean")) for key in ("sensitivity", "positive_predictivity")
            ]
            offset_ms = scores.get("offset_ms")
            cells.append(Cell(DASH if offset_ms is None else f"{offset_ms:+.1f}"))
            cells.append(Cell(usable_time(scores) or DASH))
            rows.append(cells)
    head: list[str | Cell] = ["detector", *(Cell(score, "whole record") for score in ("Se", "+P", "F1"))]
    head += [Cell(score, "after 5 min") for score in ("Se", "+P", "F1")]
    head += [Cell(score, "mean record") for score in ("Se", "+P")]
    note = (
        "Se: sensitivity; +P: positive predictivity. In %, gross over all beats. R-peaks are matched one to one within "
        "150 ms, inclusive (EC57). “After 5 min” is without the first five minutes (learning period). “Mean record” is "
        "the mean over records. Under the scores: 95 % interval over subjects; no interval for fewer than "
        f"{MIN_SUBJECTS} subjects. Offset: median of detected minus annotated position. "
        "Usable: time in which some lead is usable for 10 s or more; beats and rhythms are scored there alone, R-peaks "
        "throughout."
    )
    return Sheet(
        "R-peaks against the reference beats",
        [*head, "offset (ms)", "usable"],
        rows,
        _rpeak_tags(inputs) + signal_tags(inputs.corpora),
        note,
    )


def usable_time(scores: Mapping[str, Any]) -> str:
    """Write the usable time of a corpus, such as ``23.1 of 24.0 h``; empty where it is not known."""
    if scores.get("usable_h") is None or scores.get("duration_h") is None:
        return ""
    unit, per_h = ("h", 1) if scores["duration_h"] >= 1 else ("min", 60)
    return f"{per_h * scores['usable_h']:.1f} of {per_h * scores['duration_h']:.1f} {unit}"


def _rpeak_tags(inputs: ReportInputs) -> list[Tag]:
    """Return the only switch of a detector: it uses neither labels nor episodes."""
    return oracle_tags({**inputs.metrics["oracles"], "history": False, "episodes": False})[:1]


def beat_sheets(corpus: str, scores: Mapping[str, Any], inputs: ReportInputs) -> tuple[list[Sheet], list[Sheet]]:
    """Tabulate the beat classes of a corpus.

    Returns
    -------
    unfolded : list of Sheet
        Classes and runs with the history of the headline, and the effect of the history.
    folded : list of Sheet
        The same tables with every other history.
    """
    histories = ranked(scores, HISTORY_ORDER)
    unfolded: list[Sheet] = []
    folded: list[Sheet] = []
    for history in histories:
        runs = _run_sheet(corpus, scores[history], history, inputs)
        into = unfolded if history == histories[0] else folded
        into += [_class_sheet(corpus, scores[history], history, inputs), *([runs] if runs else [])]
    if len(histories) > 1:
        unfolded.append(_gap_sheet(corpus, scores, inputs))
    return unfolded, folded


def _beat_tags(corpus: str, history: str, inputs: ReportInputs) -> list[Tag]:
    oracles = {**inputs.metrics["oracles"], "episodes": False}
    return oracle_tags(oracles, history=history) + corpus_tags(inputs.corpora, corpus)


def _map_note(inputs: ReportInputs) -> str:
    """Return a sentence on the AAMI map of this run."""
    name = str(inputs.params.get("annotate.aami", ""))
    return f" AAMI map: {name} ({AAMI_MAPS[name]})." if name in AAMI_MAPS else ""


def _class_sheet(corpus: str, of: Mapping[str, Any], history: str, inputs: ReportInputs) -> Sheet:
    """Tabulate the classes, whole records above and those after five minutes below, plain counting beside bxb's."""
    scopes = {"whole record": of} | ({"after 5 min": of["after_5min"]} if of.get("after_5min") else {})
    rows = []
    for name in BEAT_CLASSES:
        c = name.lower()
        for scope, tree in scopes.items():
            subjects = tree.get(f"{c}_subjects", of[f"{c}_subjects"])
            too_few = subjects < MIN_SUBJECTS
            cells = [Cell(name), Cell(scope), Cell(whole(tree[f"{c}_support"])), Cell(str(subjects))]
            for counting, numbers in (("plain", tree), ("bxb", tree.get("bxb", {}))):
                bound = None if too_few else numbers.get("interval", {}).get(f"{c}_f1")
                value = numbers.get(f"{c}_f1") if tree[f"{c}_support"] else None
                f1 = SCORE.cell(value, bound, "strong" if counting == "plain" else "")
                cells.append(Cell(f1.main, "not estimable", "weak") if too_few and counting == "plain" else f1)
                for key in ("sensitivity", "positive_predictivity"):
                    cells.append(SCORE.cell(numbers.get(f"{c}_{key}")))
                cells.append(PERCENT.cell(numbers.get(f"{c}_false_positive_rate")))
            rows.append(cells)
    scores = ("F1", "Se", "+P", "FPR (%)")
    return Sheet(
        f"{corpus}: beat classes on the test records, labels of the preceding beats "
        f"{_HISTORY_TEXTS.get(history, history)}",
        ["class", "scope", "beats", "subjects", *(Cell(s, counting) for counting in ("plain", "bxb") for s in scores)],
        rows,
        _beat_tags(corpus, history, inputs),
        f"{_BXB_NOTE}{_map_note(inputs)}",
        num_text=2,
    )


def _run_sheet(corpus: str, of: Mapping[str, Any], history: str, inputs: ReportInputs) -> Sheet | None:
    """Tabulate runs of ectopic beats by length; None without any."""
    whole_record, later = of.get("runs", {}), of.get("after_5min", {}).get("runs", {})
    rows = []
    for name in ranked(whole_record, ("v", "s")):
        for kind in ranked(whole_record[name], tuple(RUN_LENGTHS)):
            cells = [Cell({"v": "VEB", "s": "SVEB"}.get(name, name)), Cell(kind.replace("_", " "))]
            for tree in (whole_record[name][kind], later.get(name, {}).get(kind, {})):
                counts = [tree.get(f"num_{side}_runs") for side in ("reference", "predicted")]
                cells += [Cell(DASH if number is None else whole(number)) for number in counts]
                cells += [SCORE.cell(tree.get(key)) for key in ("sensitivity", "positive_predictivity")]
            rows.append(cells)
    scopes = ("whole record", "after 5 min")
    labels = [Cell(name, scope) for scope in scopes for name in ("reference", "predicted", "Se", "+P")]
    note = (
        "Couplets: 2 consecutive beats; short runs: 3 to 5; long runs: 6 or more. A run is detected if the other side "
        "(reference or predicted) has a run of that length between 150 ms before its first beat and 150 ms after its "
        "last beat (EC57). A fusion beat is part of a ventricular run."
    )
    caption = f"{corpus}: runs of ectopic beats, labels of the preceding beats {_HISTORY_TEXTS.get(history, history)}"
    tags = _beat_tags(corpus, history, inputs)
    return Sheet(caption, ["beats", "run", *labels], rows, tags, note, num_text=2) if rows else None


def _gap_sheet(corpus: str, scores: Mapping[str, Any], inputs: ReportInputs) -> Sheet:
    """Show the effect of the labels of the preceding beats: annotated, predicted, none."""
    order = [name for name in ("oracle", "predicted", "none") if name in scores]
    base = "oracle" if "oracle" in scores else order[0]
    rows = []
    for name in BEAT_CLASSES:
        key = f"{name.lower()}_f1"
        cells = [Cell(name), Cell(whole(scores[base][f"{name.lower()}_support"]))]
        for history in order:
            value, against = scores[history][key], scores[base][key]
            has_change = value is not None and against is not None and history != base
            cells.append(Cell(SCORE.write(value), CHANGE.write(value - against) if has_change else ""))
        rows.append(cells)
    tags = [Tag("history: see columns", "oracle" if "oracle" in order else "off")]
    return Sheet(
        f"{corpus}: effect of the labels of the preceding beats, F1",
        ["class", "beats", *(Cell("history", name) for name in order)],
        rows,
        _rpeak_tags(inputs) + tags + corpus_tags(inputs.corpora, corpus),
        "Under the score: difference to history oracle, which uses the reference labels." if base == "oracle" else "",
    )
