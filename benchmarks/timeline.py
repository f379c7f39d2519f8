"""Time of the timeline head on a day of ECG, against the window head: ``python -m benchmarks.timeline``.

Both heads have the sizes of params.yaml and read finished features: detection, embedding and beat labels are not timed.
The window head predicts every 10 s segment of a grid, as it must to name the whole record.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ecgfeat.models import build_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.features import embedding_features, timeline_features
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.rhythm.views import grid_views
from ecgfeat.rhythm.window import view_posteriors
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS
from pipeline.params import read_params


def main() -> None:
    """Print seconds of one view and of seven, and the ratio to the window head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beats", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1, help="the fastest is taken")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    params = read_params(arguments.params)
    rng = np.random.default_rng(0)
    rr_s = rng.uniform(0.6, 1.1, arguments.beats)
    sample = np.rint(np.cumsum(rr_s) * COMMON_FS_HZ).astype(np.int64)
    label_LK = rng.dirichlet([8.0, 1.0, 1.0], arguments.beats).astype(np.float32)
    embedding_LD = rng.exponential(0.5, (arguments.beats, 512)).astype(np.float32)
    history_LD = rng.exponential(0.5, (arguments.beats, 64)).astype(np.float32)

    settings = params.train_timeline
    described = timeline_features(
        rr_s,
        label_LK,
        num_beats=settings.neighbour_beats,
        is_rr_used=True,
        embedding_LD=embedding_LD,
        history_LD=history_LD,
    )
    timeline = build_model(
        "rhythm_timeline", num_features=described.shape[1], width=settings.width, num_blocks=settings.blocks
    )
    assert isinstance(timeline, RhythmTimeline)
    timeline_ND = torch.from_numpy(described)
    window, window_ND = (
        build_model("rhythm_window"),
        torch.from_numpy(embedding_features(embedding_LD, history_LD, rr_s, is_rr_used=True)),
    )
    offset, none = np.array([0, len(sample)]), np.zeros(0, dtype=np.int64)
    beats = BeatTable(sample, offset, np.array([sample[-1] + 1]))
    data = RhythmData(beats, EpisodeTable(none, none, none, none), window_ND)
    prior_K = [1 / len(RHYTHMS)] * len(RHYTHMS)

    def run_timeline(num_views: int) -> None:
        beat_posteriors(timeline, offset, timeline_ND, chunk_beats=settings.chunk_beats, num_views=num_views)

    def run_window(num_views: int) -> None:
        shape = {
            "window_samples": params.train_window.window_samples,
            "max_beats": params.train_window.max_beats,
        }
        view_posteriors(window, grid_views(beats, data.episodes, num_views=num_views, **shape), data, prior_K)

    def fastest_s(run: Callable[[int], None], num_views: int) -> float:
        taken_s = []
        for _ in range(arguments.rounds):
            start_s = time.perf_counter()
            run(num_views)
            taken_s.append(time.perf_counter() - start_s)
        return min(taken_s)

    print(f"{arguments.beats:,} beats, {sample[-1] / COMMON_FS_HZ / 3600:.1f} h, {arguments.threads} threads")
    for num_views in (1, 7):
        peer_s, own_s = fastest_s(run_window, num_views), fastest_s(run_timeline, num_views)
        print(
            f"{num_views} view{'s' * (num_views > 1)}: timeline head {own_s:6.2f} s, window head {peer_s:6.2f} s, "
            f"ratio {own_s / peer_s:.2f}"
        )


if __name__ == "__main__":
    main()
