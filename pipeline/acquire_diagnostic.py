"""Stage acquire_diagnostic: a mirror, PhysioNet or the simulator -> raw records with one set of diagnoses each."""

import os
import sys
from typing import Any

from tqdm import tqdm

from ecgfeat.acquire.download import acquire_corpus
from ecgfeat.acquire.manifest import write_manifest
from ecgfeat.acquire.sources import Limits
from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.simulate.twelve_leads import simulate_twelve_leads
from ecgfeat.store.publish import publish
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Bring or make the raw records of a corpus."""
    params = read_params()
    corpus = get_diagnostic_corpus(slug).at_rate(params.acquire_diagnostic.ptbxl_hz)
    with progress_bar(desc=f"acquire {slug}", unit="file") as progress:
        manifest = _simulate(corpus, params, progress) if slug == "simulate12" else _fetch(corpus, params, progress)
    num_records = len(manifest["records"])
    absent = corpus.num_records - num_records
    rest = f" of {corpus.num_records}: the source has no others" if absent > 0 else ""
    return f"{slug}: {num_records} records{rest}; {len(manifest['files'])} files, signals {manifest['signals']}"


def _fetch(corpus: DiagnosticCorpus, params: Params, progress: "tqdm[Any]") -> dict[str, Any]:
    def show(files: int, total: int, num_bytes: int) -> None:
        progress.total = total
        progress.set_postfix(MB=num_bytes // 1_000_000, refresh=False)
        progress.update(files - progress.n)

    return acquire_corpus(
        corpus,
        paths.diagnostic_raw(corpus.slug),
        mirror=os.environ.get("ECGFEAT_MIRROR") or None,
        url=params.acquire.url,
        limits=Limits(params.acquire.largest_file_mb, params.acquire.least_kb_per_s),
        on_progress=show,
    )


def _simulate(corpus: DiagnosticCorpus, params: Params, progress: "tqdm[Any]") -> dict[str, Any]:
    def show(done: int, total: int, record: str) -> None:
        progress.total = total
        progress.set_postfix(record=record, refresh=False)
        progress.update(done - progress.n)

    with publish(paths.diagnostic_raw(corpus.slug)) as folder:
        folder.mkdir()
        records = simulate_twelve_leads(folder, params.acquire_diagnostic.records, params.seed, show)
        return write_manifest(folder, corpus, "simulated", records)


if __name__ == "__main__":
    sys.exit(run_stage("acquire_diagnostic", main))
