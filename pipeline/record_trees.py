"""Stage record_trees: figures of records -> diagnoses by boosted trees that have not seen them, and the scores."""

import sys

import numpy as np

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.diagnosis.folds import cross_validate, stack_features
from ecgfeat.diagnosis.summary import summarise_diagnoses
from ecgfeat.diagnosis.trees import RecordTreeSettings, save_record_trees
from ecgfeat.errors import DataError
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.record_feature_columns import RECORD_FEATURE_NAMES, RECORD_FEATURES
from ecgfeat.store.schemas import RECORD_PREDICTIONS
from ecgfeat.store.seal import write_report
from ecgfeat.store.tables import read_table, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.diagnoses import read_used_diagnoses
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Cross-validate the trees and the baselines beside them."""
    params = read_params()
    section = params.record_trees.model_dump()
    num_resamples = section.pop("bootstrap")
    corpus, rows = get_diagnostic_corpus(slug), read_used_diagnoses(slug)
    features = read_table(paths.record_features(slug), RECORD_FEATURES)
    if [*features["record"]] != [row["record"] for row in rows]:
        raise DataError(
            str(paths.record_features(slug)),
            found="other records than in data/diagnoses",
            expected="the same in the same order",
            remedy=f"Run: dvc repro record_features@{slug}",
        )
    value_ND = stack_features(features, RECORD_FEATURE_NAMES)
    num_folds = len({row["fold"] for row in rows})
    with progress_bar(desc=f"record_trees {slug}", unit="fold", total=num_folds) as progress:
        predictions, folds = cross_validate(
            rows,
            value_ND,
            RECORD_FEATURE_NAMES,
            corpus,
            RecordTreeSettings(**section),
            seed=params.seed,
            on_fold=progress.update,
        )
    with publish(paths.record_tree_models(slug)) as folder:
        for number, fold in folds.items():
            info = {"corpus": slug, "fold": number, "seed": params.seed, **plain_numbers(fold.info)}
            save_record_trees(folder / f"fold{number}", fold.trees, corpus.classes, corpus.task, info)
    made_by = {"classes": list(corpus.classes), "record_trees": params.record_trees.model_dump()}
    scores = summarise_diagnoses(predictions, corpus, num_resamples=num_resamples, seed=params.seed)
    scores |= {"lead": params.record_features.lead, "signals": str(np.unique([row["signals"] for row in rows])[0])}
    scores["chosen"] = {f"fold{number}": fold.info["chosen"] for number, fold in folds.items()}
    with publish(paths.record_tree_scores(slug)) as folder:
        folder.mkdir()
        write_table(folder / "records.parquet", predictions, RECORD_PREDICTIONS, made_by)
        write_report(folder / "scores.json", "record_trees", plain_numbers(scores))
    shown = ", ".join(f"{of['macro_f1']:.3f} {name}" for name, of in scores["models"].items())
    return f"{slug}: {len(rows)} records, {num_folds} folds; mean F1 of {' '.join(corpus.scored)} {shown}"


if __name__ == "__main__":
    sys.exit(run_stage("record_trees", main))
