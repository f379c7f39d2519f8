"""The report: complete, self-contained, the same bytes each time, clear about oracles and simulated signals."""

import base64
import dataclasses
import re

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.report import pictures
from ecgfeat.report.drawings import plots
from ecgfeat.report.drawings.dag import direct_edges, draw_dag, order_stages
from ecgfeat.report.drawings.style import rhythm_colour, to_png, to_svg
from ecgfeat.report.page import render_page
from ecgfeat.report.results.choice import Choice, choose_content
from ecgfeat.report.results.inputs import CorpusInfo, Tally, tally_corpus
from ecgfeat.report.results.per_record import collect_records
from ecgfeat.report.results.units import select_units
from ecgfeat.report.tables.sheet import protocol_oracles
from ecgfeat.scoring.calibration import reliability_curve
from tests.fixtures.outline import Outline
from tests.fixtures.report_inputs import EDGES, FS_HZ, RHYTHMS, make_inputs, records_table, whole_inputs


@pytest.fixture(scope="module")
def inputs():
    return whole_inputs()


@pytest.fixture(scope="module")
def page(inputs):
    return render_page(inputs)


def outline(page):
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the pictures empty: a test of words need not wait for them."""
    monkeypatch.setattr(pictures, "to_data_uri", lambda figure: "data:,")


def text_of(page):
    body = re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_same_inputs_same_bytes(page):
    whole_inputs.cache_clear()
    assert render_page(whole_inputs()) == page


def test_page_is_well_formed_light_and_needs_nothing_else(page):
    found = outline(page)
    assert len(page) < 5_000_000
    assert all(link.startswith(("data:", "#")) for link in found.links)
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert len(set(found.ids)) == len(found.ids)
    assert not re.search(r"@import|url\(http|<script", page)


def test_pictures_have_words_and_no_date_or_address(page):
    images = outline(page).images
    assert len(images) > 10
    for image in images:
        assert len(image["alt"]) > 20
        content = base64.b64decode(image["src"].partition("base64,")[2])
        if content.startswith(b"\x89PNG"):  # a ribbon
            assert not re.search(rb"tEXt|iTXt|tIME", content)
            continue
        drawing = content.decode()
        assert "<dc:date>" not in drawing
        assert set(re.findall(r'href="([^"#][^":]*:[^"]{0,20})', drawing)) <= {
            "data:image/png;base64,iVBORw0KGg"
        } or all(link.startswith("data:") for link in re.findall(r'xlink:href="([^"#]+)"', drawing))


def test_every_section_is_there(page):
    sections = ["summary", "outside", "headline", "pipeline", "data", "split", "rpeaks", "beats"]
    sections += ["rhythm", "sensitivity", "calibration", "training", "records", "limits"]
    assert [name for name in outline(page).ids if name in sections] == sections
    assert "not for clinical use" in text_of(page).lower()


def test_headline_numbers_are_those_of_the_metrics(page, inputs):
    text = text_of(page)
    scores = inputs.metrics["rhythm"]["simulate"]["timeline"]["timeline"]["tta7"]
    assert f"Rhythm macro F1, simulate {scores['macro_f1']:.3f}" in text
    beats = inputs.metrics["beats"]["simulate"]["predicted"]
    assert " · ".join(f"{beats[f'{c}_f1']:.3f}" for c in "nsv") in text
    peaks = inputs.metrics["rpeaks"]["simulate"]
    assert f"{100 * peaks['sensitivity']:.2f} / {100 * peaks['positive_predictivity']:.2f}" in text


def test_every_table_of_simulated_signals_has_a_tag(page, undrawn):
    for caption in re.findall(r"<caption>(.*?)</caption>", page, flags=re.DOTALL):
        assert "simulate: simulated signals" in caption
    measured = make_inputs(corpora=[CorpusInfo("simulate", "Real", "1", "measured")])
    assert "simulated signals" not in text_of(render_page(measured))


def test_captions_have_tags_for_the_oracles(page):
    captions = dict(
        re.findall(
            r'<caption><span class="held"><span class="title">(.*?)</span>(.*?)</caption>', page, flags=re.DOTALL
        ),
    )
    assert "episodes: given" in captions["simulate: window, episode protocol, per class"]
    for title, chips in captions.items():
        if ("timeline" in title or "grid" in title) and "episode protocol" not in title:
            assert "episodes: not given" in chips, title
    beats = next(chips for title, chips in captions.items() if title.endswith("preceding beats annotated"))
    assert "history: oracle" in beats
    assert "episodes" not in beats
    assert "No oracle is on" in page


def test_pictures_have_tags_for_the_oracles(page):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, flags=re.DOTALL)
    confusions = [caption for caption in captions if "confusion in" in caption]
    assert [("episodes: given" in c, "episode protocol" in c) for c in confusions].count((True, True)) == 1
    assert all(("episodes: given" in caption) == ("episode protocol" in caption) for caption in confusions)
    assert all("episodes:" in caption for caption in captions if "timeline" in caption and "epoch" not in caption)


def test_oracles_are_those_of_the_protocol_not_of_the_run(undrawn):
    metrics = make_inputs().metrics
    oracles = metrics["oracles_by_protocol"] | {"grid": {"rpeaks": True, "history": False, "episodes": False}}
    page = render_page(make_inputs(metrics=metrics | {"oracles_by_protocol": oracles}))
    captions = dict(re.findall(r'<span class="title">(.*?)</span>(.*?)</caption>', page, flags=re.DOTALL))
    assert "R-peaks: annotated" in captions["simulate, grid protocol: heads side by side"]
    assert "R-peaks: detected" in captions["simulate, timeline protocol: heads side by side"]
    run = {"rpeaks": False, "history": False, "episodes": True}
    without = {name: value for name, value in metrics.items() if name != "oracles_by_protocol"} | {"oracles": run}
    assert protocol_oracles(without, "timeline") == {"rpeaks": False, "history": False, "episodes": False}
    assert protocol_oracles(without, "episode") == run


def test_published_protocol_is_named_only_with_all_oracles_on(undrawn):
    assert "published protocol" not in render_page(make_inputs())
    inputs = make_inputs()
    all_on = {"rpeaks": True, "history": True, "episodes": True}
    by_protocol = {"episode": all_on, "timeline": all_on | {"episodes": False}}
    metrics = inputs.metrics | {"oracles": all_on, "oracles_by_protocol": by_protocol}
    page = render_page(dataclasses.replace(inputs, metrics=metrics, protocol="episode", head="window"))
    assert "published protocol" in page
    assert "Oracles on: 3 of 3" in page
    assert "Oracles on: 2 of 3" in render_page(dataclasses.replace(inputs, metrics=metrics))


def test_choice_goes_by_name_and_takes_the_mean_of_views_where_there_is_one():
    assert choose_content(whole_inputs()) == Choice("timeline", "timeline", "tta7", "predicted", "ecgfeat")
    assert choose_content(make_inputs(head="majority")) == Choice(
        "majority", "timeline", "single", "predicted", "ecgfeat"
    )
    tree = whole_inputs().metrics["rhythm"]["simulate"]
    fewer = {"simulate": {"zeta": tree["window"], "alpha": {"grid": tree["window"]["grid"]}}}
    metrics = whole_inputs().metrics | {"rhythm": fewer}
    chosen, nothing = (choose_content(make_inputs(metrics=of)) for of in (metrics, metrics | {"rhythm": {}}))
    assert (chosen.head, chosen.protocol, chosen.view) == ("alpha", "grid", "tta7")
    assert (nothing.head, nothing.protocol) == (None, None)


def test_records_add_up(page):
    text = text_of(page)
    assert re.search(r"files 3b1f3b1f3b1f 32 30 1 1 30", text)
    assert "paced" in text
    assert "expected 384000" in text


def test_support_and_subjects_stand_beside_every_class(page, inputs):
    views = inputs.metrics["rhythm"]["simulate"]["timeline"]["timeline"]
    scores, text = views["single"], text_of(page)
    for name in RHYTHMS[:5]:
        units = f"{scores['support'][name]:,}".replace(",", " ")
        people = f"{scores['subjects'][name]} subjects?"
        assert re.search(rf"{name} {people} {units} \S+ (h|min|s) {scores['f1'][name]:.3f}", text)
        assert re.search(rf"{name} {units} beats, {people}", text)  # the head of a column: one view, not three
    assert scores["not_estimable"]
    assert "not estimable" in text
    assert "absent" in text


def test_annotations_only_run_has_a_page(undrawn):
    inputs = make_inputs(rpeaks=None, beats=None, read_strip=None, training={}, stages=())
    metrics = inputs.metrics | {"rpeaks": {}, "beats": {}}
    text = text_of(render_page(dataclasses.replace(inputs, metrics=metrics)))
    assert "No R-peaks were detected" in text
    assert "No beats were classified" in text


def test_empty_run_has_a_page(undrawn):
    metrics = {
        "rpeaks": {},
        "beats": {},
        "rhythm": {},
        "oracles": dict.fromkeys(("rpeaks", "history", "episodes"), False),
    }
    inputs = make_inputs(metrics=metrics, rpeaks=None, beats=None, rhythm=None, tallies=(), training={})
    assert "There are no scores yet" in render_page(inputs)


def test_text_from_outside_is_escaped(undrawn):
    records = records_table(8)
    records["reason"][-1] = "<script>alert(1)</script>"
    page = render_page(make_inputs(records={"simulate": records}, stages=[("<b>", "report")]))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page


def test_a_shared_subject_stops_the_report(undrawn):
    records = records_table(8)
    records["subject"][0] = records["subject"][20]
    with pytest.raises(DataError, match=r"subject s20 is in train and in test"):
        render_page(make_inputs(records={"simulate": records}))


def test_the_worst_records_come_first(page, inputs):
    units = select_units(inputs.rhythm, "timeline", "timeline", "tta7", FS_HZ)
    results = collect_records(inputs.rpeaks, inputs.beats, units, detector="ecgfeat", history="predicted")
    accuracy = [result.accuracy for result in results]
    assert accuracy == sorted(accuracy)
    worst, table = results[0], inputs.rhythm
    rows = (table["record"] == worst.record) & (table["head"] == "timeline") & (table["protocol"] == "timeline")
    rows &= table["view"] == "tta7"
    assert worst.accuracy == pytest.approx((table["predicted"] == table["reference"])[rows].mean())
    assert worst.called_af_share == pytest.approx((table["predicted"] == "AFIB")[rows].mean())
    assert worst.af_share == pytest.approx((table["reference"] == "AFIB")[rows].mean())
    shown = re.search(r"worst records.*?</table>", page, flags=re.DOTALL)
    assert re.search(r'<th scope=row class="[^"]*">(?:<a [^>]*>)?(\d+)', shown[0])[1] == worst.record


def test_a_worst_record_is_one_of_the_test_records(undrawn):
    rpeaks = dict(whole_inputs().rpeaks)
    rpeaks["record"] = [f"{300 + int(record)}" for record in rpeaks["record"]]
    page = render_page(make_inputs(rpeaks=rpeaks, num_worst=8))
    worst, everyone = (re.search(rf"{title}.*?</table>", page, re.DOTALL)[0] for title in ("8 worst", "All records"))
    assert ">500<" not in worst
    assert ">500<" in everyone


def test_tally_counts_used_records_at_their_own_rate():
    records = {
        "record": ["a", "b", "c"],
        "subject": ["x", "x", "y"],
        "fs_hz": [100.0, 200.0, 100.0],
        "split": ["test", "test", "test"],
        "status": ["used", "used", "excluded"],
    }
    beats = {"record": ["a", "a", "b", "c"], "aami": ["N", "", "N", "V"]}
    episodes = {
        "record": ["a", "b", "c"],
        "start_sample": np.array([0, 0, 0]),
        "stop_sample": np.array([1000, 1000, 1000]),
        "rhythm": ["NSR", "NSR", "AFIB"],
    }
    assert tally_corpus("demo", records, beats, episodes) == [
        Tally("demo", "test", "beat", "N", 2, 1, 0.0),
        Tally("demo", "test", "rhythm", "NSR", 2, 1, 15.0),
    ]


def test_stages_are_drawn_in_order_with_all_edges():
    stages = order_stages(EDGES)
    assert all(stages.index(a) < stages.index(b) for a, b in EDGES)
    drawing = draw_dag(EDGES)
    drawn = direct_edges(EDGES)
    assert drawing.count('class="edge') == len(drawn) < len(EDGES)
    assert ("acquire", "annotate") in drawn
    assert ("windows", "embed") not in drawn  # windows are read by train_htf, whose model embed reads
    assert "windows to embed" in drawing
    assert all(f">{stage}</text>" in drawing for stage in stages)
    assert draw_dag([]) == ""
    with pytest.raises(ValueError, match="wait for each other"):
        draw_dag([("a", "b"), ("b", "a")])


def test_every_figure_is_drawn_with_the_same_bytes_twice():
    def draw():
        matrix = np.arange(9.0).reshape(3, 3)
        curve = reliability_curve(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
        return [
            plots.plot_confusion({"hours": matrix}, RHYTHMS[:3]),
            plots.plot_f1({"one": {"f1": {"NSR": 0.5}}}, RHYTHMS),
            plots.plot_reliability({"one": curve, "two": curve}),
            plots.plot_training([{"epoch": 0, "train_loss": 1.0}]),
            plots.plot_training([]),
            plots.plot_records(["a", "b"], {"Se": [0.9, float("nan")]}),
        ]

    for first, second in zip(draw(), draw(), strict=True):
        assert to_svg(first) == to_svg(second)
        assert to_png(first, dpi=40) == to_png(second, dpi=40)


def test_rhythms_have_colours_of_their_own():
    assert len({rhythm_colour(name) for name in (*RHYTHMS, "VT", "T", "IVR", "", "unheard of")}) == 11


def test_annotated_rpeaks_are_no_result(inputs, undrawn):
    metrics = inputs.metrics | {"oracles": inputs.metrics["oracles"] | {"rpeaks": True}}
    annotated, detected = (render_page(make_inputs(metrics=of)) for of in (metrics, inputs.metrics))
    assert "<dt>R-peaks" in detected
    assert "<dt>R-peaks" not in annotated
    assert detected.count("R-peaks of each record") > annotated.count("R-peaks of each record") == 0


def test_annotations_alone_are_not_called_simulated_signals(undrawn):
    for signals, is_simulated in (("none", False), ("rendered", True)):
        page = render_page(make_inputs(corpora=[CorpusInfo("simulate", "Demo", "1", signals)]))
        assert ("Scores on simulated signals" in page) == is_simulated
        assert ("Scores from annotated beats" in page) != is_simulated
