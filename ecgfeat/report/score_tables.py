"""Tables of scores: R-peaks, beat classes, rhythms, atrial fibrillation, records."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecgfeat.report.inputs import ReportInputs
from ecgfeat.report.per_record import RecordResult
from ecgfeat.report.strip import clock
from ecgfeat.report.tables import (
    DASH,
    HISTORIES,
    PERCENT,
    SCORE,
    VIEWS,
    Cell,
    Sheet,
    Tag,
    duration,
    signal_tags,
    switches,
    whole,
)
from ecgfeat.scoring.beats import BEAT_CLASSES
from ecgfeat.scoring.intervals import MIN_SUBJECTS
from ecgfeat.scoring.summary import rhythm_classes


def rpeak_sheet(inputs: ReportInputs) -> Sheet:
    """Tabulate the R-peak scores of every detector on every corpus."""
    rows = []
    for corpus, chosen in inputs.metrics["rpeaks"].items():
        for name, scores in chosen["detectors"].items():
            used = all(scores.get(key) == chosen.get(key) for key in ("true_positives", "false_positives"))
            many = len(chosen["detectors"]) > 1
            cells = [Cell(corpus), Cell(name, "used downstream" if used and many else "")]
            for suffix in ("", "_after_5min"):
                for key in ("sensitivity", "positive_predictivity", "f1"):
                    bound = scores.get("interval", {}).get(f"{key}{suffix}")
                    cells.append(PERCENT.cell(scores.get(f"{key}{suffix}"), bound))
            cells.append(PERCENT.cell(scores.get("f1_record_mean")))
            offset_ms = scores.get("offset_ms")
            cells.append(Cell(DASH if offset_ms is None else f"{offset_ms:+.1f}"))
            rows.append([*cells, Cell(str(scores["num_records"]), f"{scores['num_subjects']} subjects")])
    three = ("Se", "+P", "F1")
    head = ["corpus", "detector", *three, *(f"{t} after 5 min" for t in three), "mean F1", "offset (ms)", "records"]
    tags = switches(inputs.metrics["oracles"])[0] + signal_tags(inputs.corpora)
    note = (
        "In %, gross over all beats; matched one to one within 150 ms, ends included (EC57). “After 5 min” leaves out "
        "the learning period. “Mean F1” is the average over records. Under the scores: 95 % interval over subjects, "
        f"not given for fewer than {MIN_SUBJECTS}."
    )
    return Sheet("R-peaks against the reference beats", head, rows, tags, note, num_text=2)


_BXB_NOTE = (
    "“bxb” does not count a fusion or unclassifiable beat called V, nor an unclassifiable one called S or N, as an "
    "error, as EC57 lays down; the other columns count every wrong call."
)


def beat_sheet(corpus: str, scores: Mapping[str, Any], inputs: ReportInputs) -> list[Sheet]:
    """Tabulate the beat classes of a corpus, one table for each history."""
    sheets = []
    histories = sorted(scores, key=lambda h: HISTORIES.index(h) if h in HISTORIES else 99)
    for history in histories:
        of, rows = scores[history], []
        for name in BEAT_CLASSES:
            c = name.lower()
            too_few = of[f"{c}_subjects"] < MIN_SUBJECTS
            bound = None if too_few else of.get("interval", {}).get(f"{c}_f1")
            f1 = SCORE.cell(of[f"{c}_f1"] if of[f"{c}_support"] else None, bound, "strong")
            cells = [Cell(name), Cell(whole(of[f"{c}_support"])), Cell(str(of[f"{c}_subjects"]))]
            cells += [Cell(f1.main, "not estimable", "weak") if too_few else f1]
            for key in ("sensitivity", "positive_predictivity", "false_positive_rate"):
                cells.append(SCORE.cell(of[f"{c}_{key}"]))
            for key in ("f1", "positive_predictivity"):
                cells.append(SCORE.cell(of["bxb"][f"{c}_{key}"]))
            rows.append(cells)
        tags = switches(inputs.metrics["oracles"], history=history)[0][:2]
        head = ["class", "beats", "subjects", "F1", "Se", "+P", "FPR", "F1 (bxb)", "+P (bxb)"]
        text = {"predicted": "predicted, fed back", "none": "not used", "oracle": "annotated"}.get(history, history)
        sheets.append(
            Sheet(
                f"{corpus}: beat classes on the test records, labels of the preceding beats {text}",
                head,
                rows,
                tags + signal_tags(c for c in inputs.corpora if c.slug == corpus),
                _BXB_NOTE if history == histories[-1] else "",
            )
        )
    return sheets


def overview_sheet(inputs: ReportInputs) -> Sheet:
    """Put all heads, protocols and views side by side."""
    rows = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        for head, protocols in heads.items():
            for protocol, views in protocols.items():
                for view, of in views.items():
                    on = switches(inputs.metrics["oracles"], protocol=protocol)[1]
                    cells = [
                        Cell(head, corpus),
                        Cell(protocol),
                        Cell(VIEWS.get(view, view), ", ".join(on) or "no oracle"),
                    ]
                    bound = of.get("interval", {})
                    cells += [SCORE.cell(of["macro_f1"], bound.get("macro_f1"), "strong")]
                    cells += [SCORE.cell(of[k], bound.get(k)) for k in ("accuracy", "balanced_accuracy")]
                    cells += [SCORE.cell(of.get("macro_f1_hours")), SCORE.cell(of["ece"]), SCORE.cell(of["brier"])]
                    rows.append([*cells, Cell(whole(of["num_units"]), f"{of['num_subjects']} subjects")])
    head = [
        "head",
        "protocol",
        "view",
        "macro F1",
        "accuracy",
        "balanced",
        "macro F1, by time",
        "ECE",
        "Brier",
        "units",
    ]
    note = (
        "Macro F1 runs over the classes that occur in the reference. Under “view”: the oracles that were on. A single "
        "view costs one pass through the network for each unit, TTA-7 seven; views are never counted as further units. "
        f"Under the scores: 95 % interval over subjects, not given for fewer than {MIN_SUBJECTS}."
    )
    return Sheet("All rhythm heads", head, rows, signal_tags(inputs.corpora), note, num_text=3)


def class_sheet(corpus: str, head: str, protocol: str, views: Mapping[str, Any], inputs: ReportInputs) -> Sheet:
    """Tabulate the rhythm classes of one head under one protocol, single view and TTA-7 side by side."""
    first = next(iter(views.values()))
    order = [] if inputs.rhythm is None else rhythm_classes(inputs.rhythm)
    names = [n for n in order if n in first["support"]] or list(first["support"])
    rows = []
    for name in names:
        support = first["support"][name]
        cells = [Cell(name), Cell(whole(support)), Cell(duration(3600 * first["hours"][name]))]
        cells += [Cell(str(first["subjects"][name]))]
        for of in views.values():
            if name in of["absent"]:
                cells += [Cell(DASH, "absent", "weak"), Cell(DASH), Cell(DASH)]
                continue
            f1 = SCORE.cell(of["f1"][name], of.get("interval", {}).get("f1", {}).get(name), "strong")
            if name in of["not_estimable"]:
                f1 = Cell(f1.main, "not estimable", "weak")
            cells += [f1, SCORE.cell(of["sensitivity"][name]), SCORE.cell(of["positive_predictivity"].get(name))]
        rows.append(cells)
    totals = [Cell("all"), Cell(whole(first["num_units"])), Cell(duration(3600 * sum(first["hours"].values())))]
    totals += [Cell(str(first["num_subjects"]))]
    for of in views.values():
        totals += [SCORE.cell(of["macro_f1"], of.get("interval", {}).get("macro_f1"), "strong")]
        totals += [SCORE.cell(of["balanced_accuracy"]), Cell("")]
    labels = [f"{score}, {VIEWS.get(view, view)}" for view in views for score in ("F1", "Se", "+P")]
    tags = switches(inputs.metrics["oracles"], protocol=protocol)[0]
    outside = f" {whole(first['num_outside'])} units of other rhythms are not scored." if first["num_outside"] else ""
    note = (
        f"Last row: macro F1 and balanced accuracy. A class with fewer than {MIN_SUBJECTS} subjects is not estimable: "
        f"its number says little about others, and has no interval.{outside}"
    )
    return Sheet(
        f"{corpus}: {head}, {protocol} protocol",
        ["class", "units", "time", "subjects", *labels],
        [*rows, totals],
        tags + signal_tags(c for c in inputs.corpora if c.slug == corpus),
        note,
    )


def af_sheet(inputs: ReportInputs) -> Sheet | None:
    """Tabulate AF episodes and burden, single view; None if no protocol covers whole records."""
    rows = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        for head, protocols in heads.items():
            for protocol, views in protocols.items():
                for view, of in views.items():
                    if "af" not in of:
                        continue
                    af = of["af"]
                    cells = [Cell(head, corpus), Cell(f"{protocol}, {VIEWS.get(view, view)}")]
                    cells += [Cell(whole(af["num_reference_episodes"])), Cell(whole(af["num_predicted_episodes"]))]
                    for side in ("episode", "duration"):
                        cells += [SCORE.cell(af[f"{side}_{key}"]) for key in ("sensitivity", "positive_predictivity")]
                    rows.append([*cells, PERCENT.cell(af["burden_error"])])
    head = [
        "head",
        "protocol",
        "episodes",
        "predicted",
        "episode Se",
        "episode +P",
        "time Se",
        "time +P",
        "burden error",
    ]
    tags = switches(inputs.metrics["oracles"], protocol="timeline")[0] + signal_tags(inputs.corpora)
    note = (
        "An episode is found if any part of it overlaps an episode on the other side. “Burden error”: mean over "
        "records of the difference in the share of time in AF, in percentage points."
    )
    return Sheet("Atrial fibrillation: episodes and burden", head, rows, tags, note, num_text=2) if rows else None


def record_sheet(results: Sequence[RecordResult], inputs: ReportInputs, tags: Sequence[Tag]) -> Sheet:
    """Tabulate all records, worst first."""
    rows = []
    for of in results:
        cells = [Cell(of.record, of.corpus), Cell(of.subject)]
        cells += [PERCENT.cell(of.rpeak_sensitivity), PERCENT.cell(of.rpeak_predictivity)]
        cells += [SCORE.cell(of.s_f1), SCORE.cell(of.v_f1)]
        cells += [Cell(DASH if of.hours != of.hours else duration(3600 * of.hours)), SCORE.cell(of.accuracy)]
        cells += [Cell(of.confused or DASH, duration(3600 * of.confused_hours) if of.confused else "")]
        sure = f"{clock(of.error_start_s)}, p = {of.error_probability:.2f}" if of.error else ""
        rows.append([*cells, Cell(of.error or DASH, sure)])
    head = ["record", "subject", "R-peak Se", "+P", "S F1", "V F1", "time", "rhythm accuracy"]
    head += ["commonest mistake", "most confident error"]
    note = "R-peaks in %. Rhythm accuracy is the share of the scored time with the right rhythm."
    return Sheet("All records with results, worst first", head, rows, tags, note, num_text=2)
