"""Which oracles a run uses: a module of its own, because stages write it into their outputs."""

from pipeline.params import Params


def find_oracles(params: Params) -> dict[str, bool]:
    """Return which oracles are on: what the models are given that a user does not have."""
    annotated = params.rhythm.features == "annotations"
    return {
        "rpeaks": params.rpeaks.method == "annotated",
        "history": annotated or params.rhythm.history == "oracle",
        "episodes": "episode" in params.evaluate.protocols,
    }
