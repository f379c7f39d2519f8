"""Figures of the report with their captions, alternative texts and tags."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from ecgfeat.report.drawings import plots
from ecgfeat.report.drawings.style import to_data_uri
from ecgfeat.report.results.choice import UNITS, VIEW_TITLES, Choice, scored_classes
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.results.per_record import RecordResult
from ecgfeat.report.results.units import Units, select_units
from ecgfeat.report.tables.sheet import SCORE, Tag, corpus_tags, oracle_tags, protocol_oracles, signal_tags
from ecgfeat.scoring.calibration import Reliability, reliability_curve
from ecgfeat.scoring.rhythm import confusion_matrix


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its address, alternative text, caption, full width on screen, tags, id on the page.

    ECG paper keeps its colours in the dark; the colours of other pictures are turned round.
    """

    uri: str
    alt: str
    caption: str
    width_px: int
    tags: Sequence[Tag] = ()
    is_wide: bool = False
    is_paper: bool = False
    name: str = ""


def make_picture(
    figure: Figure,
    alt: str,
    caption: str,
    tags: Sequence[Tag] = (),
    *,
    is_wide: bool = False,
    is_paper: bool = False,
    name: str = "",
) -> Picture:
    """Turn a figure into a picture of the page.

    Parameters
    ----------
    figure : Figure
        The figure.
    alt, caption : str
        Alternative text, and the line under the picture.
    tags : sequence of Tag
        Oracles that were on, and the kind of the signals.
    is_wide : bool, default False
        Whether it has the whole width of the page.
    is_paper : bool, default False
        Whether it shows ECG paper.
    name : str, optional
        Id on the page, for links to it.

    Returns
    -------
    Picture
    """
    width_px = round(104 * figure.get_figwidth())
    return Picture(to_data_uri(figure), alt, caption, width_px, tags, is_wide, is_paper, name)


def rhythm_tags(inputs: ReportInputs, protocol: str, corpus: str) -> list[Tag]:
    """Return the tags of a protocol on a corpus."""
    return oracle_tags(protocol_oracles(inputs.metrics, protocol)) + corpus_tags(inputs.corpora, corpus)


def rpeak_pictures(inputs: ReportInputs, results: Sequence[RecordResult]) -> list[Picture]:
    """Draw sensitivity and positive predictivity of each record, lowest F1 first; none without detected R-peaks."""
    pictures: list[Picture] = []
    if inputs.metrics["oracles"]["rpeaks"]:
        return pictures
    oracles = {**inputs.metrics["oracles"], "history": False, "episodes": False}
    for corpus in inputs.corpora:
        of = [r for r in results if r.corpus == corpus.slug and r.rpeak_f1 == r.rpeak_f1]
        of.sort(key=lambda r: (r.rpeak_f1, r.record))
        if len(of) > 1:
            scores = {
                "sensitivity": [r.rpeak_sensitivity for r in of],
                "positive predictivity": [r.rpeak_predictivity for r in of],
            }
            alt = f"Lowest: record {of[0].record} with an F1 of {100 * of[0].rpeak_f1:.2f} %."
            figure = plots.plot_records([r.record for r in of], scores)
            caption = f"{corpus.slug}: R-peaks of each record, lowest F1 on the left"
            tags = oracle_tags(oracles)[:1] + signal_tags([corpus])
            pictures.append(make_picture(figure, f"{caption}. {alt}", caption, tags, is_wide=True))
    return pictures


def f1_pictures(corpus: str, inputs: ReportInputs, choice: Choice) -> list[Picture]:
    """Draw the F1 of each rhythm with its interval, the views of the chosen head side by side."""
    views = inputs.metrics["rhythm"][corpus].get(choice.head, {}).get(choice.protocol, {})
    if choice.view not in views:
        return []
    where = f"{corpus}: {choice.head}, {choice.protocol} protocol"
    titled = {VIEW_TITLES[view]: views[view] for view in VIEW_TITLES if view in views}
    worded = ", ".join(f"{name} {SCORE.write(value)}" for name, value in views[choice.view]["f1"].items())
    return [
        make_picture(
            plots.plot_f1(titled, scored_classes(views[choice.view])),
            f"F1 of each rhythm, {where}. {VIEW_TITLES[choice.view]}: {worded}.",
            f"{where}: F1 of each rhythm with 95 % interval; a hollow dot: too few subjects",
            rhythm_tags(inputs, str(choice.protocol), corpus),
        )
    ]


def confusion_picture(inputs: ReportInputs, corpus: str, head: str, protocol: str, view: str, units: Units) -> Picture:
    """Draw the confusion of one head in units and in hours."""
    scored, size = units.is_scored, len(units.classes)
    truth, call = units.reference_B[scored], units.predicted_B[scored]
    hours, counted = (units.stop_s - units.start_s)[scored] / 3600, units.is_counted[scored]
    unit = UNITS.get(protocol, "units")
    matrices = {
        f"in {unit}": confusion_matrix(truth[counted], call[counted], size),
        "in hours": confusion_matrix(truth, call, size, hours),
    }
    right = 100 * float((call == truth)[counted].mean())
    where = f"{corpus}: {head}, {protocol} protocol"
    return make_picture(
        plots.plot_confusion(matrices, units.classes),
        f"Confusion matrices, {where}, {VIEW_TITLES[view]}; {right:.1f} % of the {unit} are on the diagonal.",
        f"{where}: confusion in {unit} and in hours, {VIEW_TITLES[view]}. Percentages and colours are shares of a row",
        rhythm_tags(inputs, protocol, corpus),
        is_wide=True,
    )


def calibration_pictures(inputs: ReportInputs, choice: Choice) -> list[Picture]:
    """Draw the reliability of the chosen head, single view and TTA-7.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run.
    choice : Choice
        Head and protocol.
    """
    curves: dict[str, dict[str, Reliability]] = {}
    words: dict[str, list[str]] = {}
    for view in ("single", "tta7"):  # one at a time: units of days are many
        units_of = select_units(inputs.rhythm, choice.head, choice.protocol, view, inputs.fs_hz)
        for corpus, units in units_of.items():
            scored = units.is_scored & units.is_counted
            curve = reliability_curve(units.reference_B[scored], units.probability_BK[scored])
            curves.setdefault(corpus, {})[VIEW_TITLES[view]] = curve
            of = inputs.metrics["rhythm"][corpus][choice.head][choice.protocol][view]
            words.setdefault(corpus, []).append(
                f"{VIEW_TITLES[view]}: ECE {SCORE.write(of.get('ece'))}, Brier score {SCORE.write(of.get('brier'))}"
            )
    pictures = []
    for corpus in sorted(curves):
        caption = f"{corpus}: {choice.head}, {choice.protocol} protocol. {'; '.join(words[corpus])}"
        alt = f"Reliability curve. {caption}."
        tags = rhythm_tags(inputs, str(choice.protocol), corpus)
        pictures.append(make_picture(plots.plot_reliability(curves[corpus]), alt, caption, tags))
    return pictures


def training_pictures(inputs: ReportInputs) -> list[Picture]:
    """Draw the training curves of each trained model."""
    pictures = []
    for model, epochs in sorted(inputs.training.items()):
        if epochs:
            caption = f"{model}: {len(epochs)} epoch{'' if len(epochs) == 1 else 's'}"
            alt = f"Training curves of {caption}."
            pictures.append(make_picture(plots.plot_training(epochs), alt, caption, signal_tags(inputs.corpora)))
    return pictures
