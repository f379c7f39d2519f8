"""Ask every trained rhythm head for its posteriors on some records."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfeat.device import choose_device
from ecgfeat.models import load_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.baselines import BASELINES, predict_baseline, read_baselines
from ecgfeat.rhythm.decoding import decoder_from_json, smooth_path
from ecgfeat.rhythm.records import RhythmRecord, gather_rhythm_data, gather_timeline_data, stack_records
from ecgfeat.rhythm.rows import HeadOutput, posteriors_at_beats
from ecgfeat.rhythm.sampling import BASE_SEEDS
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.rhythm.views import view_columns
from ecgfeat.rhythm.window import grid_posteriors, view_posteriors
from ecgfeat.store.schemas import RHYTHMS
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.rhythms import are_beats_known, embed_again, load_htf


def run_heads(
    records: Sequence[RhythmRecord], params: Params, on_units: Callable[[int], object]
) -> Iterator[HeadOutput]:
    """Yield the answer of the timeline head, of the window head if it was trained, and of the baselines.

    Parameters
    ----------
    records : sequence of RhythmRecord
        Records to name.
    params : Params
        All params.
    on_units : callable
        Called with the number of beats or windows done since the last call.

    Yields
    ------
    HeadOutput
    """
    yield run_timeline(records, params, on_units)
    window = run_window(records, params, on_units)
    if window is not None:
        yield window
    yield from run_baselines(records)


def run_timeline(
    records: Sequence[RhythmRecord], params: Params, on_units: Callable[[int], object] = lambda num: None
) -> HeadOutput:
    """Return the posteriors of the timeline head, and its smoothed path."""
    device = choose_device(params.runtime.device, params.runtime.threads)
    model, description = load_model(paths.TIMELINE_MODEL)
    assert isinstance(model, RhythmTimeline)
    model.to(device)
    beats, _ = stack_records(records)

    def ask(seen: Sequence[RhythmRecord], num_views: int) -> NDArray[np.float32]:
        data = gather_timeline_data(
            seen,
            htf=load_htf() if params.rhythm.features == "embeddings" else None,
            history=params.rhythm.history,
            num_beats=params.train_timeline.neighbour_beats,
            is_rr_used=params.rhythm.rr_features,
        )
        return beat_posteriors(
            model,
            data.beats.offset,
            data.features,
            chunk_beats=params.train_timeline.chunk_beats,
            num_views=num_views,
            device=device,
            on_beats=on_units,
        )

    if params.evaluate.tta == "offsets":
        posterior_VNK = ask(records, params.evaluate.views)
    else:
        views = [embed_again(records, params, view) for view in range(1, params.evaluate.views)]
        posterior_VNK = np.concatenate([ask(seen, 1) for seen in (records, *views)])
    parts = np.split(posterior_VNK.mean(axis=0, dtype=np.float64), beats.offset[1:-1])
    path_N = np.concatenate(smooth_path(parts, decoder_from_json(description["info"]["decoder"])))
    return HeadOutput("timeline", posterior_VNK, description["info"]["prior"], {"viterbi": path_N})


def run_window(records: Sequence[RhythmRecord], params: Params, on_units: Callable[[int], object]) -> HeadOutput | None:
    """Return what the window head says of known episodes and of a grid; a beat has the answer of its grid window."""
    model, description = load_model(paths.WINDOW_MODEL)
    if not description["info"]["log"]:
        return None
    settings, device = params.train_window, choose_device(params.runtime.device, params.runtime.threads)
    data = gather_rhythm_data(
        records,
        htf=load_htf() if params.rhythm.features == "embeddings" else None,
        history=params.rhythm.history,
        is_rr_used=params.rhythm.rr_features,
        only_known_beats=are_beats_known(params),
    )
    prior_K = description["info"]["prior"]
    known = (model.to(device), data.beats, data.episodes, data.features, prior_K)
    asked = {
        "num_views": params.evaluate.views,
        "window_samples": settings.window_samples,
        "max_beats": settings.max_beats,
        "is_placed": data.is_placed,
        "device": device,
        "on_batch": on_units,
    }
    grid = grid_posteriors(*known, **asked)
    own_rows = {
        "grid": view_columns(
            grid, "grid", grid.views[0].start, grid.views[0].stop, RHYTHMS, max_beats=settings.max_beats
        )
    }
    if "episode" in params.evaluate.protocols:
        drawn = view_posteriors(*known, base_seed=BASE_SEEDS["test"], **asked)
        of = drawn.views[0].episode
        extent = (data.episodes.start[of], data.episodes.stop[of])
        own_rows["episode"] = view_columns(drawn, "episode", *extent, RHYTHMS, max_beats=settings.max_beats)
    beats, _ = stack_records(records)
    return HeadOutput("window", posteriors_at_beats(grid, beats, prior_K), prior_K, own_rows=own_rows)


def run_baselines(records: Sequence[RhythmRecord]) -> Iterator[HeadOutput]:
    """Yield what majority, RR rules and logistic regression on RR features say: one view each."""
    fitted = read_baselines(paths.BASELINE_MODELS / "baselines.json")
    for name in BASELINES:
        posterior_NK = np.concatenate([predict_baseline(fitted, name, one.rr_s) for one in records])
        yield HeadOutput(name, posterior_NK[None], fitted["majority"]["share"])
