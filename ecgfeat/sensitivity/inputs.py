"""Name the beats and rhythms of records again with one input changed, and count the effect on the scores.

Shape suffixes: S samples, C leads, L beats of a record, G subjects.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.history import HISTORIES, History, beat_labels
from ecgfeat.models.htf import HTF
from ecgfeat.prediction.beat_rows import count_rpeaks
from ecgfeat.prediction.chain import Chain, describe_beats, find_beats, name_rhythms
from ecgfeat.rhythm.describe import classify_beats
from ecgfeat.rhythm.records import RhythmRecord, stack_records
from ecgfeat.rhythm.rows import HeadOutput, timeline_rows
from ecgfeat.scoring.beats import DETECTION_COUNTS
from ecgfeat.scoring.rhythm import class_codes, subject_confusion
from ecgfeat.scoring.variants import AS_IT_IS, Counts
from ecgfeat.signals.rpeak_table import episodes_at_common_rate, tabulate_rpeaks, to_common_rate
from ecgfeat.signals.rpeaks import Method
from ecgfeat.signals.usable import MIN_STRETCH_S, find_usable
from ecgfeat.simulate.perturb import add_noise, drop_lead, invert_polarity, swap_leads
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns


@dataclass(frozen=True)
class SensitivityRecord:
    """One record with its signal and its reference, before detection.

    Attributes
    ----------
    corpus, subject, record : str
        Whose it is.
    fs_hz : float
        Rate of the positions in ``reference`` and ``episodes``.
    num_samples : int
        Length at the common rate, 128 Hz.
    signal_uv : ndarray of int16, (S, C), or None
        Microvolts at the common rate, -32768 invalid.
    reference, episodes : dict of str to array
        The record's rows of the ``beats`` and ``episodes`` tables.
    lead : int or 'all'
        Lead the detector reads.
    """

    corpus: str
    subject: str
    record: str
    fs_hz: float
    num_samples: int
    signal_uv: NDArray[np.int16] | None
    reference: Columns
    episodes: Columns
    lead: int | Literal["all"] = "all"

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
            # A view would keep the whole signal in memory.
            signal_uv=None if self.signal_uv is None else self.signal_uv[:num_samples].copy(),
            reference={name: column[is_inside] for name, column in self.reference.items()},
            episodes=episodes | {"stop_sample": np.minimum(episodes["stop_sample"], np.int64(end))},
        )


TOGETHER = 16
"""Records that are named side by side, which is faster than one by one; more, where a subject has more."""


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
        False hides the reference labels from a head that reads them.
    """

    name: str
    rpeaks: Method | Literal["annotated"]
    history: History
    vary: Callable[[NDArray[np.int16], str], NDArray[np.int16]] | None = None
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
        Signal-to-noise ratios to try.
    has_signals : bool
        The records have signals; without them R-peaks can only be annotated.
    reads_signals : bool
        The rhythm head reads embeddings; without them it reads reference labels, which have no history.

    Returns
    -------
    list of Variant
        Variants with the same beats stand together.
    """
    base = Variant(AS_IT_IS, rpeaks, history)
    variants = [base]
    if reads_signals:
        variants += [replace(base, name=f"history_{other}", history=other) for other in HISTORIES if other != history]
    else:
        variants.append(replace(base, name="labels_none", has_labels=False))
    if not has_signals:
        return variants
    if rpeaks == "annotated":
        variants.append(replace(base, name="rpeaks_detected", rpeaks="ecgfeat"))
    else:
        variants.append(replace(base, name="rpeaks_annotated", rpeaks="annotated"))
    if not reads_signals and rpeaks == "annotated":
        return variants  # nothing would read a changed signal
    changes: dict[str, Callable[[NDArray[np.int16], str], NDArray[np.int16]]] = {
        "leads_swapped": lambda signal, record: swap_leads(signal),
        "first_lead_dropped": lambda signal, record: drop_lead(signal, 0),
        "second_lead_dropped": lambda signal, record: drop_lead(signal, 1),
        "polarity_inverted": lambda signal, record: invert_polarity(signal),
    }
    changes |= {
        f"noise_{snr_db:g}_db": partial(add_noise, snr_db=snr_db, fs_hz=COMMON_FS_HZ) for snr_db in noise_snr_db
    }
    return variants + [replace(base, name=name, vary=vary) for name, vary in changes.items()]


def describe_variant(
    source: SensitivityRecord,
    variant: Variant,
    chain: Chain,
    *,
    device: torch.device | str = "cpu",
) -> RhythmRecord:
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
    device : torch.device or str
        Where to compute.

    Returns
    -------
    RhythmRecord
        With the reference, for scoring and for what the variant takes from an oracle.
    """
    signal_uv_SC = source.signal_uv
    if signal_uv_SC is not None and variant.vary is not None:
        signal_uv_SC = variant.vary(signal_uv_SC, source.record)
    state_TC = None
    if variant.rpeaks == "annotated":
        sample = np.unique(to_common_rate(source.reference["sample"], source.fs_hz))
        sample = sample[sample < source.num_samples]
    else:
        assert signal_uv_SC is not None, f"{source.record}: R-peaks of no signal"
        rpeaks = find_beats(signal_uv_SC, method=variant.rpeaks, lead=source.lead, device=device)
        sample, state_TC = rpeaks.sample, rpeaks.state
    # All time is named, also where the variant leaves nothing usable; but no interval crosses a gap.
    spans = [] if state_TC is None else find_usable(state_TC, source.num_samples, MIN_STRETCH_S)
    about = (source.record, source.subject, sample, source.reference, source.episodes, source.fs_hz)
    table = tabulate_rpeaks(*about, state_TC=state_TC, spans=spans)
    label = beat_labels(table["aami"])
    record = RhythmRecord(
        source.corpus,
        source.subject,
        source.record,
        source.num_samples,
        sample,
        table["rr_s"],
        label if variant.has_labels else np.full_like(label, -1),
        episodes_at_common_rate(source.episodes, source.fs_hz),
    )
    return describe_beats(chain, record, signal_uv_SC, device=device)


