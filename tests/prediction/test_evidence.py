"""Evidence of a rhythm: each statement where its number supports it, and nowhere else."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ecgfeat.beats.windows import cut_beats
from ecgfeat.cli import main
from ecgfeat.features.record import Beats, describe_beats
from ecgfeat.prediction.episodes import PredictedEpisodes
from ecgfeat.prediction.evidence import (
    BROAD_QRS_S,
    IRREGULAR,
    NARROW_QRS_S,
    P_ABSENT,
    P_SEEN,
    REGULAR,
    explain_episodes,
    state_rhythm,
    word_evidence,
)
from ecgfeat.prediction.signs import (
    EVIDENCE_FEATURES,
    LITTLE_NOISE,
    MOST_NOISE,
    P_TIME_S,
    BeatSigns,
    join_signs,
    read_signs,
)
from ecgfeat.records.annotations import aami_class, is_beat
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.signals.resample import resample, to_microvolts
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from tests.fixtures.beats import draw_beats, every

N, S, V = range(3)


def explain_rhythm(rhythm: str, signs: BeatSigns) -> str:
    return word_evidence(*state_rhythm(rhythm, signs))


FLUTTER = "regular RR intervals: atrial flutter is possible"
ALTERNATE = "RR intervals alternate: short, long"


def make_signs(
    rr_s: np.ndarray,
    label: np.ndarray | int = N,
    has_p: float = np.nan,
    lacks_p: float = np.nan,
    width_s: float | np.ndarray = np.nan,
) -> BeatSigns:
    """Make beats of which the share ``has_p`` has P waves, and the share ``lacks_p`` none; NaN: not read."""

    def spread(share: float) -> np.ndarray:
        return np.full(size, share) if np.isnan(share) else (np.arange(size) < round(share * size)).astype(float)

    size = len(rr_s) + 1
    return BeatSigns(
        np.append(np.nan, rr_s),
        np.broadcast_to(np.asarray(label), size).copy(),
        spread(has_p),
        spread(lacks_p),
        np.broadcast_to(np.asarray(width_s, dtype=float), size).copy(),
    )


def steps(share: float, rr_s: float = 0.75, num_changes: int = 100) -> np.ndarray:
    """Return intervals of which a share of the changes is large: up, up, down, down, so that none alternate."""
    is_large = np.diff(np.floor(np.arange(num_changes + 1) * share + 1e-9)) > 0
    way = np.where((np.cumsum(is_large) // 2) % 2 == 0, 1, -1)
    return rr_s + np.cumsum(np.append(0, is_large * way * 0.15 * rr_s))


REGULAR_RR, IRREGULAR_RR = np.full(99, 0.8), steps(0.6)
TURNS = np.tile([N, V], 50)


def short_long(rr_s: float, size: int = 99) -> np.ndarray:
    return np.where(np.arange(size) % 2, 0.7, 1.3) * rr_s


@pytest.mark.parametrize("rhythm", RHYTHMS)
@pytest.mark.parametrize("size", [0, 1, 2])
def test_two_beats_are_too_few(rhythm: str, size: int) -> None:
    text = explain_rhythm(rhythm, make_signs(np.full(9, 0.8)).take(slice(0, size)))
    assert text == f"{size} beat{'s' * (size != 1)}: too few for evidence"


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_three_beats_have_a_rate_and_no_regularity(rhythm: str) -> None:
    text = explain_rhythm(rhythm, make_signs(np.full(2, 0.75), has_p=1.0, lacks_p=0.0))
    assert "80/min" in text
    assert "regular" not in text
    assert "P wave" not in text


def test_the_interval_before_an_episode_is_not_its_own() -> None:
    before = make_signs(np.full(30, 0.8))
    before.rr_s[0] = 2.9
    assert explain_rhythm("NSR", before) == "regular RR intervals, 75/min"


def test_fibrillation_is_irregular_without_p_waves() -> None:
    assert explain_rhythm("AFIB", make_signs(IRREGULAR_RR, has_p=0.0, lacks_p=0.8)) == (
        f"irregular RR intervals (60 % of changes above 10 %), {round(60 / IRREGULAR_RR.mean())}/min; "
        "no P wave seen in 80 % of beats"
    )


def test_fibrillation_with_regular_intervals_may_be_flutter_and_p_waves_speak_against_it() -> None:
    assert explain_rhythm("AFIB", make_signs(REGULAR_RR)) == f"75/min; against it: {FLUTTER}"
    text = explain_rhythm("AFIB", make_signs(REGULAR_RR, has_p=0.9, lacks_p=0.1))
    assert text == f"75/min; against it: {FLUTTER}; P waves before 90 % of beats"


def test_fibrillation_with_alternating_intervals_is_in_doubt() -> None:
    assert explain_rhythm("AFIB", make_signs(short_long(0.8))).endswith(f"against it: {ALTERNATE}")


def test_v_beats_make_no_flutter_irregular() -> None:
    label = np.zeros(100, dtype=np.int64)
    label[10::20] = V
    rr_s = REGULAR_RR.copy()
    rr_s[9::20], rr_s[10::20] = 0.5, 1.1
    assert FLUTTER in explain_rhythm("AFIB", make_signs(rr_s, label))
    assert FLUTTER not in explain_rhythm("AFIB", make_signs(rr_s))


@pytest.mark.parametrize("rhythm", ["AFIB", "NSR", "SBR"])
def test_between_the_limits_nothing_is_stated(rhythm: str) -> None:
    middle = (REGULAR + IRREGULAR) / 2
    text = explain_rhythm(rhythm, make_signs(steps(middle, 1.1), has_p=0.5, lacks_p=0.4))
    assert "regular" not in text
    assert "P wave" not in text
    assert "/min" in text


def test_the_limits_are_where_they_are_said_to_be() -> None:
    for share, word in ((IRREGULAR - 0.02, ""), (IRREGULAR + 0.01, "irregular"), (REGULAR + 0.02, "")):
        assert ("irregular" in explain_rhythm("NSR", make_signs(steps(share)))) == bool(word)
    assert "regular RR intervals" in explain_rhythm("NSR", make_signs(steps(REGULAR - 0.01)))
    assert "P waves" in explain_rhythm("NSR", make_signs(REGULAR_RR, has_p=P_SEEN))
    assert "P waves" not in explain_rhythm("NSR", make_signs(REGULAR_RR, has_p=P_SEEN - 0.01))
    assert "no P wave" in explain_rhythm("NSR", make_signs(REGULAR_RR, lacks_p=P_ABSENT))
    assert "no P wave" not in explain_rhythm("NSR", make_signs(REGULAR_RR, lacks_p=P_ABSENT - 0.01))


@pytest.mark.parametrize(
    ("rhythm", "rr_s", "expected"),
    [
        ("NSR", 0.8, "regular RR intervals, 75/min; P waves before 90 % of beats"),
        ("SBR", 1.25, "regular RR intervals, 48/min; P waves before 90 % of beats"),
        ("NSR", 1.1, "regular RR intervals, 55/min; P waves before 90 % of beats"),
        ("SBR", 1.1, "regular RR intervals, 55/min; P waves before 90 % of beats"),
        ("NSR", 1.5, "regular RR intervals; P waves before 90 % of beats; against it: 40/min"),
        ("NSR", 0.5, "regular RR intervals; P waves before 90 % of beats; against it: 120/min"),
        ("SBR", 1.0, "regular RR intervals; P waves before 90 % of beats; against it: 60/min"),
    ],
)
def test_sinus_rhythm_is_regular_at_its_rate_with_p_waves(rhythm: str, rr_s: float, expected: str) -> None:
    assert explain_rhythm(rhythm, make_signs(np.full(99, rr_s), has_p=0.9, lacks_p=0.1)) == expected


@pytest.mark.parametrize("early", [S, V])
def test_early_beats_make_no_sinus_rhythm_irregular(early: int) -> None:
    label = np.zeros(100, dtype=np.int64)
    label[5::5] = early
    rr_s = REGULAR_RR.copy()
    rr_s[4::5], rr_s[5::5] = 0.5, 1.1
    assert explain_rhythm("NSR", make_signs(rr_s, label)).startswith("regular RR intervals between N beats, ")
    assert "against it: irregular" in explain_rhythm("NSR", make_signs(rr_s))


def test_sinus_rhythm_that_looks_like_fibrillation_is_in_doubt() -> None:
    text = explain_rhythm("NSR", make_signs(IRREGULAR_RR, has_p=0.1, lacks_p=0.9))
    _, against = text.split("against it: ")
    assert against == "irregular RR intervals (60 % of changes above 10 %); no P wave seen in 90 % of beats"


def test_v_beats_have_no_say_on_p_waves() -> None:
    signs = make_signs(REGULAR_RR, TURNS, has_p=0.0, lacks_p=0.0)
    signs.has_p[TURNS == N], signs.lacks_p[TURNS == V] = 1.0, 1.0
    text = explain_rhythm("NSR", signs)
    assert "P waves before 100 % of beats" in text
    assert "no P wave" not in text


def test_p_waves_that_can_be_read_in_less_than_half_of_the_beats_are_not_stated() -> None:
    signs = make_signs(REGULAR_RR, has_p=1.0)
    signs.has_p[:51] = np.nan
    assert "P waves" not in explain_rhythm("NSR", signs)
    signs.has_p[50] = 1.0
    assert "P waves before 100 %" in explain_rhythm("NSR", signs)


def test_ventricular_bigeminy_alternates() -> None:
    text = explain_rhythm("B", make_signs(short_long(0.8), TURNS))
    assert text == f"V beats alternate with N beats; {ALTERNATE}; {round(60 / short_long(0.8).mean())}/min"
    label = np.where((TURNS == N) & (np.arange(100) % 10 == 0), S, TURNS)
    assert "V beats alternate with other beats" in explain_rhythm("B", make_signs(short_long(0.8), label))


def test_bigeminy_without_early_beats_is_in_doubt() -> None:
    label = np.zeros(100, dtype=np.int64)
    label[::10] = V
    assert explain_rhythm("B", make_signs(REGULAR_RR, label)) == "75/min; against it: 10 % of beats are V"
    assert explain_rhythm("AB", make_signs(REGULAR_RR, label)) == "75/min; against it: 0 % of beats are S"


def test_trigeminy_is_no_alternation() -> None:
    label = np.where(np.arange(100) % 3 == 2, V, N)
    rr_s = np.tile([0.9, 0.6, 1.2], 33)
    assert explain_rhythm("B", make_signs(rr_s, label)) == "67/min; against it: 33 % of beats are V"


def test_atrial_bigeminy_has_narrow_early_beats() -> None:
    label = np.tile([N, S], 50)
    narrow = explain_rhythm("AB", make_signs(short_long(0.8), label, width_s=0.08))
    assert narrow.startswith(f"S beats alternate with N beats; {ALTERNATE}; early beats are narrow; ")
    width_s = np.where(label == S, 0.16, 0.08)
    broad = explain_rhythm("AB", make_signs(short_long(0.8), label, width_s=width_s))
    assert broad.endswith("against it: early beats are broad (0.16 s)")


def test_supraventricular_tachycardia_is_a_fast_run_of_narrow_early_beats() -> None:
    text = explain_rhythm("SVTA", make_signs(np.full(11, 0.4), S, width_s=0.07))
    assert text == "run of 12 beats at 150/min; 100 % of beats are S; narrow QRS complexes"


def test_slow_broad_or_irregular_runs_are_in_doubt() -> None:
    assert explain_rhythm("SVTA", make_signs(np.full(11, 0.8), width_s=0.12)) == "against it: 75/min"
    broad = explain_rhythm("SVTA", make_signs(np.full(11, 0.4), V, width_s=0.16))
    assert broad == (
        "run of 12 beats at 150/min; against it: broad QRS complexes (0.16 s): ventricular tachycardia is possible"
    )
    irregular = explain_rhythm("SVTA", make_signs(steps(0.6, 0.4)))
    assert irregular.endswith("irregular RR intervals (60 % of changes above 10 %): atrial fibrillation is possible")


def test_widths_between_narrow_and_broad_are_not_stated() -> None:
    for width_s, word in ((NARROW_QRS_S, "narrow"), (NARROW_QRS_S + 0.01, ""), (BROAD_QRS_S, "")):
        text = explain_rhythm("SVTA", make_signs(np.full(11, 0.4), S, width_s=width_s))
        assert ("QRS" in text) == bool(word), width_s


def make_features(size: int = 4, **of_lead: float) -> dict[str, np.ndarray]:
    """Make features of beats whose two leads have a clear P wave, or what is given."""
    usual = {"p_distance": -1.0, "p_distance_before": -1.0, "p_time_s": -0.15, "noise": -4.5, "qrs_width_s": 0.08}
    return {
        name: np.full(size, of_lead.get(name, usual[name[:-2]]), dtype=np.float32)
        for name in EVIDENCE_FEATURES
        if name[:-2] in usual
    }


@pytest.mark.parametrize(
    ("changes", "has_p", "lacks_p"),
    [
        ({}, 1, 0),
        # One lead, or one of the two medians, is enough.
        ({"p_distance_1": 1.0, "p_distance_before_1": 1.0}, 1, 0),
        ({"p_distance_1": 1.0, "p_distance_2": 1.0}, 1, 0),
        ({f"p_distance{before}_{lead}": 1.0 for before in ("", "_before") for lead in (1, 2)}, 0, 1),
        # At an unusual place it is neither there nor missing.
        ({"p_time_s_1": P_TIME_S[0] - 0.01, "p_time_s_2": P_TIME_S[1] + 0.01}, 0, 0),
        # A noisy lead has no say, and neither has a missing one.
        ({"noise_1": MOST_NOISE + 0.1, "p_distance_2": 1.0, "p_distance_before_2": 1.0}, 0, 1),
        ({"noise_1": MOST_NOISE + 0.1, "noise_2": MOST_NOISE + 0.1}, np.nan, np.nan),
        # In some noise a P wave can be seen, but not missed.
        ({"noise_1": LITTLE_NOISE + 0.1, "noise_2": LITTLE_NOISE + 0.1}, 1, np.nan),
        ({"noise_1": LITTLE_NOISE + 0.1, "p_distance_2": 1.0, "p_distance_before_2": 1.0}, 1, 0),
        ({f"{name[:-2]}_2": np.nan for name in EVIDENCE_FEATURES}, 1, 0),
        (dict.fromkeys(EVIDENCE_FEATURES, np.nan), np.nan, np.nan),
    ],
)
def test_a_p_wave_is_read_lead_by_lead(changes: dict[str, float], has_p: float, lacks_p: float) -> None:
    signs = read_signs(np.full(4, 0.8), np.zeros(4, dtype=np.int64), make_features(**changes))
    np.testing.assert_array_equal(signs.has_p, np.full(4, has_p))
    np.testing.assert_array_equal(signs.lacks_p, np.full(4, lacks_p))


def test_the_narrower_lead_counts_and_without_features_nothing_is_read() -> None:
    label = np.zeros(4, dtype=np.int64)
    of_two = read_signs(np.full(4, 0.8), label, make_features(qrs_width_s_2=0.2))
    assert of_two.width_s == pytest.approx(np.full(4, 0.08))
    bare = read_signs(np.full(4, 0.8), label, {})
    assert all(np.isnan(value).all() for value in (bare.has_p, bare.lacks_p, bare.width_s))


def test_each_episode_has_the_evidence_of_its_own_beats() -> None:
    fast, slow = make_signs(np.full(19, 0.75)), make_signs(np.full(19, 1.25))
    sample = np.concatenate([100 + 96 * np.arange(20), 5000 + 160 * np.arange(20)])
    posterior = np.full((3, 6), 0.9, dtype=np.float32)
    episodes = PredictedEpisodes(np.array([0, 3000, 4000, 9000]), np.array([0, -1, 2]), posterior, ("", "noise", ""))
    assert explain_episodes(episodes, sample, [fast, slow]) == (
        "regular RR intervals, 80/min",
        "",
        "regular RR intervals, 48/min",
    )
    assert len(join_signs([fast, slow]).rr_s) == 40
    none = PredictedEpisodes(np.array([0, 9]), np.array([-1]), posterior[:1], ("noise",))
    assert explain_episodes(none, sample[:0], []) == ("",)


def describe_drawn(window_uv_LCS: np.ndarray, rr_s: np.ndarray, gain: float = 1.0) -> list[str]:
    """Return the evidence of every rhythm for a record whose signal is multiplied by a gain."""
    beats = Beats(rr_s, np.ones(len(rr_s), dtype=np.bool_))
    feature = describe_beats(beats, np.rint(window_uv_LCS * gain).astype(np.int16), median_beats=512)
    signs = read_signs(rr_s, np.zeros(len(rr_s), dtype=np.int64), feature)
    return [explain_rhythm(rhythm, signs) for rhythm in RHYTHMS]


@pytest.mark.parametrize("p_mv", [0.12, 0.0])
def test_neither_gain_nor_polarity_changes_the_evidence(p_mv: float) -> None:
    beat_s = every(75, 75)
    leads = [
        draw_beats(beat_s, 75, 128.0, p_mv=p_mv * sign, qrs_mv=sign, seed=seed) for seed, sign in ((1, 1), (2, -1))
    ]
    sample = np.rint(beat_s * 128).astype(np.int64)
    window = cut_beats(to_microvolts(np.stack(leads, axis=1).astype(np.float32)), sample, num_samples=256, num_leads=2)
    rr_s = np.diff(beat_s, prepend=np.nan)
    plain = describe_drawn(window, rr_s)
    assert ("P waves before" in plain[RHYTHMS.index("NSR")]) == bool(p_mv)
    assert ("no P wave" in plain[RHYTHMS.index("AFIB")]) == (not p_mv)
    for gain in (4.0, -1.0, -4.0):
        assert describe_drawn(window, rr_s, gain) == plain, gain


@pytest.mark.parametrize(
    ("record", "rhythm", "expected"),
    [
        # Of the training half of mitdb. 101: sinus rhythm with clear P waves. 203: fibrillation, with too much noise to
        # state that there are no P waves.
        ("101", "NSR", "regular RR intervals, 68/min; P waves before 98 % of beats"),
        ("203", "AFIB", "irregular RR intervals (75 % of changes above 10 %), 100/min"),
    ],
)
def test_real_records_have_the_evidence_that_a_reader_sees(
    mitdb: Path, record: str, rhythm: str, expected: str
) -> None:
    size = 360 * 300
    marks = read_annotations(mitdb, record, "atr", size)
    kept = np.array([is_beat(symbol) for symbol in marks.symbol])
    signal = read_signal(mitdb, record)
    at_128 = to_microvolts(resample(signal.signal_mv_SC[:size], 360.0, 128.0))
    sample = np.rint(marks.sample[kept] * 128 / 360).astype(np.int64)
    label = np.array([BEAT_CLASSES.index(name) for name in aami_class(marks.symbol, "dechazal")[kept]])
    rr_s = np.diff(sample / 128, prepend=np.nan)
    window = cut_beats(at_128, sample, num_samples=256, num_leads=2)
    feature = describe_beats(Beats(rr_s, np.ones(len(rr_s), dtype=np.bool_)), window, median_beats=512)
    text = explain_rhythm(rhythm, read_signs(rr_s, label, feature))
    assert text == expected
    other = explain_rhythm("NSR" if rhythm == "AFIB" else "AFIB", read_signs(rr_s, label, feature))
    assert "against it" in other


def test_the_file_has_the_evidence_of_named_episodes(systems_run: Path, tmp_path: Path, capsys) -> None:
    raw, models = systems_run / "data/raw/simulate/sim001", systems_run / "models"
    assert main(["predict", str(raw), "--models", str(models), "--out", str(tmp_path)]) == 0
    episodes = pq.read_table(tmp_path / "sim001-episodes.parquet").to_pydict()
    assert any(episodes["rhythm"])
    for rhythm, reason, evidence in zip(episodes["rhythm"], episodes["reason"], episodes["evidence"], strict=True):
        assert bool(evidence) == (rhythm is not None) == (not reason)
    lines = capsys.readouterr().out.splitlines()
    assert sum("% of the time with a rhythm, certainty 0." in line for line in lines) == 1


def test_a_published_system_has_evidence_of_intervals_and_classes(systems_run: Path, tmp_path: Path) -> None:
    raw, head = systems_run / "data/raw/simulate/sim001", systems_run / "models/timeline"
    assert main(["predict", str(raw), "--rhythm", str(head), "--out", str(tmp_path)]) == 0
    episodes = pq.read_table(tmp_path / "sim001-episodes.parquet").to_pydict()
    assert any(episodes["rhythm"])
    assert all(episodes["evidence"])
    assert not any("P wave" in text or "QRS" in text for text in episodes["evidence"])
