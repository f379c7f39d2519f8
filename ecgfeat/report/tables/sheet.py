"""Parts of every table of the report: cells, captions, tags of the oracles that were on, how numbers are written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecgfeat.report.results.inputs import SIGNAL_KINDS, CorpusInfo
from ecgfeat.scoring.intervals import MIN_SUBJECTS

DASH = "–"


@dataclass(frozen=True)
class Cell:
    """One cell: text, a smaller line under it, a style (``weak``, ``strong`` or none), the id it leads to."""

    main: str
    sub: str = ""
    style: str = ""
    leads_to: str = ""


@dataclass(frozen=True)
class Card:
    """A number that stands before the tables: its name, the number, and what it is of."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Tag:
    """An oracle switch or a warning in a caption; `kind` is ``off``, ``oracle`` or ``caution``."""

    text: str
    kind: str


@dataclass(frozen=True)
class Sheet:
    """A table. The first `num_text` columns are text, aligned left; the others are numbers, aligned right."""

    caption: str
    head: Sequence[str | Cell]
    rows: Sequence[Sequence[Cell]]
    tags: Sequence[Tag] = ()
    note: str = ""
    num_text: int = 1

    @property
    def columns(self) -> list[Cell]:
        """The cells of the head."""
        return [Cell(name) if isinstance(name, str) else name for name in self.head]


@dataclass(frozen=True)
class Notation:
    """How numbers are written; a missing number is a dash."""

    digits: int = 3
    percent: bool = False
    signed: bool = False

    def write(self, value: float | None) -> str:
        """Write a score."""
        if value is None or value != value:
            return DASH
        sign = "+" if self.signed else ""
        return f"{100 * value:{sign}.{self.digits - 1}f}" if self.percent else f"{value:{sign}.{self.digits}f}"

    def cell(self, value: float | None, bound: Mapping[str, float] | None = None, style: str = "") -> Cell:
        """Write a score with its interval under it."""
        span = "" if bound is None else f"{self.write(bound['low'])} to {self.write(bound['high'])}"
        return Cell(self.write(value), span, style)


SCORE = Notation()
PERCENT = Notation(percent=True)
CHANGE = Notation(signed=True)


def whole(number: float) -> str:
    """Write a count with thin spaces between thousands."""
    return f"{int(number):,}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Write a duration in s, min or h."""
    if seconds >= 36_000:
        return f"{seconds / 3600:,.0f} h".replace(",", "\u202f")
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def class_f1_cell(of: Mapping[str, Any], name: str, counts: Mapping[str, Any]) -> Cell:
    """Write the F1 of a rhythm with its interval, or why it has none.

    Parameters
    ----------
    of : mapping
        Scores with ``f1`` and, if any, ``interval``.
    name : str
        The class.
    counts : mapping
        Scores with ``subjects`` by class. With fewer than 5 subjects a class is not estimable, with none it is absent.
    """
    if not counts["subjects"][name]:
        return Cell(DASH, "absent", "weak")
    f1 = SCORE.cell(of["f1"].get(name), of.get("interval", {}).get("f1", {}).get(name), "strong")
    return Cell(f1.main, "not estimable", "weak") if counts["subjects"][name] < MIN_SUBJECTS else f1


def class_head(name: str, counts: Mapping[str, Any], unit: str) -> Cell:
    """Return the head of the column of a class: its support (of a single view) and its number of subjects."""
    support, subjects = counts["support"][name], counts["subjects"][name]
    marked = ["not estimable"] if 0 < subjects < MIN_SUBJECTS else []
    # In a narrow column the line may break before the unit and at commas only.
    parts = [part.replace(" ", "\u00a0") for part in (people(subjects), *marked)]
    return Cell(name, ", ".join((count_of(support, unit), *parts)))


def count_of(number: int, unit: str) -> str:
    """Write a count with its unit; `unit` is a plural."""
    return f"{whole(number)} {unit.removesuffix('s') if number == 1 else unit}"


def people(number: int) -> str:
    """Write a number of subjects."""
    return count_of(number, "subjects")


def in_words(name: str) -> str:
    """Write the name of a score in words: ``macro_f1`` is macro F1."""
    return name.replace("_", " ").replace("f1", "F1").replace("rpeak", "R-peak")


def signal_tags(corpora: Iterable[CorpusInfo]) -> list[Tag]:
    """Return a tag for every corpus without measured signals: what it has instead."""
    return [Tag(f"{c.slug}: {SIGNAL_KINDS[c.signals]}", "caution") for c in corpora if c.signals != "measured"]


def corpus_tags(corpora: Iterable[CorpusInfo], slug: str) -> list[Tag]:
    """Return the same for one corpus."""
    return signal_tags(corpus for corpus in corpora if corpus.slug == slug)


def protocol_oracles(metrics: Mapping[str, Any], protocol: str | None) -> dict[str, bool]:
    """Return which oracles were on under a protocol.

    Parameters
    ----------
    metrics : mapping
        Content of ``reports/scores.json``. Without a protocol in ``oracles_by_protocol`` the switches of the run
        hold, and episodes are an oracle in protocol ``episode`` only.
    protocol : str or None
        The protocol; None for scores without a protocol, such as those of beat classes, which need no episodes.
    """
    by_protocol: Mapping[str, Mapping[str, bool]] = metrics.get("oracles_by_protocol", {})
    if protocol is not None and protocol in by_protocol:
        return dict(by_protocol[protocol])
    return {**metrics["oracles"], "episodes": protocol == "episode"}


def oracle_tags(oracles: Mapping[str, bool], *, history: str | None = None) -> list[Tag]:
    """Return the state of the three oracle switches as tags; one more if all are on.

    Parameters
    ----------
    oracles : mapping of str to bool
        Which of ``rpeaks``, ``history`` and ``episodes`` were on.
    history : str, optional
        Source of the labels of the preceding beats, for a table of one source: ``predicted``, ``none`` or ``oracle``.
        Such a table is about beats, which need no episodes: it has no tag for that switch.
    """
    is_history_oracle = oracles["history"] if history is None else history == "oracle"
    source = "oracle" if is_history_oracle else history or "predicted or none"
    switches = [
        ("R-peaks", oracles["rpeaks"], "annotated" if oracles["rpeaks"] else "detected"),
        ("history", is_history_oracle, source),
        ("episodes", oracles["episodes"], "given" if oracles["episodes"] else "not given"),
    ]
    tagged = switches if history is None else switches[:2]
    tags = [Tag(f"{name}: {text}", "oracle" if on else "off") for name, on, text in tagged]
    if all(on for _, on, _ in switches):
        tags.append(Tag("published protocol", "oracle"))
    return tags


def oracle_names(oracles: Mapping[str, bool]) -> list[str]:
    """Return the names of the oracles that are on."""
    words = {"rpeaks": "R-peaks", "history": "history", "episodes": "episodes"}
    return [word for name, word in words.items() if oracles[name]]
