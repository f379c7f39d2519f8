"""Read an artifact completely and find its faults: schema, completeness, rows, checksums, alignment."""

import os
from collections.abc import Callable
from typing import Any

from ecgfeat.acquire.manifest import MANIFEST, find_faults, read_manifest
from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files import open_recording
from ecgfeat.look.artifacts import DESCRIPTIONS, Artifact, Check, description_of, first_line
from ecgfeat.look.tables import check_table
from ecgfeat.records.reader import read_annotations
from ecgfeat.records.units import millivolts_per
from ecgfeat.store.described import read_checked, read_described
from ecgfeat.store.names import BEAT_CLASSES, EXPORTED_FILE, EXPORTED_SCHEMA, EXPORTED_VERSION, RHYTHMS
from ecgfeat.store.seal import find_changed, read_report, read_sealed

OnRead = Callable[[int], None]


def check_artifact(artifact: Artifact, on_read: OnRead | None = None) -> Check:
    """Read an artifact completely and find its faults.

    Parameters
    ----------
    artifact : Artifact
        An artifact from `ecgfeat.look.artifacts.find_artifacts`.
    on_read : callable, optional
        Called with the number of bytes in memory that were read since the last call.

    Returns
    -------
    Check
        With all faults, not only the first.
    """
    check = Check(artifact)
    by_kind = {
        "table": check_table,
        "array": _check_array,
        "model": _check_model,
        "export": _check_export,
        "described": _check_described,
        "report": _check_report,
        "corpus": _check_corpus,
        "record": _check_record,
        "link": _check_link,
    }
    try:
        by_kind[artifact.kind](check, on_read or (lambda size: None))
    except DataError as error:
        check.faults.append(str(error))
    except ImportError:  # an extra that is not installed is no fault of the artifact
        raise
    except Exception as error:  # one damaged artifact must not keep the others from being checked
        check.add(f"cannot be read ({type(error).__name__}: {first_line(error)})", "an intact artifact")
    return check


def _check_link(check: Check, on_read: OnRead) -> None:
    check.add(
        f"a link to {printable(os.readlink(check.artifact.path))}, which is not there",
        "a file or a folder",
        "Remove the link, or put back what it leads to.",
    )


def _check_array(check: Check, on_read: OnRead) -> None:
    from ecgfeat.look.arrays import check_array  # here: a table is checked without Zarr

    check_array(check, on_read)


def _check_model(check: Check, on_read: OnRead) -> None:
    from ecgfeat.models import load_model

    _, described = load_model(check.artifact.path)
    check.summary = f"{described['name']}, {described['parameters']:,} parameters"
    on_read(4 * int(described["parameters"]))


def _check_export(check: Check, on_read: OnRead) -> None:
    lists = {"beat_classes": BEAT_CLASSES, "rhythms": RHYTHMS}
    schema, remedy = (EXPORTED_SCHEMA, EXPORTED_VERSION), "Export or copy the models again."
    made_by = "ecgfeat export MODELS OUT"
    with read_described(
        check.artifact.path, EXPORTED_FILE, *schema, lists, made_by=made_by, remedy=remedy
    ) as described:
        for name, sha256 in described["sha256"].items():
            try:
                on_read(len(read_checked(check.artifact.path / name, sha256, remedy)))
            except DataError as error:
                check.faults.append(str(error))
        check.summary = f"default models as {len(described['sha256'])} ONNX files, head {described['rhythm']['method']}"


def _check_described(check: Check, on_read: OnRead) -> None:
    path = description_of(check.artifact.path)
    if path is None:
        check.add("files of a model without its description", "a complete model")
        return
    described = read_sealed(path)
    if described.get("schema") != DESCRIPTIONS[path.name]:
        check.add(f"schema {described.get('schema')} in {path.name}", DESCRIPTIONS[path.name])
    sha256 = dict(described.get("sha256", {}))
    if "weights_sha256" in described:
        sha256[f"{path.stem}.safetensors"] = described["weights_sha256"]
    for name, expected in sha256.items():
        try:
            on_read(len(read_checked(path.parent / name, expected)))
        except DataError as error:
            check.faults.append(str(error))
    for name in sorted(file.name for file in path.parent.iterdir() if file.is_file()):
        if name not in (path.name, *sha256):
            check.add(f"file {name}, which {path.name} does not list", "the files of the model only", "Remove it.")
    check.summary = f"{described.get('schema')} {described.get('schema_version')}, {len(sha256) + 1} files"


