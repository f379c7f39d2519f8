"""V beats and AF by openecg, a peer with weights in its wheel: ``ECGFEAT_MIRROR=... python -m benchmarks.openecg``.

It reads one lead: of mitdb the first, of cinc2017 the only one. Its codec (ONNX, int8) reads 10 s at 500 Hz; windows
begin every 6 s, and of each the middle 6 s are kept, as its authors advise. It was trained on DS1 of mitdb, so DS2 is
new to it. Samples that it counts to a beat are one beat where they are less than 100 ms apart, V by majority; less than
20 ms together are none. Beats are matched as in EC57, within 150 ms, with flutter left out; an F or Q called V is no
error. A record is ranked by the share of its time that is named afib. Beside it stand the shipped models, from
``docs/results/real.json``: there beats count in usable time, and records are ranked by the mean probability of AFIB.

Install the peer by ``pip install --no-deps openecg opendsp``; it needs onnxruntime (extra ``onnx``).
"""

import csv
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.halves import draw_halves
from ecgfeat.corpora.splits import read_split
from ecgfeat.records.annotations import aami_class, is_beat
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.scoring.beats import beat_class_scores, match_beats
from ecgfeat.signals.resample import resample

FS_HZ = 500
WINDOW_S, MARGIN_S = 10, 2
MATCH_S, APART_S, SHORTEST_S = 0.15, 0.1, 0.02
SINUS, VPC, AFIB = 1, 2, 3
SHIPPED = Path("docs/results/real.json")


def main() -> None:
    """Print beats of DS2 and AF of the held half of cinc2017."""
    if find_spec("openecg") is None:
        raise SystemExit(f"openecg is not installed.\n{__doc__}")
    from openecg.deploy import OnnxCodec

    codec, mirror = OnnxCodec(), Path(os.environ["ECGFEAT_MIRROR"])
    shipped = json.loads(SHIPPED.read_text())
    split = read_split(get_corpus("mitdb"), "ds1ds2")
    tested = [name for name, of in split.items() if of == "test"]
    scores = score_beats(codec, mirror / "mitdb", tested)
    own = shipped["mitdb_ds2"]["beats"]
    print(f"mitdb DS2, {len(tested)} records, V: sensitivity, positive predictivity, F1")
    for name, of in (("openecg", scores), ("ecgfeat", own)):
        print(
            f"  {name}: {', '.join(f'{of[key]:.3f}' for key in ('v_sensitivity', 'v_positive_predictivity', 'v_f1'))}"
        )
    ranks, label = rank_records(codec, mirror / "cinc2017")
    held = shipped["cinc2017_held"]
    is_af = np.array([of == "A" for of in label])
    is_kept = is_af | np.array([of == "N" for of in label])
    print(f"cinc2017, held half, {len(label)} records, AF: AUROC against all others, against N")
    print(f"  openecg: {roc_auc_score(is_af, ranks):.3f}, {roc_auc_score(is_af[is_kept], ranks[is_kept]):.3f}")
    print(f"  ecgfeat: {held['af_auroc']:.3f}, {held['a_vs_n_auroc']:.3f}")
    print(f"  RR irregularity: {held['af_auroc_rr_irregular']:.3f}, {held['a_vs_n_auroc_rr_irregular']:.3f}")


def score_beats(codec: Any, folder: Path, records: list[str]) -> dict[str, float]:
    """Score the beat classes of all records together."""
    reference: list[NDArray[np.str_]] = []
    called: list[NDArray[np.str_]] = []
    for name in records:
        signal_S, fs_hz = read_lead(folder, name)
        annotation = read_annotations(folder, name, "atr", round(len(signal_S) * fs_hz / FS_HZ))
        is_own = is_beat(annotation.symbol)
        position = np.rint(annotation.sample * FS_HZ / fs_hz).astype(np.int64)
        beat, aami = position[is_own], aami_class(annotation.symbol[is_own], "dechazal")
        channels = encode(codec, signal_S)
        found, found_aami = find_beats(channels[1])
        spans = np.stack([position[annotation.symbol == mark] for mark in "[]"], axis=1)
        outside = ~((found[:, None] >= spans[:, 0]) & (found[:, None] < spans[:, 1])).any(axis=1)
        found, found_aami = found[outside], found_aami[outside]
        of_reference, of_found = match_beats(beat, found, round(MATCH_S * FS_HZ))
        pair = np.full(len(beat), "", dtype="<U1")
        pair[of_reference] = found_aami[of_found]
        extra = np.delete(found_aami, of_found)
        reference += [aami, np.full(len(extra), "", dtype="<U1")]
        called += [pair, extra]
    return beat_class_scores(np.concatenate(reference), np.concatenate(called), "bxb")


def rank_records(codec: Any, folder: Path) -> tuple[NDArray[np.float64], list[str]]:
    """Return the share of the time of each held record that is named afib, and the classes."""
    with (folder / "REFERENCE-v3.csv").open() as file:
        label = dict(csv.reader(file))
    present = {Path(name).name for name in (folder / "RECORDS").read_text().split()}
    held = draw_halves({name: of for name, of in label.items() if name in present}, ("N", "A", "O", "~"))[1]
    ranks = [float((encode(codec, read_lead(folder, name, verify=False)[0])[2] == AFIB).mean()) for name in held]
    return np.array(ranks), [label[name] for name in held]


def read_lead(folder: Path, name: str, *, verify: bool = True) -> tuple[NDArray[np.float32], float]:
    """Return the first lead at 500 Hz without missing samples, and the rate that it had."""
    source = read_signal(folder, name, verify=verify)
    lead_S = resample(source.signal_mv_SC[:, :1], source.fs_hz, float(FS_HZ))[:, 0]
    return np.nan_to_num(lead_S), source.fs_hz


def encode(codec: Any, signal_S: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return waves, beats and rhythms of every sample, (3, S)."""
    window, margin = WINDOW_S * FS_HZ, MARGIN_S * FS_HZ
    last = max(0, len(signal_S) - window)
    channels = np.zeros((3, len(signal_S)), dtype=np.uint8)
    for start in [*range(0, last, window - 2 * margin), last]:
        part = codec.encode(signal_S[start : start + window], fs=FS_HZ).channels
        low = 0 if start == 0 else margin
        high = part.shape[1] if start == last else window - margin
        channels[:, start + low : start + high] = part[:, low:high]
    return channels


def find_beats(code_S: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return centre and class of the beats, from the code of every sample."""
    edge = np.flatnonzero(np.diff(code_S > 0, prepend=False, append=False))
    start, stop = edge[::2], edge[1::2]
    is_apart = np.append(True, start[1:] - stop[:-1] >= APART_S * FS_HZ)
    start, stop = start[is_apart], stop[np.append(is_apart[1:], True)]
    is_long = stop - start >= SHORTEST_S * FS_HZ
    start, stop = start[is_long], stop[is_long]
    parts = [code_S[low:high] for low, high in zip(start, stop, strict=True)]
    is_v = np.array([(part == VPC).sum() > (part == SINUS).sum() for part in parts], dtype=bool)
    return (start + stop) // 2, np.where(is_v, "V", "N")


if __name__ == "__main__":
    main()
