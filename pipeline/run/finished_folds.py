"""Folds that an interrupted `crossvalidate` had trained, so that the next run goes on where it stopped.

They live outside the stage's outputs, which DVC deletes before each run, and are swept when the stage has published.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

from ecgfeat.arena.checkpoint import load_system, save_system
from ecgfeat.arena.recipe import Recipe
from ecgfeat.arena.record_task import LabelledRecords
from ecgfeat.arena.side_inputs import FrozenEmbedding
from ecgfeat.arena.system import System
from ecgfeat.errors import DataError
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.cache import content_key
from ecgfeat.store.publish import publish
from pipeline.run.code import code_digest
from pipeline.run.stage import CACHE


@dataclass(frozen=True)
class TrainedFold:
    """What training on all other folds has made.

    Attributes
    ----------
    system : System
        Trained.
    log : list of dict
        One row per epoch.
    took_s : float
        Seconds of training.
    """

    system: System
    log: list[dict[str, float]]
    took_s: float


class FinishedFolds:
    """Trained folds of one system and corpus.

    Parameters
    ----------
    slug, name : str
        Corpus and system.
    config, shape : dict
        What `build_system` is called with.
    recipe : Recipe
        How it is trained.
    records : LabelledRecords
        What it is trained on.
    seed : int
        Of the run.
    device : torch.device
        Where it is trained.
    """

    def __init__(
        self,
        slug: str,
        name: str,
        *,
        config: dict[str, Any],
        shape: dict[str, int],
        recipe: Recipe,
        records: LabelledRecords,
        seed: int,
        device: torch.device,
    ) -> None:
        self.name, self.config, self.shape, self.device = name, config, shape, device
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
        versions = [torch.__version__, np.__version__, scipy.__version__]
        told = json.dumps([config, shape, asdict(recipe), seed, str(device), gpu, torch.get_num_threads(), versions])
        # Whatever could change a low bit: a fold is taken over only if all of it is the same.
        # Record by record: a corpus is gigabytes.
        read = [content_key(signal_CS.tobytes()) for signal_CS in records.signals.signal]
        labels = [np.ascontiguousarray(of).tobytes() for of in (records.target, records.fold)]
        self.folder = CACHE / "crossvalidate" / f"{slug}-{name}"
        self.made_by = content_key(told, code_digest("crossvalidate"), *labels, *read)

    def load(self, number: int) -> TrainedFold | None:
        """Return a fold if it was trained in just this way; None if it was not, or is damaged."""
        folder = self._path(number)
        if not folder.exists():
            return None
        try:
            system, described = load_system(folder, self.device)
        except DataError:
            return None
        return TrainedFold(system, **described["info"])

    def save(self, number: int, fold: TrainedFold) -> None:
        """Keep a fold until the stage has published; none on a frozen encoder, which may change behind its name."""
        if isinstance(fold.system.side_inputs, FrozenEmbedding):
            return
        info = {"log": plain_numbers(fold.log), "took_s": fold.took_s}
        with publish(self._path(number)) as folder:
            save_system(folder, self.name, fold.system, self.config, self.shape, info)

    def clear(self) -> None:
        """Forget all folds of this corpus and system, those of former params too."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.made_by}-fold{number}"
