"""Tables of the data and the split of a run, and of further runs: changed records, other seeds, cross-validation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecgfeat.corpora.splits import SPLITS
from ecgfeat.report.results.choice import HEAD_ORDER, PROTOCOL_ORDER, VIEW_TITLES, ranked
from ecgfeat.report.results.inputs import SIGNAL_KINDS, ReportInputs, subjects_per_split
from ecgfeat.report.tables.rhythms import heads_sheet
from ecgfeat.report.tables.sheet import (
    CHANGE,
    DASH,
    SCORE,
    Cell,
    Sheet,
    corpus_tags,
    duration,
    in_words,
    oracle_tags,
    protocol_oracles,
    signal_tags,
    whole,
)
from ecgfeat.scoring.tables import codes, values
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS


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
                Cell(SIGNAL_KINDS[corpus.signals], digest),
                Cell(whole(len(status))),
                *(Cell(whole(number)) for number in parts),
                Cell(whole(len(np.unique(subject[used])))),
                Cell(duration(float(seconds))),
            ]
        )
    head = ["corpus", "signals", "records in", "used", "excluded", "failed", "subjects", "time"]
    return Sheet("Records in = used + excluded + failed", head, rows, signal_tags(inputs.corpora), num_text=2)


def reason_sheet(inputs: ReportInputs) -> Sheet | None:
    """List every record that was not used, with the reason; None if all were used."""
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
    classes = [*BEAT_CLASSES, "F", "Q", *RHYTHMS]
    rank = {label: index for index, label in enumerate(classes)}
    position = {c.slug: index for index, c in enumerate(inputs.corpora)}
    pairs = {(corpus, label) for corpus, label, _ in tallies}
    rows = []
    for corpus, label in sorted(pairs, key=lambda pair: (position.get(pair[0], 99), rank.get(pair[1], 99), pair[1])):
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
    """Count records and subjects per split; a subject in two splits is an error."""
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


PARTS = {
    "rpeaks": ("R-peaks", "F1"),
    "beats": ("beats", "macro F1"),
    "rhythm_per_beat": ("rhythm per beat", "macro F1"),
    "rhythm_per_second": ("rhythm per second", "macro F1"),
}
"""Scored parts of a variant, and the main score of each."""
KINDS = ("as_it_is", "rpeaks", "history", "labels", "leads", "first", "second", "polarity", "noise")
"""Order of the variants by the first word of their names."""
ORACLE_VARIANTS = ("rpeaks_annotated", "history_oracle")


def _variant_rank(name: str) -> tuple[int, float, str]:
    """Sort variants by kind, noise from weak to strong."""
    kind = next((at for at, word in enumerate(KINDS) if name.startswith(word)), len(KINDS))
    numbers = [float(word) for word in name.split("_") if word.replace(".", "").replace("-", "").isdigit()]
    return kind, -numbers[0] if numbers else 0.0, name


def sensitivity_sheets(inputs: ReportInputs) -> list[Sheet]:
    """Tabulate the effect of changes in the test records on the scores: a table of all parts and one of the rhythms.

    Notes
    -----
    * ``metrics["sensitivity"]`` is the content of ``reports/sensitivity.json``: ``corpora``, by corpus and variant the
      result of `ecgfeat.scoring.variants.compare_variants`; ``head``, ``view`` and ``hours``.
    """
    sensitivity = inputs.metrics.get("sensitivity", {})
    head_name, view = str(sensitivity.get("head", "timeline")), str(sensitivity.get("view", ""))
    sheets = []
    hours = f"at most {sensitivity['hours']:g} hours of each record" if sensitivity.get("hours") else "whole records"
    what = f"{head_name} head, {VIEW_TITLES.get(view, 'single view')}, {hours}"
    for corpus, variants in sensitivity.get("corpora", {}).items():
        order = sorted(variants, key=_variant_rank)
        parts = [part for part in PARTS if any(part in of for of in variants.values())]
        tags = oracle_tags(protocol_oracles(inputs.metrics, "timeline")) + corpus_tags(inputs.corpora, corpus)
        rows = [[_variant_cell(name), *_part_cells(variants[name], parts)] for name in order]
        head: list[str | Cell] = ["test records"]
        for part in parts:
            head += [Cell(PARTS[part][0], PARTS[part][1]), Cell("change", PARTS[part][0])]
        note = (
            "The test records are changed in one way and scored again with the same models. Change: difference to the "
            "unchanged records (“as it is”), with its 95 % interval over subjects. Variants marked “oracle” use "
            "reference information that a new record does not have."
        )
        sheets.append(Sheet(f"{corpus}: sensitivity to the input ({what})", head, rows, tags, note))
        of_rhythm = {name: variants[name].get("rhythm_per_beat", {}).get("f1", {}) for name in order}
        classes = ranked({name for f1 in of_rhythm.values() for name in f1}, RHYTHMS)
        if classes:
            rows = [[_variant_cell(n), *(SCORE.cell(of_rhythm[n].get(c)) for c in classes)] for n in order]
            caption = f"{corpus}: sensitivity of each rhythm, F1 per beat ({what})"
            support = max((variants[n].get("rhythm_per_beat", {}).get("support", {}) for n in order[:1]), key=len)
            few = _rare_classes(inputs, corpus, head_name, view)
            columns = [
                Cell(c, f"{whole(support.get(c, 0))} beats{', not estimable' if c in few else ''}") for c in classes
            ]
            sheets.append(Sheet(caption, ["test records", *columns], rows, tags))
    return sheets


def _rare_classes(inputs: ReportInputs, corpus: str, head: str, view: str) -> list[str]:
    """Return the rhythms that too few subjects have, over whole records."""
    protocols = inputs.metrics.get("rhythm", {}).get(corpus, {}).get(head, {})
    rare: list[str] = protocols.get("timeline", {}).get(view, {}).get("not_estimable", [])
    return rare


def _variant_cell(name: str) -> Cell:
    return Cell(in_words(name), "oracle" if name in ORACLE_VARIANTS else "")


def _part_cells(of: Mapping[str, Any], parts: Sequence[str]) -> list[Cell]:
    """Write the score of each part and its change."""
    cells = []
    for part in parts:
        score = of.get(part, {}).get("f1" if part == "rpeaks" else "macro_f1")
        change = of.get("difference", {}).get(part)
        cells.append(SCORE.cell(score, None, "strong"))
        bound = change if change and change.get("low") is not None else None
        cells.append(CHANGE.cell(change["value"], bound) if change else Cell(""))
    return cells


def seed_sheets(inputs: ReportInputs) -> list[Sheet]:
    """Tabulate the spread over training seeds, a table for each corpus and protocol.

    Notes
    -----
    * ``metrics["rhythm_seeds"]`` is the result of `ecgfeat.scoring.repeats.spread_over`, ``metrics["seeds"]`` the
      seeds.
    """
    sheets = []
    seeds = ", ".join(map(str, inputs.metrics.get("seeds", ())))
    is_simulated = {info.slug for info in inputs.corpora if info.signals in ("simulated", "rendered")}
    for corpus, heads in inputs.metrics.get("rhythm_seeds", {}).items():
        for protocol in ranked({protocol for of in heads.values() for protocol in of}, PROTOCOL_ORDER):
            spread_of = [
                (head, view, _spreads(heads[head][protocol][view]))
                for head in ranked([head for head in heads if protocol in heads[head]], HEAD_ORDER)
                for view in ranked([view for view in heads[head][protocol] if view in VIEW_TITLES], tuple(VIEW_TITLES))
            ]
            names = ranked({name for _, _, spreads in spread_of for name in spreads}, SPREAD_ORDER)
            rows = [
                [Cell(head), Cell(VIEW_TITLES[view]), *(_spread_cell(spreads.get(name)) for name in names)]
                for head, view, spreads in spread_of
            ]
            note = f"Mean over the seeds{f' ({seeds})' if seeds else ''}; under it the lowest and the highest score."
            if corpus in is_simulated:
                note += " Each seed also simulated new signals: the spread does not come from training alone."
            tags = oracle_tags(protocol_oracles(inputs.metrics, protocol)) + corpus_tags(inputs.corpora, corpus)
            caption = f"{corpus}, {protocol} protocol: the same run with other seeds"
            sheets.append(Sheet(caption, ["head", "view", *names], rows, tags, note, num_text=2))
    return sheets


SPREAD_ORDER = ("macro F1", "macro F1 per second", "accuracy", *(f"F1 {name}" for name in RHYTHMS))


def _spreads(of: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the spread of each score of a view by its name in words."""
    spreads = {"macro F1": of.get("macro_f1"), "accuracy": of.get("accuracy")}
    spreads["macro F1 per second"] = of.get("per_second", {}).get("macro_f1")
    spreads |= {f"F1 {name}": spread for name, spread in of.get("f1", {}).items()}
    return {name: spread for name, spread in spreads.items() if spread}


def _spread_cell(spread: Mapping[str, Any] | None) -> Cell:
    if spread is None or spread["mean"] is None:
        return Cell(DASH)
    return SCORE.cell(spread["mean"], {"low": spread["min"], "high": spread["max"]})


def fold_sheets(inputs: ReportInputs) -> list[Sheet]:
    """Tabulate scores pooled over the folds, a table for each corpus and protocol."""
    num_folds = inputs.metrics.get("folds")
    in_folds = f" in {num_folds} folds" if num_folds else ""
    return [
        heads_sheet(
            corpus,
            protocol,
            {head: of[protocol] for head, of in heads.items() if protocol in of},
            inputs,
            f"{corpus}, {protocol} protocol: cross-validation, every subject tested once{in_folds}, folds pooled",
        )
        for corpus, heads in inputs.metrics.get("rhythm_folds", {}).items()
        for protocol in ranked({protocol for of in heads.values() for protocol in of}, PROTOCOL_ORDER)
    ]
