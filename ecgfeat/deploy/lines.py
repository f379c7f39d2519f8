"""The lines that ``ecgfeat stream`` prints: of a published system, or of the models of a run."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecgfeat.deploy.live import LiveModels, name_live
from ecgfeat.deploy.stream import name_record, open_stream
from ecgfeat.prediction.lead_use import lead_note
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import DEFAULT, find_models, list_shipped
from ecgfeat.records.reader import Signal
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS


def stream_lines(name: str, signal: Signal, *, hop_s: float | None, as_json: bool) -> Iterator[str]:
    """Yield the lines of a record.

    Parameters
    ----------
    name : str
        Folder of a trained system or of the models of a run, or the name of shipped models; empty: the default ones.
    signal : Signal
        The record.
    hop_s : float or None
        Length of a stretch; None: what the models take.
    as_json : bool
        One JSON object per line, and no heading.

    Yields
    ------
    str

    Raises
    ------
    DataError
        If the models are missing or damaged, or the record does not fit a system.
    UsageError
        If a stretch has a length that the models cannot take.
    """
    is_of_run = not name or name in list_shipped() or (Path(name) / "beats").is_dir()
    lines = _live_lines if is_of_run else _system_lines
    yield from lines(name or DEFAULT, signal, hop_s, as_json)


def _live_lines(name: str, signal: Signal, hop_s: float | None, as_json: bool) -> Iterator[str]:
    live = LiveModels(load_models(find_models(name)), signal.leads, signal.fs_hz, hop_s)
    if not as_json:
        yield (
            f"{signal.record}: models {name}, delay at most {live.delay_s:g} s. Start and end in seconds, rhythm, "
            "probability, beats N S V. Not for clinical use."
        )
        for note in (*signal.notes, signal.calibration_note, lead_note(signal, live.models)):
            if note:
                yield f"{signal.record}: {note}"
    for stretch in name_live(live, signal):
        label, posterior = stretch.rhythm or stretch.reason, _posterior(RHYTHMS, stretch.posterior_K.tolist())
        if as_json:
            line = {
                "start_s": stretch.start_s,
                "stop_s": stretch.stop_s,
                "class": stretch.rhythm or None,
                "probability": posterior[label] if stretch.rhythm else None,
                "posterior": posterior,
                "reason": stretch.reason,
                "beats": dict(zip(BEAT_CLASSES, stretch.num_beats, strict=True)),
            }
            yield json.dumps(line)
        else:
            counts = " ".join(map(str, stretch.num_beats))
            shown = f"{posterior[label]:.3f}" if stretch.rhythm else "  -  "
            yield f"{stretch.start_s:10.2f} {stretch.stop_s:10.2f}  {label:<14} {shown}  {counts}"


def _system_lines(name: str, signal: Signal, hop_s: float | None, as_json: bool) -> Iterator[str]:
    opened = open_stream(Path(name), signal.fs_hz, hop_s=hop_s)
    preparation = opened.preparation
    if not as_json:
        segment_s = preparation.num_samples / preparation.fs_hz
        yield (
            f"{signal.record}: {preparation.system}, segments of {segment_s:g} s at {preparation.fs_hz:g} Hz, "
            f"delay at most {opened.delay_s:.1f} s. Not for clinical use."
        )
    for start_s, stop_s, posterior_K in name_record(opened, signal):
        posterior = _posterior(preparation.classes, posterior_K.tolist())
        best = max(posterior, key=lambda name: posterior[name] or 0.0)
        if as_json:
            line = {"start_s": start_s, "stop_s": stop_s, "class": best, "probability": posterior[best]}
            yield json.dumps(line | {"posterior": posterior})
        else:
            yield f"{start_s:10.2f} {stop_s:10.2f}  {best:<6} {posterior[best]:.3f}"


def _posterior(classes: Sequence[str], probability_K: Sequence[float]) -> dict[str, float | None]:
    """Return probabilities by class, rounded; None where one is not known."""
    pairs = zip(classes, probability_K, strict=True)
    return {name: round(float(value), 6) if value == value else None for name, value in pairs}
