"""Trained rhythm heads: what each reads of a record, and its posteriors for many records.

Shape suffixes: N beats of all records, M segments, V views, K classes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.history import History
from ecgfeat.models.htf import HTF
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.baselines import BASELINES, predict_baseline
from ecgfeat.rhythm.decoding import Decoder, decoder_from_json, is_decoder_better, smooth_path
from ecgfeat.rhythm.describe import BeatInputs, describe_timeline, gather_window_data
from ecgfeat.rhythm.records import RhythmRecord, stack_records
from ecgfeat.rhythm.rows import HeadOutput, posteriors_at_beats
from ecgfeat.rhythm.sampling import BASE_SEEDS
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.rhythm.views import Views, drawn_views, grid_views, view_columns
from ecgfeat.rhythm.window import view_posteriors
from ecgfeat.store.mapped import allocate
from ecgfeat.store.schemas import RHYTHMS


@dataclass(frozen=True)
class TimelineHead:
    """A head that names the rhythm of every beat.

    Attributes
    ----------
    model : RhythmTimeline
        In evaluation mode.
    inputs : BeatInputs
        What it reads of a beat.
    neighbour_beats, chunk_beats : int
        As it was trained with.
    prior : tuple of float, (6,)
        Class shares in its training: its prediction for a record without R-peaks.
    decoder : Decoder
        Smooths its posteriors.
    is_smoothed : bool
        Smoothing was better on the validation records than the most probable class of each beat.
    """

    model: RhythmTimeline
    inputs: BeatInputs
    neighbour_beats: int
    chunk_beats: int
    prior: tuple[float, ...]
    decoder: Decoder
    is_smoothed: bool


@dataclass(frozen=True)
class WindowHead:
    """A head that names the rhythm of a segment.

    Attributes
    ----------
    model : RhythmWindow
        In evaluation mode.
    inputs : BeatInputs
        What it reads of a beat.
    window_samples, max_beats : int
        Length of a segment, and the most beats of it that are read, as it was trained with.
    prior : tuple of float, (6,)
        Class shares in its training: its prediction for a segment without R-peaks.
    """

    model: RhythmWindow
    inputs: BeatInputs
    window_samples: int
    max_beats: int
    prior: tuple[float, ...]


RhythmHead = TimelineHead | WindowHead


def make_head(
    model: RhythmTimeline | RhythmWindow, info: Mapping[str, Any], htf: HTF | None, *, history: History | None = None
) -> RhythmHead:
    """Put a trained head together with what it was trained on.

    Parameters
    ----------
    model : RhythmTimeline or RhythmWindow
        As `ecgfeat.models.load_model` returns it.
    info : mapping
        ``info`` of its ``model.json``.
    htf : HTF or None
        The beat embedder; not used by a head that was trained on annotations.
    history : {'oracle', 'predicted', 'none'}, optional
        Another history than that of the training.

    Returns
    -------
    TimelineHead or WindowHead
    """
    params = info["params"]
    inputs = BeatInputs(
        None if params["features"] == "annotations" else htf, history or params["history"], bool(params["rr_features"])
    )
    prior = tuple(info["prior"])
    if isinstance(model, RhythmWindow):
        return WindowHead(model, inputs, int(params["window_samples"]), int(params["max_beats"]), prior)
    return TimelineHead(
        model,
        inputs,
        int(params["neighbour_beats"]),
        int(params["chunk_beats"]),
        prior,
        decoder_from_json(info["decoder"]),
        is_decoder_better(info["decoders"]),
    )


def name_beats(
    head: TimelineHead,
    records: Sequence[RhythmRecord],
    *,
    num_views: int,
    device: torch.device | str = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the rhythm posterior of every beat.

    Parameters
    ----------
    head : TimelineHead
        The head.
    records : sequence of RhythmRecord
        With embeddings where the head reads them.
    num_views : int
        Layouts of the chunks.
    device : torch.device or str
        Where to compute; the head moves there.
    on_beats : callable, optional
        Called with the number of beats done, of one view, since the last call.

    Returns
    -------
    ndarray, (V, N, K) float32
        Posterior of each beat, view by view, record after record.
    """
    model = head.model.to(device)
    num_beats = sum(len(record.sample) for record in records)
    posterior_VNK: NDArray[np.float32] = allocate((num_views, num_beats, model.num_classes), head.inputs.folder)
    first = 0
    for feature_LD in describe_timeline(records, head.inputs, neighbour_beats=head.neighbour_beats):
        posterior_VNK[:, first : first + len(feature_LD)] = beat_posteriors(
            model,
            np.array([0, len(feature_LD)]),
            torch.from_numpy(feature_LD),
            chunk_beats=head.chunk_beats,
            num_views=num_views,
            device=device,
            on_beats=on_beats,
        )
        first += len(feature_LD)
    return posterior_VNK


