"""V beats and AF by openecg, a peer with weights in its wheel: ``ECGFEAT_MIRROR=... python -m benchmarks.openecg``.

Its codec (ONNX, int8, the only one without pickle) reads one lead, 10 s at 500 Hz: of mitdb the first lead, of cinc2017
the only one. Windows begin every 6 s, and the middle 6 s are kept, as its authors advise; its own stitching shifts the
end of a record. Beats are read as its report reads them: its R-peaks, and the code that is most frequent within 60 ms.
They are matched as in EC57, within 150 ms; an F or Q called V is no error. A record of cinc2017 is ranked by the mean
probability of the class afib, which has flutter and SVT in it: against N is the fairer figure.

Its authors trained on DS1 of mitdb (with 201, the same man as test record 202) and on qtdb, which holds excerpts of
records of DS2; so DS2 may not be new to it. Beside it stand the shipped models, from ``docs/results/real.json``: they
read both leads of mitdb, beats count in usable time, and records are ranked by the mean probability of AFIB. Intervals
are over records.

Install the peer by ``pip install --no-deps openecg==0.11.0 opendsp==0.1.0``; it needs onnxruntime (extra ``onnx``).
"""

import csv
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.halves import draw_halves
from ecgfeat.corpora.splits import read_split
from ecgfeat.deploy.session import open_onnx
from ecgfeat.records.annotations import aami_class, is_beat
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.scoring.beats import detection_ratios, match_beats
from ecgfeat.scoring.intervals import bootstrap_subjects, draw_subjects, percentile_interval
from ecgfeat.signals.resample import resample

FS_HZ = 500
WINDOW_S, MARGIN_S, MATCH_S, TYPE_S = 10, 2, 0.15, 0.06
VPC, AFIB = 2, 3
SHIPPED = Path("docs/results/real.json")
NUM_RESAMPLES = 1000


def main() -> None:
    """Print V of DS2, and AF of the held half of cinc2017."""
    if find_spec("openecg") is None:
        raise SystemExit(f"openecg is not installed.\n{__doc__}")
    from openecg.deploy import bundled_codec_onnx_path

    codec, mirror = open_onnx(bundled_codec_onnx_path("v6")), Path(os.environ["ECGFEAT_MIRROR"])
    shipped = json.loads(SHIPPED.read_text())
    split = read_split(get_corpus("mitdb"), "ds1ds2")
    tested = [name for name, of in split.items() if of == "test"]
    count_N3 = np.array([count_v(codec, mirror / "mitdb", name) for name in tested])
    print(f"mitdb DS2, {len(tested)} records, V: sensitivity, positive predictivity, F1")
    print(f"  openecg: {show_v(count_N3)}")
    print(f"  openecg without 202: {show_v(count_N3[[name != '202' for name in tested]])}")
    print(
        f"  ecgfeat: {show_shipped(shipped['mitdb_ds2']['beats'], 'v_sensitivity', 'v_positive_predictivity', 'v_f1')}"
    )
    rank, label = rank_records(codec, mirror / "cinc2017")
    is_af, is_n = label == "A", label == "N"
    held = shipped["cinc2017_held"]
    print(f"cinc2017, held half, {len(label)} records, AF: AUROC against all others, against N")
    print(f"  openecg: {show_auroc(is_af, rank)}, {show_auroc(is_af[is_af | is_n], rank[is_af | is_n])}")
    print(f"  ecgfeat: {show_shipped(held, 'af_auroc', 'a_vs_n_auroc')}")
    print(f"  RR irregularity: {show_shipped(held, 'af_auroc_rr_irregular', 'a_vs_n_auroc_rr_irregular')}")


