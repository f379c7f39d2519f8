"""From files in every dialect to the table of diagnoses and the store of leads, and every record's fate."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
import wfdb

from ecgfeat.acquire.diagnoses import open_labels
from ecgfeat.acquire.diagnostic_records import describe_diagnosis, read_leads, read_leads_uv
from ecgfeat.acquire.download import acquire_corpus
from ecgfeat.corpora.corpus import LEADS_12
from ecgfeat.corpora.diagnostic import DIAGNOSTIC_CORPORA
from ecgfeat.errors import DataError
from ecgfeat.look.artifacts import find_artifacts
from ecgfeat.look.checks import check_artifact
from ecgfeat.records.writer import write_record
from ecgfeat.signals.baseline import read_baseline
from ecgfeat.signals.resample import to_microvolts, to_millivolts
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import DIAGNOSES, LEADS, WANDER
from ecgfeat.store.tables import read_table, split_by_record, write_table
from pipeline import acquire_diagnostic, diagnoses
from pipeline.read import paths
from tests.conftest import mirrored
from tests.fixtures.small_run import default_params

ROOT = Path(__file__).parents[2]
GEORGIA, CHAPMAN, CINC2017 = (DIAGNOSTIC_CORPORA[slug] for slug in ("georgia", "chapman", "cinc2017"))
AF, SNR = "164889003", "426783006"
UPPER = tuple(name.upper() for name in LEADS_12)

NO_SERVER = "http://127.0.0.1:9"


def draw_signal(num_leads: int = 12, num_samples: int = 500) -> npt.NDArray[np.int16]:
    return np.random.default_rng(0).integers(-900, 900, (num_samples, num_leads), dtype=np.int16)


def write_mat(
    folder: Path,
    record: str,
    signal_uv_SC: npt.NDArray[np.int16],
    leads: tuple[str, ...] = LEADS_12,
    *comments: str,
    fs_hz: int = 500,
    date: str = "05-Feb-2020 11:39:16",
    checksum: int | None = None,
) -> None:
    """Write a record as the Challenges do: a Matlab 4 matrix ``val`` of 16-bit integers, which is format 16+24."""
    (folder / record).parent.mkdir(parents=True, exist_ok=True)
    num_samples, num_leads = signal_uv_SC.shape
    head = np.array([30, num_leads, num_samples, 0, 4], "<i4").tobytes() + b"val\0"
    (folder / f"{record}.mat").write_bytes(head + signal_uv_SC.astype("<i2").tobytes())
    name = Path(record).name
    lines = [f"{name} {num_leads} {fs_hz} {num_samples} {date}"]
    for at, lead in enumerate(leads):
        total = int(signal_uv_SC[:, at].sum(dtype=np.int64)) & 0xFFFF if checksum is None else checksum
        lines.append(f"{name}.mat 16+24 1000/mV 16 0 {signal_uv_SC[0, at]} {total} 0 {lead}")
    (folder / f"{record}.hea").write_text("\n".join([*lines, *comments]) + "\n")


def describe(folder: Path, record: str, corpus: Any = GEORGIA) -> dict[str, Any]:
    return describe_diagnosis(corpus, folder, record, open_labels(corpus, folder), signals="measured")[0]


def stored_leads(folder: Path, record: str) -> np.ndarray:
    """Return what is stored of a record, with its baseline put back."""
    left_uv_SL, baseline = read_leads_uv(GEORGIA, folder, record)
    whole = to_microvolts(to_millivolts(left_uv_SL) + baseline.at(len(left_uv_SL), 500))
    return np.where(left_uv_SL == -32768, left_uv_SL, whole)


@pytest.mark.parametrize("date", ["05-Feb-2020 11:39:16", "05/Feb/2020 11:39:16", "11:39:16 05/02/2020", ""])
@pytest.mark.parametrize("dx", [f"#Dx: {AF}", f"# Dx: {AF}"])
def test_a_matlab_record_is_read_in_every_dialect_of_its_header(tmp_path, dx, date):
    signal_uv_SC = draw_signal()
    write_mat(tmp_path, "x", signal_uv_SC, UPPER, "#Age: 74", dx, date=date)
    np.testing.assert_array_equal(scipy.io.loadmat(tmp_path / "x.mat")["val"].T, signal_uv_SC)  # the fixture is real
    row = describe(tmp_path, "x")
    assert (row["status"], row["labels"], row["fs_hz"], row["num_samples"]) == ("used", ["AF"], 500.0, 500)
    assert (row["leads"], row["missing"]) == (list(LEADS_12), [])
    np.testing.assert_array_equal(stored_leads(tmp_path, "x"), signal_uv_SC)


def test_the_reader_agrees_with_wfdb_on_a_matlab_record(tmp_path):
    write_mat(tmp_path, "x", draw_signal(), LEADS_12, date="")
    expected_SC = wfdb.rdrecord(str(tmp_path / "x")).p_signal
    np.testing.assert_allclose(read_leads(GEORGIA, tmp_path, "x").signal_mv_SL, expected_SC, atol=1e-6)


def test_both_formats_give_the_same_leads_in_any_order(tmp_path):
    signal_uv_SC, order = draw_signal(), np.random.default_rng(1).permutation(12)
    write_mat(tmp_path, "a", signal_uv_SC, LEADS_12, f"#Dx: {AF}")
    write_record(tmp_path, "b", signal_uv_SC[:, order], 500, [UPPER[at] for at in order], [f"Dx: {AF}"])
    one, other = (stored_leads(tmp_path, record) for record in ("a", "b"))
    np.testing.assert_array_equal(one, signal_uv_SC)
    np.testing.assert_array_equal(other, signal_uv_SC)


def test_a_missing_lead_is_zero_and_an_invalid_sample_is_not(tmp_path):
    signal_uv_SC = draw_signal(2)
    signal_uv_SC[7, 1] = -32768
    write_mat(tmp_path, "x", signal_uv_SC, ("V6", "AVR"), f"#Dx: {AF}")
    row = describe(tmp_path, "x")
    assert (row["status"], row["leads"]) == ("used", ["aVR", "V6"])
    assert row["missing"] == [name for name in LEADS_12 if name not in ("aVR", "V6")]
    leads_uv_SL = stored_leads(tmp_path, "x")
    np.testing.assert_array_equal(leads_uv_SL[:, [3, 11]], signal_uv_SC[:, [1, 0]])
    assert not np.delete(leads_uv_SL, [3, 11], axis=1).any()
    assert leads_uv_SL[7, 3] == -32768


@pytest.mark.parametrize(
    ("leads", "comments", "status", "reason"),
    [
        (("I", "i"), (f"#Dx: {AF}",), "failed", "georgia/x: two leads I (I and i)"),
        (("A", "B"), (f"#Dx: {AF}",), "failed", "georgia/x: leads A, B; expected one of I, II"),
        (("I", "II"), (), "failed", "georgia/x: 0 lines Dx in the header"),
        (("I", "II"), ("#Dx: 164873001",), "excluded", "no class stated: codes 164873001"),
        (("I", "II"), ("#Dx: 164873001,1",), "excluded", "codes 164873001, 1; never reviewed: 1"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path, leads, comments, status, reason):
    write_mat(tmp_path, "x", draw_signal(2), leads, *comments)
    row = describe(tmp_path, "x")
    assert (row["status"], row["fold"]) == (status, -1)
    assert reason in row["reason"]
    assert "\n" not in row["reason"]


def test_an_unknown_code_beside_a_known_one_denies_nothing(tmp_path):
    write_mat(tmp_path, "x", draw_signal(), LEADS_12, f"#Dx: {AF},999")
    row = describe(tmp_path, "x")
    assert (row["status"], row["labels"], row["codes"]) == ("used", ["AF"], [AF, "999"])
    assert len(row["unknown"]) == 26


def test_faults_of_the_files_fail_the_record(tmp_path):
    write_mat(tmp_path, "rate", draw_signal(), LEADS_12, f"#Dx: {AF}", fs_hz=250)
    assert "rate: a header with 250 Hz; expected 500 Hz" in describe(tmp_path, "rate")["reason"]
    write_mat(tmp_path, "cut", draw_signal(), LEADS_12, f"#Dx: {AF}")
    whole = (tmp_path / "cut.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(whole[:-2])
    assert f"cut.mat has {len(whole) - 2} bytes; expected {len(whole)}" in describe(tmp_path, "cut")["reason"]
    (tmp_path / "cut.mat").unlink()
    assert "no signal file cut.mat" in describe(tmp_path, "cut")["reason"]
    write_mat(tmp_path, "flat", np.full((500, 12), 3, np.int16), LEADS_12, f"#Dx: {AF}")
    assert describe(tmp_path, "flat")["reason"] == "every lead is flat"
    write_mat(tmp_path, "void", np.full((500, 2), -32768, np.int16), ("I", "V1"), f"#Dx: {AF}")
    assert describe(tmp_path, "void")["reason"] == "no valid sample in any lead"


def test_the_corrupt_record_of_chapman_is_left_out_whatever_its_file_holds(tmp_path):
    write_mat(tmp_path, "JS27567", draw_signal(), LEADS_12, f"#Dx: {AF}")
    (tmp_path / "JS27567.mat").unlink()
    row = describe(tmp_path, "JS27567", CHAPMAN)
    assert (row["status"], row["reason"]) == ("excluded", "its signal file is corrupt")


def test_checksums_count_where_they_are_known_to_be_true(tmp_path):
    (tmp_path / "REFERENCE-v3.csv").write_text("A00001,A\n")
    write_mat(tmp_path, "A00001", draw_signal(1), ("ECG",), fs_hz=300, checksum=0)
    row = describe(tmp_path, "A00001", CINC2017)
    assert (row["status"], row["leads"], row["labels"]) == ("used", ["I"], ["A"])
    write_mat(tmp_path, "x", draw_signal(), LEADS_12, f"# Dx: {AF}", checksum=1)
    assert "checksum" in describe(tmp_path, "x", DIAGNOSTIC_CORPORA["simulate12"])["reason"]


def make_mirror(folder: Path) -> None:
    """Write a corpus like Chapman: nested, one corrupt record, one without signal, one that states no class."""
    for number in range(1, 21):
        code = AF if number % 4 == 0 else SNR
        write_mat(folder, f"WFDBRecords/01/010/JS{number:05d}", draw_signal(12, 400 + number), LEADS_12, f"#Dx: {code}")
    for record, dx in (("JS27567", AF), ("JS00021", "164873001"), ("JS00022", AF)):
        write_mat(folder, f"WFDBRecords/02/020/{record}", draw_signal(), LEADS_12, f"# Dx: {dx}")
    (folder / "WFDBRecords/02/020/JS00022.mat").unlink()
    write_mat(folder, "WFDBRecords/02/020/another", draw_signal(), LEADS_12, f"#Dx: {AF}")


def run_stages(slug: str, folder: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    text = default_params()
    assert "folds: 3" in text
    (folder / "params.yaml").write_text(text.replace("folds: 3", "folds: 5"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ECGFEAT_MIRROR", str(mirror))
    return [acquire_diagnostic.main(slug), diagnoses.main(slug)]


def test_every_record_of_a_corpus_has_a_fate(tmp_path, monkeypatch, capsys):
    make_mirror(tmp_path / "mirror" / "chapman")
    acquired, described = run_stages("chapman", tmp_path, tmp_path / "mirror", monkeypatch)
    assert acquired.startswith("chapman: 23 records of 45152: the source has no others; 45 files, signals measured")
    assert described.startswith("chapman: 20 used, 2 excluded, 1 failed; AF 5, ")
    assert "no signal file JS00022.mat" in capsys.readouterr().err
    table = read_table(paths.diagnoses("chapman"), DIAGNOSES)
    assert Counter(table["status"]) == {"used": 20, "excluded": 2, "failed": 1}
    assert all(
        bool(reason) == (status != "used") for reason, status in zip(table["reason"], table["status"], strict=True)
    )
    used = table["status"] == "used"
    assert set(table["fold"][~used]) == {-1}
    is_af = np.array(["AF" in labels for labels in table["labels"]])
    assert Counter(table["fold"][used & is_af].tolist()) == dict.fromkeys(range(5), 1)
    assert Counter(table["fold"][used].tolist()) == dict.fromkeys(range(5), 4)
    store = open_array(paths.leads("chapman"), LEADS, aligned_with=paths.diagnoses("chapman"))
    wander = split_by_record(read_table(paths.wander("chapman"), WANDER))
    assert list(store.rows) == list(table["record"][used])
    for record, num_samples in zip(table["record"][used], table["num_samples"][used], strict=True):
        level_mv_SL = read_baseline(wander[record], 12).at(num_samples, 500)
        assert np.abs(store.read(record) + 1000 * level_mv_SL - draw_signal(12, num_samples)).max() <= 0.51


def test_check_knows_the_table_and_the_store(tmp_path, monkeypatch):
    make_mirror(tmp_path / "mirror" / "chapman")
    run_stages("chapman", tmp_path, tmp_path / "mirror", monkeypatch)
    checks = [check_artifact(artifact) for artifact in find_artifacts(Path("data"))]
    assert [check.artifact.kind for check in checks] == ["table", "corpus", "array", "table"]
    assert not any(check.faults + check.notes for check in checks)
    columns = read_table(paths.diagnoses("chapman"), DIAGNOSES)
    columns["fold"] = columns["fold"] * 0
    write_table(paths.diagnoses("chapman"), columns, DIAGNOSES, {})
    (store,) = find_artifacts(paths.leads("chapman"))
    assert "rows made from another table" in check_artifact(store).faults[0]


def test_a_second_run_writes_the_same_bytes(tmp_path, monkeypatch):
    make_mirror(tmp_path / "mirror" / "chapman")
    bytes_of = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run_stages("chapman", tmp_path / name, tmp_path / "mirror", monkeypatch)
        files = sorted(path for path in (tmp_path / name / "data").rglob("*") if path.is_file())
        bytes_of.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert bytes_of[0] == bytes_of[1]


def test_simulated_records_go_the_same_way(tmp_path, monkeypatch):
    monkeypatch.delenv("ECGFEAT_MIRROR", raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / "params.yaml").read_text()
    assert "records: 144" in text
    (tmp_path / "params.yaml").write_text(text.replace("records: 144", "records: 40"))
    assert acquire_diagnostic.main("simulate12").startswith("simulate12: 40 records; ")
    assert diagnoses.main("simulate12").startswith("simulate12: 40 used, 0 excluded, 0 failed; ")
    table = read_table(paths.diagnoses("simulate12"), DIAGNOSES)
    assert set(table["signals"]) == {"simulated"}
    assert not any(len(unknown) for unknown in table["unknown"])


def test_records_are_the_headers_that_a_mirror_has(tmp_path):
    make_mirror(tmp_path / "mirror" / "chapman")
    manifest = acquire_corpus(CHAPMAN, tmp_path / "raw", mirror=tmp_path / "mirror", url=NO_SERVER)
    assert len(manifest["records"]) == 23
    assert not any("another" in record for record in manifest["records"])
    write_mat(tmp_path / "mirror/chapman", "JS00001", draw_signal(), LEADS_12, f"#Dx: {AF}")
    with pytest.raises(DataError, match="JS00001 and WFDBRecords/01/010/JS00001; expected each record once"):
        acquire_corpus(CHAPMAN, tmp_path / "other", mirror=tmp_path / "mirror", url=NO_SERVER)
    (tmp_path / "mirror/georgia").mkdir()
    with pytest.raises(DataError, match=r"georgia in .*: no header; expected names like .*E"):
        acquire_corpus(GEORGIA, tmp_path / "georgia", mirror=tmp_path / "mirror", url=NO_SERVER)


def test_labels_that_a_mirror_lacks_are_missed_at_once(tmp_path):
    write_mat(tmp_path / "mirror/cinc2017", "A00001", draw_signal(1), ("ECG",), fs_hz=300)
    with pytest.raises(DataError, match="1 of 2 files missing: REFERENCE-v3.csv"):
        acquire_corpus(CINC2017, tmp_path / "raw", mirror=tmp_path / "mirror", url=NO_SERVER)


def test_another_rate_is_another_corpus_on_disk(tmp_path):
    mirror = tmp_path / "mirror" / "ptbxl"
    for rate, letter in ((100, "l"), (500, "h")):
        write_mat(mirror, f"records{rate}/00000/00001_{letter}r", draw_signal(), LEADS_12, fs_hz=rate)
    for name in DIAGNOSTIC_CORPORA["ptbxl"].extra_files:
        (mirror / name).write_text("x\n")
    for rate in (100, 500, 500):
        corpus = DIAGNOSTIC_CORPORA["ptbxl"].at_rate(rate)
        manifest = acquire_corpus(corpus, tmp_path / "raw", mirror=tmp_path / "mirror", url=NO_SERVER)
        assert [record.split("/")[0] for record in manifest["records"]] == [f"records{rate}"]


def test_the_sample_of_the_2017_challenge(tmp_path, monkeypatch):
    mirror = mirrored("cinc2017").parent
    acquired, described = run_stages("cinc2017", tmp_path, mirror, monkeypatch)
    assert acquired.startswith("cinc2017: 1999 records of 8528: the source has no others")
    assert described == "cinc2017: 1999 used, 0 excluded, 0 failed; N 1190, A 178, O 566, ~ 65"
    table = read_table(paths.diagnoses("cinc2017"), DIAGNOSES)
    for label, least in (("N", 238), ("A", 35), ("O", 113), ("~", 13)):
        of_class = np.array([labels[0] == label for labels in table["labels"]])
        assert set(Counter(table["fold"][of_class].tolist()).values()) <= {least, least + 1}
    duration_s = table["num_samples"] / 300
    assert (duration_s.min() > 9 - 0.1, duration_s.max() < 61) == (True, True)


def test_the_first_500_records_of_ptbxl(tmp_path, monkeypatch):
    mirror = mirrored("ptbxl").parent
    acquired, described = run_stages("ptbxl", tmp_path, mirror, monkeypatch)
    assert acquired.startswith("ptbxl: 500 records of 21799")
    # 12 records have no diagnostic statement, and one has none with a likelihood.
    assert described == "ptbxl: 487 used, 13 excluded, 0 failed; NORM 297, MI 73, STTC 93, CD 78, HYP 40"
    table = read_table(paths.diagnoses("ptbxl"), DIAGNOSES)
    assert all(tuple(leads) == LEADS_12 for leads in table["leads"])
    assert all(len(missing) == 0 for missing in table["missing"])
    subjects = {subject: set(table["fold"][table["subject"] == subject]) - {-1} for subject in set(table["subject"])}
    assert max(map(len, subjects.values())) == 1
    rhythm = Counter(code.split(":")[0] for codes in table["codes"] for code in codes)
    assert {name: rhythm[name] for name in ("SR", "SARRH", "AFIB", "SBRAD", "AFLT", "PACE", "STACH")} == {
        "SR": 407, "SARRH": 26, "AFIB": 13, "SBRAD": 9, "AFLT": 8, "PACE": 6, "STACH": 5,
    }  # fmt: skip
    # The limb leads are tied to each other: a column in the wrong place would break Einthoven's law.
    store = open_array(paths.leads("ptbxl"), LEADS, aligned_with=paths.diagnoses("ptbxl"))
    wander = split_by_record(read_table(paths.wander("ptbxl"), WANDER))
    levels = [
        1000 * read_baseline(wander[record], 12).at(stop - start, 100) for record, (start, stop) in store.rows.items()
    ]
    one, two, three, right, left, foot = (store.read() + np.concatenate(levels))[:, :6].T
    for error_uv in (one + three - two, right + left + foot, left - (one - three) / 2, foot - (two + three) / 2):
        assert np.quantile(np.abs(error_uv), 0.99) < 20
