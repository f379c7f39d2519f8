"""The report: one HTML page that needs nothing but itself, the same bytes for the same results."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure

from ecgfeat.report import plots, tables
from ecgfeat.report.dag import draw_dag
from ecgfeat.report.inputs import CorpusInfo, ReportInputs, Tally, tally_corpus
from ecgfeat.report.per_record import RecordResult, collect_records, rhythm_ribbons
from ecgfeat.report.strip import clock, draw_strip
from ecgfeat.report.tables import PERCENT, SCORE, Sheet, Tag
from ecgfeat.scoring.calibration import Reliability, reliability_curve
from ecgfeat.scoring.rhythm import class_codes, confusion_matrix
from ecgfeat.scoring.summary import TILED_PROTOCOLS, codes, grouped, probabilities, rhythm_classes, values

__all__ = ["CorpusInfo", "ReportInputs", "Tally", "render_page", "tally_corpus"]

PROTOCOLS = ("timeline", "grid", "episode")
NUM_WORST, STRIP_S, MAX_TIMELINES = 10, 10.0, 16


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its address, what it shows in words, and the line under it."""

    uri: str
    alt: str
    caption: str
    tags: Sequence[Tag] = ()
    is_wide: bool = False


@dataclass(frozen=True)
class Card:
    """A number of the headline."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Choice:
    """Which rows the headline, the calibration and the table of records show."""

    head: str | None
    protocol: str | None
    view: str
    history: str | None
    detector: str | None


def render_page(inputs: ReportInputs) -> str:
    """Write the report.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run.

    Returns
    -------
    str
        An HTML document without any external resource, time or host name.

    Raises
    ------
    DataError
        If a split shares a subject.
    ValueError
        If the stages go round in a circle, or a strip is malformed.
    """
    choice = _choose(inputs)
    results = collect_records(
        rpeaks=inputs.rpeaks, beats=inputs.beats, rhythm=inputs.rhythm, fs_hz=inputs.fs_hz, **dataclasses.asdict(choice)
    )
    oracle_tags, oracles_on = tables.switches(inputs.metrics["oracles"], protocol=choice.protocol)
    tags = oracle_tags + tables.signal_tags(inputs.corpora)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(resources.files("ecgfeat.report").joinpath("page.html").read_text("utf-8"))
    return template.render(
        inputs=inputs,
        tags=tags,
        oracles_on=oracles_on,
        cautions=tables.signal_tags(inputs.corpora),
        cards=_cards(inputs, choice),
        dag=draw_dag(inputs.stages, inputs.stage_notes),
        data_sheets=_present(
            tables.corpus_sheet(inputs),
            tables.reason_sheet(inputs),
            tables.tally_sheet(inputs, "beat"),
            tables.tally_sheet(inputs, "rhythm"),
        ),
        split_sheet=tables.split_sheet(inputs),
        rpeak_sheets=[tables.rpeak_sheet(inputs)] if inputs.metrics["rpeaks"] else [],
        rpeak_pictures=_rpeak_pictures(inputs, choice),
        beat_sheets=[
            sheet for corpus, of in inputs.metrics["beats"].items() for sheet in tables.beat_sheet(corpus, of, inputs)
        ],
        overview=tables.overview_sheet(inputs) if inputs.metrics["rhythm"] else None,
        class_sheets=_class_sheets(inputs, choice),
        af_sheet=tables.af_sheet(inputs) if inputs.metrics["rhythm"] else None,
        rhythm_pictures=_rhythm_pictures(inputs, choice, tags),
        calibration_pictures=_calibration_pictures(inputs, choice, tags),
        training_pictures=_training_pictures(inputs),
        record_sheet=tables.record_sheet(results, inputs, tags) if results else None,
        strips=_strips(inputs, results, choice),
    )


def _present(*sheets: Sheet | None) -> list[Sheet]:
    return [sheet for sheet in sheets if sheet is not None]


def _choose(inputs: ReportInputs) -> Choice:
    """Settle what the headline shows, by name and never by score."""
    tree = inputs.metrics["rhythm"]
    pairs = sorted({(p, head) for heads in tree.values() for head, protocols in heads.items() for p in protocols})
    allowed = [(p, head) for p, head in pairs if inputs.head in (None, head) and inputs.protocol in (None, p)]
    allowed.sort(key=lambda pair: (PROTOCOLS.index(pair[0]) if pair[0] in PROTOCOLS else 99, pair[1]))
    protocol, head = allowed[0] if allowed else (None, None)
    histories = {history for of in inputs.metrics["beats"].values() for history in of}
    history = inputs.history or next((name for name in tables.HISTORIES if name in histories), None)
    detector = inputs.detector
    if detector is None and inputs.rpeaks is not None:
        names, _ = codes(inputs.rpeaks, "detector")
        detector = names[0] if names else None
    return Choice(head, protocol, inputs.view, history, detector)


def _cards(inputs: ReportInputs, choice: Choice) -> list[Card]:
    """Pick the numbers of the headline, corpus by corpus."""
    cards = []
    for corpus in inputs.corpora:
        views = inputs.metrics["rhythm"].get(corpus.slug, {}).get(choice.head, {}).get(choice.protocol, {})
        if choice.view in views:
            of = views[choice.view]
            cell = SCORE.cell(of["macro_f1"], of.get("interval", {}).get("macro_f1"))
            span = f"95 % interval {cell.sub}" if cell.sub else "too few subjects for an interval"
            detail = f"{choice.head}, {choice.protocol} protocol, {tables.VIEWS[choice.view]}; {span}"
            cards.append(Card(f"Rhythm macro F1, {corpus.slug}", cell.main, detail))
        beats = inputs.metrics["beats"].get(corpus.slug, {}).get(choice.history)
        if beats:
            value = " · ".join(SCORE.write(beats[f"{c}_f1"] if beats[f"{c}_support"] else None) for c in "nsv")
            detail = f"N · S · V; labels of the preceding beats: {choice.history}"
            cards.append(Card(f"Beat F1, {corpus.slug}", value, detail))
        peaks = inputs.metrics["rpeaks"].get(corpus.slug)
        if peaks:
            value = f"{PERCENT.write(peaks['sensitivity'])} / {PERCENT.write(peaks['positive_predictivity'])}"
            detail = f"sensitivity / positive predictivity in %, {peaks['num_records']} whole records"
            cards.append(Card(f"R-peaks, {corpus.slug}", value, detail))
    return cards


def _class_sheets(inputs: ReportInputs, choice: Choice) -> list[tuple[bool, Sheet]]:
    """Tabulate every head and protocol; only the chosen one stands open."""
    sheets = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        for head, protocols in heads.items():
            for protocol, views in protocols.items():
                is_chosen = (head, protocol) == (choice.head, choice.protocol)
                sheets.append((is_chosen, tables.class_sheet(corpus, head, protocol, views, inputs)))
    return sorted(sheets, key=lambda pair: not pair[0])


def _picture(figure: Figure, alt: str, caption: str, tags: Sequence[Tag] = (), *, is_wide: bool = False) -> Picture:
    return Picture(plots.to_data_uri(figure), alt, caption, tags, is_wide)


def _rpeak_pictures(inputs: ReportInputs, choice: Choice) -> list[Picture]:
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
            seconds = (values(table, "stop_sample") - values(table, "start_sample"))[scored] / inputs.fs_hz
            units[corpus] = {
                "classes": names,
                "reference": code[code >= 0],
                "chance": chance[scored][:, known],
                "hours": seconds / 3600,
            }
    return units


def _rhythm_pictures(inputs: ReportInputs, choice: Choice, tags: Sequence[Tag]) -> list[Picture]:
    """Draw F1 with intervals, confusion matrices and timelines of the chosen head."""
    pictures = []
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
            names = sorted({r for (c, r), _ in grouped(inputs.rhythm, ["corpus", "record"]) if c == corpus})
            rows = [(name, _ribbons(inputs, choice, corpus, name)) for name in names]
            drawn = [row for row in rows if row[1]][:MAX_TIMELINES]
            left_out = len([row for row in rows if row[1]]) - len(drawn)
            more = f"; {left_out} more records are not drawn" if left_out else ""
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


def _ribbons(inputs: ReportInputs, choice: Choice, corpus: str, record: str) -> list[Mapping[str, Any]]:
    """Return reference and prediction of a record as `plot_timeline` takes them."""
    ribbons = rhythm_ribbons(
        inputs.rhythm, corpus, record, str(choice.head), str(choice.protocol), choice.view, inputs.fs_hz
    )
    return [{"start_s": r.start_s, "stop_s": r.stop_s, "rhythm": r.rhythm} for r in ribbons]


def _calibration_pictures(inputs: ReportInputs, choice: Choice, tags: Sequence[Tag]) -> list[Picture]:
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


def _training_pictures(inputs: ReportInputs) -> list[Picture]:
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


def _strips(inputs: ReportInputs, results: Sequence[RecordResult], choice: Choice) -> list[Picture]:
    """Draw the ECG of the worst records at their most confident error, or at their start if there is none."""
    pictures: list[Picture] = []
    if inputs.read_strip is None:
        return pictures
    of_corpus = {corpus.slug: corpus for corpus in inputs.corpora}
    for result in results[:NUM_WORST]:
        middle_s = (result.error_start_s + result.error_stop_s) / 2 if result.error else STRIP_S / 2
        start_s = max(0.0, middle_s - STRIP_S / 2)
        strip = inputs.read_strip(result.corpus, result.record, start_s, start_s + STRIP_S)
        if strip is None:
            continue
        if not strip.ribbons and inputs.rhythm is not None and choice.head is not None:
            ribbons = rhythm_ribbons(
                inputs.rhythm,
                result.corpus,
                result.record,
                choice.head,
                str(choice.protocol),
                choice.view,
                inputs.fs_hz,
            )
            strip = dataclasses.replace(strip, ribbons=ribbons)
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
