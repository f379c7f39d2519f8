"""The sections of params.yaml that belong to short records with diagnoses and to the arena of systems."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.sections import Count, Positive, Rate, Section


class AcquireDiagnostic(Section):
    """Where records with one set of diagnoses come from."""

    records: Annotated[int, Field(ge=20)]
    ptbxl_hz: Literal[100, 500]


class Diagnoses(Section):
    """How such records are divided."""

    folds: Annotated[int, Field(ge=2, le=10)]


class RecordFeatures(Section):
    """Figures of whole records."""

    lead: str


class RecordTrees(Section):
    """Boosted trees on figures of whole records."""

    seeds: Positive
    inner_folds: Annotated[int, Field(ge=2, le=10)]
    leaves: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    iterations: Annotated[list[Positive], Field(min_length=1)]
    min_rows: Positive
    lr: Rate
    bootstrap: Count


class TrainSystem(Section):
    """Training of the systems that read signal, on the rhythm task."""

    draws: Positive
    validation_views: Positive


class EvaluateSystems(Section):
    """What those systems say of the test records."""

    batch: Positive


class Crossvalidate(Section):
    """Cross-validation on diagnostic corpora."""

    views: Literal[1, 7]
    leads: list[str]


class Arena(Section):
    """The systems side by side."""

    bootstrap: Annotated[int, Field(ge=100)]
    repeats: Positive
    ensemble: list[str]
