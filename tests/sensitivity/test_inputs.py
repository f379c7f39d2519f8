"""The chain run again with one input changed: only that input changes, and scores are paired."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgfeat.beats.history import predict_labels
from ecgfeat.models import build_model
from ecgfeat.prediction.chain import Chain
from ecgfeat.rhythm.decoding import Decoder, Durations
from ecgfeat.rhythm.describe import BeatInputs
from ecgfeat.rhythm.heads import TimelineHead, name_beats
from ecgfeat.scoring.intervals import MIN_SUBJECTS
from ecgfeat.scoring.variants import AS_IT_IS
from ecgfeat.sensitivity.inputs import (
    SensitivityRecord,
    Variant,
    count_variant,
    describe_variant,
    list_variants,
    run_variants,
)
from ecgfeat.store.schemas import COMMON_FS_HZ, INVALID_UV, RHYTHMS

MINUTES = 4
UNUSED_DECODER = Decoder(Durations((1.0,) * 6, ((1 / 6,) * 6,) * 6, (1 / 6,) * 6), 1, 0.0, 0.0)


def made_source(number: int) -> SensitivityRecord:
    """Make a record whose R-peaks are plain, a quarter of them V and the first half fibrillation."""
    rng = np.random.default_rng(number)
    num_samples = MINUTES * 60 * 128
    sample = np.cumsum(rng.integers(80, 140, num_samples // 80))
    sample = sample[sample < num_samples - 100] + number
    signal = rng.normal(0, 8, (num_samples, 2))
    shape = np.exp(-0.5 * (np.arange(-20, 21) / 2.0) ** 2)
    for at in sample:
        signal[at - 20 : at + 21] += shape[:, None] * (1200, 600)
    aami = np.where(np.arange(len(sample)) % 4 == 3, "V", "N").astype(object)
    edge = num_samples // 2
    rhythm = np.where(sample < edge, "AFIB", "NSR").astype(object)
    return SensitivityRecord(
        "made", f"subject{number}", f"made{number}", 128.0, num_samples, np.rint(signal).astype(np.int16),
        {"sample": sample.astype(np.int64), "symbol": aami, "aami": aami, "rhythm": rhythm},
        {"start_sample": np.array([0, edge]), "stop_sample": np.array([edge, num_samples]),
         "rhythm": np.array(["AFIB", "NSR"], dtype=object)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def sources():
    return [made_source(number) for number in range(MIN_SUBJECTS)]


@pytest.fixture(scope="module")
def chain(sources):
    htf = build_model("htf", seed=1)
    head = build_model("rhythm_timeline", seed=2, num_features=512 + 64 + 5 * 7, num_classes=6, width=16, num_blocks=1)
    chain = make_chain(htf, head)
    # Weights just drawn name every beat alike; without their mean, no class is predicted everywhere.
    record = describe_variant(sources[0], Variant(AS_IT_IS, "ecgfeat", "none"), chain)
    chance = predict_labels(htf, record.embedding, record.rr_s, [0, len(record.rr_s)], history="none")
    with torch.no_grad():
        htf.head[3].bias -= torch.from_numpy(np.log(chance).mean(axis=0))
        chance = name_beats(chain.head, [record], num_views=1)[0]
        head.head.bias -= torch.from_numpy(np.log(chance).mean(axis=0))
    return chain


def make_chain(htf, model):
    head = TimelineHead(
        model,
        BeatInputs(htf, "none", is_rr_used=True),
        neighbour_beats=3,
        chunk_beats=160,
        prior=(1 / 6,) * 6,
        decoder=UNUSED_DECODER,
        is_smoothed=False,
    )
    return Chain(htf, head, num_leads=2, beat_samples=256)


@pytest.fixture(scope="module")
def variants():
    return list_variants("ecgfeat", "predicted", noise_snr_db=[12, 6], has_signals=True, reads_signals=True)


@pytest.fixture(scope="module")
def counts(sources, variants, chain):
    return run_variants(sources, variants, chain)


def test_records_named_in_groups_have_the_same_counts(sources, variants, chain, counts, monkeypatch):
    monkeypatch.setattr("ecgfeat.sensitivity.inputs.TOGETHER", 1)
    done = []
    apart = run_variants(sources[::-1], variants[:2], chain, on_record=lambda: done.append(1))
    assert len({source.subject for source in sources}) > 1
    assert len(done) == len(sources)  # both variants have the same beats
    for variant in variants[:2]:
        assert set(apart[variant.name]) == set(counts[variant.name])
        for part, count in counts[variant.name].items():
            np.testing.assert_array_equal(apart[variant.name][part], count)


def test_every_input_is_changed_once(variants):
    assert [one.name for one in variants] == [
        AS_IT_IS, "history_oracle", "history_none", "rpeaks_annotated", "leads_swapped", "first_lead_dropped",
        "second_lead_dropped", "polarity_inverted", "noise_12_db", "noise_6_db",
    ]  # fmt: skip
    base = variants[0]
    for one in variants[1:]:
        changed = [name for name in ("rpeaks", "history", "vary", "has_labels") if vars(one)[name] != vars(base)[name]]
        assert len(changed) == 1, one.name


@pytest.mark.parametrize(
    ("rpeaks", "has_signals", "reads_signals", "expected"),
    [
        ("annotated", False, False, {"labels_none"}),
        ("annotated", True, False, {"labels_none", "rpeaks_detected"}),
        ("neurokit", True, False, {"labels_none", "rpeaks_annotated", "leads_swapped", "noise_6_db"}),
        ("annotated", True, True, {"history_none", "rpeaks_detected", "leads_swapped", "noise_6_db"}),
    ],
)
def test_only_what_exists_is_changed(rpeaks, has_signals, reads_signals, expected):
    found = list_variants(rpeaks, "predicted", noise_snr_db=[6], has_signals=has_signals, reads_signals=reads_signals)
    names = {one.name for one in found} - {AS_IT_IS}
    assert expected <= names
    assert ("leads_swapped" in names) == ("leads_swapped" in expected)
    assert ("history_none" in names) == reads_signals


def test_found_beats_are_those_of_the_variant(sources, chain, variants):
    named = {one.name: one for one in variants}
    source = sources[1]
    base = describe_variant(source, named[AS_IT_IS], chain)
    assert abs(len(base.sample) - len(source.reference["sample"])) <= 2
    annotated = describe_variant(source, named["rpeaks_annotated"], chain)
    assert (annotated.sample == source.reference["sample"]).all()
    assert (annotated.label == np.where(source.reference["aami"] == "V", 2, 0)).all()
    # Without its first lead a record is searched in its second, whose beats stand at the same places.
    dropped = describe_variant(source, named["first_lead_dropped"], chain)
    assert len(dropped.sample) == pytest.approx(len(base.sample), abs=2)
    swapped = describe_variant(source, named["leads_swapped"], chain)
    twice = describe_variant(replace(source, signal_uv=source.signal_uv[:, ::-1]), named["leads_swapped"], chain)
    assert np.array_equal(twice.embedding, base.embedding)
    assert swapped.embedding.shape[1] == 512
    assert not np.allclose(swapped.embedding[:50], base.embedding[:50])


def test_counts_cover_all_of_the_time_and_pair_with_the_reference(sources, counts):
    hours = sum(one.num_samples for one in sources) / COMMON_FS_HZ / 3600
    for name, of_part in counts.items():
        assert of_part["rhythm_per_second"].sum() == pytest.approx(hours, rel=1e-9), name
        assert of_part["beats"].shape == (len(sources), 3, 3)
        hit, missed, _ = of_part["rpeaks"].sum(axis=0)
        assert hit + missed == sum(len(one.reference["sample"]) for one in sources)
    support = counts["rpeaks_annotated"]["rhythm_per_beat"].sum(axis=(0, 2))
    rhythm = np.concatenate([one.reference["rhythm"] for one in sources])
    assert support.tolist() == [(rhythm == name).sum() for name in RHYTHMS]
    assert (counts["rpeaks_annotated"]["rpeaks"][:, 1:] == 0).all()


def test_what_is_not_changed_stays_the_same(counts):
    for name in ("history_none", "history_oracle"):
        assert (counts[name]["rpeaks"] == counts[AS_IT_IS]["rpeaks"]).all()
    for name in ("noise_6_db", "leads_swapped", "second_lead_dropped"):
        assert any((counts[name][part] != counts[AS_IT_IS][part]).any() for part in counts[name]), name


def test_reference_is_read_only_by_the_variants_of_an_oracle(sources, chain, variants):
    """Scrambled annotations must change the counts, not the predictions."""
    scrambled = []
    for one in sources[:2]:
        turned = {name: column[::-1] for name, column in one.reference.items() if name != "sample"}
        episodes = one.episodes | {"rhythm": one.episodes["rhythm"][::-1]}
        scrambled.append(replace(one, reference=one.reference | turned, episodes=episodes))
    for variant in variants:
        if variant.name in ("history_oracle", "rpeaks_annotated"):
            continue
        before, after = (
            count_variant(some, [describe_variant(one, variant, chain) for one in some], variant, chain)
            for some in (sources[:2], scrambled)
        )
        for part in ("rhythm_per_beat", "rhythm_per_second", "beats"):
            # Under some noise the untrained embedder predicts N alone; labels in reverse then give the same counts.
            is_constant = part == "beats" and not before[part][..., 1:].any()
            assert is_constant or (before[part] != after[part]).any(), (variant.name, part)
            np.testing.assert_allclose(before[part].sum(axis=1), after[part].sum(axis=1), err_msg=variant.name)


def test_record_without_beats_counts_as_missed(sources, chain):
    silent = replace(sources[0], signal_uv=np.full_like(sources[0].signal_uv, INVALID_UV))
    variant = Variant(AS_IT_IS, "ecgfeat", "predicted")
    found = [describe_variant(one, variant, chain) for one in (silent, sources[1])]
    assert len(found[0].sample) == 0
    counted = count_variant([silent, sources[1]], found, variant, chain)
    assert counted["rpeaks"][0].tolist() == [0, len(silent.reference["sample"]), 0]
    assert counted["rhythm_per_beat"][0].sum() == 0
    assert counted["rhythm_per_beat"][1].sum() > 0
    alone = count_variant([silent], found[:1], variant, chain)
    assert alone["rhythm_per_beat"].sum() == alone["beats"].sum() == 0


def test_head_on_annotations_loses_its_labels(sources):
    head = build_model("rhythm_timeline", seed=2, num_features=7 * 5, num_classes=6, width=16, num_blocks=1)
    chain = make_chain(None, head)
    silent = [replace(one, signal_uv=None) for one in sources]
    found = list_variants("annotated", "none", noise_snr_db=[6], has_signals=False, reads_signals=False)
    counts = run_variants(silent, found, chain)
    assert list(counts) == [AS_IT_IS, "labels_none"]
    assert "beats" not in counts[AS_IT_IS]
    assert (describe_variant(silent[0], found[1], chain).label == -1).all()
    assert (counts["labels_none"]["rhythm_per_beat"] != counts[AS_IT_IS]["rhythm_per_beat"]).any()


def test_first_hours_cut_signal_and_reference_alike(sources):
    source = sources[0]
    assert source.first_hours(0) is source
    assert source.first_hours(9) is source
    half = source.first_hours(MINUTES / 60 * 0.75)
    assert half.num_samples == len(half.signal_uv) == source.num_samples * 3 // 4
    assert half.reference["sample"].max() < half.num_samples
    assert half.episodes["stop_sample"].tolist() == [source.num_samples // 2, half.num_samples]
    quarter = replace(source, fs_hz=256.0).first_hours(MINUTES / 60 / 4)
    assert quarter.episodes["stop_sample"].tolist() == [source.num_samples // 2]
