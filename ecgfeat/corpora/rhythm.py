"""Facts of the PhysioNet corpora with rhythm or beat annotations on long ambulatory records.

References
----------
Goldberger et al., Circulation 101:e215-e220, 2000; the description page of each database, https://physionet.org.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ecgfeat.corpora.base import Corpus

ODC_BY = "Open Data Commons Attribution License v1.0"
# The original protocol renames these two and leaves every other text as it stands.
RHYTHM_LABELS: Mapping[str, str] = MappingProxyType({"N": "NSR", "AF": "AFIB", "AFIB": "AFIB"})
PACED = "paced beats: EC57 leaves records with a pacemaker out of beat and rhythm scores"


def _names(listed: str) -> tuple[str, ...]:
    """Split a list of names at its blanks: shorter to read than 84 quoted strings."""
    return tuple(listed.split())


MITDB = Corpus(
    slug="mitdb",
    title="MIT-BIH Arrhythmia Database",
    version="1.0.0",
    path="mitdb/1.0.0",
    records=_names(
        "100 101 102 103 104 105 106 107 108 109 111 112 113 114 115 116 117 118 119 121 122 123 124 "
        "200 201 202 203 205 207 208 209 210 212 213 214 215 217 219 220 221 222 223 228 230 231 232 233 234"
    ),
    fs_hz=360.0,
    num_leads=2,
    lead_names=(),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    # One man, recorded twice: the usual DS1 / DS2 lists put one half of him on each side.
    subjects=MappingProxyType({"201": "201+202", "202": "201+202"}),
    excluded=MappingProxyType(
        {
            **dict.fromkeys(("102", "104", "107", "217"), PACED),
            "201": "the subject of record 201 is the one of test record 202",
        }
    ),
    default_split="ds1ds2",
    licence=ODC_BY,
    citation="Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol 20:45-50, 2001.",
    quirks=(
        "Lead names differ per record (MLII V1 V2 V4 V5); 114 has MLII second; 102 and 104 have none.",
        "Records 201 and 202 are one subject.",
        "102, 104, 107 and 217 hold paced beats (/) and their fusions (f).",
        "207 holds ventricular flutter ([ ! ]), whose beats are not counted.",
        "Rhythm notes end in NUL in most records; MISSB, PSE and TS are comments, not rhythms.",
        "A rhythm mark and a beat can share a sample.",
        "18 records were digitised at twice real time, which leaves tape artefacts.",
    ),
)

LTAFDB = Corpus(
    slug="ltafdb",
    title="Long-Term AF Database",
    version="1.0.0",
    path="ltafdb/1.0.0",
    records=_names(
        "00 01 03 05 06 07 08 10 100 101 102 103 104 105 11 110 111 112 113 114 115 116 117 118 119 12 "
        "120 121 122 13 15 16 17 18 19 20 200 201 202 203 204 205 206 207 208 21 22 23 24 25 26 28 30 32 33 34 35 37 38 39 "
        "42 43 44 45 47 48 49 51 53 54 55 56 58 60 62 64 65 68 69 70 71 72 74 75"
    ),
    fs_hz=128.0,
    num_leads=2,
    lead_names=("ECG", "ECG"),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    default_split="seed42",
    licence=ODC_BY,
    citation="Petrutiu S, Sahakian AV, Swiryn S. Abrupt changes in fibrillatory wave characteristics at the "
    "termination of paroxysmal atrial fibrillation in humans. Europace 9:466-470, 2007.",
    quirks=(
        "Both leads are called ECG: only the position tells them apart.",
        "Annotation file qrs holds unaudited detections; the reviewed ones are in atr.",
        "Record 30 has annotations past the end that its header states.",
        "Some records (64 among them) do not begin with a rhythm mark.",
        "Comments M, MB, MISSB, PSE and an auxiliary header note are not rhythms.",
        "Record lengths differ.",
    ),
)