def _check_report(check: Check, on_read: OnRead) -> None:
    path = check.artifact.path
    kind = "record_trees" if path.parent.parent.name == "record_trees" else path.stem
    report = read_report(path, kind)
    check.faults += find_changed(path, report)
    on_read(path.stat().st_size)
    check.summary = f"report, {len(report)} entries"


def _check_corpus(check: Check, on_read: OnRead) -> None:
    path = check.artifact.path
    check.faults += find_faults(path)
    if any(MANIFEST in line for line in check.faults):
        return
    manifest = read_manifest(path)
    listed = set(manifest["files"])
    check.summary = f"{manifest.get('slug')} {manifest.get('version')}, {len(listed)} files, {manifest.get('signals')}"
    on_read(sum((path / name).stat().st_size for name in listed if (path / name).is_file()))
    present = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    for name in sorted(present - listed - {MANIFEST}):
        check.add(f"file {name}, which corpus.json does not list", "the files of the corpus only", "Remove it.")
    failed = manifest.get("failed", {})
    check.notes += [f"not acquired: {line}" for line in failed.values()]
    for record in manifest.get("records", ()):
        if f"{record}.hea" not in listed and record not in failed:
            check.add(f"record {record} without {record}.hea", "a header for every record", "Acquire the corpus again.")


def _check_record(check: Check, on_read: OnRead) -> None:
    path = check.artifact.path
    try:
        recording = open_recording(path)
    except UsageError:  # an array states neither rate nor unit; its samples can be read all the same
        recording = open_recording(path, fs_hz=1.0, unit="mV")
    first = recording.channels[0] if recording.channels else None
    if first is None:
        raise DataError(str(path), found="a recording without a channel", expected="at least one")
    num_samples, fs_hz = first.num_samples, first.fs_hz
    check.summary = (
        f"record ({recording.format}), {num_samples:,} samples of {len(recording.channels)} leads at {fs_hz:g} Hz"
    )
    check.notes += recording.notes
    by_rate: dict[float, list[int]] = {}
    for at, channel in enumerate(recording.channels):
        if millivolts_per(channel.unit) is not None:
            by_rate.setdefault(channel.fs_hz, []).append(at)
        else:
            check.notes.append(f"{channel.name} in {channel.unit or 'no unit'} was not read")
    try:
        for columns in by_rate.values():
            for block_SC in recording.read_blocks(columns):
                on_read(block_SC.nbytes)
    except DataError as error:
        check.faults.append(str(error))
    if path.with_name(f"{path.name}.atr").is_file():
        marks = read_annotations(path.parent, path.name, "atr", num_samples, fs_hz=fs_hz, drop_before_start=True)
        check.summary += f", {len(marks.sample):,} annotations"
        if marks.num_beyond:
            check.notes.append(f"{marks.num_beyond} annotations beyond the end of the signal")
        if marks.num_before:
            check.notes.append(f"{marks.num_before} annotations before its start")


def check_as_lines(check: Check) -> list[str]:
    """Write a check as text: one line for an intact artifact, otherwise one line per fault."""
    if check.faults:
        return [f"fault  {line}" for line in check.faults]
    notes = f" ({'; '.join(check.notes)})" if check.notes else ""
    return [f"ok     {check.artifact.path}: {check.summary}{notes}"]


def check_as_json(check: Check) -> dict[str, Any]:
    """Return a check in JSON types."""
    described: dict[str, Any] = {"path": str(check.artifact.path), "kind": check.artifact.kind}
    described |= {"ok": not check.faults, "summary": check.summary, "faults": check.faults, "notes": check.notes}
    return described
