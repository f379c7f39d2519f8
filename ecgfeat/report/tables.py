"""Tables of the report: each with its caption, the oracles that were on, and where its signals come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecgfeat.report.inputs import SIGNALS, SPLITS, CorpusInfo, ReportInputs, subjects_per_split
from ecgfeat.report.per_record import RecordResult
from ecgfeat.report.strip import clock
from ecgfeat.scoring.beats import BEAT_CLASSES
from ecgfeat.scoring.intervals import MIN_SUBJECTS
from ecgfeat.scoring.summary import codes, rhythm_classes, values

DASH = "–"
HISTORIES = ("predicted", "none", "oracle")
VIEWS = {"single": "single view", "tta7": "TTA-7"}


@dataclass(frozen=True)
class Cell:
    """One cell: text, a smaller line under it, and a style (``weak``, ``strong`` or none)."""

    main: str
    sub: str = ""
    style: str = ""


@dataclass(frozen=True)
class Tag:
    """A switch or a warning in a table's caption; `kind` is ``off``, ``oracle`` or ``caution``."""

    text: str
    kind: str


@dataclass(frozen=True)
class Sheet:
    """A table; the first `num_text` columns are text and set left, the others are numbers and set right."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    tags: Sequence[Tag] = ()
    note: str = ""
    num_text: int = 1


@dataclass
class Notation:
    """How numbers are written; a missing one is a dash."""

    digits: int = 3
    percent: bool = False
    missing: str = field(default=DASH)

    def write(self, value: float | None) -> str:
        """Write one score."""
        if value is None or value != value:
            return self.missing
        return f"{100 * value:.{self.digits - 1}f}" if self.percent else f"{value:.{self.digits}f}"

    def cell(self, value: float | None, bound: Mapping[str, float] | None = None, style: str = "") -> Cell:
        """Write one score with its interval under it."""
        span = "" if bound is None else f"{self.write(bound['low'])} to {self.write(bound['high'])}"
        return Cell(self.write(value), span, style)


SCORE = Notation()
PERCENT = Notation(percent=True)


def whole(number: float) -> str:
    """Write a count with thin spaces between thousands."""
    return f"{int(number):,}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Write a duration in the unit that suits it."""
    if seconds >= 36_000:
        return f"{seconds / 3600:,.0f} h".replace(",", "\u202f")
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def signal_tags(corpora: Iterable[CorpusInfo]) -> list[Tag]:
    """Say of every corpus without measured signals what it has instead."""
    return [Tag(f"{c.slug}: {SIGNALS[c.signals]}", "caution") for c in corpora if c.signals != "measured"]


def switches(
    oracles: Mapping[str, bool], *, history: str | None = None, protocol: str | None = None
) -> tuple[list[Tag], list[str]]:
    """Return the state of the three oracle switches as tags, and the names of those that are on.

    Parameters
    ----------
    oracles : mapping of str to bool
        Switches of the run.
    history, protocol : str, optional
        What one table uses, where it differs from the run.

    Returns
    -------
    tags : list of Tag
        One for each switch; one more if all are on.
    on : list of str
        Oracles that are on.
    """
    known_history = oracles["history"] if history is None else history == "oracle"
    known_episodes = oracles["episodes"] if protocol is None else protocol == "episode"
    label = "predicted or none" if history is None else history
    texts = (
        ("R-peaks", oracles["rpeaks"], "annotated" if oracles["rpeaks"] else "detected"),
        ("history", known_history, "oracle" if known_history else label),
        ("episodes", known_episodes, "known" if known_episodes else "unknown"),
    )
    tags = [Tag(f"{name}: {text}", "oracle" if on else "off") for name, on, text in texts]
    on = [name for name, is_on, _ in texts if is_on]
    if len(on) == len(texts):
        tags.append(Tag("seed protocol", "oracle"))
    return tags, on


