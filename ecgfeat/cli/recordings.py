"""Commands for your own recordings: draw, explain, predict, look at them in a page, predict as it comes."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ecgfeat.cli.options import RECORDING, Fs, Json, Leads, Unit, app
from ecgfeat.errors import UsageError, printable
from ecgfeat.terminal import print_json

PAGES = {"pdf": "ecgfeat.paper.pdf:write_pdf", "html": "ecgfeat.view.twin:write_html"}
"""Pages of a prediction, and where the functions are that draw them: they are imported when they are wanted."""


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
        typer.Option(help="Extension of the annotation file; by default atr, else what predict wrote."),
    ] = None,
    predictions: Annotated[Path | None, typer.Option(help="Folder that predict wrote to.")] = None,
    day: Annotated[bool, typer.Option("--day", help="Draw the whole record on one picture.")] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Write the PDF of a predicted record; --lead chooses the leads of its strips.")
    ] = False,
    layout: Annotated[str | None, typer.Option(help="Layout of twelve leads: 3x4, 6x2 or 12x1.")] = None,
    fs: Fs = None,
    unit: Unit = None,
    lead: Leads = None,
) -> None:
    """Draw a part of RECORD on ECG paper, all of it on one picture, or a PDF.

    R-peaks, classes and rhythms come from the annotations, or from what ecgfeat predict wrote of the record. Without
    any, R-peaks are detected, and quality is drawn.
    """
    given: Any = {"annotation": annotation, "predictions": predictions, "out": out}
    given |= {"fs_hz": fs, "leads": lead, "unit": unit}
    if day or pdf:
        from ecgfeat.paper.command import plot_day, plot_pdf

        if from_s or to_s is not None or layout is not None or (day and pdf):
            found = "--pdf too" if day and pdf else "a part or a layout too"
            raise UsageError("--day" if day else "--pdf", found=found, expected="one of them")
        typer.echo(plot_day(record, **given) if day else plot_pdf(record, **given))
        return
    from ecgfeat.look.strip import plot_record

    target, strip = plot_record(record, from_s, to_s, layout=layout, **given)
    typer.echo(printable(f"{target}: {strip.title}, {len(strip.rpeak_s)} beats. {strip.note}"))


@app.command()
def explain(
    record: Annotated[Path, typer.Argument(help=RECORDING)],
    at_s: Annotated[float, typer.Option("--at-s", help="Time of a beat, in seconds from the start of the record.")],
    of: Annotated[str, typer.Option(help="beat, rhythm, or the folder of a trained model of a run.")] = "beat",
    answer: Annotated[str, typer.Option("--class", help="Class or rhythm; by default the predicted one.")] = "",
    baseline: Annotated[
        str, typer.Option(help="Of a beat or published head: usual or flat. Of a rhythm: regular or mean.")
    ] = "",
    models: Annotated[str, typer.Option(help="Folder with the models of a run, or a name of shipped ones.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Picture to write, .svg or .png; by default an .svg in this folder.")
    ] = None,
    fs: Fs = None,
    unit: Unit = None,
    lead: Leads = None,
    as_json: Json = False,
) -> None:
    """Draw what moved a number of a model at a time of RECORD. Exploratory.

    Prints the parts of the number, the share of it that the picture shows, and how alike the picture is to one of a
    model that has learnt nothing. The picture shows what moved the model, not why the heart did it.
    """
    from ecgfeat.saliency.command import explain_recording

    given = (record, at_s, of, models, out, answer, baseline)
    lines, described = explain_recording(*given, fs_hz=fs, leads=lead, unit=unit)
    if as_json:
        print_json(described)
    else:
        typer.echo("\n".join(map(printable, lines)))


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
    views: Annotated[int, typer.Option(min=1, help="Number of views that a timeline head averages.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    formats: Annotated[
        str, typer.Option("--format", help="What to write: some of parquet,csv,wfdb,json,pdf,html.")
    ] = "parquet,wfdb",
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Of many records: processes of this machine, or the Ray cluster of RAY_ADDRESS."),
    ] = "local",
    workers: Annotated[int, typer.Option(min=0, help="Records at the same time; 0: one per core.")] = 0,
    shard: Annotated[
        str | None, typer.Option(help="i/N: every N-th record from the i-th on, for N jobs that share the work.")
    ] = None,
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
        pages=PAGES,
        engine=engine,
        workers=workers,
        shard=shard,
        say=typer.echo,
    )


@app.command()
def view(
    records: Annotated[
        list[Path],
        typer.Argument(help="Recordings of any format, or folders of them; or the folder of a finished run."),
    ],
    fs: Fs = None,
    unit: Unit = None,
    lead: Leads = None,
    models: Annotated[
        str | None,
        typer.Option(help="Folder with the models of a run; by default those of a run in RECORDS, else shipped ones."),
    ] = None,
    predict: Annotated[bool, typer.Option(help="Predict beats and rhythms in the background.")] = True,
    out: Annotated[Path, typer.Option(help="Folder to write reviews to.")] = Path(),
    subject: Annotated[
        str,
        typer.Option(
            help="Whose a recording is: `folder`, the first folder of its path; an expression whose group is the "
            "patient, as '(p[0-9]+)_'; or a table.csv of record,subject."
        ),
    ] = "",
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to predict.")] = "auto",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the address; 0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    expose_to_network: Annotated[
        bool,
        typer.Option(
            "--expose-to-network", help="Let other machines open the page. What it sends is not encrypted. Default: no."
        ),
    ] = False,
) -> None:
    """Show RECORDS in a web page of this machine.

    A strip on a millimetre grid with calipers, the whole record, heart rate, beats, rhythms and their probabilities. A
    reference annotation (.atr) beside a WFDB record is shown too. Of a run, the records that it used are shown,
    those of the test first. Ctrl-C ends it.
    """
    from ecgfeat.view.command import view_records

    view_records(
        records,
        fs_hz=fs,
        leads=lead,
        unit=unit,
        models=models,
        predicts=predict,
        out=out,
        subject=subject,
        device=device,
        port=port,
        opens_browser=browser,
        is_exposed=expose_to_network,
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
