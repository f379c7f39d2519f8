import numpy as np
import pytest
import torch

from ecgfeat.beats.windows import cut_beats
from ecgfeat.features import record as record_module
from ecgfeat.features.clusters import MOST_CLUSTERS, cluster_qrs
from ecgfeat.features.record import Beats, describe_beats, find_stretches, tabulate_features
from ecgfeat.features.waves import _FLOOR, describe_waves, find_median_beat, follow_beats, prepare_beats
from ecgfeat.records.annotations import aami_class, is_beat
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.signals.resample import resample, to_microvolts
from ecgfeat.store.feature_columns import FEATURE_NAMES, FEATURES
from ecgfeat.store.schemas import INVALID_UV
from tests.fixtures.beats import draw_beats, every

WAVES = [name for name in FEATURE_NAMES if name.endswith(("_1", "_2")) and not name.startswith("rr_")]
BROAD = range(7, 100, 9)


def describe(window_uv_LCS: np.ndarray | None, rr_s: np.ndarray, **options) -> dict[str, np.ndarray]:
    return describe_beats(Beats(rr_s, np.ones(len(rr_s), dtype=bool)), window_uv_LCS, median_beats=512, **options)


def draw(fs_hz: float = 128.0, **options) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of two leads and the intervals, of 99 beats of which every ninth is broad."""
    beat_s = every(80, 75)
    second = {"qrs_mv": -0.6, "t_mv": -0.1, "p_mv": 0.05}
    leads = [
        draw_beats(beat_s, 75, fs_hz, broad=BROAD, seed=seed, **options, **more)
        for seed, more in ((1, {}), (2, second))
    ]
    at_128 = resample(np.stack(leads, axis=1).astype(np.float32), fs_hz, 128.0)
    sample = np.rint(beat_s * 128).astype(np.int64)
    window_uv_LCS = cut_beats(to_microvolts(at_128), sample, num_samples=256, num_leads=2)
    return window_uv_LCS, np.diff(beat_s, prepend=np.nan)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    return draw()


def test_beats_that_are_the_median_have_no_distance_to_it(drawn):
    window_uv_LCS, rr_s = drawn
    columns = describe(np.repeat(window_uv_LCS[3:4], len(rr_s), axis=0), rr_s)
    for name in (f"{wave}_distance_{lead}" for wave in ("qrs", "p", "t") for lead in (1, 2)):
        np.testing.assert_allclose(columns[name], np.log(_FLOOR), atol=1e-4, err_msg=name)


def test_broad_beats_differ_in_width_shape_and_cluster(drawn):
    columns = describe(*drawn)
    is_broad = np.isin(np.arange(len(drawn[1])), BROAD)
    for lead in (1, 2):
        width = columns[f"qrs_width_s_{lead}"]
        assert width[is_broad].min() > 1.5 * width[~is_broad].max()
        assert columns[f"qrs_likeness_{lead}"][~is_broad].min() > 0.98
        assert columns[f"qrs_likeness_{lead}"][is_broad].max() < 0.9
        assert columns[f"qrs_distance_{lead}"][is_broad].min() > columns[f"qrs_distance_{lead}"][~is_broad].max()
        assert columns[f"qrs_likeness_before_{lead}"][is_broad].max() < 0.9
        assert columns[f"p_likeness_{lead}"][is_broad].mean() < columns[f"p_likeness_{lead}"][~is_broad].mean()
        assert np.sign(np.median(columns[f"t_amplitude_{lead}"])) == 1, "T points as QRS does in both leads"
        assert np.median(columns[f"t_time_s_{lead}"][~is_broad]) == pytest.approx(0.28, abs=0.03)
        assert np.median(columns[f"p_time_s_{lead}"][~is_broad]) == pytest.approx(-0.16, abs=0.03)
        assert np.median(columns[f"qrs_polarity_{lead}"]) > 0.4
    assert set(columns["qrs_cluster"][~is_broad]) == {0.0}
    assert set(columns["qrs_cluster"][is_broad]) == {1.0}
    assert columns["qrs_cluster_share"][is_broad] == pytest.approx(is_broad.mean())


@pytest.mark.parametrize("gain", [0.25, 4.0, -1.0, -3.0])
def test_neither_gain_nor_polarity_matters(drawn, gain):
    window_uv_LCS, rr_s = drawn
    changed = describe(np.rint(window_uv_LCS * gain).astype(np.int16), rr_s)
    for name, value in describe(window_uv_LCS, rr_s).items():
        # A quarter of the gain leaves a quarter of the microvolts: noise and small distances are read less well.
        assert np.nanmedian(np.abs(changed[name] - value)) < (0.05 if gain == 0.25 else 1e-4), name
    assert (changed["qrs_cluster"] == describe(window_uv_LCS, rr_s)["qrs_cluster"]).all()


def test_one_lead_turned_over_changes_nothing_of_the_other(drawn):
    window_uv_LCS, rr_s = drawn
    turned = window_uv_LCS.copy()
    turned[:, 1] *= -1
    changed = describe(turned, rr_s)
    for name, value in describe(window_uv_LCS, rr_s).items():
        np.testing.assert_allclose(changed[name], value, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 360.0, 500.0, 1000.0])
def test_the_sampling_rate_does_not_matter(drawn, fs_hz):
    changed = describe(*draw(fs_hz, noise_mv=0.0))
    for name, value in describe(*draw(noise_mv=0.0)).items():
        spread = max(float(np.nanstd(value)), 0.1)
        # The waves of a drawn QRS complex are 26 ms wide: at 100 Hz that is not much more than two samples.
        assert np.nanmedian(np.abs(changed[name] - value)) < (0.5 if fs_hz == 100 else 0.2) * spread, name


def test_a_missing_lead_is_missing_and_the_other_is_as_alone(drawn):
    window_uv_LCS, rr_s = drawn
    lacking = window_uv_LCS.copy()
    lacking[:, 1] = INVALID_UV
    both, alone = describe(lacking, rr_s), describe(window_uv_LCS[:, :1], rr_s)
    for name in WAVES:
        assert np.isnan(both[name]).all() == name.endswith("_2"), name
        np.testing.assert_allclose(both[name], alone[name], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(both["qrs_cluster"], alone["qrs_cluster"])


def test_without_signal_there_are_intervals_only():
    rr_s = np.full(50, 0.8)
    rr_s[0] = np.nan
    columns = describe(None, rr_s)
    assert list(columns) == list(FEATURE_NAMES)
    assert np.isfinite(columns["rr_over_mean_11"][1:]).all()
    assert all(np.isnan(columns[name]).all() for name in (*WAVES, "qrs_cluster", "qrs_cluster_share"))


def test_nothing_is_described_outside_of_usable_time_nor_across_a_gap(drawn):
    window_uv_LCS, rr_s = drawn
    rr_s, is_used = rr_s.copy(), np.ones(len(rr_s), dtype=bool)
    is_used[40:60] = False
    rr_s[40:61] = np.nan
    beats = Beats(rr_s, is_used)
    assert find_stretches(beats) == [(0, 40), (60, len(rr_s))]
    columns = describe_beats(beats, window_uv_LCS, median_beats=512)
    for name, value in columns.items():
        assert np.isnan(value[40:60]).all(), name
    assert np.isnan(columns["rr_after_s"][39])
    assert np.isnan(columns["rr_before_s"][60])
    alone = describe_beats(Beats(rr_s[60:], is_used[60:]), None, median_beats=512)
    np.testing.assert_array_equal(columns["rr_irregular_11"][60:], alone["rr_irregular_11"])


def test_stretches_that_touch_are_two():
    rr_s = np.array([np.nan, 0.8, np.nan, 0.8, 0.8, np.nan])
    assert find_stretches(Beats(rr_s, np.ones(6, dtype=bool))) == [(0, 2), (2, 5), (5, 6)]
    assert find_stretches(Beats(rr_s, np.zeros(6, dtype=bool))) == []


def test_the_size_of_the_batches_does_not_matter(drawn, monkeypatch):
    whole = describe(*drawn)
    monkeypatch.setattr(record_module, "_BATCH_BEATS", 7)
    for name, value in describe(*drawn).items():
        np.testing.assert_allclose(value, whole[name], rtol=1e-4, atol=2e-5, err_msg=name)


def test_causal_waves_read_no_later_beat(drawn):
    window_uv_LCS, rr_s = drawn
    whole, part = describe(window_uv_LCS, rr_s), describe(window_uv_LCS[:50], rr_s[:50])
    causal = [name for name in WAVES if FEATURES.columns[name].causal]
    assert len(causal) > 10
    for name in causal:
        np.testing.assert_allclose(whole[name][:50], part[name], rtol=0, atol=2e-6, err_msg=name)
    changed = [name for name in WAVES if not np.allclose(whole[name][:50], part[name], 0, 1e-4, equal_nan=True)]
    assert changed
    assert not set(changed) & set(causal)


@pytest.mark.parametrize("num_beats", [0, 1, 2, 9])
def test_few_beats_and_lost_samples_are_no_fault(drawn, num_beats):
    window_uv_LCS, rr_s = (part[:num_beats].copy() for part in drawn)
    window_uv_LCS[:, :, 100:110] = INVALID_UV
    columns = describe(window_uv_LCS, rr_s)
    assert all(len(value) == num_beats and value.dtype == np.float32 for value in columns.values())
    flat = describe(np.zeros_like(window_uv_LCS), rr_s)
    assert not any(np.isinf(value).any() for value in [*columns.values(), *flat.values()])
    nothing = describe(np.full_like(window_uv_LCS, INVALID_UV), rr_s)
    assert all(np.isnan(nothing[name]).all() for name in (*WAVES, "qrs_cluster"))


def test_the_running_beat_is_the_median_of_medians_of_the_nine_before():
    beat = torch.arange(20.0).expand(1, 144, 20).clone()
    beat[..., 12] = 1000
    running = follow_beats(beat, 0, 20)[0, 0]
    assert torch.isnan(running[0])
    assert running[10:13].tolist() == [5, 6, 7]
    assert running[16] == 11, "one beat of nine does not matter"
    assert torch.equal(follow_beats(beat, 10, 15)[0, 0], running[10:15])


def test_many_shapes_go_into_the_last_cluster():
    rng = np.random.default_rng(0)
    shapes = torch.from_numpy(rng.normal(size=(1, 144, 20)).astype(np.float32))
    cluster = cluster_qrs(torch.cat([shapes, shapes[..., :1].expand(-1, -1, 30)], dim=2))
    assert cluster[20:].tolist() == [0] * 30
    assert cluster.max() == MOST_CLUSTERS - 1
    assert set(cluster) == set(range(MOST_CLUSTERS))


def test_rows_are_those_of_the_table(drawn):
    window_uv_LCS, rr_s = drawn
    size = len(rr_s)
    rows = {"record": np.full(size, "r", dtype=object), "beat": np.arange(size, dtype=np.int32), "rr_s": rr_s}
    rows["quality"] = np.full(size, "usable", dtype=object)
    rows["quality"][:3] = "noisy"
    columns = tabulate_features(rows, window_uv_LCS, median_beats=512)
    assert list(columns) == list(FEATURES.columns)
    assert np.isnan(columns["qrs_likeness_1"][:3]).all()
    assert np.isfinite(columns["qrs_likeness_1"][3:]).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same(drawn):
    on_gpu = describe(*drawn, device="cuda")
    for name, value in describe(*drawn).items():
        np.testing.assert_allclose(on_gpu[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def test_ventricular_beats_of_real_records_look_like_no_other_beat(mitdb):
    # 119 and 208: one and several shapes. A ventricular beat is more apart from the median beat than nearly all others.
    for name, share in (("119", 0.99), ("208", 0.95)):
        source = read_signal(mitdb, name)
        annotation = read_annotations(mitdb, name, "atr", len(source.signal_mv_SC))
        is_one = is_beat(annotation.symbol)
        sample = np.rint(annotation.sample[is_one] * 128 / source.fs_hz).astype(np.int64)
        aami = aami_class(annotation.symbol[is_one], "dechazal")
        signal_uv_SC = to_microvolts(resample(source.signal_mv_SC, source.fs_hz, 128.0))
        window_uv_LCS = cut_beats(signal_uv_SC, sample, num_samples=256, num_leads=2)
        columns = describe(window_uv_LCS, np.diff(sample / 128, prepend=np.nan))
        distance = columns["qrs_distance_1"]
        limit = np.nanquantile(distance[aami == "N"], share)
        assert np.mean(distance[aami == "V"] > limit) > share, name


def test_the_waves_of_the_median_beat_are_like_themselves(drawn):
    beat_BCS = prepare_beats(drawn[0])
    median = find_median_beat(beat_BCS, np.ones(len(beat_BCS), dtype=bool), 512)
    columns = describe_waves(median.beat[..., None], median.beat[..., None], median, np.array([1.0], dtype=np.float32))
    for wave in ("qrs", "p", "t"):
        assert columns[f"{wave}_likeness"] == pytest.approx(1, abs=1e-4)
        assert columns[f"{wave}_likeness_before"] == pytest.approx(1, abs=1e-4)
        assert float(columns[f"{wave}_distance"].max()) < np.log(0.02)
