"""What the table of the arena states beside the scores: systems, corpora, and how to read both."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecgfeat.arena import BEATS_ONLY, SYSTEMS, BeatSystem, SignalSystem
from ecgfeat.arena.side_inputs import RANDOM_CHECKPOINT
from ecgfeat.corpora.corpus import Corpus, DiagnosticCorpus
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import Columns

BASELINE_HEADS = {
    "rr_logistic": "logistic regression on RR",
    "rr_rules": "RR rules",
    "majority": "majority rhythm; of records the shares of the diagnoses",
}
"""Titles of the heads without a network."""

ENSEMBLE = "ensemble"
"""Name of the mean of several systems."""

NOTES = (
    "Milliseconds per record, one view, of rhythm corpora from the signal at 128 Hz in memory to the answers: systems "
    "that read beats find the R-peaks, embed the beats and name every one; systems that read signal filter, resample "
    "and cut it, and name its windows. Of diagnostic corpora from the leads at the record's own rate in memory to the "
    "probabilities of its window in the middle. The first record is timed; reading it and loading the model are not.",
    "Training time on a diagnostic corpus is that of all folds together; reading the records is not counted.",
    "Training of a system that reads beats counts the beat embedder, its features and the head.",
)


def system_heads(names: Iterable[str]) -> dict[str, str]:
    """Return the system of each head of the table of predictions; the head of a system on signal has its name."""
    systems = {name: SYSTEMS[name] for name in names}
    return {system.head if isinstance(system, BeatSystem) else name: name for name, system in systems.items()}


def describe_compared(ensemble: Sequence[str], diagnostic_corpora: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Describe what is compared with the systems: the heads without a network and, if there is one, the ensemble.

    Parameters
    ----------
    ensemble : sequence of str
        Systems whose posteriors are averaged; empty for none.
    diagnostic_corpora : sequence of str
        Corpora on which they have no score.

    Returns
    -------
    dict of str to dict
        Title, command and the reasons why scores are absent.
    """
    rows = {
        name: {
            "title": title,
            "command": "dvc repro evaluate",
            # The majority is a baseline of diagnoses too, see `ecgfeat.diagnosis.folds`.
            "left_out": {} if name == "majority" else dict.fromkeys(diagnostic_corpora, BEATS_ONLY),
        }
        for name, title in BASELINE_HEADS.items()
    }
    if ensemble:
        left_out = dict.fromkeys(diagnostic_corpora, "averages rhythms only")
        title = f"mean of {' and '.join(ensemble)}"
        rows[ENSEMBLE] = {"title": title, "command": "dvc repro arena", "left_out": left_out}
    return rows


def write_title(system: BeatSystem | SignalSystem, settings: Mapping[str, Any] | None) -> str:
    """Return the title of a system, with length and rate of its segments where it was trained on signal.

    Parameters
    ----------
    system : BeatSystem or SignalSystem
        Its entry.
    settings : mapping or None
        The ``settings`` of one of its ``system.json``; None where it was never trained.

    Returns
    -------
    str
    """
    if settings is None:
        return system.title
    title = f"{system.title}; records in windows of {settings['seconds']:g} s at {settings['fs_hz']:g} Hz"
    is_random = settings.get("checkpoint") == RANDOM_CHECKPOINT
    return f"{title}; the encoder is tiny, random and untrained" if is_random else title


def write_notes(names: Iterable[str], scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the notes below the table: on times, on some systems, and which view of the timeline is scored.

    Parameters
    ----------
    names : iterable of str
        The systems.
    scores : mapping
        By corpus, system and view. Validation chooses the view of our timeline; the others have one to offer.

    Returns
    -------
    list of str
    """
    views = {
        f"{slug}, {name}: {by_view['timeline']['view']}"
        for slug, by_name in scores.items()
        for name, by_view in by_name.items()
        if "timeline" in by_view
    }
    views_note = f"View of the timeline that is scored (viterbi is smoothed): {'; '.join(sorted(views))}."
    return [*NOTES, *filter(None, (SYSTEMS[name].note for name in names)), views_note]


def describe_rhythm_corpus(
    corpus: Corpus, rows: Sequence[Mapping[str, Any]], *, split: str, window_s: float
) -> dict[str, Any]:
    """Describe what is scored of a corpus of rhythms.

    Parameters
    ----------
    corpus : Corpus
        Its facts.
    rows : sequence of mapping
        Rows of the ``records`` table.
    split : str
        Param ``annotate.split``.
    window_s : float
        Length of a segment.

    Returns
    -------
    dict
        Title, classes, records, subjects and split.
    """
    test = [row for row in rows if row["split"] == "test" and row["status"] == "used"]
    split = split if split != "default" else corpus.default_split
    return {
        "title": corpus.title,
        "kind": "rhythm",
        "protocols": [f"two-lead windows of {window_s:g} s over whole records", "timeline: every beat"],
        "classes": list(RHYTHMS),
        "records": len(test),
        "subjects": len({row["subject"] for row in test}),
        "split": f"by subject: {split}, test records",
        "unit": "windows",
        "signals": str(test[0]["signals"]) if test else "none",
    }


def describe_diagnostic_corpus(corpus: DiagnosticCorpus, table: Columns, leads: Sequence[str]) -> dict[str, Any]:
    """Describe what is scored of a diagnostic corpus.

    Parameters
    ----------
    corpus : DiagnosticCorpus
        Its facts.
    table : dict of str to array
        Columns of ``diagnoses``.
    leads : sequence of str
        Leads that the systems read, by name.

    Returns
    -------
    dict
        Title, task, classes, records, subjects, folds and leads.
    """
    used = table["status"] == "used"
    return {
        "title": corpus.title,
        "kind": "diagnostic",
        "task": corpus.task,
        "classes": list(corpus.classes),
        "scored": list(corpus.scored),
        "records": int(used.sum()),
        "subjects": len(set(table["subject"][used].tolist())),
        "split": f"{len(set(table['fold'][used].tolist()))} folds by subject, as far as subjects are known",
        "leads": list(leads),
        "signals": str(table["signals"][used][0]),
    }
