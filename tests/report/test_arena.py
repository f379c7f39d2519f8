"""The page of the arena: every number from its file and every number of the file on it, dashes with their reasons."""

import copy

import pytest

from ecgfeat.errors import DataError
from ecgfeat.report.arena import arena_page, arena_panels, plot_arena
from ecgfeat.report.tables.arena import (
    arena_corpus_sheet,
    class_sheets,
    file_size,
    fold_cost_sheet,
    glance_sheet,
    int8_sheet,
    left_out_sheet,
    milliseconds,
    model_sheet,
    narrow_models,
    number_sheet,
    parameters,
)
from ecgfeat.report.tables.sheet import DASH, SCORE, duration, whole
from ecgfeat.scoring.diagnosis import diagnosis_scores
from tests.fixtures.arena_inputs import make_arena
from tests.fixtures.outline import Outline


@pytest.fixture(scope="module")
def arena():
    return make_arena()


@pytest.fixture(scope="module")
def page(arena):
    return arena_page(arena)


def all_sheets(arena):
    sheets = [
        glance_sheet(arena),
        arena_corpus_sheet(arena),
        model_sheet(arena),
        int8_sheet(arena),
        left_out_sheet(arena),
    ]
    for slug in arena["corpora"]:
        sheets += [*class_sheets(arena, slug), number_sheet(arena, slug), fold_cost_sheet(arena, slug)]
    return [sheet for sheet in sheets if sheet is not None]


def all_text(arena):
    """Return every text of the tables."""
    texts = []
    for sheet in all_sheets(arena):
        texts += [sheet.caption, sheet.note, *(tag.text for tag in sheet.tags)]
        texts += [text for row in [sheet.columns, *sheet.rows] for cell in row for text in (cell.main, cell.sub)]
    return texts


def rows_of(sheet):
    return {row[0].main: dict(zip([(c.main, c.sub) for c in sheet.columns], row, strict=True)) for row in sheet.rows}


