"""Figures of the report with their captions, words for those who do not see them, and tags."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ecgfeat.report import plots, tables
from ecgfeat.report.inputs import ReportInputs
from ecgfeat.report.per_record import RecordResult, collect_records, rhythm_ribbons
from ecgfeat.report.strip import Ribbon, clock, draw_strip
from ecgfeat.report.style import to_data_uri
from ecgfeat.report.tables import SCORE, Tag
from ecgfeat.scoring.calibration import Reliability, reliability_curve
from ecgfeat.scoring.rhythm import class_codes, confusion_matrix
from ecgfeat.scoring.summary import TILED_PROTOCOLS, codes, grouped, probabilities, rhythm_classes, values

NUM_WORST, STRIP_S, MAX_TIMELINES = 10, 10.0, 16


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its address, what it shows in words, the line under it, its full width on screen."""

    uri: str
    alt: str
    caption: str
    width_px: int
    tags: Sequence[Tag] = ()
    is_wide: bool = False


@dataclass(frozen=True)
class Choice:
    """Which rows the headline, the calibration and the table of records show."""

    head: str | None
    protocol: str | None
    view: str
    history: str | None
    detector: str | None


def _picture(figure: Figure, alt: str, caption: str, tags: Sequence[Tag] = (), *, is_wide: bool = False) -> Picture:
    return Picture(to_data_uri(figure), alt, caption, round(104 * figure.get_figwidth()), tags, is_wide)


def rpeak_pictures(inputs: ReportInputs, choice: Choice) -> list[Picture]:
    """Draw sensitivity and positive predictivity of each record, lowest F1 first."""
    pictures = []
    results = collect_records(
        rpeaks=inputs.rpeaks,
        beats=None,
        rhythm=None,
        fs_hz=inputs.fs_hz,
        **dataclasses.asdict(choice),
    )
    for corpus in inputs.corpora:
        of = [r for r in results if r.corpus == corpus.slug and r.rpeak_f1 == r.rpeak_f1]
        if len(of) > 1:
            scores = {
                "sensitivity": [r.rpeak_sensitivity for r in of],
                "positive predictivity": [r.rpeak_predictivity for r in of],
            }
            alt = f"Lowest: record {of[0].record} with an F1 of {100 * of[0].rpeak_f1:.2f} %."
            figure = plots.plot_records([r.record for r in of], scores)
            caption = f"{corpus.slug}: R-peaks of each record, lowest F1 on the left"
            pictures.append(_picture(figure, f"{caption}. {alt}", caption, tables.signal_tags([corpus]), is_wide=True))
    return pictures


def _chosen_units(inputs: ReportInputs, choice: Choice, view: str) -> dict[str, dict[str, Any]]:
    """Return reference, probability and duration of the chosen head's units, by corpus."""
    if inputs.rhythm is None or choice.head is None:
        return {}
    table, units = inputs.rhythm, {}
    classes = rhythm_classes(table)
    reference_names, reference = codes(table, "reference")
    chance = probabilities(table, classes)
    for (head, protocol, of_view, corpus), rows in grouped(table, ["head", "protocol", "view", "corpus"]):
        if (head, protocol, of_view) == (choice.head, choice.protocol, view):
            known = [k for k in range(len(classes)) if not np.isnan(chance[rows, k]).all()]
            names = [classes[k] for k in known]
            code = class_codes(reference_names, names)[reference[rows]]
            scored = rows[code >= 0]
            if not len(scored):
                continue  # a corpus without rhythm annotations has no scores to draw
            seconds = (values(table, "stop_sample") - values(table, "start_sample"))[scored] / inputs.fs_hz
            units[corpus] = {
                "classes": names,
                "reference": code[code >= 0],
                "chance": chance[scored][:, known],
                "hours": seconds / 3600,
            }
    return units


