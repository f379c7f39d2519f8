"""The report: complete, self-contained, the same bytes each time, honest about oracles and made signals."""

import base64
import dataclasses
import functools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.report import plots
from ecgfeat.report.dag import draw_dag, order_stages
from ecgfeat.report.page import CorpusInfo, ReportInputs, Tally, render_page, tally_corpus
from ecgfeat.report.per_record import collect_records, rhythm_ribbons
from ecgfeat.report.strip import Strip
from ecgfeat.report.style import rhythm_colour, to_png, to_svg
from ecgfeat.scoring.calibration import reliability_curve
from ecgfeat.scoring.summary import summarise

FS_HZ = 128
RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
EDGES = [
    *[("acquire", "annotate"), ("acquire", "signals"), ("annotate", "rpeaks"), ("signals", "rpeaks")],
    *[("signals", "windows"), ("rpeaks", "windows"), ("windows", "train_htf"), ("windows", "embed")],
    *[("train_htf", "embed"), ("embed", "train_rhythm"), ("annotate", "train_rhythm")],
    *[("train_htf", "evaluate"), ("embed", "evaluate"), ("train_rhythm", "evaluate"), ("evaluate", "report")],
]
NOTES = {
    "acquire": "mirror, PhysioNet or simulator",
    "annotate": "reference beats and episodes",
    "signals": "128 Hz, microvolts",
    "rpeaks": "detected and matched",
    "windows": "2 × 256 samples a beat",
    "train_htf": "beat embedder",
    "embed": "512 features a beat",
    "train_rhythm": "rhythm heads",
    "evaluate": "predictions and scores",
    "report": "this page",
}


def timeline(num_records, rng):
    """Draw records that change their rhythm every few minutes, and predictions that are mostly right."""
    columns = {name: [] for name in ("subject", "record", "start_sample", "stop_sample", "reference")}
    chance = []
    for record in range(num_records):
        for episode in range(12):
            rhythm = rng.choice(RHYTHMS[:5], p=[0.4, 0.27, 0.17, 0.13, 0.03])
            start = episode * 25
            for unit in range(25):
                columns["subject"].append(f"s{record:02d}")
                columns["record"].append(f"{200 + record}")
                columns["start_sample"].append((start + unit) * 1280)
                columns["stop_sample"].append((start + unit + 1) * 1280)
                columns["reference"].append(str(rhythm))
                draw = rng.dirichlet(np.full(6, 0.6))
                draw[RHYTHMS.index(rhythm)] += rng.gamma(1.6 if record % 4 else 0.5)
                chance.append(draw / draw.sum())
    return columns, np.array(chance)


