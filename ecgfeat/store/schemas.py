"""Schemas of the tables and arrays on disk: dtype, unit and meaning of each column.

``docs/store.md`` describes them in prose. A change of meaning raises the version, and readers then refuse older files.
"""

from dataclasses import dataclass

import pyarrow as pa

from ecgfeat.store.columns import Column, TableSchema
from ecgfeat.store.feature_columns import FEATURES
from ecgfeat.store.names import BEAT_CLASSES as BEAT_CLASSES
from ecgfeat.store.names import COMMON_FS_HZ as COMMON_FS_HZ
from ecgfeat.store.names import INVALID_UV as INVALID_UV
from ecgfeat.store.names import LIMIT_UV as LIMIT_UV
from ecgfeat.store.names import RHYTHMS as RHYTHMS
from ecgfeat.store.outside_columns import EPISODE_SCORES as EPISODE_SCORES
from ecgfeat.store.outside_columns import RECORD_SCORES as RECORD_SCORES
from ecgfeat.store.record_feature_columns import RECORD_FEATURES


@dataclass(frozen=True)
class ArraySchema:
    """A Zarr store of one array whose first dimension is rows, grouped by record.

    ``chunk_rows`` rows are checksummed and compressed together; ``shard_rows`` rows make one file.
    """

    name: str
    version: int
    array: str
    dtype: str
    dimension_names: tuple[str, ...]
    units: str
    long_name: str
    fill: float
    chunk_rows: int
    shard_rows: int


_STRING, _INT64, _INT32, _FLOAT64, _FLOAT32 = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.float32()
_STRINGS = pa.list_(_STRING)

_RECORD = Column(_STRING, "", "record name, as PhysioNet spells it")
_SUBJECT = Column(_STRING, "", "person the record was taken from; splits are made by subject")
_CORPUS = Column(_STRING, "", "corpus slug")
_BEAT = Column(_INT32, "", "0-based number of the beat in its record")
_SYMBOL = Column(_STRING, "", "WFDB beat code of the reference beat; empty where there is none")
_AAMI = Column(_STRING, "", "AAMI class of the reference beat: N S V F Q; empty where there is none")
_RHYTHM = Column(_STRING, "", "reference rhythm at this sample; empty where unlabelled")
_SPLIT = Column(_STRING, "", "train, validation, test or none")

