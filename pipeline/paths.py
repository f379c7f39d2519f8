"""Where each artifact lies: the one place that knows the folders of data/, models/ and reports/."""

from pathlib import Path

HTF = Path("models/htf")
RHYTHM = Path("models/rhythm")
PREDICTIONS = Path("reports/predictions")
METRICS = Path("reports/metrics.json")
REPORT = Path("reports/report.html")
PLOTS = Path("reports/plots")


def raw(corpus: str) -> Path:
    """WFDB files and ``corpus.json``."""
    return Path("data/raw") / corpus


def records(corpus: str) -> Path:
    """One row per record: who, how long, which split, used or why not."""
    return Path("data/records") / f"{corpus}.parquet"


def beats(corpus: str) -> Path:
    """Reference beats."""
    return Path("data/beats") / f"{corpus}.parquet"


def episodes(corpus: str) -> Path:
    """Reference rhythm episodes."""
    return Path("data/episodes") / f"{corpus}.parquet"


def signals(corpus: str) -> Path:
    """All leads at the common rate."""
    return Path("data/signals") / f"{corpus}.zarr"


def rpeaks(corpus: str) -> Path:
    """R-peaks used downstream, matched to the reference."""
    return Path("data/rpeaks") / f"{corpus}.parquet"


def windows(corpus: str) -> Path:
    """Two seconds around each R-peak."""
    return Path("data/windows") / f"{corpus}.zarr"


def embeddings(corpus: str) -> Path:
    """History-free HTF features of each R-peak."""
    return Path("data/embeddings") / f"{corpus}.zarr"
