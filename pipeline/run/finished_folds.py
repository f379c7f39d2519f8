"""Folds that an interrupted `crossvalidate` had trained, so that the next run goes on where it stopped.

They live outside the stage's outputs, which DVC deletes before each run, and are swept when the stage has published.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import scipy
import torch

from ecgfeat.arena.checkpoint import load_system, save_system
from ecgfeat.arena.folds import CrossValidation, TrainedFold
from ecgfeat.arena.record_task import LabelledRecords
from ecgfeat.arena.side_inputs import FrozenEmbedding
from ecgfeat.errors import DataError
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.keys import content_key
from ecgfeat.store.publish import publish
from pipeline.run.code import code_digest
from pipeline.run.stage import CACHE


class FinishedFolds:
    """Trained folds of one system and corpus.

    Parameters
    ----------
    plan : CrossValidation
        What is trained, and how.
    records : LabelledRecords
        What it is trained on.
    """

    def __init__(self, plan: CrossValidation, records: LabelledRecords) -> None:
        self.plan = plan
        gpu = torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else "none"
        machine = [str(plan.device), gpu, torch.get_num_threads(), torch.__version__, np.__version__, scipy.__version__]
        # Whatever could change a low bit: a fold is taken over only if all of it is the same.
        made_by = json.dumps([plan.settings, plan.shape, asdict(plan.recipe), plan.seed, machine])
        # Record by record: a corpus is gigabytes.
        signals = [content_key(signal_CS.tobytes()) for signal_CS in records.signals.signal]
        labels = [np.ascontiguousarray(array).tobytes() for array in (records.target, records.fold)]
        self.folder = CACHE / "crossvalidate" / f"{plan.corpus.slug}-{plan.name}"
        self.made_by = content_key(made_by, code_digest("crossvalidate"), *labels, *signals)

    def load(self, number: int) -> TrainedFold | None:
        """Return a fold if it was trained in just this way; None if it was not, or is damaged."""
        folder = self._path(number)
        if not folder.exists():
            return None
        try:
            system, described = load_system(folder, self.plan.device)
        except DataError:
            return None
        return TrainedFold(system, **described["info"])

    def save(self, number: int, fold: TrainedFold) -> None:
        """Keep a fold until the stage has published; none on a frozen encoder, which may change behind its name."""
        if isinstance(fold.system.side_inputs, FrozenEmbedding):
            return
        info = {"log": plain_numbers(fold.log), "took_s": fold.took_s}
        with publish(self._path(number)) as folder:
            save_system(folder, self.plan.name, fold.system, self.plan.settings, self.plan.shape, info)

    def clear(self) -> None:
        """Forget all folds of this corpus and system, those of former params too."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.made_by}-fold{number}"
