"""Stage train_baselines: RR intervals of the training records -> majority, RR rules and logistic regression."""

import json
import sys

import numpy as np

from ecgfeat.records.annotations import rhythm_at
from ecgfeat.rhythm.baselines import BASELINES, fit_baselines, predict_baseline
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.rhythm import class_codes, confusion_matrix, overall_scores
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHMS
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.rhythms import read_rhythm_records
from pipeline.run.stage import run_stage


def main() -> str:
    """Fit the heads without a network, and score them on the validation records."""
    params = read_params()
    train, validation = (
        read_rhythm_records(params.corpora, split, params, with_embeddings=False) for split in ("train", "validation")
    )
    fitted = fit_baselines(train, max_beats=params.train_baselines.max_beats)
    label = np.concatenate([class_codes(rhythm_at(one.sample, one.episodes), RHYTHMS) for one in validation])
    macro_f1 = {}
    for head in BASELINES:
        answer = np.concatenate([predict_baseline(fitted, head, one.rr_s).argmax(axis=1) for one in validation])
        macro_f1[head] = overall_scores(confusion_matrix(label, answer, len(RHYTHMS)))[0]
    fitted["info"] = {"corpora": params.corpora, "validation_macro_f1": plain_numbers(macro_f1)}
    with publish(paths.BASELINE_MODELS) as folder:
        folder.mkdir()
        (folder / "baselines.json").write_text(json.dumps(fitted, indent=1, sort_keys=True) + "\n")
    scores = ", ".join(f"{head} {score:.3f}" for head, score in macro_f1.items())
    return f"{len(train)} records; validation macro F1 per beat: {scores}"


if __name__ == "__main__":
    sys.exit(run_stage("train_baselines", main))
