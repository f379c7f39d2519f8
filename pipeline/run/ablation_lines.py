"""What the shipped chain is made of, ingredient by ingredient, and the override that takes each away."""

from dataclasses import dataclass
from typing import Final, Literal

SIZE: Final = (
    "train_beats.folds=2",
    "train_beats.seeds=1",
    "train_beats.steps=60",
    "train_rhythm.per_rhythm=1",
    "train_rhythm.epochs=2",
    "train_rhythm.beats=256",
    "train_rhythm.width=32",
    "train_rhythm.blocks=2",
)
"""A smaller run than that of the preset real, the same for every line, so that all lines take an hour or two."""


@dataclass(frozen=True)
class Line:
    """An experiment.

    Attributes
    ----------
    part : {'beats', 'rhythm'}
        What is trained anew: the beat classifier, or the rhythm head on the beat classes of the run at hand.
    title : str
        What is left out. `WHOLE`: nothing; from several seeds, so that chance is seen.
    overrides : tuple of str
        What follows ``SET=``; none: all ingredients are there.
    stages : tuple of str
        Stages that are run besides the training of the part, before it.
    """

    part: Literal["beats", "rhythm"]
    title: str
    overrides: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()


WHOLE: Final = "nothing: all ingredients"

WINDOWED: Final = "rr_irregular,rr_variation,rr_rmssd,rr_median_change,rr_turning,rr_repeat"

LINES: Final = (
    *(Line(part, WHOLE, overrides) for overrides in ((), ("seed=43",)) for part in ("beats", "rhythm")),
    Line(
        "rhythm",
        "corruption of annotations",
        tuple(f"corruption.{name}=0" for name in ("missed", "added", "jitter_samples", "rate")),
    ),
    Line("beats", "copies with recorded noise", ("train_beats.noise_snr_db=[]",)),
    Line("beats", "window less the median beat", ("train_beats.reads=[window,waves,intervals]",)),
    Line("rhythm", "windowed irregularity figures", (f"train_rhythm.hidden_figures=[{WINDOWED}]",)),
    Line("beats", "annotations of ltafdb (for the trees of S)", ("annotations.corpora=[]",)),
    Line("rhythm", "rows of signals beside annotations", ("train_rhythm.signal_rows=false",)),
    Line("beats", "weak labels of cinc2017", ("train_beats.weak_weight=0.0",)),
    Line("rhythm", "rows of cinc2017", ("short_records.corpora=[ptbxl]",)),
    Line("beats", "qtdb", ("corpora=[mitdb]",)),
    Line("beats", WHOLE, ("seed=44",)),
    Line("rhythm", "label dropout", ("train_rhythm.label_dropout=0.0",)),
    Line("beats", "beat features", ("train_beats.reads=[window,difference]",)),
    Line("rhythm", "short segments", ("train_rhythm.short_share=0.0",)),
    Line(
        "rhythm", "probabilities by models that had not seen the subject", ("classify.held_out=false",), ("classify",)
    ),
    Line("beats", "window and its difference", ("train_beats.reads=[waves,intervals]",)),
    Line("rhythm", "figures of beat classes", ("train_rhythm.hidden_figures=[p_,s_,v_]",)),
    Line("beats", "record balance of S", ("train_beats.most_beats=1000000",)),
    Line("rhythm", "figure dropout", ("train_rhythm.figure_dropout=0.0",)),
    Line("rhythm", WHOLE, ("seed=44",)),
    Line("beats", "lead dropout", ("train_beats.lead_dropout=0.0",)),
    Line("beats", "noise on windows", ("train_beats.noise=0.0",)),
    Line("beats", "noise on features", ("train_beats.feature_noise=0.0",)),
)
"""In order of interest: a run that is stopped has the first ones."""
