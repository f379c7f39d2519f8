"""Stage predict: raw records of a corpus, by the shipped models -> their beats and episodes. No annotation is read."""

import sys
from pathlib import Path

from tqdm import tqdm

from ecgfeat.acquire.manifest import find_faults, read_manifest
from ecgfeat.engine.run import Engine
from ecgfeat.errors import DataError
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import Found
from ecgfeat.files.reading import EcgFile
from ecgfeat.outputs.batch import predict_files
from ecgfeat.outputs.how import HowToPredict
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.records.headers import read_header
from ecgfeat.store.publish import publish
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import run_stage


def main(slug: str) -> str:
    """Predict every record of a corpus."""
    params = read_params()
    raw = paths.raw(slug)
    manifest = read_manifest(raw)
    if damaged := find_faults(raw):
        raise DataError(damaged[0])
    unread = manifest.get("failed", {})
    for line in unread.values():
        tqdm.write(f"failed: {line}", file=sys.stderr)
    names = [Path(record) for record in manifest["records"] if record not in unread]
    inputs = [(Found(raw / name, name.parent), name.parent, name.name) for name in names]
    with publish(paths.predicted(slug)) as folder:
        folder.mkdir()
        how = HowToPredict(
            str(folder.absolute()),
            models=str(find_models(DEFAULT)),
            device=params.runtime.device,
            threads=params.runtime.threads,
            opens="pipeline.predict:open_whole",
        )
        engine = Engine(params.runtime.engine, params.runtime.workers)
        failures = predict_files(inputs, how, engine=engine, say=tqdm.write) if inputs else []
        if len(failures) == len(inputs):
            raise DataError(slug, found="no record can be predicted", expected="at least one", remedy=failures[0])
    num_failed = len(unread) + len(failures)
    return f"{slug}: {len(inputs) - len(failures)} records predicted, {num_failed} failed. Not for clinical use."


def open_whole(path: Path, **options: object) -> EcgFile:
    """Open a record with all its leads: which of them are those of an ECG was decided when it was acquired."""
    return open_ecg(path, leads=range(len(read_header(path.parent, path.name).leads)))


if __name__ == "__main__":
    sys.exit(run_stage("predict", main))
