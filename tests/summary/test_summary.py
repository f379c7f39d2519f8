"""The summary of a record against arithmetic: three records made by hand, and every number of each."""

import re
from datetime import datetime

import numpy as np
import pytest

from ecgfeat.clock import clock, time_of_day
from ecgfeat.summary import list_figures, summarise, summary_lines
from ecgfeat.summary.ectopy import count_ectopy
from ecgfeat.summary.intervals import extreme_rates, mean_rate, measure_variability
from pipeline.read.report import read_glossary


def make_beats(rr_s, aami=None, rhythm="NSR", first_s=0.0):
    """Beats whose intervals are given; None begins a stretch, one second after the beat before."""
    time_s = first_s + np.cumsum([1.0 if rr is None else rr for rr in rr_s]) - 1.0
    num = len(rr_s)
    return {
        "time_s": time_s,
        "rr_s": np.array([np.nan if rr is None else rr for rr in rr_s]),
        "aami": np.array(list(aami or "N" * num), dtype=object),
        "rhythm": np.array([rhythm] * num if isinstance(rhythm, str) else rhythm, dtype=object),
    }


def make_episodes(*rows):
    """Episodes of (start_s, stop_s, rhythm, reason)."""
    start_s, stop_s, rhythm, reason = zip(*rows, strict=True)
    return {
        "start_s": np.array(start_s, dtype=np.float64),
        "stop_s": np.array(stop_s, dtype=np.float64),
        "rhythm": np.array(rhythm, dtype=object),
        "reason": np.array(reason, dtype=object),
        "certainty": np.full(len(rows), 0.75, dtype=np.float32),
        "evidence": np.array(["regular"] * len(rows), dtype=object),
        "num_beats": np.full(len(rows), 10),
    }


def texts_of(summary):
    return {figure.name: figure.text for figure in list_figures(summary)}


def test_a_regular_record_with_one_slow_and_one_fast_passage() -> None:
    # 20 intervals of 1.0 s, 8 of 0.5 s, 10 of 1.0 s, 8 of 1.5 s, 4 of 1.0 s: 50 intervals, 50 s.
    beats = make_beats([None] + [1.0] * 20 + [0.5] * 8 + [1.0] * 10 + [1.5] * 8 + [1.0] * 4)
    summary = summarise(beats, make_episodes((0, 50, "NSR", "")), 50.0)
    assert summary.mean_per_min == 60.0
    assert (summary.highest.per_min, summary.highest.start_s) == (120.0, 20.0)
    assert (summary.lowest.per_min, summary.lowest.start_s) == (40.0, 34.0)
    assert summary.usable_s == 50
    assert summary.af_burden == 0
    assert summary.longest_af is None
    assert summary.pauses == ()
    assert (summary.longest_rr.rr_s, summary.longest_rr.start_s) == (1.5, 34.0)
    assert summary.num_of == {"N": 51, "S": 0, "V": 0}
    assert summary.ectopic_share == 0
    # NN intervals: 34 of 1000, 8 of 500 and 8 of 1500 ms around a mean of 1000; four changes of 500 ms among 49.
    assert summary.variability.num_intervals == 50
    assert summary.variability.sdnn_ms == pytest.approx((16 * 500**2 / 49) ** 0.5)
    assert summary.variability.rmssd_ms == pytest.approx((4 * 500**2 / 49) ** 0.5)
    assert texts_of(summary) == {
        "usable": "0.8 of 0.8 min",
        "beats": "51: 51 N, 0 S, 0 V",
        "mean": "60 per min",
        "lowest": "40 per min at 0:34",
        "highest": "120 per min at 0:20",
        "rhythms": "NSR 0.8 (1 episode)",
        "af_burden": "0.0 % of the time with a rhythm",
        "longest_af": "none",
        "pauses": "0",
        "longest_rr": "1.50 s at 0:34",
        "ectopic": "0.00 % of all beats",
        "V": "0, 0 couplets, 0 runs, 0 episodes of bigeminy",
        "S": "0, 0 couplets, 0 runs, 0 episodes of bigeminy",
        "sdnn": "286 ms over 50 NN intervals",
        "rmssd": "143 ms",
    }


def test_a_record_of_ectopic_beats() -> None:
    #       single V, couplet of V, run of four V, couplet of S, bigeminy of three V
    aami = "NN V NNN VV NNN VVVV NN SS NNN V N V N V NN".replace(" ", "")
    beats = make_beats([None] + [0.5] * (len(aami) - 1), aami)
    summary = summarise(beats, make_episodes((0, 15, "NSR", "")), 15.0)
    v, s = summary.ectopy["V"], summary.ectopy["S"]
    assert (v.num_beats, v.num_couplets, len(v.runs), v.num_bigeminy) == (10, 1, 1, 1)
    assert (s.num_beats, s.num_couplets, len(s.runs), s.num_bigeminy) == (2, 1, 0, 0)
    assert (v.longest_run.num_beats, v.longest_run.per_min) == (4, 120.0)
    assert v.longest_run.start_s == 0.5 * aami.index("VVVV")
    assert v.bigeminy_s == 2.0  # from the first V to the third, over four intervals
    assert summary.ectopic_share == 12 / len(aami)
    # An NN interval is between two N; none is at an ectopic beat.
    assert summary.variability.num_intervals == aami.count("NN") + aami.count("NNN")
    assert texts_of(summary)["V"] == (
        "10, 1 couplet, 1 run (longest 4 beats, 120 per min, at 0:06), 1 episode of bigeminy (2 s)"
    )


