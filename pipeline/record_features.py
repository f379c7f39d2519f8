"""Stage record_features: leads of records with diagnoses -> figures of each whole record, from one lead."""

import sys

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.device import choose_device
from ecgfeat.diagnosis.record import describe_record
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.store.record_feature_columns import RECORD_FEATURE_NAMES, RECORD_FEATURES
from ecgfeat.store.tables import write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.diagnoses import read_stored_leads, read_used_diagnoses
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Describe every record of a corpus that is used."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    leads = get_diagnostic_corpus(slug).pick_leads([params.record_features.lead])
    rows = read_used_diagnoses(slug)
    signals = zip(rows, read_stored_leads(slug, rows, leads), strict=True)
    described = [
        describe_record(to_millivolts(signal_uv_SC)[:, 0], float(row["fs_hz"]), device=device)
        for row, signal_uv_SC in progress_bar(signals, desc=f"record_features {slug}", unit="record", total=len(rows))
    ]
    columns = {name: [figures[name] for figures in described] for name in RECORD_FEATURE_NAMES}
    made_by = params.record_features.model_dump()
    write_table(
        paths.record_features(slug), {"record": [row["record"] for row in rows], **columns}, RECORD_FEATURES, made_by
    )
    return f"{slug}: {len(rows)} records, {len(RECORD_FEATURE_NAMES)} figures of lead {leads[0]}"


if __name__ == "__main__":
    sys.exit(run_stage("record_features", main))
