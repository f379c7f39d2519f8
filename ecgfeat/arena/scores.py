"""Put the scores of all systems into one table under one protocol.

Shape suffixes: N records, M scored units, K classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ecgfeat.arena.table import BASELINE_HEADS, ENSEMBLE, system_heads
from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.errors import DataError
from ecgfeat.scoring.diagnosis import diagnosis_scores
from ecgfeat.scoring.rhythm_summary import SCORED_VIEWS, summarise_rhythm
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns, stack_columns

SCORED_PROTOCOLS = ("grid", "timeline")
"""Protocols that need no known episode: segments of 10 s over the whole record, and every beat."""
ENSEMBLE_VIEWS = ("single", "tta7")


def rhythm_scores_of(
    tables: Iterable[Columns], heads: Mapping[str, str], timeline_views: Mapping[str, str], *, bootstrap: int, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Score rhythms by corpus, system and view.

    Parameters
    ----------
    tables : iterable of dict of str to array
        Columns of ``rhythm_predictions``.
    heads : mapping of str to str
        System of each head that is scored.
    timeline_views : mapping of str to str
        View of the timeline by system: the one that validation chose.
    bootstrap, seed : int
        Resamples of the subjects.

    Returns
    -------
    dict
        By corpus and system: ``single`` and ``tta7`` of the grid, ``timeline`` per beat; each as
        `ecgfeat.scoring.units.rhythm_scores` gives it, that of the timeline with its ``view``.
    """
    by_corpus: dict[str, dict[str, dict[str, Any]]] = {}
    for table in tables:
        is_scored = np.isin(table["protocol"], SCORED_PROTOCOLS) & np.isin(table["view"], SCORED_VIEWS)
        is_scored &= np.isin(table["head"], list(heads))
        if not is_scored.any():
            continue
        rows = {name: column[is_scored] for name, column in table.items()}
        summary = summarise_rhythm(rows, fs_hz=COMMON_FS_HZ, num_resamples=bootstrap, seed=seed)
        for corpus, by_head in summary.items():
            for head, protocols in by_head.items():
                system = heads[head]
                scores = {
                    view: score for view, score in protocols.get("grid", {}).items() if view in ("single", "tta7")
                }
                timeline = protocols.get("timeline", {})
                view = timeline_views.get(system, "tta7" if "tta7" in timeline else "single")
                if view in timeline:
                    scores["timeline"] = timeline[view] | {"view": view}
                by_corpus.setdefault(corpus, {})[system] = scores
    return by_corpus


