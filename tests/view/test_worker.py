"""What the process of the page makes of a record: files that are those of the command line."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_ecg, read
from ecgfeat.files.folders import source_digest
from ecgfeat.paper.pdf import write_pdf
from ecgfeat.prediction.models import load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.pretrained import find_models
from ecgfeat.records.writer import write_record
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.saliency.beats import explain_beat
from ecgfeat.saliency.explanation import CAUTION
from ecgfeat.saliency.rhythms import explain_rhythm
from ecgfeat.saliency.seen import see_record
from ecgfeat.simulate import simulate_corpus
from ecgfeat.view.marks import read_reference
from ecgfeat.view.twin import write_html
from ecgfeat.view.worker import Bench, Job
from tests.fixtures.view_server import find_browser, serve, wait_until_done

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worker")
    simulate_corpus(folder, num_subjects=1, minutes=1, fs_hz=128, seed=1)
    return next(folder.glob("*.hea")).with_suffix("")


@pytest.fixture(scope="module")
def beats(record, tmp_path_factory):
    """Return the first 40 s of record 208 of mitdb, which has V beats; where it is not there, the simulated record."""
    path = Path(os.environ.get("ECGFEAT_MIRROR", "no mirror")) / "mitdb" / "208"
    if not path.with_suffix(".hea").exists():
        return record
    signal = read(path)
    signal_uv_SC = np.rint(1000 * signal.signal_mv_SC[: round(40 * signal.fs_hz)]).astype(np.int16)
    folder = tmp_path_factory.mktemp("beats")
    write_record(folder, "208", signal_uv_SC, signal.fs_hz, list(signal.leads))
    return folder / "208"


@pytest.fixture(scope="module")
def served(record, beats):
    with serve([record, beats] if beats != record else [record], models=find_models("real")) as served:
        for number in served.shelf.entries:
            served.ask(f"/records/{number}/open", method="POST")
            assert wait_until_done(served, number)["prediction"] == "ready"
        yield served


@pytest.fixture(scope="module")
def prediction(record):
    made = predict_record(open_ecg(record), load_models(find_models("real")))
    return replace(made, made_by=made.made_by | {"source": source_digest(record)})


def test_the_files_are_those_of_the_library(served, record, prediction, tmp_path):
    signal = open_ecg(record)
    reference = read_reference(record, signal)
    ribbon = Ribbon("reference", reference.start_s, reference.stop_s, reference.rhythm)
    expected = {
        "pdf": write_pdf(tmp_path / "x.pdf", signal, prediction, reference=ribbon).read_bytes(),
        "html": write_html(tmp_path / "x.html", signal, prediction, reference=reference).read_bytes(),
    }
    assert expected["pdf"].startswith(b"%PDF")
    for kind, content in expected.items():
        response, body = served.ask(f"/records/1/{kind}")
        assert response.status == 200, body
        assert response.headers["content-disposition"] == f"attachment; filename=record-1.{kind}"
        assert body == content


@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_a_damaged_reference_hinders_no_file_which_says_that_it_is_left_out(record, prediction, tmp_path, kind):
    for file in record.parent.glob(f"{record.name}.*"):
        shutil.copy(file, tmp_path)
    copy = tmp_path / record.name
    copy.with_suffix(".atr").write_bytes(b"x")
    with pytest.raises(DataError) as damage:
        read_reference(copy, open_ecg(copy))
    assert str(tmp_path) not in str(damage.value)
    note = f"The reference is left out, because it could not be read: {damage.value}"
    content = Bench().do(Job(copy, {}, find_models("real"), "cpu", kind), lambda number: None)
    made = replace(prediction, notes=(*prediction.notes, note))
    write = {"pdf": write_pdf, "html": write_html}[kind]
    assert content == write(tmp_path / f"expected.{kind}", open_ecg(copy), made).read_bytes()


def test_all_records_are_predicted_and_listed(record, tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
        for file in record.parent.glob(f"{record.name}.*"):
            shutil.copy(file, tmp_path / name)
    (tmp_path / "b" / f"{record.name}.dat").write_bytes(b"short")
    with serve([tmp_path], models=find_models("real"), out=tmp_path / "out") as served:
        assert served.ask("/predictions", method="POST")[0].status == 200
        states = {of["state"] for of in json.loads(served.ask("/queue")[1])["records"]}
        assert states <= {"waiting", "running"}
        assert wait_until_done(served, "3")["prediction"] == "ready"
        wait_until_done(served, "1")
        served.ask("/records/2/pdf")  # waits for its prediction, which was requested before
        records = json.loads(served.ask("/queue")[1])["records"]
    assert [of["state"] for of in records] == ["ready", "failed", "ready"]
    assert ".dat" in records[1]["message"]
    for number in (0, 2):
        assert records[number]["af_burden"].endswith(" %")
        assert 0 < records[number]["least_certain"][0][1] <= 1


def test_an_explanation_is_that_of_the_library(served, beats):
    models = load_models(find_models("real"))
    seen = see_record(open_ecg(beats), models)
    number = str(len(served.shelf.entries))
    for of, explain in (("beat", explain_beat), ("rhythm", explain_rhythm)):
        expected = explain(models, seen, seen.find_beat(19.3))
        response, body = served.ask(f"/records/{number}/why/{of}?at_s=19.3")
        assert response.status == 200, body
        answer = json.loads(body)
        assert answer["explanation"] == expected.as_dict()
        assert answer["lines"] == expected.as_lines()


def test_the_page_says_why_and_saves_a_file(served):
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        faults = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        number = str(len(served.shelf.entries))
        page.goto(f"{served.url}#record={number}&t=15&scale=10")
        expect(page.locator("#why-beat")).to_be_enabled()
        expect(page.locator("#why")).to_be_hidden()
        plain = page.evaluate("document.getElementById('strip').toDataURL()")
        for key, name in (("w", "Beat classifier, log odds of"), ("Shift+W", "Rhythm head, log odds of")):
            page.keyboard.press(key)
            says = page.locator("#why-says")
            expect(says).to_contain_text(name)
            for text in ("On the trace: ", "Similarity to a map of random weights", CAUTION):
                expect(says).to_contain_text(text)
            assert page.evaluate("document.getElementById('strip').toDataURL()") != plain, "coloured"
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        page.keyboard.press("Escape")
        expect(page.locator("#why")).to_be_hidden()
        assert page.evaluate("document.getElementById('strip').toDataURL()") == plain
        with page.expect_download(timeout=60_000) as download:
            page.click("#save-pdf")
        assert download.value.suggested_filename == f"record-{number}.pdf"
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
        expect(page.locator("#export-says")).to_have_text(f"Saved: record-{number}.pdf.")
        browser.close()
    assert faults == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/records/1/exe", 404),
        ("/records/9/pdf", 404),
        ("/records/1/why/heart?at_s=1", 404),
        ("/records/1/why/beat", 400),
        ("/records/1/why/beat?at_s=-1", 400),
        ("/records/1/why/beat?at_s=1e9", 422),
    ],
)
def test_no_other_file_is_made(served, path, status):
    assert served.ask(path)[0].status == status


def test_without_a_prediction_there_is_no_file(record):
    with serve([record]) as served:
        response, body = served.ask("/records/1/pdf")
    assert response.status == 409
    assert b"no prediction" in body


def test_a_missing_package_is_one_line(record, monkeypatch):
    monkeypatch.delitem(sys.modules, "ecgfeat.paper.pdf", raising=False)
    for module in ("matplotlib", "captum"):
        monkeypatch.setitem(sys.modules, module, None)
    for task, extra in (("pdf", r"matplotlib.*ecgfeat\[plot\]"), ("beat", r"captum.*ecgfeat\[saliency\]")):
        with pytest.raises(UsageError, match=extra):
            Bench().do(Job(record, {}, find_models("real"), "cpu", task), lambda number: None)
