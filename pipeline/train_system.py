"""Stage train_system: signals of the training records -> one of the published systems, on the rhythm task."""

import sys

from ecgfeat.arena import get_system
from ecgfeat.arena.checkpoint import save_left_out, save_system
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.recipe import Recipe
from ecgfeat.arena.rhythm_task import train_on_rhythms
from ecgfeat.arena.signal_table import Band
from ecgfeat.arena.system import build_system
from ecgfeat.device import choose_device
from ecgfeat.models import count_parameters
from ecgfeat.rhythm.records import class_shares
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.training import best_epoch
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.signals import RHYTHM_LEADS, read_rhythm_split, read_signal_records
from pipeline.run.stage import note_written, progress_bar, run_stage

_MONITOR = "macro_f1"


def main(name: str) -> str:
    """Train a system; the heads on beats are trained by stages of their own, and only named here."""
    params = read_params()
    settings = getattr(params, name).model_dump()
    if get_system(name).reads == "beats":
        _leave_out(name, f"its weights are in {settings['weights']}")
        return f"{name}: reads beats; its weights are in {settings['weights']}"
    train, validation = (read_rhythm_split(split, params) for split in ("train", "validation"))
    if not train or not validation:
        absent = "validation" if train else "training"
        return _leave_out(name, f"{' '.join(params.corpora)}: no {absent} record has a signal")
    device = choose_device(params.runtime.device, params.runtime.threads)
    window_samples = params.train_window.window_samples
    num_samples = round(window_samples * settings["fs_hz"] / params.signals.fs_hz)
    config = {"num_leads": RHYTHM_LEADS, "num_classes": len(RHYTHMS), "num_samples": num_samples}
    try:
        system = build_system(name, settings, seed=params.seed, device=device, **config)
    except OutOfReachError as error:
        # The encoder is not ours and may be out of reach: the run goes on without this system.
        print(error, file=sys.stderr)
        return _leave_out(name, error.reason)
    train_signals, validation_signals = (
        read_signal_records(records, Band.of(settings)) for records in (train, validation)
    )
    with progress_bar(desc=f"train_system {name}", unit="segment") as progress:
        log = train_on_rhythms(
            system,
            train_signals,
            validation_signals,
            Recipe.of(settings),
            num_classes=len(RHYTHMS),
            window_samples=window_samples,
            seed=params.seed,
            device=device,
            on_batch=lambda epoch, size: progress.update(size),
            on_epoch=lambda row: progress.set_postfix(epoch=int(row["epoch"]), f1=f"{row[_MONITOR]:.3f}"),
            **params.train_system.model_dump(),
        )
    prior = class_shares(train_signals.episodes, len(RHYTHMS))
    info = {"seed": params.seed, "corpora": params.corpora, "classes": list(RHYTHMS), "prior": prior}
    with publish(paths.system(name)) as folder:
        save_system(folder, name, system, settings, config, info | {"log": plain_numbers(log)})
    note_written(paths.system(name) / "system.json")
    best = log[best_epoch(log, _MONITOR)]
    return (
        f"{name}: {count_parameters(system)} parameters, epoch {int(best['epoch'])} of {len(log)}: "
        f"validation macro F1 {best[_MONITOR]:.3f}"
    )


def _leave_out(name: str, reason: str) -> str:
    with publish(paths.system(name)) as folder:
        save_left_out(folder, name, reason)
    return f"{name}: left out, {reason}"


if __name__ == "__main__":
    sys.exit(run_stage("train_system", main))
