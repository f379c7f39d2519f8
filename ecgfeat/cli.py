"""The command ``ecgfeat``: inspect the results of the pipeline, and use them on your own records.

Exit codes: 0 done, 1 a fault in data, 2 wrong use. A fault is one red line; ``ECGFEAT_DEBUG=1`` shows the traceback.
Slow libraries are imported where they are used, so that ``--help`` is fast.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.terminal import print_json, progress_bar, run_app

app = typer.Typer(
    help="From raw PhysioNet records to beat features and rhythm diagnoses: inspect, check, plot, predict.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RECORDING = "A recording of any format; a WFDB record without extension, such as data/raw/mitdb/100."
Fs = Annotated[float | None, typer.Option("--fs", help="Sampling rate in Hz, for a file that states none.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Unit of the samples, mV, uV or V, for a file without one.")]
Leads = Annotated[
    list[str] | None,
    typer.Option(
        "--lead", help="Lead to read, by name or position from 0; repeat it for more. Default: all ECG leads."
    ),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit code.
    """
    return run_app(app, list(sys.argv[1:] if arguments is None else arguments) or ["--help"])


def _version(is_set: bool) -> None:
    if is_set:
        from ecgfeat.version import __version__

        typer.echo(f"ecgfeat {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read the options in front of a command."""


@app.command()
def models(as_json: Json = False) -> None:
    """List the models with their numbers of parameters, as published.

    For networks of the arena, the JSON also has their publication and their section of params.yaml.
    """
    from ecgfeat.arena import list_models

    listed = list_models()
    if as_json:
        print_json(listed)
        return
    width = max(len(model["name"]) for model in listed)
    for model in listed:
        typer.echo(f"{model['name']:<{width}}  {model['parameters']:>10,}  {model['summary']}")


@app.command()
def protocol(
    corpus: Annotated[str, typer.Argument(help="Slug of a corpus, such as ltafdb.")],
    raw: Annotated[Path, typer.Option(help="Folder with its headers and annotation files.")],
    as_json: Json = False,
) -> None:
    """Count the records and episodes of each split.

    An episode counts if the rhythm task can draw a 10 s segment for it.
    """
    from ecgfeat.corpora import get_corpus

    facts = get_corpus(corpus)
    if not raw.is_dir():
        raise DataError(
            str(raw), found="no such folder", expected=f"the files of {corpus}", remedy="Name it with --raw."
        )
    from ecgfeat.rhythm.protocol import counts_as_text, protocol_counts

    with progress_bar(desc=f"protocol {corpus}", unit="record", total=len(facts.records) or None) as bar:
        counts = protocol_counts(facts, raw, on_record=lambda record: bar.update())
    if as_json:
        print_json(counts)
    else:
        typer.echo(counts_as_text(counts))


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A table, a store, a model, a corpus, a record, or a folder of them.")],
    fs: Fs = None,
    unit: Unit = None,
    as_json: Json = False,
) -> None:
    """Describe the artifact, recording or folder at PATH.

    Shows schema, columns and arrays with units, records, rows, params, and whether it is complete.
    """
    from ecgfeat.look.description import as_text, describe

    described = describe(path, fs_hz=fs, unit=unit)
    if as_json:
        print_json(described)
    else:
        typer.echo(as_text(described))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Artifacts, or folders of them.")],
    as_json: Json = False,
) -> None:
    """Read the PATHS completely and list all faults.

    Checks schema, completeness, rows, checksums, and alignment with neighbouring tables. A folder is checked with
    everything below it.
    """
    from ecgfeat.look.artifacts import find_all_artifacts
    from ecgfeat.look.checks import check_artifact, check_as_json, check_as_lines

    artifacts = find_all_artifacts(paths)
    checks = []
    with progress_bar(desc="check", unit="B", unit_scale=True) as bar:
        for artifact in artifacts:
            checks.append(check_artifact(artifact, on_read=bar.update))
            for line in () if as_json else check_as_lines(checks[-1]):
                bar.write(line)
    if as_json:
        print_json([check_as_json(result) for result in checks])
    num_faults = sum(len(result.faults) for result in checks)
    if num_faults:
        num_damaged = sum(bool(result.faults) for result in checks)
        raise DataError(f"{num_faults} fault{'s' * (num_faults > 1)} in {num_damaged} of {len(checks)} artifacts.")


