"""Read what several stages need from the artifacts of earlier ones, for many corpora at once."""

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
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.describe import BeatInputs
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.views import view_windows
from ecgfeat.signals.resample import num_resampled
from ecgfeat.signals.rpeak_table import to_common_rate
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import COMMON_FS_HZ, EMBEDDINGS, EPISODES, WINDOWS
from ecgfeat.store.tables import read_table, split_by_record
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_rpeaks


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
        ``rhythm.features`` says whether embeddings are wanted; with ``embed.dtype: live`` they are made here.
    with_embeddings : bool
        False: whoever reads RR intervals alone needs no embeddings, whatever the params say.

    Returns
    -------
    list of RhythmRecord
        In the order of the corpora and of their records. A record without a signal is left out, and named, when
        embeddings are wanted.

    Raises
    ------
    DataError
        When no record is left.
    """
    found: list[RhythmRecord] = []
    silent: list[str] = []
    wanted = with_embeddings and params.rhythm.features == "embeddings"
    for corpus in corpora:
        table = read_table(paths.episodes(corpus), EPISODES)
        episodes, no_episodes = split_by_record(table), {name: column[:0] for name, column in table.items()}
        embedding_of = _embeddings(corpus, params) if wanted else None
        for row, rpeaks in read_rpeaks(corpus, split):
            embedding_LD = embedding_of(row["record"]) if embedding_of else None
            if embedding_of and embedding_LD is None and row["signals"] != "none":
                embedding_LD = np.zeros((0, NUM_EMBEDDING), dtype=np.float32)
            if embedding_of and embedding_LD is None:
                silent.append(f"{corpus}/{row['record']}")
                continue
            marks, fs_hz = episodes.get(row["record"], no_episodes), float(row["fs_hz"])
            found.append(
                RhythmRecord(
                    corpus,
                    str(row["subject"]),
                    str(row["record"]),
                    num_resampled(int(row["num_samples"]), fs_hz, COMMON_FS_HZ),
                    rpeaks["sample"],
                    rpeaks["rr_s"],
                    beat_labels(rpeaks["aami"]),
                    Episodes(
                        to_common_rate(marks["start_sample"], fs_hz),
                        to_common_rate(marks["stop_sample"], fs_hz),
                        marks["rhythm"].astype(str),
                    ),
                    embedding_LD,
                )
            )
    if silent:
        print(f"{split}: {len(silent)} records without a signal are left out: {' '.join(silent)}", file=sys.stderr)
    if not found:
        where, remedy = f"{' '.join(corpora)}: {split}", "Set rhythm.features to annotations, or get the signals."
        raise DataError(
            where,
            found="no record with features",
            expected="at least one",
            remedy=remedy if silent else "Change the split.",
        )
    return found


def are_beats_known(params: Params) -> bool:
    """Tell whether the head may be shown N, S and V beats alone: only a run that knows the true labels can."""
    knows_labels = params.rhythm.features == "annotations" or params.rhythm.history == "oracle"
    return params.rpeaks.method == "annotated" and knows_labels


def _embeddings(corpus: str, params: Params) -> Callable[[str], NDArray[np.float32] | None]:
    """Return what gives the embeddings of a record: the cache, or the embedder itself."""
    windows = open_array(paths.windows(corpus), WINDOWS, aligned_with=paths.rpeaks(corpus))
    if params.embed.dtype != "live":
        store = open_array(paths.embeddings(corpus), EMBEDDINGS, aligned_with=paths.rpeaks(corpus))
        return lambda record: store.read(record).astype(np.float32) if record in store.rows else None
    htf = load_htf()
    device = choose_device(params.runtime.device, params.runtime.threads)
    return lambda record: embed_windows(htf, windows.read(record), device) if record in windows.rows else None


def embed_again(records: Sequence[RhythmRecord], params: Params, view: int) -> list[RhythmRecord]:
    """Return records with the embeddings of another view of their beat windows, as ``evaluate.tta`` says.

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
    stores = {one.corpus: open_array(paths.windows(one.corpus), WINDOWS) for one in records}
    return [
        replace(
            one,
            embedding=embed_windows(
                htf, view_windows(stores[one.corpus].read(one.record), params.evaluate.tta, view), device
            ),
        )
        if len(one.sample)
        else one
        for one in records
    ]


def head_inputs(params: Params) -> BeatInputs:
    """Return what the rhythm heads read of each beat, as the section ``rhythm`` says."""
    htf = load_htf() if params.rhythm.features == "embeddings" else None
    return BeatInputs(htf, params.rhythm.history, params.rhythm.rr_features)


def load_htf() -> HTF:
    """Return the trained beat embedder."""
    model, _ = load_model(paths.HTF_MODEL)
    assert isinstance(model, HTF)
    return model
