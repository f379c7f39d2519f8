"""A small run as the report sees it: drawn tables, their scores, and what later stages add."""

import dataclasses
import functools

import numpy as np

from ecgfeat.report.inputs import CorpusInfo, ReportInputs, Tally
from ecgfeat.report.strip import Strip
from ecgfeat.report.tachogram import Tachogram
from ecgfeat.scoring.summary import summarise

FS_HZ = 128
RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
EDGES = [
    *[("acquire", "annotate"), ("acquire", "signals"), ("annotate", "rpeaks"), ("signals", "rpeaks")],
    *[("signals", "windows"), ("rpeaks", "windows"), ("windows", "train_htf"), ("windows", "embed")],
    *[("train_htf", "embed"), ("embed", "train_timeline"), ("annotate", "train_timeline")],
    *[("train_htf", "evaluate"), ("embed", "evaluate"), ("train_timeline", "evaluate"), ("evaluate", "report")],
]
HEADS = {
    "timeline": {"timeline": ("single", "tta7", "viterbi"), "episode": ("single", "tta7"), "grid": ("single", "tta7")},
    "window": {"timeline": ("single", "tta7"), "episode": ("single", "tta7", "view0"), "grid": ("single", "tta7")},
    "majority": {"timeline": ("single",), "episode": ("single",), "grid": ("single",)},
}


def timeline(num_records, rng):
    """Draw records that change their rhythm every few minutes, and predictions that are mostly right."""
    columns = {name: [] for name in ("subject", "record", "start_sample", "stop_sample", "reference")}
    chance = []
    for record in range(num_records):
        for episode in range(12):
            rhythm = rng.choice(RHYTHMS[:5], p=[0.4, 0.27, 0.17, 0.13, 0.03])
            start = episode * 25
            for unit in range(25):
                columns["subject"].append(f"s{record:02d}")
                columns["record"].append(f"{200 + record}")
                columns["start_sample"].append((start + unit) * 1280)
                columns["stop_sample"].append((start + unit + 1) * 1280)
                columns["reference"].append(str(rhythm))
                draw = rng.dirichlet(np.full(6, 0.6))
                draw[RHYTHMS.index(rhythm)] += rng.gamma(1.6 if record % 4 else 0.5)
                chance.append(draw / draw.sum())
    return columns, np.array(chance)


