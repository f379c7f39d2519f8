"""Stage acquire: a mirror, PhysioNet, the simulator or your own folder -> raw WFDB records, verified and whole."""

import os
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ecgfeat.acquire.download import acquire_corpus
from ecgfeat.acquire.manifest import write_manifest
from ecgfeat.acquire.own_records import convert_folder
from ecgfeat.acquire.sources import Limits
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.corpus import Corpus
from ecgfeat.corpora.own import LOCAL
from ecgfeat.corpora.simulated import SIMULATE
from ecgfeat.simulate import render_annotations, simulate_corpus
from ecgfeat.store.publish import publish
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.read.own import own_folder
from pipeline.run.stage import CACHE, progress_bar, run_stage


def main(slug: str) -> str:
    """Fetch or make the raw records of a corpus."""
    params = read_params()
    corpus = get_corpus(slug)
    with progress_bar(desc=f"acquire {slug}", unit="file") as progress:
        if slug == SIMULATE.slug:
            manifest = _simulate(corpus, params, progress)
        elif slug == LOCAL.slug:
            manifest = _convert(params, progress)
        elif params.acquire.signals == "rendered":
            manifest = _render(corpus, params, progress)
        else:
            manifest = fetch_corpus(
                corpus, params, paths.raw(slug), progress, with_signals=params.acquire.signals != "none"
            )
    for line in manifest.get("failed", {}).values():
        tqdm.write(f"failed: {line}", file=sys.stderr)
    if note := manifest.get("others"):
        tqdm.write(note, file=sys.stderr)
    return f"{slug}: {len(manifest['records'])} records, {len(manifest['files'])} files, signals {manifest['signals']}"


def fetch_corpus(
    corpus: Corpus, params: Params, folder: Path, progress: "tqdm[Any]", *, with_signals: bool
) -> dict[str, Any]:
    """Fetch the raw records of a corpus from the mirror or from PhysioNet, and return their manifest."""

    def show(files: int, total: int, num_bytes: int) -> None:
        progress.total = total
        progress.set_postfix(MB=num_bytes // 1_000_000, refresh=False)
        progress.update(files - progress.n)

    return acquire_corpus(
        corpus,
        folder,
        mirror=os.environ.get("ECGFEAT_MIRROR") or None,
        url=params.acquire.url,
        limits=Limits(params.acquire.largest_file_mb, params.acquire.least_kb_per_s),
        with_signals=with_signals,
        on_progress=show,
    )


def _simulate(corpus: Corpus, params: Params, progress: "tqdm[Any]") -> dict[str, Any]:
    with publish(paths.raw(corpus.slug)) as folder:
        folder.mkdir()
        records = simulate_corpus(
            folder,
            num_subjects=params.acquire.subjects,
            minutes=params.acquire.minutes,
            fs_hz=SIMULATE.fs_hz,
            seed=params.seed,
            on_record=_show_records(progress),
        )
        return write_manifest(folder, corpus, "simulated", records)


def _convert(params: Params, progress: "tqdm[Any]") -> dict[str, Any]:
    with publish(paths.raw(LOCAL.slug)) as folder:
        folder.mkdir()
        return convert_folder(own_folder(params), folder, _show_records(progress))


def _render(corpus: Corpus, params: Params, progress: "tqdm[Any]") -> dict[str, Any]:
    annotations = CACHE / "annotations" / corpus.slug
    fetch_corpus(corpus, params, annotations, progress, with_signals=False)
    with publish(paths.raw(corpus.slug)) as folder:
        folder.mkdir()
        records = render_annotations(
            annotations,
            folder,
            corpus=corpus,
            hours=params.acquire.hours or None,
            seed=params.seed,
            on_record=_show_records(progress),
        )
        return write_manifest(folder, corpus, "rendered", records)


def _show_records(progress: "tqdm[Any]") -> Any:
    def show(done: int, total: int, record: str) -> None:
        progress.total = total
        progress.set_postfix(record=record, refresh=False)
        progress.update(done - progress.n)

    return show


if __name__ == "__main__":
    sys.exit(run_stage("acquire", main))
