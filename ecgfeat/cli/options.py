"""The application whose commands this package holds, and the options that several of them have."""

from typing import Annotated

import typer

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
