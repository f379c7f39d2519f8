"""What the simulator writes: true WFDB files, the same bytes from the same seed, real annotations kept as they are."""

import hashlib
from importlib import resources

import numpy as np
import pytest
import wfdb
from wfdb import processing

from ecgfeat.corpora import CORPORA, get_corpus
from ecgfeat.corpora.simulated import MAX_SUBJECTS, SIMULATE, SPLIT_PATTERN
from ecgfeat.corpora.splits import read_split
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.annotations import find_episodes, is_beat
from ecgfeat.records.reader import read_annotations, read_header, read_signal
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.scoring.beats import match_beats
from ecgfeat.simulate import record_names, render_annotations, simulate_corpus


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def simulate(folder, **changes):
    folder.mkdir()
    settings = {"num_subjects": 4, "minutes": 3, "fs_hz": 128, "seed": 11} | changes
    simulate_corpus(folder, **settings)
    return folder


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("simulated") / "raw")


def test_same_seed_gives_the_same_bytes_and_another_seed_others(corpus_folder, tmp_path):
    expected = digests(corpus_folder)
    assert digests(simulate(tmp_path / "again")) == expected
    other = digests(simulate(tmp_path / "other", seed=12))
    assert not {other[f"{name}.dat"] for name in record_names(4)} & set(expected.values())


def test_a_record_does_not_depend_on_the_others(corpus_folder, tmp_path):
    expected = digests(corpus_folder)
    subset = digests(simulate(tmp_path / "subset", records=["sim002"]))
    assert (tmp_path / "subset" / "RECORDS").read_text() == "sim002\n"
    more = digests(simulate(tmp_path / "more", num_subjects=6))
    for found in (subset, more):
        for suffix in ("hea", "dat", "atr"):
            assert found[f"sim002.{suffix}"] == expected[f"sim002.{suffix}"]
    assert len(subset) == 4


def test_files_are_what_wfdb_reads(corpus_folder):
    assert (corpus_folder / "RECORDS").read_text().split() == ["sim000", "sim001", "sim002", "sim003"]
    for name in record_names(4):
        path = str(corpus_folder / name)
        record = wfdb.rdrecord(path, physical=False)
        assert (record.fs, record.sig_len, record.n_sig) == (128, 3 * 60 * 128, 2)
        assert record.fmt == ["16", "16"]
        assert record.units == ["mV", "mV"]
        assert record.adc_gain == [1000.0, 1000.0]
        assert tuple(record.sig_name) == SIMULATE.lead_names
        # wfdb computes the checksums of what it read; the header holds those of what was written.
        assert [total % 65536 for total in record.calc_checksum()] == [total % 65536 for total in record.checksum]
        assert record.comments[0].startswith("simulated: seed 11, subject ")
        annotations = wfdb.rdann(path, "atr")
        assert set(annotations.symbol) <= set("NAV+")
        ours = read_annotations(corpus_folder, name, "atr", record.sig_len)
        assert ours.sample.tolist() == annotations.sample.tolist()
        assert ours.symbol.tolist() == annotations.symbol
        signal = read_signal(corpus_folder, name)
        assert np.nanmax(np.abs(signal.signal_mv_SC)) < 20
        assert np.isnan(signal.signal_mv_SC).mean() < 0.2


def test_episodes_cover_the_record_and_begin_ahead_of_their_first_beat(corpus_folder):
    for name in record_names(4):
        num_samples = read_header(corpus_folder, name).num_samples
        found = read_annotations(corpus_folder, name, "atr", num_samples)
        marks = np.flatnonzero(found.symbol == "+")
        assert found.sample[marks[0]] == 0
        beats = found.sample[is_beat(found.symbol)]
        for mark in found.sample[marks[1:]]:
            assert beats[np.searchsorted(beats, mark)] - mark == 20
        episodes = find_episodes(
            found.sample, found.aux, num_samples, SIMULATE.rhythm_labels, before_first="unlabelled", min_samples=16
        )
        assert episodes.start_sample[0] == 0
        assert episodes.stop_sample[-1] == num_samples
        assert np.array_equal(episodes.start_sample[1:], episodes.stop_sample[:-1])


def test_an_independent_detector_finds_the_annotated_beats(tmp_path):
    folder = simulate(tmp_path / "raw", num_subjects=12, minutes=2, seed=2)
    sensitivity = []
    for name in record_names(12):
        record = wfdb.rdrecord(str(folder / name))
        if len(record.comments) > 1:
            continue  # low gain and inverted leads are meant to be hard
        found = read_annotations(folder, name, "atr", record.sig_len)
        reference = found.sample[is_beat(found.symbol)]
        detector = processing.XQRS(sig=np.nan_to_num(record.p_signal[:, 0]), fs=128)
        detector.detect(verbose=False)
        matched, _ = match_beats(reference, np.asarray(detector.qrs_inds, dtype=np.int64), 19)
        sensitivity.append(len(matched) / len(reference))
    assert len(sensitivity) >= 8
    assert np.mean(sensitivity) > 0.98
    assert np.median(sensitivity) > 0.995


