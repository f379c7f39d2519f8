"""Stage classify: beat windows and beat features -> the class of each beat, row by row with the R-peaks."""

import sys

import numpy as np

from ecgfeat.beats.classifier import classify_record, decide_classes, find_early, load_classifier
from ecgfeat.device import choose_device
from ecgfeat.store.arrays import open_array
from ecgfeat.store.feature_columns import FEATURE_NAMES, FEATURES
from ecgfeat.store.schemas import BEAT_CLASSES, CLASSES, RPEAKS, WINDOWS
from ecgfeat.store.tables import read_table, split_by_record, stack_columns, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.beats import read_rows_by_record
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Classify the beats of every record."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    classifier, _ = load_classifier(paths.BEAT_CLASSIFIER)
    windows = open_array(paths.windows(slug), WINDOWS, aligned_with=paths.rpeaks(slug))
    feature_of = read_rows_by_record(paths.features(slug), FEATURES)
    held_out_of = read_rows_by_record(paths.held_out_classes(slug), CLASSES)
    parts, num_held_out = [], 0
    rpeaks = split_by_record(read_table(paths.rpeaks(slug), RPEAKS, ["record", "beat", "quality"]))
    for record, rows in progress_bar(rpeaks.items(), desc=f"classify {slug}", unit="record"):
        probability_LK = np.full((len(rows["beat"]), len(BEAT_CLASSES)), np.nan, dtype=np.float32)
        is_used = np.asarray(rows["quality"] == "usable")
        held_out = held_out_of(record) if params.classify.held_out else {"beat": []}
        is_held_out = len(held_out["beat"]) > 0
        if is_held_out:
            probability_LK[held_out["beat"]] = np.stack([held_out[f"p_{name}"] for name in BEAT_CLASSES], axis=1)
        elif record in windows.rows and is_used.any():
            feature = {name: column[is_used] for name, column in feature_of(record).items() if name in FEATURE_NAMES}
            window_uv_LCS = windows.read(record)[is_used]
            probability_LK[is_used] = classify_record(classifier, window_uv_LCS, feature, device=device)
        elif record not in windows.rows:
            # Of annotations alone it is known how early a beat comes, not which is V.
            early_L = classifier.early_curve.apply(find_early(classifier, feature_of(record)))
            probability_LK[:, :2] = np.stack([1 - early_L, early_L], axis=1)
        num_held_out += is_held_out
        parts.append(
            {
                "record": rows["record"],
                "beat": rows["beat"],
                **{f"p_{name}": probability_LK[:, k] for k, name in enumerate(BEAT_CLASSES)},
                "held_out": np.full(len(rows["beat"]), is_held_out),
            }
        )
    columns = stack_columns(parts, list(CLASSES.columns))
    write_table(paths.classes(slug), columns, CLASSES, params.classify.model_dump())
    is_known = np.isfinite(columns["p_N"])
    probability_NK = np.stack([columns[f"p_{name}"][is_known] for name in BEAT_CLASSES], axis=1)
    count = np.bincount(decide_classes(classifier, probability_NK), minlength=len(BEAT_CLASSES))
    if not np.isfinite(columns["p_V"]).any():
        return f"{slug}: {len(probability_NK)} beats without a signal: which are V is not known"
    counts = ", ".join(f"{number} {name}" for number, name in zip(count.tolist(), BEAT_CLASSES, strict=True))
    return f"{slug}: {counts}; {num_held_out} of {len(rpeaks)} records by models that had not seen their subject"


if __name__ == "__main__":
    sys.exit(run_stage("classify", main))