def rhythm_table(num_records, rng):
    parts = []
    for head, protocol, views in (
        ("dense", "timeline", ("single",)),
        ("majority", "timeline", ("single",)),
        ("rhythm_window", "timeline", ("single", "tta7")),
        ("rhythm_window", "episode", ("single", "tta7", "view0")),
    ):
        columns, chance = timeline(num_records, np.random.default_rng(5))
        for view in views:
            noise = rng.dirichlet(np.ones(6), len(chance))
            mixed = (3 if view == "tta7" else 1.5) * chance + noise
            if head == "majority":
                mixed = np.tile(np.eye(6)[0], (len(chance), 1))
            mixed /= mixed.sum(axis=1, keepdims=True)
            size = len(chance)
            part = {"corpus": ["simulate"] * size, "protocol": [protocol] * size, "head": [head] * size}
            part |= {"view": [view] * size, **columns, **{f"p_{c}": mixed[:, k] for k, c in enumerate(RHYTHMS)}}
            parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def beats_table(num_records, rng):
    parts = []
    for history, sharp in (("none", 1.0), ("oracle", 3.0), ("predicted", 2.0)):
        size = 200 * num_records
        reference = rng.choice(list("NSVFQ"), size, p=[0.8, 0.09, 0.09, 0.01, 0.01])
        chance = rng.dirichlet(np.ones(3), size)
        for k, name in enumerate("NSV"):
            chance[reference == name, k] += sharp * rng.random((reference == name).sum())
        chance /= chance.sum(axis=1, keepdims=True)
        of = np.arange(size) // 200
        part = {
            "corpus": ["simulate"] * size,
            "subject": [f"s{i:02d}" for i in of],
            "record": [f"{200 + i}" for i in of],
        }
        part |= {"split": ["test"] * size, "history": [history] * size, "sample": np.arange(size) % 200 * 100}
        parts.append(part | {"reference": reference} | {f"p_{c}": chance[:, k] for k, c in enumerate("NSV")})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rpeaks_table(num_records, rng):
    rows = [(d, r) for d in ("ecgfeat", "neurokit", "xqrs") for r in range(num_records)]
    table = {
        "corpus": ["simulate"] * len(rows),
        "subject": [f"s{r:02d}" for _, r in rows],
        "record": [f"{200 + r}" for _, r in rows],
        "detector": [d for d, _ in rows],
        "offset_ms": rng.normal(2, 1, len(rows)),
    }
    for suffix, size in (("", 3000), ("_after_5min", 2500)):
        table[f"true_positives{suffix}"] = rng.integers(size // 2, size, len(rows))
        table[f"false_negatives{suffix}"] = rng.integers(0, 12, len(rows))
        table[f"false_positives{suffix}"] = rng.integers(0, 12, len(rows))
    return table


def records_table(num_records):
    size = 4 * num_records
    status = np.full(size, "used", dtype=object)
    status[-2:] = "excluded", "failed"
    reason = np.full(size, "", dtype=object)
    reason[-2:] = "paced", "200.dat: 12 samples; expected 384000"
    split = np.array(["test"] * num_records + ["validation"] * num_records + ["train"] * (2 * num_records))
    return {
        "record": [f"{200 + i}" for i in range(size)],
        "subject": [f"s{i:02d}" for i in range(size)],
        "fs_hz": np.full(size, 128.0),
        "num_samples": np.full(size, 300 * 1280),
        "split": split,
        "status": status,
        "reason": reason,
    }


def read_strip(corpus, record, start_s, stop_s):
    """Draw something like an ECG, for the eye."""
    at = np.arange(round((stop_s - start_s) * FS_HZ)) / FS_HZ
    rng = np.random.default_rng(int(record))
    peaks = np.cumsum(rng.normal(0.8, 0.12, 11)) - 0.3
    wave = rng.normal(0, 0.015, (len(at), 2))
    for lead, gain in enumerate((1.0, -0.6)):
        for peak in peaks:
            for delay, height, width in ((-0.17, 0.12, 0.03), (0, 1.1, 0.012), (0.03, -0.25, 0.012), (0.26, 0.3, 0.06)):
                wave[:, lead] += gain * height * np.exp(-0.5 * ((at - peak - delay) / width) ** 2)
    label = ["V" if k % 7 == 3 else "N" for k in range(len(peaks))]
    called = ["N" if k == 10 else label[k] for k in range(len(peaks))]
    title = f"{corpus}/{record}"
    signal = wave.astype(np.float32)
    return Strip(
        title, signal, FS_HZ, ("ECG1", "ECG2"), start_s, peaks + start_s, label, called, note="drawn for a test"
    )


@functools.cache
def whole_inputs(num_records=8):
    rng = np.random.default_rng(1)
    rpeaks, beats, rhythm = (
        rpeaks_table(num_records, rng),
        beats_table(num_records, rng),
        rhythm_table(num_records, rng),
    )
    oracles = {"rpeaks": False, "history": False, "episodes": False}
    metrics = summarise(
        rpeaks=rpeaks,
        beats=beats,
        rhythm=rhythm,
        oracles=oracles,
        fs_hz=FS_HZ,
        seed=1,
        detector="ecgfeat",
        num_resamples=200,
    )
    sizes = {"train": 4, "validation": 1, "test": 1}
    tallies = [
        Tally("simulate", split, "beat", label, share * size, 8 * size)
        for split, size in sizes.items()
        for label, share in (("N", 9120), ("S", 610), ("V", 540), ("F", 12))
    ]
    tallies += [
        Tally("simulate", split, "rhythm", label, 9 * size, 5 * size, 4000.0 * share * size)
        for split, size in sizes.items()
        for label, share in (("NSR", 5), ("AFIB", 3), ("SBR", 2), ("AB", 1), ("SVTA", 1))
    ]
    epochs = [
        {"epoch": e, "train_loss": 1.6 * 0.8**e + 0.3, "validation_loss": 1.5 * 0.82**e + 0.45, "macro_f1": 1 - 0.75**e}
        for e in range(12)
    ]
    return ReportInputs(
        metrics=metrics,
        corpora=[
            CorpusInfo(
                "simulate",
                "Simulated two-lead ECG",
                "1",
                "simulated",
                files_sha256="3b1f" * 16,
                split_name="simulate-default",
                split_sha256="90ab" * 16,
            )
        ],
        records={"simulate": records_table(num_records)},
        tallies=tallies,
        fs_hz=FS_HZ,
        rpeaks=rpeaks,
        beats=beats,
        rhythm=rhythm,
        detector="ecgfeat",
        head="dense",
        stages=EDGES,
        stage_notes=NOTES,
        training={"htf": epochs, "rhythm_window": epochs},
        read_strip=read_strip,
        version="0.1.0",
        preset="simulate",
        params={"seed": 1, "train_rhythm.lr": 5e-4},
        selection=["Chosen by validation macro F1, one configuration; the test records were scored once."],
    )


def make_inputs(**changes):
    """Leave out what takes long to draw, and change what a test is about."""
    return dataclasses.replace(whole_inputs(), **({"read_strip": None, "training": {}} | changes))


@pytest.fixture(scope="module")
def inputs():
    return whole_inputs()


@pytest.fixture(scope="module")
def page(inputs):
    return render_page(inputs)


class Outline(HTMLParser):
    """Collect what the tests ask about, and check that tags are closed in order."""

    VOID = frozenset({"meta", "img", "br", "path", "rect"})

    def __init__(self):
        super().__init__()
        self.open, self.images, self.links, self.ids, self.captions = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(found)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [value for key, value in attrs if key in ("href", "src", "xlink:href")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "caption" in self.open:
            self.captions.append(data)


def outline(page):
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


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
        drawing = base64.b64decode(image["src"].partition("base64,")[2]).decode()
        assert "<dc:date>" not in drawing
        assert set(re.findall(r'href="([^"#][^":]*:[^"]{0,20})', drawing)) <= {
            "data:image/png;base64,iVBORw0KGg"
        } or all(link.startswith("data:") for link in re.findall(r'xlink:href="([^"#]+)"', drawing))


def test_every_section_is_there(page):
    wanted = ["headline", "pipeline", "data", "split", "rpeaks", "beats"]
    wanted += ["rhythm", "calibration", "training", "records", "limits"]
    assert [i for i in outline(page).ids if i in wanted] == wanted
    assert "not for clinical use" in text_of(page).lower()


def test_headline_numbers_are_those_of_the_metrics(page, inputs):
    text = text_of(page)
    scores = inputs.metrics["rhythm"]["simulate"]["dense"]["timeline"]["single"]
    assert f"Rhythm macro F1, simulate {scores['macro_f1']:.3f}" in text
    beats = inputs.metrics["beats"]["simulate"]["predicted"]
    assert " · ".join(f"{beats[f'{c}_f1']:.3f}" for c in "nsv") in text
    peaks = inputs.metrics["rpeaks"]["simulate"]
    assert f"{100 * peaks['sensitivity']:.2f} / {100 * peaks['positive_predictivity']:.2f}" in text


def test_every_table_of_made_signals_says_so(page):
    for caption in re.findall(r"<caption>(.*?)</caption>", page, flags=re.DOTALL):
        assert "simulate: simulated signals" in caption
    measured = make_inputs(corpora=[CorpusInfo("simulate", "Real", "1", "measured")])
    assert "simulated signals" not in text_of(render_page(measured))


def test_oracles_stand_in_the_headers(page):
    captions = dict(
        re.findall(
            r'<caption><span class="held"><span class="title">(.*?)</span>(.*?)</caption>', page, flags=re.DOTALL
        ),
    )
    assert "episodes: known" in captions["simulate: rhythm_window, episode protocol"]
    assert "episodes: unknown" in captions["simulate: dense, timeline protocol"]
    beats = next(chips for title, chips in captions.items() if title.endswith("preceding beats annotated"))
    assert "history: oracle" in beats
    assert "No oracle is on" in page


def test_seed_protocol_is_named_only_with_all_oracles_on():
    assert "seed protocol" not in render_page(make_inputs())
    inputs = make_inputs()
    metrics = inputs.metrics | {"oracles": {"rpeaks": True, "history": True, "episodes": True}}
    page = render_page(dataclasses.replace(inputs, metrics=metrics, protocol="episode", head="rhythm_window"))
    assert "seed protocol" in page
    assert "With 3 of 3 oracles on" in page


def test_records_add_up(page):
    text = text_of(page)
    assert re.search(r"files 3b1f3b1f3b1f 32 30 1 1 30", text)
    assert "paced" in text
    assert "expected 384000" in text


def test_support_and_subjects_stand_beside_every_class(page, inputs):
    scores = inputs.metrics["rhythm"]["simulate"]["dense"]["timeline"]["single"]
    text = text_of(page)
    for name in RHYTHMS[:5]:
        units = f"{scores['support'][name]:,}".replace(",", " ")
        assert re.search(rf"{name} {units} \S+ (h|min|s) {scores['subjects'][name]} {scores['f1'][name]:.3f}", text)
    assert scores["not_estimable"]
    assert "not estimable" in text
    assert "absent" in text


def test_annotations_only_run_has_a_page():
    inputs = make_inputs(rpeaks=None, beats=None, read_strip=None, training={}, stages=())
    metrics = inputs.metrics | {"rpeaks": {}, "beats": {}}
    text = text_of(render_page(dataclasses.replace(inputs, metrics=metrics)))
    assert "No R-peaks were detected" in text
    assert "No beats were classified" in text


def test_empty_run_has_a_page():
    metrics = {
        "rpeaks": {},
        "beats": {},
        "rhythm": {},
        "oracles": dict.fromkeys(("rpeaks", "history", "episodes"), False),
    }
    inputs = make_inputs(metrics=metrics, rpeaks=None, beats=None, rhythm=None, tallies=(), training={})
    assert "There are no scores yet" in render_page(inputs)


def test_text_from_outside_is_escaped():
    records = records_table(8)
    records["reason"][-1] = "<script>alert(1)</script>"
    page = render_page(make_inputs(records={"simulate": records}, stage_notes={"acquire": "<b>"}))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page


def test_a_shared_subject_stops_the_report():
    records = records_table(8)
    records["subject"][0] = records["subject"][20]
    with pytest.raises(DataError, match=r"subject s20 is in train and in test"):
        render_page(make_inputs(records={"simulate": records}))


def test_worst_records_come_first_and_show_their_surest_error(inputs):
    results = collect_records(
        rpeaks=inputs.rpeaks,
        beats=inputs.beats,
        rhythm=inputs.rhythm,
        detector="ecgfeat",
        history="predicted",
        head="dense",
        protocol="timeline",
        view="single",
        fs_hz=FS_HZ,
    )
    accuracy = [result.accuracy for result in results]
    assert accuracy == sorted(accuracy)
    worst, table = results[0], inputs.rhythm
    rows = (table["record"] == worst.record) & (table["head"] == "dense")
    chance = np.stack([table[f"p_{c}"][rows] for c in RHYTHMS], axis=1)
    wrong = np.array(RHYTHMS)[chance.argmax(axis=1)] != table["reference"][rows]
    assert worst.accuracy == pytest.approx(1 - wrong.mean())
    assert worst.error_probability == chance.max(axis=1)[wrong].max()
    at = table["start_sample"][rows][wrong][chance.max(axis=1)[wrong].argmax()]
    assert worst.error_start_s == at / FS_HZ


def test_ribbons_merge_equal_neighbours(inputs):
    ribbons = rhythm_ribbons(inputs.rhythm, "dense", "timeline", "single", FS_HZ)
    assert sorted(ribbons) == [("simulate", f"{200 + i}") for i in range(8)]
    reference, predicted = ribbons["simulate", "201"]
    assert reference.start_s[0] == 0
    assert reference.stop_s[-1] == 3000
    assert (reference.start_s[1:] == reference.stop_s[:-1]).all()
    assert all(a != b for a, b in zip(reference.rhythm[:-1], reference.rhythm[1:], strict=True))
    assert len(predicted.rhythm) >= len(reference.rhythm)
    assert rhythm_ribbons(inputs.rhythm, "dense", "grid", "single", FS_HZ) == {}


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
    drawing = draw_dag(EDGES, NOTES)
    assert drawing.count('class="edge') == len(EDGES)
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
            plots.plot_timeline([]),
        ]

    for one, other in zip(draw(), draw(), strict=True):
        assert to_svg(one) == to_svg(other)
        assert to_png(one, dpi=40) == to_png(other, dpi=40)


def test_rhythms_have_colours_of_their_own():
    assert len({rhythm_colour(name) for name in (*RHYTHMS, "VT", "T", "IVR", "", "unheard of")}) == 11