RECORDS = TableSchema(
    "records",
    1,
    {
        "record": _RECORD,
        "subject": _SUBJECT,
        "fs_hz": Column(_FLOAT64, "Hz", "sampling frequency of the raw record"),
        "leads": Column(_STRINGS, "", "lead names in file order; they need not differ"),
        "num_samples": Column(_INT64, "samples", "length of the raw record at its own rate"),
        "split": _SPLIT,
        "status": Column(_STRING, "", "used, excluded (by a rule) or failed (a fault)"),
        "reason": Column(_STRING, "", "why the record is not used; empty when it is"),
        "signals": Column(_STRING, "", "measured, simulated, rendered (onto real annotations) or none"),
    },
)
BEAT_TABLE = TableSchema(
    "beats",
    1,
    {
        "record": _RECORD,
        "subject": _SUBJECT,
        "beat": _BEAT,
        "sample": Column(_INT64, "samples", "position of the reference beat at the record's own rate"),
        "time_s": Column(_FLOAT64, "s", "the same position in seconds from the start of the record"),
        "symbol": _SYMBOL,
        "aami": _AAMI,
        "rhythm": _RHYTHM,
    },
)
EPISODES = TableSchema(
    "episodes",
    1,
    {
        "record": _RECORD,
        "subject": _SUBJECT,
        "start_sample": Column(_INT64, "samples", "first sample of the episode at the record's own rate"),
        "stop_sample": Column(_INT64, "samples", "first sample after the episode"),
        "rhythm": _RHYTHM,
        "split": _SPLIT,
    },
)
WANDER = TableSchema(
    "wander",
    1,
    {
        "record": _RECORD,
        "lead": Column(_INT32, "", "position of the lead in the array of signals, from 0"),
        "time_s": Column(_FLOAT64, "s", "time of the knot; the baseline is a straight line between knots"),
        "baseline_uv": Column(_INT32, "uV", "what was subtracted there, before rounding to int16"),
    },
)
QUALITY = TableSchema(
    "quality",
    1,
    {
        "record": _RECORD,
        "lead": Column(_INT32, "", "position of the lead in the array of signals, from 0"),
        "start_s": Column(_INT32, "s", "first second of the span"),
        "stop_s": Column(_INT32, "s", "second after its last"),
        "state": Column(_STRING, "", "usable, noisy or absent"),
    },
)
RPEAKS = TableSchema(
    "rpeaks",
    2,
    {
        "record": _RECORD,
        "subject": _SUBJECT,
        "beat": _BEAT,
        "sample": Column(_INT64, "samples", "position of the R-peak at the common rate, 128 Hz"),
        "time_s": Column(_FLOAT64, "s", "the same position in seconds"),
        "rr_s": Column(
            _FLOAT64, "s", "interval to the R-peak before in the same usable stretch; NaN for the first, and outside"
        ),
        "symbol": _SYMBOL,
        "aami": _AAMI,
        "rhythm": _RHYTHM,
        "matched": Column(pa.bool_(), "", "a reference beat lies within the match window (EC57, 150 ms)"),
        "quality": Column(
            _STRING, "", "usable: in a usable stretch of 10 s or more; else noisy or absent; empty without a signal"
        ),
    },
)
CLASSES = TableSchema(
    "classes",
    1,
    {
        "record": _RECORD,
        "beat": Column(_INT32, "", "0-based number of the beat in its record: row i is row i of the R-peak table"),
        **{f"p_{c}": Column(_FLOAT32, "1", f"probability of {c}; NaN outside of usable time") for c in BEAT_CLASSES},
        "held_out": Column(
            pa.bool_(), "", "predicted in cross-validation, by models that have seen nothing of the subject"
        ),
    },
)
RHYTHM_PREDICTIONS = TableSchema(
    "rhythm_predictions",
    2,
    {
        "corpus": _CORPUS,
        "subject": _SUBJECT,
        "record": _RECORD,
        "protocol": Column(
            _STRING, "", "timeline (the time of each R-peak), grid (fixed windows) or episode (known episodes)"
        ),
        "head": Column(_STRING, "", "name of the rhythm model"),
        "view": Column(
            _STRING,
            "",
            "single (= view0), view0 .. view6, tta7 (mean of the seven), or viterbi (the mean of the views, smoothed)",
        ),
        "start_sample": Column(_INT64, "samples", "start of the scored unit at 128 Hz"),
        "stop_sample": Column(_INT64, "samples", "end of the scored unit"),
        "reference": Column(_STRING, "", "reference rhythm of the unit; empty where unlabelled"),
        "predicted": Column(
            _STRING, "", "rhythm that was chosen: the most probable, or of the smoothed path; empty: not classified"
        ),
        "purity": Column(_FLOAT32, "1", "share of the unit that carries the reference rhythm"),
        "num_beats": Column(
            _INT32,
            "",
            "beats of the unit the model saw; 0: none, or of a timeline no R-peak in this part of a beat's time",
        ),
        **{f"p_{c}": Column(_FLOAT32, "1", f"posterior probability of {c}") for c in RHYTHMS},
    },
)
BEAT_PREDICTIONS = TableSchema(
    "beat_predictions",
    3,
    {
        "corpus": _CORPUS,
        "subject": _SUBJECT,
        "record": _RECORD,
        "split": _SPLIT,
        "history": Column(_STRING, "", "labels of the preceding beats: oracle, predicted or none"),
        "sample": Column(_INT64, "samples", "position of the R-peak at 128 Hz"),
        "reference": Column(_STRING, "", "AAMI class of the matched reference beat; empty: no beat there"),
        "rhythm": Column(
            _STRING, "", "reference rhythm at the matched reference beat, else at the R-peak; empty where unlabelled"
        ),
        "predicted": Column(
            _STRING, "", "class that was chosen: the most probable, or by the classifier's rule; empty: missed beat"
        ),
        **{f"p_{c}": Column(_FLOAT32, "1", f"posterior probability of {c}") for c in BEAT_CLASSES},
    },
)
RPEAK_SCORES = TableSchema(
    "rpeak_scores",
    2,
    {
        "corpus": _CORPUS,
        "subject": _SUBJECT,
        "record": _RECORD,
        "detector": Column(_STRING, "", "ecgfeat, neurokit, xqrs or annotated"),
        **{
            f"{count}{suffix}": Column(_INT64, "beats", f"{count.replace('_', ' ')}, {scope}")
            for suffix, scope in (("", "whole record"), ("_after_5min", "first five minutes left out"))
            for count in ("true_positives", "false_negatives", "false_positives")
        },
        "offset_ms": Column(_FLOAT64, "ms", "median of detected minus reference position"),
        "duration_s": Column(_FLOAT64, "s", "length of the record"),
        "usable_s": Column(_FLOAT64, "s", "time in usable stretches, which alone has beats and rhythms"),
    },
)
DIAGNOSES = TableSchema(
    "diagnoses",
    1,
    {
        "record": _RECORD,
        "subject": _SUBJECT,
        "fs_hz": Column(_FLOAT64, "Hz", "sampling frequency of the raw record"),
        "num_samples": Column(_INT64, "samples", "length of the raw record at its own rate"),
        "leads": Column(_STRINGS, "", "standard leads that the record has, in standard spelling and order"),
        "missing": Column(_STRINGS, "", "leads of the corpus that it has not: zero in the leads store"),
        "status": Column(_STRING, "", "used, excluded (by a rule) or failed (a fault)"),
        "reason": Column(_STRING, "", "why the record is not used; empty when it is"),
        "signals": Column(_STRING, "", "measured or simulated"),
        "fold": Column(pa.int8(), "", "fold of a cross-validation by subject, from 0; -1 where the record is not used"),
        "labels": Column(_STRINGS, "", "classes that hold, in the order of the corpus's classes"),
        "unknown": Column(_STRINGS, "", "classes that neither hold nor do not: what the record says leaves them open"),
        "codes": Column(_STRINGS, "", "what the file says, as it says it"),
    },
)
RECORD_PREDICTIONS = TableSchema(
    "record_predictions",
    1,
    {
        "corpus": _CORPUS,
        "subject": _SUBJECT,
        "record": _RECORD,
        "model": Column(_STRING, "", "name of the system"),
        "fold": Column(pa.int8(), "", "fold that tested the record: its model was trained on the others"),
        "view": Column(_STRING, "", "single (a window in the middle) or tta7 (mean of seven along the record)"),
        "references": Column(_STRINGS, "", "classes that hold"),
        "unknown": Column(_STRINGS, "", "classes that neither hold nor do not"),
        "probability": Column(
            pa.list_(_FLOAT32), "1", "probability of each class, in the order of classes in the table's params"
        ),
    },
)