def count_v(codec: Any, folder: Path, name: str) -> tuple[int, int, int]:
    """Count found V beats, missed ones, and others that are called V."""
    from openecg.qrs import detect_qrs

    signal_S, fs_hz = read_lead(folder, name)
    annotation = read_annotations(folder, name, "atr", round(len(signal_S) * fs_hz / FS_HZ))
    is_own = is_beat(annotation.symbol)
    beat = np.rint(annotation.sample[is_own] * FS_HZ / fs_hz).astype(np.int64)
    aami = aami_class(annotation.symbol[is_own], "dechazal")
    code_S, _ = encode(codec, signal_S)
    found = np.asarray(detect_qrs(signal_S, FS_HZ), dtype=np.int64)
    reach = round(TYPE_S * FS_HZ)
    is_v = np.array([is_called_v(code_S[max(0, peak - reach) : peak + reach + 1]) for peak in found], dtype=bool)
    of_reference, of_found = match_beats(beat, found, round(MATCH_S * FS_HZ))
    is_pair_v = is_v[of_found]
    hits = int((is_pair_v & (aami[of_reference] == "V")).sum())
    false = int((is_pair_v & np.isin(aami[of_reference], ("N", "S"))).sum()) + int(np.delete(is_v, of_found).sum())
    return hits, int((aami == "V").sum()) - hits, false


def is_called_v(code: NDArray[np.uint8]) -> bool:
    """Return whether the most frequent code around an R-peak is that of a V; none where there is no code."""
    code = code[code > 0]
    return code.size > 0 and int(np.bincount(code).argmax()) == VPC


def rank_records(codec: Any, folder: Path) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return the mean probability of afib of each held record, and the classes."""
    with (folder / "REFERENCE-v3.csv").open() as file:
        label = dict(csv.reader(file))
    present = {Path(name).name for name in (folder / "RECORDS").read_text().split()}
    held = draw_halves({name: of for name, of in label.items() if name in present}, ("N", "A", "O", "~"))[1]
    rank = [float(encode(codec, read_lead(folder, name, verify=False)[0])[1].mean()) for name in held]
    return np.array(rank), np.array([label[name] for name in held])


def read_lead(folder: Path, name: str, *, verify: bool = True) -> tuple[NDArray[np.float32], float]:
    """Return the first lead at 500 Hz without missing samples, and the rate that it had."""
    source = read_signal(folder, name, verify=verify)
    lead_S = resample(source.signal_mv_SC[:, :1], source.fs_hz, float(FS_HZ))[:, 0]
    return np.nan_to_num(lead_S), source.fs_hz


def encode(codec: Any, signal_S: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the code of the beat and the probability of afib at every sample, (S,) each."""
    from openecg.dsp import rank_normalize

    window, margin = WINDOW_S * FS_HZ, MARGIN_S * FS_HZ
    last = max(0, len(signal_S) - window)
    code_S, afib_S = np.zeros(len(signal_S), dtype=np.uint8), np.zeros(len(signal_S), dtype=np.float32)
    for start in [*range(0, last, window - 2 * margin), last]:
        part = np.asarray(rank_normalize(signal_S[start : start + window]), dtype=np.float32)
        padded = np.pad(part, (0, window - len(part)))[None]
        beat_WK, rhythm_WK = (of[0] for of in codec.run(["beat_logits", "rhythm_logits"], {"signal": padded}))
        low = 0 if start == 0 else margin
        high = len(part) if start == last else window - margin
        code_S[start + low : start + high] = beat_WK[low:high].argmax(axis=1)
        afib_S[start + low : start + high] = softmax(rhythm_WK[low:high], axis=1)[:, AFIB]
    return code_S, afib_S


def show_v(count_N3: NDArray[np.int64]) -> str:
    """Return sensitivity, positive predictivity and F1 with intervals."""
    low, high = bootstrap_subjects(count_N3, detection_ratios, num_resamples=NUM_RESAMPLES, seed=0)
    own = detection_ratios(count_N3.sum(axis=0))
    return ", ".join(f"{of:.3f} ({a:.3f}-{b:.3f})" for of, a, b in zip(own, low, high, strict=True))


def show_auroc(is_af: NDArray[np.bool_], rank: NDArray[np.float64]) -> str:
    """Return the AUROC with its interval."""
    weight_RN = draw_subjects(len(rank), NUM_RESAMPLES, 0)
    drawn = np.array([roc_auc_score(is_af, rank, sample_weight=weight_N) for weight_N in weight_RN])
    low, high = percentile_interval(drawn)
    return f"{roc_auc_score(is_af, rank):.3f} ({low:.3f}-{high:.3f})"


def show_shipped(scores: dict[str, float], *names: str) -> str:
    """Return scores of the shipped models with their intervals."""
    return ", ".join(f"{scores[name]:.3f} ({scores[name + '_low']:.3f}-{scores[name + '_high']:.3f})" for name in names)


if __name__ == "__main__":
    main()
