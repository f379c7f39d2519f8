"""A beat embedder and a rhythm head read from disk, and seen to belong together.

Shape suffixes: L beats, D features.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.annotations import Episodes
from ecgfeat.errors import DataError, fault
from ecgfeat.models import load_model
from ecgfeat.models.htf import HTF, WINDOW_FEATURES
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm_data import RhythmRecord, describe_beats
from ecgfeat.schemas import RHYTHMS

BEAT_SAMPLES = 256
_NEEDED = ("features", "history", "window_samples", "max_beats", "rr_features")


@dataclass(frozen=True)
class Predictor:
    """A beat embedder and a rhythm head that belong together.

    Attributes
    ----------
    htf : HTF
        Beat embedder and classifier, in evaluation mode.
    rhythm : RhythmWindow
        Head of the six rhythms, in evaluation mode.
    params : dict
        What the head was trained with: features, history, window_samples, max_beats, rr_features.
    prior : tuple of float
        Class shares in its training.
    num_leads, beat_samples : int
        Leads and samples of a beat window that the embedder was trained on.
    checksums : dict of str to str
        sha256 of the weights, for the metadata of what is predicted.
    """

    htf: HTF
    rhythm: RhythmWindow
    params: dict[str, Any]
    prior: tuple[float, ...]
    num_leads: int
    beat_samples: int
    checksums: dict[str, str]

    @property
    def is_placed(self) -> bool:
        """Tell whether the head reads RR intervals and labels, and where in its window a beat stands."""
        return bool(self.params["features"] == "annotations")


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
        raise DataError(fault(str(htf_folder), f"a {htf_json['name']}", "an htf", "Name its folder with --htf."))
    if not isinstance(rhythm, RhythmWindow):
        found = f"a {rhythm_json['name']}"
        raise DataError(fault(str(rhythm_folder), found, "a rhythm_window", "Name its folder with --rhythm."))
    if htf_json["info"].get("trained") is False:
        found = "a beat embedder that was not trained (its corpus has no signals)"
        raise DataError(fault(str(htf_folder), found, "a trained one", "Run: dvc repro train_htf"))
    info = rhythm_json["info"]
    params = info.get("params", {})
    missing = [key for key in ("params", "classes", "prior") if key not in info]
    missing += [f"params.{key}" for key in _NEEDED if key not in params and "params" in info]
    if missing:
        found = f"no {', '.join(missing)} in info of model.json"
        raise DataError(fault(str(rhythm_folder), found, "a head of stage train_rhythm", "Train it again."))
    if tuple(info["classes"]) != RHYTHMS:
        raise DataError(fault(str(rhythm_folder), f"classes {' '.join(info['classes'])}", " ".join(RHYTHMS)))
    predictor = Predictor(
        htf,
        rhythm,
        {key: params[key] for key in _NEEDED},
        tuple(info["prior"]),
        int(htf_json["config"]["num_leads"]),
        int(htf_json["info"].get("window_samples", BEAT_SAMPLES)),
        {"htf": htf_json["weights_sha256"], "rhythm": rhythm_json["weights_sha256"]},
    )
    none = np.zeros(0, np.int64)
    no_beats = (none, none.astype(np.float64), none, np.zeros((0, WINDOW_FEATURES), np.float32))
    width = beat_features(predictor, "", 0, *no_beats).shape[1] + predictor.is_placed
    if width != rhythm.project.in_features:
        found = f"a head of {rhythm.project.in_features} features"
        raise DataError(fault(str(rhythm_folder), found, f"{width}, as {params['features']} have", "Train it again."))
    return predictor


def beat_features(
    predictor: Predictor,
    record: str,
    num_samples: int,
    sample: NDArray[np.int64],
    rr_s: NDArray[np.float64],
    label: NDArray[np.int64],
    embedding_LD: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Describe the beats of a record as the head was taught, the model's own labels taking the place of true ones.

    Parameters
    ----------
    predictor : Predictor
        The models.
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
    ndarray of float32, (L, D)
        Input of the head.
    """
    none = np.zeros(0, np.int64)
    one = RhythmRecord(
        "", record, record, num_samples, sample, rr_s, label, Episodes(none, none, none.astype(str)), embedding_LD
    )
    return describe_beats(
        [one],
        htf=None if predictor.is_placed else predictor.htf,
        history="none" if predictor.params["history"] == "none" else "predicted",
        is_rr_used=bool(predictor.params["rr_features"]),
    )[0]