SIGNALS = ArraySchema(
    "signals",
    2,
    "signal_uv",
    "int16",
    ("sample", "lead"),
    "uV",
    "ECG at 128 Hz without its baseline, all records one after another; -32768 marks an invalid sample",
    -32768,
    65_536,
    1_048_576,
)
WINDOWS = ArraySchema(
    "windows",
    1,
    "window_uv",
    "int16",
    ("beat", "lead", "sample"),
    "uV",
    "2 s around each R-peak; row i is row i of the R-peak table; -32768 marks an invalid sample",
    -32768,
    512,
    32_768,
)
EMBEDDINGS = ArraySchema(
    "embeddings",
    1,
    "embedding",
    "float32",
    ("beat", "feature"),
    "1",
    "time (256) and frequency (256) features of the HTF embedder; row i is row i of the R-peak table",
    float("nan"),
    1_024,
    32_768,
)
LEADS = ArraySchema(
    "leads",
    2,
    "signal_uv",
    "int16",
    ("sample", "lead"),
    "uV",
    "leads of the corpus in standard order at its own rate without their baseline, all used records one after another; "
    "-32768 marks an invalid sample, a lead that a record has not is zero",
    -32768,
    16_384,
    1_048_576,
)

TABLES = {
    schema.name: schema
    for schema in (
        RECORDS, BEAT_TABLE, EPISODES, WANDER, QUALITY, RPEAKS, FEATURES, CLASSES, RHYTHM_PREDICTIONS, BEAT_PREDICTIONS,
        RECORD_SCORES, EPISODE_SCORES, RPEAK_SCORES, DIAGNOSES, RECORD_FEATURES, RECORD_PREDICTIONS,
    )
}  # fmt: skip
ARRAYS = {schema.name: schema for schema in (SIGNALS, WINDOWS, EMBEDDINGS, LEADS)}