def test_other_sampling_frequencies_keep_the_length(tmp_path):
    folder = simulate(tmp_path / "raw", num_subjects=1, fs_hz=250)
    header = read_header(folder, "sim000")
    assert (header.fs_hz, header.num_samples) == (250, 3 * 60 * 250)
    found = read_annotations(folder, "sim000", "atr", header.num_samples, fs_hz=250)
    assert 90 < len(found.sample) < 600


def test_progress_is_reported_per_record(tmp_path):
    seen = []
    folder = tmp_path / "raw"
    simulate(folder, num_subjects=2, on_record=lambda *report: seen.append(report))
    assert seen == [(1, 2, "sim000"), (2, 2, "sim001")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_subjects": 0}, r"simulate\.num_subjects: 0; expected 1 to 500"),
        ({"minutes": 0.1}, r"simulate\.minutes: 0\.1; expected at least 0\.5"),
        ({"fs_hz": 50}, r"simulate\.fs_hz: 50; expected at least 100"),
        ({"seed": -1}, r"simulate\.seed: -1; expected 0 or more"),
        ({"variety": 1.5}, r"simulate\.variety: 1\.5; expected 0 to 1"),
        ({"dwell_compression": 0.5}, r"simulate\.dwell_compression: 0\.5; expected at least 1"),
        ({"records": ["sim009"]}, r"simulate/sim009: no such record; expected sim000 to sim003\. Raise num_subjects"),
    ],
)
def test_wrong_use_is_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(UsageError, match=message) as caught:
        simulate(tmp_path / "raw", **change)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "raw").iterdir())


def test_facts_agree_with_what_is_written_and_the_split_file_with_its_pattern(corpus_folder):
    assert CORPORA["simulate"] is SIMULATE
    parts = {"t": "train", "v": "validation", "e": "test"}
    names = record_names(MAX_SUBJECTS)
    split = read_split(SIMULATE, SIMULATE.default_split, records=names)
    assert split == {name: parts[SPLIT_PATTERN[number % 20]] for number, name in enumerate(names)}
    listed = (resources.files("ecgfeat.corpora") / "split_tables" / "simulate-fixed.csv").read_text()
    assert len(listed.splitlines()) == MAX_SUBJECTS + 1
    header = read_header(corpus_folder, "sim000")
    assert (header.fs_hz, len(header.leads), header.leads) == (SIMULATE.fs_hz, SIMULATE.num_leads, SIMULATE.lead_names)


def write_source(folder, *, fs_hz=128.0, num_samples=128 * 60 * 10):
    """Write annotations as ltafdb has them: N A V Q, rhythm marks with NUL, comments, a beat beyond the end."""
    rng = np.random.default_rng(4)
    folder.mkdir()
    for record in ("07", "30"):
        beats = np.cumsum(rng.integers(70, 130, 900))
        beats = beats[beats < num_samples + 200]
        rows = [(int(at), "NNNNAVNNQ"[i % 9], "") for i, at in enumerate(beats)]
        rows += [
            (int(at) - 20, "+", text)
            for at, text in zip(beats[::60], ["(N", "(AFIB\0", "(SBR", "(VT"] * 9, strict=False)
        ]
        rows += [(int(beats[7]), '"', "MISSB"), (int(beats[9]), "|", "")]
        rows.sort(key=lambda row: row[0])
        sample, symbol, aux = (list(column) for column in zip(*rows, strict=True))
        write_annotation_file(folder, record, "atr", sample, symbol, aux, fs_hz)
        write_record(folder, record, np.zeros((num_samples, 2), np.int16), fs_hz, ["ECG", "ECG"])
        (folder / f"{record}.dat").unlink()  # as ltafdb is here: no signals
    return folder


def test_rendering_keeps_the_annotations_byte_for_byte(tmp_path):
    source, out = write_source(tmp_path / "source"), tmp_path / "out"
    out.mkdir()
    seen = []
    corpus = get_corpus("ltafdb")
    written = render_annotations(
        source,
        out,
        corpus=corpus,
        records=["07", "30"],
        hours=None,
        seed=5,
        on_record=lambda *report: seen.append(report),
    )
    assert written == ("07", "30")
    assert seen == [(1, 2, "07"), (2, 2, "30")]
    assert (out / "RECORDS").read_text() == "07\n30\n"
    for record in written:
        assert (out / f"{record}.atr").read_bytes() == (source / f"{record}.atr").read_bytes()
        header = read_header(out, record)
        assert header.num_samples == read_header(source, record).num_samples
        assert header.comments[0].strip() == f"simulated waveform rendered onto annotations of ltafdb/{record}, seed 5"
        assert np.nanstd(read_signal(out, record).signal_mv_SC, axis=0).min() > 0.02


def test_rendering_is_deterministic_per_record(tmp_path):
    source = write_source(tmp_path / "source")
    found = {}
    for name, records, seed in (("a", ["07", "30"], 5), ("b", ["30"], 5), ("c", ["30"], 6)):
        (tmp_path / name).mkdir()
        render_annotations(source, tmp_path / name, corpus=get_corpus("ltafdb"), records=records, hours=None, seed=seed)
        found[name] = digests(tmp_path / name)
    assert found["a"]["30.dat"] == found["b"]["30.dat"] != found["c"]["30.dat"]
    assert found["a"]["30.hea"] == found["b"]["30.hea"]


