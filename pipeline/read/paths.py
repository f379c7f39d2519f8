"""Where each artifact lies: the one place that knows the folders of data/, models/ and reports/."""

from pathlib import Path

CODE = Path("code.json")
SCRATCH = Path(".cache/ecgfeat/scratch")
OWN = Path("data/local.json")
MODELS = Path("models")
HTF_MODEL = Path("models/htf")
BEAT_MODELS = Path("models/beats")
BEAT_CLASSIFIER = BEAT_MODELS / "classifier"
BASELINE_MODELS = Path("models/baselines")
RHYTHM_MODEL = Path("models/rhythm")
RR_TREES = Path("models/rr_trees")
TIMELINE_MODEL = Path("models/timeline")
WINDOW_MODEL = Path("models/window")
HEAD_MODELS = {"timeline": TIMELINE_MODEL, "window": WINDOW_MODEL}
PREDICTIONS = Path("reports/predictions")
OUTSIDE_PREDICTIONS = Path("reports/outside")
OUTSIDE = Path("reports/outside.json")
ROBUSTNESS = Path("reports/robustness.json")
SENSITIVITY = Path("reports/sensitivity.json")
METRICS = Path("reports/metrics.json")
SCORES = Path("reports/scores.json")
REPORT = Path("reports/report.html")
PLOTS = Path("reports/plots")
REPEATS = Path("reports/repeats.json")
FOLDS = Path("reports/folds")
SYSTEM_PREDICTIONS = Path("reports/systems")
DIAGNOSTIC = Path("reports/diagnostic")
RECORD_TREES = Path("reports/record_trees")
ARENA = Path("reports/arena.json")
ARENA_PAGE = Path("reports/arena.html")


def raw(corpus: str) -> Path:
    """Return the folder of WFDB files and ``corpus.json``."""
    return Path("data/raw") / corpus


def predicted(corpus: str) -> Path:
    """Return the folder of what the shipped models say of the records of a corpus."""
    return Path("reports/predicted") / corpus


def records(corpus: str) -> Path:
    """Return the table of records: who, how long, which split, used or why not."""
    return Path("data/records") / f"{corpus}.parquet"


def beats(corpus: str) -> Path:
    """Return the table of reference beats."""
    return Path("data/beats") / f"{corpus}.parquet"


def episodes(corpus: str) -> Path:
    """Return the table of reference rhythm episodes."""
    return Path("data/episodes") / f"{corpus}.parquet"


def signals(corpus: str) -> Path:
    """Return the store of all leads at the common rate."""
    return Path("data/signals") / f"{corpus}.zarr"


def wander(corpus: str) -> Path:
    """Return the table of offset and baseline wander that were subtracted from the leads of a corpus."""
    return Path("data/wander") / f"{corpus}.parquet"


def quality(corpus: str) -> Path:
    """Return the table of what each lead is worth, second by second."""
    return Path("data/quality") / f"{corpus}.parquet"


def features(corpus: str) -> Path:
    """Return the table of beat features."""
    return Path("data/features") / f"{corpus}.parquet"


def held_out_classes(corpus: str) -> Path:
    """Return the table of beat classes of training subjects, by models that had not seen them."""
    return BEAT_MODELS / "held_out" / f"{corpus}.parquet"


def classes(corpus: str) -> Path:
    """Return the table of beat classes by the beat classifier."""
    return Path("data/classes") / f"{corpus}.parquet"


def rpeaks(corpus: str) -> Path:
    """Return the table of R-peaks used downstream, matched to the reference."""
    return Path("data/rpeaks") / f"{corpus}.parquet"


def windows(corpus: str) -> Path:
    """Return the store of two seconds around each R-peak."""
    return Path("data/windows") / f"{corpus}.zarr"


def embeddings(corpus: str) -> Path:
    """Return the store of history-free HTF_MODEL features of each R-peak."""
    return Path("data/embeddings") / f"{corpus}.zarr"


def diagnostic_raw(corpus: str) -> Path:
    """Return the folder of WFDB files, label files and ``corpus.json`` of a diagnostic corpus."""
    return Path("data/diagnostic") / corpus


def diagnoses(corpus: str) -> Path:
    """Return the table of records with one set of diagnoses each."""
    return Path("data/diagnoses") / f"{corpus}.parquet"


def leads(corpus: str) -> Path:
    """Return the store of their leads, in standard order, at the corpus's own rate."""
    return Path("data/leads") / f"{corpus}.zarr"


def record_features(corpus: str) -> Path:
    """Return the table of figures of whole records."""
    return Path("data/record_features") / f"{corpus}.parquet"


def record_tree_models(corpus: str) -> Path:
    """Return the folder of trees on record figures, ``fold0`` and so on."""
    return Path("models/record_trees") / corpus


def record_tree_scores(corpus: str) -> Path:
    """Return the folder of what these trees predict of a corpus, and its scores."""
    return RECORD_TREES / corpus


def system(name: str) -> Path:
    """Return the folder of a trained system, or of the reason why there is none."""
    return Path("models/systems") / name


def diagnostic(corpus: str, name: str) -> Path:
    """Return the folder of the predictions of a system on a diagnostic corpus."""
    return DIAGNOSTIC / corpus / name


def fold_models(corpus: str, name: str) -> Path:
    """Return the folder of the models of a cross-validation, ``fold0`` and so on."""
    return Path("models/diagnostic") / corpus / name


def zero_shot(source: str, target: str, name: str) -> Path:
    """Return the scores of the models of one corpus on another."""
    return Path("reports/zero_shot") / f"{source}-{target}-{name}.json"
