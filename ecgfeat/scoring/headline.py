"""The few scores that tables of experiments show, picked from all scores of a run."""

from collections.abc import Iterator, Mapping
from typing import Any

MAX_NUMBERS = 40
"""More columns than these cannot be read side by side."""

HEADS = ("timeline", "both", "window", "rr_logistic", "rr_rules", "majority")
PROTOCOL_VIEWS = {"timeline": ("viterbi", "single"), "grid": ("tta7", "single"), "episode": ("tta7", "single")}
"""Views of the two trained heads under each protocol; a baseline has a single view."""

Path = tuple[str, ...]


def headline_numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the headline numbers of a run.

    Parameters
    ----------
    scores : mapping
        What `ecgfeat.scoring.summary.summarise` returns.

    Returns
    -------
    dict
        At most `MAX_NUMBERS` numbers, each under the same path as in ``scores``: the oracles, and of every corpus the
        R-peaks, the beat classes and the rhythms, as many as find room. What was not scored is left out.
    """
    oracles = [("oracles", name) for name in scores["oracles"]]
    corpora = list(dict.fromkeys([*scores["rpeaks"], *scores["beats"], *scores["rhythm"]]))
    room = (MAX_NUMBERS - len(oracles)) // max(1, len(corpora))
    picked: dict[str, Any] = {}
    for paths in (oracles, *(_paths_of_corpus(scores, corpus) for corpus in corpora)):
        present = [path for path in dict.fromkeys(paths) if _value_at(scores, path) is not None]
        for path in present if paths is oracles else present[:room]:
            branch = picked
            for name in path[:-1]:
                branch = branch.setdefault(name, {})
            branch[path[-1]] = _value_at(scores, path)
    return picked


def _paths_of_corpus(scores: Mapping[str, Any], corpus: str) -> Iterator[Path]:
    """Yield the paths of the numbers of a corpus, the most telling first."""
    main_view = scores.get("chosen_view", "single")
    timeline = ("rhythm", corpus, "timeline")
    yield (*timeline, "timeline", main_view, "macro_f1")
    yield from ((*timeline, "timeline", main_view, "f1", name) for name in ("NSR", "AFIB", "SBR", "AB", "SVTA", "B"))
    yield (*timeline, "timeline", main_view, "accuracy")
    yield from (("rpeaks", corpus, name) for name in ("sensitivity", "positive_predictivity", "f1"))
    yield from (("rpeaks", corpus, name) for name in ("usable_h", "duration_h"))
    for history in ("predicted", *scores["beats"].get(corpus, {})):
        if history in scores["beats"].get(corpus, {}):
            yield from (("beats", corpus, history, f"{name}_f1") for name in "nsv")
            break
    for head in HEADS:
        for protocol, views in PROTOCOL_VIEWS.items():
            for view in views if head in ("timeline", "window") else ("single",):
                yield ("rhythm", corpus, head, protocol, view, "macro_f1")


def _value_at(scores: Mapping[str, Any], path: Path) -> Any:
    value: Any = scores
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
