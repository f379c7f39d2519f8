"""What is wrong with real data: one written record per known failure, and what the reader makes of it.

The number in a test's name is the row of the list of failure modes it stands for. Rows that cannot occur in a two-lead
rhythm corpus (36) or that lie in a recipe and not in the data (38-40) are tested where they belong.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgfeat.acquire.download import acquire_corpus
from ecgfeat.corpora import CORPORA, Corpus
from ecgfeat.corpora.splits import check_split, read_split
from ecgfeat.errors import DataError
from ecgfeat.records.annotations import aami_class, find_episodes, is_beat, rhythm_at
from ecgfeat.records.reader import read_annotations, read_header, read_signal
from ecgfeat.records.writer import write_annotation_file, write_record

NUM_SAMPLES = 1280
LABELS = CORPORA["ltafdb"].rhythm_labels
episodes_of = partial(find_episodes, before_first="nsr", min_samples=16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus of one good record ``x``: two different leads, a beat per second, AFIB from 5 s on."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    t = np.arange(NUM_SAMPLES)
    uv = np.stack([1000 * np.sin(t / 9), 300 * np.cos(t / 9)], axis=1).astype(np.int16)
    write_record(folder, "x", uv, 128, ["MLII", "V5"])
    beats = np.arange(64, NUM_SAMPLES, 128)
    sample = np.concatenate([[0], beats, [640]])
    order = np.argsort(sample, kind="stable")
    symbol = np.array(["+", *["N"] * len(beats), "+"])[order]
    aux = np.array(["(N", *[""] * len(beats), "(AFIB"], dtype=object)[order]
    write_annotation_file(folder, "x", "atr", sample[order], symbol, aux, 128)
    return folder


def edit_header(folder: Path, old: str, new: str) -> None:
    path = folder / "x.hea"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refused(read: Callable[[], object], *parts: str) -> None:
    """The message is one line: where, what was found, what was expected, and the parts given."""
    with pytest.raises(DataError) as error:
        read()
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("corpus/x: ")
    assert "; expected " in message
    for part in parts:
        assert part in message


def test_1_2_lead_order_and_names_differ_per_record(folder: Path) -> None:
    uv = np.stack([np.full(10, 1), np.full(10, 2)], axis=1).astype(np.int16)
    write_record(folder, "y", uv[:, ::-1].copy(), 128, ["V5", "MLII"])
    write_record(folder, "z", uv, 128, ["V5", "V2"])
    assert read_signal(folder, "y").leads == ("V5", "MLII")
    assert read_signal(folder, "y").lead("MLII")[0] == pytest.approx(1e-3)
    assert read_signal(folder, "y").lead(0)[0] == pytest.approx(2e-3)
    with pytest.raises(DataError, match="z: no lead called 'MLII'; expected one of V5, V2"):
        read_signal(folder, "z").lead("MLII")
    with pytest.raises(DataError, match="no lead at position 2; expected 0 to 1"):
        read_signal(folder, "z").lead(2)


def test_1_mitdb_114_has_mlii_second(mitdb: Path) -> None:
    signal = read_signal(mitdb, "114")
    assert signal.leads == ("V5", "MLII")
    assert np.array_equal(signal.lead("MLII"), signal.signal_mv_SC[:, 1])


def test_3_two_leads_of_one_name_are_two_leads(folder: Path) -> None:
    edit_header(folder, "MLII", "ECG")
    edit_header(folder, "V5", "ECG")
    signal = read_signal(folder, "x")
    assert signal.leads == ("ECG", "ECG")
    assert not np.array_equal(signal.lead(0), signal.lead(1))
    with pytest.raises(DataError, match="2 leads called 'ECG'.* Name the lead by position"):
        signal.lead("ECG")


def test_4_unknown_lead_identity_is_said() -> None:
    assert CORPORA["svdb"].lead_names == ("ECG1", "ECG2")
    assert any("not known" in quirk for quirk in CORPORA["svdb"].quirks)


def test_4_leads_without_a_name_are_read_by_position(folder: Path) -> None:
    edit_header(folder, " MLII", "")
    signal = read_signal(folder, "x")
    assert signal.leads == ("", "V5")
    assert np.nanmax(signal.lead(0)) > 0.9


def test_5_lead_names_are_found_in_any_case(folder: Path) -> None:
    edit_header(folder, "V5", "AVR")
    signal = read_signal(folder, "x")
    assert np.array_equal(signal.lead("aVR"), signal.lead(1))


@pytest.mark.parametrize(("fmt", "invalid"), [("16", -32768), ("212", -2048)])
def test_6_invalid_samples_are_nan_and_only_they(folder: Path, fmt: str, invalid: int) -> None:
    digital = np.stack([np.arange(100), np.arange(100)], axis=1)
    digital[[3, 50], [0, 1]] = invalid
    if fmt == "16":
        write_record(folder, "x", digital.astype(np.int16), 128, ["I", "II"])
    else:
        wfdb.wrsamp(
            "x",
            fs=128,
            units=["mV"] * 2,
            sig_name=["I", "II"],
            d_signal=digital,
            fmt=["212"] * 2,
            adc_gain=[200.0] * 2,
            baseline=[0] * 2,
            write_dir=str(folder),
        )
    bad = np.isnan(read_signal(folder, "x").signal_mv_SC)
    assert np.argwhere(bad).tolist() == [[3, 0], [50, 1]]


def test_7_a_flat_line_and_a_gap_of_zeros_stay_what_they_are(folder: Path) -> None:
    uv = np.full((500, 2), 100, np.int16)
    uv[100:200] = 0
    write_record(folder, "x", uv, 128, ["I", "II"])
    np.testing.assert_allclose(read_signal(folder, "x").signal_mv_SC, uv / 1000, rtol=1e-6)


def test_8_a_negative_gain_turns_the_polarity(folder: Path) -> None:
    upright = read_signal(folder, "x").signal_mv_SC
    edit_header(folder, "1000(0)/mV", "-1000(0)/mV")
    np.testing.assert_array_equal(read_signal(folder, "x").signal_mv_SC, -upright)


def write_segments(folder: Path) -> None:
    for name, value, gain, leads in (("s1", 100, 100, ["I", "II"]), ("s2", 200, 400, ["II", "I"])):
        write_record(folder, name, np.array([[value, 2 * value]] * 10, np.int16), 128, leads)
        path = folder / f"{name}.hea"
        path.write_text(path.read_text().replace("1000(0)", f"{gain}(0)"))


def test_9_segments_of_a_variable_layout_go_by_name_and_gain(folder: Path) -> None:
    write_segments(folder)
    (folder / "x.hea").write_text("x/4 2 128 25\nlayout 0\ns1 10\n~ 5\ns2 10\n")
    lines = "~ 0 200/mV 12 0 0 0 0 I\n~ 0 200/mV 12 0 0 0 0 II\n"
    (folder / "layout.hea").write_text(f"layout 2 128 0\n{lines}")
    signal = read_signal(folder, "x")
    assert signal.leads == ("I", "II")
    expected = np.array([[1.0, 2.0]] * 10 + [[np.nan, np.nan]] * 5 + [[1.0, 0.5]] * 10)
    np.testing.assert_allclose(signal.signal_mv_SC, expected, rtol=1e-6)


def test_9_segments_of_a_fixed_layout_go_by_position(folder: Path) -> None:
    write_segments(folder)
    (folder / "s2.hea").write_text((folder / "s2.hea").read_text().replace("0 II\n", "0 I\n", 1))
    second = (folder / "s2.hea").read_text().splitlines()
    second[2] = second[2].removesuffix("I") + "II"
    (folder / "s2.hea").write_text("\n".join(second) + "\n")
    (folder / "x.hea").write_text("x/2 2 128 20\ns1 10\ns2 10\n")
    expected = np.array([[1.0, 2.0]] * 10 + [[0.5, 1.0]] * 10)
    np.testing.assert_allclose(read_signal(folder, "x").signal_mv_SC, expected, rtol=1e-6)
    write_segments(folder)
    refused(lambda: read_signal(folder, "x"), "segment s2 with leads II, I", "expected I, II")


def test_10_several_sampling_frequencies_are_refused(folder: Path) -> None:
    edit_header(folder, "x.dat 16 1000(0)/mV 16 0 0", "x.dat 16x4 1000(0)/mV 16 0 0")
    refused(lambda: read_header(folder, "x"), "x.dat with 4 samples per frame", "one sampling frequency")


@pytest.mark.parametrize("stated", ["128", "128 0"])
def test_11_a_missing_length_follows_from_the_file_or_is_refused(folder: Path, stated: str) -> None:
    expected = read_signal(folder, "x").signal_mv_SC
    edit_header(folder, f"x 2 128 {NUM_SAMPLES}", f"x 2 {stated}")
    assert read_header(folder, "x").num_samples == NUM_SAMPLES
    np.testing.assert_array_equal(read_signal(folder, "x").signal_mv_SC, expected)
    with open(folder / "x.dat", "ab") as file:
        file.write(b"\0\0")  # half a frame
    refused(lambda: read_header(folder, "x"), "a header without length")
    (folder / "x.dat").unlink()
    refused(lambda: read_header(folder, "x"), "a header without length")


def test_12_nothing_is_guessed_that_wfdb_would_guess(folder: Path) -> None:
    edit_header(folder, f"x 2 128 {NUM_SAMPLES}", "x 2")
    assert wfdb.rdheader(str(folder / "x")).fs == 250
    refused(lambda: read_header(folder, "x"), "a header without fs", "The rate is never guessed")
    for fs in ("0", "-128", "fast", "nan", "1e9"):
        edit_header(folder, (folder / "x.hea").read_text().splitlines()[0], f"x 2 {fs} {NUM_SAMPLES}")
        refused(lambda: read_header(folder, "x"), f"sampling frequency '{fs}' in the header")


@pytest.mark.parametrize("gain", ["0(0)/mV", ""])
def test_12_a_missing_gain_is_that_of_wfdb_and_the_lead_uncalibrated(folder: Path, gain: str) -> None:
    stated = read_signal(folder, "x")
    assert stated.uncalibrated == ()
    assert stated.calibration_note == ""
    if gain:
        edit_header(folder, "1000(0)/mV", gain)
    else:
        (folder / "x.hea").write_text(f"x 2 128 {NUM_SAMPLES}\nx.dat 16\nx.dat 16\n")
    found = read_signal(folder, "x")
    np.testing.assert_allclose(found.signal_mv_SC, wfdb.rdrecord(str(folder / "x")).p_signal, rtol=1e-6)
    assert len(found.uncalibrated) == 2
    assert "200 units per mV assumed, so amplitudes are relative" in found.calibration_note


def test_13_a_short_signal_file_is_refused_with_both_sizes(folder: Path) -> None:
    raw = (folder / "x.dat").read_bytes()
    (folder / "x.dat").write_bytes(raw[:-100])
    assert len(wfdb.rdrecord(str(folder / "x"), sampto=100).p_signal) == 100  # wfdb sees nothing wrong
    refused(lambda: read_signal(folder, "x"), "x.dat has 5020 bytes; expected 5120", "cut short")
    (folder / "x.dat").unlink()
    refused(lambda: read_signal(folder, "x"), "no signal file x.dat")


def test_14_a_checksum_of_0_is_none(folder: Path) -> None:
    """Writers that compute none state 0: every record of cinc2017."""
    path = folder / "x.hea"
    lines = path.read_text().splitlines()
    fields = [line.split() for line in lines[1:3]]
    assert all(int(of[6]) != 0 for of in fields)
    path.write_text("\n".join([lines[0], *(" ".join([*of[:6], "0", *of[7:]]) for of in fields), *lines[3:]]) + "\n")
    assert np.isfinite(read_signal(folder, "x").signal_mv_SC).any()


def test_14_one_flipped_bit_is_found_by_the_checksum(folder: Path) -> None:
    raw = bytearray((folder / "x.dat").read_bytes())
    raw[1002] ^= 4
    (folder / "x.dat").write_bytes(raw)
    refused(lambda: read_signal(folder, "x"), "checksum ", "of lead 1 (V5) in x.dat", "Copy or download the file again")
    assert len(read_signal(folder, "x", verify=False).signal_mv_SC) == NUM_SAMPLES


@pytest.mark.parametrize("written", ["12:30:00 05/11/2020", "12:30:00 2020-11-05", "05-Nov-2020 12:30:00", "12:30"])
def test_15_any_date_syntax_reads(folder: Path, written: str) -> None:
    edit_header(folder, f"x 2 128 {NUM_SAMPLES}", f"x 2 128 {NUM_SAMPLES} {written}")
    assert read_header(folder, "x").base_time == written
    assert read_signal(folder, "x").signal_mv_SC.shape == (NUM_SAMPLES, 2)


@pytest.mark.parametrize(
    ("first", "found"), [("x/3 2 128 20", "2 segments; expected 3"), ("x/2 2 128 21", "segments of 20 samples in all")]
)
def test_16_segments_that_disagree_with_the_header_are_refused(folder: Path, first: str, found: str) -> None:
    write_segments(folder)
    (folder / "x.hea").write_text(f"{first}\ns1 10\ns2 10\n")
    refused(lambda: read_header(folder, "x"), found)


def test_16_signal_lines_that_disagree_with_the_header_are_refused(folder: Path) -> None:
    edit_header(folder, "x 2 128", "x 3 128")
    refused(lambda: read_header(folder, "x"), "2 signal lines; expected 3")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "x\n", "x two 128 10\n", "x 2 128 ten\n"])
def test_a_header_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "x.hea").write_text(text)
    refused(lambda: read_header(folder, "x"))


def test_17_annotations_beyond_the_end_are_left_out_and_counted(folder: Path) -> None:
    whole = read_annotations(folder, "x", "atr", NUM_SAMPLES)
    short = read_annotations(folder, "x", "atr", 700)
    assert whole.num_beyond == 0
    assert short.sample.max() < 700
    assert short.num_beyond == len(whole.sample) - len(short.sample) > 0


def test_17_ltafdb_30_is_annotated_beyond_its_end(ltafdb: Path) -> None:
    header = read_header(ltafdb, "30")
    read = read_annotations(ltafdb, "30", "atr", header.num_samples)
    assert read.num_beyond > 0
    assert read.sample.max() < header.num_samples
    everything = read_annotations(ltafdb, "30", "atr", None)
    for marks in (read, everything):
        episodes = episodes_of(marks.sample, marks.aux, header.num_samples, LABELS)
        assert episodes.stop_sample.max() <= header.num_samples


def test_18_absent_empty_and_truncated_annotations_are_told_apart(folder: Path) -> None:
    path = folder / "x.atr"
    raw = path.read_bytes()
    for cut in range(1, len(raw)):
        path.write_bytes(raw[:cut])
        refused(lambda: read_annotations(folder, "x", "atr", None), "annotation file x.atr: truncated")
    path.write_bytes(b"")
    refused(lambda: read_annotations(folder, "x", "atr", None), "x.atr is empty (0 bytes)")
    path.write_bytes(b"\0\0")
    refused(lambda: read_annotations(folder, "x", "atr", None), "no annotations in x.atr (only its end mark)")
    assert len(read_annotations(folder, "x", "atr", None, allow_empty=True).sample) == 0
    path.unlink()
    refused(lambda: read_annotations(folder, "x", "atr", None), "no annotation file x.atr")


def test_19_a_beat_file_of_another_rate_is_brought_to_that_of_the_record(folder: Path) -> None:
    write_annotation_file(folder, "x", "qrs", [10, 250, 2501, 3000], ["N"] * 4, None, 250)
    read = read_annotations(folder, "x", "qrs", NUM_SAMPLES, fs_hz=128)
    assert read.sample.tolist() == [5, 128]  # 5.12, 128, and beyond the end 1280.5 and 1536
    assert read.num_beyond == 2
    assert read_annotations(folder, "x", "qrs", None, fs_hz=128).sample.tolist() == [5, 128, 1281, 1536]
    assert read_annotations(folder, "x", "qrs", NUM_SAMPLES).sample.tolist() == [10, 250]
    assert any("07162" in quirk for quirk in CORPORA["afdb"].quirks)


def test_20_annotations_without_signal_are_excluded_by_name() -> None:
    afdb = CORPORA["afdb"]
    assert set(afdb.without_signal) == {"00735", "03665"} == set(afdb.excluded)
    split = read_split(afdb, afdb.default_split)
    assert {split[record] for record in afdb.without_signal} == {"none"}


def small_corpus(**facts: object) -> Corpus:
    return Corpus(**{**vars(CORPORA["afdb"]), "slug": "corpus", "fs_hz": 128.0, "beat_annotation": None, **facts})


def test_20_a_record_without_signal_does_not_stop_the_others(folder: Path, tmp_path: Path) -> None:
    for suffix in ("hea", "atr"):
        (folder / f"y.{suffix}").write_bytes((folder / f"x.{suffix}").read_bytes())
    listed = small_corpus(records=("x", "y"), without_signal=("y",), excluded={"y": "published without signals"})
    manifest = acquire_corpus(listed, tmp_path / "one", mirror=tmp_path, url="http://127.0.0.1:9")
    assert sorted(manifest["files"]) == ["x.atr", "x.dat", "x.hea", "y.atr", "y.hea"]
    unknown = small_corpus(records=("x", "y"), without_signal=(), excluded={})
    (folder / "y.hea").write_text((folder / "y.hea").read_text().replace("x.dat", "y.dat"))
    with pytest.raises(DataError, match=r"1 of 2 files missing: y\.dat"):
        acquire_corpus(unknown, tmp_path / "two", mirror=tmp_path, url="http://127.0.0.1:9")


def test_21_reviewed_annotations_are_the_reference() -> None:
    for slug in ("ltafdb", "mitdb", "nsrdb", "svdb"):
        assert (CORPORA[slug].annotation, CORPORA[slug].beat_annotation) == ("atr", None)
    # afdb has reviewed beats for some records only; its facts state that.
    assert CORPORA["afdb"].beat_annotation == "qrs"
    for slug in ("afdb", "aftdb", "afpdb", "shdb-af"):
        assert any("unaudited" in quirk for quirk in CORPORA[slug].quirks)
        assert not CORPORA[slug].has_beat_classes


def test_22_rhythm_texts_with_nul_and_comments(folder: Path) -> None:
    texts = ["\x01 Aux", "(AFIB\0", "M", "MB", "MISSB\0", "PSE", "TS\0", "", "(N\0", "(SBR"]
    symbol = ['"', "+", '"', '"', '"', '"', '"', "N", "+", "+"]
    write_annotation_file(folder, "x", "atr", np.arange(len(texts)) * 100, symbol, texts, 128)
    read = read_annotations(folder, "x", "atr", NUM_SAMPLES)
    assert read.aux.tolist() == texts
    for given in (None, read.symbol):
        episodes = episodes_of(read.sample, read.aux, NUM_SAMPLES, LABELS, symbol=given)
        assert episodes.rhythm.tolist() == ["NSR", "AFIB", "NSR", "SBR"]
        assert episodes.start_sample.tolist() == [0, 100, 800, 900]


def test_23_before_the_first_mark_and_after_the_last() -> None:
    seed = episodes_of([640], ["(AFIB"], NUM_SAMPLES, LABELS)
    assert seed.rhythm.tolist() == ["NSR", "AFIB"]
    cautious = episodes_of([640], ["(AFIB"], NUM_SAMPLES, LABELS, before_first="unlabelled")
    assert cautious.rhythm.tolist() == ["AFIB"]
    assert cautious.start_sample.tolist() == [640]
    assert cautious.stop_sample.tolist() == [NUM_SAMPLES]
    assert rhythm_at([0, 639, 640, NUM_SAMPLES], cautious).tolist() == ["", "", "AFIB", ""]
    assert len(episodes_of([], [], NUM_SAMPLES, LABELS, before_first="unlabelled")) == 0


def test_23_ltafdb_64_does_not_begin_with_a_rhythm(ltafdb: Path) -> None:
    header = read_header(ltafdb, "64")
    read = read_annotations(ltafdb, "64", "atr", header.num_samples)
    first = read.sample[read.symbol == "+"].min()
    assert (read.sample[is_beat(read.symbol)] < first).any()
    seed = episodes_of(read.sample, read.aux, header.num_samples, LABELS)
    cautious = episodes_of(read.sample, read.aux, header.num_samples, LABELS, before_first="unlabelled")
    assert seed.start_sample[0] == 0
    assert cautious.start_sample[0] >= first > 0


def test_24_a_closed_rhythm_leaves_the_rest_undefined() -> None:
    episodes = episodes_of([0, 300, 700, 900], ["(AFIB", ")", "(N", ")"], NUM_SAMPLES, LABELS)
    assert list(zip(episodes.start_sample, episodes.stop_sample, episodes.rhythm, strict=True)) == [
        (0, 300, "AFIB"),
        (700, 900, "NSR"),
    ]
    assert rhythm_at([299, 300, 699, 700, 1000], episodes).tolist() == ["AFIB", "", "", "NSR", ""]


def test_25_marks_beside_the_beat_label_the_right_beats() -> None:
    beats = np.arange(100, 2000, 200)  # 200 Hz
    onset, end = beats[3] - 30, beats[6] + 30  # 0.15 s before the first beat of AFIB, 0.15 s after its last
    episodes = episodes_of([0, onset, end], ["(N", "(AFIB", "(N"], 2000, CORPORA["cpsc2021"].rhythm_labels)
    assert rhythm_at(beats, episodes).tolist() == ["NSR"] * 3 + ["AFIB"] * 4 + ["NSR"] * 3


def test_26_a_revised_database_has_another_manifest(folder: Path, tmp_path: Path) -> None:
    corpus = small_corpus(records=("x",), without_signal=(), excluded={})
    first = acquire_corpus(corpus, tmp_path / "one", mirror=tmp_path, url="http://127.0.0.1:9")
    write_annotation_file(folder, "x", "atr", [5], ["N"], None, 128)
    second = acquire_corpus(corpus, tmp_path / "two", mirror=tmp_path, url="http://127.0.0.1:9")
    assert first["version"] == second["version"]
    assert [name for name in first["files"] if first["files"][name] != second["files"][name]] == ["x.atr"]
    assert second["files"]["x.atr"] == hashlib.sha256((folder / "x.atr").read_bytes()).hexdigest()
    revised = Corpus(**{**vars(corpus), "version": "1.0.1"})
    assert acquire_corpus(revised, tmp_path / "one", mirror=tmp_path, url="http://127.0.0.1:9")["version"] == "1.0.1"


@pytest.mark.parametrize("slug", ["afdb", "cpsc2021", "mitdb", "ltafdb", "icentia11k"])
def test_27_flutter_is_not_fibrillation(slug: str) -> None:
    episodes = episodes_of([0, 500], ["(AFL", "(AFIB"], NUM_SAMPLES, CORPORA[slug].rhythm_labels)
    assert episodes.rhythm.tolist() == ["AFL", "AFIB"]


@pytest.mark.parametrize("pair", [("+", "N"), ("N", "+")])
def test_28_annotations_on_one_sample_keep_their_order(folder: Path, pair: tuple[str, str]) -> None:
    aux = ["(B" if symbol == "+" else "" for symbol in pair]
    write_annotation_file(folder, "x", "atr", [5, 5, 9], [*pair, "V"], [*aux, ""], 128)
    read = read_annotations(folder, "x", "atr", NUM_SAMPLES)
    assert read.symbol.tolist() == [*pair, "V"]
    episodes = episodes_of(read.sample, read.aux, NUM_SAMPLES, LABELS, before_first="unlabelled")
    assert rhythm_at(read.sample, episodes).tolist() == ["B"] * 3  # whichever comes first in the file


def test_28_of_two_marks_on_one_sample_the_later_wins() -> None:
    episodes = episodes_of([0, 300, 300], ["(N", "(AFIB", "(SBR"], NUM_SAMPLES, LABELS)
    assert episodes.rhythm.tolist() == ["NSR", "SBR"]


def test_28_annotations_out_of_order_are_put_in_order(folder: Path) -> None:
    skip = (59 << 10).to_bytes(2, "little") + b"\xff\xff\xfb\xff"  # five samples back
    words = [(1 << 10 | 20).to_bytes(2, "little"), skip, (5 << 10).to_bytes(2, "little"), b"\0\0"]
    (folder / "x.atr").write_bytes(b"".join(words))
    read = read_annotations(folder, "x", "atr", NUM_SAMPLES)
    assert (read.sample.tolist(), read.symbol.tolist()) == ([15, 20], ["V", "N"])
    (folder / "x.atr").write_bytes(b"".join([skip, *words]))
    assert read_annotations(folder, "x", "atr", NUM_SAMPLES).sample.tolist() == [10, 15]
    (folder / "x.atr").write_bytes(b"".join([skip, words[2], b"\0\0"]))
    refused(lambda: read_annotations(folder, "x", "atr", NUM_SAMPLES), "position -5 in x.atr")


def test_28_mitdb_annotations_are_in_order(mitdb: Path) -> None:
    for record in CORPORA["mitdb"].records:
        assert (np.diff(read_annotations(mitdb, record, "atr", 650000).sample) >= 0).all()


def test_29_paced_beats_are_q_and_their_records_are_out() -> None:
    assert aami_class(["/", "f"], "dechazal").tolist() == ["Q", "Q"]
    mitdb = CORPORA["mitdb"]
    split = read_split(mitdb, "ds1ds2")
    for record in ("102", "104", "107", "217"):
        assert "pace" in mitdb.excluded[record]
        assert split[record] == "none"


def test_29_no_other_mitdb_record_is_paced(mitdb: Path) -> None:
    paced = {
        record
        for record in CORPORA["mitdb"].records
        if np.isin(read_annotations(mitdb, record, "atr", None).symbol, ["/", "f"]).any()
    }
    assert paced == {"102", "104", "107", "217"}


def test_30_flutter_waves_are_no_beats() -> None:
    assert not is_beat(["[", "!", "]"]).any()


def test_31_one_subject_on_two_sides_is_refused() -> None:
    corpus = small_corpus(records=("a", "b"), subjects={"a": "man", "b": "man"}, without_signal=(), excluded={})
    with pytest.raises(DataError, match=r"subject man \(record b\) in train and test; expected each subject in one"):
        check_split(corpus, {"a": "train", "b": "test"}, "split x")
    check_split(corpus, {"a": "train", "b": "none"}, "split x")


def test_37_the_same_signal_under_two_names_is_used_once() -> None:
    for slug, first, second in (("afpdb", "p01", "p37"), ("shdb-af", "005", "020")):
        corpus = CORPORA[slug]
        assert second in corpus.excluded
        assert first not in corpus.excluded
        assert corpus.subject_of(first) == corpus.subject_of(second)


def test_33_lengths_differ_per_record(ltafdb: Path) -> None:
    lengths = {read_header(ltafdb, record).num_samples for record in CORPORA["ltafdb"].records}
    assert len(lengths) > 10


def test_34_missing_segments_leave_the_subject_whole() -> None:
    there = [f"p00/p00007/p00007_s{i:02d}" for i in (0, 1, 4, 9)] + ["p00/p00008/p00008_s03"]
    split = read_split(CORPORA["icentia11k"], "seed42", records=there)
    assert len({split[record] for record in there[:4]}) == 1


def test_35_an_index_that_names_what_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "RECORDS").write_text("x\ny\n")
    corpus = small_corpus(records=(), without_signal=(), excluded={})
    with pytest.raises(DataError, match=r"2 of 4 files missing: y\.hea, y\.atr"):
        acquire_corpus(corpus, tmp_path / "one", mirror=tmp_path, url="http://127.0.0.1:9")


def test_a_faulty_header_is_acquired_and_left_to_the_reader(folder: Path, tmp_path: Path) -> None:
    edit_header(folder, f"x 2 128 {NUM_SAMPLES}", "x 2")
    corpus = small_corpus(records=("x",), without_signal=(), excluded={})
    assert sorted(acquire_corpus(corpus, tmp_path / "one", mirror=tmp_path, url="http://127.0.0.1:9")["files"]) == [
        "x.atr",
        "x.dat",
        "x.hea",
    ]


def test_16_segments_of_segments_are_refused(folder: Path) -> None:
    (folder / "x.hea").write_text("x/1 2 128 10\ny 10\n")
    (folder / "y.hea").write_text("y/1 2 128 10\nx 10\n")
    with pytest.raises(DataError, match="corpus/y: a segment with segments"):
        read_signal(folder, "x")
