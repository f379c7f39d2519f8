"""The command ``ecgfeat``: look at what the pipeline made, and use it on a record of one's own.

Exit codes: 0 done, 1 a fault in data, 2 wrong use. A fault is one red line; ``ECGFEAT_DEBUG=1`` shows the traceback.
Slow libraries are imported where they are used, so that ``--help`` is quick.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ecgfeat.errors import DataError, UsageError

app = typer.Typer(
    help="Raw PhysioNet records to beat features and rhythm diagnoses: look, check, draw, predict.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

# typer brings its own copy of click, whose errors it does not export: the base of one of them is the one of all.
ClickError: type[Exception] = typer.BadParameter.__mro__[2]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        return int(app(given, prog_name="ecgfeat", standalone_mode=False) or 0)
    except BrokenPipeError:
        # The reader of a pipe has had enough; the interpreter must not try to flush what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (DataError, UsageError, ClickError, OSError) as error:
        if os.environ.get("ECGFEAT_DEBUG"):
            raise
        return _fail(error)
    except (KeyboardInterrupt, typer.Abort):
        return 130


def _fail(error: Exception) -> int:
    """Print what is wrong as one red line, and return the exit code it stands for."""
    if isinstance(error, OSError):
        message = f"{error.filename or 'ecgfeat'}: {error.strerror or error}."
    elif isinstance(error, ClickError):
        told = str(error.format_message())  # type: ignore[attr-defined]
        message = f"{told}{'' if told.endswith(('.', '?')) else '.'} Try: ecgfeat --help"
    else:
        message = str(error)
    red = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    print(f"{red[0]}{' '.join(message.split())}{red[1]}", file=sys.stderr)
    return 2 if isinstance(error, UsageError | ClickError) else 1


def _version(asked: bool) -> None:
    if asked:
        import ecgfeat

        typer.echo(f"ecgfeat {ecgfeat.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def _bar(**options: Any) -> Any:
    """Return a progress bar that appears after a second."""
    from tqdm import tqdm

    # On a terminal only: a file or a pipe gets the result and nothing else.
    return tqdm(delay=1, disable=None, dynamic_ncols=True, leave=False, file=sys.stderr, **options)


@app.command()
def models(checks_as_json: Json = False) -> None:
    """List the models and their numbers of parameters, as published.

    In JSON also, of those that are networks of the arena's systems, who described them and where their settings are.
    """
    from ecgfeat.arena import list_models

    listed = list_models()
    if checks_as_json:
        _print_json(listed)
        return
    width = max(len(one["name"]) for one in listed)
    for one in listed:
        typer.echo(f"{one['name']:<{width}}  {one['parameters']:>10,}  {one['summary']}")


@app.command()
def protocol(
    corpus: Annotated[str, typer.Argument(help="Slug of a corpus, such as ltafdb.")],
    raw: Annotated[Path, typer.Option(help="Folder with its headers and annotation files.")],
    checks_as_json: Json = False,
) -> None:
    """Count the records and episodes of each split.

    Episodes are those that a window of the rhythm task can be drawn for.
    """
    from ecgfeat.corpora import get_corpus

    facts = get_corpus(corpus)
    if not raw.is_dir():
        raise DataError(
            str(raw), found="no such folder", expected=f"the files of {corpus}", remedy="Name it with --raw."
        )
    from ecgfeat.rhythm.protocol import protocol_counts

    with _bar(desc=f"protocol {corpus}", unit="record", total=len(facts.records) or None) as bar:
        counts = protocol_counts(facts, raw, on_record=lambda record: bar.update())
    if checks_as_json:
        _print_json(counts)
        return
    splits = list(counts["episodes"])
    typer.echo("            " + "".join(f"{split:>12}" for split in splits))
    typer.echo("records     " + "".join(f"{counts['records'][split]:>12,}" for split in splits))
    for name in counts["episodes"][splits[0]]:
        typer.echo(f"{name:<12}" + "".join(f"{counts['episodes'][split][name]:>12,}" for split in splits))
    typer.echo(f"test records: {' '.join(counts['test_records'])}")


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A table, a store, a model, a corpus, a record, or a folder of them.")],
    checks_as_json: Json = False,
) -> None:
    """Say what lies at PATH.

    Schema, columns and arrays with units, records, rows, params, and whether it is complete.
    """
    from ecgfeat.look.description import as_text, describe

    described = describe(path)
    if checks_as_json:
        _print_json(described)
    else:
        typer.echo(as_text(described))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Artifacts, or folders of them.")],
    checks_as_json: Json = False,
) -> None:
    """Read the PATHS through and tell every fault.

    Schema, completeness, rows, checksums, and alignment with the table beside; a folder with all that is in it.
    """
    from ecgfeat.look.artifacts import find_artifacts
    from ecgfeat.look.checks import check_artifact, checks_as_lines
    from ecgfeat.look.checks import checks_as_json as check_as_json

    artifacts, empty = [], []
    for path in paths:
        found = list(find_artifacts(path))
        artifacts += found
        empty += [] if found else [str(path)]
    if empty:
        raise DataError(", ".join(empty), found="no artifact in it", expected="tables, stores, models or records")
    checks = []
    with _bar(desc="check", unit="B", unit_scale=True) as bar:
        for artifact in artifacts:
            checks.append(check_artifact(artifact, on_read=bar.update))
            if not checks_as_json:
                for line in checks_as_lines(checks[-1]):
                    bar.write(line)
    if checks_as_json:
        _print_json([check_as_json(one) for one in checks])
    faults = sum(len(one.faults) for one in checks)
    if faults:
        bad = sum(bool(one.faults) for one in checks)
        raise DataError(f"{faults} fault{'s' * (faults > 1)} in {bad} of {len(checks)} artifacts.")


@app.command()
def plot(
    record: Annotated[Path, typer.Argument(help="WFDB record without extension, such as data/raw/mitdb/100.")],
    from_s: Annotated[float, typer.Option("--from-s", help="Start, in seconds from the start of the record.")] = 0.0,
    to_s: Annotated[float | None, typer.Option("--to-s", help="End; by default 10 s later.")] = None,
    out: Annotated[Path | None, typer.Option(help="Picture to write, .svg or .png; by default here.")] = None,
    annotation: Annotated[
        str | None, typer.Option(help="Extension of the annotations; by default atr, or else R-peaks are detected.")
    ] = None,
) -> None:
    """Draw a stretch of RECORD on ECG paper.

    With R-peaks, beat classes and rhythms from its annotations; without annotations, with detected R-peaks.
    """
    if out is not None and out.suffix not in (".svg", ".png"):
        raise UsageError("--out", found=out.name, expected="a name that ends in .svg or .png")
    from ecgfeat.look.strip import read_strip
    from ecgfeat.report.strip import draw_strip
    from ecgfeat.report.style import to_png, to_svg
    from ecgfeat.store.publish import publish

    strip = read_strip(record, from_s, to_s, annotation)
    end_s = strip.start_s + len(strip.signal_mv_SC) / strip.fs_hz
    name = record.stem if record.suffix in (".hea", ".dat") else record.name
    target = out or Path(f"{name}-{strip.start_s:.4g}-{end_s:.4g}s.svg")
    figure = draw_strip(strip)
    with publish(target) as part:
        part.write_bytes(to_png(figure) if target.suffix == ".png" else to_svg(figure))
    typer.echo(f"{target}: {strip.title}, {len(strip.rpeak_s)} beats. {strip.note}")


@app.command()
def predict(
    record: Annotated[Path, typer.Argument(help="WFDB record, or array.npy (samples, leads) in mV.")],
    fs: Annotated[float | None, typer.Option("--fs", help="Rate of the array in Hz.")] = None,
    htf: Annotated[Path, typer.Option(help="Folder of the beat embedder.")] = Path("models/htf"),
    rhythm: Annotated[Path, typer.Option(help="Folder of a timeline or window head.")] = Path("models/timeline"),
    views: Annotated[int, typer.Option(min=1, help="Views that the timeline head averages.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
) -> None:
    """Find the beats and rhythms of RECORD.

    Writes two tables and a WFDB annotation file. Reads no annotation. The timeline head names the rhythm of every beat,
    the window head that of every 10 s. The first two leads by position are used; a record with one lead gets an
    invalid second one.
    """
    is_array = record.suffix == ".npy"
    if is_array and fs is None:
        raise UsageError(
            str(record), found="an array and no --fs", expected="its sampling frequency", remedy="Add --fs HZ."
        )
    if not is_array and fs is not None:
        raise UsageError(
            "--fs", found=f"{fs:g} for a WFDB record", expected="its header to state the rate", remedy="Leave it out."
        )
    from ecgfeat.device import choose_device
    from ecgfeat.predict.files import summarise_prediction, write_prediction
    from ecgfeat.predict.predictor import load_predictor
    from ecgfeat.predict.record import predict_record
    from ecgfeat.records.input import read_array, read_record

    predictor = load_predictor(htf, rhythm)
    signal = read_array(record, float(fs or 0)) if is_array else read_record(record)
    with _bar(desc=f"predict {signal.record}", unit="beat") as bar:
        prediction = predict_record(
            signal, predictor, num_views=views, device=choose_device(device), on_beats=bar.update
        )
    for note in prediction.notes:
        typer.echo(f"{signal.record}: {note}")
    tables = (prediction.beats, prediction.episodes)
    written = write_prediction(out, signal.record, *tables, signal.fs_hz, prediction.made_by)
    typer.echo(summarise_prediction(signal.record, *tables, prediction.duration_s))
    typer.echo(f"{', '.join(map(str, written))}. Not for clinical use.")


@app.command()
def stream(
    system: Annotated[Path, typer.Argument(help="Folder of a trained system, such as models/systems/resnet1d.")],
    record: Annotated[Path, typer.Argument(help="WFDB record without extension, such as data/raw/mitdb/100.")],
    hop: Annotated[
        float | None, typer.Option(help="Seconds between windows, a whole part of one; by default they do not overlap.")
    ] = None,
    checks_as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")] = False,
) -> None:
    """Name RECORD window by window with a trained SYSTEM, as if it were live.

    One line for each stretch as soon as no later sample can change it: start and end in seconds, most probable class,
    probability. In JSON, the probability of every class. Leads are read by position, those of diagnostic corpora by
    name.
    """
    from ecgfeat.deploy.stream import name_record, open_stream
    from ecgfeat.records.input import read_record

    signal = read_record(record)
    opened = open_stream(system, signal.fs_hz, hop_s=hop)
    told = opened.preparation
    if not checks_as_json:
        window_s = told.num_samples / told.fs_hz
        typer.echo(
            f"{signal.record}: {told.system} on windows of {window_s:g} s at {told.fs_hz:g} Hz, "
            f"{opened.delay_s:.1f} s behind at most. Not for clinical use."
        )
    for start_s, stop_s, posterior_K in name_record(opened, signal):
        posterior = dict(zip(told.classes, (round(float(p), 6) for p in posterior_K), strict=True))
        best = max(posterior, key=lambda name: posterior[name])
        if checks_as_json:
            one = {"start_s": start_s, "stop_s": stop_s, "class": best, "probability": posterior[best]}
            typer.echo(json.dumps(one | {"posterior": posterior}))
        else:
            typer.echo(f"{start_s:10.2f} {stop_s:10.2f}  {best:<6} {posterior[best]:.3f}")


@app.command()
def export(
    system: Annotated[Path, typer.Argument(help="Folder of a trained system, such as models/systems/cnn_attn_bilstm.")],
    out: Annotated[Path, typer.Argument(help="File to write, such as cnn_attn_bilstm.onnx.")],
    int8: Annotated[
        Path | None,
        typer.Option("--int8", help="WFDB record to choose the ranges of 8-bit integers by; without it, float32."),
    ] = None,
) -> None:
    """Write a trained SYSTEM as an ONNX file, in float32 or in 8-bit integers.

    The file takes z-scored windows (records, leads, samples) at the system's own rate and gives logits. Rate, band,
    scaling, classes and task are in its metadata.
    """
    from ecgfeat.arena.checkpoint import load_system
    from ecgfeat.deploy.onnx import export_system
    from ecgfeat.deploy.preparation import read_preparation
    from ecgfeat.records.input import read_record

    loaded, described = load_system(system)
    told = read_preparation(described)
    size = export_system(loaded, told, out, None if int8 is None else read_record(int8))
    shape = f"(records, {told.num_leads}, {told.num_samples}) at {told.fs_hz:g} Hz"
    band = f"{told.low_hz:g} to {told.high_hz:g}"
    typer.echo(f"{out}: {size:,} bytes; takes {shape}, z-scored, of a signal filtered from {band} Hz (0: open).")


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Option(help="Folder of prediction tables, or one of them.")] = Path(
        "reports/predictions"
    ),
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the subjects; 0: no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 42,
    oracle_rpeaks: Annotated[bool | None, typer.Option(help="R-peaks were annotated.")] = None,
    oracle_history: Annotated[bool | None, typer.Option(help="Labels of preceding beats were true ones.")] = None,
    oracle_episodes: Annotated[bool | None, typer.Option(help="Episodes were known.")] = None,
    checks_as_json: Json = False,
) -> None:
    """Score the prediction tables again.

    Gives the numbers of reports/scores.json, from the tables and nothing else.
    """
    from ecgfeat.scoring.evaluation import as_table, score_predictions

    scores = score_predictions(
        predictions,
        oracles={"rpeaks": oracle_rpeaks, "history": oracle_history, "episodes": oracle_episodes},
        num_resamples=bootstrap,
        seed=seed,
    )
    if checks_as_json:
        _print_json(scores)
    else:
        typer.echo(as_table(scores))


if __name__ == "__main__":
    sys.exit(main())