def corpus_sheet(inputs: ReportInputs) -> Sheet:
    """List the corpora: records in = used + excluded + failed, subjects, hours, source."""
    rows = []
    for corpus in inputs.corpora:
        table = inputs.records[corpus.slug]
        status_names, status = codes(table, "status")
        count = {name: int((status == code).sum()) for code, name in enumerate(status_names)}
        used = status == (status_names.index("used") if "used" in status_names else -1)
        subject = codes(table, "subject")[1]
        seconds = (values(table, "num_samples") / values(table, "fs_hz"))[used].sum()
        parts = [count.get(name, 0) for name in ("used", "excluded", "failed")]
        assert sum(parts) == len(status), f"{corpus.slug}: statuses {status_names}"
        digest = f"files {corpus.files_sha256[:12]}" if corpus.files_sha256 else ""
        rows.append(
            [
                Cell(f"{corpus.slug} {corpus.version}", corpus.title),
                Cell(SIGNALS[corpus.signals], digest),
                Cell(whole(len(status))),
                *(Cell(whole(number)) for number in parts),
                Cell(whole(len(np.unique(subject[used])))),
                Cell(duration(float(seconds))),
            ]
        )
    head = ["corpus", "signals", "records in", "used", "excluded", "failed", "subjects", "time"]
    return Sheet("Records in = used + excluded + failed", head, rows, signal_tags(inputs.corpora), num_text=2)


def reason_sheet(inputs: ReportInputs) -> Sheet | None:
    """List every record that was not used with its reason; None if all were."""
    rows = []
    for corpus in inputs.corpora:
        table = inputs.records[corpus.slug]
        texts = {name: codes(table, name) for name in ("record", "status", "reason")}
        for row in range(len(texts["record"][1])):
            record, status, reason = (names[code[row]] for names, code in texts.values())
            if status != "used":
                rows.append([Cell(corpus.slug), Cell(record), Cell(status), Cell(reason or "no reason given")])
    rows.sort(key=lambda row: [cell.main for cell in row])
    head = ["corpus", "record", "status", "reason"]
    return Sheet("Records not used", head, rows, signal_tags(inputs.corpora), num_text=4) if rows else None


def tally_sheet(inputs: ReportInputs, kind: str) -> Sheet | None:
    """Tabulate beats, or rhythms with time, episodes and subjects, by class and split; None if there are none."""
    tallies = {(t.corpus, t.label, t.split): t for t in inputs.tallies if t.kind == kind}
    if not tallies:
        return None
    splits = [split for split in SPLITS if any(key[2] == split for key in tallies)]
    known = ["N", "S", "V", "F", "Q", "NSR", "AFIB", "SBR", "AB", "SVTA", "B"]
    labels = {(corpus, label): None for corpus, label, _ in tallies}
    position = {c.slug: index for index, c in enumerate(inputs.corpora)}
    order = sorted(labels, key=lambda k: (position.get(k[0], 99), known.index(k[1]) if k[1] in known else 99, k[1]))
    rows = []
    for corpus, label in order:
        cells = [Cell(corpus), Cell(label)]
        for split in splits:
            tally = tallies.get((corpus, label, split))
            if tally is None:
                cells.append(Cell(DASH, "", "weak"))
            elif kind == "beat":
                cells.append(Cell(whole(tally.count), f"{tally.subjects} subjects"))
            else:
                sub = f"{whole(tally.count)} episodes, {tally.subjects} subjects"
                cells.append(Cell(f"{whole(round(tally.seconds))} s", sub))
        rows.append(cells)
    caption = "Beats per class and split" if kind == "beat" else "Rhythm per class and split"
    head = ["corpus", "class", *splits]
    return Sheet(caption, head, rows, signal_tags(inputs.corpora), num_text=2)


def split_sheet(inputs: ReportInputs) -> Sheet:
    """Count records and subjects per split; a subject on both sides is an error."""
    rows = []
    for corpus in inputs.corpora:
        table = inputs.records[corpus.slug]
        subjects = subjects_per_split(corpus.slug, table)
        split_names, split = codes(table, "split")
        status_names, status = codes(table, "status")
        is_used = np.array([status_names[code] == "used" for code in status])
        name = corpus.split_name or DASH
        cells = [Cell(corpus.slug), Cell(name, f"sha256 {corpus.split_sha256[:12]}" if corpus.split_sha256 else "")]
        for side in SPLITS:
            number = int((is_used & (split == split_names.index(side))).sum()) if side in split_names else 0
            text = f"{len(subjects.get(side, ()))} subjects" if number else ""
            cells.append(Cell(whole(number) if number else DASH, text, "" if number else "weak"))
        rows.append([*cells, Cell("none")])
    head = ["corpus", "split file", *SPLITS, "shared subjects"]
    return Sheet("Records and subjects per split", head, rows, signal_tags(inputs.corpora), num_text=2)


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
