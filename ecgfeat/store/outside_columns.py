"""Tables of the outside evaluation: records as wholes, and the episodes that a user is given."""

import pyarrow as pa

from ecgfeat.store.columns import Column, TableSchema

_STRING, _INT64, _FLOAT64 = pa.string(), pa.int64(), pa.float64()
_STRINGS = pa.list_(_STRING)

_CORPUS = Column(_STRING, "", "corpus slug")
_SUBJECT = Column(_STRING, "", "person the record was taken from; splits are made by subject")
_RECORD = Column(_STRING, "", "record name, as PhysioNet spells it")

RECORD_SCORES = TableSchema(
    "record_scores",
    2,
    {
        "corpus": _CORPUS,
        "subject": _SUBJECT,
        "record": _RECORD,
        "stated": Column(_STRINGS, "", "classes and codes of a record with diagnoses; else empty"),
        "reference": Column(_STRING, "", "reference rhythm of most of its labelled time; empty where none is known"),
        "reference_af": Column(_FLOAT64, "1", "share of its labelled time in AFIB; NaN where that is not known"),
        "is_normal": Column(
            pa.bool_(), "", "stated to be in sinus rhythm, and nothing stated of ectopic beats: few are expected"
        ),
        "duration_s": Column(_FLOAT64, "s", "length of the record"),
        "usable_s": Column(_FLOAT64, "s", "time in usable stretches, which alone has beats and rhythms"),
        "num_beats": Column(_INT64, "beats", "R-peaks in usable time"),
        "num_s": Column(_INT64, "beats", "beats called S"),
        "num_v": Column(_INT64, "beats", "beats called V"),
        "rate_bpm": Column(_FLOAT64, "1/min", "60 s over the median RR interval; NaN without intervals"),
        "rhythm": Column(_STRING, "", "predicted rhythm of most of its named time; empty: no time is named"),
        "certainty": Column(
            _FLOAT64, "1", "probability of that rhythm, mean over the beats that are so named; NaN where there is none"
        ),
        "af_s": Column(_FLOAT64, "s", "time named AFIB"),
        "p_afib": Column(_FLOAT64, "1", "probability of AFIB, mean over its beats; NaN without beats"),
        "p_afib_rr_trees": Column(_FLOAT64, "1", "the same by trees that read RR intervals alone: a baseline"),
        "rr_irregular": Column(
            _FLOAT64, "1", "share of RR intervals that change by more than a tenth of their mean: the plainest baseline"
        ),
    },
)
EPISODE_SCORES = TableSchema(
    "episode_scores",
    1,
    {
        "corpus": _CORPUS,
        "subject": _SUBJECT,
        "record": _RECORD,
        "start_sample": Column(_INT64, "samples", "first sample of the episode at 128 Hz"),
        "stop_sample": Column(_INT64, "samples", "first sample after the episode at 128 Hz"),
        "rhythm": Column(_STRING, "", "predicted rhythm; empty where there is none"),
        "certainty": Column(_FLOAT64, "1", "probability that it is this rhythm; NaN where there is none"),
        "reference": Column(_STRING, "", "reference rhythm of most of its labelled time; empty where none is labelled"),
        "known_s": Column(_FLOAT64, "s", "time whose reference is one of the six rhythms"),
        "agree_s": Column(_FLOAT64, "s", "time whose reference is the predicted rhythm"),
        "classes": Column(_STRING, "", "predicted class of each of its beats, one letter each: N S V"),
        "statements": Column(_STRINGS, "", "kinds of the statements of its evidence, in `ecgfeat.prediction`"),
        "evidence": Column(_STRING, "", "evidence in words, as `ecgfeat predict` gives it; empty without a rhythm"),
    },
)
