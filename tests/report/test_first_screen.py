"""The first screen: three numbers with their baselines, every record, two strips, and words that explain themselves."""

import dataclasses
import re
from pathlib import Path

import pytest

from ecgfeat.report import pictures
from ecgfeat.report.page import SECTIONS, render_page
from ecgfeat.report.results.choice import choose_chain, choose_content
from ecgfeat.report.results.inputs import Term
from ecgfeat.report.templates import add_tips, parse_glossary
from ecgfeat.report.three_numbers import Headline, three_numbers
from pipeline.read.report import read_glossary
from tests.fixtures.outline import Outline
from tests.fixtures.outside_inputs import make_outside
from tests.fixtures.report_inputs import make_inputs, read_strip, read_tachogram, whole_inputs

ROOT = Path(__file__).parents[2]
PREPOSITIONS = {"at", "by", "for", "from", "in", "of", "on", "over", "to", "with"}
ADJECTIVES = {"ectopic", "highest", "longest", "lowest", "mean", "usable"}


def numbers_of(inputs):
    return three_numbers(inputs, choose_chain(inputs, choose_content(inputs)))


def with_baselines(inputs, **macro_f1):
    """Add scored baselines to a run."""
    tree = inputs.metrics["rhythm"]["simulate"]
    of = tree["majority"]["timeline"]["single"]
    added = {name: {"timeline": {"single": of | {"macro_f1": value}}} for name, value in macro_f1.items()}
    return dataclasses.replace(inputs, metrics=inputs.metrics | {"rhythm": {"simulate": tree | added}})


def test_the_numbers_are_those_of_the_tables_beside_the_best_plain_baseline():
    outside = make_outside()
    inputs = with_baselines(make_inputs(outside=outside), rr_logistic=0.31, rr_rules=0.29)
    af, rhythm, beats = numbers_of(inputs)
    of = outside["records"]["ptbxl"]["af"]
    assert (af.value, af.low, af.high) == tuple(of["both"][key] for key in ("auroc", "auroc_low", "auroc_high"))
    assert af.baseline == max(of["rr_trees"]["auroc"], of["rr_irregular"]["auroc"])
    assert af.baseline_name == ("RR trees" if af.baseline == of["rr_trees"]["auroc"] else "RR irregularity")
    assert "ptbxl: took no part in training" in af.remarks[0]
    assert af.remarks[-1] == "Given: the signal alone"
    assert [tag.text for tag in af.tags] == ["simulated signals"]
    tree = inputs.metrics["rhythm"]["simulate"]
    own = tree["timeline"]["timeline"]["tta7"]
    assert (rhythm.value, rhythm.baseline) == (own["macro_f1"], 0.31)
    assert rhythm.baseline_name == "logistic regression on RR intervals"
    assert {"low": rhythm.low, "high": rhythm.high} == own["interval"]["macro_f1"]
    assert beats.value == outside["beats"]["mitdb"]["v_f1"]
    assert f"F1 of S, the other ectopic beats: {outside['beats']['mitdb']['s_f1']:.3f}" in beats.remarks[0]
    assert beats.baseline is None
    assert "No plain baseline of beats was scored" in beats.missing


def test_without_an_outside_evaluation_the_numbers_are_of_the_test_records_or_missing_with_the_reason():
    inputs = make_inputs()
    af, rhythm, beats = numbers_of(inputs)
    assert (af.value, af.missing) == (None, "Not scored: this run has no outside evaluation.")
    assert beats.value == inputs.metrics["beats"]["simulate"]["predicted"]["v_f1"]
    assert rhythm.baseline_name == "the most frequent rhythm for every beat"
    bare = dataclasses.replace(inputs, metrics=inputs.metrics | {"rhythm": {}, "beats": {}})
    assert [of.value for of in numbers_of(bare)] == [None] * 3
    assert all(of.missing.startswith("Not scored: ") for of in numbers_of(bare))


