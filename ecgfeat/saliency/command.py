"""What ``ecgfeat explain`` does: read a record, explain a number of a model at a time, draw it, and say it in words."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ecgfeat.clock import seconds_text
from ecgfeat.errors import UsageError
from ecgfeat.files import read
from ecgfeat.files.formats import record_name
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.store.publish import publish

if TYPE_CHECKING:
    from ecgfeat.records.reader import Signal
    from ecgfeat.saliency.explanation import Explanation


def explain_recording(
    path: Path,
    at_s: float,
    of: str = "beat",
    models: str = "",
    out: Path | None = None,
    answer: str = "",
    baseline: str = "",
    *,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
) -> tuple[list[str], dict[str, Any]]:
    """Explain a number of a model at a time of a recording, and write a picture of it.

    Parameters
    ----------
    path : Path
        A recording of any format.
    at_s : float
        Seconds from the start: the nearest beat is explained, or the segment that holds it.
    of : str
        ``beat``: the class of the beat; ``rhythm``: the rhythm at it; or the folder of a trained model of a run: a
        published system, a published rhythm head, ``rr_trees``, ``baselines``, or a fold of ``record_trees``.
    models : str
        Folder of the models of a run, or name of shipped ones; empty: the default ones.
    out : Path, optional
        File to write, ``.svg`` or ``.png``; by default an SVG named after record and time, in this folder.
    answer : str
        Class or rhythm that is explained; empty: the predicted one.
    baseline : str
        Of ``BASELINES`` in `ecgfeat.saliency.beats`, `ecgfeat.saliency.rhythms` or `ecgfeat.saliency.published`;
        empty: the first of them.
    fs_hz, leads, unit
        As `ecgfeat.files.read` takes them.

    Returns
    -------
    lines : list of str
        The name of the picture, and the explanation in words.
    described : dict
        The same in JSON types, with the map.

    Raises
    ------
    UsageError
        If there is no such model, class or baseline, or the file name has another ending.
    DataError
        If the recording or a model is damaged, or there is no beat near the time.
    """
    if out is not None and out.suffix not in (".svg", ".png"):
        raise UsageError("--out", found=out.name, expected="a name that ends in .svg or .png")
    # captum and matplotlib first: what is not installed is said before a model computes.
    import captum  # noqa: F401

    from ecgfeat.report.drawings.strip import draw_strip
    from ecgfeat.report.drawings.style import to_png, to_svg
    from ecgfeat.saliency.drawing import make_strip

    signal = read(path, fs_hz=fs_hz, leads=leads, unit=unit)
    if of in ("beat", "rhythm"):
        explained = _explain_default(signal, at_s, of, models, answer, baseline)
    else:
        if models:
            raise UsageError("--models", found=f"a folder, {of}", expected="--of beat or --of rhythm")
        made_by = next((name for name in EXPLAINERS if (Path(of) / name).is_file()), None)
        if made_by is None:
            raise UsageError("--of", found=of, expected="beat, rhythm, or the folder of a trained model of a run")
        if baseline and made_by != _OF_HEAD:
            raise UsageError(
                "--baseline", found=f"{of}, which has one", expected="--of beat, --of rhythm, or a published head"
            )
        explained = EXPLAINERS[made_by](Path(of), signal, at_s, answer, baseline)
    explanation, *shown = explained
    strip = make_strip(explanation, shown[0], signal.fs_hz, *shown[1:])
    target = out or Path(f"{record_name(path)}-{Path(of).name}-{seconds_text(explanation.at_s)}s.svg")
    figure = draw_strip(strip)
    with publish(target) as part:
        part.write_bytes(to_png(figure) if target.suffix == ".png" else to_svg(figure))
    return [f"{target}:", *explanation.as_lines()], explanation.as_dict()


def _explain_default(
    signal: "Signal", at_s: float, of: str, models: str, answer: str, baseline: str
) -> tuple["Explanation", Any, Any, Any, list[str]]:
    """Explain a beat or a rhythm of the default models; with what is drawn: signal, leads, beats and their classes."""
    from ecgfeat.prediction.models import load_models
    from ecgfeat.saliency import beats, rhythms
    from ecgfeat.saliency.seen import see_record
    from ecgfeat.store.names import BEAT_CLASSES

    loaded = load_models(find_models(models or DEFAULT))
    seen = see_record(signal, loaded, at_s)
    explain: Any = beats.explain_beat if of == "beat" else rhythms.explain_rhythm
    chosen = {"baseline": baseline} if baseline else {}
    explanation = explain(loaded, seen, seen.find_beat(at_s), answer=answer, **chosen)
    return explanation, signal.signal_mv_SC, signal.leads, seen.time_s, [BEAT_CLASSES[label] for label in seen.label]


def _explain_system(folder: Path, signal: "Signal", at_s: float, answer: str, baseline: str) -> tuple[Any, ...]:
    """Explain a segment of a published system."""
    from ecgfeat.arena.checkpoint import load_system
    from ecgfeat.deploy.preparation import read_preparation
    from ecgfeat.saliency.systems import explain_segment

    system, described = load_system(folder)
    preparation = read_preparation(described)
    explanation = explain_segment(system, preparation, signal, at_s, answer=answer)
    return explanation, preparation.pick_leads(signal), explanation.columns


def _explain_head(folder: Path, signal: "Signal", at_s: float, answer: str, baseline: str) -> tuple[Any, ...]:
    """Explain a rhythm of a published head, whose embedder lies beside it."""
    from ecgfeat.prediction.chain import load_chain
    from ecgfeat.saliency.published import explain_chain, see_chain
    from ecgfeat.store.names import BEAT_CLASSES

    chain = load_chain(folder.parent / "htf", folder)
    seen = see_chain(signal, chain, at_s)
    chosen: Any = {"baseline": baseline} if baseline else {}
    explanation = explain_chain(chain, seen, answer=answer, **chosen)
    labels = [BEAT_CLASSES[label] for label in seen.stretch.label]
    return explanation, signal.signal_mv_SC, signal.leads, seen.time_s, labels


def _explain_rr_trees(folder: Path, signal: "Signal", at_s: float, answer: str, baseline: str) -> tuple[Any, ...]:
    """Explain a rhythm of the trees on RR intervals."""
    from ecgfeat.arrhythmia.plain import load_rr_trees
    from ecgfeat.saliency.intervals import explain_rr_trees
    from ecgfeat.saliency.seen import find_stretches

    trees, found = load_rr_trees(folder), find_stretches(signal, at_s)
    explanation = explain_rr_trees(trees, found, at_s, answer=answer)
    return explanation, signal.signal_mv_SC, signal.leads, found.time_s


def _explain_logistic(folder: Path, signal: "Signal", at_s: float, answer: str, baseline: str) -> tuple[Any, ...]:
    """Explain a rhythm of the logistic regression on RR intervals."""
    from ecgfeat.rhythm.baselines import read_baselines
    from ecgfeat.saliency.intervals import explain_logistic
    from ecgfeat.saliency.seen import find_stretches

    fitted, found = read_baselines(folder), find_stretches(signal, at_s)
    explanation = explain_logistic(fitted, found, at_s, answer=answer)
    return explanation, signal.signal_mv_SC, signal.leads, found.time_s


def _explain_record(folder: Path, signal: "Signal", at_s: float, answer: str, baseline: str) -> tuple[Any, ...]:
    """Explain a class of a whole record by the trees on its figures."""
    from ecgfeat.diagnosis.trees import load_record_trees
    from ecgfeat.saliency.trees import explain_record

    explanation = explain_record(*load_record_trees(folder), signal, at_s, answer=answer)
    return explanation, signal.signal_mv_SC, signal.leads


_OF_HEAD: Final = "model.json"
EXPLAINERS: Final[Mapping[str, Callable[..., tuple[Any, ...]]]] = {
    "system.json": _explain_system,
    _OF_HEAD: _explain_head,
    "rr_trees.json": _explain_rr_trees,
    "baselines.json": _explain_logistic,
    "trees.json": _explain_record,
}
"""What explains the models of a folder, by the file that describes them."""
