"""Beats and rhythms of unannotated records."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wfdb

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_ecg, read
from ecgfeat.models import build_model, save_model
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.outputs.write import write_prediction
from ecgfeat.prediction.chain import Chain, load_chain, name_rhythms
from ecgfeat.prediction.episodes import PredictedEpisodes, join_at, mark_pauses, merge_units
from ecgfeat.prediction.published import join_episodes
from ecgfeat.prediction.record import Prediction, predict_record, unannotated_record
from ecgfeat.records.marks import annotation_rows
from ecgfeat.records.reader import Signal, read_annotations
from ecgfeat.rhythm.decoding import Decoder, Durations, decoder_to_json, smooth_path
from ecgfeat.rhythm.describe import describe_timeline
from ecgfeat.rhythm.features import timeline_layout, window_layout
from ecgfeat.rhythm.sampling import grid_segments, tile_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.scoring.beats import match_beats
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import read_table
from tests.fixtures.sealed import write_sealed

PARAMS = {
    "timeline": {
        "features": "embeddings",
        "history": "predicted",
        "rr_features": True,
        "neighbour_beats": 3,
        "chunk_beats": 256,
    },
    "window": {
        "features": "embeddings",
        "history": "predicted",
        "rr_features": True,
        "window_samples": 1280,
        "max_beats": 32,
    },
}
DURATIONS = Durations(
    (40.0,) * 6, tuple(tuple(0.2 * (row != column) for column in range(6)) for row in range(6)), (1 / 6,) * 6
)
DECODER = Decoder(DURATIONS, num_phases=1, weight=0.5, prior_power=0.0)
SMOOTHED = [{"weight": 0.0, "beat_macro_f1": 0.5}, {"weight": 0.5, "beat_macro_f1": 0.6}]
INFO = {
    "params": PARAMS["window"],
    "classes": list(RHYTHMS),
    "prior": [0.5, 0.1, 0.1, 0.1, 0.1, 0.1],
    "log": [{"epoch": 0.0}],
}
NUM_FEATURES = {"timeline": 576 + 35, "window": 577}
HEADS = ("timeline", "window")


def save_models(
    folder: Path,
    head: str = "window",
    *,
    num_features: int | None = None,
    decoders: list[dict[str, float]] = SMOOTHED,
    **changes: Any,
) -> tuple[Path, Path]:
    """Save randomly initialised models, small where that is possible."""
    save_model(folder / "htf", "htf", build_model("htf", seed=1), info={"trained": True})
    config = {"num_features": num_features or NUM_FEATURES[head], "width": 16, "num_blocks": 1, "num_heads": 2}
    info = INFO | {"params": PARAMS[head] | changes}
    info |= {"decoder": decoder_to_json(DECODER), "decoders": decoders} if head == "timeline" else {}
    name = f"rhythm_{head}"
    save_model(folder / "rhythm", name, build_model(name, seed=2, **config), config, info)
    return folder / "htf", folder / "rhythm"


@pytest.fixture(scope="module", params=HEADS)
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return load_chain(*save_models(tmp_path_factory.mktemp("models"), request.param))


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return load_chain(*save_models(tmp_path_factory.mktemp("timeline"), "timeline"))


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return load_chain(*save_models(tmp_path_factory.mktemp("window")))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    simulate_corpus(folder, num_subjects=1, minutes=1.2, fs_hz=250, seed=5)
    return folder


@pytest.fixture(scope="module")
def prediction(raw: Path, chain: Chain) -> Prediction:
    return predict_record(read(raw / "sim000"), chain, num_views=7)


def test_beats_are_where_the_simulator_put_them(raw: Path, prediction: Prediction) -> None:
    reference = read_annotations(raw, "sim000", "atr", None)
    beats = reference.sample[np.isin(reference.symbol, ["N", "A", "V"])]
    found, _ = match_beats(beats, prediction.beats["sample"], int(0.15 * 250))
    assert len(found) / len(beats) > 0.9  # the floor of a detector that works on the record's own rate


def test_episodes_cover_the_record_at_its_own_rate_without_gap_or_overlap(prediction: Prediction) -> None:
    start, stop = prediction.episodes["start_sample"], prediction.episodes["stop_sample"]
    assert (start[0], stop[-1]) == (0, 72 * 250)
    assert np.array_equal(start[1:], stop[:-1])
    names = prediction.episodes["rhythm"]
    assert all(a != b for a, b in zip(names[1:], names[:-1], strict=True))
    assert prediction.episodes["num_beats"].sum() == len(prediction.beats["sample"])
    total = sum(prediction.episodes[f"p_{name}"] for name in RHYTHMS)
    assert total == pytest.approx(np.ones(len(names)), abs=1e-5)


def test_beat_probabilities_and_their_class_agree(prediction: Prediction) -> None:
    probability = np.stack([prediction.beats[f"p_{name}"] for name in "NSV"], axis=1)
    assert probability.sum(axis=1) == pytest.approx(np.ones(len(probability)), abs=1e-5)
    assert list(np.array(["N", "S", "V"])[probability.argmax(axis=1)]) == list(prediction.beats["aami"])


def test_no_annotation_is_read(raw: Path, prediction: Prediction, chain: Chain, tmp_path: Path) -> None:
    for name in ("sim000.hea", "sim000.dat"):
        (tmp_path / name).write_bytes((raw / name).read_bytes())
    again = predict_record(read(tmp_path / "sim000"), chain, num_views=7)
    for name, column in prediction.beats.items():
        np.testing.assert_array_equal(column, again.beats[name])
    for name, column in prediction.episodes.items():
        np.testing.assert_array_equal(column, again.episodes[name])


def test_an_array_in_mv_gives_what_the_record_gives(
    raw: Path, prediction: Prediction, chain: Chain, tmp_path: Path
) -> None:
    signal = read(raw / "sim000")
    np.save(tmp_path / "sim000.npy", signal.signal_mv_SC)
    array = read(tmp_path / "sim000.npy", fs_hz=250)
    assert array.leads == ("lead 1", "lead 2")
    again = predict_record(array, chain, num_views=7)
    for name, column in prediction.episodes.items():
        np.testing.assert_array_equal(column, again.episodes[name])


def test_files_are_read_by_our_reader_and_by_wfdb(prediction: Prediction, tmp_path: Path) -> None:
    paths = write_prediction(tmp_path, "sim000", prediction.beats, prediction.episodes, 250.0, {"made": "by a test"})
    beats, episodes = read_table(paths[0], RECORD_BEATS), read_table(paths[1], RECORD_EPISODES)
    marks = wfdb.rdann(str(tmp_path / "sim000"), "ecg")
    assert marks.fs == 250
    is_beat = np.array([symbol in "NAV" for symbol in marks.symbol])
    assert np.array_equal(marks.sample[is_beat], beats["sample"])
    symbols = [symbol for symbol, shown in zip(marks.symbol, is_beat, strict=True) if shown]
    assert symbols == [{"N": "N", "S": "A", "V": "V"}[name] for name in beats["aami"]]
    assert np.array_equal(marks.sample[~is_beat], episodes["start_sample"])
    notes = [note.rstrip("\0") for note, shown in zip(marks.aux_note, is_beat, strict=True) if not shown]
    assert notes == ["(N" if name == "NSR" else f"({name}" for name in episodes["rhythm"]]
    before = [path.read_bytes() for path in paths]
    write_prediction(tmp_path, "sim000", prediction.beats, prediction.episodes, 250.0, {"made": "by a test"})
    assert [path.read_bytes() for path in paths] == before


def test_annotations_of_somebody_else_are_not_overwritten(prediction: Prediction, tmp_path: Path) -> None:
    (tmp_path / "sim000.ecg").write_bytes(b"precious")
    with pytest.raises(UsageError, match="a file that may be of another recording"):
        write_prediction(tmp_path, "sim000", prediction.beats, prediction.episodes, 250.0, {})
    assert [path.name for path in tmp_path.iterdir()] == ["sim000.ecg"]


def test_one_lead_and_three_leads_say_which_are_read(raw: Path, chain: Chain) -> None:
    two = read(raw / "sim000")
    one = predict_record(Signal("x", 250.0, two.leads[:1], two.signal_mv_SC[:, :1]), chain, num_views=7)
    assert one.notes == ("1 lead (MLII) of the 2 the embedder takes: the rest is given as invalid",)
    wider = np.concatenate([two.signal_mv_SC, 5 - two.signal_mv_SC[:, :1]], axis=1)
    three = predict_record(Signal("x", 250.0, (*two.leads, "V5"), wider), chain, num_views=7)
    assert three.notes == ("3 leads: beat classes come from the first 2 by position (MLII, V1)",)
    np.testing.assert_array_equal(three.beats["p_N"], predict_record(two, chain, num_views=7).beats["p_N"])


def test_a_flat_first_lead_is_replaced_and_told(raw: Path, chain: Chain) -> None:
    two = read(raw / "sim000")
    flat = two.signal_mv_SC.copy()
    flat[:, 0] = 0
    prediction = predict_record(Signal("x", 250.0, two.leads, flat), chain, num_views=7)
    minutes = f"{len(flat) / 250 / 60:.1f}"
    assert prediction.notes == (
        f"minutes usable by lead: MLII 0.0, V1 {minutes} of {minutes}; the beats follow the leads that are usable",
    )
    alone = predict_record(Signal("x", 250.0, two.leads, flat), chain, num_views=7, lead=0)
    assert alone.notes == ("lead 0 is flat or invalid: lead 1 was read",)
    np.testing.assert_array_equal(alone.beats["sample"], prediction.beats["sample"])


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_record_without_any_signal_has_no_rhythm(value: float, chain: Chain) -> None:
    found = predict_record(Signal("x", 250.0, ("I", "II"), np.full((5000, 2), value)), chain, num_views=7)
    assert len(found.beats["sample"]) == 0
    assert [found.episodes[name].tolist() for name in ("start_sample", "stop_sample", "rhythm", "reason")] == [
        [0],
        [5000],
        [""],
        ["no signal"],
    ]
    assert "no ECG in it: every lead is flat, invalid" in found.notes[0]


@pytest.mark.parametrize("kind", ["white", "mains", "walk"])
def test_noise_has_no_rhythm(kind: str, chain: Chain) -> None:
    rng, time_s = np.random.default_rng(5), np.arange(60 * 250) / 250
    signal_S = {
        "white": rng.normal(0, 0.3, time_s.size),
        "mains": 0.8 * np.sin(2 * np.pi * 50 * time_s),
        "walk": np.cumsum(rng.normal(0, 0.02, time_s.size)),
    }[kind]
    found = predict_record(Signal("x", 250.0, ("ECG",), signal_S[:, None].astype(np.float32)), chain, num_views=7)
    assert len(found.beats["sample"]) == 0
    assert found.episodes["rhythm"].tolist() == [""]
    assert any("no ECG in it" in note for note in found.notes)


@pytest.mark.parametrize("hole", [np.nan, 0.0, 5.0])
@pytest.mark.parametrize("minutes", [0.5, 10.0])
def test_an_hour_without_signal_is_no_rhythm(hole: float, minutes: float, raw: Path, timeline: Chain) -> None:
    whole = read(raw / "sim000")
    ecg_SC = whole.signal_mv_SC[:, :1]
    hole_SC = np.full((round(minutes * 60 * 250), 1), hole, dtype=np.float32)
    alone = predict_record(Signal("x", 250.0, ("I",), ecg_SC), timeline, num_views=7)
    found = predict_record(Signal("x", 250.0, ("I",), np.concatenate([ecg_SC, hole_SC, ecg_SC])), timeline, num_views=7)

    def minutes_of(episodes: dict[str, np.ndarray], names: tuple[str, ...]) -> float:
        length_s = episodes["stop_s"] - episodes["start_s"]
        return float(length_s[np.isin(episodes["rhythm"], names)].sum() / 60)

    assert minutes_of(found.episodes, RHYTHMS) == pytest.approx(2 * minutes_of(alone.episodes, RHYTHMS), abs=0.2)
    for rhythm in RHYTHMS:
        once, twice = (minutes_of(of.episodes, (rhythm,)) for of in (alone, found))
        assert twice == pytest.approx(2 * once, abs=0.2)
    assert "no signal" in found.episodes["reason"]
    assert found.beats["rr_s"][np.isfinite(found.beats["rr_s"])].max() < 5
    edges = found.episodes["start_sample"].tolist(), found.episodes["stop_sample"].tolist()
    assert edges[0] == [0, *edges[1][:-1]]


def test_a_record_shorter_than_a_window_is_named_by_the_timeline_head_alone(
    raw: Path, timeline: Chain, window: Chain
) -> None:
    whole = read(raw / "sim000")
    short = Signal("x", 250.0, whole.leads, whole.signal_mv_SC[:2400])
    with pytest.raises(DataError, match=r"x: 9.6 s of signal; expected at least one segment of 10 s\. Take a timeline"):
        predict_record(short, window, num_views=7)
    found = predict_record(short, timeline, num_views=7)
    assert len(found.beats["sample"]) > 3
    assert found.episodes["stop_sample"][-1] == 2400


@pytest.mark.parametrize("num_views", [1, 7])
def test_episodes_of_the_timeline_head_are_runs_of_the_smoothed_path(
    raw: Path, timeline: Chain, num_views: int
) -> None:
    # Weights just drawn predict the same of every beat: larger ones do not.
    timeline = copy.deepcopy(timeline)
    with torch.no_grad():
        timeline.head.model.head.weight *= 20
    found = predict_record(read(raw / "sim000"), timeline, num_views=num_views)
    # All of it again, by hand: at 250 Hz positions move, so the input is the positions that the prediction contains.
    rr_s = found.beats["rr_s"]
    sample = np.rint(np.nancumsum(rr_s) * 128).astype(np.int64)
    label = np.array(["NSV".index(name) for name in found.beats["aami"]])
    embedding = np.random.default_rng(0).exponential(0.5, (len(label), 512)).astype(np.float32)
    record = unannotated_record("x", int(sample[-1]) + 40, sample)
    record = replace(record, rr_s=rr_s, label=label, embedding=embedding)
    named = join_episodes(timeline.head, name_rhythms(timeline, [record], num_views=num_views)[0])
    posterior = beat_posteriors(
        timeline.head.model,
        np.array([0, len(label)]),
        torch.from_numpy(next(describe_timeline([record], timeline.head.inputs, neighbour_beats=3))),
        chunk_beats=256,
        num_views=num_views,
    ).mean(axis=0)
    path = smooth_path([posterior], DECODER)[0]
    assert len(named.label) > 1, "one episode alone would prove little"
    assert np.array_equal(np.repeat(named.label, np.diff(np.searchsorted(sample, named.edges))), path)
    for start, stop, mean in zip(named.edges[:-1], named.edges[1:], named.posterior, strict=True):
        inside = (sample >= start) & (sample < stop)
        np.testing.assert_allclose(mean, posterior[inside].mean(axis=0), atol=1e-6)
    assert set(named.edges[1:-1]) <= set(sample[1:])
    starts = found.episodes["start_sample"]
    assert set(starts[1:]) <= set(found.beats["sample"])


def test_smoothing_that_lost_on_the_validation_records_is_left_out(tmp_path: Path) -> None:
    lost = [SMOOTHED[0], {"weight": 0.5, "beat_macro_f1": 0.5}]
    assert not load_chain(*save_models(tmp_path / "lost", "timeline", decoders=lost)).head.is_smoothed
    won = load_chain(*save_models(tmp_path / "won", "timeline")).head
    assert won.is_smoothed
    assert won.decoder == DECODER


@pytest.mark.parametrize("head", HEADS)
def test_a_head_trained_on_annotations_reads_predicted_labels(head: str, raw: Path, tmp_path: Path) -> None:
    layout = timeline_layout(3, 3, num_embedded=0) if head == "timeline" else window_layout(3, num_embedded=0)
    folders = save_models(tmp_path, head, num_features=layout.num_features, features="annotations", history="oracle")
    chain = load_chain(*folders)
    found = predict_record(read(raw / "sim000"), chain, num_views=7)
    assert "it reads detected R-peaks and predicted labels here" in found.notes[0]
    assert found.episodes["stop_sample"][-1] == 72 * 250


@pytest.mark.parametrize("head", HEADS)
def test_a_head_trained_with_true_labels_is_told(head: str, raw: Path, tmp_path: Path) -> None:
    chain = load_chain(*save_models(tmp_path, head, history="oracle"))
    assert "it reads predicted ones here" in predict_record(read(raw / "sim000"), chain, num_views=7).notes[0]


@pytest.mark.parametrize(
    ("head", "file", "change", "message"),
    [
        ("window", "htf", {"info": {"trained": False}}, "a beat embedder that was not trained"),
        ("window", "rhythm", {"info": {}}, "no params, classes, prior in info of model.json"),
        ("timeline", "rhythm", {"info": {}}, "no params, classes, prior, decoder, decoders in info of model.json"),
        (
            "window",
            "rhythm",
            {"info": INFO | {"params": {"features": "embeddings"}}},
            "no params.history, params.rr_features, params.window_samples",
        ),
        (
            "timeline",
            "rhythm",
            {"info": INFO | {"decoder": {}, "decoders": []}},
            "no params.neighbour_beats, params.chunk_beats",
        ),
        ("window", "rhythm", {"info": INFO | {"classes": ["NSR", "AFIB"]}}, "classes NSR AFIB; expected NSR AFIB SBR"),
        ("window", "rhythm", {"info": INFO | {"log": []}}, "left untrained; expected a trained one"),
        (
            "window",
            "rhythm",
            {"info": INFO | {"params": PARAMS["window"] | {"features": "annotations"}}},
            "a head of 577 features",
        ),
        (
            "timeline",
            "rhythm",
            {
                "info": INFO
                | {"decoder": decoder_to_json(DECODER), "decoders": SMOOTHED}
                | {"params": PARAMS["timeline"] | {"neighbour_beats": 4}}
            },
            "a head of 611 features; expected 621",
        ),
    ],
)
def test_models_that_cannot_work_together_are_refused(
    tmp_path: Path, head: str, file: str, change: dict[str, Any], message: str
) -> None:
    folders = save_models(tmp_path, head)
    path = tmp_path / file / "model.json"
    write_sealed(path, json.loads(path.read_text()) | change)
    with pytest.raises(DataError, match=message):
        load_chain(*folders)


def test_models_in_the_wrong_place_are_refused(tmp_path: Path) -> None:
    htf, rhythm = save_models(tmp_path)
    with pytest.raises(DataError, match="a rhythm_window; expected an htf"):
        load_chain(rhythm, htf)
    with pytest.raises(DataError, match="a htf; expected a rhythm_timeline or a rhythm_window"):
        load_chain(htf, htf)


@pytest.mark.parametrize(("num_samples", "edges"), [(2560, [0, 1280, 2560]), (2600, [0, 1280, 2560, 2600])])
def test_windows_are_those_of_the_grid_and_one_for_the_rest(num_samples: int, edges: list[int]) -> None:
    sample = np.arange(20, num_samples, 90)
    windows, found = tile_segments(sample, num_samples, 1280, 32)
    assert found.tolist() == edges
    table = BeatTable(sample, np.array([0, len(sample)]), np.array([num_samples]))
    none = np.zeros(0, dtype=np.int64)
    grid = grid_segments(table, EpisodeTable(none, none, none, none), window_samples=1280, max_beats=32)
    np.testing.assert_array_equal(windows.select(np.arange(2)).beats, grid.beats)
    assert windows.stop[-1] == num_samples


def test_neighbours_of_one_rhythm_become_one_episode_and_silence_none() -> None:
    posterior = np.eye(6, dtype=np.float32)[[0, 0, 1, 1, 0]] * 0.5 + np.float32(0.5 / 6)
    posterior[1] = [0.4, 0.3, 0.3, 0, 0, 0]
    weight = np.array([3.0, 1.0, 1.0, 1.0, 1.0])
    found = merge_units(np.array([0, 0, 1, -1, 0]), posterior, weight, np.array([0, 10, 20, 30, 40, 45]))
    assert found.label.tolist() == [0, 1, -1, 0]
    assert found.edges.tolist() == [0, 20, 30, 40, 45]
    assert found.posterior[0, 0] == pytest.approx((3 * posterior[0, 0] + 0.4) / 4)
    assert np.isnan(found.posterior[2]).all()


def test_a_pause_is_no_rhythm_and_has_its_length() -> None:
    posterior = np.arange(12, dtype=np.float32).reshape(2, 6)
    episodes = PredictedEpisodes(np.array([0, 1000, 3000]), np.array([0, 1]), posterior, ("", ""))
    # A pause of 4 s across the change of rhythm, one of just 3 s, and an interval of less.
    sample = np.array([100, 700, 1212, 1596, 1979, 2100])
    found = mark_pauses(episodes, sample)
    assert found.edges.tolist() == [0, 101, 700, 701, 1212, 1213, 1596, 3000]
    assert found.label.tolist() == [0, -1, 0, -1, 1, -1, 1]
    assert found.reason == ("", "pause", "", "pause", "", "pause", "")
    assert np.isnan(found.posterior[1::2]).all()
    np.testing.assert_array_equal(found.posterior[[0, 4]], posterior)
    assert mark_pauses(episodes, np.array([100, 400])) is episodes


@pytest.mark.parametrize("offset", [-300.0, -33.0, 33.0, 300.0])
def test_an_electrode_offset_changes_no_beat_and_no_rhythm(offset: float, raw: Path, timeline: Chain) -> None:
    two = read(raw / "sim000")
    moved = predict_record(Signal("x", 250.0, two.leads, two.signal_mv_SC + np.float32(offset)), timeline, num_views=1)
    plain = predict_record(two, timeline, num_views=1)
    assert np.abs(moved.beats["sample"] - plain.beats["sample"]).max() <= 2
    assert moved.episodes["rhythm"].tolist() == plain.episodes["rhythm"].tolist()


def test_a_lead_that_comes_off_is_followed(raw: Path, timeline: Chain) -> None:
    two = read(raw / "sim000")
    plain = predict_record(two, timeline, num_views=1)
    broken = np.tile(two.signal_mv_SC, (3, 1))
    length = len(two.signal_mv_SC)
    broken[length : 2 * length, 0] = 0
    prediction = predict_record(Signal("x", 250.0, two.leads, broken), timeline, num_views=1)
    assert "the beats follow the leads that are usable" in prediction.notes[0]
    inside = (prediction.beats["sample"] >= length) & (prediction.beats["sample"] < 2 * length)
    assert abs(int(inside.sum()) - len(plain.beats["sample"])) <= 1
    assert set(prediction.episodes["reason"]) == {""}
    alone = predict_record(Signal("x", 250.0, two.leads, broken), timeline, num_views=1, lead=0)
    assert "no signal" in alone.episodes["reason"]


def test_annotations_have_a_mark_where_no_rhythm_begins() -> None:
    beats = {"aami": np.array(["N", "N", "V"], dtype=object), "sample": np.array([5, 100, 700])}
    episodes = {"rhythm": np.array(["NSR", "AFIB", ""], dtype=object), "start_sample": np.array([0, 100, 600])}
    sample, symbol, note = annotation_rows(beats, episodes)
    assert sample.tolist() == [0, 5, 100, 100, 600, 700]
    assert symbol == ["+", "N", "+", "N", "+", "V"]
    assert note == ["(N", "", "(AFIB", "", "(", ""]


def test_real_record_of_360_hz(mitdb: Path, chain: Chain) -> None:
    whole = read(mitdb / "100")
    signal = Signal("100", whole.fs_hz, whole.leads, whole.signal_mv_SC[: 360 * 95])
    found = predict_record(signal, chain, num_views=7)
    marks = read_annotations(mitdb, "100", "atr", 360 * 95)
    beats = marks.sample[np.isin(marks.symbol, ["N", "A"])]
    hits, _ = match_beats(beats, found.beats["sample"], 54)
    assert len(hits) >= len(beats) - 1  # a clean record: at most the cut beat at an end is lost
    assert found.episodes["stop_sample"][-1] == 360 * 95


def test_an_open_file_is_predicted_as_its_samples_in_memory(raw: Path, chain: Chain) -> None:
    from_file, from_memory = (predict_record(of(raw / "sim000"), chain, num_views=1) for of in (open_ecg, read))
    for name, column in from_memory.beats.items():
        np.testing.assert_array_equal(from_file.beats[name], column)
    for name, column in from_memory.episodes.items():
        np.testing.assert_array_equal(from_file.episodes[name], column)


def test_a_long_record_is_predicted_day_by_day(raw: Path, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read(raw / "sim000")
    whole = predict_record(source, chain, num_views=1)
    day_s = 12
    monkeypatch.setattr("ecgfeat.prediction.record._DAY_SAMPLES", day_s * 128)
    monkeypatch.setattr("ecgfeat.prediction.record._REST_SAMPLES", 10 * 128)
    parts = predict_record(source, chain, num_views=1)
    assert parts.duration_s == whole.duration_s > 2 * day_s
    edges = np.append(parts.episodes["start_sample"], parts.episodes["stop_sample"][-1])
    np.testing.assert_array_equal(edges[1:], parts.episodes["stop_sample"])
    assert (edges[0], edges[-1]) == (0, source.num_samples)
    assert parts.episodes["num_beats"].sum() == len(parts.beats["sample"])
    assert (np.diff(parts.beats["sample"]) > 0).all()
    # At most the beats at the borders are found otherwise.
    tolerance = round(0.02 * source.fs_hz)
    found, _ = match_beats(whole.beats["sample"], parts.beats["sample"], tolerance)
    assert len(found) >= len(whole.beats["sample"]) - 12


def test_episodes_that_touch_at_a_border_are_joined() -> None:
    posterior = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]], np.float32)
    episodes = PredictedEpisodes(np.array([0, 10, 40, 50, 60]), np.array([0, 0, 1, 1]), posterior, ("", "", "", ""))
    joined = join_at(episodes, [10])
    assert joined.edges.tolist() == [0, 40, 50, 60]
    assert joined.label.tolist() == [0, 1, 1]
    np.testing.assert_allclose(joined.posterior[0], [0.75, 0.25])
    assert join_at(episodes, [40]) is episodes
    assert join_at(episodes, [10, 50]).edges.tolist() == [0, 40, 60]
