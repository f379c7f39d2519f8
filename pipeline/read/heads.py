"""Read every trained rhythm head, and let it name records."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.head import load_head, rhythm_posteriors, smooth_posteriors
from ecgfeat.arrhythmia.posteriors import METHODS, Method, Stretch
from ecgfeat.device import choose_device
from ecgfeat.features.intervals import usual_interval
from ecgfeat.models import load_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.baselines import read_baselines
from ecgfeat.rhythm.heads import TimelineHead, WindowHead, baseline_outputs, make_head, timeline_output, window_output
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.rows import HeadOutput
from ecgfeat.store.record_rows import group_records
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_class_probabilities
from pipeline.read.rhythms import are_beats_known, embed_again, load_htf

GROUP_BEATS = 100_000
"""Beats whose figures are in memory together."""


def run_heads(records: Sequence[RhythmRecord], params: Params, on_units: Callable[[int], None]) -> Iterator[HeadOutput]:
    """Yield the output of the timeline head, of the window head if it was trained, and of the baselines.

    Parameters
    ----------
    records : sequence of RhythmRecord
        Records to name.
    params : Params
        All params.
    on_units : callable
        Called with the number of beats or segments done since the last call.

    Yields
    ------
    HeadOutput
    """
    device = choose_device(params.runtime.device, params.runtime.threads)
    num_views = params.evaluate.timeline_views
    is_rechunked = params.evaluate.tta == "offsets"
    others = () if is_rechunked else (embed_again(records, params, view) for view in range(1, num_views))
    yield timeline_output(
        load_timeline(params),
        records,
        others,
        num_views=num_views if is_rechunked else 1,
        device=device,
        on_beats=on_units,
    )
    window = load_window(params)
    if window is not None:
        yield window_output(
            window,
            records,
            only_classified_beats=are_beats_known(params),
            num_views=params.evaluate.views,
            has_episodes="episode" in params.evaluate.protocols,
            device=device,
            on_batch=on_units,
        )
    yield from arrhythmia_outputs(records, params)
    yield from baseline_outputs(read_baselines(paths.BASELINE_MODELS), records)


def arrhythmia_outputs(records: Sequence[RhythmRecord], params: Params) -> Iterator[HeadOutput]:
    """Yield the output of the rhythm head that reads beat classes, by each of its methods."""
    head, _ = load_head(paths.RHYTHM_MODEL)
    device = choose_device(params.runtime.device, params.runtime.threads)
    probabilities_of = {corpus: read_class_probabilities(corpus) for corpus in {record.corpus for record in records}}
    usual_of = {}
    for key, group in itertools.groupby(records, key=lambda record: (record.corpus, record.record)):
        usual_of[key] = usual_interval(np.concatenate([record.rr_s for record in group]))
    raw: dict[Method, list[NDArray[np.float32]]] = {method: [] for method in METHODS}
    offset = np.cumsum([0, *(len(record.sample) for record in records)])
    for first, last in group_records(offset, GROUP_BEATS):
        figures = []
        for record in records[first:last]:
            probability_LK = probabilities_of[record.corpus](record.record)[record.rows]
            figures.append(Stretch(record.rr_s, usual_of[record.corpus, record.record], probability_LK).describe())
        trees = rhythm_posteriors(head, figures, "trees", device=device)
        transformer = rhythm_posteriors(head, figures, "transformer", device=device)
        raw["trees"] += trees
        raw["transformer"] += transformer
        raw["both"] += [np.mean(pair, axis=0) for pair in zip(trees, transformer, strict=True)]
    for method in METHODS:
        posteriors, path = smooth_posteriors(head, raw[method], method)
        yield HeadOutput(method, np.concatenate(posteriors)[None], head.prior, {"viterbi": np.concatenate(path)})


def load_timeline(params: Params) -> TimelineHead:
    """Return the trained timeline head."""
    model, described = load_model(paths.TIMELINE_MODEL)
    assert isinstance(model, RhythmTimeline)
    head = make_head(
        model,
        described["info"],
        load_htf() if params.rhythm.features == "embeddings" else None,
        history=params.rhythm.history,
    )
    assert isinstance(head, TimelineHead)
    return replace(head, inputs=replace(head.inputs, folder=paths.SCRATCH))


def load_window(params: Params) -> WindowHead | None:
    """Return the window head; None where it was left untrained."""
    model, described = load_model(paths.WINDOW_MODEL)
    assert isinstance(model, RhythmWindow)
    if not described["info"]["log"]:
        return None
    head = make_head(
        model,
        described["info"],
        load_htf() if params.rhythm.features == "embeddings" else None,
        history=params.rhythm.history,
    )
    assert isinstance(head, WindowHead)
    return replace(head, inputs=replace(head.inputs, folder=paths.SCRATCH))