def score_rhythm_systems(
    tables: Sequence[Columns],
    names: Sequence[str],
    ensemble: Sequence[str],
    timeline_views: Mapping[str, str],
    *,
    bootstrap: int,
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Score the rhythms of systems, of the baselines and, if there is one, of the mean of several systems.

    Parameters
    ----------
    tables : sequence of dict of str to array
        Columns of ``rhythm_predictions``.
    names : sequence of str
        Systems, by their names in `ecgfeat.arena.SYSTEMS`.
    ensemble : sequence of str
        Those of them whose posteriors are averaged; empty for none.
    timeline_views, bootstrap, seed
        As `rhythm_scores_of` takes them.

    Returns
    -------
    dict
        As `rhythm_scores_of` returns it.
    """
    heads = system_heads(names) | {name: name for name in BASELINE_HEADS}
    if ensemble:
        averaged = {head: name for head, name in heads.items() if name in ensemble}
        tables = [*tables, average_systems(tables, averaged, ENSEMBLE)]
        heads[ENSEMBLE] = ENSEMBLE
    return rhythm_scores_of(tables, heads, timeline_views, bootstrap=bootstrap, seed=seed)


def average_systems(tables: Sequence[Columns], heads: Mapping[str, str], name: str) -> Columns:
    """Average the posteriors of several systems, unit by unit.

    Parameters
    ----------
    tables : sequence of dict of str to array
        Columns of ``rhythm_predictions``.
    heads : mapping of str to str
        System of each head that is averaged; a system has rows of one head.
    name : str
        Name of the mean.

    Returns
    -------
    dict of str to array
        Columns of ``rhythm_predictions``: single views are averaged with single views, means of seven with means of
        seven. The rhythm that is most probable in the mean is predicted; the other columns are those of the first
        system.

    Raises
    ------
    DataError
        If there is nothing to average, or the systems have predicted different units.
    """
    members: dict[str, list[Columns]] = {system: [] for system in heads.values()}
    for table in tables:
        for head, system in heads.items():
            is_averaged = np.isin(table["protocol"], SCORED_PROTOCOLS) & np.isin(table["view"], ENSEMBLE_VIEWS)
            is_averaged &= table["head"] == head
            if is_averaged.any():
                members[system].append({column: values[is_averaged] for column, values in table.items()})
    key = ("corpus", "record", "protocol", "view", "start_sample", "stop_sample")
    silent = [system for system, parts in members.items() if not parts]
    if silent or not members:
        raise DataError(
            "ensemble", found=f"no rhythm of {' '.join(silent) or 'any system'}", expected="systems with weights"
        )
    sorted_tables: list[Columns] = []
    for parts in members.values():
        table = stack_columns(parts, list(parts[0]))
        order = np.lexsort([table[column] for column in reversed(key)])
        sorted_tables.append({column: values[order] for column, values in table.items()})
    first = sorted_tables[0]
    for other, system in zip(sorted_tables, members, strict=True):
        if any(not np.array_equal(first[column], other[column]) for column in key):
            raise DataError(
                "ensemble", found=f"{system} has predicted other units", expected="one set of segments and beats"
            )
    probability_MK = np.mean([[table[f"p_{rhythm}"] for rhythm in RHYTHMS] for table in sorted_tables], axis=0).T
    called = np.array(RHYTHMS, dtype=object)[probability_MK.argmax(1)]
    posteriors = {f"p_{rhythm}": column for rhythm, column in zip(RHYTHMS, probability_MK.T, strict=True)}
    return first | posteriors | {"predicted": called, "head": np.full(len(called), name, dtype=object)}


def record_scores_of(table: Columns, corpus: DiagnosticCorpus, *, bootstrap: int, seed: int) -> dict[str, Any]:
    """Score the diagnoses of one system on one corpus, all folds together.

    Parameters
    ----------
    table : dict of str to array
        Columns of ``record_predictions``, with rows.
    corpus : DiagnosticCorpus
        Classes, those that are scored, and the task.
    bootstrap, seed : int
        Resamples of the subjects.

    Returns
    -------
    dict
        By view: what `ecgfeat.scoring.diagnosis.diagnosis_scores` gives.
    """
    scores = {}
    for view in sorted(set(table["view"].tolist())):
        rows = np.flatnonzero(table["view"] == view)
        reference_NK = np.zeros((len(rows), len(corpus.classes)))
        for at, row in enumerate(rows):
            reference_NK[at, [corpus.classes.index(name) for name in table["unknown"][row]]] = np.nan
            reference_NK[at, [corpus.classes.index(name) for name in table["references"][row]]] = 1
        scores[view] = diagnosis_scores(
            reference_NK,
            np.stack([np.asarray(probability) for probability in table["probability"][rows]]),
            table["subject"][rows],
            corpus.classes,
            task=corpus.task,
            scored=corpus.scored,
            num_resamples=bootstrap,
            seed=seed,
        )
    return scores


def same_records(tables: Sequence[Columns]) -> bool:
    """Return whether several systems have predicted the same records in the same folds."""
    predicted = [
        {
            (str(record), int(fold))
            for record, fold, view in zip(table["record"], table["fold"], table["view"], strict=True)
            if view == "single"
        }
        for table in tables
    ]
    return all(records == predicted[0] for records in predicted[1:])
