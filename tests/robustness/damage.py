"""Damage the files of a finished run: ``python -m tests.robustness.damage [N] [--seed S]``.

A file of ``data/``, ``models/`` or ``reports/`` is changed as disks and copies change them: a bit, a block of zeros, an
end that is missing, bytes that are too many, the content of a file beside it, nothing at all. Then

* ``ecgfeat check`` must see it wherever anything that is read differs, and
* what the next stage reads must be what was written, or be refused.
"""

import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgfeat.acquire.diagnoses import open_labels
from ecgfeat.acquire.diagnostic_records import describe_diagnosis, read_leads_uv
from ecgfeat.acquire.manifest import read_acquired, read_manifest, refuse_damaged
from ecgfeat.acquire.rhythm_records import describe_record
from ecgfeat.arena.checkpoint import load_system
from ecgfeat.arrhythmia.head import load_head
from ecgfeat.arrhythmia.plain import load_rr_trees
from ecgfeat.beats.classifier import load_classifier
from ecgfeat.corpora import CORPORA, get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.errors import DataError, UsageError
from ecgfeat.look.artifacts import DESCRIPTIONS, TABLE_SCHEMAS, Artifact, find_artifacts, recognise
from ecgfeat.look.checks import check_artifact
from ecgfeat.models import load_model
from ecgfeat.rhythm.baselines import read_baselines
from ecgfeat.store.arrays import open_array
from ecgfeat.store.described import read_checked
from ecgfeat.store.schemas import ARRAYS
from ecgfeat.store.seal import FILES, read_report, read_sealed
from ecgfeat.store.tables import read_table, table_header
from tests.robustness.campaign import copy_run, make_quiet_run, read_arguments, run_workers

FOLDERS = ("data", "models", "reports")
HARMS = (
    "bit", "bit in the last bytes", "block of zeros", "end missing", "bytes added", "another file", "no file", "empty",
)  # fmt: skip
_LOADERS: dict[str, Callable[[Path], object]] = {
    "arrhythmia.json": load_head,
    "baselines.json": read_baselines,
    "classifier.json": load_classifier,
    "rr_trees.json": load_rr_trees,
    "system.json": load_system,
}


