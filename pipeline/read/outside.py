"""Read records that took no part in training, with their beats as the pipeline finds and classifies them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.segments import guess_classes
from ecgfeat.beats.classifier import BeatClassifier, classify_record
from ecgfeat.beats.history import beat_labels
from ecgfeat.device import choose_device
from ecgfeat.features.intervals import describe_intervals, usual_interval
from ecgfeat.prediction.signs import EVIDENCE_FEATURES
from ecgfeat.rhythm.records import RhythmRecord, cut_stretches
from ecgfeat.signals.resample import num_resampled
from ecgfeat.signals.rpeak_table import episodes_at_common_rate
from ecgfeat.store.feature_columns import FEATURES
from ecgfeat.store.schemas import BEAT_CLASSES, BEAT_TABLE, COMMON_FS_HZ, EPISODES
from ecgfeat.store.tables import Columns
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.annotated import read_annotated
from pipeline.read.beats import read_class_probabilities, read_records, read_rows_by_record, read_rpeaks
from pipeline.read.diagnoses import read_used_diagnoses
from pipeline.read.quality import read_usable
from pipeline.read.windows import open_windows


@dataclass(frozen=True)
class OutsideRecord:
    """A record with what the models read of it, and what is known of it.

    Attributes
    ----------
    whole : RhythmRecord
        All its R-peaks, at the common rate, and its reference episodes.
    fs_hz, duration_s : float
        Its own rate and length.
    stretches : list of RhythmRecord
        Its usable stretches that have R-peaks.
    usable_s : float
        Length of all usable stretches.
    probability : ndarray of float32, (L, 3)
        Of N, S and V, of all its R-peaks; NaN outside of usable time.
    rpeaks, reference : dict of str to array
        Rows of the tables ``rpeaks`` and ``beats``; no reference of a record with diagnoses.
    feature : dict of str to array, (L,)
        Features of all its R-peaks that evidence is read from.
    stated : tuple of str
        Classes and codes of a record with diagnoses.
    """

    whole: RhythmRecord
    fs_hz: float
    duration_s: float
    stretches: list[RhythmRecord]
    usable_s: float
    probability: NDArray[np.float32]
    rpeaks: Columns
    feature: Columns
    reference: Columns | None = None
    stated: tuple[str, ...] = ()

    @property
    def parts(self) -> list[NDArray[np.float32]]:
        """Probabilities, stretch by stretch."""
        return [self.probability[stretch.rows] for stretch in self.stretches]

    @property
    def usual_s(self) -> tuple[float, float]:
        """Mean and median RR interval of the usable stretches."""
        return usual_interval(np.concatenate([np.zeros(0), *(stretch.rr_s for stretch in self.stretches)]))


def read_outside(params: Params, classifier: BeatClassifier) -> Iterator[OutsideRecord]:
    """Yield the records of the split ``outside.split`` of every corpus with signals.

    Parameters
    ----------
    params : Params
        All params.
    classifier : BeatClassifier
        Classifies the beats of records with diagnoses.

    Yields
    ------
    OutsideRecord

    Notes
    -----
    * To choose by, training records of corpora with reference beats are read too: their beats were classified in
      cross-validation, by models that had not seen their subject.
    """
    for corpus in params.corpora:
        reader = _Reader(corpus, params)
        probabilities_of = read_class_probabilities(corpus)
        reference_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
        for split in ("test",) if params.outside.split == "test" else ("train", "validation"):
            for row, rpeaks in read_rpeaks(corpus, split):
                if row["signals"] != "none":
                    probability_LK = probabilities_of(row["record"])
                    yield reader.gather(row, rpeaks, probability_LK, reference=reference_of(row["record"]))
    for corpus in params.short_records.corpora:
        yield from _read_short(corpus, params, classifier)


def read_answers(params: Params) -> list[NDArray[np.float32]]:
    """Return the probabilities of the N, of the S and of the V beats of subjects that the classifier had not seen.

    Parameters
    ----------
    params : Params
        All params.

    Returns
    -------
    list of ndarray of float32, (L, 3)
        Probabilities of N, S and V, by true class.
    """
    parts: list[list[NDArray[np.float32]]] = [[] for _ in BEAT_CLASSES]
    for corpus in params.inside(params.corpora):
        probabilities_of = read_class_probabilities(corpus)
        for split in ("train", "validation"):
            for row, rpeaks in read_rpeaks(corpus, split):
                probability_LK = probabilities_of(row["record"])
                is_known = np.isfinite(probability_LK).all(axis=1)
                for part, name in zip(parts, BEAT_CLASSES, strict=True):
                    part.append(probability_LK[is_known & (rpeaks["aami"] == name)])
    return [np.concatenate([np.zeros((0, len(BEAT_CLASSES)), dtype=np.float32), *part]) for part in parts]


def read_annotated_variants(
    params: Params, classifier: BeatClassifier
) -> Iterator[tuple[RhythmRecord, dict[str, NDArray[np.float32]]]]:
    """Yield the records of annotations alone, each with what may be known of its beats.

    Parameters
    ----------
    params : Params
        All params.
    classifier : BeatClassifier
        Its trees tell how early beats come.

    Yields
    ------
    record : RhythmRecord
        With its annotated R-peaks.
    probability : dict of str to ndarray of float32, (L, 3)
        ``labels_reference``: the annotated classes, an oracle that contains the rhythm, because annotators mark no S
        inside AF; ``labels_hidden``: no label is read: S by how early a beat comes, V not known; ``labels_drawn``:
        the probabilities of some beat of the same annotated class, of a subject that the classifier had not seen. They
        still hold that annotators mark no S inside AF.
    """
    answers = read_answers(params) if params.annotations.corpora else []
    for corpus in params.annotations.corpora:
        rows, reader = read_records(corpus), _Reader(corpus, params)
        for number, beats in enumerate(read_annotated([corpus], params.outside.split)):
            row = rows[beats.record]
            rr_s = np.diff(beats.sample / COMMON_FS_HZ, prepend=np.nan)
            whole = reader.whole(row, beats.sample, rr_s, beats.label)
            usual_s = usual_interval(rr_s)
            rng = np.random.default_rng((params.seed, number, 5))
            variants = {"labels_reference": np.eye(len(BEAT_CLASSES), dtype=np.float32)[np.maximum(beats.label, 0)]}
            variants["labels_hidden"] = guess_classes(
                describe_intervals(rr_s, usual_s), beats.label, classifier, None, rng
            )
            if all(len(answer_LK) for answer_LK in answers):
                drawn_LK = np.empty((len(beats.label), len(BEAT_CLASSES)), dtype=np.float32)
                for label, answer_LK in enumerate(answers):
                    of_label = np.flatnonzero(np.maximum(beats.label, 0) == label)
                    drawn_LK[of_label] = answer_LK[rng.integers(len(answer_LK), size=len(of_label))]
                variants["labels_drawn"] = drawn_LK
            yield whole, variants


def signal_kinds(params: Params) -> dict[str, str]:
    """Return what the signals of each corpus are: measured, simulated, rendered or none."""
    corpora = dict.fromkeys([*params.corpora, *params.short_records.corpora, *params.annotations.corpora])
    return {corpus: str(next(iter(read_records(corpus).values()))["signals"]) for corpus in corpora}


def _read_short(corpus: str, params: Params, classifier: BeatClassifier) -> Iterator[OutsideRecord]:
    device = choose_device(params.runtime.device, params.runtime.threads)
    reader = _Reader(corpus, params)
    windows = open_windows(corpus)
    assert reader.features_of is not None, "a corpus with signals"
    stated_of = {str(row["record"]): (*row["labels"], *row["codes"]) for row in read_used_diagnoses(corpus)}
    for row, rpeaks in read_rpeaks(corpus, params.outside.split):
        record = str(row["record"])
        probability_LK = np.full((len(rpeaks["sample"]), len(BEAT_CLASSES)), np.nan, dtype=np.float32)
        is_used = np.asarray(rpeaks["quality"] == "usable")
        if is_used.any():
            feature = {name: column[is_used] for name, column in reader.features_of(record).items()}
            probability_LK[is_used] = classify_record(classifier, windows.read(record)[is_used], feature, device=device)
        yield reader.gather(row, rpeaks, probability_LK, stated=stated_of[record])


class _Reader:
    """The tables of a corpus that are read record by record."""

    def __init__(self, corpus: str, params: Params) -> None:
        self.corpus = corpus
        self.episodes_of = read_rows_by_record(paths.episodes(corpus), EPISODES)
        has_signals = corpus not in params.annotations.corpora
        self.features_of = read_rows_by_record(paths.features(corpus), FEATURES) if has_signals else None
        if corpus in params.short_records.corpora:
            # Their R-peaks are found in all leads, whatever the params say of the other corpora.
            of_all_leads = params.rpeaks.model_copy(update={"method": "ecgfeat", "lead": "all"})
            params = params.model_copy(update={"rpeaks": of_all_leads})
        self.usable_of = read_usable(corpus, params) if has_signals else None

    def whole(
        self, row: dict[str, Any], sample: NDArray[np.int64], rr_s: NDArray[np.float64], label: NDArray[np.int64]
    ) -> RhythmRecord:
        """Return a record with all its R-peaks and its reference episodes."""
        fs_hz, record = float(row["fs_hz"]), str(row["record"])
        num_samples = num_resampled(int(row["num_samples"]), fs_hz, COMMON_FS_HZ)
        episodes = episodes_at_common_rate(self.episodes_of(record), fs_hz)
        return RhythmRecord(self.corpus, str(row["subject"]), record, num_samples, sample, rr_s, label, episodes)

    def gather(
        self,
        row: dict[str, Any],
        rpeaks: Columns,
        probability_LK: NDArray[np.float32],
        *,
        reference: Columns | None = None,
        stated: tuple[str, ...] = (),
    ) -> OutsideRecord:
        """Return a record with its usable stretches."""
        assert self.usable_of is not None, "a corpus with signals"
        assert self.features_of is not None, "a corpus with signals"
        features = self.features_of(str(row["record"]))
        whole = self.whole(row, rpeaks["sample"], rpeaks["rr_s"], beat_labels(rpeaks["aami"]))
        spans = self.usable_of(row).spans
        return OutsideRecord(
            whole,
            float(row["fs_hz"]),
            int(row["num_samples"]) / float(row["fs_hz"]),
            cut_stretches(whole, spans),
            sum(stop - start for start, stop in spans) / COMMON_FS_HZ,
            probability_LK,
            rpeaks,
            {name: features[name] for name in EVIDENCE_FEATURES},
            reference,
            stated,
        )
