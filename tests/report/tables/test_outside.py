"""The outside evaluation comes first, says whose records they are, and holds the numbers of its file."""

import copy
import re

import pytest

from ecgfeat.report import pictures
from ecgfeat.report.page import render_page
from ecgfeat.report.tables.outside import CHOSEN_BY, INSIDE, OUTSIDE, outside_cards, outside_sheets
from ecgfeat.report.tables.sheet import DASH, whole
from ecgfeat.store.schemas import RHYTHMS
from tests.fixtures.outline import Outline
from tests.fixtures.outside_inputs import make_outside
from tests.fixtures.report_inputs import make_inputs

CAPTIONS = [
    "AF per record, by score",
    "AF per record, by the default rule",
    "Beat classes",
    "Rhythms",
    "False alarms, certainty and usable time",
]


@pytest.fixture
def outside():
    return copy.deepcopy(make_outside())


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the pictures empty: a test of words need not wait for them."""
    monkeypatch.setattr(pictures, "to_data_uri", lambda figure: "data:,")


def sheet_of(outside, caption):
    (found,) = [sheet for sheet in outside_sheets(outside) if sheet.caption == caption]
    assert found.rows
    assert all(len(row) == len(found.columns) for row in found.rows)
    return found


def rows_of(sheet):
    """Return the rows by their texts."""
    return {tuple(cell.main for cell in row[: sheet.num_text]): row for row in sheet.rows}


def written(of, name, scale=1, digits=3):
    """Return a score and its flat bounds as the page writes them."""
    value, low, high = (of[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{scale * value:.{digits}f}", f"{scale * low:.{digits}f} to {scale * high:.{digits}f}"


def test_the_outside_evaluation_comes_first_on_a_page_that_is_whole(outside, undrawn):
    page = render_page(make_inputs(outside=outside))
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections[:2] == ["outside", "headline"]
    assert re.findall(r'<a href="#(\w+)">', page)[:2] == ["summary", "outside"]
    assert re.findall(r"<dt>(.*?)</dt>", page)[0] == "AF per record, ptbxl"
    titles = re.findall(r'<caption><span class="held"><span class="title">(.*?)</span>', page)
    assert titles[: len(CAPTIONS)] == CAPTIONS
    assert "Took no part in training: ptbxl." in page
    assert "<code>reports/outside/*.parquet</code>" in page


def test_a_run_without_it_says_so_in_a_sentence_and_how_to_get_it(undrawn):
    page = render_page(make_inputs())
    section = page.partition('<section id="outside">')[2].partition("</section>")[0]
    assert section.count("<p>") == 1
    assert "no outside evaluation" in section
    assert "dvc repro outside" in section
    assert "reports/outside" not in page
    assert outside_cards({}) == outside_sheets({}) == []


def test_cards_hold_the_numbers_of_the_file_and_say_whose_records_they_are(outside):
    cards = outside_cards(outside)
    assert [card.label for card in cards] == [
        "AF per record, ptbxl",
        "Called ectopic in normal records, ptbxl",
        "Rhythm, ptbxl",
        "AF per record, mitdb",
        "Beat F1, mitdb",
        "Rhythm, mitdb",
        "Beat F1, qtdb",
    ]
    for card in cards:
        assert card.detail.endswith(f"; {OUTSIDE if card.label.endswith('ptbxl') else INSIDE}")
    by_label = {card.label: card for card in cards}
    af = outside["records"]["ptbxl"]["af"]
    assert by_label["AF per record, ptbxl"].value == f"{af['both']['auroc']:.3f} · {af['rr_irregular']['auroc']:.3f}"
    assert written(af["both"], "auroc")[1] in by_label["AF per record, ptbxl"].detail
    share = outside["records"]["ptbxl"]["normal"]["share_ectopic"]
    assert by_label["Called ectopic in normal records, ptbxl"].value == f"{100 * share:.2f}\u00a0%"
    beats = outside["beats"]["mitdb"]
    assert by_label["Beat F1, mitdb"].value == " · ".join(f"{beats[f'{c}_f1']:.3f}" for c in "nsv")
    rhythm = outside["rhythm"]["ptbxl"]["both"]
    assert rhythm["viterbi"]["macro_f1"] != rhythm["single"]["macro_f1"]
    value = f"{rhythm['viterbi']['macro_f1']:.3f} · {rhythm['viterbi']['f1']['AFIB']:.3f}"
    assert by_label["Rhythm, ptbxl"].value == value


def test_af_is_ranked_by_the_chain_and_by_the_plainest_baselines(outside):
    sheet = sheet_of(outside, "AF per record, by score")
    assert [tag.text for tag in sheet.tags] == ["ptbxl: simulated signals"]
    rows = rows_of(sheet)
    assert [key[1] for key in rows] == ["whole chain", "RR trees", "RR irregularity"] * 2
    of = outside["records"]["ptbxl"]
    for name, words in (("both", "whole chain"), ("rr_trees", "RR trees"), ("rr_irregular", "RR irregularity")):
        row = rows["ptbxl", words]
        assert [cell.main for cell in row[2:4]] == [str(of["af_rule"][key]) for key in ("num_af", "num_free")]
        scores = ("auroc", "auprc", "auroc_normal", "auprc_normal")
        assert [(cell.main, cell.sub) for cell in row[4:]] == [written(of["af"][name], score) for score in scores]
    # No record of mitdb is labelled normal: there is nothing to compare with.
    assert rows["mitdb", "whole chain"][6].main == DASH
    assert [row[0].sub for row in sheet.rows] == [OUTSIDE, "", "", INSIDE, "", ""]


def test_the_rule_is_scored_by_rate_and_noise_and_small_groups_are_marked(outside):
    rule = outside["records"]["ptbxl"]["af_rule"]
    rule["rate_below_60"] |= {"num_af": 4, "num_free": 9}
    rule["noisy"] |= {"num_af": 0, "num_free": 0}
    rows = rows_of(sheet_of(outside, "AF per record, by the default rule"))
    names = ("sensitivity", "specificity", "positive_predictivity", "f1")
    row = rows["ptbxl", "all records"]
    assert [(cell.main, cell.sub) for cell in row[4:]] == [written(rule, name) for name in names]
    row = rows["ptbxl", "below 60/min"]
    assert [cell.sub == "not estimable" for cell in row[4:]] == [True, False, True, True]
    assert row[5].main == f"{rule['rate_below_60']['specificity']:.3f}"
    groups = [key[1] for key in rows if key[0] == "ptbxl"]
    assert groups == ["all records", "below 60/min", "60 to 100/min", "from 100/min", "at most 10% unusable"]


def test_beats_are_scored_with_and_without_the_heavy_record(outside):
    rows = rows_of(sheet_of(outside, "Beat classes"))
    corpora = list(dict.fromkeys(key[0] for key in rows))
    assert corpora == ["mitdb", "mitdb without 232", "qtdb"]
    for corpus, of in (
        ("mitdb", outside["beats"]["mitdb"]),
        ("mitdb without 232", outside["without"]["beats"]["mitdb"]),
    ):
        for name in "NSV":
            row = rows[corpus, name]
            assert row[2].main == whole(of[f"{name.lower()}_support"])
            for cell, score in zip(row[3:6], ("f1", "sensitivity", "positive_predictivity"), strict=True):
                key = f"{name.lower()}_{score}"
                bound = of["interval"][key]
                assert (cell.main, cell.sub) == (f"{of[key]:.3f}", f"{bound['low']:.3f} to {bound['high']:.3f}")
            assert row[6].main == (f"{of['mean_s_f1']:.3f}" if name == "S" else "")
    assert rows["mitdb", "S"][3].main != rows["mitdb without 232", "S"][3].main
    assert [cell.sub for cell in rows["qtdb", "S"][3:6]] == ["not estimable"] * 3  # three subjects


def test_rhythms_are_those_named_to_a_user_and_annotations_alone_say_what_is_given(outside):
    rows = rows_of(sheet_of(outside, "Rhythms"))
    words = [key[1] for key in rows if key[0] == "ltafdb"]
    assert words == [
        "labels drawn from the classifier's confusion",
        "labels hidden: S by how early a beat comes, V not known",
        "reference labels: an oracle that contains the answer",
    ]
    assert ("mitdb without 232", "as named to a user") in rows
    row, of = rows["ptbxl", "as named to a user"], outside["rhythm"]["ptbxl"]["both"]["viterbi"]
    bound = of["interval"]["macro_f1"]
    assert (row[2].main, row[2].sub) == (f"{of['macro_f1']:.3f}", f"{bound['low']:.3f} to {bound['high']:.3f}")
    assert row[3].main == f"{of['accuracy']:.3f}"
    for cell, name in zip(row[4:10], RHYTHMS, strict=True):
        assert cell.main == (f"{of['f1'][name]:.3f}" if of["subjects"][name] else DASH), name
    for cell, key in zip(row[10:12], ("duration_sensitivity", "duration_positive_predictivity"), strict=True):
        bound = of["af"]["interval"][key]
        assert (cell.main, cell.sub) == (f"{of['af'][key]:.3f}", f"{bound['low']:.3f} to {bound['high']:.3f}")
    assert of["not_classified"] > 0.05
    assert row[12].main == f"{100 * of['not_classified']:.2f}"
    assert rows["ptbxl", "most probable rhythm"][12].main == "0.00"
    assert [tag.text for tag in sheet_of(outside, "Rhythms").tags] == [
        "ptbxl: simulated signals",
        "ltafdb: annotations only, no signals",
    ]


def test_false_alarms_certainty_and_usable_time_are_per_corpus(outside):
    rows = rows_of(sheet_of(outside, "False alarms, certainty and usable time"))
    row, of = rows["ptbxl",], outside["records"]["ptbxl"]
    assert row[2].main == f"{100 * of['usable_share']:.2f}"
    assert (row[3].main, row[3].sub) == written(of["free_of_af"], "share_called_af", 100, 2)
    expected = [written(of["normal"], f"share_{kind}", 100, 2) for kind in ("s", "v", "ectopic")]
    assert [(cell.main, cell.sub) for cell in row[6:9]] == expected
    keys = ("accuracy", "mean_certainty", "ece")
    assert [cell.main for cell in row[10:]] == [f"{of['certainty'][key]:.3f}" for key in keys]
    assert [cell.main for cell in rows["mitdb",][4:9]] == [DASH] * 5


def test_missing_numbers_are_dashes(outside):
    def clear(node):
        for key, value in node.items():
            if isinstance(value, dict):
                clear(value)
            elif isinstance(value, float):
                node[key] = None

    for part in ("records", "beats", "rhythm", "without"):
        clear(outside[part])
    texts = [cell.main + cell.sub for sheet in outside_sheets(outside) for row in sheet.rows for cell in row]
    texts += [card.value + card.detail for card in outside_cards(outside)]
    assert not [text for text in texts if "nan" in text.lower() or "None" in text]
    assert sum(DASH in text for text in texts) > 100
    del outside["without"], outside["signals"]
    assert [sheet.caption for sheet in outside_sheets(outside)] == CAPTIONS


def test_records_to_choose_by_are_not_called_test_records(outside, undrawn):
    outside |= {"split": "validation", "outside": []}
    assert all(CHOSEN_BY in [tag.text for tag in sheet.tags] for sheet in outside_sheets(outside))
    assert all(card.detail.endswith(CHOSEN_BY) for card in outside_cards(outside))
    page = render_page(make_inputs(outside=outside))
    assert "Every corpus of this run took part in training." in page
    assert INSIDE not in page


def test_a_corpus_without_labels_of_a_kind_has_no_table_of_it(outside):
    less = outside | {"records": {}, "beats": {}, "without": {}}
    assert [sheet.caption for sheet in outside_sheets(less)] == ["Rhythms"]
    assert {card.label for card in outside_cards(less)} == {"Rhythm, ptbxl", "Rhythm, mitdb"}
    assert outside_sheets(less | {"rhythm": {}}) == []