def timeline_output(
    head: TimelineHead,
    records: Sequence[RhythmRecord],
    others: Iterable[Sequence[RhythmRecord]] = (),
    *,
    num_views: int,
    device: torch.device | str = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> HeadOutput:
    """Name the rhythm of every beat, and smooth the path through each record.

    Parameters
    ----------
    head, records, num_views, device, on_beats
        As `name_beats` takes them.
    others : iterable of sequence of RhythmRecord
        The same records with other embeddings: each time ``num_views`` further views. One at a time is in memory.

    Returns
    -------
    HeadOutput
        With the path ``viterbi``.
    """
    posteriors = [
        name_beats(head, of, num_views=num_views, device=device, on_beats=on_beats) for of in chain([records], others)
    ]
    posterior_VNK = posteriors[0] if len(posteriors) == 1 else np.concatenate(posteriors)
    beats, _ = stack_records(records)
    parts = [posterior_VNK[:, low:high].mean(axis=0, dtype=np.float64) for low, high in pairwise(beats.offset.tolist())]
    path_N = np.concatenate(smooth_path(parts, head.decoder))
    return HeadOutput("timeline", posterior_VNK, head.prior, {"viterbi": path_N})


def window_output(
    head: WindowHead,
    records: Sequence[RhythmRecord],
    *,
    only_classified_beats: bool,
    num_views: int,
    has_episodes: bool,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], None] | None = None,
) -> HeadOutput:
    """Name the segments of a grid and, on request, those drawn around reference episodes.

    Parameters
    ----------
    head : WindowHead
        The head.
    records, only_classified_beats
        As `ecgfeat.rhythm.describe.gather_window_data` takes them.
    num_views : int
        Views of the grid, and draws around each episode.
    has_episodes : bool
        Name the reference episodes too.
    device, on_batch
        As `ecgfeat.rhythm.window.window_posteriors` takes them; the head moves to ``device``.

    Returns
    -------
    HeadOutput
        The posterior of a beat is that of its grid segment. The rows of the grid, and of the episodes, are
        precomputed.
    """
    data = gather_window_data(records, head.inputs, only_classified_beats=only_classified_beats)
    model = head.model.to(device)
    shape = {"num_views": num_views, "window_samples": head.window_samples, "max_beats": head.max_beats}

    def posteriors(views: Any) -> Views:
        return view_posteriors(model, views, data, head.prior, device=device, on_batch=on_batch)

    grid = posteriors(grid_views(data.beats, data.episodes, num_classes=len(head.prior), **shape))
    extent = (grid.views[0].start, grid.views[0].stop)
    rows = {"grid": view_columns(grid, "grid", *extent, RHYTHMS, max_beats=head.max_beats)}
    if has_episodes:
        drawn = posteriors(drawn_views(data.beats, data.episodes, base_seed=BASE_SEEDS["test"], **shape))
        episode = drawn.views[0].episode
        extent = (data.episodes.start[episode], data.episodes.stop[episode])
        rows["episode"] = view_columns(drawn, "episode", *extent, RHYTHMS, max_beats=head.max_beats)
    beats, _ = stack_records(records)
    posterior_VNK = posteriors_at_beats(grid, beats, head.prior, head.inputs.folder)
    return HeadOutput("window", posterior_VNK, head.prior, precomputed_rows=rows)


def baseline_outputs(fitted: dict[str, Any], records: Sequence[RhythmRecord]) -> Iterator[HeadOutput]:
    """Yield the posteriors of majority, RR rules and logistic regression on RR features: one view each.

    Parameters
    ----------
    fitted : dict
        As `ecgfeat.rhythm.baselines.read_baselines` returns it.
    records : sequence of RhythmRecord
        Only their RR intervals are read.

    Yields
    ------
    HeadOutput
    """
    for name in BASELINES:
        posterior_NK = np.concatenate([predict_baseline(fitted, name, record.rr_s) for record in records])
        yield HeadOutput(name, posterior_NK[None], fitted["majority"]["share"])
