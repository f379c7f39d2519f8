"""What ``ecgfeat explain`` does: read a record, explain a number of a model at a time, draw it, and say it in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecgfeat.clock import seconds_text
from ecgfeat.errors import UsageError
from ecgfeat.files import read
from ecgfeat.files.formats import record_name
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.store.publish import publish


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
        ``beat``: the class of the beat; ``rhythm``: the rhythm at it; or the folder of a trained system.
    models : str
        Folder of the models of a run, or name of shipped ones; empty: the default ones.
    out : Path, optional
        File to write, ``.svg`` or ``.png``; by default an SVG named after record and time, in this folder.
    answer : str
        Class or rhythm that is explained; empty: the predicted one.
    baseline : str
        Of `ecgfeat.saliency.beats.BASELINES` or `ecgfeat.saliency.rhythms.BASELINES`; empty: the first of them.
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
        from ecgfeat.prediction.models import load_models
        from ecgfeat.saliency import beats, rhythms
        from ecgfeat.saliency.seen import see_record
        from ecgfeat.store.names import BEAT_CLASSES

        is_beat = of == "beat"
        loaded = load_models(find_models(models or DEFAULT))
        seen = see_record(signal, loaded, at_s)
        explain: Any = beats.explain_beat if is_beat else rhythms.explain_rhythm
        chosen = {"baseline": baseline} if baseline else {}
        explanation = explain(loaded, seen, seen.find_beat(at_s), answer=answer, **chosen)
        labels = [BEAT_CLASSES[label] for label in seen.label]
        strip = make_strip(explanation, signal.signal_mv_SC, signal.fs_hz, signal.leads, seen.time_s, labels)
    else:
        from ecgfeat.arena.checkpoint import load_system
        from ecgfeat.deploy.preparation import read_preparation
        from ecgfeat.saliency.systems import explain_segment

        if not Path(of).is_dir():
            raise UsageError("--of", found=of, expected="beat, rhythm, or the folder of a trained system")
        if baseline or models:
            raise UsageError(
                "--baseline" if baseline else "--models", found=f"a system, {of}", expected="--of beat or --of rhythm"
            )
        system, described = load_system(Path(of))
        preparation = read_preparation(described)
        explanation = explain_segment(system, preparation, signal, at_s, answer=answer)
        picked_mv_SC = preparation.pick_leads(signal)
        strip = make_strip(explanation, picked_mv_SC, signal.fs_hz, explanation.columns)
    target = out or Path(f"{record_name(path)}-{Path(of).name}-{seconds_text(explanation.at_s)}s.svg")
    figure = draw_strip(strip)
    with publish(target) as part:
        part.write_bytes(to_png(figure) if target.suffix == ".png" else to_svg(figure))
    return [f"{target}:", *explanation.as_lines()], explanation.as_dict()