def rhythm_pictures(inputs: ReportInputs, choice: Choice, tags: Sequence[Tag]) -> list[Picture]:
    """Draw F1 with intervals, confusion matrices and timelines of the chosen head."""
    pictures = []
    ribbons = _ribbons(inputs, choice) if choice.protocol in TILED_PROTOCOLS else {}
    for corpus, of in _chosen_units(inputs, choice, choice.view).items():
        assert choice.head is not None
        assert choice.protocol is not None
        where = f"{corpus}: {choice.head}, {choice.protocol} protocol"
        views = inputs.metrics["rhythm"][corpus][choice.head][choice.protocol]
        titled = {tables.VIEWS.get(view, view): scores for view, scores in views.items()}
        worded = ", ".join(f"{name} {SCORE.write(value)}" for name, value in views[choice.view]["f1"].items())
        pictures.append(
            _picture(
                plots.plot_f1(titled, of["classes"]),
                f"F1 of each rhythm, {where}. {tables.VIEWS.get(choice.view, choice.view)}: {worded}.",
                f"{where}: F1 of each rhythm; hollow: too few subjects",
                tags,
            )
        )
        call, size = of["chance"].argmax(axis=1), len(of["classes"])
        matrices = {
            "in units": confusion_matrix(of["reference"], call, size),
            "in hours": confusion_matrix(of["reference"], call, size, of["hours"]),
        }
        right = float((call == of["reference"]).mean()) if len(call) else float("nan")
        pictures.append(
            _picture(
                plots.plot_confusion(matrices, of["classes"]),
                f"Confusion matrices, {where}; {100 * right:.1f} % of the units are on the diagonal.",
                f"{where}: confusion in units and in hours, {tables.VIEWS.get(choice.view, choice.view)}; "
                "percentages and shades are shares of a row",
                tags,
                is_wide=True,
            )
        )
        if choice.protocol in TILED_PROTOCOLS:
            rows = [(name, [vars(r) for r in of_record]) for (c, name), of_record in ribbons.items() if c == corpus]
            drawn = rows[:MAX_TIMELINES]
            more = f"; {len(rows) - len(drawn)} more records are not drawn" if len(rows) > len(drawn) else ""
            pictures.append(
                _picture(
                    plots.plot_timeline(drawn),
                    f"Rhythm over time of {len(drawn)} records, {where}; the table of records has the shares.",
                    f"{where}: rhythm over time, above the reference, below the prediction{more}",
                    tags,
                    is_wide=True,
                )
            )
    return pictures


def _ribbons(inputs: ReportInputs, choice: Choice) -> dict[tuple[str, str], list[Ribbon]]:
    """Return the ribbons of the chosen head, by corpus and record."""
    if inputs.rhythm is None or choice.head is None:
        return {}
    return rhythm_ribbons(inputs.rhythm, choice.head, str(choice.protocol), choice.view, inputs.fs_hz)


def calibration_pictures(inputs: ReportInputs, choice: Choice, tags: Sequence[Tag]) -> list[Picture]:
    """Draw the reliability of the chosen head, single view and TTA-7."""
    curves: dict[str, dict[str, Reliability]] = {}
    for view in tables.VIEWS:
        for corpus, of in _chosen_units(inputs, choice, view).items():
            curve = reliability_curve(of["reference"], of["chance"])
            curves.setdefault(corpus, {})[tables.VIEWS[view]] = curve
    pictures = []
    for corpus, of_views in curves.items():
        views = inputs.metrics["rhythm"][corpus][str(choice.head)][str(choice.protocol)]
        worded = "; ".join(
            f"{tables.VIEWS[view]}: expected calibration error {SCORE.write(of['ece'])}, "
            f"Brier score {SCORE.write(of['brier'])}"
            for view, of in views.items()
            if view in tables.VIEWS
        )
        caption = f"{corpus}: {choice.head}, {choice.protocol} protocol. {worded}"
        pictures.append(_picture(plots.plot_reliability(of_views), f"Reliability curve. {caption}.", caption, tags))
    return pictures


def training_pictures(inputs: ReportInputs) -> list[Picture]:
    """Draw the curves of each model that was trained."""
    pictures = []
    for model, epochs in sorted(inputs.training.items()):
        if epochs:
            caption = f"{model}: {len(epochs)} epoch{'' if len(epochs) == 1 else 's'}"
            picture = _picture(
                plots.plot_training(epochs),
                f"Training curves of {caption}.",
                caption,
                tables.signal_tags(inputs.corpora),
            )
            pictures.append(picture)
    return pictures


def worst_strips(inputs: ReportInputs, results: Sequence[RecordResult], choice: Choice) -> list[Picture]:
    """Draw the ECG of the worst records at their most confident error, or at their start if there is none."""
    pictures: list[Picture] = []
    if inputs.read_strip is None:
        return pictures
    ribbons = _ribbons(inputs, choice)
    of_corpus = {corpus.slug: corpus for corpus in inputs.corpora}
    for result in results[:NUM_WORST]:
        middle_s = (result.error_start_s + result.error_stop_s) / 2 if result.error else STRIP_S / 2
        start_s = max(0.0, middle_s - STRIP_S / 2)
        strip = inputs.read_strip(result.corpus, result.record, start_s, start_s + STRIP_S)
        if strip is None:
            continue
        if not strip.ribbons:
            strip = dataclasses.replace(strip, ribbons=ribbons.get((result.corpus, result.record), []))
        where = f"{result.corpus}/{result.record} at {clock(start_s)}"
        said = f"{result.error} (p = {result.error_probability:.2f})" if result.error else "no rhythm error"
        share = "" if result.accuracy != result.accuracy else f"; {100 * result.accuracy:.1f} % of the time right"
        pictures.append(
            _picture(
                draw_strip(strip),
                f"ECG strip of {where}: {said}.",
                f"{where}: {said}{share}",
                tables.signal_tags([of_corpus[result.corpus]] if result.corpus in of_corpus else []),
                is_wide=True,
            )
        )
    return pictures
