"""Models of several files: a folder whose description, in JSON, has the checksums of the others."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecgfeat.errors import DataError, UsageError
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import seal, unseal

try:
    from safetensors import SafetensorError
except ImportError:  # where models run from ONNX files there is no such package, and nothing raises its error
    SafetensorError = RuntimeError  # type: ignore[misc, assignment]

REMEDY = "Train the model again."


def write_described(
    folder: Path, name: str, schema: str, version: int, files: Mapping[str, bytes], described: Mapping[str, Any]
) -> None:
    """Write a folder; the same content gives the same bytes.

    Parameters
    ----------
    folder : Path
        Where to; replaced as a whole.
    name : str
        File name of the description.
    schema : str
        Name of its schema.
    version : int
        Version of the schema.
    files : mapping of str to bytes
        The other files, by name.
    described : mapping
        What the description holds besides schema, version and checksums. JSON values only, no NaN.
    """
    head = {"schema": schema, "schema_version": version}
    head |= {"sha256": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}}
    with publish(folder) as part:
        part.mkdir()
        for file, content in files.items():
            (part / file).write_bytes(content)
        (part / name).write_text(json.dumps(seal({**head, **described}), indent=2, allow_nan=False) + "\n")


@contextmanager
def read_described(
    folder: Path,
    name: str,
    schema: str,
    version: int,
    lists: Mapping[str, tuple[str, ...]],
    *,
    made_by: str,
    remedy: str = REMEDY,
) -> Iterator[dict[str, Any]]:
    """Read the description of a folder; what fails within the block is one line too.

    Parameters
    ----------
    folder, name, schema, version
        As `write_described` takes them.
    lists : mapping of str to tuple of str
        Lists of names that the description must hold as they are here: the columns that the model reads.
    made_by : str
        Command that makes the folder, for a message.
    remedy : str
        What to do about a damaged one.

    Yields
    ------
    dict
        The description.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the description is of another version or has other names.
    """
    path = folder / name
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if (described["schema"], described["schema_version"]) != (schema, version):
            found = f"{described['schema']} {described['schema_version']}"
            raise DataError(str(path), found=found, expected=f"{schema} {version}", remedy=remedy)
        described = unseal(path, described, remedy)
        for key, names in lists.items():
            if tuple(described[key]) != names:
                raise DataError(str(path), found=f"other {key}", expected="those of this version", remedy=remedy)
        if not isinstance(described["info"], dict):
            raise TypeError("info")
        yield described
    except (DataError, UsageError):
        raise
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise DataError(
            str(folder), found=f"no {missing}", expected="a complete model", remedy=f"Run: {made_by}"
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise DataError(str(path), found="cannot be read", expected="a complete model", remedy=remedy) from error


def read_checked(path: Path, sha256: str, remedy: str = REMEDY) -> bytes:
    """Read a file whose checksum is known.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Its checksum, by the description beside it.
    remedy : str
        What to do about a damaged file.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        If it is absent or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise DataError(str(path), found=found, expected="a complete model", remedy=remedy) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(str(path), found="another checksum", expected=f"sha256 {sha256[:12]}", remedy=remedy)
    return content
