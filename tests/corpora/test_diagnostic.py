"""Facts of the corpora of diagnoses: consistent, reviewed code by code, and as in docs/corpora.md."""

import re
from pathlib import Path

import pytest

from ecgfeat.corpora import CORPORA
from ecgfeat.corpora.corpus import LEADS_12, DiagnosticCorpus
from ecgfeat.corpora.diagnostic import DIAGNOSTIC_CORPORA, get_diagnostic_corpus
from ecgfeat.corpora.snomed import CLASSES_27, CODE_OF_CLASS, CODES_27
from ecgfeat.errors import UsageError

PAGE = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text()
SOURCES = {"reference": "REFERENCE-v3.csv", "dx": "Dx line", "ptbxl": "ptbxl_database.csv", "rhythm": "Rhythm line"}
# Path on PhysioNet, path in a flat mirror, and what lies beside and is another corpus or a copy.
PATHS = {
    "cinc2017": ("training/A00/A00001", "A00001", "validation/A00001"),
    "ptbxl": ("records100/00000/00001_lr", "records100/21000/21799_lr", "records500/00000/00001_hr"),
    "chapman": ("WFDBRecords/01/010/JS00001", "JS00001", "WFDBRecords/01/010/E00001"),
    "cpsc2018": ("training/cpsc_2018/g1/A0001", "g7/A6877", "training/cpsc_2018_extra/g1/Q0001"),
    "georgia": ("training/georgia/g11/E10344", "E00001", "training/ptb-xl/g1/HR00001"),
    "ludb": ("data/1", "200", "1/1"),
}


@pytest.mark.parametrize("corpus", DIAGNOSTIC_CORPORA.values(), ids=lambda corpus: corpus.slug)
def test_facts_are_consistent(corpus: DiagnosticCorpus) -> None:
    assert get_diagnostic_corpus(corpus.slug) is corpus
    assert corpus.slug not in CORPORA
    assert corpus.path == "" or corpus.path.endswith(f"/{corpus.version}")
    assert len(set(corpus.classes)) == len(corpus.classes)
    assert set(corpus.scored) <= set(corpus.classes)
    assert set(corpus.lead_names) <= set(LEADS_12)
    assert all([corpus.title, corpus.licence, corpus.citation, corpus.quirks])
    assert all(quirk.endswith(".") for quirk in corpus.quirks)
    stated = {label for meaning in corpus.codes.values() for label in meaning.classes}
    assert stated == (set() if corpus.source == "ptbxl" else set(corpus.classes))
    for meaning in corpus.codes.values():
        assert set(meaning.classes) | set(meaning.vague) <= set(corpus.classes)
        assert not set(meaning.classes) & set(meaning.vague)


def test_leads_are_picked_by_name_and_stand_in_standard_order() -> None:
    corpus = get_diagnostic_corpus("ptbxl")
    assert corpus.pick_leads(["all"]) == LEADS_12
    assert corpus.pick_leads(["V1", "I"]) == ("I", "V1")
    for names, found in ((["MLII"], "no lead MLII"), (["I", "I"], "leads I, I"), ([], "leads none")):
        with pytest.raises(UsageError, match=f"ptbxl: {found}; expected all, or some of I, II, .* each once"):
            corpus.pick_leads(names)


@pytest.mark.parametrize("slug", PATHS)
def test_records_are_known_by_their_path(slug: str) -> None:
    published, flat, other = PATHS[slug]
    regex = get_diagnostic_corpus(slug).record_regex
    assert re.fullmatch(regex, published)
    assert re.fullmatch(regex, flat)
    assert not re.fullmatch(regex, other)


def test_the_27_classes_are_in_the_order_of_their_index() -> None:
    assert len(CLASSES_27) == 27
    places = {"AF": 0, "AFL": 1, "CRBBB": 3, "LBBB": 7, "PR": 12, "RBBB": 17, "SNR": 20, "SVPB": 22, "LPR": 26}
    assert {label: CLASSES_27.index(label) for label in places} == places
    assert (CODE_OF_CLASS["AF"], CODE_OF_CLASS["LPR"]) == ("164889003", "164947007")
    assert all(CODES_27[code].classes == (name,) for name, code in CODE_OF_CLASS.items())


def test_codes_that_may_mean_a_class_leave_it_open() -> None:
    assert CODES_27["6374002"].vague == ("CRBBB", "IRBBB", "LBBB", "RBBB")  # a bundle branch, of either side
    assert CODES_27["733534002"].vague == ("LBBB",)
    assert CODES_27["365413008"].vague == ()  # poor R wave progression
    assert "698247007" not in CODES_27  # any dysrhythmia
    for one, other in (("PAC", "SVPB"), ("PVC", "VPB"), ("RBBB", "CRBBB"), ("IAVB", "LPR")):
        assert other in CODES_27[CODE_OF_CLASS[one]].vague
        assert one in CODES_27[CODE_OF_CLASS[other]].vague


