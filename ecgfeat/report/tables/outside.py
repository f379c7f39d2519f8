"""Outside evaluation: cards and tables of ``reports/outside.json``, AF per record, beats, rhythms, false alarms."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecgfeat.report.results.inputs import SIGNAL_KINDS
from ecgfeat.report.tables.sheet import (
    DASH,
    PERCENT,
    SCORE,
    Card,
    Cell,
    Notation,
    Sheet,
    Tag,
    class_f1_cell,
    people,
    whole,
)
from ecgfeat.scoring.intervals import MIN_SUBJECTS
from ecgfeat.scoring.outside import FEWEST_S, LEAST_AF_S, NOISY_SHARE
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS

_Tree = Mapping[str, Any]

OUTSIDE = "took no part in training"
INSIDE = "test records: other subjects of a corpus that was trained on"
CHOSEN_BY = "records to choose by: no test records"
"""What the records of a corpus are; the last of a run with ``outside.split: validation``."""

AF_SCORES = {"both": "whole chain", "rr_trees": "RR trees", "rr_irregular": "RR irregularity"}
LABELS = {
    "labels_reference": "reference labels: an oracle that contains the answer",
    "labels_hidden": "labels hidden: S by how early a beat comes, V not known",
    "labels_drawn": "labels drawn from the classifier's confusion",
}
"""What the rhythm head is given of the beats of annotations alone."""
VIEWS = {"viterbi": "as named to a user", "single": "most probable rhythm"}
GROUPS = {
    "": "all records",
    "rate_below_60": "below 60/min",
    "rate_60_to_100": "60 to 100/min",
    "rate_from_100": "from 100/min",
    "clean": f"at most {NOISY_SHARE:.0%} unusable",
    "noisy": f"more than {NOISY_SHARE:.0%} unusable",
}
"""Groups of records in which the default rule is scored, in the order of their rows."""


def outside_cards(outside: _Tree) -> list[Card]:
    """Return the numbers that come first on the page: corpora that took no part in training, then the others.

    Parameters
    ----------
    outside : mapping
        Content of ``reports/outside.json``; empty: no cards.

    Returns
    -------
    list of Card
    """
    cards: list[Card] = []
    for slug in list_corpora(outside):
        status = record_status(outside, slug)
        of = outside["records"].get(slug, {})
        if "af" in of:
            scores = [of["af"].get(name, {}) for name in ("both", "rr_irregular")]
            value = " · ".join(SCORE.write(score.get("auroc")) for score in scores)
            span = _flat(scores[0], "auroc", SCORE).sub
            detail = "AUROC of the whole chain · of RR irregularity alone"
            cards.append(Card(f"AF per record, {slug}", value, f"{detail}{_span(span)}; {status}"))
        beats = outside["beats"].get(slug)
        if beats:
            value = " · ".join(SCORE.write(beats[f"{c}_f1"] if beats[f"{c}_support"] else None) for c in "nsv")
            cards.append(Card(f"Beat F1, {slug}", value, f"N · S · V; {status}"))
        if "normal" in of:
            cell = _flat(of["normal"], "share_ectopic", PERCENT)
            detail = f"share of beats called S or V in {whole(of['normal']['num_records'])} records labelled normal"
            label = f"Called ectopic in normal records, {slug}"
            cards.append(Card(label, f"{cell.main}\u00a0%", f"{detail}{_span(cell.sub)}; {status}"))
        for head, views in outside["rhythm"].get(slug, {}).items():
            if head not in LABELS and "viterbi" in views:
                scores = views["viterbi"]
                value = f"{SCORE.write(scores['macro_f1'])} · {SCORE.write(scores['f1'].get('AFIB'))}"
                span = SCORE.cell(scores["macro_f1"], scores.get("interval", {}).get("macro_f1")).sub
                detail = f"macro F1 · AFIB F1, as named to a user{_span(span)}; {status}"
                cards.append(Card(f"Rhythm, {slug}", value, detail))
    return cards


def outside_sheets(outside: _Tree) -> list[Sheet]:
    """Tabulate the outside evaluation.

    Parameters
    ----------
    outside : mapping
        Content of ``reports/outside.json``; empty: no tables.

    Returns
    -------
    list of Sheet
        AF per record by score and by the default rule, beats, rhythms, false alarms and certainty; without those that
        no corpus has labels for.
    """
    makers = (_rank_sheet, _rule_sheet, _beat_sheet, _rhythm_sheet, _alarm_sheet)
    sheets = [make(outside) for make in makers] if outside else []
    return [sheet for sheet in sheets if sheet.rows]


def list_corpora(outside: _Tree) -> list[str]:
    """Return the scored corpora, those that took no part in training first."""
    parts = (outside.get(part, {}) for part in ("records", "beats", "rhythm"))
    found = sorted({slug for part in parts for slug in part})
    return sorted(found, key=lambda slug: slug not in outside["outside"])


def record_status(outside: _Tree, slug: str) -> str:
    """Say what the records of a corpus are: of training or not."""
    if slug in outside["outside"]:
        return OUTSIDE
    return INSIDE if outside["split"] == "test" else CHOSEN_BY


def corpus_cell(outside: _Tree, slug: str, suffix: str = "") -> Cell:
    """Write the name of a corpus, and below it what its records are."""
    return Cell(f"{slug}{suffix}", record_status(outside, slug))


def state_once(rows: Sequence[Sequence[Cell]]) -> list[list[Cell]]:
    """Leave the status of a corpus out of all but the first of its rows."""
    first = [None, *(row[0] for row in rows)]
    return [
        [Cell(row[0].main) if row[0] == above else row[0], *row[1:]] for row, above in zip(rows, first, strict=False)
    ]


def outside_tags(outside: _Tree, slugs: Sequence[str]) -> list[Tag]:
    """Return a tag for each corpus without measured signals, and one for records to choose by."""
    kinds = {slug: outside.get("signals", {}).get(slug, "measured") for slug in dict.fromkeys(slugs)}
    tags = [Tag(f"{slug}: {SIGNAL_KINDS[kind]}", "caution") for slug, kind in kinds.items() if kind != "measured"]
    return tags if outside["split"] == "test" else [*tags, Tag(CHOSEN_BY, "caution")]


def _span(interval: str) -> str:
    return f"; 95\u00a0% interval {interval}" if interval else ""


def _flat(of: _Tree, name: str, notation: Notation, style: str = "") -> Cell:
    """Write a score whose bounds are called ``<name>_low`` and ``<name>_high``."""
    low, high = of.get(f"{name}_low"), of.get(f"{name}_high")
    return notation.cell(of.get(name), None if low is None or high is None else {"low": low, "high": high}, style)


def _few(cell: Cell, number: int) -> Cell:
    """Mark a score of too few records as not estimable, and take its interval away."""
    if cell.main == DASH:
        return Cell(DASH, "", "weak")
    return Cell(cell.main, "not estimable", "weak") if number < MIN_SUBJECTS else cell


def _rank_sheet(outside: _Tree) -> Sheet:
    """Tabulate how well each score ranks records with AF above the others."""
    rows = []
    slugs = [slug for slug in list_corpora(outside) if "af" in outside["records"].get(slug, {})]
    for slug in slugs:
        of = outside["records"][slug]
        num_af, num_free = (of["af_rule"][key] for key in ("num_af", "num_free"))
        fewest = {"": min(num_af, num_free), "_normal": min(num_af, of.get("normal", {}).get("num_records", 0))}
        for name, words in AF_SCORES.items():
            scores = of["af"].get(name, {})
            cells = [corpus_cell(outside, slug), Cell(words), Cell(whole(num_af)), Cell(whole(num_free))]
            for suffix, number in fewest.items():
                cells += [_few(_flat(scores, f"{area}{suffix}", SCORE), number) for area in ("auroc", "auprc")]
            rows.append(cells)
    head: list[str | Cell] = ["corpus", "score", Cell("records", "with AF"), Cell("records", "without")]
    head += [Cell(area, against) for against in ("all others", "normal ones") for area in ("AUROC", "AUPRC")]
    note = (
        f"AF: atrial fibrillation. A record has AF if {LEAST_AF_S:.0f} s or half of it are in AF. Records with less AF "
        "are left out, and so are those in atrial flutter. AUROC, AUPRC: areas under the receiver operating "
        "characteristic and under the precision-recall curve, against all other records and against those labelled "
        "normal. Whole chain: mean probability of AFIB over the beats. RR trees: the same from trees that read RR "
        "intervals alone. RR irregularity: share of RR intervals that change by more than a tenth of their mean. A "
        "record without usable time ranks last. Under a score: 95 % interval over subjects; with fewer than "
        f"{MIN_SUBJECTS} records on either side it is not estimable."
    )
    return Sheet("AF per record, by score", head, state_once(rows), outside_tags(outside, slugs), note, num_text=2)


def _rule_sheet(outside: _Tree) -> Sheet:
    """Tabulate the default rule as a test for AF: of all records, by heart rate, by noise."""
    rows = []
    slugs = [slug for slug in list_corpora(outside) if "af_rule" in outside["records"].get(slug, {})]
    for slug in slugs:
        rule = outside["records"][slug]["af_rule"]
        for name, words in GROUPS.items():
            of = rule[name] if name else rule
            num_af, num_free = of["num_af"], of["num_free"]
            if not num_af and not num_free:
                continue
            needed = {"sensitivity": num_af, "specificity": num_free}
            needed |= dict.fromkeys(("positive_predictivity", "f1"), min(num_af, num_free))
            cells = [corpus_cell(outside, slug), Cell(words), Cell(whole(num_af)), Cell(whole(num_free))]
            cells += [_few(_flat(of, score, SCORE), number) for score, number in needed.items()]
            rows.append(cells)
    head: list[str | Cell] = ["corpus", "records", Cell("records", "with AF"), Cell("records", "without")]
    note = (
        f"A record is called AF if {LEAST_AF_S:.0f} s of it or half of its usable time are named AFIB. Groups: by "
        "heart rate, and by the share of the record that is not usable. A record without usable time is called free of "
        f"AF. With fewer than {MIN_SUBJECTS} of the records that a score needs, it is not estimable."
    )
    caption = "AF per record, by the default rule"
    names = ["sensitivity", "specificity", "positive predictivity", "F1"]
    return Sheet(caption, [*head, *names], state_once(rows), outside_tags(outside, slugs), note, num_text=2)


def _parts(outside: _Tree, part: str) -> Iterator[tuple[str, Cell, _Tree]]:
    """Yield the scores of each corpus, and after them those without its heavy records."""
    without = outside.get("without", {})
    for slug in list_corpora(outside):
        if slug in outside[part]:
            yield slug, corpus_cell(outside, slug), outside[part][slug]
        if slug in without.get(part, {}):
            names = ", ".join(without["left_out"][slug])
            yield slug, corpus_cell(outside, slug, f" without {names}"), without[part][slug]


def _beat_sheet(outside: _Tree) -> Sheet:
    """Tabulate the beat classes."""
    rows = []
    for _, corpus, of in _parts(outside, "beats"):
        for name in BEAT_CLASSES:
            c = name.lower()
            subjects, bounds = of[f"{c}_subjects"], of.get("interval", {})
            cells = [corpus, Cell(name, people(subjects)), Cell(whole(of[f"{c}_support"]))]
            for score, style in (("f1", "strong"), ("sensitivity", ""), ("positive_predictivity", "")):
                key = f"{c}_{score}"
                value = of.get(key) if of[f"{c}_support"] else None
                cells.append(_few(SCORE.cell(value, bounds.get(key), style), subjects))
            cells.append(SCORE.cell(of.get("mean_s_f1")) if name == "S" else Cell(""))
            rows.append(cells)
    head: list[str | Cell] = ["corpus", "class", "beats", "F1", "sensitivity", "positive predictivity"]
    head.append(Cell("F1, mean record", f"with {FEWEST_S} S or more"))
    note = (
        "Beats in usable time. A predicted beat is matched with a reference beat within 150 ms (EC57); a beat that is "
        "missed or added is an error. The class is the one that a user is given. “Without”: the same without records "
        "that hold most of a class. Under a score: 95 % interval over subjects."
    )
    slugs = [slug for slug, _, _ in _parts(outside, "beats")]
    return Sheet("Beat classes", head, state_once(rows), outside_tags(outside, slugs), note, num_text=2)


def _rhythm_sheet(outside: _Tree) -> Sheet:
    """Tabulate the rhythms, beat by beat, and AF by its duration."""
    rows = []
    for _, corpus, heads in _parts(outside, "rhythm"):
        for head, views in heads.items():
            for view, words in VIEWS.items():
                if view not in views:
                    continue
                of = views[view]
                bounds, af = of.get("interval", {}), of.get("af", {})
                what = Cell(LABELS[head], "oracle" * (head == "labels_reference")) if head in LABELS else Cell(words)
                cells = [corpus, what, SCORE.cell(of["macro_f1"], bounds.get("macro_f1"), "strong")]
                cells.append(SCORE.cell(of["accuracy"], bounds.get("accuracy")))
                cells += [class_f1_cell(of, name, of) for name in RHYTHMS]
                for key in ("duration_sensitivity", "duration_positive_predictivity"):
                    bound = af.get("interval", {}).get(key)
                    is_bound = bound is not None and bound["low"] is not None
                    cells.append(SCORE.cell(af.get(key), bound if is_bound else None))
                cells.append(PERCENT.cell(of.get("not_classified", 0.0 if view == "single" else None)))
                rows.append(cells)
    head_row: list[str | Cell] = ["corpus", "rhythm", "macro F1", "accuracy", *(Cell(name, "F1") for name in RHYTHMS)]
    head_row += [Cell("AF sensitivity", "by duration"), Cell("AF positive predictivity", "by duration")]
    note = (
        "Each beat in usable time counts once. Macro F1 is the mean over the classes that occur. What is not "
        "classified is wrong for every class. AF by duration: share of the time in AF that is named AFIB, and the "
        "reverse; time in atrial flutter does not count against it. Annotations alone have no signal: their rows say "
        f"what the rhythm head is given of the beats. A class of fewer than {MIN_SUBJECTS} subjects is not estimable."
    )
    slugs = [slug for slug, _, _ in _parts(outside, "rhythm")]
    columns = [*head_row, "not classified (%)"]
    return Sheet("Rhythms", columns, state_once(rows), outside_tags(outside, slugs), note, num_text=2)


def _alarm_sheet(outside: _Tree) -> Sheet:
    """Tabulate false alarms in normal records, certainty, and usable time."""
    rows = []
    slugs = [slug for slug in list_corpora(outside) if slug in outside["records"]]
    for slug in slugs:
        of = outside["records"][slug]
        normal, certainty = of.get("normal", {}), of.get("certainty", {})
        cells = [corpus_cell(outside, slug), Cell(whole(of["num_records"]), people(of["num_subjects"]))]
        cells.append(PERCENT.cell(of.get("usable_share")))
        cells.append(_flat(of.get("free_of_af", {}), "share_called_af", PERCENT))
        cells += [Cell(whole(normal[key]) if normal else DASH) for key in ("num_records", "num_beats")]
        cells += [_flat(normal, f"share_{kind}", PERCENT) for kind in ("s", "v", "ectopic")]
        cells.append(Cell(whole(certainty["num_records"]) if certainty else DASH))
        cells += [SCORE.cell(certainty.get(key)) for key in ("accuracy", "mean_certainty", "ece")]
        rows.append(cells)
    head: list[str | Cell] = ["corpus", "records", Cell("usable time", "%")]
    head += [Cell("named AFIB", "% of usable time without AF"), Cell("normal records")]
    head += [Cell("beats", "of normal records")]
    head += [Cell(f"called {kind}", "% of these beats") for kind in ("S", "V", "S or V")]
    head += [Cell("records", "of one rhythm"), Cell("accuracy", "their rhythm"), "mean certainty", "calibration error"]
    note = (
        "A normal record is labelled sinus rhythm, with no ectopic beats stated. Some have ectopic beats all the same, "
        "so the share of beats called S or V should be small, not zero. Certainty: see the next table."
    )
    return Sheet("False alarms, certainty and usable time", head, rows, outside_tags(outside, slugs), note)
