"""Spread of the rhythm scores over runs that differ in one thing only, and which run such numbers belong to."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ecgfeat.scoring.plain import plain_numbers

REPEATED = ("macro_f1", "accuracy", "f1")
"""Scores of a unit whose spread is told; of ``per_second`` macro F1 alone."""


def repeated_scores(rhythm: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the scores whose spread over runs is told.

    Parameters
    ----------
    rhythm : mapping
        What `ecgfeat.scoring.rhythm_summary.summarise_rhythm` returned: by corpus, head, protocol and view.

    Returns
    -------
    dict
        By corpus, head, protocol and view: ``macro_f1, accuracy`` (numbers), ``f1`` (by class), and where the view has
        them ``per_second.macro_f1``.
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
    """Tell mean, lowest and highest of each score over several runs.

    Parameters
    ----------
    runs : mapping of str to mapping
        By the name of a run, such as its seed: what `repeated_scores` returned.

    Returns
    -------
    dict
        The layout of `repeated_scores`; in the place of each number ``mean, min, max`` and ``values`` by run. A run
        whose test records had none of a class has no F1 of it: None among the values, and left out of the rest.

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
            raise ValueError(f"runs {first} and {name}: {odd} is in one of them only; expected the same in each")
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
    """Return the spread of a number over the runs, or that of each branch below."""
    known = [node for node in nodes.values() if node is not None]
    if not any(isinstance(node, Mapping) for node in known):
        return {
            "mean": sum(known) / len(known) if known else None,
            "min": min(known, default=None),
            "max": max(known, default=None),
            "values": dict(nodes),
        }
    keys = {key for node in known for key in node}
    return {key: _spread({run: node.get(key) for run, node in nodes.items()}) for key in sorted(keys)}


def run_fingerprint(rhythm: Mapping[str, Any]) -> str:
    """Name a run by its scores.

    Parameters
    ----------
    rhythm : mapping
        What `ecgfeat.scoring.rhythm_summary.summarise_rhythm` returned, with or without intervals.

    Returns
    -------
    str
        sha256 of what `repeated_scores` picks, as hex digits. Other data, another model and another way of counting all
        give another name.
    """
    return hashlib.sha256(json.dumps(repeated_scores(rhythm), sort_keys=True).encode()).hexdigest()


def repeats_of(repeats: Mapping[str, Mapping[str, Any]], rhythm: Mapping[str, Any]) -> dict[str, Any]:
    """Return what repeated runs add to the metrics of the run that they are repeats of.

    Parameters
    ----------
    repeats : mapping of str to mapping
        Content of ``reports/repeats.json``: by kind (seeds, folds) ``run``, the fingerprint of the run that was
        repeated, and ``metrics``, the keys to add.
    rhythm : mapping
        Rhythm scores of the run at hand.

    Returns
    -------
    dict
        The keys to add; nothing of a series that repeats another run than this one.
    """
    name = run_fingerprint(rhythm)
    return {key: value for kind in repeats.values() if kind["run"] == name for key, value in kind["metrics"].items()}