def count_variant(
    sources: Sequence[SensitivityRecord],
    records: Sequence[RhythmRecord],
    variant: Variant,
    chain: Chain,
    device: torch.device | str = "cpu",
) -> Counts:
    """Name the rhythms and beats of records, and count hits and errors.

    Parameters
    ----------
    sources : sequence of SensitivityRecord
        The records.
    records : sequence of RhythmRecord
        Of `describe_variant`, in the same order.
    variant : Variant
        How.
    chain : Chain
        The models.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    dict of ndarray of float64, (G, ...)
        By subject, in alphabetical order: ``rhythm_per_beat`` (G, 6, 6), ``rhythm_per_second`` (G, 6, 6) in hours,
        ``rpeaks`` (G, 3) and, with an embedder, ``beats`` (G, 3, 3), over R-peaks at an N, S or V beat. A record
        without R-peaks gets the prior.
    """
    subjects = sorted({source.subject for source in sources})
    code_of = {subject: code for code, subject in enumerate(subjects)}
    rpeaks = np.zeros((len(subjects), 3))
    for source, record in zip(sources, records, strict=True):
        hits = count_rpeaks(record.sample, source.reference, source.episodes, source.fs_hz)
        rpeaks[code_of[record.subject]] += [hits[name] for name in DETECTION_COUNTS]
    head = replace(chain.head, inputs=replace(chain.head.inputs, history=variant.history))
    with_beats = [record for record in records if len(record.sample)]
    units = name_rhythms(replace(chain, head=head), with_beats, num_views=1, device=device)
    posteriors = [np.zeros((0, len(RHYTHMS)), dtype=np.float32), *(unit.posterior[0] for unit in units)]
    output = HeadOutput("timeline", np.concatenate(posteriors)[None], chain.head.prior)
    rows = timeline_rows(
        output, *stack_records(records), np.concatenate([record.episodes.rhythm for record in records]), RHYTHMS
    )
    subject = np.array([code_of[record.subject] for record in records])[rows["record_index"]]
    reference, predicted = (class_codes(rows[key], RHYTHMS) for key in ("reference", "predicted"))
    hours = (rows["stop_sample"] - rows["start_sample"]) / COMMON_FS_HZ / 3600
    in_task = reference >= 0
    counts = {"rpeaks": rpeaks}
    for part, weight in (("rhythm_per_beat", rows["num_beats"]), ("rhythm_per_second", hours)):
        scored = (reference[in_task], predicted[in_task], subject[in_task], len(RHYTHMS), len(subjects))
        counts[part] = subject_confusion(*scored, weight[in_task])
    if chain.htf is not None:
        counts["beats"] = _count_beat_classes(with_beats, variant.history, chain.htf, code_of)
    return counts


def _count_beat_classes(
    records: Sequence[RhythmRecord], history: History, htf: HTF, code_of: Mapping[str, int]
) -> NDArray[np.float64]:
    """Count reference against predicted beat classes by subject, (G, 3, 3)."""
    shape = (len(BEAT_CLASSES), len(code_of))
    if not records:
        return np.zeros((len(code_of), len(BEAT_CLASSES), len(BEAT_CLASSES)))
    label = np.concatenate([record.label for record in records])
    predicted = np.concatenate(classify_beats(records, htf, history)).argmax(axis=1)
    subject = np.repeat([code_of[record.subject] for record in records], [len(record.sample) for record in records])
    is_scored = label >= 0
    return subject_confusion(label[is_scored], predicted[is_scored], subject[is_scored], *shape)


def run_variants(
    sources: Sequence[SensitivityRecord],
    variants: Sequence[Variant],
    chain: Chain,
    *,
    device: torch.device | str = "cpu",
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
    device
        As `describe_variant` takes it.
    on_record : callable
        Called after each record of each variant.

    Returns
    -------
    dict of str to dict
        `count_variant` by the name of the variant.
    """
    counts: dict[str, list[Counts]] = {variant.name: [] for variant in variants}
    for group in _group_subjects(sources):
        described: tuple[Any, ...] = ()
        records: list[RhythmRecord] = []
        for variant in variants:
            inputs = (variant.rpeaks, variant.vary, variant.has_labels)
            if inputs != described:
                records, described = [], inputs
                for source in group:
                    records.append(describe_variant(source, variant, chain, device=device))
                    on_record()
            counts[variant.name].append(count_variant(group, records, variant, chain, device))
    return {
        name: {part: np.concatenate([of[part] for of in parts]) for part in parts[0]} for name, parts in counts.items()
    }


def _group_subjects(sources: Sequence[SensitivityRecord]) -> list[list[SensitivityRecord]]:
    """Divide records into groups of whole subjects, in alphabetical order: embeddings of all are too large together."""
    groups: list[list[SensitivityRecord]] = [[]]
    for subject in sorted({source.subject for source in sources}):
        if len(groups[-1]) >= TOGETHER:
            groups.append([])
        groups[-1] += [source for source in sources if source.subject == subject]
    return groups
