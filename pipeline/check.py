"""Refuse a params.yaml with unknown, missing or impossible values, before any other stage runs."""

import sys

from pipeline.params import read_params
from pipeline.run.stage import run_stage


def main() -> str:
    """Check params.yaml."""
    params = read_params()
    return f"params.yaml: valid, corpora {' '.join(params.corpora)}"


if __name__ == "__main__":
    sys.exit(run_stage("check", main))
