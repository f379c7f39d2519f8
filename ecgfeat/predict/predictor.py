"""A beat embedder and a rhythm head read from disk, and seen to belong together.

Shape suffixes: L beats, D features.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.models import load_model
from ecgfeat.models.htf import HTF, NUM_EMBEDDING
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.decoding import Decoder, decoder_from_json, is_decoder_better
from ecgfeat.rhythm.records import RhythmRecord, describe_beats, describe_timeline
from ecgfeat.store.schemas import RHYTHMS

BEAT_SAMPLES = 256
_OF_BOTH = ("features", "history", "rr_features")
_NEEDED = {
    "timeline": (*_OF_BOTH, "neighbour_beats", "chunk_beats"),
    "window": (*_OF_BOTH, "window_samples", "max_beats"),
}


@dataclass(frozen=True)
class Predictor:
    """A beat embedder and a rhythm head that belong together.

    Attributes
    ----------
    htf : HTF
        Beat embedder and classifier, in evaluation mode.
    rhythm : RhythmTimeline or RhythmWindow
        Head of the six rhythms, in evaluation mode.
    params : dict
        What the head was trained with: features, history, rr_features; of a timeline head neighbour_beats and
        chunk_beats besides, of a window head window_samples and max_beats.
    prior : tuple of float
        Class shares in its training.
    decoder : Decoder or None
        Smooths the rhythms of a timeline head; None: the most probable class of each beat, which was no worse on the
        validation records.
    num_leads, beat_samples : int
        Leads and samples of a beat window that the embedder was trained on.
    checksums : dict of str to str
        sha256 of the weights, for the metadata of what is predicted.
    """

    htf: HTF
    rhythm: RhythmTimeline | RhythmWindow
    params: dict[str, Any]
    prior: tuple[float, ...]
    decoder: Decoder | None
    num_leads: int
    beat_samples: int
    checksums: dict[str, str]

    @property
    def head(self) -> Literal["timeline", "window"]:
        """Name the kind of head."""
        return "timeline" if isinstance(self.rhythm, RhythmTimeline) else "window"

    @property
    def reads_labels(self) -> bool:
        """Tell whether the head reads RR intervals and beat labels in place of embeddings."""
        return bool(self.params["features"] == "annotations")

    @property
    def is_placed(self) -> bool:
        """Tell whether the head is shown where in its window a beat stands."""
        return self.reads_labels and self.head == "window"


def load_predictor(htf_folder: Path, rhythm_folder: Path) -> Predictor:
    """Read both models and see that they can work together.

    Parameters
    ----------
    htf_folder, rhythm_folder : Path
        Folders with ``model.json``.

    Returns
    -------
    Predictor

    Raises
    ------
    DataError
        If a model is missing, damaged, of another kind, untrained, or trained on other features.
    """
    htf, htf_json = load_model(htf_folder)
    rhythm, rhythm_json = load_model(rhythm_folder)
    if not isinstance(htf, HTF):
        raise DataError(
            str(htf_folder), found=f"a {htf_json['name']}", expected="an htf", remedy="Name its folder with --htf."
        )
    if not isinstance(rhythm, RhythmTimeline | RhythmWindow):
        found, expected = f"a {rhythm_json['name']}", "a rhythm_timeline or a rhythm_window"
        raise DataError(str(rhythm_folder), found=found, expected=expected, remedy="Name its folder with --rhythm.")
    if htf_json["info"].get("trained") is False:
        found = "a beat embedder that was not trained (its corpus has no signals)"
        raise DataError(str(htf_folder), found=found, expected="a trained one", remedy="Run: dvc repro train_htf")
    info = rhythm_json["info"]
    head = "timeline" if isinstance(rhythm, RhythmTimeline) else "window"
    _check_info(rhythm_folder, info, head)
    params = info["params"]
    is_smoothed = head == "timeline" and is_decoder_better(info["decoders"])
    predictor = Predictor(
        htf,
        rhythm,
        {key: params[key] for key in _NEEDED[head]},
        tuple(info["prior"]),
        decoder_from_json(info["decoder"]) if is_smoothed else None,
        int(htf_json["config"]["num_leads"]),
        int(htf_json["info"].get("window_samples", BEAT_SAMPLES)),
        {"htf": htf_json["weights_sha256"], "rhythm": rhythm_json["weights_sha256"]},
    )
    none = np.zeros(0, np.int64)
    no_beats = (none, none.astype(np.float64), none, np.zeros((0, NUM_EMBEDDING), np.float32))
    width = beat_features(predictor, unannotated_record("", 0, *no_beats)).shape[1] + predictor.is_placed
    if width != rhythm.project.in_features:
        found = f"a head of {rhythm.project.in_features} features"
        raise DataError(
            str(rhythm_folder), found=found, expected=f"{width}, as {params['features']} have", remedy="Train it again."
        )
    return predictor


def _check_info(folder: Path, info: dict[str, Any], head: str) -> None:
    """See that a head says all that must be known to ask it."""
    keys = ("params", "classes", "prior", *(("decoder", "decoders") if head == "timeline" else ()))
    missing = [key for key in keys if key not in info]
    missing += [f"params.{key}" for key in _NEEDED[head] if "params" in info and key not in info["params"]]
    if missing:
        found = f"no {', '.join(missing)} in info of model.json"
        raise DataError(str(folder), found=found, expected=f"a head of stage train_{head}", remedy="Train it again.")
    if tuple(info["classes"]) != RHYTHMS:
        raise DataError(str(folder), found=f"classes {' '.join(info['classes'])}", expected=" ".join(RHYTHMS))
    if info.get("log") == []:
        found = "a rhythm head that was left untrained"
        raise DataError(
            str(folder), found=found, expected="a trained one", remedy=f"Set train_{head}.epochs, or name another."
        )


def unannotated_record(
    record: str,
    num_samples: int,
    sample: NDArray[np.int64],
    rr_s: NDArray[np.float64],
    label: NDArray[np.int64],
    embedding_LD: NDArray[np.float32],
) -> RhythmRecord:
    """Put together a record that nobody has annotated; the model's own beat labels take the place of true ones.

    Parameters
    ----------
    record : str
        Name.
    num_samples : int
        Length at the common rate.
    sample : ndarray of int64, (L,)
        R-peaks at the common rate.
    rr_s : ndarray of float64, (L,)
        Interval to the R-peak before in seconds; NaN at the first.
    label : ndarray of int64, (L,)
        Predicted class of each beat; read by a head trained on annotations only.
    embedding_LD : ndarray of float32, (L, 512)
        Features of each beat.

    Returns
    -------
    RhythmRecord
        Without episodes.
    """
    none = np.zeros(0, np.int64)
    episodes = Episodes(none, none, none.astype(str))
    return RhythmRecord("", record, record, num_samples, sample, rr_s, label, episodes, embedding_LD)


def beat_features(predictor: Predictor, one: RhythmRecord) -> NDArray[np.float32]:
    """Describe the beats of a record as its head was taught.

    Parameters
    ----------
    predictor : Predictor
        The models.
    one : RhythmRecord
        Of `unannotated_record`.

    Returns
    -------
    ndarray of float32, (L, D)
        Input of the head.
    """
    params = predictor.params
    htf = None if predictor.reads_labels else predictor.htf
    history: Literal["none", "predicted"] = "none" if params["history"] == "none" else "predicted"
    is_rr_used = bool(params["rr_features"])
    if predictor.head == "timeline":
        num_beats = int(params["neighbour_beats"])
        return describe_timeline([one], htf=htf, history=history, num_beats=num_beats, is_rr_used=is_rr_used)[0]
    return describe_beats([one], htf=htf, history=history, is_rr_used=is_rr_used)[0]
