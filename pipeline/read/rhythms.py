"""Read the records of the rhythm task, of many corpora at once, and what the rhythm heads read of them."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.history import beat_labels
from ecgfeat.device import choose_device
from ecgfeat.errors import DataError
from ecgfeat.models import load_model
from ecgfeat.models.htf import HTF, NUM_EMBEDDING
from ecgfeat.rhythm.describe import BeatInputs
from ecgfeat.rhythm.records import RhythmRecord, cut_stretches
from ecgfeat.rhythm.views import view_windows
from ecgfeat.signals.resample import num_resampled
from ecgfeat.signals.rpeak_table import episodes_at_common_rate
from ecgfeat.store.arrays import open_array
from ecgfeat.store.mapped import allocate
from ecgfeat.store.schemas import COMMON_FS_HZ, EMBEDDINGS, EPISODES
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_rows_by_record, read_rpeaks
from pipeline.read.quality import read_usable
from pipeline.read.windows import open_windows


def read_rhythm_records(
    corpora: Sequence[str], split: str, params: Params, *, with_embeddings: bool = True
) -> list[RhythmRecord]:
    """Return the records of a split with R-peaks, reference episodes and, where there are any, embeddings.

    Parameters
    ----------
    corpora : sequence of str
        Slugs.
    split : str
        train, validation or test.
    params : Params
        With ``rhythm.features: embeddings`` records have embeddings; with ``embed.dtype: live`` they are made here.
    with_embeddings : bool
        False: no embeddings, for heads that read RR intervals alone.

    Returns
    -------
    list of RhythmRecord
        The usable stretches of each record that have R-peaks, in the order of the corpora and of their records. Where
        records have embeddings, those without a signal are left out, and named.

    Raises
    ------
    DataError
        When no record is left.
    """
    records: list[RhythmRecord] = []
    silent: list[str] = []
    reads_embeddings = with_embeddings and params.rhythm.features == "embeddings"
    for corpus in corpora:
        episodes_of = read_rows_by_record(paths.episodes(corpus), EPISODES)
        embedding_of = _embeddings(corpus, params) if reads_embeddings else None
        usable_of = read_usable(corpus, params)
        for row, rpeaks in read_rpeaks(corpus, split):
            embedding_LD = embedding_of(row["record"]) if embedding_of else None
            if embedding_of and embedding_LD is None and row["signals"] != "none":
                embedding_LD = np.zeros((0, NUM_EMBEDDING), dtype=np.float32)
            if embedding_of and embedding_LD is None:
                silent.append(f"{corpus}/{row['record']}")
                continue
            episodes, fs_hz = episodes_of(row["record"]), float(row["fs_hz"])
            whole = RhythmRecord(
                corpus,
                str(row["subject"]),
                str(row["record"]),
                num_resampled(int(row["num_samples"]), fs_hz, COMMON_FS_HZ),
                rpeaks["sample"],
                rpeaks["rr_s"],
                beat_labels(rpeaks["aami"]),
                episodes_at_common_rate(episodes, fs_hz),
                embedding_LD,
            )
            records += cut_stretches(whole, usable_of(row).spans)
    if silent:
        print(f"{split}: {len(silent)} records without a signal are left out: {' '.join(silent)}", file=sys.stderr)
    if not records:
        where, remedy = f"{' '.join(corpora)}: {split}", "Set rhythm.features to annotations, or get the signals."
        raise DataError(
            where,
            found="no record with features and usable time",
            expected="at least one",
            remedy=remedy if silent else "Change the split.",
        )
    return records


def are_beats_known(params: Params) -> bool:
    """Tell whether the window head reads N, S and V beats alone: only a run with reference labels can select them."""
    reads_reference = params.rhythm.features == "annotations" or params.rhythm.history == "oracle"
    return params.rpeaks.method == "annotated" and reads_reference


def _embeddings(corpus: str, params: Params) -> Callable[[str], NDArray[np.float32] | None]:
    """Return the function that gives the embeddings of a record: stored ones, or made by the embedder itself.

    Those of all records together may be larger than memory: they are mapped to a file.
    """
    windows = open_windows(corpus)
    if params.embed.dtype == "live":
        htf, device = load_htf(), choose_device(params.runtime.device, params.runtime.threads)
        rows = windows.rows

        def read(record: str) -> NDArray[np.float32]:
            return embed_windows(htf, windows.read(record), device)

    else:
        store = open_array(paths.embeddings(corpus), EMBEDDINGS, aligned_with=paths.rpeaks(corpus))
        rows, read = store.rows, store.read
    mapped_ND = allocate((max((stop for _, stop in rows.values()), default=0), NUM_EMBEDDING), paths.SCRATCH)

    def embedding_of(record: str) -> NDArray[np.float32] | None:
        if record not in rows:
            return None
        embedding_LD = mapped_ND[slice(*rows[record])]
        embedding_LD[:] = read(record)
        return embedding_LD

    return embedding_of


def embed_again(records: Sequence[RhythmRecord], params: Params, view: int) -> list[RhythmRecord]:
    """Return records with the embeddings of another view of their beat windows, by ``evaluate.tta``.

    Parameters
    ----------
    records : sequence of RhythmRecord
        With a signal.
    params : Params
        All params.
    view : int
        Number of the view.

    Returns
    -------
    list of RhythmRecord
    """
    htf, device = load_htf(), choose_device(params.runtime.device, params.runtime.threads)
    stores = {corpus: open_windows(corpus) for corpus in {record.corpus for record in records}}

    def embed_record(record: RhythmRecord) -> RhythmRecord:
        window_uv_BCS = view_windows(stores[record.corpus].read(record.record)[record.rows], params.evaluate.tta, view)
        return replace(record, embedding=embed_windows(htf, window_uv_BCS, device))

    return [embed_record(record) if len(record.sample) else record for record in records]


def head_inputs(params: Params) -> BeatInputs:
    """Return what the rhythm heads read of each beat, by the section ``rhythm``."""
    htf = load_htf() if params.rhythm.features == "embeddings" else None
    return BeatInputs(htf, params.rhythm.history, params.rhythm.rr_features, paths.SCRATCH)


def load_htf() -> HTF:
    """Return the trained beat embedder."""
    model, _ = load_model(paths.HTF_MODEL)
    assert isinstance(model, HTF)
    return model
