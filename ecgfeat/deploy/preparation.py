"""How the signal of a trained system is prepared, by its description on disk: leads, rate, band, length of a segment.

Shape suffixes: S samples, C leads.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena.signal_table import FILTER_ORDER, Band, SignalTable, prepare_millivolts
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.corpora.leads import align_leads
from ecgfeat.errors import DataError
from ecgfeat.records.reader import Signal
from ecgfeat.signals.resample import resample
from ecgfeat.store.schemas import COMMON_FS_HZ

MAX_SEGMENTS = 128


@dataclass(frozen=True)
class Preparation:
    """What happens to a record before a system reads a segment of it, the same as in its training.

    Attributes
    ----------
    system : str
        Name of the system.
    fs_hz : float
        Its rate.
    num_samples, num_leads : int
        Samples and leads of a segment.
    low_hz, high_hz : float
        Band; 0 leaves a side open.
    filter_hz : float or None
        Rate that records are brought to before they are filtered; None: they are filtered at their own.
    corpus : str
        Diagnostic corpus it was trained on, whose leads it reads by name; empty: it reads the first leads by position.
    lead_names : tuple of str, (C,)
        Those leads, in order; empty where leads are read by position.
    classes : tuple of str
        Names in the order of the logits.
    task : {'single', 'multi'}
        One class at a time, or any number of them.
    """

    system: str
    fs_hz: float
    num_samples: int
    num_leads: int
    low_hz: float
    high_hz: float
    filter_hz: float | None
    corpus: str
    lead_names: tuple[str, ...]
    classes: tuple[str, ...]
    task: Literal["single", "multi"]

    def pick_leads(self, signal: Signal) -> NDArray[np.float32]:
        """Return the leads of a record that the system reads.

        Parameters
        ----------
        signal : Signal
            The record, at any rate.

        Returns
        -------
        ndarray of float32, (S, C)
            Millivolts; NaN where invalid. By name, a lead that the record lacks is zero; by position, it is invalid.

        Raises
        ------
        DataError
            If leads are read by name and the record has none of them.
        """
        if self.corpus:
            aliases, names = get_diagnostic_corpus(self.corpus).lead_aliases, self.lead_names
            aligned = align_leads(signal.signal_mv_SC, signal.leads, names, aliases=aliases, where=signal.record)
            return aligned.signal_mv_SL
        picked_SC = signal.signal_mv_SC[:, : self.num_leads]
        missing = self.num_leads - picked_SC.shape[1]
        return np.pad(picked_SC, ((0, 0), (0, missing)), constant_values=np.nan)

    def prepare(self, signal_mv_SC: NDArray[np.float32], fs_hz: float) -> NDArray[np.int16]:
        """Bring leads to the rate and band of the system.

        Parameters
        ----------
        signal_mv_SC : ndarray of float32, (S, C)
            Millivolts, NaN where invalid.
        fs_hz : float
            Their rate.

        Returns
        -------
        ndarray of int16, (C, S')
            Microvolts at the rate of the system, -32768 where invalid: not yet z-scored, which is for each segment.

        Raises
        ------
        DataError
            If one rate is more than 4096 times the other.
        """
        at_hz = self.filter_hz or fs_hz
        # Whole microvolts at any offset. In training the baseline was taken out before; here the band does it.
        rounded_mv_SC = np.rint(resample(signal_mv_SC, fs_hz, at_hz) * np.float32(1000)) / np.float32(1000)
        return prepare_millivolts(rounded_mv_SC, at_hz, Band(self.fs_hz, self.low_hz, self.high_hz))

    def as_metadata(self) -> dict[str, str]:
        """Return all of it in words, for a file that is opened where nothing else of this package is.

        Returns
        -------
        dict of str to str
            Numbers and lists as JSON.
        """
        at = "the rate of the record" if self.filter_hz is None else f"{self.filter_hz:g} Hz"
        metadata: dict[str, Any] = {
            "system": self.system,
            "fs_hz": self.fs_hz,
            "samples": self.num_samples,
            "leads": self.num_leads,
            "low_hz": self.low_hz,
            "high_hz": self.high_hz,
            "filter": f"Butterworth of order {FILTER_ORDER}, forward and backward, at {at}; 0: no such edge",
            "scaling": "each lead of each window to mean 0 and standard deviation 1; 0 where a sample is invalid",
            "classes": list(self.classes),
            "task": self.task,
        }
        if self.corpus:
            metadata["lead_names"] = list(self.lead_names)
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}


def read_preparation(described: Mapping[str, Any]) -> Preparation:
    """Find in the description of a system how its signal is prepared.

    Parameters
    ----------
    described : mapping
        What `ecgfeat.arena.checkpoint.load_system` gives beside the system.

    Returns
    -------
    Preparation

    Raises
    ------
    DataError
        If the description does not name the classes, or not each lead.

    Notes
    -----
    * A system of the rhythm task was trained on the array ``signals``, records brought to 128 Hz; a system of a
      diagnostic corpus on records at their own rate.
    """
    name, settings, config, info = (described[key] for key in ("name", "settings", "config", "info"))
    classes = tuple(info.get("classes", ()))
    if len(classes) != config["num_classes"]:
        expected = f"the names of its {config['num_classes']} classes"
        raise DataError(
            name, found=f"{len(classes)} classes in its description", expected=expected, remedy="Train it again."
        )
    corpus = info.get("corpus", "")
    # A system may have been trained on only a part of the leads of its corpus.
    lead_names = tuple(info.get("leads") or get_diagnostic_corpus(corpus).lead_names) if corpus else ()
    if corpus and len(lead_names) != config["num_leads"]:
        expected = f"the names of its {config['num_leads']} leads"
        raise DataError(
            name, found=f"{len(lead_names)} leads in its description", expected=expected, remedy="Train it again."
        )
    return Preparation(
        system=name,
        fs_hz=float(settings["fs_hz"]),
        num_samples=config["num_samples"],
        num_leads=config["num_leads"],
        low_hz=float(settings["low_hz"]),
        high_hz=float(settings["high_hz"]),
        filter_hz=None if corpus else float(COMMON_FS_HZ),
        corpus=corpus,
        lead_names=lead_names,
        classes=classes,
        task=info.get("task", "single"),
    )


def cut_segments(preparation: Preparation, signal: Signal) -> torch.Tensor:
    """Bring a record to the rate and band of a system and cut it into its segments.

    Parameters
    ----------
    preparation : Preparation
        How the signal of the system is prepared.
    signal : Signal
        The record.

    Returns
    -------
    Tensor, (B, C, S) float32
        Z-scored segments one after another, the first 128 of them.

    Raises
    ------
    DataError
        If the record is shorter than a segment or has none of its leads.
    """
    prepared_CS = preparation.prepare(preparation.pick_leads(signal), signal.fs_hz)
    num_samples = preparation.num_samples
    num_segments = min(prepared_CS.shape[1] // num_samples, MAX_SEGMENTS)
    if not num_segments:
        found = f"{len(signal.signal_mv_SC) / signal.fs_hz:.1f} s"
        raise DataError(
            signal.record, found=found, expected=f"at least {num_samples / preparation.fs_hz:g} s of signal"
        )
    start_M = np.arange(num_segments) * num_samples
    return SignalTable([prepared_CS], preparation.fs_hz).segments(np.zeros_like(start_M), start_M, num_samples)