def smooth(code, width=5):
    """Take the commonest class among neighbours: any path that is not the largest probability will do here."""
    padded = np.pad(code, width // 2, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.array([np.bincount(of).argmax() for of in around])


def rhythm_table(num_records, rng):
    parts = []
    for head, protocols in HEADS.items():
        for protocol, views in protocols.items():
            columns, chance = timeline(num_records, np.random.default_rng(5))
            mixed_of = {}
            for view in views:
                noise = rng.dirichlet(np.ones(6), len(chance))
                mixed = (3 if view == "tta7" else 1.5) * chance + noise
                if head == "majority":
                    mixed = np.tile(np.eye(6)[0], (len(chance), 1))
                mixed_of[view] = mixed = mixed_of["tta7"] if view == "viterbi" else mixed
                mixed = mixed / mixed.sum(axis=1, keepdims=True)
                call = smooth(mixed.argmax(axis=1)) if view == "viterbi" else mixed.argmax(axis=1)
                size = len(chance)
                part = {"corpus": ["simulate"] * size, "protocol": [protocol] * size, "head": [head] * size}
                part |= {"view": [view] * size, **columns, "predicted": np.array(RHYTHMS)[call]}
                part |= {"num_beats": np.ones(size, dtype=np.int32)}
                parts.append(part | {f"p_{c}": mixed[:, k] for k, c in enumerate(RHYTHMS)})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def beats_table(num_records, rng):
    parts = []
    for history, sharp in (("none", 1.0), ("oracle", 3.0), ("predicted", 2.0)):
        size = 200 * num_records
        reference = rng.choice(list("NSVFQ"), size, p=[0.8, 0.09, 0.09, 0.01, 0.01])
        chance = rng.dirichlet(np.ones(3), size)
        for k, name in enumerate("NSV"):
            chance[reference == name, k] += sharp * rng.random((reference == name).sum())
        chance /= chance.sum(axis=1, keepdims=True)
        of = np.arange(size) // 200
        part = {
            "corpus": ["simulate"] * size,
            "subject": [f"s{i:02d}" for i in of],
            "record": [f"{200 + i}" for i in of],
        }
        part |= {"split": ["test"] * size, "history": [history] * size, "sample": np.arange(size) % 200 * 300}
        part |= {"reference": reference, "rhythm": ["NSR"] * size}
        parts.append(part | {f"p_{c}": chance[:, k] for k, c in enumerate("NSV")})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rpeaks_table(num_records, rng):
    rows = [(d, r) for d in ("ecgfeat", "neurokit", "xqrs") for r in range(num_records)]
    table = {
        "corpus": ["simulate"] * len(rows),
        "subject": [f"s{r:02d}" for _, r in rows],
        "record": [f"{200 + r}" for _, r in rows],
        "detector": [d for d, _ in rows],
        "offset_ms": rng.normal(2, 1, len(rows)),
    }
    for suffix, size in (("", 3000), ("_after_5min", 2500)):
        table[f"true_positives{suffix}"] = rng.integers(size // 2, size, len(rows))
        table[f"false_negatives{suffix}"] = rng.integers(0, 12, len(rows))
        table[f"false_positives{suffix}"] = rng.integers(0, 12, len(rows))
    return table


def records_table(num_records):
    size = 4 * num_records
    status = np.full(size, "used", dtype=object)
    status[-2:] = "excluded", "failed"
    reason = np.full(size, "", dtype=object)
    reason[-2:] = "paced", "200.dat: 12 samples; expected 384000"
    split = np.array(["test"] * num_records + ["validation"] * num_records + ["train"] * (2 * num_records))
    return {
        "record": [f"{200 + i}" for i in range(size)],
        "subject": [f"s{i:02d}" for i in range(size)],
        "fs_hz": np.full(size, 128.0),
        "num_samples": np.full(size, 300 * 1280),
        "split": split,
        "status": status,
        "reason": reason,
    }


def read_strip(corpus, record, start_s, stop_s):
    """Draw something like an ECG, for the eye."""
    at = np.arange(round((stop_s - start_s) * FS_HZ)) / FS_HZ
    rng = np.random.default_rng(int(record))
    peaks = np.cumsum(rng.normal(0.8, 0.12, 11)) - 0.3
    wave = rng.normal(0, 0.015, (len(at), 2))
    for lead, gain in enumerate((1.0, -0.6)):
        for peak in peaks:
            for delay, height, width in ((-0.17, 0.12, 0.03), (0, 1.1, 0.012), (0.03, -0.25, 0.012), (0.26, 0.3, 0.06)):
                wave[:, lead] += gain * height * np.exp(-0.5 * ((at - peak - delay) / width) ** 2)
    label = ["V" if k % 7 == 3 else "N" for k in range(len(peaks))]
    called = ["N" if k == 10 else label[k] for k in range(len(peaks))]
    title = f"{corpus}/{record}"
    signal = wave.astype(np.float32)
    return Strip(
        title, signal, FS_HZ, ("ECG1", "ECG2"), start_s, peaks + start_s, label, called, note="drawn for a test"
    )


PARTS = ("rpeaks", "beats", "rhythm_per_beat", "rhythm_per_second")


def variant(score):
    """Return the scores of one variant of the test records."""
    f1 = {"NSR": score + 0.1, "AFIB": score - 0.1, "SVTA": 0.0}
    rhythm = {"macro_f1": score, "f1": f1, "support": {"NSR": 2000, "AFIB": 900, "SVTA": 9}}
    return dict.fromkeys(PARTS, rhythm) | {"rpeaks": {"f1": score, "support": 2900}}


def extra_metrics(metrics):
    """Return what later stages add to the scores of a run."""
    oracles = {p: metrics["oracles"] | {"episodes": p == "episode"} for p in ("timeline", "grid", "episode")}
    variants = {"as_it_is": variant(0.7)}
    for name, score in (("noise_6_db", 0.5), ("noise_24_db", 0.69), ("history_oracle", 0.8), ("leads_swapped", 0.55)):
        change = {"value": score - 0.7, "low": score - 0.75, "high": score - 0.65}
        variants[name] = variant(score) | {"difference": dict.fromkeys(PARTS, change)}
    narrow, unknown = {"mean": 0.71, "min": 0.69, "max": 0.74}, dict.fromkeys(("mean", "min", "max"))
    spread = {"macro_f1": narrow, "accuracy": narrow, "per_second": {"macro_f1": narrow}}
    spread["f1"] = {"NSR": narrow, "B": unknown}
    return {
        "oracles_by_protocol": oracles,
        "sensitivity": {"head": "timeline", "view": "single", "hours": 2, "corpora": {"simulate": variants}},
        "seeds": [1, 2, 3],
        "folds": 5,
        "rhythm_seeds": {"simulate": {"timeline": {"timeline": {"single": spread, "tta7": spread}}}},
        "rhythm_folds": {"simulate": {"timeline": {"timeline": metrics["rhythm"]["simulate"]["timeline"]["timeline"]}}},
    }


@functools.cache
def whole_inputs(num_records=8):
    rng = np.random.default_rng(1)
    rpeaks, beats, rhythm = (
        rpeaks_table(num_records, rng),
        beats_table(num_records, rng),
        rhythm_table(num_records, rng),
    )
    oracles = {"rpeaks": False, "history": False, "episodes": False}
    metrics = summarise(
        rpeaks=rpeaks,
        beats=beats,
        rhythm=rhythm,
        oracles=oracles,
        fs_hz=FS_HZ,
        seed=1,
        detector="ecgfeat",
        num_resamples=200,
    )
    sizes = {"train": 4, "validation": 1, "test": 1}
    tallies = [
        Tally("simulate", split, "beat", label, share * size, 8 * size)
        for split, size in sizes.items()
        for label, share in (("N", 9120), ("S", 610), ("V", 540), ("F", 12))
    ]
    tallies += [
        Tally("simulate", split, "rhythm", label, 9 * size, 5 * size, 4000.0 * share * size)
        for split, size in sizes.items()
        for label, share in (("NSR", 5), ("AFIB", 3), ("SBR", 2), ("AB", 1), ("SVTA", 1))
    ]
    epochs = [
        {"epoch": e, "train_loss": 1.6 * 0.8**e + 0.3, "validation_loss": 1.5 * 0.82**e + 0.45, "macro_f1": 1 - 0.75**e}
        for e in range(12)
    ]
    return ReportInputs(
        metrics=metrics | extra_metrics(metrics),
        corpora=[
            CorpusInfo(
                "simulate",
                "Simulated two-lead ECG",
                "1",
                "simulated",
                files_sha256="3b1f" * 16,
                split_name="simulate-default",
                split_sha256="90ab" * 16,
            )
        ],
        records={"simulate": records_table(num_records)},
        tallies=tallies,
        fs_hz=FS_HZ,
        rpeaks=rpeaks,
        beats=beats,
        rhythm=rhythm,
        detector="ecgfeat",
        stages=EDGES,
        training={"htf": epochs, "window": epochs},
        read_strip=read_strip,
        version="0.1.0",
        params={"seed": 1, "annotate.aami": "dechazal"},
        selection=["Chosen by validation macro F1, one configuration; the test records were scored once."],
    )


def make_inputs(**changes):
    """Leave out what takes long to draw, and change what a test is about."""
    return dataclasses.replace(whole_inputs(), **({"read_strip": None, "training": {}} | changes))


def read_tachogram(corpus, record, start_s, stop_s):
    """Draw RR intervals with an ectopic beat now and then."""
    rr_s = 0.7 + 0.2 * np.random.default_rng(int(record)).random(200)
    at = start_s + np.cumsum(rr_s)
    inside = at < stop_s
    label = np.where(np.arange(200) % 9 == 4, "V", "N")
    return Tachogram(f"{corpus}/{record}", start_s, stop_s, at[inside], rr_s[inside], label[inside].tolist())
