"""Stage robustness: records with one thing changed in how they were taken -> what that does to the default chain."""

import sys
from typing import Any

from ecgfeat.device import choose_device
from ecgfeat.prediction.models import load_models
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.sensitivity.pairs import compare_pairs, find_worst, run_variants
from ecgfeat.sensitivity.variants import list_variants
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import write_report
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.recorded_noise import read_noise
from pipeline.read.robustness import choose_records, read_robustness_records
from pipeline.run.stage import progress_bar, run_stage


def main() -> str:
    """Predict every record once per variant, as ``ecgfeat predict`` does, and score the differences."""
    params = read_params()
    settings = params.robustness
    device = choose_device(params.runtime.device, params.runtime.threads)
    models, pool = load_models(paths.MODELS, needs_signals=False), read_noise(params, settings.split)
    variants = list_variants(
        noise_snr_db=settings.noise_snr_db, rates_hz=settings.rates_hz, gains=settings.gains, pool=pool
    )
    by_corpus: dict[str, dict[str, Any]] = {}
    about: dict[str, dict[str, Any]] = {}
    for corpus in params.corpora:
        splits, rows = choose_records(corpus, params)
        if not rows:
            continue
        records = read_robustness_records(corpus, rows, settings.hours)
        bar = progress_bar(records, desc=f"robustness {corpus}", unit="record", total=len(rows))
        counts = run_variants(bar, variants, models, device=device)
        by_corpus[corpus] = compare_pairs(counts, variants, num_resamples=settings.bootstrap, seed=params.seed)
        about[corpus] = {"splits": splits, "num_records": len(rows), "is_seen_in_training": splits != ("test",)}
    summary = {
        "split": settings.split,
        "hours": settings.hours,
        "noise_corpus": settings.noise_corpus if pool is not None else None,
        "num_noise_pieces": 0 if pool is None else len(pool.piece),
        "models": dict(models.checksums),
        "records": about,
        "corpora": by_corpus,
    }
    with publish(paths.ROBUSTNESS) as part:
        write_report(part, "robustness", plain_numbers(summary))
    return "; ".join(find_worst(by_corpus)) or "no record to predict"


if __name__ == "__main__":
    sys.exit(run_stage("robustness", main))
