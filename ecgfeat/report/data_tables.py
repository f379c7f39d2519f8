"""Tables of the sections on data and split: corpora, records not used, beats and rhythms per split."""

import numpy as np

from ecgfeat.corpora.splits import SPLITS
from ecgfeat.report.inputs import SIGNAL_KINDS, ReportInputs, subjects_per_split
from ecgfeat.report.sheet import DASH, Cell, Sheet, duration, signal_tags, whole
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
