"""Read and check params.yaml: every fault at once, with its dotted path, before anything runs.

YAML 1.2 by ruamel, as DVC reads it: PyYAML takes ``1e-3`` for a string.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from ruamel.yaml import YAML, YAMLError

from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.corpora.own import LOCAL
from ecgfeat.errors import UsageError, choose
from pipeline.params import diagnostic, own, sections, systems
from pipeline.params.sections import Count


class Params(systems.SystemSections):
    """The whole of params.yaml."""

    corpora: Annotated[list[str], Field(min_length=1)]
    models: list[str]
    diagnostic_corpora: list[str]
    seed: Count
    local: own.Local
    acquire: sections.Acquire
    annotate: sections.Annotate
    annotations: sections.Annotations
    signals: sections.Signals
    quality: sections.Quality
    rpeaks: sections.Rpeaks
    windows: sections.BeatWindows
    features: sections.Features
    short_records: sections.ShortRecords
    corruption: sections.Corruption
    train_beats: sections.TrainBeats
    classify: sections.Classify
    train_rhythm: sections.TrainRhythm
    outside: sections.Outside
    robustness: sections.Robustness
    predict: sections.Predict
    train_htf: sections.TrainHtf
    embed: sections.Embed
    rhythm: sections.Rhythm
    train_baselines: sections.TrainBaselines
    train_timeline: sections.TrainTimeline
    train_window: sections.TrainWindow
    evaluate: sections.Evaluate
    sensitivity: sections.Sensitivity
    report: sections.Report
    acquire_diagnostic: diagnostic.AcquireDiagnostic
    diagnoses: diagnostic.Diagnoses
    record_features: diagnostic.RecordFeatures
    record_trees: diagnostic.RecordTrees
    train_system: diagnostic.TrainSystem
    evaluate_systems: diagnostic.EvaluateSystems
    crossvalidate: diagnostic.Crossvalidate
    arena: diagnostic.Arena
    runtime: sections.Runtime

    def inside(self, corpora: Sequence[str]) -> list[str]:
        """Return those of the corpora that take part in training."""
        return [slug for slug in corpora if slug not in self.outside.corpora]

    @property
    def predicts_only(self) -> bool:
        """Nothing can be trained or scored: the only records are one's own, without annotations."""
        return self.corpora == [LOCAL.slug] and self.local.annotations == "none"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.rhythm.features == "annotations":
            if self.evaluate.tta not in ("none", "offsets"):
                found = f"evaluate.tta {self.evaluate.tta} with rhythm.features annotations"
                raise ValueError(f"{found}: expected none or offsets")
            if self.rhythm.history != "oracle":
                raise ValueError("rhythm.features annotations are true labels: expected rhythm.history oracle")
        if self.evaluate.views == 1 and self.evaluate.tta != "none":
            raise ValueError(f"evaluate.tta {self.evaluate.tta} with evaluate.views 1: expected none, or 7 views")
        if self.rhythm.head == "window" and not self.train_window.epochs:
            raise ValueError("rhythm.head window with train_window.epochs 0: expected a head that is trained")
        for slug in self.diagnostic_corpora:
            try:
                get_diagnostic_corpus(slug).pick_leads(self.crossvalidate.leads)
            except UsageError as error:
                raise ValueError(f"crossvalidate.leads: {error}") from error
            try:
                get_diagnostic_corpus(slug).pick_leads([self.record_features.lead])
            except UsageError as error:
                raise ValueError(f"record_features.lead: {error}") from error
        used = {*self.corpora, *self.annotations.corpora}
        for slug in sorted(used):
            shared = used & set(get_corpus(slug).excerpts_of)
            if shared:
                raise ValueError(
                    f"{slug} has excerpts of {', '.join(sorted(shared))}: a subject would stand on both sides"
                )
        both = set(self.corpora) & set(self.annotations.corpora)
        if both:
            raise ValueError(f"annotations.corpora: {', '.join(sorted(both))} is one of corpora: expected others")
        absent = set(self.short_records.corpora) - set(self.diagnostic_corpora)
        if absent or len(set(self.short_records.corpora)) < len(self.short_records.corpora):
            raise ValueError(f"short_records.corpora {self.short_records.corpora}: expected some of diagnostic_corpora")
        absent = set(self.outside.corpora) - {*self.corpora, *self.short_records.corpora}
        if absent or len(set(self.outside.corpora)) < len(self.outside.corpora):
            raise ValueError(
                f"outside.corpora {self.outside.corpora}: expected some of corpora or of short_records.corpora"
            )
        if set(self.predict.corpora) - set(self.corpora) or len(set(self.predict.corpora)) < len(self.predict.corpora):
            raise ValueError(f"predict.corpora {self.predict.corpora}: expected some of corpora")
        if LOCAL.slug in self.corpora:
            self._check_local()
        missing = set(self.arena.ensemble) - set(self.models)
        if missing or len(set(self.arena.ensemble)) < len(self.arena.ensemble) or len(self.arena.ensemble) == 1:
            raise ValueError(f"arena.ensemble {self.arena.ensemble}: expected two or more of models, or none")
        return self

    def _check_local(self) -> None:
        if not Path(self.local.path).is_dir():
            raise ValueError(f"local.path {self.local.path}: no such folder")
        if self.acquire.signals != "measured":
            raise ValueError(f"acquire.signals {self.acquire.signals} with {LOCAL.slug}: expected measured")
        if self.predicts_only and not self.predict.corpora:
            raise ValueError(f"local.annotations none: nothing is trained: expected predict.corpora [{LOCAL.slug}]")
        if self.local.annotations == "none" and not self.predicts_only and LOCAL.slug not in self.outside.corpora:
            raise ValueError("local.annotations none: nothing is learnt from it: expected it in outside.corpora")

    @field_validator("corpora", "diagnostic_corpora", "models")
    @classmethod
    def _are_known(cls, names: list[str], info: ValidationInfo) -> list[str]:
        def find_system(name: str) -> object:
            return choose(systems.SECTIONS, name, "model")

        find = {"corpora": get_corpus, "diagnostic_corpora": get_diagnostic_corpus, "models": find_system}
        for name in names:
            find[str(info.field_name)](name)
        if len(set(names)) < len(names):
            raise ValueError("one is named twice")
        return names


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``path``.

    Raises
    ------
    UsageError
        Naming every fault with its dotted path.
    """
    try:
        values = YAML(typ="safe").load(path)
    except (OSError, YAMLError) as error:
        raise UsageError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    return check_params(values, str(path))


def check_params(values: object, where: str) -> Params:
    """Check the content of a params file.

    Parameters
    ----------
    values : object
        What the file holds: a mapping, if it is sound.
    where : str
        What to call it in a message.

    Raises
    ------
    UsageError
        Naming every fault with its dotted path.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{where}: " + "; ".join(_describe(dict(fault)) for fault in error.errors())) from error


def _describe(fault: dict[str, object]) -> str:
    where = ".".join(map(str, fault["loc"]))  # type: ignore[call-overload]
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown param. Is it misspelt?"
    if fault["type"] == "missing":
        return f"{where}: missing"
    if not where:
        return str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {fault['input']!r}: {str(fault['msg']).removeprefix('Value error, ')}"
