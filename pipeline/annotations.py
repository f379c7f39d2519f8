"""Stage annotations: a corpus whose annotations alone are read -> records, reference beats, rhythm episodes."""

import sys

from ecgfeat.corpora import get_corpus
from pipeline.acquire import fetch_corpus
from pipeline.annotate import main as annotate
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Fetch headers and annotations of a corpus, and describe its records."""
    params = read_params()
    with progress_bar(desc=f"annotations {slug}", unit="file") as progress:
        fetch_corpus(get_corpus(slug), params, paths.raw(slug), progress, with_signals=False)
    return annotate(slug)


if __name__ == "__main__":
    sys.exit(run_stage("annotations", main))
