"""Describe an artifact without reading all of it: schema, columns and arrays with units, rows, params."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecgfeat.acquire.manifest import MANIFEST, read_manifest
from ecgfeat.errors import DataError, printable
from ecgfeat.look.artifacts import Artifact, description_of, find_all_artifacts, recognise
from ecgfeat.look.recordings import describe_recording
from ecgfeat.store.names import EXPORTED_FILE
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import ARRAYS
from ecgfeat.store.seal import REPORT, read_sealed
from ecgfeat.store.tables import header_of, open_table

Description = dict[str, Any]

_LISTS = ("columns", "arrays", "artifacts", "leads", "decoders")


def describe(path: Path, *, fs_hz: float | None = None, unit: str | None = None) -> Description:
    """Describe an artifact, or every artifact below a folder.

    Parameters
    ----------
    path : Path
        File, folder, or a WFDB record without extension.
    fs_hz, unit
        As `ecgfeat.files.open_recording` takes them, for a file that states none.

    Returns
    -------
    dict
        ``path, kind`` and the description of that kind, in JSON types. A folder of several artifacts has the kind
        ``folder`` and lists them under ``artifacts``.

    Raises
    ------
    DataError
        If there is no artifact, or it is too damaged to be described.
    """
    artifact = recognise(path)
    if artifact is not None and artifact.kind == "record":
        described = describe_recording(artifact.path, fs_hz, unit)
        return {"path": printable(str(artifact.path)), "kind": artifact.kind} | described
    if artifact is not None:
        return describe_artifact(artifact)
    artifacts = [describe_artifact(inner) for inner in find_all_artifacts([path])]
    return {"path": str(path), "kind": "folder", "artifacts": artifacts}


def describe_artifact(artifact: Artifact) -> Description:
    """Describe one artifact.

    Parameters
    ----------
    artifact : Artifact
        An artifact from `recognise`.

    Returns
    -------
    dict
        As `describe` returns it.

    Raises
    ------
    DataError
        If it is too damaged to be described.
    """
    of_kind = {
        "table": _describe_table,
        "array": _describe_array,
        "model": _describe_model,
        "export": _describe_export,
        "described": _describe_described,
        "report": _describe_report,
        "corpus": _describe_corpus,
        "record": describe_recording,
        "link": _describe_link,
    }
    described = of_kind[artifact.kind](artifact.path)
    return {"path": printable(str(artifact.path)), "kind": artifact.kind} | described


def as_text(described: Description, indent: str = "") -> str:
    """Write a description as lines of text.

    Parameters
    ----------
    described : dict
        Result of `describe`.
    indent : str
        Text in front of every line.

    Returns
    -------
    str
        Several lines without a line break at the end.
    """
    if described["kind"] == "folder":
        return "\n\n".join(as_text(artifact, indent) for artifact in described["artifacts"])
    lines = [f"{indent}{described['path']}"]
    for key, value in described.items():
        if key == "path" or value is None or (key in _LISTS and not value):
            continue
        if key == "arrays":
            lines += [
                f"{indent}  {array['name']}.{name}: {_plain(item)}" for array in value for name, item in array.items()
            ]
        elif key in _LISTS:
            lines.append(f"{indent}  {key}")
            lines += [f"{indent}    {line}" for line in _align(value)]
        elif isinstance(value, dict):
            lines += [f"{indent}  {key}.{name}: {_plain(item)}" for name, item in value.items()]
        else:
            lines.append(f"{indent}  {key}: {_plain(value)}")
    return "\n".join(map(printable, lines))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _align(rows: list[dict[str, Any]]) -> list[str]:
    """Align rows of equal keys in columns, without keys that have no value; a number is written with its key."""
    keys = [key for key in rows[0] if any(row[key] != "" for row in rows)]
    cells = [[row[key] if isinstance(row[key], str) else f"{key} {row[key]:g}" for key in keys] for row in rows]
    width = [max(len(row[at]) for row in cells) for at in range(len(keys))]
    return ["  ".join(cell.ljust(size) for cell, size in zip(row, width, strict=True)).rstrip() for row in cells]


def _describe_table(path: Path) -> Description:
    with open_table(path) as file:
        header, schema = header_of(file), file.schema_arrow
        columns = []
        for field in schema:
            metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            columns.append(
                {
                    "name": field.name,
                    "dtype": str(field.type),
                    "unit": metadata.get("unit", ""),
                    "description": metadata.get("description", ""),
                }
            )
        described: Description = {
            "schema": header.get("schema"),
            "version": header.get("version"),
            # The footer and the name of a table are written last: a table that opens is complete.
            "complete": True,
            "rows": file.metadata.num_rows,
        }
        if "record" in schema.names:
            try:
                described["records"] = len(file.read(columns=["record"]).column("record").unique())
            except (pa.ArrowInvalid, OSError) as error:
                remedy = "Run: ecgfeat check"
                raise DataError(
                    str(path), found="a damaged column record", expected="an intact one", remedy=remedy
                ) from error
    return described | {"bytes": path.stat().st_size, "columns": columns, "params": header.get("params", {})}


def _describe_array(path: Path) -> Description:
    import zarr

    try:
        group = zarr.open_group(store=path, mode="r", zarr_format=3)
        arrays = list(group.arrays())
        attrs: dict[str, Any] = dict(group.attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "Delete it and run: dvc repro"
        raise DataError(
            str(path), found="not a readable Zarr v3 group", expected="a store of this project", remedy=remedy
        ) from error
    schema = ARRAYS.get(str(attrs.get("schema")))
    described = []
    for name, array in arrays:
        fill = array.fill_value
        described.append(
            {
                "name": name,
                "shape": list(array.shape),
                "dtype": str(array.dtype),
                "chunks": list(array.chunks),
                "shards": None if array.shards is None else list(array.shards),
                "dimensions": list(getattr(array.metadata, "dimension_names", None) or ()),
                "unit": str(array.attrs.get("units", "")),
                "description": str(array.attrs.get("long_name", schema.long_name if schema else "")),
                "fill": "NaN" if isinstance(fill, float | np.floating) and np.isnan(fill) else np.asarray(fill).item(),
            }
        )
    records = attrs.get("records", {})
    return {
        "schema": attrs.get("schema"),
        "version": attrs.get("version"),
        "complete": attrs.get("complete") is True,
        "rows": described[0]["shape"][0] if len(described) == 1 else None,
        "records": len(records),
        "bytes": folder_bytes(path),
        "source": attrs.get("source"),
        "arrays": described,
        "params": attrs.get("params", {}),
    }


def _describe_export(path: Path) -> Description:
    try:
        described = json.loads((path / EXPORTED_FILE).read_text(encoding="utf-8"))
        sha256, method = dict(described["sha256"]), described["rhythm"]["method"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        found, remedy = f"no readable {EXPORTED_FILE}", "Export or copy the models again."
        raise DataError(str(path), found=found, expected="a complete export", remedy=remedy) from error
    files = {name: path / name for name in sha256}
    return {
        "schema": described.get("schema"),
        "version": described.get("schema_version"),
        "complete": all(files[name].is_file() and hash_file(files[name]) == value for name, value in sha256.items()),
        "head": method,
        "bytes": folder_bytes(path),
        "sha256": sha256,
        "params": described.get("info", {}),
    }


def _describe_described(folder: Path) -> Description:
    path = description_of(folder)
    if path is None:
        raise DataError(str(folder), found="files of a model without its description", expected="a complete model")
    described = read_sealed(path)
    info = described.get("info")
    return {
        "schema": described.get("schema"),
        "version": described.get("schema_version"),
        "name": described.get("name"),
        "bytes": folder_bytes(folder),
        "sha256": described.get("sha256"),
        "params": info if isinstance(info, dict) else {},
    }


def _describe_report(path: Path) -> Description:
    return {"bytes": path.stat().st_size, "entries": sorted(read_sealed(path).keys() - {REPORT})}


def _describe_model(path: Path) -> Description:
    try:
        described = json.loads((path / "model.json").read_text(encoding="utf-8"))
        info = dict(described.get("info", {}))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        found = "no readable model.json"
        raise DataError(str(path), found=found, expected="a complete model", remedy="Train the model again.") from error
    logs = {key: value for key, value in info.items() if key.endswith("log") and isinstance(value, list)}
    weights = path / "model.safetensors"
    return {
        "schema": described.get("schema"),
        "version": described.get("schema_version"),
        "complete": weights.is_file() and hash_file(weights) == described.get("weights_sha256"),
        "name": described.get("name"),
        "parameters": described.get("parameters"),
        "bytes": folder_bytes(path),
        "weights_sha256": described.get("weights_sha256"),
        "config": described.get("config", {}),
        "epochs": {key: len(rows) for key, rows in logs.items()},
        # The counts of the training episodes are input of the decoder and too long to read.
        "decoder": {key: value for key, value in (info.get("decoder") or {}).items() if key != "durations"},
        "decoders": info.get("decoders", []),
        "params": {key: value for key, value in info.items() if key not in (*logs, "decoder", "decoders")},
    }


def _describe_corpus(path: Path) -> Description:
    from ecgfeat.corpora import CORPORA
    from ecgfeat.corpora.diagnostic import DIAGNOSTIC_CORPORA

    if not (path / MANIFEST).is_file():
        names = sorted(header.stem for header in path.glob("*.hea"))
        return {"schema": None, "version": None, "complete": False, "records": len(names), "bytes": folder_bytes(path)}
    manifest = read_manifest(path)
    described: Description = {
        "schema": "corpus",
        "version": manifest.get("version"),
        "complete": True,
        "slug": manifest.get("slug"),
        "signals": manifest.get("signals"),
        "verified": manifest.get("verified"),
        "records": len(manifest.get("records", ())),
        "files": len(manifest.get("files", ())),
        "bytes": folder_bytes(path),
    }
    slug = str(manifest.get("slug"))
    corpus = CORPORA.get(slug) or DIAGNOSTIC_CORPORA.get(slug)
    if corpus is not None:
        described |= {"title": corpus.title, "licence": corpus.licence, "citation": corpus.citation}
    return described


def _describe_link(path: Path) -> Description:
    return {"schema": None, "leads_to": os.readlink(path), "complete": False}


def folder_bytes(path: Path) -> int:
    """Return the bytes of all files below a folder, or of one file."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
