"""What is known of the beats that a head on rhythms is given."""

from pathlib import Path

import pytest

from pipeline.params import read_params
from pipeline.read.rhythms import are_beats_known
from tests.fixtures.small_run import default_params


@pytest.mark.parametrize(
    ("method", "features", "history", "expected"),
    [
        ("annotated", "annotations", "predicted", True),
        ("annotated", "embeddings", "oracle", True),
        ("annotated", "embeddings", "predicted", False),
        ("ecgfeat", "annotations", "oracle", False),
        ("ecgfeat", "embeddings", "oracle", False),
        ("ecgfeat", "embeddings", "none", False),
    ],
)
def test_beats_are_known_where_rpeaks_and_labels_come_from_the_reference(
    tmp_path: Path, method: str, features: str, history: str, expected: bool
) -> None:
    (tmp_path / "params.yaml").write_text(default_params())
    params = read_params(tmp_path / "params.yaml")
    changed = params.model_copy(
        update={
            "rpeaks": params.rpeaks.model_copy(update={"method": method}),
            "rhythm": params.rhythm.model_copy(update={"features": features, "history": history}),
        }
    )
    assert are_beats_known(changed) is expected
