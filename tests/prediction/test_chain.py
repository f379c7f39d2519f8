"""The chain gives, to the last bit, what its steps give when they are written out one after the other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.history import history_features, predict_labels
from ecgfeat.beats.windows import cut_beats
from ecgfeat.files import read
from ecgfeat.prediction.chain import Chain, describe_beats, find_beats, load_chain, name_rhythms
from ecgfeat.prediction.published import join_episodes
from ecgfeat.prediction.record import unannotated_record
from ecgfeat.records.annotations import Episodes
from ecgfeat.records.reader import Signal
from ecgfeat.rhythm.chunks import chunk_weights, cover_record
from ecgfeat.rhythm.features import clipped_rr, neighbour_features
from ecgfeat.rhythm.heads import timeline_output, window_output
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.timeline import MARGIN_BEATS, gather_chunks
from ecgfeat.signals.resample import pad_leads, resample, to_microvolts, to_millivolts
from ecgfeat.signals.rpeaks import detect_rpeaks
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.schemas import RHYTHMS
from tests.prediction.test_record import save_models

CHUNK_BEATS, NUM_VIEWS, WINDOW_SAMPLES, MAX_BEATS = 256, 3, 1280, 32


@pytest.fixture(scope="module", params=["simulated", "mitdb"])
def signal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Signal:
    if request.param == "mitdb":
        whole = read(request.getfixturevalue("mitdb") / "208")
        return Signal("208", whole.fs_hz, whole.leads, whole.signal_mv_SC[: 360 * 185])
    folder = tmp_path_factory.mktemp("raw")
    simulate_corpus(folder, num_subjects=1, minutes=3, fs_hz=250, seed=5)
    return read(folder / "sim000")


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return load_chain(*save_models(tmp_path_factory.mktemp("timeline"), "timeline"))


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return load_chain(*save_models(tmp_path_factory.mktemp("window"), "window"))


class Longhand:
    """The sequence of steps as ``predict`` and the stages had it before the chain, from primitives alone."""

    def __init__(self, signal: Signal, chain: Chain) -> None:
        assert chain.htf is not None
        self.htf = chain.htf
        self.signal_uv = to_microvolts(resample(signal.signal_mv_SC[:, :2], signal.fs_hz, 128))
        self.sample = detect_rpeaks(to_millivolts(self.signal_uv), 128, method="ecgfeat", lead=0)
        beats = cut_beats(pad_leads(self.signal_uv, 2), self.sample, num_samples=256, num_leads=2)
        self.embedding = embed_windows(self.htf, beats)
        self.rr_s = np.diff(self.sample / 128, prepend=np.nan)
        size = len(self.sample)
        self.beat_posterior = predict_labels(self.htf, self.embedding, self.rr_s, [0, size], history="predicted")
        history = history_features(self.rr_s, self.beat_posterior.argmax(axis=1), num_beats=self.htf.history_beats)
        with torch.inference_mode():
            self.encoded = self.htf.encode_history(torch.from_numpy(history)).numpy()

    def timeline(self, model: torch.nn.Module, view: int) -> np.ndarray:
        """Name every beat by overlapping chunks."""
        size = len(self.sample)
        neighbours = neighbour_features(clipped_rr(self.rr_s), self.beat_posterior, np.arange(size), 3)
        feature = torch.from_numpy(np.concatenate([self.embedding, self.encoded, neighbours], axis=1))
        hop = (CHUNK_BEATS - 2 * MARGIN_BEATS) // 2
        start = cover_record(size, CHUNK_BEATS, MARGIN_BEATS, view * hop // NUM_VIEWS)
        assert len(start) <= 64, "one batch"
        total = torch.zeros(size + 1, len(RHYTHMS))
        with torch.inference_mode():
            inputs, row = gather_chunks(feature, start, 0, size, CHUNK_BEATS)
            weight = torch.from_numpy(chunk_weights(CHUNK_BEATS, MARGIN_BEATS))[:, None]
            weighted = model(*inputs).softmax(-1) * weight
            total.index_add_(0, torch.where(inputs[1], row, size).flatten(), weighted.flatten(0, 1))
        return (total[:size] / total[:size].sum(dim=1, keepdim=True)).numpy()

    def segments(self, model: torch.nn.Module, start: np.ndarray) -> np.ndarray:
        """Name segments of 10 s: all in one batch, in the order of their number of beats."""
        feature = np.concatenate([self.embedding, self.encoded, clipped_rr(self.rr_s)[:, None]], axis=1)
        rows = [
            np.flatnonzero((self.sample >= first) & (self.sample < first + WINDOW_SAMPLES)) for first in start.tolist()
        ]
        assert 0 < min(map(len, rows)) <= max(map(len, rows)) <= MAX_BEATS, "no prior and no thinning here"
        order = np.argsort([len(beats) for beats in rows], kind="stable")
        inputs = torch.zeros(len(rows), max(map(len, rows)), feature.shape[1])
        valid = torch.zeros(inputs.shape[:2], dtype=torch.bool)
        for place, segment in enumerate(order):
            inputs[place, : len(rows[segment])] = torch.from_numpy(feature[rows[segment]])
            valid[place, : len(rows[segment])] = True
        posterior = np.empty((len(rows), len(RHYTHMS)), dtype=np.float32)
        with torch.no_grad():
            posterior[order] = model(inputs, valid).softmax(1).numpy()
        return posterior


def run_chain(signal: Signal, chain: Chain) -> RhythmRecord:
    signal_uv = to_microvolts(resample(signal.signal_mv_SC[:, : chain.num_leads], signal.fs_hz, 128))
    record = unannotated_record(signal.record, len(signal_uv), find_beats(signal_uv, method="ecgfeat", lead=0).sample)
    return describe_beats(chain, record, signal_uv)


def test_timeline_head(signal: Signal, timeline: Chain) -> None:
    by_hand = Longhand(signal, timeline)
    record = run_chain(signal, timeline)
    np.testing.assert_array_equal(record.sample, by_hand.sample)
    np.testing.assert_array_equal(record.embedding, by_hand.embedding)
    units = name_rhythms(timeline, [record], num_views=NUM_VIEWS)[0]
    assert units.posterior.shape == (NUM_VIEWS, len(by_hand.sample), len(RHYTHMS))
    for view, posterior in enumerate(units.posterior):
        # By hand the chunks at the ends are filled up and masked; the head is given the beats that are there.
        np.testing.assert_allclose(posterior, by_hand.timeline(timeline.head.model, view), atol=1e-6)
    # The stage `evaluate` gets the same.
    output = timeline_output(timeline.head, [record], num_views=NUM_VIEWS)
    np.testing.assert_array_equal(output.posterior, units.posterior)
    assert join_episodes(timeline.head, units).edges[-1] == record.num_samples


def test_window_head(signal: Signal, window: Chain) -> None:
    by_hand = Longhand(signal, window)
    record = run_chain(signal, window)
    units = name_rhythms(window, [record], num_views=1)[0]
    start = np.append(units.edges[:-2], record.num_samples - WINDOW_SAMPLES)
    np.testing.assert_array_equal(units.posterior[0], by_hand.segments(window.head.model, start))
    assert units.has_beats.all()
    # The grid of the stage `evaluate` lacks the rest at the end; its batch is another one.
    output = window_output(window.head, [record], only_classified_beats=False, num_views=1, has_episodes=False)
    num_grid = record.num_samples // WINDOW_SAMPLES
    expected = by_hand.segments(window.head.model, np.arange(num_grid) * WINDOW_SAMPLES)
    rows = output.precomputed_rows["grid"]
    for k, rhythm in enumerate(RHYTHMS):
        np.testing.assert_array_equal(rows[f"p_{rhythm}"][:num_grid], expected[:, k])


def test_records_are_named_side_by_side_as_alone(signal: Signal, timeline: Chain) -> None:
    record = run_chain(signal, timeline)
    half = len(record.sample) // 2
    none = np.zeros(0, np.int64)
    short = RhythmRecord(
        "", "x", "x", int(record.sample[half]), record.sample[:half], record.rr_s[:half], record.label[:half],
        Episodes(none, none, none.astype(str)), record.embedding[:half],
    )  # fmt: skip
    alone = [name_rhythms(timeline, [one], num_views=1)[0] for one in (record, short)]
    for together, single in zip(name_rhythms(timeline, [record, short], num_views=1), alone, strict=True):
        np.testing.assert_array_equal(together.posterior, single.posterior)
        np.testing.assert_array_equal(together.edges, single.edges)


def test_a_chain_without_an_embedder_leaves_records_as_they_are(timeline: Chain) -> None:
    bare = Chain(None, timeline.head, num_leads=2, beat_samples=256)
    record = unannotated_record("x", 1000, np.array([100, 300]))
    assert describe_beats(bare, record, None) is record
    assert name_rhythms(bare, [], num_views=1) == []


def test_chain_is_the_only_place_that_runs_the_steps() -> None:
    """Signals become embeddings in the chain alone; stages embed the beat windows that are stored."""
    root = Path(__file__).parents[2]
    users = [
        path.relative_to(root).as_posix()
        for path in sorted([*root.glob("ecgfeat/**/*.py"), *root.glob("pipeline/**/*.py")])
        if "import embed_beats" in path.read_text() or "embed_beats," in path.read_text()
    ]
    assert users == ["ecgfeat/prediction/chain.py"]
