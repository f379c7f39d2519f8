"""Records predicted again as they could have been taken: what is changed, what is counted, and over which time."""

from dataclasses import replace

import numpy as np
import pytest

from ecgfeat.prediction.models import load_models
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import Signal
from ecgfeat.scoring.variants import AS_IT_IS
from ecgfeat.sensitivity.pairs import (
    FATES,
    RobustnessRecord,
    compare_pairs,
    count_pair,
    find_worst,
    run_variants,
)
from ecgfeat.sensitivity.variants import (
    Variant,
    add_recorded,
    add_simulated,
    change_rate,
    drop_lead,
    keep_first_lead,
    list_variants,
    scale,
    swap_leads,
)
from ecgfeat.simulate.recorded_noise import NoisePool
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS

FS_HZ = 360.0
SECONDS = 90


def make_record(number: int = 0, num_leads: int = 2) -> RobustnessRecord:
    """Make a record with a plain beat every 0.8 s or so, at 360 Hz, its first half fibrillation."""
    rng = np.random.default_rng(number)
    num_samples = int(SECONDS * FS_HZ)
    sample = np.cumsum(rng.integers(270, 310, num_samples // 270))
    sample = sample[sample < num_samples - 100]
    signal = rng.normal(0, 0.008, (num_samples, num_leads))
    shape = np.exp(-0.5 * (np.arange(-60, 61) / 6.0) ** 2)
    for at in sample:
        signal[at - 60 : at + 61] += shape[:, None] * (1.2, 0.7, 0.4)[:num_leads]
    aami = np.where(np.arange(len(sample)) % 4 == 3, "V", "N").astype(object)
    edge = num_samples // 2
    leads = ("I", "II", "III")[:num_leads]
    return RobustnessRecord(
        f"subject{number}",
        Signal(f"made{number}", FS_HZ, leads, signal.astype(np.float32)),
        {"sample": sample.astype(np.int64), "aami": aami},
        {
            "start_sample": np.array([0, edge]),
            "stop_sample": np.array([edge, num_samples]),
            "rhythm": np.array(["AFIB", "NSR"], dtype=object),
        },
    )


def made_prediction(time_s, aami, spans) -> Prediction:
    """Return a prediction of beats and of spans ``(stop_s, rhythm, reason)`` that follow each other."""
    stop_s = np.array([stop for stop, _, _ in spans], dtype=np.float64)
    episodes = {
        "start_s": np.append(0.0, stop_s[:-1]),
        "stop_s": stop_s,
        "rhythm": np.array([rhythm for _, rhythm, _ in spans], dtype=object),
        "reason": np.array([reason for _, _, reason in spans], dtype=object),
    }
    beats = {"time_s": np.array(time_s, dtype=np.float64), "aami": np.array(aami, dtype=object)}
    return Prediction(beats, episodes, {}, float(stop_s[-1]), (), {})


@pytest.fixture(scope="module")
def models(systems_run):
    return load_models(systems_run / "models")


@pytest.fixture(scope="module")
def pool():
    noise = np.random.default_rng(5).normal(0, 1, (60, 3000)).astype(np.float32)
    return NoisePool(noise, 300.0)


@pytest.fixture(scope="module")
def variants(pool):
    return list_variants(noise_snr_db=[12, 6, 0], rates_hz=[100, 1000], gains=[0.25, 4], pool=pool)


def test_every_change_has_a_name_and_a_limit(variants):
    limits = {variant.name: variant.limit for variant in variants}
    assert limits == {
        AS_IT_IS: None, "leads_swapped": 0.02, "first_lead_dropped": 0.02, "second_lead_dropped": 0.02,
        "one_lead": 0.02, "polarity_inverted": 0.02, "gain_0.25": 0.02, "gain_4": 0.02, "rate_100_hz": 0.02,
        "rate_1000_hz": 0.02, "noise_12_db": 0.04, "recorded_noise_12_db": 0.04, "noise_6_db": 0.12,
        "recorded_noise_6_db": 0.12, "noise_0_db": None, "recorded_noise_0_db": None,
    }  # fmt: skip
    names = {variant.name for variant in list_variants(noise_snr_db=[6], rates_hz=[], gains=[])}
    assert "noise_6_db" in names
    assert "recorded_noise_6_db" not in names


def test_changes_leave_the_signal_that_they_are_given(variants):
    signal = make_record().signal
    before = signal.signal_mv_SC.copy()
    for variant in variants:
        changed = variant.vary(signal)
        assert (signal.signal_mv_SC == before).all()
        assert changed.signal_mv_SC.dtype == np.float32
        assert changed.signal_mv_SC.shape[1] == len(changed.leads)
        assert len(changed.signal_mv_SC) / changed.fs_hz == pytest.approx(SECONDS)
        is_same = changed.signal_mv_SC.shape == before.shape and np.array_equal(changed.signal_mv_SC, before)
        assert is_same == (variant.name == AS_IT_IS)


def test_leads_are_swapped_dropped_and_left_out():
    signal = make_record(num_leads=3).signal
    assert (swap_leads(signal).signal_mv_SC == signal.signal_mv_SC[:, [1, 0, 2]]).all()
    dropped = drop_lead(signal, 1).signal_mv_SC
    assert np.isnan(dropped[:, 1]).all()
    assert (dropped[:, [0, 2]] == signal.signal_mv_SC[:, [0, 2]]).all()
    alone = keep_first_lead(signal)
    assert alone.leads == ("I",)
    assert (alone.signal_mv_SC == signal.signal_mv_SC[:, :1]).all()
    assert change_rate(signal, 100).fs_hz == 100


def test_noise_has_the_power_that_is_asked_for_whatever_the_offset(pool):
    signal = make_record().signal
    shifted = replace(signal, signal_mv_SC=signal.signal_mv_SC + np.float32([100, -100]))
    gap = shifted.signal_mv_SC.copy()
    gap[5000:6000, 1] = np.nan
    shifted = replace(shifted, signal_mv_SC=gap)
    for change in (add_simulated, lambda signal, snr_db: add_recorded(signal, pool, snr_db)):
        added = change(signal, snr_db=6.0).signal_mv_SC - signal.signal_mv_SC
        # A QRS complex of 1.2 mV has the power 1.2 ** 2 / 8.
        assert added[:, 0].std() == pytest.approx(np.sqrt(1.2**2 / 8 / 10**0.6), rel=0.1)
        quiet = change(signal, snr_db=12.0).signal_mv_SC - signal.signal_mv_SC
        np.testing.assert_allclose(quiet * 10**0.3, added, atol=0.003)
        of_shifted = change(shifted, snr_db=6.0).signal_mv_SC - shifted.signal_mv_SC
        assert np.isnan(of_shifted[5000:6000, 1]).all()
        np.testing.assert_allclose(of_shifted[:5000], added[:5000], atol=0.02)
        assert np.abs(np.corrcoef(added.T)[0, 1]) < 0.5  # wander of a few waves


def test_noise_is_that_of_the_name_of_the_record(pool):
    first, second = make_record(0).signal, make_record(1).signal
    added = [add_recorded(of, pool, 6.0).signal_mv_SC - of.signal_mv_SC for of in (first, first, second)]
    assert np.array_equal(added[0], added[1])
    assert np.abs(np.corrcoef(added[0][:, 0], added[2][:, 0])[0, 1]) < 0.2


def test_swapping_inverting_and_gain_leave_the_counts_equal(models):
    record = make_record()
    variants = [
        Variant(AS_IT_IS, lambda signal: signal),
        Variant("swapped", swap_leads, 0.02, 2),
        Variant("inverted", lambda signal: scale(signal, -1.0), 0.02),
        *(Variant(f"gain_{gain}", lambda signal, gain=gain: scale(signal, gain), 0.02) for gain in (0.25, 4.0)),
    ]
    counts = run_variants([record], variants, models)
    base = counts[AS_IT_IS]["subject0"]
    assert base["rpeaks"][0].tolist() == [len(record.reference["sample"]), 0, 0]
    assert base["beats"].sum() == 2 * len(record.reference["sample"])
    for variant in variants:
        pair = counts[variant.name]["subject0"]
        for part in ("rpeaks", "beats", "fates"):
            assert np.array_equal(pair[part][1], base[part][0]), (variant.name, part)
        np.testing.assert_allclose(pair["rhythm_per_second"][1], base["rhythm_per_second"][0], atol=1e-3)


def test_a_dropped_lead_costs_no_beat_and_needs_a_second_one(models):
    records = [make_record(0), make_record(1, num_leads=1)]
    variants = [
        variant
        for variant in list_variants(noise_snr_db=[], rates_hz=[250], gains=[])
        if variant.name in (AS_IT_IS, "first_lead_dropped", "one_lead", "rate_250_hz")
    ]
    counts = run_variants(records, variants, models)
    assert {name: sorted(of) for name, of in counts.items()} == {
        AS_IT_IS: ["subject0", "subject1"], "first_lead_dropped": ["subject0"], "one_lead": ["subject0"],
        "rate_250_hz": ["subject0", "subject1"],
    }  # fmt: skip
    for name in ("first_lead_dropped", "one_lead", "rate_250_hz"):
        assert counts[name]["subject0"]["rpeaks"][1].tolist() == [len(records[0].reference["sample"]), 0, 0]
    summary = compare_pairs(counts, variants, num_resamples=0, seed=1)
    assert summary["first_lead_dropped"]["num_subjects"] == 1
    assert summary["first_lead_dropped"]["fates"]["V"] == {"found": 1.0, "missed": 0.0, "unusable": 0.0}
    assert "difference" not in summary[AS_IT_IS]


def test_a_record_whose_leads_are_all_lost_is_unusable_not_wrong(models):
    record = make_record(num_leads=1)
    lost = Variant("lost", lambda signal: drop_lead(signal, 0), 0.02)
    pair = run_variants([record], [lost], models)["lost"]["subject0"]
    assert pair["rpeaks"].sum() == pair["beats"].sum() == pair["rhythm_per_second"].sum() == 0
    assert pair["fates"][1, :, FATES.index("unusable")].sum() == len(record.reference["sample"])
    assert pair["time"][1:].sum() == pytest.approx(pair["time"].sum())
    summary = compare_pairs({"lost": {"subject0": pair}}, [lost], num_resamples=0, seed=1)
    assert summary["lost"]["unnamed"]["no signal"] == 1 or not pair["time"].sum()


def counted_by_hand():
    """Return a record of 90 s, and two predictions of it that differ in known places."""
    record = make_record()
    time_s = record.reference["sample"] / FS_HZ
    classes = record.reference["aami"].copy()
    before = made_prediction(time_s, classes, [(60, "AFIB", ""), (90, "NSR", "")])
    # The varied one is noise from 20 to 30 s, uncertain from 40 to 45 s; it misses a beat, adds one, and calls V N.
    kept = ((time_s < 20) | (time_s >= 30)) & (np.arange(len(time_s)) != 5)
    added = np.append(time_s[kept], time_s[60] + 0.3)
    called = np.append(np.full(kept.sum(), "N", dtype=object), "N")
    order = np.argsort(added)
    spans = [(20, "AFIB", ""), (30, "", "noise"), (40, "AFIB", ""), (45, "", "not classified"), (90, "NSR", "")]
    return record, before, made_prediction(added[order], called[order], spans)


def test_both_sides_are_counted_over_the_time_that_both_name():
    record, before, after = counted_by_hand()
    pair = count_pair(record, before, after)
    afib, nsr = RHYTHMS.index("AFIB"), RHYTHMS.index("NSR")
    hours = pair["rhythm_per_second"] * 3600
    assert hours[0].sum() == pytest.approx(75)
    assert hours[1].sum() == pytest.approx(75)
    # The reference changes at 45 s, the record as it is at 60 s.
    assert hours[0, afib, afib] == pytest.approx(30)
    assert hours[0, nsr, afib] == pytest.approx(15)
    assert hours[1, afib, afib] == pytest.approx(30)
    assert hours[1, nsr, nsr] == pytest.approx(45)
    time = dict(zip(("named", "noise", "no signal", "no R-peak", "pause", "not classified"), pair["time"], strict=True))
    assert time["noise"] * 3600 == pytest.approx(10)
    assert time["not classified"] * 3600 == pytest.approx(5)
    assert sum(time.values()) * 3600 == pytest.approx(90)


def test_beats_in_unusable_time_are_lost_not_missed():
    record, before, after = counted_by_hand()
    pair = count_pair(record, before, after)
    time_s = record.reference["sample"] / FS_HZ
    lost = int(((time_s >= 20) & (time_s < 30)).sum())
    total = len(time_s)
    assert pair["rpeaks"].tolist() == [[total - lost, 0, 0], [total - lost - 1, 1, 1]]
    assert pair["fates"][0].sum(axis=0).tolist() == [total, 0, 0]
    assert pair["fates"][1].sum(axis=0).tolist() == [total - lost - 1, 1, lost]
    normal, ventricular = BEAT_CLASSES.index("N"), BEAT_CLASSES.index("V")
    assert pair["beats"][0].sum() == total - lost
    assert pair["beats"][0, ventricular, ventricular] == pair["beats"][0, ventricular].sum()
    assert pair["beats"][1, ventricular, normal] == pair["beats"][1, ventricular].sum() > 0


def test_differences_stand_against_their_limits():
    record, before, after = counted_by_hand()
    variant = Variant("worse", lambda signal: signal, 0.12)
    pairs = {f"subject{number}": count_pair(record, before, after) for number in range(5)}
    counts = {AS_IT_IS: {name: count_pair(record, before, before) for name in pairs}, "worse": pairs}
    variants = [Variant(AS_IT_IS, lambda signal: signal), variant]
    summary = compare_pairs(counts, variants, num_resamples=50, seed=3)
    beats, rhythm = (summary["worse"]["difference"][part] for part in ("beats", "rhythm_per_second"))
    assert (beats["limit"], beats["is_within"]) == (0.12, False)
    assert beats["low"] == pytest.approx(beats["value"])  # five times the same record
    assert rhythm["value"] > 0
    assert rhythm["is_within"]
    assert "limit" not in summary["worse"]["difference"]["rpeaks"]
    assert summary["worse"]["unnamed"]["noise"] == pytest.approx(10 / 90)
    lines = find_worst({"made": summary})
    assert any(line.startswith("beats: worst is worse of made, F1 -0.") for line in lines)
    assert lines[-1] == "1 of 2 beyond their limits"
    assert find_worst({}) == []


def test_first_hours_cut_signal_and_reference_alike():
    record = make_record()
    assert len(record.first_hours(0).signal.signal_mv_SC) == len(record.signal.signal_mv_SC)
    part = record.first_hours(60 / 3600)
    assert len(part.signal.signal_mv_SC) == 60 * FS_HZ
    assert part.reference["sample"].max() < 60 * FS_HZ
    assert part.episodes["stop_sample"].tolist() == [45 * FS_HZ, 60 * FS_HZ]
    assert record.first_hours(30 / 3600).episodes["rhythm"].tolist() == ["AFIB"]
