"""Certainty of records and episodes: the table holds the numbers of the file."""

import copy

import pytest

from ecgfeat.report.tables.outside import INSIDE, OUTSIDE
from ecgfeat.report.tables.outside_episodes import episode_sheets
from ecgfeat.report.tables.sheet import DASH
from tests.fixtures.outside_inputs import make_outside


@pytest.fixture
def outside():
    return copy.deepcopy(make_outside())


def sheet_of(outside, caption):
    (found,) = [sheet for sheet in episode_sheets(outside) if sheet.caption == caption]
    assert all(len(row) == len(found.columns) for row in found.rows)
    return found


def test_each_corpus_has_its_records_and_episodes_all_together_and_by_bin(outside):
    sheet = sheet_of(outside, "Reliability of the certainty")
    expected = []
    for slug in ("ptbxl", "mitdb"):  # outside first
        for part in ("records", "episodes"):
            of = outside[part][slug]["certainty"]
            assert len(of["bins"]) > 3
            whole = (of[f"num_{part}"], 1.0, of["mean_certainty"], of["accuracy"], f"{of['ece']:.3f}")
            bins = [(b["num"], b["share"], b["mean_certainty"], b["accuracy"], "") for b in of["bins"]]
            expected += [
                [slug, part, f"{number}", f"{100 * share:.2f}", f"{mean:.3f}", f"{right:.3f}", ece]
                for number, share, mean, right, ece in (whole, *bins)
            ]
    assert [[cell.main for k, cell in enumerate(row) if k != 2] for row in sheet.rows] == expected
    assert sheet.rows[0][2].main == "all"
    low, high = (outside["records"]["ptbxl"]["certainty"]["bins"][0][name] for name in ("low", "high"))
    assert sheet.rows[1][2].main == f"{low:.3f} to {high:.3f}"
    assert {row[0].sub for row in sheet.rows} == {OUTSIDE, INSIDE, ""}


def test_a_run_without_known_rhythms_has_no_table(outside):
    assert episode_sheets({}) == []
    for of in outside["records"].values():
        del of["certainty"]
    assert len(episode_sheets(outside)) == len(episode_sheets(outside | {"episodes": {}})) + 2
    del outside["episodes"]["ptbxl"]["statements"], outside["episodes"]["mitdb"]["statements"]
    assert episode_sheets(outside) != []
    del outside["episodes"]
    assert episode_sheets(outside) == []


def test_missing_numbers_are_dashes(outside):
    for part in ("records", "episodes"):
        for of in outside[part].values():
            of["certainty"]["ece"] = None
    rows = sheet_of(outside, "Reliability of the certainty").rows
    assert sum(row[-1].main == DASH for row in rows) == 4


def test_statements_stand_by_reference_rhythm(outside):
    sheet = sheet_of(outside, "Evidence: what is stated of which rhythm")
    rows = {(row[0].main, row[1].main): row[2:] for row in sheet.rows}
    of = outside["episodes"]["ptbxl"]["statements"]
    names = [cell.main for cell in sheet.columns[2:]]
    assert names == ["NSR", "AFIB", "SBR", "AB", "SVTA", "B", "AFL"]
    assert rows["ptbxl", "named episodes"][0].main == str(of["named"]["NSR"]["num_episodes"])
    for kind in ("irregular RR intervals", "P waves"):
        for name, cell in zip(names, rows["ptbxl", kind], strict=True):
            made = of["made"][kind].get(name)
            shares = (
                (DASH, "") if made is None else tuple(f"{100 * made[f'share_{n}']:.2f}" for n in ("time", "episodes"))
            )
            assert (cell.main, cell.sub) == shares
    assert rows["ptbxl", "P waves"][3].main == DASH  # no AB was drawn