def test_what_the_models_were_given_is_stated():
    inputs = make_inputs()
    metrics = inputs.metrics | {"oracles": inputs.metrics["oracles"] | {"rpeaks": True}}
    by_protocol = {"timeline": {"rpeaks": True, "history": True, "episodes": False}}
    _, rhythm, beats = numbers_of(dataclasses.replace(inputs, metrics=metrics | {"oracles_by_protocol": by_protocol}))
    assert rhythm.remarks[-1] == "Given: the signal and, as an oracle, R-peaks, history"
    assert beats.remarks[-1] == "Given: the signal and, as an oracle, R-peaks"
    corpora = [dataclasses.replace(inputs.corpora[0], signals="none")]
    _, rhythm, _ = numbers_of(dataclasses.replace(inputs, metrics=metrics, corpora=corpora))
    assert rhythm.remarks[-1] == "Given: annotated beats without a signal"


@pytest.mark.parametrize(
    ("value", "low", "high", "baseline", "words"),
    [
        (0.9, 0.8, 0.95, 0.7, "Ahead by 0.200; the baseline lies below the interval."),
        (0.9, 0.8, 0.95, 0.92, "Behind by 0.020; the baseline lies inside the interval: no clear difference."),
        (0.9, 0.8, 0.95, 0.97, "Behind by 0.070; the baseline lies above the interval."),
        (0.9, None, None, 0.97, "Behind by 0.070; too few subjects to say more."),
        (0.9, None, None, 0.9, "No difference; too few subjects to say more."),
        (0.9, 0.8, 0.95, None, ""),
    ],
)
def test_a_baseline_that_is_better_is_called_better(value, low, high, baseline, words):
    assert Headline("q", "s", value, low, high, baseline).verdict == words


def test_the_records_show_the_head_that_a_user_is_given():
    inputs = whole_inputs()
    assert choose_chain(inputs, choose_content(inputs)) == choose_content(inputs)
    outside = {"rhythm": {"ltafdb": {"labels_hidden": {"viterbi": {}}}, "mitdb": {"window": {"single": {}}}}}
    chain = choose_chain(dataclasses.replace(inputs, outside=outside), choose_content(inputs))
    assert (chain.head, chain.protocol, chain.view) == ("window", "timeline", "tta7")


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr(pictures, "to_data_uri", lambda figure: "data:,")


def summary_of(page):
    return page.partition('<section id="summary"')[2].partition("</section>")[0]


def test_the_first_screen_has_three_numbers_every_record_and_two_strips(undrawn):
    inputs = make_inputs(read_strip=read_strip)
    page = render_page(inputs)
    first = summary_of(page)
    assert page.index('<section id="summary"') < page.index('<section id="outside"')
    assert first.count('class="number') == 3
    assert sorted(re.findall(r'class="record"[^>]*>(\d+)<', first)) == [f"{200 + k}" for k in range(8)]
    assert first.count("<figure") == 3
    assert "Named right" in first
    assert "Named wrong" in first
    without = render_page(make_inputs())
    assert "neither a signal nor R-peaks" in summary_of(without)
    assert summary_of(render_page(make_inputs(read_tachogram=read_tachogram))).count("<figure") == 3


def test_every_worst_record_leads_to_its_strip(undrawn):
    page = render_page(make_inputs(read_strip=read_strip, num_worst=8))
    parser = Outline()
    parser.feed(page)
    worst = re.search(r"8 worst records.*?</table>", page, flags=re.DOTALL)[0]
    links = dict(re.findall(r'<th scope=row class="[^"]*"><a href="#([^"]+)">(\d+)</a>', worst))
    assert len(links) == 8
    for name, record in links.items():
        figure = re.search(rf'<figure class="wide" id="{name}">.*?</figure>', page, flags=re.DOTALL)[0]
        assert f"simulate/{record} from" in figure
    assert {link[1:] for link in parser.links if link.startswith("#")} <= set(parser.ids)