def test_flutter_leaves_fibrillation_open_where_one_is_coded_as_the_other() -> None:
    flutter = CODE_OF_CLASS["AFL"]
    assert get_diagnostic_corpus("chapman").codes[flutter].vague == ("AF",)
    assert get_diagnostic_corpus("georgia").codes[flutter].vague == ()


def test_cpsc2018_codes_premature_ventricular_beats_as_ectopics() -> None:
    corpus = get_diagnostic_corpus("cpsc2018")
    assert corpus.classes == ("AF", "IAVB", "LBBB", "PAC", "PVC", "RBBB", "SNR", "STD", "STE")
    assert corpus.codes["164884008"].classes == ("PVC",)
    assert "427172004" not in corpus.codes


def test_only_ptbxl_has_two_rates() -> None:
    fast = get_diagnostic_corpus("ptbxl").at_rate(500)
    assert fast.fs_hz == 500
    assert re.fullmatch(fast.record_regex, "records500/00000/00001_hr")
    assert not re.fullmatch(fast.record_regex, "records100/00000/00001_lr")
    with pytest.raises(UsageError, match="ptbxl: 250 Hz; expected 100 Hz or 500 Hz"):
        fast.at_rate(250)
    assert [corpus.slug for corpus in DIAGNOSTIC_CORPORA.values() if corpus.at_rate(100) is not corpus] == ["ptbxl"]


def test_an_unknown_corpus_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown corpus 'ptb-xl'; .* Did you mean ptbxl?"):
        get_diagnostic_corpus("ptb-xl")


def test_the_page_says_what_the_code_knows() -> None:
    lines = PAGE.split("| corpus |")[1].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert [row[0].strip("`") for row in rows] == list(DIAGNOSTIC_CORPORA)
    for slug, version, records, fs_hz, leads, classes, labels, folds, licence in rows:
        corpus = DIAGNOSTIC_CORPORA[slug.strip("`")]
        assert (version, licence, labels) == (corpus.version, corpus.licence, SOURCES[corpus.source])
        assert records == (str(corpus.num_records) if corpus.num_records else "set by `records`")
        assert fs_hz == " or ".join(f"{rate_hz:g}" for rate_hz in corpus.rates_hz or (corpus.fs_hz,))
        assert (leads, classes) == (str(len(corpus.lead_names)), f"{len(corpus.classes)}, {corpus.task}")
        assert folds == ("strat_fold" if corpus.source == "ptbxl" else "drawn")
        section = PAGE.split(f"\n## `{corpus.slug}`: ")[1].split("\n## ")[0]
        title, citation, points = section.split("\n\n", 2)
        assert (title, " ".join(citation.split())) == (corpus.title, corpus.citation)
        found = [line[2:] for line in points.replace("\n  ", " ").splitlines() if line.startswith("* ")]
        named = f"Classes: {' '.join(f'`{label}`' for label in corpus.classes)}."
        excluded = [f"Not used: {record}: {reason}." for record, reason in corpus.excluded.items()]
        assert found == [named, *excluded, *corpus.quirks]


@pytest.mark.parametrize(
    ("slug", "stated", "rhythms", "has_ectopic"),
    [
        ("cinc2017", ["N"], {"NSR"}, False),
        ("cinc2017", ["A"], {"AFIB"}, False),
        ("cinc2017", ["O"], set(), False),
        ("ptbxl", ["NORM", "NORM:100", "SR:0"], {"NSR"}, False),
        ("ptbxl", ["MI", "IMI:80", "AFIB:0", "PVC:0"], {"AFIB"}, True),
        ("ptbxl", ["NORM", "SBRAD:0", "PAC:0"], {"SBR"}, True),
        ("ptbxl", ["AFLT:0", "AFIB:50"], {"AFL", "AFIB"}, False),
        ("ptbxl", ["PACE:0"], set(), False),  # a pacemaker, not PAC
        ("chapman", ["AFL"], {"AFL"}, False),
        ("chapman", ["SNR", "PVC"], {"NSR"}, True),
        ("georgia", [], set(), False),
    ],
)
def test_classes_and_codes_state_rhythms_and_ectopic_beats(slug, stated, rhythms, has_ectopic) -> None:
    corpus = get_diagnostic_corpus(slug)
    assert corpus.rhythms_of(stated) == rhythms
    assert corpus.has_ectopic(stated) == has_ectopic


@pytest.mark.parametrize("corpus", DIAGNOSTIC_CORPORA.values(), ids=lambda corpus: corpus.slug)
def test_rhythms_are_those_of_the_task_or_flutter(corpus: DiagnosticCorpus) -> None:
    assert set(corpus.rhythms.values()) <= {"NSR", "SBR", "AFIB", "AFL"}
    assert {"NSR", "AFIB"} <= set(corpus.rhythms.values())
    if corpus.source != "ptbxl":  # its codes are in a file of its own
        assert set(corpus.rhythms) & set(corpus.classes)
    assert not set(corpus.rhythms) & set(corpus.ectopic)
