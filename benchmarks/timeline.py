"""Time of the timeline head on a day of ECG, and of its views: ``python -m benchmarks.timeline``.

The heads have the sizes of params.yaml and read finished features: detection, embedding and beat labels are not timed.
The window head predicts every 10 s segment of a grid, as it must to name the whole record.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.pairs import ROOT, Pairs, time_pairs
from ecgfeat.models import build_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.features import embedding_features, timeline_features
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.rhythm.views import grid_views
from ecgfeat.rhythm.window import view_posteriors
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS
from pipeline.params import Params, read_params

Run = Callable[[int], object]
"""Names a day with so many views."""


def make_runs(num_beats: int, params: Params) -> tuple[Run, Run]:
    """Return what runs the timeline head, and what runs the window head, on a day of drawn beats."""
    rng = np.random.default_rng(0)
    rr_s = rng.uniform(0.6, 1.1, num_beats)
    sample: NDArray[np.int64] = np.rint(np.cumsum(rr_s) * COMMON_FS_HZ).astype(np.int64)
    label_LK = rng.dirichlet([8.0, 1.0, 1.0], num_beats).astype(np.float32)
    embedding_LD = rng.exponential(0.5, (num_beats, 512)).astype(np.float32)
    history_LD = rng.exponential(0.5, (num_beats, 64)).astype(np.float32)
    settings = params.train_timeline
    described = timeline_features(
        rr_s,
        label_LK,
        num_beats=settings.neighbour_beats,
        is_rr_used=True,
        embedding_LD=embedding_LD,
        history_LD=history_LD,
    )
    sizes = {"num_features": described.shape[1], "width": settings.width, "num_blocks": settings.blocks}
    timeline, window = build_model("rhythm_timeline", **sizes), build_model("rhythm_window")
    assert isinstance(timeline, RhythmTimeline)
    assert isinstance(window, RhythmWindow)
    timeline_ND = torch.from_numpy(described)
    window_ND = torch.from_numpy(embedding_features(embedding_LD, history_LD, rr_s, is_rr_used=True))
    offset, none = np.array([0, len(sample)]), np.zeros(0, dtype=np.int64)
    beats = BeatTable(sample, offset, np.array([sample[-1] + 1]))
    data = RhythmData(beats, EpisodeTable(none, none, none, none), window_ND)
    prior_K = [1 / len(RHYTHMS)] * len(RHYTHMS)

    def run_timeline(num_views: int) -> object:
        return beat_posteriors(timeline, offset, timeline_ND, chunk_beats=settings.chunk_beats, num_views=num_views)

    def run_window(num_views: int) -> object:
        shape = {
            "window_samples": params.train_window.window_samples,
            "max_beats": params.train_window.max_beats,
        }
        return view_posteriors(window, grid_views(beats, data.episodes, num_views=num_views, **shape), data, prior_K)

    return run_timeline, run_window


def measure(num_beats: int = 100_000, num_rounds: int = 3, params: Path = ROOT / "params.yaml") -> dict[str, Pairs]:
    """Name a day with the timeline head, and with what it stands against, in turn.

    Parameters
    ----------
    num_beats : int
        Of the day.
    num_rounds : int
        How often.
    params : Path
        With the sizes of the heads.

    Returns
    -------
    dict of str to Pairs
        CPU seconds: of one view against the window head, and of seven views against one.
    """
    run_timeline, run_window = make_runs(num_beats, read_params(params))
    return {
        "one view, against the window head": time_pairs(partial(run_timeline, 1), partial(run_window, 1), num_rounds),
        "seven views, against one": time_pairs(partial(run_timeline, 7), partial(run_timeline, 1), num_rounds),
    }


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beats", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, pairs in measure(arguments.beats, arguments.rounds, arguments.params).items():
        own_s, peer_s = (float(np.median(times)) for times in (pairs.own_s, pairs.peer_s))
        print(f"{name}: {own_s:.2f} s of CPU, peer {peer_s:.2f} s: {pairs.ratio:.2f} x {pairs.range}")


if __name__ == "__main__":
    main()