def test_a_record_of_fibrillation_pauses_and_noise() -> None:
    # AF from 0 to 60 s with a pause of 2.5 s; noise from 60 to 90 s; sinus rhythm from 90 s, with one of 3.5 s.
    rr_s = [None] + [0.5] * 40 + [2.5] + [0.5] * 10
    af = make_beats(rr_s, rhythm="AFIB")
    sinus = make_beats([None] + [1.0] * 9 + [3.5] + [1.0] * 8, first_s=90.0)
    beats = {name: np.concatenate([af[name], sinus[name]]) for name in af}
    episodes = make_episodes(
        (0, 60, "AFIB", ""),
        (60, 90, "", "noise"),
        (90, 99, "NSR", ""),
        (99, 102.5, "", "pause"),
        (102.5, 112.5, "NSR", ""),
        (112.5, 132.5, "AFIB", ""),
    )
    summary = summarise(beats, episodes, 132.5, datetime(2026, 1, 1, 23, 59, 0))
    assert summary.usable_s == 102.5
    assert summary.named_s == 99.0
    assert summary.af_burden == 80 / 99
    assert (summary.longest_af.start_s, summary.longest_af.stop_s) == (0.0, 60.0)
    assert [(pause.rr_s, pause.start_s) for pause in summary.pauses] == [(2.5, 20.0), (3.5, 99.0)]
    assert (summary.longest_rr.rr_s, summary.longest_rr.start_s) == (3.5, 99.0)
    # 50 intervals of 0.5 s, one of 2.5, 17 of 1.0, one of 3.5: what lies across the noise is no interval.
    assert summary.mean_per_min == pytest.approx(60 * 69 / 48)
    # No NN interval in AF; the pause is one, for both of its beats are N in sinus rhythm.
    assert summary.variability.num_intervals == 18
    texts = texts_of(summary)
    assert texts["pauses"] == "2: 3.50 s at 1:39 (day 2, 00:00:39), 2.50 s at 0:20 (23:59:20)"
    assert texts["longest_af"] == "1.0 min at 0:00 (23:59:00)"
    assert texts["rhythms"] == "NSR 0.3, AFIB 1.3, noise 0.5, pause 0.1 (6 episodes)"
    lines = summary_lines("x", summary, episodes).splitlines()
    assert lines[0] == "x: usable 1.7 of 2.2 min; beats 71: 71 N, 0 S, 0 V"
    assert lines[2].startswith("x: AF burden 80.8 % of the time with a rhythm; longest AF episode 1.0 min at 0:00")
    assert lines[-1] == "x: AFIB 81 % of the time with a rhythm, certainty 0.75; its longest episode: regular"
    assert all(figure.label in "\n".join(lines) and figure.text in "\n".join(lines) for figure in list_figures(summary))


def test_the_main_rhythm_has_its_certainty_over_its_beats_and_the_evidence_of_its_longest_episode() -> None:
    episodes = make_episodes((0, 60, "AFIB", ""), (60, 120, "NSR", ""), (120, 300, "AFIB", ""))
    episodes["certainty"] = np.float32([0.6, 0.9, 0.8])
    episodes["num_beats"] = np.array([100, 100, 300])
    episodes["evidence"] = np.array(["short", "regular", "irregular; no P wave"], dtype=object)
    last = summary_lines("x", summarise(make_beats([]), episodes, 300.0), episodes).splitlines()[-1]
    # (100 x 0.6 + 300 x 0.8) / 400
    assert last == "x: AFIB 80 % of the time with a rhythm, certainty 0.75; its longest episode: irregular; no P wave"


def test_a_record_without_a_beat_has_no_numbers_of_beats() -> None:
    summary = summarise(make_beats([]), make_episodes((0, 60, "", "noise")), 60.0)
    assert (summary.usable_s, summary.af_burden, summary.ectopic_share) == (0, None, None)
    unknown = {name for name, text in texts_of(summary).items() if text == "unknown"}
    assert unknown == set(texts_of(summary)) - {"usable", "beats", "rhythms"}
    assert len(summary_lines("x", summary, make_episodes((0, 60, "", "noise"))).splitlines()) == 3
    assert summary.as_dict()["mean_per_min"] is None


