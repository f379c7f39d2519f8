"""The systems: one interface, learning on both tasks, saved and loaded bit by bit, refusals in one line."""

import json

import numpy as np
import pytest
import torch

from ecgfeat.arena import SYSTEMS, get_system, published_size, signal_systems
from ecgfeat.arena.checkpoint import load_system, read_description, save_left_out, save_system
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.losses import asymmetric_loss, binary_cross_entropy
from ecgfeat.arena.pretraining import pretrain_trunk
from ecgfeat.arena.recipe import make_objective
from ecgfeat.arena.record_task import LabelledRecords, make_targets, record_posteriors, train_on_records
from ecgfeat.arena.rhythm_task import SignalRecords, predict_rhythms, segment_posteriors, train_on_rhythms
from ecgfeat.arena.rhythm_vector import NUM_RHYTHM
from ecgfeat.arena.scores import rhythm_scores_of
from ecgfeat.arena.signal_table import Band, SignalTable, prepare_signal
from ecgfeat.arena.system import build_system
from ecgfeat.cli import main
from ecgfeat.errors import DataError, UsageError
from ecgfeat.models import build_model, count_parameters
from ecgfeat.records.writer import write_record
from ecgfeat.rhythm.sampling import grid_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from pipeline.params.systems import SECTIONS
from tests.fixtures.sealed import write_sealed
from tests.fixtures.systems import FS_HZ, PARAMS, make_recipe, settings_of

SAMPLES = 320
SYSTEM_NAMES = list(signal_systems())
RECIPE = make_recipe(3, 16, 3e-3)


def make_system(name, *, num_leads=2, num_classes=2, seed=0, **changes):
    settings = settings_of(name, **changes)
    return build_system(name, settings, num_leads=num_leads, num_classes=num_classes, num_samples=SAMPLES, seed=seed)


def make_signal(label, seed, seconds=20, num_leads=2):
    """Return a spike train, 60 a minute or 120: what a system must tell apart."""
    rng = np.random.default_rng(seed)
    signal_CS = rng.normal(0, 60, (num_leads, seconds * FS_HZ))
    every = FS_HZ // (1 + label)
    for start in range(int(rng.integers(every)), seconds * FS_HZ - 2, every):
        signal_CS[:, start : start + 3] += (300, 1000, 200)
    return signal_CS.astype(np.int16)


