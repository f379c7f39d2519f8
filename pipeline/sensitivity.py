"""Stage sensitivity: test records again with one input changed -> what each change does to the scores."""

import sys
from collections.abc import Iterator

from ecgfeat.device import choose_device
from ecgfeat.models import load_model
from ecgfeat.models.htf import HTF
from ecgfeat.prediction.chain import Chain
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.variants import compare_variants
from ecgfeat.sensitivity.inputs import SensitivityRecord, list_variants, run_variants
from ecgfeat.signals.resample import num_resampled, pad_leads
from ecgfeat.store.arrays import open_array
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import BEAT_TABLE, COMMON_FS_HZ, EPISODES, SIGNALS
from ecgfeat.store.seal import write_report
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.read.beats import read_rows_by_record, read_rpeaks
from pipeline.read.heads import load_timeline
from pipeline.read.quality import choose_detector_lead
from pipeline.run.stage import progress_bar, run_stage


def main() -> str:
    """Run the chain from the signal to the rhythm of each beat once per variant."""
    params = read_params()
    settings = params.sensitivity
    reads_signals = params.rhythm.features == "embeddings"
    chain = read_chain(params)
    device = choose_device(params.runtime.device, params.runtime.threads)
    by_corpus = {}
    num_runs = 0
    for corpus in params.corpora:
        sources = [source.first_hours(settings.hours) for source in read_sources(corpus, chain.num_leads, params)]
        has_signals = any(source.signal_uv is not None for source in sources)
        if reads_signals:
            sources = [source for source in sources if source.signal_uv is not None]
        if not sources:
            continue
        variants = list_variants(
            params.rpeaks.method,
            params.rhythm.history,
            noise_snr_db=settings.noise_snr_db,
            has_signals=has_signals,
            reads_signals=reads_signals,
        )
        with progress_bar(desc=f"sensitivity {corpus}", unit="record") as progress:
            counts = run_variants(sources, variants, chain, device=device, on_record=progress.update)
        by_corpus[corpus] = compare_variants(counts, num_resamples=params.report.bootstrap, seed=params.seed)
        num_runs += len(variants)
    summary = {"corpora": by_corpus, "head": "timeline", "view": "single", "hours": settings.hours}
    with publish(paths.SENSITIVITY) as part:
        write_report(part, "sensitivity", plain_numbers(summary))
    return f"{len(by_corpus)} corpora, {num_runs} runs over their test records"


def read_chain(params: Params) -> Chain:
    """Read the models that lie between a signal and the rhythm of a beat."""
    htf, described = load_model(paths.HTF_MODEL)
    assert isinstance(htf, HTF)
    return Chain(
        htf if params.rhythm.features == "embeddings" else None,
        load_timeline(params),
        num_leads=described["config"]["num_leads"],
        beat_samples=params.windows.num_samples,
    )


def read_sources(corpus: str, num_leads: int, params: Params) -> Iterator[SensitivityRecord]:
    """Yield the annotated test records of a corpus that have R-peaks, with their signals where there are any."""
    signals = open_array(paths.signals(corpus), SIGNALS, aligned_with=paths.records(corpus))
    beats_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
    episodes_of = read_rows_by_record(paths.episodes(corpus), EPISODES)
    for row, _ in read_rpeaks(corpus, "test"):
        record, fs_hz = str(row["record"]), float(row["fs_hz"])
        reference = beats_of(record)
        if not len(reference["sample"]):
            continue
        signal_uv_SC = signals.read(record) if record in signals.rows else None
        if signal_uv_SC is not None:
            signal_uv_SC = pad_leads(signal_uv_SC, max(num_leads, signal_uv_SC.shape[1]))
        num_samples = num_resampled(int(row["num_samples"]), fs_hz, COMMON_FS_HZ)
        about = (corpus, str(row["subject"]), record, fs_hz, num_samples)
        lead = choose_detector_lead(row, params)
        yield SensitivityRecord(*about, signal_uv_SC, reference, episodes_of(record), lead)


if __name__ == "__main__":
    sys.exit(run_stage("sensitivity", main))
