"""Read and check params.yaml: every fault at once, with its dotted path, before anything runs.

Run as a module it only checks. YAML 1.2 by ruamel, as DVC reads it: PyYAML takes ``1e-3`` for a string.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from ruamel.yaml import YAML, YAMLError

from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.errors import UsageError
from ecgfeat.systems import get_system

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
History = Literal["predicted", "none", "oracle"]


class Section(BaseModel):
    """A part of params.yaml: no unknown key, no conversion from text, no change after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Acquire(Section):
    """Where raw records come from."""

    signals: Literal["measured", "rendered", "none"]
    hours: NotNegative
    subjects: Positive
    minutes: Positive
    url: str


class Annotate(Section):
    """How annotations are read."""

    split: str
    aami: Literal["dechazal", "ec57"]
    before_first: Literal["nsr", "unlabelled"]
    min_episode_samples: Count


class Signals(Section):
    """The common rate."""

    fs_hz: Literal[128]


class Rpeaks(Section):
    """How R-peaks are found."""

    method: Literal["ecgfeat", "neurokit", "xqrs", "annotated"]
    lead: Count


class Windows(Section):
    """Beat windows."""

    num_samples: Annotated[int, Field(ge=64, le=1024, multiple_of=32)]


class TrainHtf(Section):
    """Training of the beat embedder."""

    epochs: Positive
    keep: Literal["last", "best"]
    batch: Positive
    lr: Rate
    weight_decay: NotNegative
    label_smoothing: Share
    normals_per_ectopic: Positive
    least_normals: Count
    history_beats: Annotated[int, Field(ge=1, le=32)]
    history_dropout: Share
    history_noise: Share
    swap_leads: Share
    shift_samples: Count
    noise: NotNegative


class Embed(Section):
    """The embedding cache."""

    dtype: Literal["float32", "float16", "live"]


class Rhythm(Section):
    """What the rhythm heads read."""

    head: Literal["timeline", "window"]
    features: Literal["embeddings", "annotations"]
    history: History
    rr_features: bool


class TrainBaselines(Section):
    """Heads without a network."""

    max_beats: Positive


class TrainTimeline(Section):
    """Training of the timeline head."""

    neighbour_beats: Annotated[int, Field(ge=1, le=16)]
    chunk_beats: Annotated[int, Field(ge=160, multiple_of=2)]
    width: Annotated[int, Field(ge=16, multiple_of=8)]
    blocks: Positive
    epochs: Positive
    chunks: Positive
    batch: Positive
    lr: Rate
    weight_decay: NotNegative
    dropout: Share
    label_smoothing: Share
    class_weight_power: NotNegative
    rarity_power: NotNegative
    length_power: NotNegative
    label_dropout: Share
    embedding_dropout: Share


class TrainWindow(Section):
    """Training of the window head."""

    window_samples: Annotated[int, Field(ge=128)]
    max_beats: Annotated[int, Field(ge=4, le=64)]
    pretrain_epochs: Count
    epochs: Count
    batch: Positive
    lr: Rate
    weight_decay: NotNegative
    label_smoothing: Share
    class_weight_power: NotNegative
    focal_gamma: NotNegative


class Evaluate(Section):
    """What is predicted for the test records."""

    protocols: Annotated[list[Literal["timeline", "grid", "episode"]], Field(min_length=1)]
    views: Literal[1, 7]
    tta: Literal["offsets", "leads", "gain", "jitter"]

    @field_validator("protocols")
    @classmethod
    def _are_different(cls, protocols: list[str]) -> list[str]:
        if len(set(protocols)) < len(protocols):
            raise ValueError("a protocol is named twice")
        return protocols


class Sensitivity(Section):
    """Test records again, with one input changed."""

    noise_snr_db: list[float]
    hours: NotNegative


class Report(Section):
    """The report."""

    bootstrap: Annotated[int, Field(ge=100)]
    worst_records: Count


class AcquireDiagnostic(Section):
    """Where records with one set of diagnoses come from."""

    records: Annotated[int, Field(ge=20)]
    ptbxl_hz: Literal[100, 500]


class Diagnoses(Section):
    """How such records are divided."""

    folds: Annotated[int, Field(ge=2, le=10)]


class TrainSystem(Section):
    """Training of the systems that read signal, on the rhythm task."""

    draws: Positive
    validation_views: Positive


class EvaluateSystems(Section):
    """What those systems say of the test records."""

    batch: Positive


class Crossvalidate(Section):
    """Cross-validation on diagnostic corpora."""

    views: Literal[1, 7]


class Arena(Section):
    """The systems side by side."""

    bootstrap: Annotated[int, Field(ge=100)]
    repeats: Positive
    ensemble: list[str]


class TimelineModel(Section):
    """The timeline head: stages train_htf and train_timeline train it."""

    weights: Literal["models/timeline"]


class WindowModel(Section):
    """The window head: stages train_htf and train_window train it."""

    weights: Literal["models/window"]


class SignalModel(Section):
    """A system that reads signal: what all of them have."""

    fs_hz: Rate
    seconds: Rate
    low_hz: NotNegative
    high_hz: NotNegative
    epochs: Positive
    record_epochs: Positive
    batch: Positive
    lr: Rate
    weight_decay: NotNegative
    label_smoothing: Share
    class_weight_power: NotNegative
    bce_epochs: Count
    pooling_power: NotNegative

    @model_validator(mode="after")
    def _has_a_band(self) -> Self:
        if self.high_hz and self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz {self.low_hz:g} with high_hz {self.high_hz:g}: expected a band")
        if self.low_hz >= self.fs_hz / 2:
            raise ValueError(f"low_hz {self.low_hz:g} at fs_hz {self.fs_hz:g}: expected less than half the rate")
        return self


