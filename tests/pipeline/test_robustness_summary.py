"""The kept table of robustness is laid out by a command, from a report of the shipped models alone."""

import json
from pathlib import Path

import pytest

from ecgfeat.errors import DataError
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.store.seal import write_report
from pipeline.read import paths
from pipeline.run import robustness_summary
from pipeline.run.robustness_summary import KEPT, summarise_robustness

ROOT = Path(__file__).parents[2]


def variant(value: float, *, limit: float | None, is_within: bool = True, unnamed: float = 0.0) -> dict:
    change = {"value": value, "low": value - 0.1, "high": value + 0.1}
    if limit is not None:
        change |= {"limit": limit, "is_within": is_within}
    return {"difference": {"beats": change}, "unnamed": {"noise": unnamed, "pause": 0.01}}


@pytest.fixture
def report() -> dict:
    variants = {
        "as_it_is": {"unnamed": {"noise": 0.0}},
        "gain_4": variant(-0.0001, limit=0.02),
        "gain_0.25": variant(0.01, limit=0.02),
        "leads_swapped": variant(-0.03, limit=0.02, is_within=False),
        "noise_6_db": variant(-0.1, limit=0.12, unnamed=0.25),
        "noise_12_db": variant(-0.01, limit=0.04),
        "recorded_noise_3_db": variant(-0.5, limit=None),
        "rate_1000_hz": variant(0.0, limit=0.02),
        "rate_250_hz": variant(0.0, limit=0.02),
    }
    return {
        "split": "validation",
        "hours": 0.25,
        "noise_corpus": "cinc2017",
        "num_noise_pieces": 4,
        "models": dict(load_models(find_models(DEFAULT)).checksums),
        "records": {"mitdb": {"num_records": 3}},
        "corpora": {"mitdb": variants},
    }


@pytest.fixture
def folder(report: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for path in (paths.ROBUSTNESS, KEPT):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_report(paths.ROBUSTNESS, "robustness", report)
    return tmp_path


def test_every_change_has_a_row_in_words(report):
    rows = {row[0]: row[1:] for row in summarise_robustness(report)["rows"]}
    assert list(rows) == [
        "leads swapped", "gain 0.25", "gain 4", "250 Hz", "1000 Hz", "wander and muscle noise, 12 dB",
        "wander and muscle noise, 6 dB", "recorded noise, 3 dB",
    ]  # fmt: skip
    assert rows["leads swapped"] == ["**-0.030 (-0.130 to +0.070)**", "", "0.02", "1.0 %"]
    assert rows["gain 4"][0] == "0.000 (-0.100 to +0.100)"
    assert rows["recorded noise, 3 dB"][2] == ""
    assert rows["wander and muscle noise, 6 dB"][3] == "26.0 %"


def test_it_says_what_it_was_measured_on(report, folder):
    robustness_summary.main()
    kept = json.loads(KEPT.read_text())
    assert kept["models"] == report["models"]
    measured = kept["measured_on"]
    assert (measured["split"], measured["hours"], measured["records"]) == ("validation", 0.25, {"mitdb": 3})
    for words in (
        "3 records of mitdb (validation)",
        "first 15 min of each",
        *(v[:12] for v in kept["models"].values()),
    ):
        assert words in measured["sentence"]
    whole = summarise_robustness(report | {"hours": 0})["measured_on"]["sentence"]
    assert "all of each" in whole


def test_rows_of_two_corpora_name_theirs(report):
    both = report | {"records": {slug: {"num_records": 3} for slug in ("mitdb", "qtdb")}}
    both["corpora"] = dict.fromkeys(("mitdb", "qtdb"), report["corpora"]["mitdb"])
    assert [row[0] for row in summarise_robustness(both)["rows"]][::8] == [
        "mitdb: leads swapped",
        "qtdb: leads swapped",
    ]


def test_a_report_of_other_models_is_refused(report, folder):
    other = report | {"models": dict.fromkeys(report["models"], "0" * 64)}
    write_report(paths.ROBUSTNESS, "robustness", other)
    with pytest.raises(DataError, match="scores of other models; expected those of the shipped models"):
        robustness_summary.main()
    assert not KEPT.exists()


def test_the_kept_table_is_of_the_shipped_models():
    kept = json.loads((ROOT / KEPT).read_text())
    assert kept["models"] == load_models(find_models(DEFAULT)).checksums
    assert len(kept["rows"]) >= 15
