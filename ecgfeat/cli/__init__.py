"""The command ``ecgfeat``: inspect the results of the pipeline, and use them on your own records.

Exit codes: 0 done, 1 a fault in data, 2 wrong use. A fault is one red line; ``ECGFEAT_DEBUG=1`` shows the traceback.
Slow libraries are imported where they are used, so that ``--help`` is fast.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ecgfeat.cli import recordings  # noqa: F401 (its commands)
from ecgfeat.cli.options import Fs, Json, Unit, app
from ecgfeat.errors import DataError, UsageError
from ecgfeat.process import prepare_process
from ecgfeat.terminal import print_json, progress_bar, run_app


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
    prepare_process()
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
def plan(
    preset: Annotated[
        str | None, typer.Option(help="Preset of conf/preset. Default: params.yaml as it stands.")
    ] = None,
    records: Annotated[int | None, typer.Option(min=1, help="Number of records, in place of the corpora.")] = None,
    hours: Annotated[float | None, typer.Option(min=0.01, help="Length of each of these records.")] = None,
    leads: Annotated[int, typer.Option(min=1, help="Leads of each.")] = 2,
    fs: Annotated[float, typer.Option("--fs", min=1, help="Their sampling rate in Hz.")] = 250,
    beats_per_hour: Annotated[float, typer.Option(min=1, help="Their beats in an hour.")] = 4700,
    disk_gb: Annotated[
        float | None, typer.Option(min=0, help="Free room on disk. Default: that of this folder.")
    ] = None,
    memory_gb: Annotated[float | None, typer.Option(min=0, help="Memory. Default: that of this machine.")] = None,
    as_json: Json = False,
) -> None:
    """Plan a run: disk, memory and time of each stage that works record by record, and time of training.

    In a checkout. The costs are measured on this machine, in three minutes, and kept. Where disk or memory will not do,
    the exit code is 1 and the last line says what to change.
    """
    import importlib

    from ecgfeat.corpora.sizes import size_of

    if not Path("params.yaml").is_file() or not Path("pipeline/run/plan.py").is_file():
        raise UsageError("plan", found="no params.yaml and pipeline here", expected="the folder of a checkout")
    if (records is None) != (hours is None):
        raise UsageError("plan", found="one of --records and --hours", expected="both, or none")
    sys.path.insert(0, str(Path.cwd()))
    planned = importlib.import_module("pipeline.run.plan").plan_run(
        preset=preset,
        stated=size_of(records, hours, fs_hz=fs, num_leads=leads, beats_per_hour=beats_per_hour)
        if records is not None and hours is not None
        else None,
        free_bytes=None if disk_gb is None else disk_gb * 1e9,
        memory_bytes=None if memory_gb is None else memory_gb * 1e9,
    )
    if as_json:
        print_json(planned.as_json())
    else:
        typer.echo("\n".join(planned.as_lines()))
    if planned.fault is not None:
        raise planned.fault


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
    reviews: Annotated[
        Path | None,
        typer.Option(help="Folder with reviews.parquet and what was predicted: score that against the reviews."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score the prediction tables again.

    Computes the numbers of reports/scores.json from the tables alone. With --reviews, scores the outputs of predict in
    the time that a reviewer has looked at.
    """
    if reviews is not None:
        from ecgfeat.reviews.score import as_lines, score_reviews

        compared = score_reviews(reviews)
        if as_json:
            print_json(compared.as_dict())
        else:
            typer.echo(as_lines(compared))
        return
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
