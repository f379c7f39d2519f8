"""Read what the stage robustness predicts: raw records of a split with their reference, and recorded noise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.corpora.halves import split_short_records
from ecgfeat.predict.robustness import RobustnessRecord
from ecgfeat.records.reader import read_signal
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.simulate.recorded_noise import NoisePool, cut_noise
from ecgfeat.store.schemas import BEAT_TABLE, EPISODES
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_records, read_rows_by_record
from pipeline.read.diagnoses import read_stored_leads, read_used_diagnoses

NOISE_CLASS: Final = "~"
"""Class of the records of ``robustness.noise_corpus`` that are too noisy to tell."""

TRAINING_SPLITS: Final = ("train", "validation")


def choose_records(corpus: str, params: Params) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Choose the records of a corpus that are predicted.

    Parameters
    ----------
    corpus : str
        Slug.
    params : Params
        ``robustness.split``: validation stands for the training records where a corpus has no validation records;
        training for both. ``robustness.records``: of more than so many, that many are drawn; 0 takes all.

    Returns
    -------
    splits : tuple of str
        The splits they are of.
    rows : list of dict
        Their rows of the ``records`` table.
    """
    rows = [row for row in read_records(corpus).values() if row["status"] == "used" and row["signals"] != "none"]
    wanted = params.robustness.split
    splits = TRAINING_SPLITS if wanted == "training" else (wanted,)
    if wanted == "validation" and not any(row["split"] == wanted for row in rows):
        splits = ("train",)
    rows = [row for row in rows if row["split"] in splits]
    if 0 < params.robustness.records < len(rows):
        drawn = np.random.default_rng(params.seed).permutation(len(rows))[: params.robustness.records]
        rows = [rows[number] for number in sorted(drawn.tolist())]
    return splits, rows


def read_robustness_records(corpus: str, rows: Sequence[Mapping[str, Any]], hours: float) -> Iterator[RobustnessRecord]:
    """Yield records with their signals at their own rate, the first hours of each."""
    beats_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
    episodes_of = read_rows_by_record(paths.episodes(corpus), EPISODES)
    for row in rows:
        record = str(row["record"])
        signal = read_signal(paths.raw(corpus), record)
        yield RobustnessRecord(str(row["subject"]), signal, beats_of(record), episodes_of(record)).first_hours(hours)


def read_noise(params: Params, split: str) -> NoisePool | None:
    """Read recorded noise, of the noisy records of a corpus that belong to a split.

    Parameters
    ----------
    params : Params
        ``robustness.noise_corpus``.
    split : str
        test: the noise of its second half; validation: of a third of the first; any other: of the rest of the first.

    Returns
    -------
    NoisePool or None
        None where it is not one of ``short_records.corpora``.
    """
    corpus = params.robustness.noise_corpus
    if corpus not in params.short_records.corpora:
        return None
    rows = {str(row["record"]): row for row in read_used_diagnoses(corpus)}
    label = {name: str(row["labels"][0]) for name, row in rows.items() if len(row["labels"]) == 1}
    noisy = [rows[name] for name in pick_noisy(label, corpus, split)]
    if not noisy:
        return None
    lead = get_diagnostic_corpus(corpus).lead_names[:1]
    leads = (to_millivolts(signal_uv_SC[:, 0]) for signal_uv_SC in read_stored_leads(corpus, noisy, lead))
    return cut_noise(leads, float(noisy[0]["fs_hz"]))


def pick_noisy(label: Mapping[str, str], corpus: str, split: str) -> list[str]:
    """Return the noisy records of a corpus that belong to a split.

    Parameters
    ----------
    label : mapping of str to str
        Class of each record.
    corpus : str
        Slug of a corpus with diagnoses.
    split : str
        test; validation, to choose by; any other: those that models may learn from.

    Returns
    -------
    list of str
        None of a corpus without the class.
    """
    split_of = split_short_records(label, get_diagnostic_corpus(corpus).classes)
    wanted = split if split in ("test", "validation") else "train"
    return [record for record in label if label[record] == NOISE_CLASS and split_of.get(record) == wanted]