def test_the_bar_leads_to_every_section_and_marks_the_one_that_is_read(undrawn):
    page = render_page(make_inputs())
    bar = re.search(r"<nav.*?</nav>", page, flags=re.DOTALL)[0]
    names = re.findall(r'href="#([^"]+)"', bar)
    assert names == [name for name in SECTIONS if name != "diagnoses"]
    for name in names:
        assert f'<section id="{name}"' in page
        assert f"#{name} {{ view-timeline: --{name} " in page
        assert f'nav a[href="#{name}"] {{ animation: here linear; animation-timeline: --{name}; }}' in page


GLOSSARY = """# Glossary

## Abbreviations

| short | long |
|---|---|
| AF, AFIB | atrial fibrillation |
| AUROC | area under a curve; 0.5 is "chance" |
| T | trigeminy |

## Models

| word | meaning |
|---|---|
| head | a small network, in `code` |
| record | one recording |
"""


def test_a_glossary_is_read_from_its_page():
    assert parse_glossary(GLOSSARY)[:2] == [
        Term(("AF", "AFIB"), "atrial fibrillation", True),
        Term(("AUROC",), 'area under a curve; 0.5 is "chance"', True),
    ]
    assert parse_glossary(GLOSSARY)[-2] == Term(("head",), "a small network, in code", False)
    terms = read_glossary()
    assert {"AFIB", "macro F1", "oracle"} <= {spelling for term in terms for spelling in term.spellings}
    lines = (ROOT / "docs/glossary.md").read_text().splitlines()
    # Two lines of each table are its head.
    assert len(terms) == sum(line.startswith("|") for line in lines) - 2 * lines.count("|---|---|")


def test_words_explain_themselves_once_in_a_section_or_on_the_page():
    terms = parse_glossary(GLOSSARY)
    page = (
        "<!doctype html><body><section><h2>AUROC</h2><p>AUROC, AF and AFIB-free; a T wave, T. Heads &amp; AUROC.</p>"
        '<details><summary>AF</summary><p title="AF">AFIB</p></details><code>AF</code></section>'
        "<section><p>Head of AUROC, one record</p></section></body>"
    )
    tipped = add_tips(page, terms)
    shown = re.findall(r'popovertarget="(tip-\d)" title="([^"]*)">([^<]+)</button>', tipped)
    assert shown == [
        ("tip-1", "area under a curve; 0.5 is &quot;chance&quot;", "AUROC"),
        ("tip-0", "atrial fibrillation", "AF"),
        ("tip-2", "trigeminy", "T"),
        ("tip-3", "a small network, in code", "Heads"),
        ("tip-1", "area under a curve; 0.5 is &quot;chance&quot;", "AUROC"),
    ]
    assert re.sub(r"<button[^>]*>|</button>|<div popover.*?</div>\n", "", tipped) == page
    assert sorted(re.findall(r'<div popover class="tip" id="(tip-\d)">', tipped)) == [f"tip-{k}" for k in range(4)]
    assert add_tips(page, []) == page


def test_a_spelling_of_the_glossary_is_a_whole_word():
    spellings = [spelling for term in read_glossary() for spelling in term.spellings]
    assert [spelling for spelling in spellings if spelling.split()[-1] in PREPOSITIONS] == []
    # A lone adjective would open the meaning of something else: the highest probability is no heart rate.
    assert ADJECTIVES.intersection(spellings) == set()
    tipped = add_tips("<body><p>The highest probability overlaps an episode of AFIB.</p></body>", read_glossary())
    assert re.findall(r">([^<]+)</button>", tipped) == ["episode", "AFIB"]


def test_the_page_explains_its_words(undrawn):
    page = render_page(make_inputs(glossary=read_glossary()))
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    assert set(re.findall(r'popovertarget="([^"]+)"', page)) == set(
        re.findall(r'popover class="tip" id="([^"]+)"', page)
    )
    assert 'title="harmonic mean of sensitivity and positive predictivity">F1</button>' in summary_of(page)
    assert len(set(parser.ids)) == len(parser.ids)
