"""Leads are put in order by name, whatever a file calls them and in whatever order it has them."""

import numpy as np
import pytest

from ecgfeat.corpora.corpus import LEADS_12
from ecgfeat.corpora.leads import align_leads, standard_lead
from ecgfeat.errors import DataError


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("aVR", "aVR"),
        ("AVR", "aVR"),
        ("avr", "aVR"),
        (" V1 ", "V1"),
        ("iii", "III"),
        ("Lead II", "II"),
        ("MDC_ECG_LEAD_AVF", "aVF"),
        ("ECG lead V6", "V6"),
        ("-aVR", None),
        ("V7", None),
        ("ECG", None),
        ("MLII", None),
        ("", None),
    ],
)
def test_names_of_leads(name, standard):
    assert standard_lead(name) == standard


def test_an_alias_holds_for_its_corpus_only():
    assert standard_lead("ECG", {"ecg": "I"}) == "I"
    assert standard_lead("ECG") is None


@pytest.mark.parametrize("spell", [str, str.upper, str.lower])
def test_order_and_case_do_not_matter(spell):
    rng = np.random.default_rng(0)
    signal_mv_SC = rng.normal(size=(50, 12)).astype(np.float32)
    order = rng.permutation(12)
    aligned = align_leads(signal_mv_SC[:, order], [spell(LEADS_12[at]) for at in order])
    np.testing.assert_array_equal(aligned.signal_mv_SL, signal_mv_SC)
    assert (aligned.found, aligned.missing) == (LEADS_12, ())


def test_a_missing_lead_is_zero_and_said_so():
    signal_mv_SC = np.ones((5, 3), np.float32)
    aligned = align_leads(signal_mv_SC, ["V2", "RESP", "AVL"])
    assert aligned.found == ("aVL", "V2")
    assert aligned.missing == tuple(name for name in LEADS_12 if name not in ("aVL", "V2"))
    assert aligned.signal_mv_SL.sum(axis=0).tolist() == [5.0 * (name in ("aVL", "V2")) for name in LEADS_12]


def test_an_invalid_sample_stays_invalid():
    signal_mv_SC = np.zeros((4, 2), np.float32)
    signal_mv_SC[1, 0] = np.nan
    aligned = align_leads(signal_mv_SC, ["II", "I"])
    assert np.argwhere(np.isnan(aligned.signal_mv_SL)).tolist() == [[1, 1]]


def test_a_single_lead_takes_its_place_among_one():
    signal_mv_SC = np.arange(4, dtype=np.float32)[:, None]
    aligned = align_leads(signal_mv_SC, ["ECG"], ("I",), aliases={"ecg": "I"})
    np.testing.assert_array_equal(aligned.signal_mv_SL, signal_mv_SC)


def test_a_name_twice_is_refused():
    with pytest.raises(DataError, match=r"georgia/E1: two leads aVR \(aVR and AVR\); expected each lead once"):
        align_leads(np.zeros((4, 2), np.float32), ["aVR", "AVR"], where="georgia/E1")


def test_a_record_without_any_wanted_lead_is_refused():
    with pytest.raises(DataError, match="leads RESP, V9; expected one of I, II"):
        align_leads(np.zeros((4, 2), np.float32), ["RESP", "V9"])
    with pytest.raises(ValueError, match="expected \\(samples, 3\\)"):
        align_leads(np.zeros((4, 2), np.float32), ["I", "II", "III"])
