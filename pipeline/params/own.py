"""The section of params.yaml for recordings of one's own."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ecgfeat.corpora.own import BY_FOLDER
from ecgfeat.corpora.splits import FOLDED, SEEDED
from pipeline.params.sections import Count, NotNegative, Section


class Local(Section):
    """Recordings of one's own: the corpus ``local``."""

    path: Annotated[str, Field(min_length=1)]
    pattern: Annotated[str, Field(min_length=1)]
    annotations: Literal["wfdb", "csv", "none"]
    subject: str
    split: Annotated[str, Field(min_length=1)]
    leads: list[str | Count]
    fs_hz: NotNegative
    unit: str

    @field_validator("subject")
    @classmethod
    def _has_group(cls, subject: str) -> str:
        if subject == BY_FOLDER or subject.casefold().endswith(".csv"):
            return subject
        try:
            num_groups = re.compile(subject).groups
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        if subject and not num_groups:
            raise ValueError("expected folder, an expression with a group, such as (p[0-9]+)_, or a table.csv")
        return subject

    @field_validator("split")
    @classmethod
    def _is_rule(cls, split: str) -> str:
        if not (split.casefold().endswith(".csv") or SEEDED.fullmatch(split) or FOLDED.fullmatch(split)):
            raise ValueError("expected a rule, such as seed42-60-20-20 or fold0of5, or a table.csv")
        return split