@dataclass
class Tally:
    """What a campaign found.

    Attributes
    ----------
    num_damages, num_seen, num_refused, num_missing : Counter
        By kind of harm: all; those that ``check`` saw; those that the reader of the next stage refused; artifacts of
        one file that are gone, which a check cannot see.
    defects : dict of str to str
        One example of each kind: unseen, or read as something else.
    """

    num_damages: Counter[str] = field(default_factory=Counter)
    num_seen: Counter[str] = field(default_factory=Counter)
    num_refused: Counter[str] = field(default_factory=Counter)
    num_missing: Counter[str] = field(default_factory=Counter)
    defects: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Add what another worker found."""
        self.num_damages += other.num_damages
        self.num_seen += other.num_seen
        self.num_refused += other.num_refused
        self.num_missing += other.num_missing
        self.defects |= other.defects


def harm(kind: str, path: Path, others: list[Path], rng: random.Random) -> None:
    """Damage a file in one of the ways of `HARMS`."""
    raw = bytearray(path.read_bytes())
    if kind in ("bit", "bit in the last bytes") and raw:
        first = max(0, len(raw) - 4096) if kind == "bit in the last bytes" else 0
        raw[rng.randrange(first, len(raw))] ^= 1 << rng.randrange(8)
    elif kind == "block of zeros":
        at = rng.randrange(max(1, len(raw)))
        raw[at : at + 64] = bytes(len(raw[at : at + 64]))
    elif kind == "end missing":
        del raw[rng.randrange(max(1, len(raw))) :]
    elif kind == "bytes added":
        raw += rng.randbytes(rng.randrange(1, 200))
    elif kind == "another file":
        raw = bytearray(rng.choice(others or [path]).read_bytes())
    elif kind == "empty":
        raw = bytearray()
    if kind == "no file":
        path.unlink()
    else:
        path.write_bytes(raw)


def read_as_next_stage(artifact: Artifact, schema: str) -> str:
    """Read an artifact as the stage behind it does, and return a digest of what was read.

    Raises
    ------
    DataError, UsageError
        If it is refused.
    """
    path, digest = artifact.path, hashlib.sha256()
    if artifact.kind == "table":
        for name, column in read_table(path, TABLE_SCHEMAS[schema]).items():
            digest.update(f"{name} {column.dtype} {column.tolist()!r}".encode())
        digest.update(json.dumps(table_header(path), sort_keys=True).encode())
    elif artifact.kind == "array":
        store = open_array(path, ARRAYS[schema])
        digest.update(repr((sorted(store.rows.items()), store.source, store.params)).encode())
        digest.update(np.ascontiguousarray(store.read()).tobytes())
    elif artifact.kind == "model":
        model, described = load_model(path)
        digest.update(json.dumps(described, sort_keys=True).encode())
        for name, weights in model.state_dict().items():
            digest.update(name.encode() + weights.numpy().tobytes())
    elif artifact.kind == "described":
        described = read_sealed(path / schema)
        if described.get("schema") != DESCRIPTIONS[schema]:
            raise DataError(str(path), found=f"schema {described.get('schema')}", expected=DESCRIPTIONS[schema])
        sha256 = dict(described.get("sha256", {}))
        if "weights_sha256" in described:
            sha256[f"{Path(schema).stem}.safetensors"] = described["weights_sha256"]
        if schema in _LOADERS and (sha256 or schema != "system.json"):  # the weights of some systems are elsewhere
            _LOADERS[schema](path)
        digest.update(json.dumps(described, sort_keys=True).encode())
        for name, expected in sha256.items():  # no stage reads the trees on record figures
            digest.update(read_checked(path / name, expected))
    elif artifact.kind == "report":
        kind = "record_trees" if path.parent.parent.name == "record_trees" else path.stem
        digest.update(json.dumps(read_report(path, kind), sort_keys=True).encode())
    elif artifact.kind == "corpus":
        manifest = read_manifest(path)
        digest.update(json.dumps(manifest, sort_keys=True).encode())
        for read in _read_corpus(path, manifest):
            digest.update(repr(read).encode())
    return digest.hexdigest()


def _read_corpus(folder: Path, manifest: Mapping[str, Any]) -> Iterator[object]:
    """Yield what the stages ``annotate`` and ``signals``, or ``diagnoses``, read of a raw folder.

    A record that fails alone is refused, as the others are not read otherwise.
    """
    if manifest["slug"] in CORPORA:
        corpus = get_corpus(manifest["slug"])
        settings = {"aami": "dechazal", "before_first": "nsr", "min_episode_samples": 16}
        for record in manifest["records"]:
            rows = describe_record(
                corpus, folder, record, split="train", signals="measured", manifest=manifest, **settings
            )
            yield _accept(rows.row), {name: column.tolist() for name, column in (rows.beats | rows.episodes).items()}
            yield read_acquired(folder, manifest, record).signal_mv_SC.tobytes()
    else:
        diagnostic = get_diagnostic_corpus(manifest["slug"])
        refuse_damaged(folder, manifest, diagnostic.extra_files)
        labels = open_labels(diagnostic, folder)
        for record in manifest["records"]:
            row, _ = describe_diagnosis(diagnostic, folder, record, labels, signals="measured", manifest=manifest)
            yield _accept(row), read_leads_uv(diagnostic, folder, record)[0].tobytes()


def _accept(row: dict[str, Any]) -> dict[str, Any]:
    if row["status"] == "failed":
        raise DataError(row["reason"])
    return row


def files_of(artifact: Artifact) -> set[Path]:
    """Return the files that belong to an artifact."""
    path = artifact.path
    if path.is_dir():
        return {file for file in path.rglob("*") if file.is_file()}
    listed = read_sealed(path).get(FILES, {}) if artifact.kind == "report" else {}
    return {path, *(path.parent / name for name in listed)}


def schema_of(artifact: Artifact) -> str:
    """Return the name of the schema of a table or a store, and of the description of a model."""
    if artifact.kind == "table":
        return str(table_header(artifact.path)["schema"])
    if artifact.kind == "array":
        return str(json.loads((artifact.path / "zarr.json").read_text())["attributes"]["schema"])
    if artifact.kind == "described":
        return next(file.name for file in artifact.path.iterdir() if file.suffix == ".json")
    return ""


def run_worker(seed: int, num_damages: int, folder: Path) -> Tally:
    """Damage a copy of a run with one seed, and put each file back."""
    rng, tally = random.Random(seed), Tally()
    artifacts = [artifact for name in FOLDERS for artifact in find_artifacts(folder / name)]
    owners: dict[Path, list[Artifact]] = {}
    for artifact in artifacts:
        for file in files_of(artifact):
            owners.setdefault(file, []).append(artifact)
    files = sorted(file for name in FOLDERS for file in (folder / name).rglob("*") if file.is_file())
    schemas = {artifact.path: schema_of(artifact) for artifact in artifacts}
    # A whole artifact of another corpus in the place of one is no damage: what it holds is right.
    kinds = {file: "".join(schemas[artifact.path] for artifact in mine) or file.name for file, mine in owners.items()}
    before: dict[Path, str] = {}
    for number in range(num_damages):
        path, kind = rng.choice(files), HARMS[number % len(HARMS)]
        raw = path.read_bytes()
        mine = owners.get(path, [])
        for artifact in mine:
            if artifact.path not in before:
                before[artifact.path] = read_as_next_stage(artifact, schemas[artifact.path])
        others = [other for other in files if other.suffix == path.suffix and kinds.get(other) != kinds.get(path)]
        harm(kind, path, others, rng)
        is_changed = not path.is_file() or path.read_bytes() != raw
        tally.num_damages[kind] += is_changed
        if is_changed:
            where = f"{kind} in {path.relative_to(folder)}"
            for defect in _find_defects(mine, schemas, before, tally, kind):
                tally.defects.setdefault(f"{defect}: {where}", where)
        path.write_bytes(raw)
    return tally


def _find_defects(
    mine: list[Artifact], schemas: dict[Path, str], before: dict[Path, str], tally: Tally, kind: str
) -> Iterator[str]:
    """Check the artifacts that a damaged file belongs to, and read them."""
    is_seen, is_refused, is_same, is_missing = False, False, True, False
    for artifact in mine:
        found = recognise(artifact.path)
        # An artifact of one file that is gone is none that a check could see, and must be refused by its reader.
        is_missing |= found is None
        is_seen |= found is not None and bool(check_artifact(found).faults)
        try:
            is_same &= read_as_next_stage(artifact, schemas[artifact.path]) == before[artifact.path]
        except (DataError, UsageError):
            is_refused = True
        except Exception as error:
            yield f"a reader raised {type(error).__name__} ({str(error)[:80]})"
    tally.num_seen[kind] += is_seen
    tally.num_refused[kind] += is_refused
    if not mine:
        yield "of no artifact"
    if not is_same:
        yield "read as something else"
    tally.num_missing[kind] += is_missing and not is_seen
    if is_missing and not is_seen and not is_refused:
        yield "missing, and not refused"
    if not is_seen and not is_missing and (is_refused or not is_same):
        yield "unseen by check"


def damage(num_damages: int, seed: int) -> Tally:
    """Damage copies of a small run in worker processes, each with its own seed."""
    total = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        folders = copy_run(make_quiet_run(Path(scratch) / "whole"), Path(scratch))
        share = -(-num_damages // len(folders))
        jobs = [(seed + worker, share, folder) for worker, folder in enumerate(folders)]
        for tally in run_workers(run_worker, jobs):
            total.add(tally)
    return total


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    """Run a campaign from the command line."""
    tally = damage(*read_arguments(arguments, __doc__, 400))
    for kind in HARMS:
        counts = f"seen {tally.num_seen[kind]:>7,}, refused {tally.num_refused[kind]:>7,}"
        counts += f", gone {tally.num_missing[kind]:>7,}" * bool(tally.num_missing[kind])
        say(f"{kind:<24} {tally.num_damages[kind]:>7,}, {counts}")
    for defect in sorted(tally.defects):
        say(f"defect: {defect}")
    say(f"damage: {tally.num_damages.total():,} damages, {len(tally.defects)} defects")
    return 1 if tally.defects else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
