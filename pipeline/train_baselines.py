"""Stage train_baselines: RR intervals of the training records -> majority, RR rules and logistic regression."""

import sys

from ecgfeat.rhythm.baselines import fit_baselines, save_baselines, score_baselines
from ecgfeat.scoring.plain import plain_numbers
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
    macro_f1 = score_baselines(fitted, validation)
    info = {"corpora": params.corpora, "validation_macro_f1": plain_numbers(macro_f1)}
    save_baselines(paths.BASELINE_MODELS, fitted, info)
    scores = ", ".join(f"{head} {score:.3f}" for head, score in macro_f1.items())
    return f"{len(train)} records; validation macro F1 per beat: {scores}"


if __name__ == "__main__":
    sys.exit(run_stage("train_baselines", main))
