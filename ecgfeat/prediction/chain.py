"""The chain from a signal to its rhythms, written once: find beats, describe them, name their rhythms.

``ecgfeat predict``, the runs with one input changed and the timer of costs take all three steps. A stage that needs one
step alone calls the same function below: `ecgfeat.signals.rpeaks.find_rpeaks`, `ecgfeat.beats.embedding.embed_windows`,
and `ecgfeat.rhythm.heads`, by which the stage ``evaluate`` describes and names its records.

Shape suffixes: S samples, C leads, L beats of a record, U units (beats or segments) of a record, V views, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.embedding import embed_beats
from ecgfeat.errors import DataError
from ecgfeat.models import load_model
from ecgfeat.models.htf import HTF
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.describe import gather_window_data
from ecgfeat.rhythm.heads import RhythmHead, TimelineHead, make_head, name_beats
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.sampling import tile_segments
from ecgfeat.rhythm.window import window_posteriors
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.signals.rpeaks import Method, RPeaks, find_rpeaks
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS

BEAT_SAMPLES = 256
"""Length of a beat window, where a model does not state that of its training."""

_OF_BOTH = ("features", "history", "rr_features")
_NEEDED = {
    "timeline": (*_OF_BOTH, "neighbour_beats", "chunk_beats"),
    "window": (*_OF_BOTH, "window_samples", "max_beats"),
}


@dataclass(frozen=True)
class Chain:
    """A beat embedder and a rhythm head that belong together.

    Attributes
    ----------
    htf : HTF or None
        Beat embedder and classifier, in evaluation mode; None where the head reads RR intervals and reference labels.
    head : TimelineHead or WindowHead
        Names the six rhythms.
    num_leads, beat_samples : int
        Leads and samples of a beat window that the embedder was trained on.
    checksums : mapping of str to str
        sha256 of the weights, for the metadata of what is predicted.
    note : str
        What the head was given in its training that it is not given here; empty: nothing.
    """

    htf: HTF | None
    head: RhythmHead
    num_leads: int
    beat_samples: int
    checksums: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def kind(self) -> Literal["timeline", "window"]:
        """Name the kind of head."""
        return "timeline" if isinstance(self.head, TimelineHead) else "window"


@dataclass(frozen=True)
class NamedUnits:
    """Rhythm posteriors of one record: of its beats by a timeline head, of its segments by a window head.

    Attributes
    ----------
    edges : ndarray of int64, (U + 1,)
        Unit u covers ``[edges[u], edges[u + 1])`` in samples at the common rate, without a gap.
    posterior : ndarray of float32, (V, U, K)
        View by view.
    has_beats : ndarray of bool, (U,)
        False for a segment without R-peaks: its posterior is the prior.
    """

    edges: NDArray[np.int64]
    posterior: NDArray[np.float32]
    has_beats: NDArray[np.bool_]


def find_beats(
    signal_uv_SC: NDArray[np.int16],
    *,
    method: Method,
    lead: int | Literal["all"],
    device: torch.device | str = "cpu",
) -> RPeaks:
    """Find the R-peaks of a signal.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, (S, C)
        Microvolts at the common rate, 128 Hz; -32768 invalid.
    method, lead, device
        As `ecgfeat.signals.rpeaks.find_rpeaks` takes them.

    Returns
    -------
    RPeaks
        Positions at the common rate.
    """
    return find_rpeaks(to_millivolts(signal_uv_SC), COMMON_FS_HZ, method=method, lead=lead, device=device)


def describe_beats(
    chain: Chain,
    record: RhythmRecord,
    signal_uv_SC: NDArray[np.int16] | None,
    *,
    device: torch.device | str = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> RhythmRecord:
    """Embed the beats of a record.

    Parameters
    ----------
    chain : Chain
        The models.
    record : RhythmRecord
        With R-peaks.
    signal_uv_SC : ndarray of int16, (S, C), or None
        Microvolts at the common rate; -32768 invalid. The first leads by position are read; a missing lead is invalid.
    device : torch.device or str
        Where to embed.
    on_beats : callable, optional
        Called with the number of beats embedded since the last call.

    Returns
    -------
    RhythmRecord
        With embeddings; as it was where the chain has no embedder.
    """
    if chain.htf is None:
        return record
    assert signal_uv_SC is not None, f"{record.record}: no signal to embed"
    embedding_LD = embed_beats(
        chain.htf, signal_uv_SC, record.sample, num_samples=chain.beat_samples, device=device, on_batch=on_beats
    )
    return replace(record, embedding=embedding_LD)


def name_rhythms(
    chain: Chain, records: Sequence[RhythmRecord], *, num_views: int, device: torch.device | str = "cpu"
) -> list[NamedUnits]:
    """Name the rhythms of records that `describe_beats` has described.

    Parameters
    ----------
    chain : Chain
        The models.
    records : sequence of RhythmRecord
        Each with at least one beat; for a window head at least one segment long.
    num_views : int
        Layouts of the chunks of a timeline head; a window head has one view.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    list of NamedUnits
        One per record.
    """
    if not records:
        return []
    if not isinstance(chain.head, TimelineHead):
        return [_name_segments(chain, record, device) for record in records]
    posterior_VNK = name_beats(chain.head, records, num_views=num_views, device=device)
    bounds = np.cumsum([len(record.sample) for record in records])[:-1]
    return [
        NamedUnits(
            np.concatenate([[0], record.sample[1:], [record.num_samples]]),
            posterior_VLK,
            np.ones(len(record.sample), dtype=np.bool_),
        )
        for record, posterior_VLK in zip(records, np.split(posterior_VNK, bounds, axis=1), strict=True)
    ]


def _name_segments(chain: Chain, record: RhythmRecord, device: torch.device | str) -> NamedUnits:
    head = chain.head
    assert not isinstance(head, TimelineHead)
    segments, edges = tile_segments(record.sample, record.num_samples, head.window_samples, head.max_beats)
    data = gather_window_data([record], head.inputs, only_classified_beats=False)
    posterior_MK = window_posteriors(head.model.to(device), segments, data, head.prior, device=device)
    return NamedUnits(edges, posterior_MK[None], segments.num_beats > 0)


def load_chain(htf_folder: Path, rhythm_folder: Path) -> Chain:
    """Read a beat embedder and a rhythm head for records without annotations, and check that they belong together.

    Parameters
    ----------
    htf_folder, rhythm_folder : Path
        Folders with ``model.json``.

    Returns
    -------
    Chain
        Of a head that was trained with true beat labels, the history is the predicted one here.

    Raises
    ------
    DataError
        If a model is missing, damaged, of another kind, untrained, or trained on other features.
    """
    htf, htf_json = load_model(htf_folder)
    model, rhythm_json = load_model(rhythm_folder)
    if not isinstance(htf, HTF):
        raise DataError(
            str(htf_folder), found=f"a {htf_json['name']}", expected="an htf", remedy="Name its folder with --htf."
        )
    if not isinstance(model, RhythmTimeline | RhythmWindow):
        found, expected = f"a {rhythm_json['name']}", "a rhythm_timeline or a rhythm_window"
        raise DataError(str(rhythm_folder), found=found, expected=expected, remedy="Name its folder with --rhythm.")
    if htf_json["info"].get("trained") is False:
        found = "a beat embedder that was not trained (its corpus has no signals)"
        raise DataError(str(htf_folder), found=found, expected="a trained one", remedy="Run: dvc repro train_htf")
    info = rhythm_json["info"]
    _check_info(rhythm_folder, info, "timeline" if isinstance(model, RhythmTimeline) else "window")
    params = info["params"]
    head = make_head(model, info, htf, history="none" if params["history"] == "none" else "predicted")
    if isinstance(head, TimelineHead):
        layout = head.inputs.timeline_layout(head.neighbour_beats)
    else:
        layout = head.inputs.window_layout()
    if layout.num_features != model.project.in_features:
        found, expected = f"a head of {model.project.in_features} features", f"{layout.num_features}"
        raise DataError(
            str(rhythm_folder),
            found=found,
            expected=f"{expected}, as {params['features']} have",
            remedy="Train it again.",
        )
    return Chain(
        htf,
        head,
        int(htf_json["config"]["num_leads"]),
        int(htf_json["info"].get("window_samples", BEAT_SAMPLES)),
        {"htf": htf_json["weights_sha256"], "rhythm": rhythm_json["weights_sha256"]},
        _training_note(params),
    )


def _check_info(folder: Path, info: dict[str, Any], kind: str) -> None:
    """Check that ``model.json`` of a head holds all that is needed to use it."""
    keys = ("params", "classes", "prior", *(("decoder", "decoders") if kind == "timeline" else ()))
    missing = [key for key in keys if key not in info]
    missing += [f"params.{key}" for key in _NEEDED[kind] if "params" in info and key not in info["params"]]
    if missing:
        found = f"no {', '.join(missing)} in info of model.json"
        raise DataError(str(folder), found=found, expected=f"a head of stage train_{kind}", remedy="Train it again.")
    if tuple(info["classes"]) != RHYTHMS:
        raise DataError(str(folder), found=f"classes {' '.join(info['classes'])}", expected=" ".join(RHYTHMS))
    if info.get("log") == []:
        found = "a rhythm head that was left untrained"
        raise DataError(
            str(folder), found=found, expected="a trained one", remedy=f"Set train_{kind}.epochs, or name another."
        )


def _training_note(params: Mapping[str, Any]) -> str:
    """Return what a head was given in its training that it is not given for an unannotated record."""
    if params["features"] == "annotations":
        return "the rhythm head was trained on annotations: it reads detected R-peaks and predicted labels here"
    if params["history"] == "oracle":
        return "the rhythm head was trained with true labels of the beats before: it reads predicted ones here"
    return ""
