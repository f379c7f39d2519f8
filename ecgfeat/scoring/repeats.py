"""Spread of the rhythm scores over repeated runs (other seeds, other folds), and the run that they belong to."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ecgfeat.scoring.plain import plain_numbers

REPEATED = ("macro_f1", "accuracy", "f1")
"""Scores whose spread over runs is reported; of ``per_second`` only macro F1."""


def repeated_scores(rhythm: Mapping[str, Any]) -> dict[str, Any]:
    """Select the scores whose spread over runs is reported.

    Parameters
    ----------
    rhythm : mapping
        Result of `ecgfeat.scoring.rhythm_summary.summarise_rhythm`: by corpus, head, protocol and view.

    Returns
    -------
    dict
        By corpus, head, protocol and view: ``macro_f1, accuracy`` (numbers), ``f1`` (by class) and, if the view has it,
        ``per_second.macro_f1``.
    """

    def pick(view: Mapping[str, Any]) -> dict[str, Any]:
        scores = {name: view[name] for name in REPEATED}
        if "per_second" in view:
            scores["per_second"] = {"macro_f1": view["per_second"]["macro_f1"]}
        return scores

    picked = {
        corpus: {
            head: {protocol: {view: pick(of) for view, of in views.items()} for protocol, views in protocols.items()}
            for head, protocols in heads.items()
        }
        for corpus, heads in rhythm.items()
    }
    plain: dict[str, Any] = plain_numbers(picked)
    return plain


def spread_over(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean, minimum and maximum of each score over several runs.

    Parameters
    ----------
    runs : mapping of str to mapping
        By name of the run, such as its seed: the result of `repeated_scores`.

    Returns
    -------
    dict
        The layout of `repeated_scores`, with ``mean, min, max`` and ``values`` (by run) in place of each number. A run
        without a class in its test records has no F1 of that class: its value is None and is not part of the mean.

    Raises
    ------
    ValueError
        If the runs do not have the same corpora, heads, protocols and views.
    """
    first, *others = runs
    for name in others:
        here, there = _views(runs[first]), _views(runs[name])
        if here != there:
            odd = " ".join(min(here ^ there))
            raise ValueError(f"runs {first} and {name}: {odd} is in only one of them; expected the same in each run")
    plain: dict[str, Any] = plain_numbers(_spread(runs))
    return plain


def _views(scores: Mapping[str, Any]) -> set[tuple[str, ...]]:
    return {
        (corpus, head, protocol, view)
        for corpus, heads in scores.items()
        for head, protocols in heads.items()
        for protocol, views in protocols.items()
        for view in views
    }


def _spread(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spread of a number over the runs, or the spread of each number below."""
    defined = [node for node in nodes.values() if node is not None]
    if not any(isinstance(node, Mapping) for node in defined):
        return {
            "mean": sum(defined) / len(defined) if defined else None,
            "min": min(defined, default=None),
            "max": max(defined, default=None),
            "values": dict(nodes),
        }
    keys = {key for node in defined for key in node}
    return {key: _spread({run: node.get(key) for run, node in nodes.items()}) for key in sorted(keys)}


def run_fingerprint(rhythm: Mapping[str, Any]) -> str:
    """Return a fingerprint of a run, made from its scores.

    Parameters
    ----------
    rhythm : mapping
        Result of `ecgfeat.scoring.rhythm_summary.summarise_rhythm`, with or without intervals.

    Returns
    -------
    str
        sha256 of the result of `repeated_scores`, whose keys are sorted, as hex digits. Other data, another model or
        another way to count gives another fingerprint.
    """
    return hashlib.sha256(json.dumps(repeated_scores(rhythm)).encode()).hexdigest()


def repeats_of(repeats: Mapping[str, Mapping[str, Any]], rhythm: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of repeated runs, if they are repeats of this run.

    Parameters
    ----------
    repeats : mapping of str to mapping
        Content of ``reports/repeats.json``: by kind (seeds, folds) ``run``, the fingerprint of the run that was
        repeated, and ``metrics``, the keys to add.
    rhythm : mapping
        Rhythm scores of this run.

    Returns
    -------
    dict
        The keys to add to the metrics of this run; none from repeats of another run.
    """
    name = run_fingerprint(rhythm)
    return {key: value for kind in repeats.values() if kind["run"] == name for key, value in kind["metrics"].items()}
