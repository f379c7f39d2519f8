"""``corpus.json``: records, files and checksums of a raw folder, written last."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecgfeat.corpora.collection import Collection
from ecgfeat.errors import DataError, fault
from ecgfeat.store.publish import hash_file
from ecgfeat.store.seal import seal, unseal

MANIFEST = "corpus.json"
_REMEDY = "Delete the folder and run: dvc repro"


def write_manifest(folder: Path, corpus: Collection, signals: str, records: Sequence[str]) -> dict[str, Any]:
    """Describe all files of a finished folder of simulated or rendered records.

    Parameters
    ----------
    folder : Path
        Folder with the files.
    corpus : Corpus or DiagnosticCorpus
        Facts about the corpus.
    signals : str
        simulated or rendered.
    records : sequence of str
        Record names.

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
    }
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
    if not isinstance(manifest, dict):
        raise DataError(str(folder / MANIFEST), found="no JSON object", expected="a list of files", remedy=_REMEDY)
    return unseal(folder / MANIFEST, manifest, _REMEDY)


def refuse_damaged(folder: Path, manifest: Mapping[str, Any], record: str, extensions: Sequence[str]) -> None:
    """Compare the files of a record with those that were acquired.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    manifest : mapping
        Of `read_manifest`.
    record : str
        Its name.
    extensions : sequence of str
        Of its header and annotations; its signal is compared too.

    Raises
    ------
    DataError
        If one is missing or differs: a damaged annotation file can often be read as something else.
    """
    for name in (f"{record}.{extension}" for extension in dict.fromkeys((*extensions, "dat", "mat"))):
        if (expected := manifest["files"].get(name)) is None:
            continue
        path = folder / name
        digest = hash_file(path) if path.is_file() else "no such file"
        if digest != expected:
            found = digest if len(digest) < 64 else f"sha256 {digest[:12]}"
            where, expected = f"{manifest['slug']}/{name}", f"{expected[:12]}, as it was acquired"
            raise DataError(where, found=found, expected=expected, remedy=_REMEDY)


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
