"""Print the formats that are read, each against an independent reader: ``python -m tests.files.formats``.

Of each format a file is written from its public description, read by `ecgfeat.files.read`, and compared with what was
written and with a reader that shares no code with ours, where there is one. Real records of PhysioNet are compared with
wfdb, where ``ECGFEAT_MIRROR`` names a folder of them.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.io
import wfdb
from numpy.typing import NDArray

from ecgfeat.files import open_recording, read
from tests.fixtures.maker_files import MAKER_FORMATS, Written, make_counts
from tests.fixtures.other_readers import (
    read_by_ishneholterlib,
    read_by_json,
    read_by_pydicom,
    read_by_pyedflib,
    read_by_sierraecg,
)

REAL = {"mitdb": "100", "qtdb": "sele0104", "cinc2017": "A00001", "ptbxl": "records100/00000/00001_lr"}


def compare(folder: Path) -> Iterator[tuple[str, str, str, float, float | None]]:
    """Yield format, file, independent reader, and the largest difference, in mV, to what was written and to it."""
    for name, made in MAKER_FORMATS.items():
        path = made.make(folder)
        signal_mv_SC = read(path).signal_mv_SC
        peer, theirs = _peer(name)
        near = None if theirs is None else _difference(signal_mv_SC, theirs(path))
        yield name, path.name, peer, _difference(signal_mv_SC, made.written.mv_SC), near
    for name, ending, write, theirs in _PLAIN:
        written = Written(make_counts(2500, 2), ("II", "V1"), 250, 2.5)
        path = folder / f"plain{ending}"
        write(path, written)
        is_bare = ending == ".npy"
        signal_mv_SC = read(path, fs_hz=250 if is_bare else None).signal_mv_SC
        yield (
            name,
            path.name,
            theirs[0],
            _difference(signal_mv_SC, written.mv_SC),
            _difference(signal_mv_SC, theirs[1](path)),
        )
    mirror = Path(os.environ.get("ECGFEAT_MIRROR", "nowhere"))
    for slug, record in REAL.items():
        path = mirror / slug / record
        if path.with_suffix(".hea").is_file():
            theirs_SC = wfdb.rdrecord(str(path)).p_signal
            yield (
                open_recording(path).format,
                f"{slug}/{record}",
                "wfdb",
                np.nan,
                _difference(read(path).signal_mv_SC, theirs_SC),
            )


def _difference(ours_SC: NDArray[np.floating], theirs_SC: NDArray[np.floating]) -> float:
    """Return the largest difference where both are valid; infinity where one alone is, or shapes differ."""
    if ours_SC.shape != theirs_SC.shape or (np.isnan(ours_SC) != np.isnan(theirs_SC)).any():
        return np.inf
    return float(np.nanmax(np.abs(ours_SC - theirs_SC)))


_Reader = Callable[[Path], NDArray[np.floating]]


def _peer(name: str) -> tuple[str, _Reader | None]:
    """Return the independent reader of a format, which returns mV."""
    made = MAKER_FORMATS[name]
    num_leads, mv_per_count = len(made.names), made.written.uv_per_count / 1000
    if name in ("EDF", "EDF+C", "BDF", "BDF+C"):
        return "pyedflib", lambda path: read_by_pyedflib(path, num_leads)[1] / 1000
    if name == "DICOM":
        return "pydicom", lambda path: read_by_pydicom(path) / 1000
    if name == "ISHNE":
        return "ishneholterlib", read_by_ishneholterlib
    if name.startswith("Philips") and "Plain" not in name:
        is_compressed = name == "Philips XLI"
        return "sierraecg", lambda path: read_by_sierraecg(path, is_compressed=is_compressed)[0] * mv_per_count
    return "none here", None


def _write_csv(path: Path, written: Written) -> None:
    time_s = np.arange(len(written.counts_SC)) / written.fs_hz
    heading = ",".join(["time [s]", *(f"{lead} [mV]" for lead in written.leads)])
    np.savetxt(path, np.column_stack([time_s, written.mv_SC]), "%.6f", ",", header=heading, comments="")


def _write_json(path: Path, written: Written) -> None:
    leads = ", ".join(f'"{lead}": {written.mv_SC[:, at].tolist()}' for at, lead in enumerate(written.leads))
    path.write_text(f'{{"fs": {written.fs_hz}, "unit": "mV", "leads": {{{leads}}}}}')


_PLAIN: tuple[tuple[str, str, Callable[[Path, Written], object], tuple[str, _Reader]], ...] = (
    ("NumPy array", ".npy", lambda path, written: np.save(path, written.mv_SC), ("numpy", np.load)),
    (
        "NumPy archive",
        ".npz",
        lambda path, written: np.savez(path, signal=written.mv_SC, fs=written.fs_hz),
        ("numpy", lambda path: np.load(path)["signal"]),
    ),
    (
        "MATLAB",
        ".mat",
        lambda path, written: scipy.io.savemat(path, {"ecg": written.mv_SC, "fs": written.fs_hz}),
        ("scipy", lambda path: scipy.io.loadmat(path)["ecg"]),
    ),
    (
        "table of text",
        ".csv",
        _write_csv,
        ("numpy", lambda path: np.loadtxt(path, delimiter=",", skiprows=1)[:, 1:]),
    ),
    ("JSON", ".json", _write_json, ("json", read_by_json)),
)


def main() -> None:
    """Print the table."""
    print("| format | file | difference to what was written, mV | independent reader | difference to it, mV |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, file, peer, to_written, to_peer in compare(Path(folder)):
            first = "" if np.isnan(to_written) else f"{to_written:.1e}"
            print(f"| {name} | `{file}` | {first} | {peer} | {'' if to_peer is None else f'{to_peer:.1e}'} |")


if __name__ == "__main__":
    main()
