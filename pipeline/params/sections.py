"""The sections of params.yaml that belong to stages, and the types of their values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ecgfeat.arrhythmia.figures import are_hidden
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.store.objects import is_address

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
_History = Literal["predicted", "none", "oracle"]


class Section(BaseModel):
    """A part of params.yaml: no unknown key, no conversion from text, no change after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Acquire(Section):
    """Where raw records come from."""

    signals: Literal["measured", "rendered", "none"]
    hours: NotNegative
    subjects: Positive
    minutes: Positive
    url: str
    largest_file_mb: Rate
    least_kb_per_s: NotNegative


class Annotate(Section):
    """How annotations are read."""

    split: str
    aami: Literal["dechazal", "ec57"]
    before_first: Literal["nsr", "unlabelled"]
    min_episode_samples: Count


class Annotations(Section):
    """Corpora whose annotations alone are read."""

    corpora: list[str]

    @field_validator("corpora")
    @classmethod
    def _are_known(cls, corpora: list[str]) -> list[str]:
        for slug in corpora:
            if not get_corpus(slug).path:
                raise ValueError(f"{slug} is made here: it has no annotations but its own")
        if len(set(corpora)) < len(corpora):
            raise ValueError("one is named twice")
        return corpora


class Signals(Section):
    """The common rate."""

    fs_hz: Literal[128]


class Quality(Section):
    """Which time is usable."""

    min_stretch_s: Positive


class Rpeaks(Section):
    """How R-peaks are found."""

    method: Literal["ecgfeat", "neurokit", "xqrs", "annotated"]
    lead: Count | Annotated[str, Field(min_length=1)]


class BeatWindows(Section):
    """Beat windows."""

    num_samples: Annotated[int, Field(ge=192, le=1024, multiple_of=32)]
    keep: bool


class Features(Section):
    """How beats are described."""

    median_beats: Positive


class ShortRecords(Section):
    """Corpora of short records with diagnoses whose beats are read."""

    corpora: list[str]


class TrainBeats(Section):
    """Training of the beat classifier."""

    folds: Annotated[int, Field(ge=2, le=10)]
    seeds: Positive
    steps: Positive
    batch: Positive
    chunk_beats: Annotated[int, Field(ge=16)]
    lr: Rate
    weight_decay: NotNegative
    label_smoothing: Share
    lead_dropout: Share
    shift_samples: Count
    noise: NotNegative
    gain: NotNegative
    feature_noise: NotNegative
    reads: Annotated[list[Literal["window", "difference", "waves", "intervals"]], Field(min_length=1)]
    iterations: Positive
    leaves: Annotated[int, Field(ge=2)]
    min_rows: Positive
    tree_lr: Rate
    most_beats: Positive
    noise_snr_db: list[float]
    noisy_weight: NotNegative
    weak_weight: NotNegative

    @field_validator("noise_snr_db")
    @classmethod
    def _is_range(cls, noise_snr_db: list[float]) -> list[float]:
        if noise_snr_db and (len(noise_snr_db) != 2 or noise_snr_db[0] > noise_snr_db[1]):
            raise ValueError("expected [], or the lowest and the highest ratio")
        return noise_snr_db


class Classify(Section):
    """What is predicted of beats."""

    held_out: bool


class TrainRhythm(Section):
    """Training of the rhythm head on corrupted annotations and on signals."""

    per_rhythm: Positive
    beats: Annotated[int, Field(ge=160, multiple_of=2)]
    short_share: Share
    label_dropout: Share
    width: Annotated[int, Field(ge=16, multiple_of=8)]
    blocks: Positive
    dropout: Share
    epochs: Positive
    batch_beats: Positive
    lr: Rate
    weight_decay: NotNegative
    label_smoothing: Share
    class_weight_power: NotNegative
    figure_dropout: Share
    hidden_figures: list[Annotated[str, Field(min_length=1)]]
    signal_rows: bool
    rows_per_rhythm: Positive
    iterations: Positive
    leaves: Annotated[int, Field(ge=2)]
    min_rows: Positive
    tree_lr: Rate

    @field_validator("hidden_figures")
    @classmethod
    def _are_known(cls, beginnings: list[str]) -> list[str]:
        are_hidden(beginnings)
        return beginnings


class Corruption(Section):
    """How annotations are corrupted before models learn from them."""

    missed: Share
    added: Share
    jitter_samples: NotNegative
    rate: NotNegative


class Outside(Section):
    """What is read by the whole chain, and which corpora take no part in training."""

    corpora: list[str]
    split: Literal["test", "validation"]
    bootstrap: Count


class Robustness(Section):
    """What is changed in how records were taken, and which records."""

    split: Literal["test", "validation", "training"]
    records: Count
    hours: NotNegative
    noise_snr_db: list[float]
    noise_corpus: str
    rates_hz: list[Rate]
    gains: list[Rate]
    bootstrap: Count

    @field_validator("noise_corpus")
    @classmethod
    def _is_known(cls, slug: str) -> str:
        get_diagnostic_corpus(slug)
        return slug


class Predict(Section):
    """Records that the shipped models predict."""

    corpora: list[str]


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
    history: _History
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
    tta: Literal["none", "offsets", "leads", "gain", "jitter"]

    @property
    def timeline_views(self) -> int:
        """Views of the timeline head; ``views`` are those of the heads and systems that read segments."""
        return 1 if self.tta == "none" else self.views

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


class Runtime(Section):
    """Where it runs: last bits depend on it, and through them at times which epoch is best."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    engine: Literal["local", "ray"]
    workers: Count
    parts: str

    @field_validator("parts")
    @classmethod
    def _is_place(cls, parts: str) -> str:
        if parts != "local" and not is_address(parts):
            raise ValueError("expected local, or an address such as s3://bucket/prefix")
        return parts.rstrip("/")