@app.command()
def plot(
    record: Annotated[Path, typer.Argument(help=RECORDING)],
    from_s: Annotated[float, typer.Option("--from-s", help="Start, in seconds from the start of the record.")] = 0.0,
    to_s: Annotated[float | None, typer.Option("--to-s", help="End in seconds; by default 10 s later.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture to write, .svg or .png; by default an .svg in this folder.")
    ] = None,
    annotation: Annotated[
        str | None,
        typer.Option(help="Extension of the annotation file; by default atr. Without a file, R-peaks are detected."),
    ] = None,
    fs: Fs = None,
    unit: Unit = None,
    lead: Leads = None,
) -> None:
    """Draw a part of RECORD on ECG paper.

    R-peaks, classes and rhythms come from the annotations. Without any, R-peaks are detected, and quality is drawn.
    """
    from ecgfeat.look.strip import plot_record

    target, strip = plot_record(record, from_s, to_s, annotation=annotation, leads=lead, fs_hz=fs, unit=unit, out=out)
    typer.echo(printable(f"{target}: {strip.title}, {len(strip.rpeak_s)} beats. {strip.note}"))


@app.command()
def explain(
    record: Annotated[Path, typer.Argument(help=RECORDING)],
    at_s: Annotated[float, typer.Option("--at-s", help="Time of a beat, in seconds from the start of the record.")],
    of: Annotated[str, typer.Option(help="beat, rhythm, or the folder of a trained system.")] = "beat",
    answer: Annotated[str, typer.Option("--class", help="Class or rhythm; by default the predicted one.")] = "",
    baseline: Annotated[str, typer.Option(help="Of a beat: usual or flat. Of a rhythm: regular or mean.")] = "",
    models: Annotated[str, typer.Option(help="Folder with the models of a run, or a name of shipped ones.")] = "",
    out: Annotated[Path | None, typer.Option(help="Picture to write, .svg or .png.")] = None,
    fs: Fs = None,
    unit: Unit = None,
    lead: Leads = None,
    as_json: Json = False,
) -> None:
    """Draw what moved a number of a model at a time of RECORD, and print its parts and checks. Exploratory."""
    from ecgfeat.saliency.command import explain_recording

    given = (record, at_s, of, models, out, answer, baseline)
    lines, described = explain_recording(*given, fs_hz=fs, leads=lead, unit=unit)
    print_json(described) if as_json else typer.echo("\n".join(map(printable, lines)))