class ResNet1d(SignalModel):
    """RhythmResNet1D."""

    width: Positive
    dropout: Share
    hrv: bool
    focal_gamma: NotNegative
    scales: bool
    pretrain_epochs: Count


class EcgRamba(SignalModel):
    """ECG-RAMBA."""

    width: Annotated[int, Field(ge=24, multiple_of=24)]
    num_tokens: Positive
    num_latents: Positive
    depth: Positive
    lead_width: Annotated[int, Field(ge=8, multiple_of=8)]
    state: Positive
    head: Positive
    scan: Literal["latents", "tokens"]
    num_kernels: Positive
    num_components: Positive
    rocket: bool
    hrv: bool
    fusion: bool
    spatial: bool
    multiscale: bool
    context: bool
    average: Share


class EcgMamba2(SignalModel):
    """Enhanced ECG-Mamba2."""

    stem_1: Positive
    stem_2: Positive
    width: Positive
    num_steps: Positive
    num_layers: Positive
    state: Positive
    head: Positive
    use_multi_branch: bool
    use_attention: bool
    fgsm_eps: NotNegative
    fgsm_after: Count
    mask_share: Annotated[float, Field(ge=0, le=1)]


class CnnAttnBilstm(SignalModel):
    """CNN-Attention-BiLSTM."""

    use_attention: bool
    use_bilstm: bool
    l2: NotNegative


class ChronosMlp(SignalModel):
    """Frozen Chronos-2 and an MLP."""

    checkpoint: str
    hidden: Positive


class Runtime(Section):
    """Where it runs; results must not depend on it."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Count


class Params(Section):
    """The whole of params.yaml."""

    corpora: Annotated[list[str], Field(min_length=1)]
    models: list[str]
    diagnostic_corpora: list[str]
    seed: Count
    acquire: Acquire
    annotate: Annotate
    signals: Signals
    rpeaks: Rpeaks
    windows: Windows
    train_htf: TrainHtf
    embed: Embed
    rhythm: Rhythm
    train_baselines: TrainBaselines
    train_timeline: TrainTimeline
    train_window: TrainWindow
    evaluate: Evaluate
    sensitivity: Sensitivity
    report: Report
    acquire_diagnostic: AcquireDiagnostic
    diagnoses: Diagnoses
    train_system: TrainSystem
    evaluate_systems: EvaluateSystems
    crossvalidate: Crossvalidate
    arena: Arena
    htf_timeline: TimelineModel
    htf_window: WindowModel
    resnet1d: ResNet1d
    ecg_ramba: EcgRamba
    ecg_mamba2: EcgMamba2
    cnn_attn_bilstm: CnnAttnBilstm
    chronos_mlp: ChronosMlp
    runtime: Runtime

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.rhythm.features == "annotations":
            if self.evaluate.tta != "offsets":
                raise ValueError(f"evaluate.tta {self.evaluate.tta} with rhythm.features annotations: expected offsets")
            if self.rhythm.history != "oracle":
                raise ValueError("rhythm.features annotations are true labels: expected rhythm.history oracle")
        if self.rhythm.head == "window" and not self.train_window.epochs:
            raise ValueError("rhythm.head window with train_window.epochs 0: expected a head that is trained")
        missing = set(self.arena.ensemble) - set(self.models)
        if missing or len(set(self.arena.ensemble)) < len(self.arena.ensemble) or len(self.arena.ensemble) == 1:
            raise ValueError(f"arena.ensemble {self.arena.ensemble}: expected two or more of models, or none")
        return self

    @field_validator("corpora", "diagnostic_corpora", "models")
    @classmethod
    def _are_known(cls, names: list[str], info: ValidationInfo) -> list[str]:
        find = {"corpora": get_corpus, "diagnostic_corpora": get_diagnostic_corpus, "models": get_system}
        for name in names:
            find[str(info.field_name)](name)
        if len(set(names)) < len(names):
            raise ValueError("one is named twice")
        return names


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``path``.

    Raises
    ------
    UsageError
        Naming every fault with its dotted path.
    """
    try:
        return Params.model_validate(YAML(typ="safe").load(path))
    except (OSError, YAMLError) as error:
        raise UsageError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise UsageError(f"{path}: " + "; ".join(_describe(dict(fault)) for fault in error.errors())) from error


def find_oracles(params: Params) -> dict[str, bool]:
    """Say what the predictions were told that a user does not know."""
    annotated = params.rhythm.features == "annotations"
    return {
        "rpeaks": params.rpeaks.method == "annotated",
        "history": annotated or params.rhythm.history == "oracle",
        "episodes": "episode" in params.evaluate.protocols,
    }


def _describe(fault: dict[str, object]) -> str:
    where = ".".join(map(str, fault["loc"]))  # type: ignore[call-overload]
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown param. Is it misspelt?"
    if fault["type"] == "missing":
        return f"{where}: missing"
    if not where:
        return str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {fault['input']!r}: {str(fault['msg']).removeprefix('Value error, ')}"


def main() -> str:
    """Check params.yaml."""
    params = read_params()
    return f"params.yaml: valid, corpora {' '.join(params.corpora)}"


if __name__ == "__main__":
    from pipeline.stage import run_stage

    sys.exit(run_stage("params", main))
