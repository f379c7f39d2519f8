"""The report: one HTML page without external files. Equal results give equal bytes."""

from collections.abc import Mapping
from typing import Any

from ecgfeat.report.confident_errors import (
    MAX_PER_RECORD,
    MIN_S,
    MIN_UNITS,
    error_pictures,
    record_pictures,
    two_strips,
)
from ecgfeat.report.drawings.dag import draw_dag
from ecgfeat.report.pictures import calibration_pictures, rpeak_pictures, training_pictures
from ecgfeat.report.record_ribbons import record_ribbons
from ecgfeat.report.results.choice import VIEW_TITLES, Choice, choose_chain, choose_content, scored_protocols
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.results.per_record import RecordResult, collect_records
from ecgfeat.report.results.units import select_units
from ecgfeat.report.rhythm_blocks import rhythm_blocks
from ecgfeat.report.tables.beats import beat_sheets, rpeak_sheet, usable_time
from ecgfeat.report.tables.diagnoses import diagnosis_sheets
from ecgfeat.report.tables.outside import outside_cards, outside_sheets
from ecgfeat.report.tables.outside_episodes import episode_sheets
from ecgfeat.report.tables.rhythms import calibration_sheet, record_sheet
from ecgfeat.report.tables.runs import (
    corpus_sheet,
    fold_sheets,
    reason_sheet,
    seed_sheets,
    sensitivity_sheets,
    split_sheet,
    tally_sheet,
)
from ecgfeat.report.tables.sheet import (
    PERCENT,
    SCORE,
    Card,
    Sheet,
    oracle_names,
    oracle_tags,
    protocol_oracles,
    signal_tags,
)
from ecgfeat.report.templates import add_tips, load_template
from ecgfeat.report.three_numbers import three_numbers
from ecgfeat.report.worst_strips import worst_strips

SECTIONS = {
    "summary": "Summary",
    "outside": "Outside",
    "diagnoses": "Diagnoses",
    "headline": "Inside",
    "pipeline": "Pipeline",
    "data": "Data",
    "split": "Split",
    "rpeaks": "R-peaks",
    "beats": "Beats",
    "rhythm": "Rhythm",
    "sensitivity": "Sensitivity",
    "calibration": "Calibration",
    "training": "Training",
    "records": "Records",
    "limits": "Limits",
}
"""Sections of the page, and their names in its bar."""


def render_page(inputs: ReportInputs) -> str:
    """Write the report.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run.

    Returns
    -------
    str
        An HTML document without external resources, time or host name.

    Raises
    ------
    DataError
        If a subject is in two splits.
    ValueError
        If the stages form a cycle, or a strip is malformed.
    """
    choice = choose_content(inputs)
    chain = choose_chain(inputs, choice)
    units = select_units(inputs.rhythm, chain.head, chain.protocol, chain.view, inputs.fs_hz)
    results = collect_records(inputs.rpeaks, inputs.beats, units, detector=choice.detector, history=choice.history)
    tested = {(corpus, record) for corpus, of in units.items() for record in of.records}
    # Records without rhythm scores, such as those of the training split, are no test records.
    worst = [of for of in results if not tested or (of.corpus, of.record) in tested][: inputs.num_worst]
    errors = error_pictures(inputs, chain, units)
    strips = {(passage.corpus, passage.record): picture.name for passage, picture in reversed(errors.items())}
    others = [(of.corpus, of.record) for of in worst if (of.corpus, of.record) not in strips]
    longest = record_pictures(inputs, chain, units, others)
    strips |= {(passage.corpus, passage.record): picture.name for passage, picture in longest.items()}
    oracles = protocol_oracles(inputs.metrics, choice.protocol)
    diagnoses = diagnosis_sheets(inputs.diagnoses)
    shown = {"diagnoses": bool(diagnoses), "pipeline": bool(inputs.stages)}
    page = load_template("page.html").render(
        inputs=inputs,
        links={name: title for name, title in SECTIONS.items() if shown.get(name, True)},
        numbers=three_numbers(inputs, chain),
        ribbons=record_ribbons(inputs, chain, units, results, strips),
        named="as named to a user" if chain.view == "viterbi" else "prediction",
        examples=two_strips(inputs, chain, units, errors),
        chain=_describe(chain),
        tags=oracle_tags(oracles) + signal_tags(inputs.corpora),
        oracles_on=oracle_names(oracles),
        cautions=signal_tags(inputs.corpora),
        is_any_made=any(corpus.signals in ("simulated", "rendered") for corpus in inputs.corpora),
        outside_cards=outside_cards(inputs.outside),
        outside_sheets=[
            *outside_sheets(inputs.outside),
            *episode_sheets(inputs.outside),
        ],
        outside_strips=worst_strips(inputs),
        diagnosis_sheets=diagnoses,
        cards=_cards(inputs, choice),
        dag=draw_dag(inputs.stages),
        data_sheets=_present(
            corpus_sheet(inputs),
            reason_sheet(inputs),
            tally_sheet(inputs, "beat"),
            tally_sheet(inputs, "rhythm"),
        ),
        split_sheet=split_sheet(inputs),
        rpeak_sheets=[rpeak_sheet(inputs)] if inputs.metrics["rpeaks"] else [],
        rpeak_pictures=rpeak_pictures(inputs, results),
        beat_sheets={corpus: beat_sheets(corpus, of, inputs) for corpus, of in inputs.metrics["beats"].items()},
        rhythm_blocks=rhythm_blocks(inputs, choice),
        sensitivity_sheets=sensitivity_sheets(inputs),
        seed_sheets=seed_sheets(inputs),
        fold_sheets=fold_sheets(inputs),
        calibration_sheets=_present(
            *(
                calibration_sheet(protocol, inputs, has_note=number == 0)
                for number, protocol in enumerate(scored_protocols(inputs))
            )
        ),
        calibration_pictures=calibration_pictures(inputs, choice),
        training_pictures=training_pictures(inputs),
        error_pictures=list(errors.values()),
        record_pictures=list(longest.values()),
        error_rule={"units": MIN_UNITS, "seconds": MIN_S, "per_record": MAX_PER_RECORD},
        **_record_sheets(results, worst, inputs, chain, strips),
    )
    return add_tips(page, inputs.glossary)


