"""Name the beats and rhythms of records again with one input changed, and tell what that did to the scores.

Shape suffixes: S samples, C leads, L beats of a record, N beats of all records, G subjects, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.history import HISTORIES, History, beat_labels, predict_labels
from ecgfeat.beats.windows import cut_beats
from ecgfeat.models.htf import HTF
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.predict.beat_rows import count_rpeaks
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.records import RhythmRecord, gather_timeline_data, stack_records
from ecgfeat.rhythm.rows import HeadOutput, timeline_rows
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.scoring.beats import DETECTION_COUNTS
from ecgfeat.scoring.rhythm import class_codes, subject_confusion
from ecgfeat.scoring.variants import AS_IT_IS, Counts
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.signals.rpeak_table import tabulate_rpeaks, to_common_rate
from ecgfeat.signals.rpeaks import Method, detect_rpeaks
from ecgfeat.simulate.perturb import _Signal, add_noise, drop_lead, invert_polarity, swap_leads
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns


@dataclass(frozen=True)
class SensitivityRecord:
    """One record before anything was found in it.

    Attributes
    ----------
    corpus, subject, record : str
        Whose it is.
    fs_hz : float
        Rate that ``reference`` and ``episodes`` are counted in.
    num_samples : int
        Length at the common rate, 128 Hz.
    signal_uv : ndarray of int16, (S, C), or None
        Microvolts at the common rate, -32768 invalid.
    reference, episodes : dict of str to array
        The record's rows of the ``beats`` and ``episodes`` tables.
    """

    corpus: str
    subject: str
    record: str
    fs_hz: float
    num_samples: int
    signal_uv: _Signal | None
    reference: Columns
    episodes: Columns

    def first_hours(self, hours: float) -> "SensitivityRecord":
        """Return the beginning of the record; all of it for 0 hours."""
        num_samples = round(hours * 3600 * COMMON_FS_HZ) or self.num_samples
        if num_samples >= self.num_samples:
            return self
        end = num_samples * self.fs_hz / COMMON_FS_HZ
        is_inside = self.reference["sample"] < end
        begins = self.episodes["start_sample"] < end
        episodes = {name: column[begins] for name, column in self.episodes.items()}
        return replace(
            self,
            num_samples=num_samples,
            signal_uv=None if self.signal_uv is None else self.signal_uv[:num_samples],
            reference={name: column[is_inside] for name, column in self.reference.items()},
            episodes=episodes | {"stop_sample": np.minimum(episodes["stop_sample"], np.int64(end))},
        )


@dataclass(frozen=True)
class Chain:
    """What lies between a recording and the rhythm of each beat.

    Attributes
    ----------
    htf : HTF or None
        Beat embedder and classifier; None where the rhythm head reads RR intervals and reference labels.
    head : RhythmTimeline
        In evaluation mode, on ``device``.
    lead : int
        Lead the detector reads.
    num_leads : int
        Leads the embedder takes, the first by position.
    beat_samples, neighbour_beats, chunk_beats : int
        As `cut_beats`, `describe_timeline` and `beat_posteriors` take them.
    is_rr_used : bool
        The head was trained with RR intervals.
    prior : tuple of float, (6,)
        What the head says of a record without R-peaks.
    device : torch.device or str
        Where to compute.
    """

    htf: HTF | None
    head: RhythmTimeline
    lead: int
    num_leads: int
    beat_samples: int
    neighbour_beats: int
    chunk_beats: int
    is_rr_used: bool
    prior: tuple[float, ...] = (1 / len(RHYTHMS),) * len(RHYTHMS)
    device: torch.device | str = "cpu"


@dataclass(frozen=True)
class Variant:
    """One way to run the chain.

    Attributes
    ----------
    name : str
        What is changed.
    rpeaks : {'annotated', 'ecgfeat', 'neurokit', 'xqrs'}
        Where R-peaks come from.
    history : {'oracle', 'predicted', 'none'}
        Where the labels of the preceding beats come from.
    vary : callable, optional
        Changes a signal; takes it and the name of the record.
    has_labels : bool
        False takes the reference labels from a head that reads them.
    """

    name: str
    rpeaks: Method | Literal["annotated"]
    history: History
    vary: Callable[[_Signal, str], _Signal] | None = None
    has_labels: bool = True


def list_variants(
    rpeaks: Method | Literal["annotated"],
    history: History,
    *,
    noise_snr_db: Sequence[float],
    has_signals: bool,
    reads_signals: bool,
) -> list[Variant]:
    """List what can be changed, after the run as it is.

    Parameters
    ----------
    rpeaks, history
        Those of the run as it is.
    noise_snr_db : sequence of float
        _Signal-to-noise ratios to try.
    has_signals : bool
        The records have signals; without them R-peaks can only be annotated.
    reads_signals : bool
        The rhythm head reads embeddings; without them it reads reference labels, which have no history.

    Returns
    -------
    list of Variant
        Variants that find the same beats stand together.
    """
    base = Variant(AS_IT_IS, rpeaks, history)
    variants = [base]
    if reads_signals:
        variants += [replace(base, name=f"history_{one}", history=one) for one in HISTORIES if one != history]
    else:
        variants.append(replace(base, name="labels_none", has_labels=False))
    if not has_signals:
        return variants
    other: Method | Literal["annotated"] = "ecgfeat" if rpeaks == "annotated" else "annotated"
    variants.append(replace(base, name="rpeaks_annotated" if other == "annotated" else "rpeaks_detected", rpeaks=other))
    if not reads_signals and rpeaks == "annotated":
        return variants  # nothing would read what is changed
    changes: dict[str, Callable[[_Signal, str], _Signal]] = {
        "leads_swapped": lambda signal, record: swap_leads(signal),
        "first_lead_dropped": lambda signal, record: drop_lead(signal, 0),
        "second_lead_dropped": lambda signal, record: drop_lead(signal, 1),
        "polarity_inverted": lambda signal, record: invert_polarity(signal),
    }
    changes |= {
        f"noise_{snr_db:g}_db": partial(add_noise, snr_db=snr_db, fs_hz=COMMON_FS_HZ) for snr_db in noise_snr_db
    }
    return variants + [replace(base, name=name, vary=vary) for name, vary in changes.items()]


def find_beats(source: SensitivityRecord, variant: Variant, chain: Chain) -> RhythmRecord:
    """Find and embed the beats of a record.

    Parameters
    ----------
    source : SensitivityRecord
        With a signal of at least as many leads as the embedder takes, unless R-peaks are annotated and nothing is
        embedded.
    variant : Variant
        How.
    chain : Chain
        The models.

    Returns
    -------
    RhythmRecord
        The reference comes along for scoring, and for what the variant calls an oracle.
    """
    signal_uv_SC = source.signal_uv
    if signal_uv_SC is not None and variant.vary is not None:
        signal_uv_SC = variant.vary(signal_uv_SC, source.record)
    if variant.rpeaks == "annotated":
        sample = np.unique(to_common_rate(source.reference["sample"], source.fs_hz))
        sample = sample[sample < source.num_samples]
    else:
        assert signal_uv_SC is not None, f"{source.record}: R-peaks of no signal"
        signal_mv_SC = to_millivolts(signal_uv_SC)
        sample = detect_rpeaks(signal_mv_SC, COMMON_FS_HZ, method=variant.rpeaks, lead=chain.lead, device=chain.device)
    table = tabulate_rpeaks(source.record, source.subject, sample, source.reference, source.episodes, source.fs_hz)
    label = beat_labels(table["aami"])
    embedding_LD = None
    if chain.htf is not None:
        assert signal_uv_SC is not None, f"{source.record}: no signal to embed"
        leads_SC = signal_uv_SC[:, : chain.num_leads]
        embedding_LD = embed_windows(
            chain.htf, cut_beats(leads_SC, sample, num_samples=chain.beat_samples), chain.device
        )
    return RhythmRecord(
        source.corpus,
        source.subject,
        source.record,
        source.num_samples,
        sample,
        table["rr_s"],
        label if variant.has_labels else np.full_like(label, -1),
        Episodes(
            to_common_rate(source.episodes["start_sample"], source.fs_hz),
            to_common_rate(source.episodes["stop_sample"], source.fs_hz),
            source.episodes["rhythm"].astype(str),
        ),
        embedding_LD,
    )


def count_variant(
    sources: Sequence[SensitivityRecord], records: Sequence[RhythmRecord], variant: Variant, chain: Chain
) -> Counts:
    """Run the rest of the chain and count what came out.

    Parameters
    ----------
    sources : sequence of SensitivityRecord
        The records.
    records : sequence of RhythmRecord
        What `find_beats` found in them, in the same order.
    variant : Variant
        How.
    chain : Chain
        The models.

    Returns
    -------
    dict of ndarray of float64, (G, ...)
        By subject, in alphabetical order: ``rhythm_per_beat`` (G, 6, 6), ``rhythm_per_second`` (G, 6, 6) in hours,
        ``rpeaks`` (G, 3) and, with an embedder, ``beats`` (G, 3, 3), over R-peaks at an N, S or V beat. A record
        without R-peaks is named by the prior.
    """
    names = sorted({one.subject for one in sources})
    code_of = {name: code for code, name in enumerate(names)}
    rpeaks = np.zeros((len(names), 3))
    for source, one in zip(sources, records, strict=True):
        found = count_rpeaks(one.sample, source.reference, source.episodes, source.fs_hz)
        rpeaks[code_of[one.subject]] += [found[name] for name in DETECTION_COUNTS]
    counts = {"rpeaks": rpeaks}
    filled = [one for one in records if len(one.sample)]
    posterior_NK = np.zeros((0, len(RHYTHMS)), dtype=np.float32)
    if filled:
        data = gather_timeline_data(
            filled,
            htf=chain.htf,
            history=variant.history,
            num_beats=chain.neighbour_beats,
            is_rr_used=chain.is_rr_used,
        )
        posterior_NK = beat_posteriors(
            chain.head, data.beats.offset, data.features, chunk_beats=chain.chunk_beats, device=chain.device
        )[0]
    answer = HeadOutput("timeline", posterior_NK[None], chain.prior)
    rows = timeline_rows(
        answer, *stack_records(records), np.concatenate([one.episodes.rhythm for one in records]), RHYTHMS
    )
    subject = np.array([code_of[one.subject] for one in records])[rows["record_index"]]
    reference, predicted = (class_codes(rows[name], RHYTHMS) for name in ("reference", "predicted"))
    hours = (rows["stop_sample"] - rows["start_sample"]) / COMMON_FS_HZ / 3600
    in_task = reference >= 0
    for part, weight in (("rhythm_per_beat", rows["num_beats"]), ("rhythm_per_second", hours)):
        scored = (reference[in_task], predicted[in_task], subject[in_task], len(RHYTHMS), len(names))
        counts[part] = subject_confusion(*scored, weight[in_task])
    if chain.htf is not None:
        counts["beats"] = np.zeros((len(names), len(BEAT_CLASSES), len(BEAT_CLASSES)))
    if chain.htf is not None and filled:
        label = np.concatenate([one.label for one in filled])
        probability_NK = predict_labels(
            chain.htf,
            np.concatenate([one.embedding for one in filled if one.embedding is not None]),
            np.concatenate([one.rr_s for one in filled]),
            data.beats.offset,
            history=variant.history,
            oracle_label=label if variant.history == "oracle" else None,
        )
        known = label >= 0
        called = probability_NK.argmax(axis=1)
        whose = np.repeat([code_of[one.subject] for one in filled], [len(one.sample) for one in filled])
        counts["beats"] = subject_confusion(label[known], called[known], whose[known], len(BEAT_CLASSES), len(names))
    return counts


def run_variants(
    sources: Sequence[SensitivityRecord],
    variants: Sequence[Variant],
    chain: Chain,
    on_record: Callable[[], object] = lambda: None,
) -> dict[str, Counts]:
    """Run every variant on every record.

    Parameters
    ----------
    sources : sequence of SensitivityRecord
        The records.
    variants : sequence of Variant
        As `list_variants` returns them.
    chain : Chain
        The models.
    on_record : callable
        Called after each record of each variant.

    Returns
    -------
    dict of str to dict
        `count_variant` by the name of the variant.
    """
    counts: dict[str, Counts] = {}
    made_for: tuple[Any, ...] = ()
    records: list[RhythmRecord] = []
    for variant in variants:
        wanted = (variant.rpeaks, variant.vary, variant.has_labels)
        if wanted != made_for:
            records, made_for = [], wanted
            for source in sources:
                records.append(find_beats(source, variant, chain))
                on_record()
        counts[variant.name] = count_variant(sources, records, variant, chain)
    return counts
