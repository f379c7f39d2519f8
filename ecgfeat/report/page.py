"""The report: one HTML page that needs nothing but itself, the same bytes for the same results."""

import dataclasses
from dataclasses import dataclass
from importlib import resources

import jinja2

from ecgfeat.report import pictures, score_tables, tables
from ecgfeat.report.dag import draw_dag
from ecgfeat.report.inputs import CorpusInfo, ReportInputs, Tally, tally_corpus
from ecgfeat.report.per_record import collect_records
from ecgfeat.report.tables import PERCENT, SCORE, Sheet
from ecgfeat.scoring.summary import codes

__all__ = ["CorpusInfo", "ReportInputs", "Tally", "render_page", "tally_corpus"]

PROTOCOLS = ("timeline", "grid", "episode")


@dataclass(frozen=True)
class Card:
    """A number of the headline."""

    label: str
    value: str
    detail: str


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
        rpeak_sheets=[score_tables.rpeak_sheet(inputs)] if inputs.metrics["rpeaks"] else [],
        rpeak_pictures=pictures.rpeak_pictures(inputs, choice),
        beat_sheets=[
            sheet
            for corpus, of in inputs.metrics["beats"].items()
            for sheet in score_tables.beat_sheet(corpus, of, inputs)
        ],
        overview=score_tables.overview_sheet(inputs) if inputs.metrics["rhythm"] else None,
        class_sheets=_class_sheets(inputs, choice),
        af_sheet=score_tables.af_sheet(inputs) if inputs.metrics["rhythm"] else None,
        rhythm_pictures=pictures.rhythm_pictures(inputs, choice, tags),
        calibration_pictures=pictures.calibration_pictures(inputs, choice, tags),
        training_pictures=pictures.training_pictures(inputs),
        record_sheet=score_tables.record_sheet(results, inputs, tags) if results else None,
        strips=pictures.worst_strips(inputs, results, choice),
    )


def _present(*sheets: Sheet | None) -> list[Sheet]:
    return [sheet for sheet in sheets if sheet is not None]


def _choose(inputs: ReportInputs) -> pictures.Choice:
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
    return pictures.Choice(head, protocol, inputs.view, history, detector)


def _cards(inputs: ReportInputs, choice: pictures.Choice) -> list[Card]:
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


def _class_sheets(inputs: ReportInputs, choice: pictures.Choice) -> list[tuple[bool, Sheet]]:
    """Tabulate every head and protocol; only the chosen one stands open."""
    sheets = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        for head, protocols in heads.items():
            for protocol, views in protocols.items():
                is_chosen = (head, protocol) == (choice.head, choice.protocol)
                sheets.append((is_chosen, score_tables.class_sheet(corpus, head, protocol, views, inputs)))
    return sorted(sheets, key=lambda pair: not pair[0])