def leaves(node, at=()):
    """Yield the place of every number of a tree."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*at, key))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield at


def test_the_page_is_whole_and_needs_nothing_else(page, arena):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert all(link.startswith(("#", "data:")) for link in outline.links)
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)
    assert "not for clinical use" in page.lower()
    assert page == arena_page(copy.deepcopy(arena))
    # Text of the file is text, not markup.
    assert "&lt;b&gt;cinc2017&lt;/b&gt;" in page
    for name in (*arena["models"], *arena["corpora"]):
        assert name in page


def test_every_number_of_the_page_comes_from_the_file(arena):
    """Write each number of the file in each way that the page writes numbers: the page holds no others."""
    written_words = {"F1", "TTA-7", "8-bit", "95"}  # words of the page itself

    def note(value):
        if isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                note(part)
        elif isinstance(value, str):
            written_words.update(word.strip(",.") for word in value.split())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            written = [SCORE.write(value), whole(value), parameters(value), file_size(value), milliseconds(value)]
            written += [duration(value)]
            for text in written:
                written_words.update(text.replace("\u00a0", " ").split())

    note(arena)
    note([list(arena["models"]), list(arena["corpora"])])
    found = set()
    for text in all_text(arena):
        for word in text.replace("\u00a0", " ").split():
            word = word.strip(",;:()")
            if any(sign.isdigit() for sign in word):
                found.add(word.rstrip("."))
    assert len(found) > 300
    assert {word for word in found if word not in written_words} == set()


def test_every_number_of_the_file_is_on_the_page(arena):
    before = all_text(arena)
    skipped = set()
    for at in leaves(arena):
        changed = copy.deepcopy(arena)
        node = changed
        for key in at[:-1]:
            node = node[key]
        node[at[-1]] = node[at[-1]] * 1.31 + 1 if isinstance(node[at[-1]], float) else node[at[-1]] + 1_000_000
        if all_text(changed) == before:
            skipped.add(at)
    # The number of subjects stands once over a column: it is taken from the first row of a table.
    first = {"mitdb": "htf_timeline", "cinc2017": "resnet1d", "simulate12": "resnet1d"}
    shared = set()
    for at in leaves(arena):
        if at[-2:-1] == ("subjects",):
            _, slug, model, view, *_ = at
            is_read = model == first[slug] and view in ("single", "timeline")
            few = arena["scores"][slug][model][view]["subjects"][at[-1]] < 5
            shared |= set() if is_read or few else {at}
    assert skipped == shared | {("version",)}


def test_scores_stand_with_their_intervals_in_their_column(arena):
    rows = rows_of(glance_sheet(arena))
    score = arena["scores"]["cinc2017"]["resnet1d"]["tta7"]
    cell = rows["resnet1d"]["cinc2017", "TTA-7"]
    bound = score["interval"]["macro_f1"]
    assert cell.main == f"{score['macro_f1']:.3f}"
    assert cell.sub == f"{bound['low']:.3f} to {bound['high']:.3f}"
    best = max(arena["scores"]["cinc2017"].items(), key=lambda item: item[1]["tta7"]["macro_f1"])[0]
    assert [name for name, row in rows.items() if row["cinc2017", "TTA-7"].style == "strong"] == [best]
    assert rows["htf_window"]["mitdb", "single view"].sub == "too few subjects"
    assert ("cinc2017", "timeline") not in rows["resnet1d"]


def test_missing_values_are_dashes_with_their_reasons(arena):
    rows = rows_of(glance_sheet(arena))
    for model, column, why in (
        ("htf_timeline", ("cinc2017", "single view"), "needs beats"),
        ("ecg_ramba", ("mitdb", "timeline"), "one label per window"),
        ("chronos_mlp", ("simulate12", "TTA-7"), "no weights at hand"),
        ("chronos_mlp", ("training time", ""), "weights were not loaded"),
        ("resnet1d", ("ms per record", "GPU"), "not measured here"),
    ):
        cell = rows[model][column]
        assert (cell.main, cell.sub, cell.style) == (DASH, why, "weak")
    rows = [[cell.main for cell in row] for row in left_out_sheet(arena).rows]
    assert ["chronos_mlp", "training time", "weights were not loaded"] in rows
    assert ["ecg_ramba", "mitdb, timeline", "one label per window"] in rows


def test_each_diagnostic_corpus_has_costs_of_its_own(arena, page):
    cost, model = arena["costs"]["cinc2017"]["ecg_ramba"], arena["models"]["ecg_ramba"]
    rows = rows_of(fold_cost_sheet(arena, "cinc2017"))
    row = rows["ecg_ramba"]
    assert row["parameters", "of the published"].main == parameters(cost["parameters"])
    assert row["parameters", "of the published"].sub == "of 72.8\u00a0M"
    assert row["training time", "all folds"].main == duration(cost["training_s"]) != duration(model["training_s"])
    assert row["ms per record", "CPU, 2 threads"].main == milliseconds(cost["ms_per_record_cpu"])
    cell = rows["resnet1d"]["training time", "all folds"]
    assert (cell.main, cell.sub) == (DASH, "trained elsewhere")
    assert not {"htf_timeline", "htf_window"} & set(rows)
    assert fold_cost_sheet(arena, "mitdb") is None
    assert [f"{slug}: size and cost" in page for slug in ("simulate12", "mitdb")] == [True, False]
    assert rows_of(arena_corpus_sheet(arena))["simulate12"]["task", ""].sub == "leads I, V1"


def test_integers_stand_beside_the_float_network_of_the_same_format(arena):
    row = rows_of(int8_sheet(arena))["cnn_attn_bilstm"]
    size, ms = row["size on disk", ""], row["ms per record", "CPU"]
    assert (size.main, size.sub) == (file_size(1_012_345), f"of {file_size(3_812_345)}")
    assert (ms.main, ms.sub) == ("3.21", "of 7.65")
    assert row["same class", "share of segments"].main == "0.988"


@pytest.mark.parametrize(
    "field", ["parameters", "published_parameters", "size_bytes", "training_s", "ms_per_record_cpu", "int8"]
)
def test_any_value_of_a_model_may_be_missing(arena, field):
    changed = copy.deepcopy(arena)
    for model in changed["models"].values():
        model[field] = None
    text = all_text(changed)
    assert "nan" not in " ".join(text).lower()
    assert "None" not in " ".join(text)
    if field not in ("int8", "published_parameters"):
        assert text.count(DASH) >= len(arena["models"])


def test_models_that_are_not_at_their_published_size_are_named(arena, page):
    assert narrow_models(arena) == [
        "ecg_ramba was trained with 412\u00a0k of 72.8\u00a0M parameters",
        "ecg_mamba2 was trained with 392\u00a0k of 29.3\u00a0M parameters",
    ]
    assert page.count("ecg_ramba was trained with 412\u00a0k of 72.8\u00a0M parameters") == 2
    rows = rows_of(glance_sheet(arena))
    assert rows["ecg_ramba"]["parameters", "of the published"].sub == "of 72.8\u00a0M"
    assert rows["resnet1d"]["parameters", "of the published"].sub == "as published"
    assert rows["chronos_mlp"]["parameters", "of the published"].sub == ""


def test_classes_say_what_cannot_be_estimated_and_which_do_not_count(arena):
    windows, beats = class_sheets(arena, "mitdb")
    row = rows_of(windows)["resnet1d"]
    by_class = {head[0]: cell for head, cell in row.items()}
    assert [by_class[name].sub for name in ("SVTA", "B")] == ["not estimable", "absent"]
    assert by_class["B"].main == DASH
    assert {"633 beats,\u00a040\u00a0subjects"} <= {cell.sub.replace(", ", ",\u00a0") for cell in beats.columns}
    assert "not in the mean: ~" in rows_of(arena_corpus_sheet(arena))["cinc2017"]["classes", ""].main


def test_oracles_and_simulated_signals_are_named(arena, page):
    assert "No oracle is on" in page
    assert "simulate12: simulated signals" in page
    changed = copy.deepcopy(arena)
    changed["oracles"]["rpeaks"] = True
    other = arena_page(changed)
    assert "Oracles on: 1 of 3 (R-peaks)" in other
    assert "No oracle is on" not in other
    assert "R-peaks: annotated" in [tag.text for tag in class_sheets(changed, "mitdb")[0].tags]
    assert not class_sheets(changed, "cinc2017")[0].tags


def test_rows_stand_as_the_file_orders_them(arena):
    changed = {**copy.deepcopy(arena), "order": {"models": ["resnet1d", "unheard_of", "chronos_mlp"]}}
    page = arena_page(changed)
    places = [
        page.index(f'<th scope=row class="text ">{name}<') for name in ("resnet1d", "chronos_mlp", "htf_timeline")
    ]
    assert places == sorted(places)
    assert page != arena_page(arena)


def test_models_scored_on_other_units_are_marked(arena):
    changed = copy.deepcopy(arena)
    changed["scores"]["cinc2017"]["ecg_ramba"]["single"]["support"]["N"] += 1
    assert "on different units" in class_sheets(changed, "cinc2017")[0].tags[-1].text


def test_the_picture_shows_the_numbers_of_the_file(arena):
    panels = arena_panels(arena)
    figure = plot_arena(panels, list(arena["models"]), left_out={"cinc2017": ["htf_window"]})
    drawn = set()
    for axis in figure.axes:
        for line in axis.lines:
            drawn.add((axis.get_title(loc="left"), *(round(float(x), 9) for x in line.get_xdata())))
    expected = set()
    for slug, models in arena["scores"].items():
        for views in models.values():
            for score in views.values():
                expected.add((slug, round(score["macro_f1"], 9)))
                bound = score["interval"].get("macro_f1")
                if bound:
                    expected.add((slug, round(bound["low"], 9), round(bound["high"], 9)))
    assert drawn == expected
    assert [text.get_text() for axis in figure.axes for text in axis.texts] == ["not run"]


def test_scores_of_the_scorer_are_taken_as_they_are(arena):
    one_hot = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]] * 6
    score = diagnosis_scores(one_hot, one_hot, range(24), ["N", "A", "O", "~"], task="single", num_resamples=20, seed=0)
    changed = copy.deepcopy(arena)
    changed["scores"]["cinc2017"]["resnet1d"]["single"] = score
    cell = rows_of(glance_sheet(changed))["resnet1d"]["cinc2017", "single view"]
    assert (cell.main, cell.sub) == ("1.000", "1.000 to 1.000")
    assert "cinc2017: other scores" in arena_page(changed)


def test_an_arena_without_scores_is_a_page_too(arena):
    empty = {**arena, "scores": {}, "models": {}, "corpora": {}}
    assert "There are no scores yet" in arena_page(empty)
    none_run = copy.deepcopy(arena)
    none_run["scores"] = {}
    assert "There are no scores yet" in arena_page(none_run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "ecgfeat.other"}, "schema ecgfeat.other 1"),
        ({"version": 2}, "expected ecgfeat.arena 1"),
        ({"scores": {"ptbxl": {}}}, "scores of ptbxl"),
        ({"scores": {"mitdb": {"unheard_of": {}}}}, "mitdb: scores of unheard_of"),
    ],
)
def test_what_is_no_arena_is_refused(arena, change, message):
    with pytest.raises(DataError, match=message):
        arena_page({**arena, **change})


def test_numbers_are_written_in_three_digits():
    assert [parameters(n).replace("\u00a0", " ") for n in (999, 12_345, 944_969, 999_600, 72_833_596)] == [
        "999",
        "12.3 k",
        "945 k",
        "1 M",
        "72.8 M",
    ]
    assert file_size(3_779_876).replace("\u00a0", " ") == "3.78 MB"
    assert [milliseconds(ms) for ms in (0.456, 12.34, 250.6)] == ["0.46", "12.3", "251"]