def test_shortened_rendering_keeps_all_annotations_before_the_end(tmp_path):
    source, out = write_source(tmp_path / "source"), tmp_path / "out"
    out.mkdir()
    render_annotations(source, out, corpus=get_corpus("ltafdb"), records=["07"], hours=0.05, seed=5)
    num_samples = round(0.05 * 3600 * 128)
    assert read_header(out, "07").num_samples == num_samples
    expected = read_annotations(source, "07", "atr", num_samples)
    found = read_annotations(out, "07", "atr", None)
    assert found.sample.tolist() == expected.sample.tolist()
    assert found.symbol.tolist() == expected.symbol.tolist()
    assert found.aux.tolist() == expected.aux.tolist()


def test_rendered_rhythm_decides_on_p_and_f_waves(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    # Slow and regular in both halves: only the atria differ.
    beats = np.arange(100, 128 * 1200, 200)
    half = int(beats[len(beats) // 2])
    sample = sorted([*beats.tolist(), 80, half - 20])
    symbol = ["+" if at in (80, half - 20) else "N" for at in sample]
    aux = ["(N" if at == 80 else "(AFIB" if at == half - 20 else "" for at in sample]
    write_annotation_file(source, "00", "atr", sample, symbol, aux, 128)
    write_record(source, "00", np.zeros((128 * 1200, 2), np.int16), 128, ["ECG", "ECG"])
    render_annotations(source, out, corpus=get_corpus("ltafdb"), records=["00"], hours=None, seed=1)
    signal_mv = read_signal(out, "00").signal_mv_SC[:, 0]
    before = np.arange(-40, -8)
    mean = {
        name: np.nanmedian(signal_mv[part[:, None] + before], axis=0)
        for name, part in (("NSR", beats[2 : len(beats) // 2 - 2]), ("AFIB", beats[len(beats) // 2 + 2 : -2]))
    }
    assert np.ptp(mean["NSR"]) > 2.5 * np.ptp(mean["AFIB"])


def test_real_annotations_are_rendered_at_their_own_rate(mitdb, tmp_path):
    # 208 has fusions, V and rhythm marks; mitdb runs at 360 Hz.
    render_annotations(mitdb, tmp_path, corpus=get_corpus("mitdb"), records=["208"], hours=None, seed=0)
    assert (tmp_path / "208.atr").read_bytes() == (mitdb / "208.atr").read_bytes()
    header = read_header(tmp_path, "208")
    assert (header.fs_hz, header.num_samples) == (360, 650_000)
    found = read_annotations(tmp_path, "208", "atr", header.num_samples)
    signal_mv = read_signal(tmp_path, "208").signal_mv_SC[:, 0]
    at = found.sample[is_beat(found.symbol)][1:-1]
    near = np.nanmax(np.abs(signal_mv[at[:, None] + np.arange(-5, 6)]), axis=1)
    far = np.nanmedian(np.abs(signal_mv))
    assert np.nanmedian(near) > 4 * far


def test_a_real_record_of_ltafdb_is_rendered_whole(ltafdb, tmp_path):
    # 64 has no rhythm mark before its last hours.
    render_annotations(ltafdb, tmp_path, corpus=get_corpus("ltafdb"), records=["64"], hours=1, seed=0)
    assert read_header(tmp_path, "64").num_samples == 3600 * 128


@pytest.mark.parametrize(
    ("break_it", "changes", "error", "message"),
    [
        (lambda s: (s / "07.atr").unlink(), {}, DataError, r"07: no annotation file 07\.atr"),
        (lambda s: (s / "07.hea").unlink(), {}, DataError, "07"),
        (lambda s: (s / "07.atr").write_bytes(b"\x01"), {}, DataError, "07.*truncated"),
        (lambda s: None, {"hours": 0}, UsageError, r"render\.hours: 0; expected more than 0"),
        (lambda s: None, {"seed": -3}, UsageError, r"render\.seed: -3; expected 0 or more"),
        (lambda s: None, {"records": ["99"]}, DataError, "99"),
    ],
)
def test_faults_of_the_source_are_named(tmp_path, break_it, changes, error, message):
    source, out = write_source(tmp_path / "source"), tmp_path / "out"
    out.mkdir()
    break_it(source)
    with pytest.raises(error, match=message) as caught:
        render_annotations(
            source, out, corpus=get_corpus("ltafdb"), **({"records": ["07"], "hours": None, "seed": 1} | changes)
        )
    assert "\n" not in str(caught.value)
    assert not list(out.iterdir())


def test_too_low_a_rate_is_refused(tmp_path):
    source, out = write_source(tmp_path / "source", fs_hz=50.0), tmp_path / "out"
    out.mkdir()
    with pytest.raises(DataError, match="ltafdb/07: 50 Hz; expected at least 100 Hz"):
        render_annotations(source, out, corpus=get_corpus("ltafdb"), records=["07"], hours=None, seed=1)
