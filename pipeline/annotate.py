"""Stage annotate: raw annotations -> records, reference beats and rhythm episodes."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ecgfeat.acquire.manifest import read_manifest
from ecgfeat.acquire.own_records import own_facts, read_own_split
from ecgfeat.acquire.rhythm_records import describe_record
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.own import LOCAL
from ecgfeat.corpora.splits import read_split
from ecgfeat.errors import DataError
from ecgfeat.store.schemas import BEAT_TABLE, EPISODES, RECORDS
from ecgfeat.store.tables import Columns, stack_columns, write_parts, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Describe every record of a corpus."""
    params = read_params()
    settings = params.annotate.model_dump()
    split_name = settings.pop("split")
    corpus = get_corpus(slug)
    folder = paths.raw(slug)
    manifest = read_manifest(folder)
    if slug == LOCAL.slug:
        corpus = own_facts(manifest, is_predicted=slug in params.outside.corpora)
    if slug in params.outside.corpora:
        split = dict.fromkeys(manifest["records"], "test")
    elif slug == LOCAL.slug:
        name = params.local.split if split_name == "default" else split_name
        split = read_own_split(Path(params.local.path), corpus, manifest, name)
    else:
        name = corpus.default_split if split_name == "default" else split_name
        split = read_split(corpus, name, records=manifest["records"])
    rows: list[dict[str, Any]] = []
    episodes: list[Columns] = []

    def beats() -> Iterator[Columns]:
        """Yield the beats of each record, which are many; keep its row and its episodes."""
        for record in progress_bar(manifest["records"], desc=f"annotate {slug}", unit="record"):
            entry = describe_record(
                corpus, folder, record, split=split[record], signals=manifest["signals"], manifest=manifest, **settings
            )
            if entry.row["status"] == "failed":
                tqdm.write(f"failed: {entry.row['reason']}", file=sys.stderr)
            rows.append(entry.row)
            episodes.append(entry.episodes)
            if entry.beats:
                yield entry.beats
        if all(row["status"] != "used" for row in rows):
            remedy = "; ".join(sorted({row["reason"] for row in rows})[:3])
            if slug == LOCAL.slug:
                remedy += ". To have them predicted by the shipped models, run: dvc repro predict"
            raise DataError(slug, found="no record can be used", expected="at least one", remedy=remedy)

    made_by = params.annotate.model_dump()
    num_beats = write_parts(paths.beats(slug), beats(), BEAT_TABLE, made_by)
    write_table(paths.records(slug), {name: [row[name] for row in rows] for name in RECORDS.columns}, RECORDS, made_by)
    marked = stack_columns(episodes, list(EPISODES.columns))
    write_table(paths.episodes(slug), marked, EPISODES, made_by)
    status = [row["status"] for row in rows]
    counts = ", ".join(f"{status.count(s)} {s}" for s in ("used", "excluded", "failed"))
    return f"{slug}: {counts}; {num_beats} beats, {len(marked['record'])} episodes"


if __name__ == "__main__":
    sys.exit(run_stage("annotate", main))
