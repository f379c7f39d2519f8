"""An explanation on paper: colours where the relevance is, the explained beat marked, and the checks under it."""

import re

import numpy as np
import pytest

from ecgfeat.report.drawings.strip import draw_strip
from ecgfeat.report.drawings.style import to_svg
from ecgfeat.report.drawings.tint import level_of, tint_colour
from ecgfeat.saliency.drawing import TITLES, make_strip
from ecgfeat.saliency.explanation import CAUTION, Part
from tests.fixtures.extents import label_faults
from tests.saliency.test_explanation import make_explanation

FS_HZ = 100.0


def make_sample_explanation(**changes):
    start_s = np.arange(0, 20, 0.01)
    relevance = np.zeros((len(start_s), 2))
    relevance[1000:1004, 1], relevance[1008:1012, 0] = 0.25, -0.125
    given = {"at_s": 10.0, "start_s": start_s, "stop_s": start_s + 0.01, "relevance": relevance}
    return make_explanation(**given | changes)


def lay(explanation, leads=("I", "II", "III"), duration_s=20.0, **beats):
    signal = np.random.default_rng(0).normal(0, 0.1, (round(duration_s * FS_HZ), len(leads))).astype(np.float32)
    return make_strip(explanation, signal, FS_HZ, leads, **beats)


def test_colours_lie_where_the_relevance_is():
    strip = lay(make_sample_explanation())
    assert (strip.start_s, len(strip.signal_mv_SC)) == (5.0, 1000)
    # A square of 0.04 s has four samples: a sum of 1.0 is the strongest.
    np.testing.assert_allclose(strip.tint_SC[500:504, 1], 1.0)
    np.testing.assert_allclose(strip.tint_SC[508:512, 0], -0.5)
    assert np.count_nonzero(strip.tint_SC) == 8
    assert "at most 1 in 0.04 s" in strip.note


def test_rates_of_map_and_record_may_differ():
    start_s = np.arange(0, 20, 1 / 128)
    relevance = np.zeros((len(start_s), 2))
    relevance[1280, 0] = 1.0
    strip = lay(make_sample_explanation(start_s=start_s, stop_s=start_s + 1 / 128, relevance=relevance))
    coloured = np.flatnonzero(strip.tint_SC[:, 0]) / FS_HZ + strip.start_s
    assert coloured.size
    np.testing.assert_allclose(coloured, 10.0, atol=0.04)


def test_the_explained_beat_is_marked_and_the_checks_stand_below():
    strip = lay(make_sample_explanation(), beat_s=np.array([2.0, 9.0, 10.0]), labels=["N", "S", "V"])
    mark = strip.ribbons[0]
    assert (mark.title, mark.rhythm[0]) == ("explained", "V")
    assert mark.start_s[0] < 10.0 < mark.stop_s[0]
    assert list(strip.reference_label) == ["S", "V"]
    assert "similarity to a map of random weights .31" in strip.note.lower()
    assert CAUTION in strip.note
    assert "shows 12 % of the difference" in strip.note  # 0.5 of 4.01


def test_a_segment_is_drawn_whole():
    start_s = np.arange(3, 9, 0.01)
    relevance = np.ones((len(start_s), 2))
    explanation = make_sample_explanation(
        kind="segment", at_s=3.0, start_s=start_s, stop_s=start_s + 0.01, relevance=relevance
    )
    strip = lay(explanation)
    assert (strip.start_s, len(strip.signal_mv_SC)) == (3.0, 600)


def test_a_rhythm_has_a_ribbon_for_each_column_that_matters():
    beat_s = np.arange(1, 19, 1.0)
    relevance = np.zeros((len(beat_s), 3))
    relevance[:, 0], relevance[9, 2] = 0.2, -0.4
    explanation = make_explanation(
        kind="rhythm",
        at_s=10.0,
        columns=("intervals", "S beats", "V beats"),
        start_s=beat_s - 1,
        stop_s=beat_s,
        relevance=relevance,
    )
    strip = lay(explanation)
    assert strip.tint_SC is None
    assert [ribbon.title for ribbon in strip.ribbons] == ["explained", "intervals", "V beats"]
    assert (strip.ribbons[0].start_s[0], strip.ribbons[0].stop_s[0]) == (9.0, 10.0)
    assert set(strip.ribbons[1].rhythm) == {"+0.20"}
    assert sorted(set(strip.ribbons[2].rhythm)) == ["-0.40", "0"]


