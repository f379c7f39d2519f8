"""Stage classify: beat windows and beat features -> the class of each beat, row by row with the R-peaks."""

import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from ecgfeat.beats.classifier import classify_record, decide_classes, find_early, load_classifier
from ecgfeat.engine.parts import Part
from ecgfeat.store.feature_columns import FEATURE_NAMES, FEATURES
from ecgfeat.store.keys import columns_key
from ecgfeat.store.record_rows import RecordRows
from ecgfeat.store.schemas import BEAT_CLASSES, CLASSES, RPEAKS
from ecgfeat.store.tables import Columns, write_parts
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.beats import read_rows_by_record
from pipeline.read.windows import open_windows
from pipeline.run.records import Parts, choose_record_device, made_by, run_records
from pipeline.run.stage import run_stage


class Classify:
    """Classify the beats of every record."""

    def __init__(self, slug: str) -> None:
        params = read_params()
        self.slug, self.settings = slug, params.classify
        self.device = choose_record_device(params.runtime.device)
        self.classifier, described = load_classifier(paths.BEAT_CLASSIFIER)
        self.made_by = made_by("classify", self.device, self.settings)
        self.weights = json.dumps(described["sha256"], sort_keys=True)
        self.windows = open_windows(slug)
        self.feature_of = read_rows_by_record(paths.features(slug), FEATURES)
        self.held_out_of = read_rows_by_record(paths.held_out_classes(slug), CLASSES)
        self.rpeaks = RecordRows(paths.rpeaks(slug), RPEAKS, ["record", "beat", "quality"])

    @property
    def records(self) -> Sequence[str]:
        """Those with R-peaks."""
        return list(self.rpeaks)

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the classes of a record depend on."""
        tables = (self.rpeaks[record], self.feature_of(record), self.held_out_of(record))
        digest = self.windows.digests.get(record, "no windows")
        return self.made_by, self.weights, digest, *(columns_key(columns) for columns in tables)

    def work(self, record: str) -> Part:
        """Classify the beats of a record."""
        rows = self.rpeaks[record]
        probability_LK = np.full((len(rows["beat"]), len(BEAT_CLASSES)), np.nan, dtype=np.float32)
        is_used = np.asarray(rows["quality"] == "usable")
        held_out = self.held_out_of(record) if self.settings.held_out else {"beat": np.zeros(0)}
        is_held_out = len(held_out["beat"]) > 0
        if is_held_out:
            probability_LK[held_out["beat"]] = np.stack([held_out[f"p_{name}"] for name in BEAT_CLASSES], axis=1)
        elif record in self.windows.rows and is_used.any():
            features = self.feature_of(record).items()
            feature = {name: column[is_used] for name, column in features if name in FEATURE_NAMES}
            window_uv_LCS = self.windows.read(record)[is_used]
            probability_LK[is_used] = classify_record(self.classifier, window_uv_LCS, feature, device=self.device)
        elif record not in self.windows.rows:
            # Of annotations alone it is known how early a beat comes, not which is V.
            early_L = self.classifier.early_curve.apply(find_early(self.classifier, self.feature_of(record)))
            probability_LK[:, :2] = np.stack([1 - early_L, early_L], axis=1)
        return Part({"probability": probability_LK, "held_out": np.full(len(rows["beat"]), is_held_out)})

    def assemble(self, parts: Parts) -> str:
        """Write the table."""
        count, num_known, num_held_out = np.zeros(len(BEAT_CLASSES), dtype=np.int64), 0, 0
        knows_ventricular = False

        def rows() -> Iterator[Columns]:
            nonlocal num_known, num_held_out, knows_ventricular
            for record, part in parts:
                probability_LK, is_held_out = part.arrays["probability"], part.arrays["held_out"]
                known_NK = probability_LK[np.isfinite(probability_LK[:, 0])]
                count[:] += np.bincount(decide_classes(self.classifier, known_NK), minlength=len(BEAT_CLASSES))
                num_known += len(known_NK)
                num_held_out += bool(is_held_out.any())
                knows_ventricular |= bool(np.isfinite(probability_LK[:, BEAT_CLASSES.index("V")]).any())
                yield {
                    "record": self.rpeaks[record]["record"],
                    "beat": self.rpeaks[record]["beat"],
                    **{f"p_{name}": probability_LK[:, k] for k, name in enumerate(BEAT_CLASSES)},
                    "held_out": is_held_out,
                }

        write_parts(paths.classes(self.slug), rows(), CLASSES, self.settings.model_dump())
        if not knows_ventricular:
            return f"{self.slug}: {num_known} beats without a signal: which are V is not known"
        counts = ", ".join(f"{number} {name}" for number, name in zip(count.tolist(), BEAT_CLASSES, strict=True))
        records = f"{num_held_out} of {len(self.rpeaks)} records"
        return f"{self.slug}: {counts}; {records} by models that had not seen their subject"


def main(slug: str, *flags: str) -> str:
    """Classify the beats of a corpus."""
    return run_records("classify", Classify(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("classify", main))
