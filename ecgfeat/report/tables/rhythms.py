"""Tables of the rhythm scores: heads side by side, classes, the timeline by beat and by second, episodes, records."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecgfeat.report.results.choice import HEAD_ORDER, UNITS, VIEW_TITLES, main_view, ranked, scored_classes
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.results.per_record import RecordResult
from ecgfeat.report.tables.sheet import (
    DASH,
    PERCENT,
    SCORE,
    Cell,
    Sheet,
    class_f1_cell,
    class_head,
    corpus_tags,
    duration,
    oracle_tags,
    people,
    protocol_oracles,
    signal_tags,
    whole,
)
from ecgfeat.scoring.calibration import NUM_BINS
from ecgfeat.scoring.intervals import MIN_SUBJECTS

OVERALL = {"macro_f1": "macro F1", "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
EPISODE_SCORES = (
    "episode_sensitivity",
    "episode_positive_predictivity",
    "duration_sensitivity",
    "duration_positive_predictivity",
)
EPISODE_NOTE = (
    "An episode ends where another rhythm begins. It is detected if any part of it overlaps an episode of the same "
    "rhythm on the other side (reference or predicted), as in epicmp. Se: sensitivity; +P: positive predictivity. "
    "There are no intervals, because episodes are not resampled."
)


def heads_sheet(
    corpus: str,
    protocol: str,
    heads: Mapping[str, Any],
    inputs: ReportInputs,
    caption: str = "",
    *,
    has_note: bool = True,
) -> Sheet:
    """Put all heads of a protocol side by side.

    Parameters
    ----------
    corpus, protocol : str
        Corpus and protocol of the scores.
    heads : mapping
        By head and view: the scores of one protocol.
    inputs : ReportInputs
        Gives the oracles and the kind of the signals.
    caption : str, optional
        Caption; by default: heads side by side.
    has_note : bool, default True
        Whether a note under the table explains the columns.
    """
    order = ranked(heads, HEAD_ORDER)
    # All heads are scored on the same units. The counts are those of one view: views are not further units.
    counts = max((heads[head][main_view(heads[head])] for head in order), key=lambda of: len(of["support"]))
    names = [name for name in scored_classes(counts) if counts["support"][name]]
    rows = []
    for head in order:
        views = heads[head]
        main = views[main_view(views)]
        cells = [Cell(head, "" if "tta7" in views else "single view only")]
        for view in ("single", "tta7"):
            of = views.get(view, {})
            cells.append(SCORE.cell(of.get("macro_f1"), of.get("interval", {}).get("macro_f1"), "strong"))
        cells.append(SCORE.cell(main["accuracy"], main.get("interval", {}).get("accuracy")))
        for name in names:
            few = counts["subjects"][name] < MIN_SUBJECTS
            cells.append(SCORE.cell(main["f1"].get(name), None, "weak" if few else ""))
        rows.append(cells)
    unit = UNITS.get(protocol, "units")
    head_row: list[str | Cell] = [
        "head",
        Cell("macro\u00a0F1", "single\u00a0view"),
        Cell("macro\u00a0F1", "TTA-7"),
        "accuracy",
    ]
    head_row += [class_head(f"{name}", counts, unit) for name in names]
    note = (
        "TTA-7 is the mean over seven views of the input (test-time augmentation). It needs seven passes through the "
        "network, a single view one. Views do not count as further units. Accuracy and the F1 of each class are those "
        "of TTA-7 if the head has it. Macro F1 is the mean over the classes that occur in the reference. Under a "
        f"score: 95 % interval over subjects. A class of fewer than {MIN_SUBJECTS} subjects is not estimable and has "
        "no interval. Baselines: majority class, rules on RR intervals, logistic regression on RR features."
    )
    return Sheet(
        caption or f"{corpus}, {protocol} protocol: heads side by side",
        head_row,
        rows,
        oracle_tags(protocol_oracles(inputs.metrics, protocol)) + corpus_tags(inputs.corpora, corpus),
        note if has_note else "",
    )


def class_sheet(corpus: str, head: str, protocol: str, views: Mapping[str, Any], inputs: ReportInputs) -> Sheet:
    """Tabulate the rhythm classes of one head under one protocol, its views side by side."""
    names = ranked([view for view in views if view in VIEW_TITLES], tuple(VIEW_TITLES))
    first = views[names[0]]
    rows = []
    for name in scored_classes(first):
        time = duration(3600 * first["hours"][name])
        cells = [Cell(name, people(first["subjects"][name])), Cell(whole(first["support"][name]), time)]
        for view in names:
            cells.append(class_f1_cell(views[view], name, first))
            cells += [SCORE.cell(views[view][key].get(name)) for key in ("sensitivity", "positive_predictivity")]
        rows.append(cells)
    time = duration(3600 * sum(first["hours"].values()))
    for key, text in OVERALL.items():
        counts = Cell(whole(first["num_units"]), time) if key == "macro_f1" else Cell("")
        cells = [Cell(text, people(first["num_subjects"]) if key == "macro_f1" else ""), counts]
        for view in names:
            cells += [_overall(views[view], key), Cell(""), Cell("")]
        rows.append(cells)
    unit = UNITS.get(protocol, "units")
    outside = f" {whole(first['num_outside'])} {unit} of other rhythms are not scored." if first["num_outside"] else ""
    note = (
        f"Se: sensitivity; +P: positive predictivity. A class of fewer than {MIN_SUBJECTS} subjects is not estimable: "
        f"its score may not hold for other subjects, and it has no interval.{outside}"
    )
    labels = [Cell(score, VIEW_TITLES[view]) for view in names for score in ("F1", "Se", "+P")]
    return Sheet(
        f"{corpus}: {head}, {protocol} protocol, per class",
        ["class", unit, *labels],
        rows,
        oracle_tags(protocol_oracles(inputs.metrics, protocol)) + corpus_tags(inputs.corpora, corpus),
        note,
    )


def _overall(of: Mapping[str, Any], key: str) -> Cell:
    return SCORE.cell(of.get(key), of.get("interval", {}).get(key), "strong")


def second_sheet(corpus: str, head: str, views: Mapping[str, Any], inputs: ReportInputs) -> Sheet | None:
    """Tabulate a timeline by beat and by second, unsmoothed and smoothed; None without scores by second."""
    names = [view for view in ranked(views, tuple(VIEW_TITLES)) if view in VIEW_TITLES and "per_second" in views[view]]
    if not names:
        return None
    first = views[names[0]]
    scopes = [(scope, view) for scope in ("beat", "second") for view in names]
    trees = [views[view] if scope == "beat" else views[view]["per_second"] for scope, view in scopes]
    rows = []
    for name in scored_classes(first):
        if not first["support"][name] and not first["hours"][name]:
            continue
        cells = [Cell(name, people(first["subjects"][name])), Cell(whole(first["support"][name]))]
        cells.append(Cell(duration(3600 * first["hours"][name])))
        rows.append([*cells, *(class_f1_cell(of, name, first) for of in trees)])
    for key, text in OVERALL.items():
        rows.append([Cell(text), Cell(""), Cell(""), *(_overall(of, key) for of in trees)])
    note = (
        "Per beat: every R-peak counts once. Per second: a beat counts by its duration, from its P wave to the P wave "
        "of the next beat. Single view and TTA-7 give each beat its most probable rhythm. "
        + ("“Smoothed” takes the most probable path through the whole record (Viterbi). " if "viterbi" in names else "")
        + f"A class of fewer than {MIN_SUBJECTS} subjects is not estimable."
    )
    return Sheet(
        f"{corpus}: {head}, F1 per beat and per second",
        ["class", "beats", "time", *(Cell(f"per {scope}", VIEW_TITLES[view]) for scope, view in scopes)],
        rows,
        oracle_tags(protocol_oracles(inputs.metrics, "timeline")) + corpus_tags(inputs.corpora, corpus),
        note,
    )


def episode_sheet(corpus: str, head: str, views: Mapping[str, Any], inputs: ReportInputs) -> Sheet | None:
    """Tabulate the episodes of each rhythm as epicmp does; None for scores without episodes."""
    names = [view for view in dict.fromkeys((main_view(views), "viterbi")) if views.get(view, {}).get("episodes")]
    if not names:
        return None
    first = views[names[0]]
    rows = []
    for name in [name for name in scored_classes(first) if name in first["episodes"]]:
        for view in names:
            of = views[view]["episodes"][name]
            subjects = first["subjects"][name]
            style, marked = ("weak", "not estimable" if subjects else "absent") if subjects < MIN_SUBJECTS else ("", "")
            cells = [Cell(name, people(first["subjects"][name])), Cell(VIEW_TITLES[view], marked)]
            cells += [Cell(whole(of[f"num_{side}_episodes"])) for side in ("reference", "predicted")]
            rows.append([*cells, *(SCORE.cell(of.get(key), None, style) for key in EPISODE_SCORES)])
    return Sheet(
        f"{corpus}: {head}, episodes of each rhythm",
        ["class", "view", *(Cell("episodes", side) for side in ("reference", "predicted")), *_episode_heads()],
        rows,
        oracle_tags(protocol_oracles(inputs.metrics, "timeline")) + corpus_tags(inputs.corpora, corpus),
        EPISODE_NOTE,
        num_text=2,
    )


def _episode_heads() -> list[Cell]:
    return [Cell("episode Se"), Cell("episode +P"), Cell("duration Se"), Cell("duration +P")]


def af_sheet(protocol: str, inputs: ReportInputs) -> Sheet | None:
    """Tabulate AF episodes and burden of all heads; None for a protocol that does not cover whole records."""
    rows = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        for head in ranked(heads, HEAD_ORDER):
            views = heads[head].get(protocol, {})
            for view in ranked(views, tuple(VIEW_TITLES)):
                af = views[view].get("af")
                if view not in VIEW_TITLES or not af:
                    continue
                cells = [Cell(head, corpus), Cell(VIEW_TITLES[view])]
                cells += [Cell(whole(af[f"num_{side}_episodes"])) for side in ("reference", "predicted")]
                cells += [SCORE.cell(af.get(key)) for key in EPISODE_SCORES]
                rows.append([*cells, PERCENT.cell(af["burden_error"])])
    if not rows:
        return None
    note = (
        f"{EPISODE_NOTE} Time in atrial flutter does not count for the positive predictivity. “Burden error”: absolute "
        "difference in the share of time in AF, mean over records, in percentage points."
    )
    return Sheet(
        f"Atrial fibrillation, {protocol} protocol: episodes and burden",
        ["head", "view", *(Cell("episodes", s) for s in ("reference", "predicted")), *_episode_heads(), "burden error"],
        rows,
        oracle_tags(protocol_oracles(inputs.metrics, protocol)) + signal_tags(inputs.corpora),
        note,
        num_text=2,
    )


def calibration_sheet(protocol: str, inputs: ReportInputs, *, has_note: bool = True) -> Sheet | None:
    """Tabulate calibration error and Brier score of every head under a protocol; None without any."""
    rows = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        for head in ranked(heads, HEAD_ORDER):
            views = heads[head].get(protocol, {})
            if views:
                of_views = [views.get(view, {}) for view in ("single", "tta7")]
                numbers = [SCORE.cell(of.get(key)) for key in ("ece", "brier") for of in of_views]
                rows.append([Cell(head, corpus), *numbers])
    labels = [Cell(key, VIEW_TITLES[view]) for key in ("ECE", "Brier") for view in ("single", "tta7")]
    note = (
        f"ECE: expected calibration error over {NUM_BINS} bins; 0 is perfect. Brier: squared distance to the "
        "reference, summed over the classes; 0 is perfect, 2 is the worst."
    )
    tags = oracle_tags(protocol_oracles(inputs.metrics, protocol)) + signal_tags(inputs.corpora)
    return (
        Sheet(f"Calibration, {protocol} protocol", ["head", *labels], rows, tags, note if has_note else "")
        if rows
        else None
    )


def record_sheet(
    results: Sequence[RecordResult],
    caption: str,
    inputs: ReportInputs,
    protocol: str | None,
    strips: Mapping[tuple[str, str], str],
) -> Sheet:
    """Tabulate records, in the order given; the name of a record leads to its strip, by corpus and record, if any."""
    rows = []
    for of in results:
        cells = [Cell(of.record, of.corpus, leads_to=strips.get((of.corpus, of.record), "")), Cell(of.subject)]
        cells += [PERCENT.cell(of.rpeak_sensitivity), PERCENT.cell(of.rpeak_predictivity)]
        cells += [SCORE.cell(of.s_f1), SCORE.cell(of.v_f1)]
        cells += [Cell(DASH if of.hours != of.hours else duration(3600 * of.hours)), SCORE.cell(of.accuracy)]
        cells += [PERCENT.cell(of.af_share), PERCENT.cell(of.called_af_share)]
        rows.append([*cells, Cell(of.confused or DASH, duration(3600 * of.confused_hours) if of.confused else "")])
    head: list[str | Cell] = ["record", "subject", "R-peak Se", "R-peak +P", "S F1", "V F1", "time", "rhythm accuracy"]
    head += [Cell("time in AF", "reference"), Cell("time in AF", "predicted"), "most frequent error"]
    note = (
        "Sorted by rhythm accuracy, then by the F1 of the R-peaks. Rhythm accuracy is the share of the scored time "
        "with the correct rhythm. R-peaks and time in AF are in %. Se: sensitivity; +P: positive predictivity. Records "
        "of the training split have R-peaks only. A name that is a link leads to the strip of the record."
    )
    tags = oracle_tags(protocol_oracles(inputs.metrics, protocol)) + signal_tags(inputs.corpora)
    return Sheet(caption, head, rows, tags, note, num_text=2)
