"""Simulated twelve-lead records: the leads agree, the diagnoses are true of the signal, each record stands alone."""

from collections import Counter

import numpy as np
import pytest

from ecgfeat.errors import UsageError
from ecgfeat.records.reader import read_header, read_signal
from ecgfeat.simulate.figures import load_figures
from ecgfeat.simulate.heart_vector import DOWER, ELECTRODES, MAX_UV, STANDARD_LEADS, draw_heart, lead_signals
from ecgfeat.simulate.traits import draw_traits
from ecgfeat.simulate.twelve_leads import (
    SIMULATED_DIAGNOSES,
    SNOMED,
    draw_diagnoses,
    draw_rhythm,
    simulate_twelve_leads,
    twelve_lead_names,
)

NUM = 24


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twelve")
    simulate_twelve_leads(folder, NUM, 7)
    return folder


def trains(diagnosis, num=12):
    figures = load_figures()
    for seed in range(num):
        rng = np.random.default_rng(seed)
        traits = draw_traits(figures, rng, archetype_u=0.0, variety=0.0)
        yield draw_rhythm(diagnosis, traits, figures, rng)


def mean_rate(train):
    is_sinus = (train.label[:-1] == "N") & (train.label[1:] == "N")
    return 60 / np.diff(train.time_s)[is_sinus].mean()


def seen_by(lead, waves):
    """Sum up what a lead sees of each QRS wave, in order of time."""
    is_qrs = ~waves.is_atrial & ~waves.is_repolarisation
    order = np.argsort(waves.centre_s[is_qrs])
    row = DOWER[("I", "II", "V1", "V2", "V3", "V4", "V5", "V6").index(lead)]
    return (row @ waves.amplitude_mv[:, is_qrs])[order]


def qrs_ms(waves):
    is_qrs = ~waves.is_atrial & ~waves.is_repolarisation
    centre, width = waves.centre_s[is_qrs], waves.width_s[is_qrs]
    return 1000 * ((centre + 2 * width).max() - (centre - 2 * width).min())


def test_leads_obey_einthoven_and_goldberger_in_every_sample(corpus):
    for record in twelve_lead_names(NUM):
        read = read_signal(corpus, record)
        assert (read.leads, read.fs_hz, read.signal_mv_SC.shape) == (STANDARD_LEADS, 500, (5000, 12))
        uv = dict(zip(read.leads, np.rint(1000 * read.signal_mv_SC.astype(np.float64)).T.astype(int), strict=True))
        assert np.array_equal(uv["III"], uv["II"] - uv["I"])
        assert np.array_equal(2 * uv["aVR"], -(uv["I"] + uv["II"]))
        assert np.array_equal(2 * uv["aVL"], 2 * uv["I"] - uv["II"])
        assert np.array_equal(2 * uv["aVF"], 2 * uv["II"] - uv["I"])
        assert all(np.ptp(lead) > 100 for lead in uv.values())


def test_leads_obey_einthoven_beyond_the_range():
    potential = 40 * np.random.default_rng(0).standard_normal((len(ELECTRODES), 500))
    uv = lead_signals(potential).T.astype(int)
    assert np.abs(uv).max() <= MAX_UV
    assert np.array_equal(uv[2], uv[1] - uv[0])
    assert np.array_equal(2 * uv[3], -(uv[0] + uv[1]))


def test_chest_leads_are_measured_against_the_mean_of_the_limbs():
    potential = np.random.default_rng(1).standard_normal((len(ELECTRODES), 200))
    shifted = potential + np.linspace(-3, 3, 200)  # what all electrodes share is in no lead
    uv, other = lead_signals(potential).astype(int), lead_signals(shifted).astype(int)
    assert np.abs(uv - other).max() <= 2
    assert uv[:, 6] == pytest.approx(1000 * (potential[3] - potential[:3].mean(axis=0)), abs=1)


def test_headers_say_what_the_challenges_say(corpus):
    code_of = {code: name for name, code in SNOMED.items()}
    ages = set()
    for number, record in enumerate(twelve_lead_names(NUM)):
        lines = (corpus / f"{record}.hea").read_text().splitlines()
        (dx,) = (line.removeprefix("# Dx: ") for line in lines if line.startswith("# Dx: "))
        assert tuple(code_of[code] for code in dx.split(",")) == draw_diagnoses(7, number)
        (age,) = (int(line.removeprefix("# Age: ")) for line in lines if line.startswith("# Age: "))
        assert 18 <= age <= 92
        ages.add(age)
        assert sum(line in ("# Sex: Male", "# Sex: Female") for line in lines) == 1
        assert read_header(corpus, record).num_samples == 5000
    assert len(ages) > 5
    assert (corpus / "RECORDS").read_text().split() == list(twelve_lead_names(NUM))


