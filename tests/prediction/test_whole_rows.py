"""A record as a whole: what its diagnoses or episodes tell of it, and what is predicted of it, added up by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.features.intervals import usual_interval
from ecgfeat.prediction.episodes import NamedStretch, PredictedEpisodes
from ecgfeat.prediction.whole_rows import (
    beat_rhythms,
    irregular_share,
    score_episodes,
    state_episodes,
    state_record,
    summarise_named,
)
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store.schemas import EPISODE_SCORES, RECORD_SCORES, RHYTHMS

NSR, AFIB, SBR = (RHYTHMS.index(name) for name in ("NSR", "AFIB", "SBR"))
NAN = float("nan")


class CountsTrees:
    """Trees that say AFIB is as probable as the share of rows so far, and remember what they were given."""

    def predict(self, rows):
        self.rows = rows
        chance = np.full((len(rows), len(RHYTHMS)), 0.1)
        chance[:, AFIB] = np.linspace(0, 1, len(rows))
        return chance


def episodes_of(*rows):
    start, stop, rhythm = zip(*rows, strict=True) if rows else ((), (), ())
    return Episodes(np.array(start, dtype=np.int64), np.array(stop, dtype=np.int64), np.array(rhythm, dtype=str))


def stretch_of(sample, start=0, first_beat=0):
    """Return a usable stretch whose R-peaks are at some samples of 128 Hz."""
    sample = np.array(sample, dtype=np.int64)
    rr_s = np.diff(sample / 128, prepend=np.nan)
    label, no_episodes = np.full(len(sample), -1), episodes_of()
    size = int(sample[-1]) - start + 1
    return RhythmRecord("toy", "s", "r", size, sample, rr_s, label, no_episodes, start=start, first_beat=first_beat)


def named_stretch(label, edges, rhythm):
    """Return what is predicted of a stretch: beat classes, and rhythms between edges."""
    label, rhythm = np.array(label), np.array(rhythm)
    posterior_EK = np.full((len(rhythm), len(RHYTHMS)), 0.1, dtype=np.float32)
    reason = tuple("" if code >= 0 else "uncertain" for code in rhythm)
    episodes = PredictedEpisodes(np.array(edges), rhythm, posterior_EK, reason)
    return NamedStretch(label, np.eye(3, dtype=np.float32)[label], episodes)


@pytest.mark.parametrize(
    ("slug", "stated", "rate_bpm", "reference", "share", "is_normal"),
    [
        ("cinc2017", ("N",), 75.0, "NSR", 0.0, True),
        ("cinc2017", ("N",), 59.9, "SBR", 0.0, True),  # a class of normal records says nothing of their rate
        ("cinc2017", ("N",), NAN, "NSR", 0.0, True),
        ("cinc2017", ("A",), 55.0, "AFIB", 1.0, False),
        ("cinc2017", ("O",), 75.0, "", 0.0, False),
        ("ptbxl", ("NORM", "SR:0", "PVC:0"), 75.0, "NSR", 0.0, False),
        ("ptbxl", ("AFLT:0",), 75.0, "AFL", NAN, False),
        ("ptbxl", ("AFLT:0", "AFIB:0"), 75.0, "", NAN, False),
    ],
)
def test_diagnoses_tell_of_the_rhythm_of_a_record(slug, stated, rate_bpm, reference, share, is_normal):
    of = state_record(stated, get_diagnostic_corpus(slug), rate_bpm)
    assert (of["stated"], of["reference"], of["is_normal"]) == (list(stated), reference, is_normal)
    assert of["reference_af"] == pytest.approx(share, nan_ok=True)


def test_episodes_tell_of_the_rhythm_of_most_labelled_time():
    of = state_episodes(episodes_of((0, 300, "NSR"), (300, 700, "AFIB"), (700, 1000, "NSR")))
    assert of == {"stated": [], "reference": "NSR", "reference_af": 0.4, "is_normal": False}
    # Time without a name is not labelled.
    of = state_episodes(episodes_of((0, 900, ""), (900, 1000, "AFIB")))
    assert (of["reference"], of["reference_af"]) == ("AFIB", 1.0)
    of = state_episodes(episodes_of())
    assert of["reference"] == ""
    assert np.isnan(of["reference_af"])


def test_a_record_is_summed_up_over_its_stretches():
    first, second = stretch_of([0, 100, 200, 300]), stretch_of([1000, 1128, 1192], start=960, first_beat=4)
    named = [
        (named_stretch([0, 1, 0, 2], [0, 250, 301], [NSR, AFIB]), np.full((4, 6), 0.1, dtype=np.float32)),
        (named_stretch([0, 0, 1], [960, 1193], [NSR]), np.full((3, 6), 0.2, dtype=np.float32)),
    ]
    named[0][1][:, AFIB], named[1][1][:, AFIB] = 0.1, 0.4
    first_named, second_named = named[0][0].episodes, named[1][0].episodes
    first_named.posterior[:, NSR], second_named.posterior[:, NSR] = (0.5, 0.1), 0.8
    rr_s = np.concatenate([first.rr_s, second.rr_s])
    trees = CountsTrees()
    row = summarise_named([first, second], named, usual_interval(rr_s), trees)
    assert (row["num_beats"], row["num_s"], row["num_v"]) == (7, 2, 1)
    assert row["rate_bpm"] == pytest.approx(60 / np.nanmedian(rr_s))
    assert row["rhythm"] == "NSR"
    # Three beats of the first episode, three of the last; those named AFIB do not count.
    assert row["certainty"] == pytest.approx((3 * 0.5 + 3 * 0.8) / 6)
    assert row["p_afib"] == pytest.approx((4 * 0.1 + 3 * 0.4) / 7)
    assert row["af_s"] == 51 / 128
    assert row["p_afib_rr_trees"] == pytest.approx(0.5)
    assert trees.rows.shape[0] == 7
    assert row["rr_irregular"] == irregular_share([first.rr_s, second.rr_s])
    known = {
        "corpus",
        "subject",
        "record",
        "duration_s",
        "usable_s",
        "stated",
        "reference",
        "reference_af",
        "is_normal",
    }
    assert set(row) | known == set(RECORD_SCORES.columns)


def test_a_record_without_usable_time_has_a_row_all_the_same():
    row = summarise_named([], [], (NAN, NAN), CountsTrees())
    assert (row["num_beats"], row["num_s"], row["num_v"], row["af_s"], row["rhythm"]) == (0, 0, 0, 0.0, "")
    names = ("rate_bpm", "certainty", "p_afib", "p_afib_rr_trees", "rr_irregular")
    assert np.isnan([row[name] for name in names]).all()


def test_the_main_rhythm_is_that_of_most_named_time_as_a_user_is_told():
    stretch = stretch_of([0, 100, 200, 300])
    named = [(named_stretch([0, 0, 0, 0], [0, 250, 301], [-1, SBR]), np.full((4, 6), 0.3, dtype=np.float32))]
    row = summarise_named([stretch], named, (0.8, 0.8), CountsTrees())
    assert (row["rhythm"], row["certainty"]) == ("SBR", pytest.approx(0.1))
    assert row["p_afib"] == pytest.approx(0.3)
    # More beats of AFIB, more time in NSR.
    stretch = stretch_of([0, 60, 120, 180, 300, 500])
    named = [(named_stretch([0] * 6, [0, 200, 501], [AFIB, NSR]), np.full((6, 6), 0.3, dtype=np.float32))]
    assert summarise_named([stretch], named, (0.8, 0.8), CountsTrees())["rhythm"] == "NSR"
    nothing = [(named_stretch([0] * 6, [0, 501], [-1]), np.full((6, 6), 0.3, dtype=np.float32))]
    row = summarise_named([stretch], nothing, (0.8, 0.8), CountsTrees())
    assert row["rhythm"] == ""
    assert np.isnan(row["certainty"])


def test_episodes_stand_beside_the_reference():
    stretch = replace(
        stretch_of([0, 100, 200, 300]),
        start=1280,
        episodes=episodes_of((0, 128, "NSR"), (128, 256, "AFL"), (256, 301, "")),
    )
    named = named_stretch([0, 1, 0, 2], [0, 192, 250, 301], [NSR, AFIB, -1])
    named.episodes.posterior[0, NSR], named.episodes.posterior[1, AFIB] = 0.7, 0.6
    of = score_episodes(stretch, named)
    assert set(of) | {"corpus", "subject", "record"} == set(EPISODE_SCORES.columns)
    assert of["start_sample"].tolist() == [1280, 1472, 1530]
    assert of["stop_sample"].tolist() == [1472, 1530, 1581]
    assert of["rhythm"].tolist() == ["NSR", "AFIB", ""]
    assert of["certainty"] == pytest.approx([0.7, 0.6, NAN], nan_ok=True)
    # Flutter is labelled, but no rhythm of the six.
    assert of["reference"].tolist() == ["NSR", "AFL", "AFL"]
    assert of["known_s"].tolist() == [1.0, 0.0, 0.0]
    assert of["agree_s"].tolist() == [1.0, 0.0, 0.0]
    assert of["classes"].tolist() == ["NS", "N", "V"]
    assert [word.endswith("too few for evidence") for word in of["evidence"]] == [True, True, False]
    assert of["evidence"][2] == ""
    assert [len(kinds) for kinds in of["statements"]] == [0, 0, 0]


def test_a_stretch_without_reference_has_no_known_time():
    stretch = stretch_of(np.arange(0, 128 * 20, 100))
    named = named_stretch([0] * len(stretch.sample), [0, stretch.num_samples], [NSR])
    of = score_episodes(stretch, named)
    assert (of["reference"].tolist(), of["known_s"].tolist(), of["agree_s"].tolist()) == ([""], [0.0], [0.0])
    assert of["statements"][0] == ["regular RR intervals"]
    assert of["evidence"][0] == "regular RR intervals, 77/min"


def test_each_beat_has_the_rhythm_of_its_place():
    stretch = stretch_of([10, 100, 200, 300], start=10)
    named = named_stretch([0] * 4, [10, 100, 250, 301], [NSR, AFIB, -1])
    assert beat_rhythms(stretch, named).tolist() == [NSR, AFIB, AFIB, -1]


def test_the_plainest_figure_counts_changes_above_a_tenth_of_the_mean():
    # Mean 1.0; changes 0.09, 0.11 and, in another stretch, 0.2: none reaches over the gap.
    parts = [np.array([NAN, 1.0, 1.09, 0.98]), np.array([NAN, 0.9, 1.1, 0.93])]
    assert np.nanmean(np.concatenate(parts)) == pytest.approx(1.0)
    assert irregular_share(parts) == pytest.approx(3 / 4)
    assert irregular_share([np.array([NAN, 0.8, 0.8, 0.8])]) == 0.0
    for too_few in ([np.array([NAN])], [np.array([NAN, 0.8])]):
        assert np.isnan(irregular_share(too_few))
