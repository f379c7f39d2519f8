"""Read recorded noise: of the records of a corpus with diagnoses that are too noisy to tell."""

from collections.abc import Mapping
from typing import Final

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.corpora.halves import split_short_records
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.simulate.recorded_noise import NoisePool, cut_noise
from pipeline.params import Params
from pipeline.read.diagnoses import read_stored_leads, read_used_diagnoses

NOISE_CLASS: Final = "~"
"""Class of the records of ``robustness.noise_corpus`` that are too noisy to tell."""


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
