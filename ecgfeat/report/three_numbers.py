"""The three numbers that a reader needs first, each beside the best plain baseline on the same records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecgfeat.report.results.choice import VIEW_TITLES, Choice, main_view
from ecgfeat.report.results.inputs import SIGNAL_KINDS, ReportInputs
from ecgfeat.report.tables.outside import AF_SCORES, list_corpora, record_status
from ecgfeat.report.tables.sheet import SCORE, Tag, oracle_names, people, protocol_oracles, whole
from ecgfeat.scoring.intervals import MIN_SUBJECTS

PLAIN_HEADS = {
    "rr_logistic": "logistic regression on RR intervals",
    "rr_rules": "rules on RR intervals",
    "majority": "the most frequent rhythm for every beat",
}
"""Baselines of the rhythms, in words."""


@dataclass(frozen=True)
class Headline:
    """One of the three numbers.

    Attributes
    ----------
    question, score : str
        What it answers, and the name of the score.
    value, low, high : float, optional
        The score and the ends of its interval; without a value, `missing` says why.
    baseline, baseline_name : float, str
        The best plain baseline on the same records, and what it is.
    remarks : sequence of str
        What it is of, what the models were given, and what else one has to know.
    tags : sequence of Tag
        Cautions.
    missing : str
        Why there is no number, or no baseline.
    """

    question: str
    score: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    baseline_name: str = ""
    remarks: Sequence[str] = ()
    tags: Sequence[Tag] = ()
    missing: str = ""

    @property
    def number(self) -> str:
        """The score in three digits."""
        return SCORE.write(self.value)

    @property
    def span(self) -> str:
        """The interval in words."""
        if self.low is None or self.high is None:
            return "too few subjects for an interval"
        return f"95\u00a0% interval {SCORE.write(self.low)} to {SCORE.write(self.high)}"

    @property
    def verdict(self) -> str:
        """What the number is worth beside the baseline."""
        if self.value is None or self.baseline is None:
            return ""
        lead = round(self.value, 3) - round(self.baseline, 3)
        words = f"{'Ahead' if lead > 0 else 'Behind'} by {abs(lead):.3f}" if lead else "No difference"
        if self.low is None or self.high is None:
            return f"{words}; too few subjects to say more."
        if self.low <= self.baseline <= self.high:
            return f"{words}; the baseline lies inside the interval: no clear difference."
        return f"{words}; the baseline lies {'below' if self.baseline < self.low else 'above'} the interval."


def three_numbers(inputs: ReportInputs, choice: Choice) -> list[Headline]:
    """Choose the three numbers that a reader needs first: AF per record, rhythm of every beat, ventricular beats.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run. Corpora that took no part in training come before others, and of these the first of the run
        that has the number: by name, never by score.
    choice : Choice
        The head whose rhythms are scored, from `ecgfeat.report.results.choice.choose_chain`.

    Returns
    -------
    list of Headline
        Three of them; one that the run cannot give says why.
    """
    return [_af_number(inputs), _rhythm_number(inputs, choice), _beat_number(inputs, choice)]


def _af_number(inputs: ReportInputs) -> Headline:
    """Return how well records are ranked by AF, beside what reads RR intervals alone."""
    question, outside = "Which records have atrial fibrillation?", inputs.outside
    of_corpus = {slug: outside["records"].get(slug, {}) for slug in list_corpora(outside)}
    scored = [slug for slug, of in of_corpus.items() if of.get("af", {}).get("both", {}).get("auroc") is not None]
    if not scored:
        why = "no scored corpus has records with and without it" if outside else "this run has no outside evaluation"
        return Headline(question, "AUROC", missing=f"Not scored: {why}.")

    def fewest(slug: str) -> int:
        return min(of_corpus[slug]["af_rule"]["num_af"], of_corpus[slug]["af_rule"]["num_free"])

    slug = next((slug for slug in scored if fewest(slug) >= MIN_SUBJECTS), scored[0])
    of, is_few = of_corpus[slug], fewest(slug) < MIN_SUBJECTS
    plain = {words: of["af"].get(name, {}).get("auroc") for name, words in AF_SCORES.items() if name != "both"}
    baseline_name, baseline = _best(plain)
    counts = f"{whole(of['af_rule']['num_af'])} records with it, {whole(of['af_rule']['num_free'])} without"
    return Headline(
        question,
        "AUROC of the whole chain",
        of["af"]["both"]["auroc"],
        None if is_few else of["af"]["both"].get("auroc_low"),
        None if is_few else of["af"]["both"].get("auroc_high"),
        baseline,
        baseline_name,
        [f"{slug}: {record_status(outside, slug)}; {counts}", _given(inputs, slug, {})],
        _cautions(inputs, slug),
        missing="No plain baseline was scored.",
    )


def _rhythm_number(inputs: ReportInputs, choice: Choice) -> Headline:
    """Return how well the rhythms are named, beside the baselines on the same units."""
    question, head, protocol = "What is the rhythm of each beat?", str(choice.head), str(choice.protocol)
    if protocol != "timeline":
        question = f"What is the rhythm of each {'episode' if protocol == 'episode' else 'segment'}?"
    for slug in [corpus.slug for corpus in inputs.corpora]:
        heads = inputs.metrics["rhythm"].get(slug, {})
        of = heads.get(head, {}).get(protocol, {}).get(choice.view)
        if of is None or of.get("macro_f1") is None:
            continue
        plain = {}
        for name, words in PLAIN_HEADS.items():
            views = heads.get(name, {}).get(protocol, {})
            if views and name != head:
                plain[words] = views[main_view(views)].get("macro_f1")
        baseline_name, baseline = _best(plain)
        bound = of.get("interval", {}).get("macro_f1") or {}
        num_classes = sum(1 for support in of["support"].values() if support)
        return Headline(
            question,
            f"macro F1 over {num_classes} rhythms",
            of["macro_f1"],
            bound.get("low"),
            bound.get("high"),
            baseline,
            baseline_name,
            [
                f"{slug}: test records of {people(of['num_subjects'])}; {head} head, {VIEW_TITLES[choice.view]}",
                _given(inputs, slug, protocol_oracles(inputs.metrics, protocol)),
            ],
            _cautions(inputs, slug),
            missing="No plain baseline was scored.",
        )
    return Headline(question, "macro F1", missing="Not scored: no rhythms were classified in this run.")


def _beat_number(inputs: ReportInputs, choice: Choice) -> Headline:
    """Return how well ventricular beats are named, and S beats in the remarks."""
    question, outside = "Which beats are ventricular?", inputs.outside
    found = [(slug, outside["beats"][slug], True) for slug in list_corpora(outside) if slug in outside["beats"]]
    if not found:
        by_corpus = inputs.metrics["beats"]
        found = [
            (corpus.slug, by_corpus[corpus.slug][choice.history], False)
            for corpus in inputs.corpora
            if choice.history in by_corpus.get(corpus.slug, {})
        ]
    found = [(slug, of, is_chain) for slug, of, is_chain in found if of["v_support"]]
    if not found:
        why = "there are no ventricular beats" if inputs.metrics["beats"] else "no beats were classified in this run"
        return Headline(question, "F1 of V", missing=f"Not scored: {why}.")
    slug, of, is_chain = next((one for one in found if one[1]["v_subjects"] >= MIN_SUBJECTS), found[0])

    def bound(name: str) -> Mapping[str, Any]:
        return {} if of[f"{name}_subjects"] < MIN_SUBJECTS else of.get("interval", {}).get(f"{name}_f1") or {}

    about = f"{whole(of['v_support'])} V of {people(of['v_subjects'])}"
    status = record_status(outside, slug) if is_chain else "test records"
    ectopic = SCORE.cell(of["s_f1"] if of["s_support"] else None, bound("s") or None)
    s_words = f"F1 of S, the other ectopic beats: {ectopic.main}{f' ({ectopic.sub})' if ectopic.sub else ''}"
    return Headline(
        question,
        "F1 of V",
        of["v_f1"],
        bound("v").get("low"),
        bound("v").get("high"),
        None,
        "",
        [
            s_words,
            f"{slug}: {status}; {about}",
            _given(inputs, slug, {"history": not is_chain and choice.history == "oracle"}),
        ],
        _cautions(inputs, slug),
        missing="No plain baseline of beats was scored. To call every beat N gives an F1 of 0.",
    )


def _best(plain: Mapping[str, float | None]) -> tuple[str, float | None]:
    """Return the best of the plain baselines, with its name; the first of equal ones."""
    scored = {words: value for words, value in plain.items() if value is not None}
    return max(scored.items(), key=lambda item: item[1]) if scored else ("", None)


def _given(inputs: ReportInputs, slug: str, oracles: Mapping[str, bool]) -> str:
    """Say what the models were given."""
    kinds = {corpus.slug: corpus.signals for corpus in inputs.corpora} | dict(inputs.outside.get("signals", {}))
    # R-peaks can be annotated in a corpus with beats alone; records of one diagnosis have none.
    is_annotated = inputs.metrics["oracles"]["rpeaks"] and slug in {corpus.slug for corpus in inputs.corpora}
    on = oracle_names({"history": False, "episodes": False, "rpeaks": is_annotated, **oracles})
    if kinds.get(slug) == "none":
        given, on = "annotated beats without a signal", [name for name in on if name != "R-peaks"]
    else:
        given = "the signal" if on else "the signal alone"
    return f"Given: {given}" + (f" and, as an oracle, {', '.join(on)}" if on else "")


def _cautions(inputs: ReportInputs, slug: str) -> list[Tag]:
    kinds = {corpus.slug: corpus.signals for corpus in inputs.corpora} | dict(inputs.outside.get("signals", {}))
    kind = kinds.get(slug, "measured")
    return [] if kind == "measured" else [Tag(SIGNAL_KINDS[kind], "caution")]
