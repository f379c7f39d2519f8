"""Parts of the report: units taken out of a table, confident errors, ribbons, tachograms, tables of scores."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from ecgfeat.report import record_ribbons as ribbons_module
from ecgfeat.report.confident_errors import (
    error_pictures,
    find_confident_errors,
    find_confident_hit,
    find_longest_errors,
    ribbons_between,
)
from ecgfeat.report.drawings.ecg_paper import BEAT_COLOURS
from ecgfeat.report.drawings.style import rhythm_colour, to_svg
from ecgfeat.report.drawings.tachogram import draw_tachogram
from ecgfeat.report.record_ribbons import NUM_MOMENTS, draw_ribbon, record_ribbons
from ecgfeat.report.results.choice import choose_content
from ecgfeat.report.results.per_record import collect_records
from ecgfeat.report.results.units import select_units
from ecgfeat.report.tables.beats import beat_sheets
from ecgfeat.report.tables.rhythms import calibration_sheet, class_sheet, episode_sheet, heads_sheet, second_sheet
from ecgfeat.report.tables.runs import fold_sheets, seed_sheets, sensitivity_sheets
from tests.fixtures.report_inputs import FS_HZ, RHYTHMS, make_inputs, read_tachogram, whole_inputs


def make_table(rows, **changes):
    """Make a rhythm table of one record from rows of (seconds, reference, predicted, probability)."""
    stop = np.cumsum([row[0] for row in rows]) * FS_HZ
    columns = {name: np.full(len(rows), "x", dtype=object) for name in ("corpus", "subject", "record", "head", "view")}
    columns |= {"protocol": np.full(len(rows), "timeline", dtype=object)}
    columns |= {"start_sample": np.append(0, stop[:-1]), "stop_sample": stop, "num_beats": np.ones(len(rows), int)}
    columns |= {"reference": [row[1] for row in rows], "predicted": [row[2] for row in rows]}
    for name in RHYTHMS:
        columns[f"p_{name}"] = np.array([row[3] if name == row[2] else (1 - row[3]) / 5 for row in rows])
    return columns | changes


def units_of(table):
    return select_units(table, "x", "timeline", "x", FS_HZ)


def caption_and_cells(sheet):
    return [(row[0].main, *(cell.main for cell in row[1:])) for row in sheet.rows]


def test_units_are_those_of_the_table_in_order_of_time():
    table = whole_inputs().rhythm
    shuffled = np.random.default_rng(3).permutation(len(table["record"]))
    mixed = {name: np.asarray(column)[shuffled] for name, column in table.items()}
    units, again = (select_units(t, "window", "timeline", "tta7", FS_HZ)["simulate"] for t in (table, mixed))
    for field in dataclasses.fields(units):
        assert np.array_equal(getattr(units, field.name), getattr(again, field.name)), field.name
    rows = (table["head"] == "window") & (table["protocol"] == "timeline") & (table["view"] == "tta7")
    assert np.array(units.labels)[units.predicted_B].tolist() == table["predicted"][rows].tolist()
    assert units.records == tuple(f"{200 + k}" for k in range(8))
    assert select_units(table, "window", "timeline", "viterbi", FS_HZ) == {}
    assert select_units(None, "window", "timeline", "single", FS_HZ) == {}


def test_other_rhythms_are_kept_as_text_and_not_scored():
    of = units_of(make_table([(5, "NSR", "NSR", 0.9), (5, "VT", "NSR", 0.9), (5, "", "AFIB", 0.4)]))["x"]
    assert of.labels == (*RHYTHMS, "", "VT")
    assert of.is_scored.tolist() == [True, False, False]
    assert of.confidence_B.tolist() == [0.9, 0.9, 0.4]
    assert units_of(make_table([(5, "VT", "NSR", 0.9)])) == {}


def test_a_head_of_two_classes_has_two_classes():
    empty = {f"p_{name}": np.full(2, np.nan) for name in RHYTHMS[2:]}
    of = units_of(make_table([(1, "NSR", "AFIB", 0.9), (1, "SBR", "NSR", 0.9)], **empty))["x"]
    assert of.classes == ("NSR", "AFIB")
    assert of.probability_BK.shape == (2, 2)
    assert of.is_scored.tolist() == [True, False]


def test_confident_errors_are_longer_than_single_beats():
    right = (1, "NSR", "NSR", 0.9)
    rows = [right, (1, "NSR", "AFIB", 0.99), right]  # one beat: not returned at any probability
    rows += [(1, "NSR", "AFIB", 0.7)] * 6 + [right]
    rows += [(6, "AFIB", "NSR", 0.8), right]  # one beat, but of six seconds
    rows += [(1, "AFIB", "NSR", 0.6)] * 2 + [(1, "AFIB", "SBR", 0.9)] * 5 + [(1, "VT", "NSR", 0.99)] * 9
    table = make_table(rows)
    errors = find_confident_errors(units_of(table), 10)
    found = [(e.reference, e.predicted, e.num_units, round(e.probability, 6)) for e in errors]
    assert found == [("AFIB", "SBR", 5, 0.9), ("AFIB", "NSR", 1, 0.8)]  # at most two of a record
    assert (errors[0].start_s, errors[0].stop_s) == (19.0, 24.0)
    assert len(find_confident_errors(units_of(table), 1)) == 1


def test_a_smoothed_path_errs_where_it_is_wrong_not_where_the_largest_probability_is():
    table = make_table([(2, "NSR", "AFIB", 0.3)] * 6)
    table["p_NSR"] = np.full(6, 0.7)
    (error,) = find_confident_errors(units_of(table), 10)
    assert (error.predicted, round(error.probability, 6)) == ("AFIB", 0.3)


def test_errors_of_all_records_are_ranked_together_and_drawn(monkeypatch):
    inputs, read = whole_inputs(), []
    choice = choose_content(inputs)
    units = select_units(inputs.rhythm, choice.head, choice.protocol, choice.view, FS_HZ)
    errors = find_confident_errors(units, 10)
    assert [e.probability for e in errors] == sorted((e.probability for e in errors), reverse=True)
    assert len(errors) == 10
    assert max(sum(e.record == other.record for other in errors) for e in errors) == 2

    def read_strip(*stretch):
        read.append(stretch)
        return inputs.read_strip(*stretch)

    pictures = error_pictures(dataclasses.replace(inputs, read_strip=read_strip, num_worst=3), choice, units)
    assert len(pictures) == 3
    assert list(pictures) == errors[:3]
    assert [picture.name for picture in pictures.values()] == ["error-1", "error-2", "error-3"]
    for (corpus, record, start_s, stop_s), error in zip(read, errors[:3], strict=True):
        assert (corpus, record) == (error.corpus, error.record)
        assert stop_s - start_s == 10
        assert (start_s + stop_s) / 2 == max((error.start_s + error.stop_s) / 2, 5)


def test_without_a_signal_the_errors_are_tachograms():
    inputs = make_inputs(read_strip=lambda *_: None, read_tachogram=read_tachogram)
    choice = choose_content(inputs)
    units = select_units(inputs.rhythm, choice.head, choice.protocol, choice.view, FS_HZ)
    assert len(error_pictures(inputs, choice, units)) == 10
    assert error_pictures(dataclasses.replace(inputs, read_tachogram=None), choice, units) == {}


def test_ribbons_merge_equal_neighbours_and_keep_gaps():
    table = make_table([(1, "NSR", "NSR", 0.9), (1, "NSR", "AFIB", 0.9), (1, "NSR", "AFIB", 0.9)])
    table["start_sample"][2], table["stop_sample"][2] = 10 * FS_HZ, 11 * FS_HZ
    reference, predicted = ribbons_between(units_of(table)["x"], "x", 0.5, 20)
    assert (reference.start_s.tolist(), reference.stop_s.tolist()) == ([0, 10], [2, 11])
    assert predicted.rhythm == ["NSR", "AFIB", "AFIB"]
    assert ribbons_between(units_of(table)["x"], "x", 3, 9) == []
    assert ribbons_between(units_of(table)["x"], "unheard of", 0, 9) == []


def test_a_ribbon_is_as_faint_as_its_rhythm_is_improbable():
    half = [(0.8, "NSR", "AFIB", 1.0)] * 500, [(0.8, "AFIB", "NSR", 0.5)] * 500
    units = units_of(make_table([*half[0], *half[1], (1, "", "NSR", 0.5)]))["x"]
    pixels, names = draw_ribbon(units, slice(0, 1000), units.confidence_B[:1000], longest_s=1000.0)
    assert pixels.shape == (5, NUM_MOMENTS, 4)
    assert names == {"NSR", "AFIB"}
    nsr, afib = ([round(255 * part) for part in to_rgb(rhythm_colour(name))] for name in ("NSR", "AFIB"))
    last = int(0.79 * NUM_MOMENTS)
    assert [pixels[0, 0].tolist(), pixels[0, last].tolist()] == [[*nsr, 255], [*afib, 255]]
    assert [pixels[4, 0].tolist(), pixels[4, last].tolist()] == [[*afib, 255], [*nsr, 128]]
    assert not pixels[2].any()  # between the two
    assert not pixels[:, int(0.81 * NUM_MOMENTS) :].any()  # after the record


def test_records_beyond_the_room_are_left_out_from_the_whole_range(monkeypatch):
    inputs = make_inputs()
    choice = choose_content(inputs)
    units = select_units(inputs.rhythm, choice.head, choice.protocol, choice.view, FS_HZ)
    results = collect_records(None, None, units, detector=None, history=None)
    whole = record_ribbons(inputs, choice, units, results, {("simulate", results[0].record): "error-1"})
    rows = whole.groups["simulate"]
    assert [row.record for row in rows] == [of.record for of in results]
    assert [row.share for row in rows] == [f"{100 * of.accuracy:.0f}\u00a0%" for of in results]
    assert [row.leads_to for row in rows] == ["error-1"] + [""] * (len(rows) - 1)
    assert whole.ticks[0] == (0.0, "0 min")
    assert all(place <= 100 for place, _ in whole.ticks)
    monkeypatch.setattr(ribbons_module, "MAX_RIBBONS", 3)
    fewer = record_ribbons(inputs, choice, units, results, {})
    assert [row.record for row in fewer.groups["simulate"]] == [of.record for of in results[::3]]
    assert fewer.note == "Of 8 test records one in 3 is shown."
    assert record_ribbons(inputs, choice, {}, [], {}) is None


def test_the_strip_of_what_is_right_is_longer_than_a_strip_and_no_sinus_rhythm():
    rows = [(1, "NSR", "NSR", 0.99)] * 30 + [(1, "AFIB", "AFIB", 0.98)] * 9 + [(1, "SBR", "SBR", 0.6)] * 12
    hit = find_confident_hit(units_of(make_table(rows)))
    assert (hit.reference, hit.num_units, hit.start_s) == ("SBR", 12, 39.0)
    assert find_confident_hit(units_of(make_table(rows[:30]))).reference == "NSR"
    assert find_confident_hit(units_of(make_table([(1, "NSR", "AFIB", 0.9)] * 30))) is None


def test_the_longest_error_of_a_record_may_be_time_that_is_not_classified():
    rows = [(1, "NSR", "AFIB", 0.9)] * 6 + [(1, "NSR", "NSR", 0.9)] + [(1, "NSR", "", 0.3)] * 8
    units = units_of(make_table(rows))
    (error,) = find_longest_errors(units, [("x", "x"), ("x", "unheard of")])
    assert (error.predicted, error.start_s, error.stop_s) == ("", 7.0, 15.0)
    assert [of.predicted for of in find_confident_errors(units, 9)] == ["AFIB"]


def test_a_tachogram_has_a_dot_for_each_beat_and_names_the_ectopic_ones():
    of = read_tachogram("demo", "7", 60.0, 120.0)
    figure = draw_tachogram(of)
    dots = {line.get_color(): len(line.get_xdata()) for line in figure.axes[0].get_lines()[1:]}
    assert dots == {BEAT_COLOURS[name]: of.label.count(name) for name in "NV"}
    assert [text.get_text() for text in figure.axes[0].texts] == ["V"] * of.label.count("V")
    assert to_svg(draw_tachogram(of)) == to_svg(figure)
    assert to_svg(draw_tachogram(dataclasses.replace(of, rpeak_s=np.zeros(0), rr_s=np.zeros(0), label=[])))
    with pytest.raises(ValueError, match="expected equal numbers"):
        draw_tachogram(dataclasses.replace(of, label=["N"]))


def test_heads_stand_side_by_side_main_head_first():
    inputs = whole_inputs()
    tree = inputs.metrics["rhythm"]["simulate"]
    heads = {head: tree[head]["timeline"] for head in sorted(tree)}
    rows = caption_and_cells(heads_sheet("simulate", "timeline", heads, inputs))
    assert [row[0] for row in rows] == ["timeline", "window", "majority"]
    of = tree["window"]["timeline"]
    expected = [of["single"]["macro_f1"], of["tta7"]["macro_f1"], of["tta7"]["accuracy"], of["tta7"]["f1"]["NSR"]]
    assert rows[1][1:5] == tuple(f"{value:.3f}" for value in expected)
    assert rows[2][2] == "–"  # the majority class has one view


def test_rare_classes_are_not_estimable_in_every_table_of_rhythms():
    inputs = whole_inputs()
    views = inputs.metrics["rhythm"]["simulate"]["timeline"]["timeline"]
    assert views["single"]["not_estimable"] == ["SVTA"]
    heads = heads_sheet("simulate", "timeline", {"timeline": views}, inputs)
    assert ["estimable" in cell.sub for cell in heads.columns if cell.main in RHYTHMS] == [False] * 4 + [True]
    tables = [
        class_sheet("simulate", "timeline", "timeline", views, inputs),
        second_sheet("simulate", "timeline", views, inputs),
        episode_sheet("simulate", "timeline", views, inputs),
    ]
    for table in tables:
        for row in table.rows:
            if row[0].main in RHYTHMS:
                assert any(cell.sub == "not estimable" for cell in row) == (row[0].main == "SVTA")


def test_the_smoothed_path_stands_beside_the_largest_probability():
    inputs = whole_inputs()
    views = inputs.metrics["rhythm"]["simulate"]["timeline"]["timeline"]
    table = second_sheet("simulate", "timeline", views, inputs)
    assert [(c.main, c.sub) for c in table.columns[3:]] == [
        (f"per {scope}", view) for scope in ("beat", "second") for view in ("single view", "TTA-7", "smoothed")
    ]
    macro = next(row for row in caption_and_cells(table) if row[0] == "macro F1")
    of = [views[view] for view in ("single", "tta7", "viterbi")]
    scores = [tree["macro_f1"] for tree in (*of, *(view["per_second"] for view in of))]
    assert macro[3:] == tuple(f"{score:.3f}" for score in scores)
    episodes = episode_sheet("simulate", "timeline", views, inputs)
    assert {row[1].main for row in episodes.rows} == {"TTA-7", "smoothed"}


def test_calibration_has_no_scores_of_a_smoothed_view():
    rows = caption_and_cells(calibration_sheet("timeline", whole_inputs()))
    assert [row[0] for row in rows] == ["timeline", "window", "majority"]
    assert all(len(row) == 5 for row in rows)
    assert calibration_sheet("unheard of", whole_inputs()) is None


def test_beats_are_counted_both_ways_whole_and_after_five_minutes():
    inputs = whole_inputs()
    of = inputs.metrics["beats"]["simulate"]
    shown, folded = beat_sheets("simulate", of, inputs)
    assert [len(shown), len(folded)] == [3, 4]
    classes, runs, gap = shown
    tree = of["predicted"]
    rows = {(row[0].main, row[1].main): [cell.main for cell in row[2:]] for row in classes.rows}
    for scope, numbers in (("whole record", tree), ("after 5 min", tree["after_5min"])):
        assert rows["V", scope][2] == f"{numbers['v_f1']:.3f}"
        assert rows["V", scope][5] == f"{100 * numbers['v_false_positive_rate']:.2f}"
        assert rows["V", scope][6] == f"{numbers['bxb']['v_f1']:.3f}"
    assert "dechazal (e and j are N)" in classes.note
    assert runs.rows[0][2].main == str(tree["runs"]["v"]["couplets"]["num_reference_runs"])
    difference = of["none"]["v_f1"] - of["oracle"]["v_f1"]
    assert gap.rows[2][-1].sub == f"{difference:+.3f}"


def test_sensitivity_is_a_difference_to_the_records_as_they_are():
    table, classes = sensitivity_sheets(whole_inputs())
    names = ["as it is", "history oracle", "leads swapped", "noise 24 db", "noise 6 db"]
    assert [row[0].main for row in table.rows] == [row[0].main for row in classes.rows] == names
    assert [row[0].sub for row in table.rows] == ["", "oracle", "", "", ""]
    assert [cell.main for cell in table.rows[2][1:3]] == ["0.550", "-0.150"]
    assert table.rows[2][2].sub == "-0.200 to -0.100"
    assert table.rows[0][2].main == ""
    assert [cell.main for cell in classes.rows[0][1:]] == ["0.800", "0.600", "0.000"]
    assert "at most 2 hours" in table.caption
    assert [cell.sub for cell in classes.columns[1:]] == ["2\u202f000 beats", "900 beats", "9 beats, not estimable"]
    assert sensitivity_sheets(make_inputs(metrics={})) == []


def test_seeds_and_folds_are_shown_where_there_are_any():
    inputs = whole_inputs()
    (seeds,), (folds,) = seed_sheets(inputs), fold_sheets(inputs)
    names = ["macro F1", "macro F1 per second", "accuracy", "F1 NSR", "F1 B"]
    assert [column.main for column in seeds.columns[2:]] == names
    assert [cell.main for cell in seeds.rows[1][2:]] == ["0.710"] * 4 + ["–"]
    assert seeds.rows[1][2].sub == "0.690 to 0.740"
    assert "(1, 2, 3)" in seeds.note
    assert "simulated new signals" in seeds.note
    assert "in 5 folds" in folds.caption
    assert seed_sheets(make_inputs(metrics={})) == fold_sheets(make_inputs(metrics={})) == []


def test_time_without_an_rpeak_lasts_but_is_no_unit():
    table = make_table([(2, "NSR", "NSR", 0.9), (3, "AFIB", "NSR", 0.9)], num_beats=np.array([1, 0]))
    units = units_of(table)["x"]
    assert units.is_counted.tolist() == [True, False]
    assert units.is_scored.all()
    grid = table | {"protocol": np.full(2, "grid", dtype=object)}
    assert select_units(grid, "x", "grid", "x", FS_HZ)["x"].is_counted.all()
