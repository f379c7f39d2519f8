"""A made arena for the tests: every model, four corpora, and every way a value can be missing."""

import numpy as np

RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
MODELS = {
    "htf_timeline": ("beat embeddings and a transformer", 1_143_939, 1_143_939),
    "htf_window": ("beat embeddings of a window", 892_806, 892_806),
    "resnet1d": ("residual network", 8_794_246, 8_794_246),
    "ecg_ramba": ("kernels, heart rate variability, bidirectional Mamba", 412_307, 72_833_596),
    "ecg_mamba2": ("bidirectional Mamba-2, lead groups", 391_622, 29_287_077),
    "cnn_attn_bilstm": ("convolutions, gate, bidirectional LSTM", 944_969, 944_969),
    "chronos_mlp": ("frozen Chronos-2 embeddings", 198_150, None),
}


def make_score(rng, classes, *, num_subjects=40, extra=(), is_timed=False):
    """Make one score as the scorers lay it out; all numbers are drawn, so no two are alike."""
    f1 = {name: float(rng.uniform(0.3, 0.95)) for name in classes}
    macro = float(np.mean(list(f1.values())))

    def bound(value):
        return {"low": float(value - rng.uniform(0.02, 0.09)), "high": float(min(value + rng.uniform(0.02, 0.05), 1))}

    subjects = {name: max(num_subjects - 3 * k, 0) for k, name in enumerate(classes)}
    f1 = {name: value for name, value in f1.items() if subjects[name]}
    score = {
        "macro_f1": macro,
        "f1": f1,
        "support": {name: (211 if is_timed else 17) * (k + 3) for k, name in enumerate(classes)},
        "subjects": subjects,
        "interval": {
            "macro_f1": bound(macro),
            "f1": {name: bound(value) for name, value in f1.items() if subjects[name] >= 5},
        },
    }
    for name in extra:
        score[name] = float(rng.uniform(0.05, 0.95))
        score["interval"][name] = bound(score[name])
    return score


def make_arena(seed=0):
    """Make the content of an arena."""
    rng = np.random.default_rng(seed)
    arena = {
        "schema": "ecgfeat.arena",
        "version": 1,
        "oracles": {"rpeaks": False, "history": False, "episodes": False},
        "machine": {"threads": 2, "device": None, "corpus": "mitdb"},
        "notes": ["The split of <b>cinc2017</b> is by record: it names no subjects."],
        "corpora": {
            "mitdb": {
                "title": "MIT-BIH Arrhythmia Database",
                "kind": "rhythm",
                "protocols": ["two-lead windows of 10 s", "timeline"],
                "classes": list(RHYTHMS),
                "records": 48,
                "subjects": 47,
                "split": "by subject, one split",
                "unit": "windows",
                "signals": "measured",
            },
            "cinc2017": {
                "title": "PhysioNet/CinC Challenge 2017, sample",
                "kind": "diagnostic",
                "task": "single",
                "classes": ["N", "A", "O", "~"],
                "scored": ["N", "A", "O"],
                "records": 1999,
                "subjects": 1998,
                "split": "5 folds by record",
                "signals": "measured",
            },
            "simulate12": {
                "title": "Simulated twelve-lead records",
                "kind": "diagnostic",
                "task": "multi",
                "classes": ["SNR", "SB", "STach", "AF", "PAC", "PVC", "IAVB", "LBBB", "RBBB"],
                "records": 120,
                "subjects": 119,
                "split": "5 folds by subject",
                "leads": ["I", "V1"],
                "signals": "simulated",
            },
        },
        "models": {},
        "scores": {"mitdb": {}, "cinc2017": {}, "simulate12": {}},
    }
    for name, (title, parameters, published) in MODELS.items():
        arena["models"][name] = {
            "title": title,
            "command": f"dvc repro train_model@{name}",
            "parameters": parameters,
            "published_parameters": published,
            "size_bytes": 4 * parameters + 1234,
            "training_s": float(rng.uniform(40, 5000)),
            "ms_per_record_cpu": float(rng.uniform(0.5, 300)),
            "ms_per_record_gpu": None,
            "int8": None,
            "left_out": {},
        }
        is_htf = name.startswith("htf")
        for slug, corpus in arena["corpora"].items():
            if is_htf and slug != "mitdb":
                arena["models"][name]["left_out"][slug] = "needs beats"
                continue
            extra = ("accuracy", "brier", "ece")
            extra = (*extra[1:], "micro_f1", "macro_auroc", "macro_auprc") if corpus.get("task") == "multi" else extra
            few = 14 if slug == "mitdb" else 40
            of = {
                view: make_score(rng, corpus["classes"], num_subjects=few, extra=extra) for view in ("single", "tta7")
            }
            if slug == "mitdb":
                if name in ("htf_timeline", "resnet1d"):
                    of["timeline"] = make_score(rng, corpus["classes"], is_timed=True)
                else:
                    arena["models"][name]["left_out"]["mitdb.timeline"] = "one label per window"
            arena["scores"][slug][name] = of
    models = arena["models"]
    models["cnn_attn_bilstm"]["int8"] = {
        "size_bytes": 1_012_345,
        "float_size_bytes": 3_812_345,
        "ms_per_record_cpu": 3.21,
        "float_ms_per_record_cpu": 7.65,
        "corpus": "cinc2017",
        "macro_f1": 0.71234,
        "same_call": 0.98765,
    }
    models["chronos_mlp"]["training_s"] = None
    models["chronos_mlp"]["left_out"] |= {"simulate12": "no weights at hand", "training_s": "weights were not loaded"}
    del arena["scores"]["simulate12"]["chronos_mlp"]
    arena["costs"] = {
        slug: {
            name: {
                "parameters": int(rng.integers(10_000, 900_000)),
                "training_s": float(rng.uniform(40, 5000)),
                "ms_per_record_cpu": float(rng.uniform(0.5, 300)),
                "ms_per_record_gpu": None,
                "left_out": {},
            }
            for name in arena["scores"][slug]
        }
        for slug in ("cinc2017", "simulate12")
    }
    arena["costs"]["cinc2017"]["resnet1d"] |= {"training_s": None, "left_out": {"training_s": "trained elsewhere"}}
    # Too few subjects for an interval.
    arena["scores"]["mitdb"]["htf_window"]["single"]["interval"] = {"f1": {}}
    return arena
