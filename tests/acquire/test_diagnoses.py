"""Labels of records: both spellings of Dx, tables of labels, and codes that must never turn into negatives."""

from pathlib import Path

import pytest

from ecgfeat.acquire.diagnoses import name_classes, open_labels, parse_dx, parse_rhythm, read_reference
from ecgfeat.corpora.diagnostic import DIAGNOSTIC_CORPORA
from ecgfeat.corpora.snomed import CLASSES_27, CODE_OF_CLASS
from ecgfeat.errors import DataError
from ecgfeat.records.headers import Header, read_header

GEORGIA, CHAPMAN, PTBXL = (DIAGNOSTIC_CORPORA[slug] for slug in ("georgia", "chapman", "ptbxl"))
HEADER = Header("x", 100.0, 1000, (), ())
STATEMENTS = (
    ",description,diagnostic,form,rhythm,diagnostic_class\n"
    "NORM,normal ECG,1.0,,,NORM\n"
    "IMI,inferior MI,1.0,,,MI\n"
    "NDT,T abnormality,1.0,1.0,,STTC\n"
    "LVOLT,low voltage,,1.0,,\n"
    "SR,sinus rhythm,,,1.0,\n"
)


def write_header(folder: Path, *comments: str) -> Header:
    lines = ["x 1 500 5000 05/Feb/2020 11:39:16", "x.mat 16+24 1000/mV 16 0 0 0 0 I", *comments]
    (folder / "x.hea").write_text("\n".join(lines) + "\n")
    return read_header(folder, "x")


@pytest.mark.parametrize("line", ["#Dx: 59118001,426783006", "# Dx: 59118001, 426783006", "#dx:59118001,426783006,"])
def test_both_spellings_of_dx_are_read(tmp_path, line):
    header = write_header(tmp_path, "#Age: 74", line, "#Rx: Unknown")
    assert parse_dx(header.comments, "x") == ("59118001", "426783006")
    assert open_labels(GEORGIA, tmp_path)("g1/x", header).labels == ("RBBB", "SNR")


@pytest.mark.parametrize(
    ("comments", "found"),
    [([], "0 lines Dx"), (["Dx: 1", "Dx: 2"], "2 lines Dx"), (["Dx: ,"], "an empty Dx line")],
)
def test_a_dx_line_that_is_absent_doubled_or_empty_is_refused(comments, found):
    with pytest.raises(DataError, match=f"^georgia/x: {found}"):
        parse_dx(comments, "georgia/x")


def test_reviewed_codes_deny_what_they_do_not_state():
    labels, unknown = name_classes([CODE_OF_CLASS["AF"], "164873001"], GEORGIA)  # and LVH, which is no class
    assert (labels, unknown) == (("AF",), ())


def test_a_code_in_no_table_leaves_every_other_class_open():
    labels, unknown = name_classes([CODE_OF_CLASS["AF"], "999999999"], GEORGIA)
    assert labels == ("AF",)
    assert set(unknown) == set(CLASSES_27) - {"AF"}


def test_a_vague_code_leaves_open_what_it_may_mean():
    labels, unknown = name_classes(["6374002", CODE_OF_CLASS["LBBB"]], GEORGIA)
    assert (labels, unknown) == (("LBBB",), ("CRBBB", "IRBBB", "RBBB"))


def test_flutter_in_the_joined_corpus_is_no_evidence_against_fibrillation():
    flutter = [CODE_OF_CLASS["AFL"]]
    assert name_classes(flutter, CHAPMAN) == (("AFL",), ("AF",))
    assert name_classes([*flutter, CODE_OF_CLASS["AF"]], CHAPMAN) == (("AF", "AFL"), ())
    assert name_classes(flutter, GEORGIA) == (("AFL",), ())


def test_the_rhythm_of_ludb_is_a_sentence(tmp_path):
    header = write_header(tmp_path, "#<age>: 51", "#<diagnoses>:", "#Rhythm: Sinus bradycardia.", "#Left axis.")
    assert parse_rhythm(header.comments, "x") == ("sinus bradycardia",)
    read = open_labels(DIAGNOSTIC_CORPORA["ludb"], tmp_path)
    assert read("data/1", header).labels == ("SB",)
    irregular = read("data/1", write_header(tmp_path, "#Rhythm: Irregular sinus rhythm."))
    assert (irregular.labels, irregular.unknown) == ((), ("SNR", "SA"))
    with pytest.raises(DataError, match="ludb/data/1: 0 lines Rhythm"):
        read("data/1", write_header(tmp_path, "#<diagnoses>:"))


