"""Stage diagnoses: raw records with diagnoses -> their labels and folds, and their leads in standard order."""

import sys

from tqdm import tqdm

from ecgfeat.acquire.diagnoses import open_labels
from ecgfeat.acquire.diagnostic_records import assign_folds, describe_diagnosis, read_leads_uv
from ecgfeat.acquire.manifest import read_manifest, refuse_damaged
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.errors import DataError
from ecgfeat.signals.baseline import tabulate_baseline
from ecgfeat.store.arrays import create_array
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import DIAGNOSES, LEADS, WANDER
from ecgfeat.store.tables import open_writer, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Describe every record of a corpus and keep the leads of those that can be used."""
    params = read_params()
    corpus = get_diagnostic_corpus(slug).at_rate(params.acquire_diagnostic.ptbxl_hz)
    folder = paths.diagnostic_raw(slug)
    manifest = read_manifest(folder)
    refuse_damaged(folder, manifest, corpus.extra_files)
    read_labels = open_labels(corpus, folder)
    rows, official = [], []
    for record in progress_bar(manifest["records"], desc=f"diagnoses {slug}", unit="record"):
        signals = manifest["signals"]
        row, fold = describe_diagnosis(corpus, folder, record, read_labels, signals=signals, manifest=manifest)
        rows.append(row)
        official.append(fold)
        if row["status"] == "failed":
            tqdm.write(f"failed: {row['reason']}", file=sys.stderr)
    status = [row["status"] for row in rows]
    if "used" not in status:
        reasons = sorted({row["reason"] for row in rows})
        raise DataError(slug, found="no record can be used", expected="at least one", remedy="; ".join(reasons[:3]))
    assign_folds(rows, official, params.diagnoses.folds)
    used = [row for row in rows if row["status"] == "used"]
    made_by = params.diagnoses.model_dump()
    write_table(
        paths.diagnoses(slug), {name: [row[name] for row in rows] for name in DIAGNOSES.columns}, DIAGNOSES, made_by
    )
    with (
        open_writer(paths.wander(slug), WANDER, made_by) as append,
        create_array(
            paths.leads(slug),
            LEADS,
            num_rows={row["record"]: row["num_samples"] for row in used},
            row_shape=(len(corpus.lead_names),),
            params=made_by,
            source=hash_file(paths.diagnoses(slug)),
        ) as writer,
    ):
        for row in progress_bar(used, desc=f"leads {slug}", unit="record"):
            signal_uv_SL, baseline = read_leads_uv(corpus, folder, row["record"])
            writer.append(signal_uv_SL)
            append(tabulate_baseline(row["record"], baseline))
    counts = ", ".join(f"{status.count(outcome)} {outcome}" for outcome in ("used", "excluded", "failed"))
    labels = ", ".join(f"{name} {sum(name in row['labels'] for row in used)}" for name in corpus.classes)
    short = sum(bool(row["missing"]) for row in used)
    return f"{slug}: {counts}; {labels}" + (f"; {short} without some lead" if short else "")


if __name__ == "__main__":
    sys.exit(run_stage("diagnoses", main))