@app.command()
def predict(
    records: Annotated[list[Path], typer.Argument(help="Recordings of any format, or folders of them.")],
    fs: Fs = None,
    unit: Unit = None,
    lead: Leads = None,
    models: Annotated[
        str | None, typer.Option(help="Folder with the models of a run; by default the shipped ones are taken.")
    ] = None,
    rhythm: Annotated[
        Path | None,
        typer.Option(help="Folder of a published timeline or window head, to take it and its embedder instead."),
    ] = None,
    htf: Annotated[Path | None, typer.Option(help="Folder of its beat embedder; by default htf beside it.")] = None,
    views: Annotated[int, typer.Option(min=1, help="Number of views that a timeline head averages.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    formats: Annotated[
        str, typer.Option("--format", help="What to write: some of parquet,csv,wfdb,json.")
    ] = "parquet,wfdb",
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
) -> None:
    """Predict the beats and rhythms of RECORDS.

    Writes tables of beats and episodes and a WFDB annotation file of each. Annotations of a record are not read. Time
    without usable signal, or in which no rhythm is certain enough, gets a reason instead. Beats are found in all ECG
    leads; their classes come from the first two. Of many recordings, those that fail are listed at the end.
    """
    from ecgfeat.outputs.command import predict_recordings

    predict_recordings(
        records,
        out,
        fs_hz=fs,
        leads=lead,
        unit=unit,
        models=models,
        rhythm=rhythm,
        htf=htf,
        num_views=views,
        formats=[kind.strip() for kind in formats.split(",")],
        device=device,
        say=typer.echo,
    )


@app.command()
def stream(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[SYSTEM] RECORD",
            help="A trained system, such as models/systems/resnet1d, or the folder of the models of a run; by default "
            "those that are shipped. And a WFDB record without extension, such as data/raw/mitdb/100.",
        ),
    ],
    hop: Annotated[
        float | None,
        typer.Option(help="Seconds between stretches; of a system a whole fraction of its segment, the default."),
    ] = None,
    fs: Fs = None,
    unit: Unit = None,
    lead: Leads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")] = False,
) -> None:
    """Predict RECORD stretch by stretch, as for a live signal.

    Prints a line as soon as no later sample can change it: start and end in seconds, most probable class, probability.
    The JSON has the probability of every class. The models of a run read the last five minutes at every line, and count
    beats. A system reads segments. Leads are read by position, by systems of diagnostic corpora by name.
    """
    from ecgfeat.deploy.lines import stream_lines
    from ecgfeat.files import read

    if len(names) > 2:
        raise UsageError("stream", found=f"{len(names)} names", expected="a record, or a system and a record")
    signal = read(Path(names[-1]), fs_hz=fs, leads=lead, unit=unit)
    for line in stream_lines(names[0] if len(names) == 2 else "", signal, hop_s=hop, as_json=as_json):
        typer.echo(line)


@app.command()
def export(
    model: Annotated[
        str,
        typer.Argument(
            help="Folder of a trained system, such as models/systems/cnn_attn_bilstm, or of the models of a run, such "
            "as models; or the name of shipped models."
        ),
    ],
    out: Annotated[
        Path, typer.Argument(help="File to write, such as cnn_attn_bilstm.onnx; for the models of a run, a folder.")
    ],
    int8: Annotated[
        Path | None,
        typer.Option("--int8", help="WFDB record that sets the ranges of 8-bit integers; without it, float32."),
    ] = None,
) -> None:
    """Write a trained system as an ONNX file, or the default models as a folder of them.

    A system, in float32 or in 8-bit integers. Input of the file: z-scored segments (records, leads, samples) at the
    sampling rate of the system. Output: logits. Rate, band, scaling, classes and task are in its metadata.

    The default models, beat classifier and rhythm head, in float32: four files and models.json, which
    ecgfeat.deploy.light runs with numpy and onnxruntime alone.
    """
    from ecgfeat.deploy.onnx import export_named

    for line in export_named(model, out, int8):
        typer.echo(line)


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Option(help="Folder of prediction tables, or one of them.")] = Path(
        "reports/predictions"
    ),
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the subjects; 0: no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 42,
    oracle_rpeaks: Annotated[bool | None, typer.Option(help="R-peaks were annotated. Default: as recorded.")] = None,
    oracle_history: Annotated[bool | None, typer.Option(help="Preceding beats had reference labels.")] = None,
    oracle_episodes: Annotated[bool | None, typer.Option(help="The models were given the episodes.")] = None,
    as_json: Json = False,
) -> None:
    """Score the prediction tables again.

    Computes the numbers of reports/scores.json from the tables alone.
    """
    from ecgfeat.scoring.evaluation import as_table, score_predictions

    scores = score_predictions(
        predictions,
        oracles={"rpeaks": oracle_rpeaks, "history": oracle_history, "episodes": oracle_episodes},
        num_resamples=bootstrap,
        seed=seed,
    )
    if as_json:
        print_json(scores)
    else:
        typer.echo(as_table(scores))


if __name__ == "__main__":
    sys.exit(main())