def _present(*sheets: Sheet | None) -> list[Sheet]:
    return [sheet for sheet in sheets if sheet is not None]


def _cards(inputs: ReportInputs, choice: Choice) -> list[Card]:
    """Return the numbers of the headline, corpus by corpus."""
    cards = []
    for corpus in inputs.corpora:
        views = inputs.metrics["rhythm"].get(corpus.slug, {}).get(choice.head, {}).get(choice.protocol, {})
        if choice.view in views:
            of = views[choice.view]
            cell = SCORE.cell(of["macro_f1"], of.get("interval", {}).get("macro_f1"))
            span = f"95\u00a0% interval {cell.sub}" if cell.sub else "too few subjects for an interval"
            detail = f"{choice.head} head, {choice.protocol} protocol, {VIEW_TITLES[choice.view]}; {span}"
            if "per_second" in of:
                detail += f"; per second {SCORE.write(of['per_second']['macro_f1'])}"
            cards.append(Card(f"Rhythm macro F1, {corpus.slug}", cell.main, detail))
        beats = inputs.metrics["beats"].get(corpus.slug, {}).get(choice.history)
        if beats:
            value = " · ".join(SCORE.write(beats[f"{c}_f1"] if beats[f"{c}_support"] else None) for c in "nsv")
            detail = f"N · S · V; labels of the preceding beats: {choice.history}"
            cards.append(Card(f"Beat F1, {corpus.slug}", value, detail))
        peaks = inputs.metrics["rpeaks"].get(corpus.slug)
        if peaks and not inputs.metrics["oracles"]["rpeaks"]:
            value = f"{PERCENT.write(peaks['sensitivity'])} / {PERCENT.write(peaks['positive_predictivity'])}"
            detail = f"sensitivity / positive predictivity in %, {peaks['num_records']} whole records"
            cards.append(Card(f"R-peaks, {corpus.slug}", value, detail))
        if peaks and usable_time(peaks):
            detail = "some lead is usable for 10 s or more; other time has no beats and no rhythm"
            cards.append(Card(f"Usable time, {corpus.slug}", usable_time(peaks), detail))
    return cards


def _describe(chain: Choice) -> str:
    """Say whose rhythms the section on records shows; empty without any."""
    if chain.head is None:
        return ""
    return f"Rhythms: {chain.head} head, {chain.protocol} protocol, {VIEW_TITLES[chain.view]}."


def _record_sheets(
    results: list[RecordResult],
    worst: list[RecordResult],
    inputs: ReportInputs,
    chain: Choice,
    strips: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    """Tabulate the worst records, and all of them."""
    sheets = {}
    for name, of, caption in (
        ("worst_sheet", worst, f"The {len(worst)} worst records"),
        ("record_sheet", results, "All records with results, worst first"),
    ):
        is_shown = bool(of) and (name == "worst_sheet" or len(results) > len(worst))
        sheets[name] = record_sheet(of, caption, inputs, chain.protocol, strips) if is_shown else None
    return sheets