def test_the_glossary_explains_every_label() -> None:
    summary = summarise(make_beats([None, 1.0]), make_episodes((0, 2, "NSR", "")), 2.0)
    spellings = [spelling for term in read_glossary() for spelling in term.spellings]
    # "beats" as a label has counts of its own, and a line on a terminal ends with the certainty.
    assert {"beats", "certainty"} <= set(spellings)
    for figure in list_figures(summary):
        is_explained = any(
            re.match(rf"{re.escape(spelling)}s?( |$)", figure.label) or spelling.startswith(f"{figure.label} ")
            for spelling in spellings
        )
        assert is_explained, figure.label


def test_nothing_is_counted_across_a_gap() -> None:
    beats = make_beats([None, 0.5, 0.5, None, 0.5, 0.5], "NVVVVN")
    ectopy = count_ectopy(beats["time_s"], beats["rr_s"], beats["aami"], "V")
    assert (ectopy.num_beats, ectopy.num_couplets, ectopy.runs) == (4, 2, ())
    # Eight intervals in each of two stretches have a rate; seven have none, nor have seven and one.
    gap = make_beats([None] + [1.0] * 7 + [None] + [1.0] * 7)
    assert extreme_rates(gap["time_s"], gap["rr_s"]) is None
    bigeminy = make_beats([None, 0.5, 0.5, None, 0.5], "VNVNV")
    assert count_ectopy(bigeminy["time_s"], bigeminy["rr_s"], bigeminy["aami"], "V").num_bigeminy == 0


@pytest.mark.parametrize(
    ("aami", "num_couplets", "num_runs", "num_bigeminy"),
    [
        ("", 0, 0, 0),
        ("V", 0, 0, 0),
        ("VV", 1, 0, 0),
        ("VVV", 0, 1, 0),
        ("VVNVV", 2, 0, 0),
        ("VNV", 0, 0, 0),
        ("VNVNV", 0, 0, 1),
        ("VSVSV", 0, 0, 0),
        ("VNVNVNNVNVNV", 0, 0, 2),
        ("VNVNVV", 1, 0, 1),
        ("SVSVS", 0, 0, 0),
    ],
)
def test_patterns_of_ectopic_beats(aami: str, num_couplets: int, num_runs: int, num_bigeminy: int) -> None:
    beats = make_beats([None] * bool(aami) + [0.5] * (len(aami) - 1), aami)
    ectopy = count_ectopy(beats["time_s"], beats["rr_s"], beats["aami"], "V")
    assert (ectopy.num_couplets, len(ectopy.runs), ectopy.num_bigeminy) == (num_couplets, num_runs, num_bigeminy)


def test_variability_is_that_of_neurokit() -> None:
    import neurokit2

    rng = np.random.default_rng(5)
    rr_s = np.append(np.nan, rng.normal(0.9, 0.08, 400))
    aami = np.array(list("N" * 401), dtype=object)
    rhythm = np.array(["NSR"] * 401, dtype=object)
    peaks_ms = np.cumsum(np.append(0, rr_s[1:]))
    theirs = neurokit2.hrv_time({"RRI": 1000 * rr_s[1:], "RRI_Time": peaks_ms[1:]}, sampling_rate=1000)
    ours = measure_variability(rr_s, aami, rhythm)
    assert ours.num_intervals == 400
    assert ours.sdnn_ms == pytest.approx(float(theirs["HRV_SDNN"].iloc[0]), rel=1e-9)
    assert ours.rmssd_ms == pytest.approx(float(theirs["HRV_RMSSD"].iloc[0]), rel=1e-9)


def test_variability_with_ectopic_beats_is_that_of_neurokit_with_their_intervals_left_out() -> None:
    import neurokit2

    rng = np.random.default_rng(6)
    rr_s = np.append(np.nan, rng.normal(0.9, 0.08, 400))
    aami = np.array(list("N" * 401), dtype=object)
    aami[rng.choice(401, 30, replace=False)] = "V"
    ours = measure_variability(rr_s, aami, np.array(["NSR"] * 401, dtype=object))
    time_s = np.cumsum(np.append(0, rr_s[1:]))
    kept = np.flatnonzero((aami[1:] == "N") & (aami[:-1] == "N")) + 1
    theirs = neurokit2.hrv_time({"RRI": 1000 * rr_s[kept], "RRI_Time": time_s[kept]}, sampling_rate=1000)
    assert ours.sdnn_ms == pytest.approx(float(theirs["HRV_SDNN"].iloc[0]), rel=1e-9)
    assert ours.rmssd_ms == pytest.approx(float(theirs["HRV_RMSSD"].iloc[0]), rel=1e-9)


def test_mean_rate_counts_intervals_not_rates() -> None:
    assert mean_rate(np.array([np.nan, 0.5, 1.5])) == 60.0
    assert mean_rate(np.array([np.nan])) is None


def test_times_in_words() -> None:
    start = datetime(2026, 3, 1, 22, 30, 0)
    assert [clock(at_s) for at_s in (0, 59.6, 3599, 3600, 90061)] == ["0:00", "1:00", "59:59", "1:00:00", "25:01:01"]
    assert time_of_day(None, 5) == ""
    assert time_of_day(start, 5) == "22:30:05"
    assert time_of_day(start, 5400) == "day 2, 00:00:00"
