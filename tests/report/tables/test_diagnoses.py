"""Tables of the trees on record figures hold the numbers of their file, and stand on the page."""

import numpy as np
import pytest

from ecgfeat.arena.folds import tabulate_posteriors
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.diagnosis.folds import TITLES
from ecgfeat.diagnosis.summary import summarise_diagnoses
from ecgfeat.report import pictures
from ecgfeat.report.page import render_page
from ecgfeat.report.tables.diagnoses import diagnosis_sheets
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.tables import stack_columns
from tests.fixtures.report_inputs import make_inputs


@pytest.fixture(scope="module")
def scores():
    corpus, rng = get_diagnostic_corpus("cinc2017"), np.random.default_rng(0)
    code = rng.choice(4, 200, p=[0.5, 0.2, 0.2, 0.1])
    rows = [
        {"record": f"r{i}", "subject": f"r{i}", "labels": [corpus.classes[k]], "unknown": []}
        for i, k in enumerate(code)
    ]
    parts = []
    for number, name in enumerate(TITLES):
        chance = rng.dirichlet(np.ones(4), len(rows)) + (2 - number) * np.eye(4)[code]
        parts.append(tabulate_posteriors("cinc2017", name, "single", 0, rows, chance / chance.sum(1, keepdims=True)))
    predictions = stack_columns(parts, list(parts[0]))
    summary = summarise_diagnoses(predictions, corpus, num_resamples=50, seed=0)
    return plain_numbers(summary | {"lead": "I", "signals": "measured"})  # as the stage writes them: keys sorted


def test_the_tables_hold_the_numbers_of_the_file(scores):
    f1, confusion = diagnosis_sheets([scores])
    assert [row[0].main for row in f1.rows] == [*TITLES, next(iter(TITLES))]
    for row, of in zip(f1.rows, [*(scores["models"][name] for name in TITLES), scores["held_half"]], strict=True):
        assert [cell.main for cell in row[1:]] == [
            f"{value:.3f}" for value in (of["macro_f1"], *(of["f1"][name] for name in scores["classes"]))
        ]
        bound = of["interval"]["macro_f1"]
        assert row[1].sub == f"{bound['low']:.3f} to {bound['high']:.3f}"
    counts = [[int(cell.main) for cell in row[1:]] for row in confusion.rows]
    assert counts == scores["models"]["record_trees"]["confusion"]
    assert sum(map(sum, counts)) == 200
    assert not f1.tags
    assert "lead I alone" in f1.note


def test_simulated_records_are_marked_and_a_run_without_has_no_section(scores, monkeypatch):
    monkeypatch.setattr(pictures, "to_data_uri", lambda figure: "data:,")
    (f1, _) = diagnosis_sheets([scores | {"signals": "simulated"}])
    assert [tag.kind for tag in f1.tags] == ["caution"]
    assert 'id="diagnoses"' in render_page(make_inputs(diagnoses=[scores]))
    assert 'id="diagnoses"' not in render_page(make_inputs())