@pytest.mark.parametrize("seed", [0, 7])
def test_no_class_is_rare(seed):
    for num in (120, 60):
        count = Counter(name for number in range(num) for name in draw_diagnoses(seed, number))
        assert set(count) == set(SNOMED)
        assert min(count.values()) >= 0.08 * num
    drawn = [draw_diagnoses(seed, number) for number in range(len(SIMULATED_DIAGNOSES))]
    assert sorted(drawn) == sorted(SIMULATED_DIAGNOSES)
    assert drawn != [
        draw_diagnoses(seed, number + len(SIMULATED_DIAGNOSES)) for number in range(len(SIMULATED_DIAGNOSES))
    ]


def test_a_record_depends_on_the_seed_and_its_number_only(corpus, tmp_path):
    done = []
    names = simulate_twelve_leads(tmp_path, 5, 7, lambda *report: done.append(report))
    assert done == [(k + 1, 5, name) for k, name in enumerate(names)]
    for name in names:
        for ending in ("hea", "dat"):
            assert (tmp_path / f"{name}.{ending}").read_bytes() == (corpus / f"{name}.{ending}").read_bytes()
    simulate_twelve_leads(tmp_path, 1, 8)
    assert (tmp_path / "tl0000.dat").read_bytes() != (corpus / "tl0000.dat").read_bytes()


@pytest.mark.parametrize(("name", "low", "high"), [("SNR", 60, 100), ("SB", 35, 60), ("STach", 100, 180)])
def test_the_rate_is_that_of_the_diagnosis(name, low, high):
    for extra in ((), ("PAC",), ("PVC",)):
        for train in trains((name, *extra)):
            assert low < mean_rate(train) < high
            assert not train.fibrillating.any()


@pytest.mark.parametrize("diagnosis", sorted(set(SIMULATED_DIAGNOSES)))
def test_early_beats_are_those_of_the_diagnosis(diagnosis):
    for train in trains(diagnosis, 6):
        assert ("A" in train.label) == ("PAC" in diagnosis)
        assert ("V" in train.label) == ("PVC" in diagnosis)
        assert train.fibrillating.all() == ("AF" in diagnosis)
        assert len(train.time_s) >= 5
        assert train.time_s[-1] < 10
        early = np.flatnonzero(train.label[1:] == "A")
        if len(early):
            interval = np.diff(train.time_s)
            is_sinus = (train.label[:-1] == "N") & (train.label[1:] == "N")
            assert (interval[early] < interval[is_sinus].mean()).all()


def test_fibrillation_is_irregular_and_sinus_rhythm_is_not():
    def spread(train):
        interval = np.diff(train.time_s)
        return interval.std() / interval.mean()

    af, sinus = ([spread(train) for train in trains((name,), 20)] for name in ("AF", "SNR"))
    assert np.median(af) > 2.5 * np.median(sinus)
    assert np.median(sinus) < 0.08


def test_blocks_are_wide_and_turn_where_they_should():
    hearts = {
        block: [draw_heart(np.random.default_rng(seed), block=block, has_long_pr=False) for seed in range(60)]
        for block in ("", "LBBB", "RBBB")
    }
    width = {block: [qrs_ms(heart.normal) for heart in of] for block, of in hearts.items()}
    assert np.quantile(width[""], 0.8) < 115  # some are slow without a block
    assert min(width["LBBB"]) >= 120
    assert min(width["RBBB"]) >= 120

    # By convention V1 ends upright in RBBB and is all negative in LBBB; axes vary, so not in every single subject.
    def share(block, holds):
        return np.mean([holds(heart.normal) for heart in hearts[block]])

    assert share("RBBB", lambda waves: seen_by("V1", waves)[-1] > 0.3) > 0.8
    assert share("", lambda waves: seen_by("V1", waves)[-1] > 0.3) < 0.3
    assert share("LBBB", lambda waves: (seen_by("V1", waves)[1:3] < 0).all()) > 0.95
    assert share("LBBB", lambda waves: (seen_by("V6", waves)[1:3] > 0).all()) > 0.9


def test_a_long_pr_interval_is_longer_than_200_ms():
    for seed in range(30):
        for has_long_pr in (False, True):
            waves = draw_heart(np.random.default_rng(seed), block="", has_long_pr=has_long_pr).normal
            onset = (waves.centre_s - 2 * waves.width_s)[waves.is_atrial].min()
            is_qrs = ~waves.is_atrial & ~waves.is_repolarisation
            pr_s = (waves.centre_s - 2 * waves.width_s)[is_qrs].min() - onset
            assert (pr_s > 0.2) == has_long_pr
            assert pr_s > 0.1


def test_subjects_differ_in_axis_and_size():
    net = np.array(
        [
            draw_heart(np.random.default_rng(seed), block="", has_long_pr=False).normal.amplitude_mv[:, 3]
            for seed in range(80)
        ]
    )
    axis = np.rad2deg(np.arctan2(net[:, 1], net[:, 0]))
    assert 12 < axis.std() < 40
    size = np.linalg.norm(net, axis=1)
    assert size.max() > 2.5 * size.min()


@pytest.mark.parametrize(("num", "seed"), [(0, 0), (10_001, 0), (1, -1)])
def test_wrong_use_is_named(tmp_path, num, seed):
    with pytest.raises(UsageError, match="simulate12"):
        simulate_twelve_leads(tmp_path, num, seed)
