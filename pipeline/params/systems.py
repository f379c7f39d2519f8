"""The sections of params.yaml that belong to the models of the arena."""

from typing import Annotated, Literal, Self

from pydantic import Field, create_model, model_validator

from pipeline.params.sections import Count, NotNegative, Positive, Rate, Section, Share


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
    bce_share: Annotated[float, Field(ge=0, le=1)]
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


SECTIONS: dict[str, type[Section]] = {
    "htf_timeline": TimelineModel,
    "htf_window": WindowModel,
    "resnet1d": ResNet1d,
    "ecg_ramba": EcgRamba,
    "ecg_mamba2": EcgMamba2,
    "cnn_attn_bilstm": CnnAttnBilstm,
    "chronos_mlp": ChronosMlp,
}
"""Class of the section of each system of `ecgfeat.arena.SYSTEMS`."""

SystemSections = create_model(
    "SystemSections", __base__=Section, **{name: (section, ...) for name, section in SECTIONS.items()}
)
"""A section with one section per system, by its name."""
