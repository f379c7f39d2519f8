"""Small whole files of every format, which the campaigns change."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import scipy.io

from ecgfeat.records.formats import encode_annotations
from ecgfeat.records.writer import write_record
from tests.fixtures.maker_files import MAKER_FORMATS

KINDS = (
    "header",
    "annotations",
    "npy",
    "npz",
    "mat",
    "json",
    "csv",
    "watch",
    *(f"maker {name}" for name in MAKER_FORMATS),
)
SIGNAL_MV = np.round(np.stack([np.sin(np.arange(300) / 9), 0.3 * np.cos(np.arange(300) / 9)], axis=1), 3)

Inputs = dict[str, list[tuple[str, bytes]]]


def make_inputs(folder: Path) -> Inputs:
    """Write the files of each kind into a folder of its own, and return their names and bytes."""
    inputs: Inputs = {}
    for kind in KINDS:
        home = folder / kind
        home.mkdir(parents=True)
        names = _write(kind, home)
        inputs[kind] = [(name, (home / name).read_bytes()) for name in names]
    return inputs


def _write(kind: str, home: Path) -> list[str]:
    if kind == "header":
        return _write_headers(home)
    if kind == "annotations":
        sample = np.cumsum([3, 80, 2000, 70000, 5])
        aux = ["(N", "", "(AFIB", "", "note"]
        (home / "x.atr").write_bytes(encode_annotations(sample, ["+", "N", "+", "V", '"'], aux, 250.0))
        aha = b"\0N" + b"\0\0\x46\0" + b"\1\0\0\1" + b"\0" * 6
        (home / "y.atr").write_bytes(aha * 3 + b"\xff" * 16)
        return ["x.atr", "y.atr"]
    if kind == "npy":
        np.save(home / "x.npy", SIGNAL_MV)
        np.save(home / "y.npy", (SIGNAL_MV[:, 0] * 1000).astype(np.int16))
    elif kind == "npz":
        np.savez(home / "x.npz", ecg=SIGNAL_MV, fs=250.0)
    elif kind == "mat":
        scipy.io.savemat(home / "x.mat", {"val": SIGNAL_MV, "fs": 250.0})
        scipy.io.savemat(home / "y.mat", {"val": SIGNAL_MV}, format="4")
    elif kind == "json":
        leads = {"II": SIGNAL_MV[:, 0].tolist(), "V5": SIGNAL_MV[:, 1].tolist()}
        (home / "x.json").write_text(json.dumps({"fs": 250, "unit": "mV", "leads": leads}))
        (home / "y.json").write_text(json.dumps({"fs": 250, "leads": SIGNAL_MV.T.tolist()}))
    elif kind == "csv":
        rows = "".join(f"{at / 250:.3f},{a},{b}\n" for at, (a, b) in enumerate(SIGNAL_MV))
        (home / "x.csv").write_text("time (s),II (mV),V5 (mV)\n" + rows)
        times = "".join(f"'0:{at / 250:06.3f}',0.{at}\n" for at in range(1, 9))
        (home / "y.csv").write_text(f"'Elapsed time','II'\n'hh:mm:ss.mmm','mV'\n{times}")
        stamps = [datetime(2024, 1, 2, 3, 4, 5, 4000 * at).isoformat() for at in range(200)]
        (home / "z.csv").write_text("stamp;ecg\n" + "".join(f"{stamp};0,5\n" for stamp in stamps))
    elif kind == "watch":
        head = 'Name,X\nDevice,"Watch6,1"\nSample Rate,512 hertz\n\n\nLead,Lead I\nUnit,µV\n\n'
        (home / "x.csv").write_text(head + "".join(f"{1000 * value:.3f}\n" for value in SIGNAL_MV[:, 0]))
    else:
        made = MAKER_FORMATS[kind.removeprefix("maker ")].make(home)
        return [made.name]
    return sorted(path.name for path in home.iterdir())


def _write_headers(home: Path) -> list[str]:
    signal_uv = np.rint(SIGNAL_MV * 1000).astype(np.int16)
    for name in ("x", "s1", "s2"):
        write_record(home, name, signal_uv, 250.0, ["I", "V5"], ["Age: 70"])
    (home / "f.dat").write_bytes(b"\1\2\3" * 300)
    (home / "f.hea").write_text("f/360 2 360 300 12:00:00 01/02/2003\n".replace("f/360", "f"))
    with (home / "f.hea").open("a") as file:
        file.write("f.dat 212+0 200(1024)/mV 11 1024 995 0 0 MLII\nf.dat 212 200/mV 11 1024 1011 0 0 V5\n# 69 M\n")
    (home / "m.hea").write_text("m/3 2 250 700\ns1 300\n~ 100\ns2 300\n")
    (home / "layout.hea").write_text("layout 2 250 0\n~ 0 200/mV 12 0 0 0 0 I\n~ 0 200/mV 12 0 0 0 0 V5\n")
    (home / "v.hea").write_text("v/3 2 250 600\nlayout 0\ns1 300\ns2 300\n")
    return ["f.hea", "layout.hea", "m.hea", "s1.hea", "v.hea", "x.hea"]
