"""``corpus.json``: records, files and checksums of a raw folder, written last."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecgfeat.corpora.collection import Collection
from ecgfeat.errors import DataError, fault
from ecgfeat.records.reader import Signal, read_signal
from ecgfeat.store.publish import hash_file
from ecgfeat.store.seal import seal, unseal

MANIFEST = "corpus.json"
_ENTRIES = {"slug", "signals", "records", "files"}
_REMEDY = "Delete the folder and run: dvc repro"


def write_manifest(
    folder: Path, corpus: Collection, signals: str, records: Sequence[str], about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describe all files of a finished folder of records that were made here.

    Parameters
    ----------
    folder : Path
        Folder with the files.
    corpus : Corpus or DiagnosticCorpus
        Facts about the corpus.
    signals : str
        simulated, rendered or measured.
    records : sequence of str
        Record names.
    about : mapping, optional
        More entries.

    Returns
    -------
    dict
        slug, version, signals, verified (False: there is nothing to verify against), records, files (name to SHA-256).
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    manifest = {
        "slug": corpus.slug,
        "version": corpus.version,
        "signals": signals,
        "verified": False,
        "records": list(records),
        "files": {name: hash_file(folder / name) for name in names},
    } | dict(about or {})
    save_manifest(folder, manifest)
    return manifest


def save_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``corpus.json`` and flush it to the disk: it states that all other files are complete."""
    with open(folder / MANIFEST, "w", encoding="utf-8") as file:
        file.write(json.dumps(seal(manifest), indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``corpus.json``.

    Raises
    ------
    DataError
        If it is absent or cannot be read: the folder is then unfinished.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            str(folder),
            found=f"no readable {MANIFEST}",
            expected="a finished folder of records",
            remedy="Run: dvc repro",
        ) from error
    if not isinstance(manifest, dict) or not manifest.keys() >= _ENTRIES:
        raise DataError(str(folder / MANIFEST), found="no list of files", expected="records and files", remedy=_REMEDY)
    return unseal(folder / MANIFEST, manifest, _REMEDY)


def record_files(record: str, extensions: Sequence[str]) -> list[str]:
    """Return the names that files of a record can have: header, annotations and signal."""
    return [f"{record}.{extension}" for extension in dict.fromkeys(("hea", *extensions, "dat", "mat"))]


def refuse_damaged(folder: Path, manifest: Mapping[str, Any], names: Iterable[str]) -> None:
    """Compare files with those that were acquired.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    manifest : mapping
        Of `read_manifest`.
    names : iterable of str
        Names of files; those that were not acquired do not count.

    Raises
    ------
    DataError
        If one is missing or differs: a damaged annotation file can often be read as something else.
    """
    for name in names:
        if (expected := manifest["files"].get(name)) is None:
            continue
        path = folder / name
        digest = hash_file(path) if path.is_file() else "no such file"
        if digest != expected:
            found = digest if len(digest) < 64 else f"sha256 {digest[:12]}"
            where, expected = f"{manifest['slug']}/{name}", f"{expected[:12]}, as it was acquired"
            raise DataError(where, found=found, expected=expected, remedy=_REMEDY)


def read_acquired(folder: Path, manifest: Mapping[str, Any], record: str) -> Signal:
    """Read the signal of a record from the files that were acquired, and from no others.

    Parameters
    ----------
    folder, manifest
        As `refuse_damaged` takes them.
    record : str
        Its name.

    Raises
    ------
    DataError
        If a file is missing, damaged, or another one than was acquired.
    """
    refuse_damaged(folder, manifest, record_files(record, ()))
    return read_signal(folder, record)


def find_faults(folder: Path) -> list[str]:
    """Compare a published corpus with its manifest.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.

    Returns
    -------
    list of str
        One line per file that is missing or differs; one line if there is no manifest.
    """
    folder = Path(folder)
    try:
        files = dict(read_manifest(folder)["files"])
    except DataError as error:
        return [str(error)]
    except (ValueError, KeyError, TypeError):
        return [fault(str(folder), f"no readable {MANIFEST}", "a finished folder of records")]
    faults = []
    for name, expected in files.items():
        path = folder / name
        digest = hash_file(path) if path.is_file() else "no such file"
        if digest != expected:
            faults.append(fault(str(path), digest, expected, _REMEDY))
    return faults