def make_labelled(num=48, num_leads=2):
    label = np.arange(num) % 2
    signals = [make_signal(int(one), seed, 8 + seed % 3, num_leads) for seed, one in enumerate(label)]
    return LabelledRecords(SignalTable(signals, FS_HZ), label.astype(np.int64), np.arange(num) // 2 % 3)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", SYSTEM_NAMES)
@pytest.mark.parametrize("num_leads", [1, 2, 12])
def test_every_system_takes_signal_and_gives_logits(name, num_leads):
    system = make_system(name, num_leads=num_leads, num_classes=5)
    signal_BCS = torch.randn(3, num_leads, SAMPLES, generator=torch.Generator().manual_seed(1))
    system.fit_side(signal_BCS.split(2))
    with torch.no_grad():
        logits_BK = system(signal_BCS)
        again_BK = system(signal_BCS, *system.side(signal_BCS))
    assert logits_BK.shape == (3, 5)
    assert torch.isfinite(logits_BK).all()
    assert torch.equal(logits_BK, again_BK)
    # One record must not change what is said of another.
    with torch.no_grad():
        torch.testing.assert_close(system(signal_BCS[:1]), logits_BK[:1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in SYSTEM_NAMES if SYSTEMS[name].parameters])
def test_published_sizes(name):
    assert published_size(name) == SYSTEMS[name].parameters


def test_every_system_has_a_section_of_params_and_a_class_that_checks_it():
    assert list(SECTIONS) == list(SYSTEMS)
    for name, section in SECTIONS.items():
        section.model_validate(PARAMS[name])


def test_parts_of_the_window_system_add_up():
    assert count_parameters(build_model("htf")) + count_parameters(build_model("rhythm_window")) == (
        SYSTEMS["htf_window"].parameters
    )


def test_only_the_network_learns_and_side_inputs_are_fitted_to_training_windows_alone():
    system = make_system("ecg_ramba")
    assert count_parameters(system) == count_parameters(system.network)
    records = make_labelled()
    train = np.flatnonzero(records.fold != 0)
    train_on_records(system, records, train, RECIPE, "single", seed=1)
    other = make_system("ecg_ramba")
    scrambled = [
        signal if fold else make_signal(0, 999, 9)
        for signal, fold in zip(records.signals.signal, records.fold, strict=True)
    ]
    changed = LabelledRecords(SignalTable(scrambled, FS_HZ), records.target, records.fold)
    train_on_records(other, changed, train, RECIPE, "single", seed=1)
    for (key, one), two in zip(system.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two), key


def test_a_system_learns_records_and_repeats_itself():
    records = make_labelled()
    train, test = np.flatnonzero(records.fold != 0), np.flatnonzero(records.fold == 0)
    answers = []
    for _ in range(2):
        system = make_system("resnet1d")
        log = train_on_records(system, records, train, make_recipe(12, 8, 1e-2), "single", seed=3)
        single_NK, pooled_NK = record_posteriors(system, records, test, "single", num_views=7, power=1.0)
        answers.append(pooled_NK)
    assert log[-1]["train_loss"] < log[0]["train_loss"]
    assert np.mean(pooled_NK.argmax(1) == records.target[test]) > 0.9
    np.testing.assert_allclose(pooled_NK.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(answers[0], answers[1])
    assert single_NK.shape == pooled_NK.shape


def test_a_record_no_longer_than_a_window_has_one_view():
    # Records of 8, 9 and 10 s are longer than the window of 5 s; the last is exactly as long, and read once.
    records = make_labelled(4)
    signals = [*records.signals.signal[:3], records.signals.signal[3][:, :SAMPLES]]
    records = LabelledRecords(SignalTable(signals, FS_HZ), records.target, records.fold)
    system = make_system("resnet1d")
    batch_sizes = []
    system.register_forward_hook(lambda module, inputs, output: batch_sizes.append(len(output)))
    single_NK, pooled_NK = record_posteriors(system, records, np.arange(4), "single", num_views=7, power=1.0)
    assert batch_sizes == [4] + 7 * [3]
    assert (single_NK[:3] != pooled_NK[:3]).any(1).all()
    np.testing.assert_array_equal(single_NK[3], pooled_NK[3])


def test_an_ablation_does_not_pay_for_what_it_does_without(monkeypatch):
    signal_BCS = torch.randn(4, 2, SAMPLES, generator=torch.Generator().manual_seed(1))
    for missing, name in (("rocket", "transform"), ("hrv", "describe_rhythm")):
        with monkeypatch.context() as patched:
            patched.setattr(f"ecgfeat.arena.side_inputs.{name}", lambda *of: pytest.fail("made, and not read"))
            system = make_system("ecg_ramba", **{missing: False})
            system.fit_side(signal_BCS.split(2))
            with torch.no_grad():
                assert torch.isfinite(system(signal_BCS)).all()


@pytest.mark.parametrize("epoch", range(5))
def test_two_fifths_of_the_epochs_begin_with_cross_entropy(epoch):
    recipe = make_recipe(5, 16, 1e-2, bce_share=0.4)
    objective = make_objective(recipe, "multi", fs_hz=FS_HZ, seed=0)
    objective.begin(epoch)
    model, target_BK = torch.nn.Identity(), torch.tensor([[1.0, 0.0, torch.nan]])
    logits_BK = torch.tensor([[0.3, -0.2, 0.9]])
    expected = (binary_cross_entropy if epoch < 2 else asymmetric_loss)(logits_BK, target_BK)
    assert objective(model, (logits_BK,), target_BK) == expected
    assert binary_cross_entropy(logits_BK, target_BK) != asymmetric_loss(logits_BK, target_BK)


def test_an_encoder_that_went_out_of_reach_is_named_as_such(tmp_path):
    system = make_system("chronos_mlp")
    config = {"num_leads": 2, "num_classes": 2, "num_samples": SAMPLES}
    save_system(tmp_path, "chronos_mlp", system, settings_of("chronos_mlp"), config, {})
    described = json.loads((tmp_path / "system.json").read_text())
    described["settings"]["checkpoint"] = str(tmp_path / "gone")
    write_sealed(tmp_path / "system.json", described)
    with pytest.raises(OutOfReachError, match="gone"):
        load_system(tmp_path)


def test_a_description_without_its_parts_is_refused(tmp_path):
    config = {"num_leads": 2, "num_classes": 2, "num_samples": SAMPLES}
    save_system(tmp_path, "resnet1d", make_system("resnet1d"), settings_of("resnet1d"), config, {})
    described = json.loads((tmp_path / "system.json").read_text())
    del described["settings"]
    write_sealed(tmp_path / "system.json", described)
    with pytest.raises(DataError, match=r"system\.json: no settings"):
        load_system(tmp_path)


def test_unknown_labels_teach_nothing():
    records = make_labelled()
    target_NK = np.stack([records.target, 1 - records.target], axis=1).astype(np.float32)
    target_NK[:, 1] = np.nan
    recipe = make_recipe(2, 16, 1e-2, bce_share=0.5)
    logits = []
    for _ in range(2):
        labelled = LabelledRecords(records.signals, target_NK, records.fold)
        system = make_system("resnet1d")
        before = system.network.state_dict()
        weight = next(key for key in reversed(list(before)) if key.endswith("weight"))
        known, row = before[weight].clone()
        train_on_records(system, labelled, np.arange(len(target_NK)), recipe, "multi", seed=3)
        assert torch.equal(system.network.state_dict()[weight][1], row), "the unknown class's own weights moved"
        assert not torch.equal(system.network.state_dict()[weight][0], known)
        logits.append(record_posteriors(system, labelled, np.arange(4), "multi", num_views=1, power=1.0)[0])
    np.testing.assert_array_equal(logits[0], logits[1])


def test_targets():
    classes = ("N", "A", "O")
    assert make_targets([["A"], ["N"]], [[], []], classes, "single").tolist() == [1, 0]
    target_NK = make_targets([["A", "O"], []], [["N"], []], classes, "multi")
    np.testing.assert_array_equal(target_NK, [[np.nan, 1, 1], [0, 0, 0]])
    with pytest.raises(DataError, match="exactly one class"):
        make_targets([["A", "O"]], [[]], classes, "single")


def make_rhythm_records(num=8):
    """Return records of a minute, 60 s of class 0 or 1, and their tables at 128 Hz."""
    label = np.arange(num) % 2
    signals = [make_signal(int(one), 50 + seed, 60) for seed, one in enumerate(label)]
    num_samples = np.full(num, 60 * 128)
    sample = np.tile(np.arange(64, 60 * 128, 128), num)
    beats = BeatTable(sample, np.arange(num + 1) * 60, num_samples)
    episodes = EpisodeTable(np.arange(num), np.zeros(num, dtype=np.int64), num_samples.copy(), label)
    return SignalRecords(beats, episodes, SignalTable(signals, FS_HZ))


def test_a_system_names_rhythms_under_every_protocol():
    records = make_rhythm_records()
    system = make_system("resnet1d")
    log = train_on_rhythms(
        system,
        records,
        make_rhythm_records(4),
        make_recipe(8, 8, 1e-2),
        num_classes=2,
        window_samples=640,
        draws=6,
        validation_views=2,
        seed=1,
    )
    assert max(row["macro_f1"] for row in log) > 0.9
    head = predict_rhythms(
        "resnet1d",
        system,
        records,
        prior_K=[0.5, 0.5],
        classes=("slow", "fast"),
        protocols=("timeline", "grid", "episode"),
        window_samples=640,
        num_views=3,
        batch=64,
    )
    assert head.posterior.shape == (3, 8 * 60, 2)
    called_N = head.posterior[0].argmax(1).reshape(8, 60)
    assert (called_N == (np.arange(8) % 2)[:, None]).mean() > 0.8
    grid = head.precomputed_rows["grid"]
    assert set(grid["view"]) == {"single", "view0", "view1", "view2", "tta3"}
    assert (grid["view"] == "single").sum() == 8 * 12
    assert (head.precomputed_rows["episode"]["view"] == "single").sum() == 8


def test_windows_lie_where_they_should_at_the_rate_of_the_system():
    records = make_rhythm_records(2)
    segments = grid_segments(records.beats, records.episodes, window_samples=640, num_classes=2, max_beats=1)
    cut_MCS = records.cut(segments, SAMPLES)
    raw_CS = records.signals.signal[0][:, SAMPLES : 2 * SAMPLES].astype(np.float64)
    expected = (raw_CS - raw_CS.mean(1, keepdims=True)) / raw_CS.std(1, keepdims=True)
    np.testing.assert_allclose(cut_MCS[1].numpy(), expected, atol=1e-3)
    posterior_MK = segment_posteriors(make_system("resnet1d"), records, segments, batch=64)
    assert posterior_MK.shape == (24, 2)


def test_a_rhythm_vector_beside_the_signal_is_fitted_on_training_windows_and_saved(tmp_path):
    settings = settings_of("resnet1d", hrv=True)
    system = make_system("resnet1d", hrv=True)
    train_BCS, test_BCS = (torch.randn(6, 2, SAMPLES, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    system.fit_side(train_BCS.split(2))
    (side_BR,) = system.side(train_BCS)
    torch.testing.assert_close(side_BR.mean(0), torch.zeros(NUM_RHYTHM), atol=1e-4, rtol=0)
    assert side_BR.std(0).max() > 0.9
    save_system(tmp_path, "resnet1d", system, settings, {"num_leads": 2, "num_classes": 2, "num_samples": SAMPLES}, {})
    loaded, _ = load_system(tmp_path)
    with torch.no_grad():
        assert torch.equal(system(test_BCS), loaded(test_BCS))
        assert not torch.equal(system(test_BCS), system(test_BCS, side_BR))


def test_many_scales_see_the_same_middle_and_their_answers_are_averaged():
    records = make_rhythm_records(2)
    segments = grid_segments(records.beats, records.episodes, window_samples=640, num_classes=2, max_beats=1)
    system = make_system("resnet1d", scales=True)
    at_M, middle_M = segments.record, (segments.start + segments.stop) // 4  # 128 Hz to 64 Hz
    expected = []
    for length in (160, 320, 960):
        window_MCS = records.signals.segments(at_M, middle_M - length // 2, length)
        with torch.no_grad():
            expected.append(system(window_MCS).softmax(1).numpy())
    posterior_MK = segment_posteriors(system, records, segments, batch=64)
    np.testing.assert_allclose(posterior_MK, np.mean(expected, axis=0), atol=1e-6)
    assert np.abs(expected[0] - expected[2]).max() > 1e-4


def test_many_scales_are_all_trained_on():
    seen = set()
    system = make_system("resnet1d", scales=True)
    system.register_forward_pre_hook(lambda model, inputs: seen.add(inputs[0].shape[2]) if model.training else None)
    records = make_rhythm_records()
    log = train_on_rhythms(
        system,
        records,
        records,
        make_recipe(4, 8, 1e-2),
        num_classes=2,
        window_samples=640,
        draws=4,
        validation_views=2,
        seed=1,
    )
    assert seen == {160, 320, 960}
    assert max(row["macro_f1"] for row in log) > 0.9


def test_pretraining_changes_the_trunk_alone_and_looks_at_no_label():
    records, recipe = make_rhythm_records(), make_recipe(1, 8, 1e-2, pretrain_epochs=4)
    system, untouched = make_system("resnet1d"), make_system("resnet1d")
    log = pretrain_trunk(system, records.signals, recipe, num=64, seed=2)
    assert log[-1]["train_loss"] < log[0]["train_loss"]
    assert not system.training
    same = [torch.equal(one, two) for one, two in zip(system.parameters(), untouched.parameters(), strict=True)]
    names = [name for name, _ in system.named_parameters()]
    assert {name for name, is_same in zip(names, same, strict=True) if is_same} == {
        name for name in names if ".head." in name
    }
    again = make_system("resnet1d")
    pretrain_trunk(again, records.signals, recipe, num=64, seed=2)
    for name, tensor in system.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_pretraining_is_where_training_begins():
    records = make_rhythm_records(4)
    shape = {"num_classes": 2, "window_samples": 640, "draws": 1, "validation_views": 2, "seed": 1}
    losses = [
        train_on_rhythms(
            make_system("resnet1d"), records, records, make_recipe(1, 8, 1e-3, pretrain_epochs=epochs), **shape
        )[0]["train_loss"]
        for epochs in (0, 1, 1)
    ]
    assert losses[0] != losses[1] == losses[2]


def test_a_window_beyond_the_record_is_zero_there():
    table = SignalTable([np.arange(200, dtype=np.int16).reshape(1, 200)], FS_HZ)
    window_MCS = table.segments(np.array([0, 0]), np.array([-50, 150]), 100)
    assert (window_MCS[0, 0, :50] == 0).all()
    assert (window_MCS[1, 0, 50:] == 0).all()
    assert window_MCS[0, 0, 50:].std() > 0.9


def test_prepare_signal_filters_resamples_and_keeps_gaps():
    time_s = np.arange(3000) / 300
    signal = 1000 * np.sin(2 * np.pi * 10 * time_s) + 800  # a 10 Hz wave on an offset
    raw = np.stack([signal, signal], axis=1).astype(np.int16)
    raw[1000:1100, 1] = -32768
    made = prepare_signal(raw, 300, Band(150, 0.5, 0))
    assert made.shape == (2, 1500)
    assert abs(made[0].mean()) < 20
    assert 900 < made[0, 200:1300].max() < 1100
    assert (made[1, 505:545] == -32768).all()
    assert (made[0] != -32768).all()
    low = prepare_signal(raw, 300, Band(300, 0, 2.0))
    assert abs(low[0, 500:2500] - 800).max() < 30
    same = prepare_signal(raw, 300, Band(300, 0, 0))
    np.testing.assert_array_equal(same, raw.T)


def test_saved_and_loaded_bit_by_bit(tmp_path):
    for name in SYSTEM_NAMES:
        system = make_system(name)
        signal_BCS = torch.randn(4, 2, SAMPLES, generator=torch.Generator().manual_seed(2))
        system.fit_side(signal_BCS.split(2))
        config = {"num_leads": 2, "num_classes": 2, "num_samples": SAMPLES}
        settings = settings_of(name)
        for folder in ("a", "b"):
            save_system(tmp_path / folder / name, name, system, settings, config, {"note": 1})
        for file in ("system.json", "system.safetensors"):
            assert (tmp_path / "a" / name / file).read_bytes() == (tmp_path / "b" / name / file).read_bytes()
        loaded, described = load_system(tmp_path / "a" / name)
        with torch.no_grad():
            assert torch.equal(system(signal_BCS), loaded(signal_BCS)), name
        assert described["info"] == {"note": 1}
        assert described["parameters"] == count_parameters(system)


def test_damaged_missing_and_left_out_systems_are_told(tmp_path):
    system = make_system("resnet1d")
    config = {"num_leads": 2, "num_classes": 2, "num_samples": SAMPLES}
    save_system(tmp_path, "resnet1d", system, settings_of("resnet1d"), config, {})
    weights = tmp_path / "system.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="checksum"):
        load_system(tmp_path)
    (tmp_path / "system.json").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(DataError, match="schema"):
        load_system(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        load_system(tmp_path / "nowhere")
    save_left_out(tmp_path / "out", "chronos_mlp", "no checkpoint")
    assert read_description(tmp_path / "out")["left_out"] == "no checkpoint"
    with pytest.raises(DataError, match="no checkpoint"):
        load_system(tmp_path / "out")


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="unknown model 'nothing'"):
        get_system("nothing")
    with pytest.raises(UsageError, match="unknown model 'htf_window'"):
        build_system("htf_window", {"fs_hz": 1}, num_leads=1, num_classes=2, num_samples=10, seed=0)


def test_objective_adds_what_the_recipe_says():
    system = make_system("cnn_attn_bilstm", l2=1e-3)
    signal_BCS = torch.randn(4, 2, SAMPLES, generator=torch.Generator().manual_seed(2))
    target = torch.tensor([0, 1, 0, 1])

    def value(epoch=2, **changes):
        recipe = make_recipe(4, 4, 1e-3, **changes)
        objective = make_objective(recipe, "single", weight_K=torch.ones(2), fs_hz=FS_HZ, seed=1)
        objective.begin(epoch)
        return float(objective(system.eval(), (signal_BCS,), target).detach())

    plain = value()
    assert value(l2=1e-3) == pytest.approx(plain + float(system.l2_penalty().detach()), rel=1e-5)
    assert value(fgsm_eps=0.05, fgsm_after=1) > plain
    assert value(fgsm_eps=0.05, fgsm_after=3) == plain
    assert value(mask_share=1.0) != plain
    assert 0 < value(focal_gamma=2.0) < plain
    with pytest.raises(UsageError, match="l2 for ResNet1D"):
        make_system("resnet1d").l2_penalty()


def test_a_system_is_exported_by_the_command_line(tmp_path, capsys):
    ort = pytest.importorskip("onnxruntime")
    system = make_system("resnet1d")
    config = {"num_leads": 2, "num_classes": 2, "num_samples": SAMPLES}
    settings = settings_of("resnet1d", low_hz=0.5, high_hz=0.0)
    info = {"classes": ["slow", "fast"]}
    save_system(tmp_path / "resnet1d", "resnet1d", system, settings, config, info)
    write_record(tmp_path, "r1", make_signal(1, 3, 60).T, fs_hz=FS_HZ, leads=["I", "II"])
    command = ["export", str(tmp_path / "resnet1d")]
    assert main([*command, str(tmp_path / "a.onnx")]) == 0
    assert main([*command, str(tmp_path / "b.onnx"), "--int8", str(tmp_path / "r1")]) == 0
    printed = capsys.readouterr().out
    assert f"(records, 2, {SAMPLES}) at {FS_HZ} Hz" in printed
    window_BCS = torch.randn(3, 2, SAMPLES, generator=torch.Generator().manual_seed(1))
    (logits_BK,) = ort.InferenceSession(tmp_path / "a.onnx").run(None, {"signal_BCS": window_BCS.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(logits_BK, system(window_BCS).numpy(), atol=1e-4)
    assert (tmp_path / "b.onnx").stat().st_size < (tmp_path / "a.onnx").stat().st_size
    for name in ("a.onnx", "b.onnx"):
        found = ort.InferenceSession(tmp_path / name).get_modelmeta().custom_metadata_map
        assert found == {
            "system": "resnet1d",
            "fs_hz": "64.0",
            "samples": "320",
            "leads": "2",
            "low_hz": "0.5",
            "high_hz": "0.0",
            "filter": "Butterworth of order 4, forward and backward, at 128 Hz; 0: no such edge",
            "scaling": "each lead of each window to mean 0 and standard deviation 1; 0 where a sample is invalid",
            "classes": '["slow", "fast"]',
            "task": "single",
        }
    write_record(tmp_path, "r2", make_signal(1, 3, 2).T, fs_hz=FS_HZ, leads=["I", "II"])
    assert main([*command, str(tmp_path / "c.onnx"), "--int8", str(tmp_path / "r2")]) == 1
    assert "at least 5 s of signal" in capsys.readouterr().err


def test_sizes_that_do_not_fit_are_one_line():
    with pytest.raises(UsageError, match="ecg_mamba2: .*; expected sizes that fit together"):
        make_system("ecg_mamba2", head=17)


def test_a_run_without_the_grid_is_scored_by_beats_alone():
    head = np.array(["resnet1d"] * 4)
    table = {
        "protocol": np.array(["timeline"] * 4), "view": np.array(["single"] * 4), "head": head,
        "corpus": np.array(["c"] * 4), "subject": np.array(["s"] * 4), "record": np.array(["r"] * 4),
        "start_sample": np.arange(4) * 100, "stop_sample": np.arange(1, 5) * 100,
        "reference": np.array(["NSR", "NSR", "AFIB", "AFIB"]), "predicted": np.array(["NSR", "AFIB", "AFIB", "AFIB"]),
        "purity": np.ones(4), "num_beats": np.ones(4, dtype=np.int32),
        "p_NSR": np.array([0.9, 0.1, 0.1, 0.1]), "p_AFIB": np.array([0.1, 0.9, 0.9, 0.9]),
    }  # fmt: skip
    scores = rhythm_scores_of([table], {"resnet1d": "resnet1d"}, {}, bootstrap=0, seed=0)
    assert list(scores["c"]["resnet1d"]) == ["timeline"]
    assert scores["c"]["resnet1d"]["timeline"]["view"] == "single"
    assert scores["c"]["resnet1d"]["timeline"]["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