def test_a_record_shorter_than_a_strip_and_a_map_of_zeros():
    explanation = make_sample_explanation(at_s=1.0, relevance=np.zeros((2000, 2)))
    strip = lay(explanation, duration_s=3.0)
    assert (strip.start_s, len(strip.signal_mv_SC)) == (0.0, 300)
    np.testing.assert_array_equal(strip.tint_SC, 0)


def test_equal_strips_give_equal_bytes_with_the_colours_in_them():
    one, two = (to_svg(draw_strip(lay(make_sample_explanation()))) for _ in range(2))
    assert one == two
    plain = to_svg(draw_strip(lay(make_sample_explanation(relevance=np.zeros((2000, 2))))))
    for colour in (b"#d1495b", b"#2f6fb3"):
        assert re.search(colour, one)
        assert not re.search(colour, plain)


@pytest.mark.parametrize(("strength", "level"), [(1.0, 8), (-1.0, -8), (0.05, 0), (-0.07, -1), (3.0, 8), (np.nan, 0)])
def test_levels(strength, level):
    assert level_of(np.array([strength]))[0] == level


def test_colours_on_white():
    assert tint_colour(0.0) == "#ffffff"
    red, blue = tint_colour(1.0), tint_colour(-1.0)
    assert int(red[1:3], 16) > int(red[5:7], 16)
    assert int(blue[1:3], 16) < int(blue[5:7], 16)


def placed(*values, group="RR intervals"):
    return [Part(group, f"at {start_s:g} s", value, False, (start_s, stop_s)) for start_s, stop_s, value in values]


def test_parts_with_a_place_are_ribbons_and_those_that_overlap_stand_below_each_other():
    parts = placed((9.0, 10.0, 0.5), (10.0, 11.0, -0.25), (10.5, 12.0, 0.1), (11.0, 11.5, 0.0), (0.0, 1.0, 3.0))
    parts += placed((9.0, 10.0, 0.2), (9.0, 10.0, 0.1), group="S beats, by the trees")
    strip = lay(make_sample_explanation(parts=tuple(parts)))
    _, first, second, third = strip.ribbons
    assert [ribbon.title for ribbon in strip.ribbons] == ["explained", "intervals", "intervals", "trees: S"]
    assert (first.start_s.tolist(), first.stop_s.tolist()) == ([9.0, 10.0], [10.0, 11.0])
    assert first.rhythm == ["+0.50", "-0.25"]
    assert first.colour == [tint_colour(1.0), tint_colour(-0.5)]
    assert (second.start_s.tolist(), second.rhythm) == ([10.5], ["+0.10"])
    # Parts of one place are one.
    assert third.rhythm == ["+0.30"]
    assert "in ribbons at most 0.5" in strip.note


def test_no_title_of_a_ribbon_leaves_the_picture():
    parts = [part for group in TITLES for part in placed((9.0, 10.5, 0.5), group=group)]
    assert label_faults(draw_strip(lay(make_sample_explanation(parts=tuple(parts))))) == []


@pytest.mark.parametrize("kind", ["beat", "record"])
def test_without_a_map_there_is_no_colour(kind):
    none = {"start_s": np.zeros(0), "stop_s": np.zeros(0), "relevance": np.zeros((0, 0)), "columns": ()}
    explanation = make_explanation(kind=kind, at_s=10.0, parts=tuple(placed((9.0, 10.0, 0.5))), **none)
    strip = lay(explanation)
    assert strip.tint_SC is None
    assert strip.note.startswith("red raises, blue lowers · no sample is read · in ribbons at most 0.5\n")
    if kind == "record":
        assert (strip.ribbons[0].start_s[0], strip.ribbons[0].stop_s[0]) == (0.0, 20.0)
    assert to_svg(draw_strip(strip))


def test_a_map_of_next_to_nothing_is_not_coloured():
    explanation = make_sample_explanation()
    faint = make_sample_explanation(relevance=explanation.relevance * 1e-3)
    assert np.count_nonzero(lay(faint).tint_SC) == 0


def test_a_segment_is_marked_where_it_is_and_not_where_its_map_reaches():
    strip = lay(make_sample_explanation(kind="segment", extent_s=(2.0, 12.0)))
    assert (strip.start_s, len(strip.signal_mv_SC)) == (2.0, 1000)
    assert (strip.ribbons[0].start_s[0], strip.ribbons[0].stop_s[0]) == (2.0, 12.0)