def test_labels_of_the_2017_challenge(tmp_path):
    (tmp_path / "REFERENCE-v3.csv").write_text("A00001,N\nA00002,~\nA00003,X\n")
    read = open_labels(DIAGNOSTIC_CORPORA["cinc2017"], tmp_path)
    found = read("training/A00/A00002", HEADER)
    assert (found.subject, found.codes, found.labels, found.unknown) == ("A00002", ("~",), ("~",), ())
    assert (read("A00003", HEADER).labels, read("A00003", HEADER).unknown) == ((), ("N", "A", "O", "~"))
    with pytest.raises(DataError, match="cinc2017/A00004: no line in REFERENCE-v3.csv"):
        read("A00004", HEADER)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A1,N\nA2\n", "REFERENCE-v3.csv line 2: 1 fields; expected 2, as above"),
        ("A1,N\nA1,O\n", "REFERENCE-v3.csv line 2: record A1 again"),
        ("A1,\n", "REFERENCE-v3.csv line 1: 'A1,'; expected record and label"),
        ("", "an empty file"),
        (None, "cannot be read"),
    ],
)
def test_a_damaged_table_of_labels_is_refused_in_one_line(tmp_path, text, found):
    path = tmp_path / "REFERENCE-v3.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError) as error:
        read_reference(path)
    assert found in str(error.value)
    assert "\n" not in str(error.value)


def write_ptbxl(folder: Path, *rows: str) -> None:
    (folder / "scp_statements.csv").write_text(STATEMENTS)
    head = "ecg_id,patient_id,scp_codes,strat_fold,filename_lr,filename_hr"
    (folder / "ptbxl_database.csv").write_text("\n".join([head, *rows]) + "\n")


def read_ptbxl(folder: Path, codes: str):
    write_ptbxl(folder, f'1,15709.0,"{codes}",3,records100/00000/00001_lr,records500/00000/00001_hr')
    return open_labels(PTBXL, folder)("records100/00000/00001_lr", HEADER)


@pytest.mark.parametrize(
    ("codes", "labels", "unknown"),
    [
        ("{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", ("NORM",), ()),
        ("{'IMI': 35.0, 'NDT': 100.0}", ("MI", "STTC"), ()),
        ("{'IMI': 0.0, 'NDT': 100.0}", ("STTC",), ("MI",)),  # no likelihood was stated
        ("{'SR': 0.0}", (), ()),
        ("{'NORM': 80.0, 'XYZ': 0.0}", ("NORM",), ("MI", "STTC", "CD", "HYP")),  # a statement in no table
    ],
)
def test_superclasses_of_ptbxl(tmp_path, codes, labels, unknown):
    found = read_ptbxl(tmp_path, codes)
    assert (found.labels, found.unknown) == (labels, unknown)
    assert (found.subject, found.official_fold) == ("15709", 3)


def test_statements_of_rhythm_and_form_are_kept_in_the_codes(tmp_path):
    assert read_ptbxl(tmp_path, "{'NORM': 80.0, 'SBRAD': 0.0}").codes == ("NORM:80", "SBRAD:0")


def test_faster_files_are_in_a_column_of_their_own(tmp_path):
    read_ptbxl(tmp_path, "{'NORM': 100.0}")
    read = open_labels(PTBXL.at_rate(500), tmp_path)
    assert read("records500/00000/00001_hr", HEADER).labels == ("NORM",)
    with pytest.raises(DataError, match="no line in ptbxl_database.csv"):
        read("records100/00000/00001_lr", HEADER)


@pytest.mark.parametrize("row", ["1,x,{},3,a_lr,a_hr", "1,2.0,[],3,a_lr,a_hr", "1,2.0,{},11,a_lr,a_hr"])
def test_a_damaged_row_of_ptbxl_fails_its_record(tmp_path, row):
    write_ptbxl(tmp_path, row)
    with pytest.raises(DataError, match="^ptbxl/a_lr: .*ptbxl_database.csv; expected .*1 to 10"):
        open_labels(PTBXL, tmp_path)("a_lr", HEADER)


def test_a_damaged_table_of_ptbxl_is_refused(tmp_path):
    write_ptbxl(tmp_path, "1,2.0,{},3,a_lr,a_hr", "2,2.0,{},3,a_lr,b_hr")
    with pytest.raises(DataError, match="record a_lr twice"):
        open_labels(PTBXL, tmp_path)
    (tmp_path / "scp_statements.csv").write_text(",description\nNORM,normal\n")
    with pytest.raises(DataError, match="no column diagnostic"):
        open_labels(PTBXL, tmp_path)
