"""What the process of the page makes of a record: files that are those of the command line."""

import json
import shutil
import sys
from dataclasses import replace

import pytest

from ecgfeat.errors import UsageError
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import source_digest
from ecgfeat.paper.pdf import write_pdf
from ecgfeat.prediction.models import load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.pretrained import find_models
from ecgfeat.report.ecg_paper import Ribbon
from ecgfeat.simulate import simulate_corpus
from ecgfeat.view.marks import read_reference
from ecgfeat.view.twin import write_html
from ecgfeat.view.worker import Bench, Job
from tests.fixtures.view_server import serve, wait_until_done


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worker")
    simulate_corpus(folder, num_subjects=1, minutes=1, fs_hz=128, seed=1)
    return next(folder.glob("*.hea")).with_suffix("")


@pytest.fixture(scope="module")
def served(record):
    with serve([record], models=find_models("real")) as served:
        served.ask("/records/1/open", method="POST")
        assert wait_until_done(served, "1")["prediction"] == "ready"
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
        served.ask("/records/2/pdf")  # waits for the prediction of it, which was asked for before
        records = json.loads(served.ask("/queue")[1])["records"]
    assert [of["state"] for of in records] == ["ready", "failed", "ready"]
    assert ".dat" in records[1]["message"]
    for number in (0, 2):
        assert records[number]["af_burden"].endswith(" %")
        assert 0 < records[number]["least_certain"][0][1] <= 1


@pytest.mark.parametrize(("path", "status"), [("/records/1/exe", 404), ("/records/9/pdf", 404)])
def test_no_other_file_is_made(served, path, status):
    assert served.ask(path)[0].status == status


def test_without_a_prediction_there_is_no_file(record):
    with serve([record]) as served:
        response, body = served.ask("/records/1/pdf")
    assert response.status == 409
    assert b"no prediction" in body


def test_a_missing_package_is_one_line(record, monkeypatch):
    monkeypatch.delitem(sys.modules, "ecgfeat.paper.pdf")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"matplotlib.*ecgfeat\[plot\]"):
        Bench().do(Job(record, {}, find_models("real"), "cpu", "pdf"), lambda number: None)
