"""Facts of the PhysioNet corpora with rhythm or beat annotations on long ambulatory records.

References
----------
Goldberger et al., Circulation 101:e215-e220, 2000; the description page of each database, https://physionet.org.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ecgfeat.corpora.corpus import Corpus

ODC_BY = "Open Data Commons Attribution License v1.0"
# The published protocol renames these two; every other text stays as it is.
RHYTHM_LABELS: Mapping[str, str] = MappingProxyType({"N": "NSR", "AF": "AFIB", "AFIB": "AFIB"})
PACED = "paced beats: EC57 leaves records with a pacemaker out of beat and rhythm scores"


def _names(text: str) -> tuple[str, ...]:
    """Split a text of record names at its blanks."""
    return tuple(text.split())


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
    # One subject, recorded twice: the usual DS1 / DS2 lists put one record into each.
    subjects=MappingProxyType({"201": "201+202", "202": "201+202"}),
    excluded=MappingProxyType(
        {
            **dict.fromkeys(("102", "104", "107", "217"), PACED),
            "201": "the subject of record 201 is the one of test record 202",
        }
    ),
    default_split="ds1ds2",
    heavy_records=("232",),
    licence=ODC_BY,
    citation="Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol 20:45-50, 2001.",
    quirks=(
        "Lead names differ per record (MLII V1 V2 V4 V5); 114 has MLII second; 102 and 104 have none.",
        "Records 201 and 202 are one subject.",
        "Of DS2, 232 holds three of four S beats, and all sinus bradycardia.",
        "102, 104, 107 and 217 hold paced beats (/) and their fusions (f).",
        "207 holds ventricular flutter ([ ! ]), whose beats are not counted.",
        "Rhythm notes end in NUL in most records; MISSB, PSE and TS are comments, not rhythms.",
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
        "120 121 122 13 15 16 17 18 19 20 200 201 202 203 204 205 206 207 208 21 22 23 24 25 26 28 30 32 33 34 35 "
        "37 38 39 42 43 44 45 47 48 49 51 53 54 55 56 58 60 62 64 65 68 69 70 71 72 74 75"
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
        "Record 30 has an annotation past the end that its header states.",
        "Some records (64 among them) do not begin with a rhythm mark.",
        "Comments M, MB, MISSB, PSE and an auxiliary header note are not rhythms.",
        "Record lengths differ.",
    ),
)

AFDB = Corpus(
    slug="afdb",
    title="MIT-BIH Atrial Fibrillation Database",
    version="1.0.0",
    path="afdb/1.0.0",
    records=_names(
        "00735 03665 04015 04043 04048 04126 04746 04908 04936 05091 05121 05261 06426 06453 06995 07162 07859 "
        "07879 07910 08215 08219 08378 08405 08434 08455"
    ),
    fs_hz=250.0,
    num_leads=2,
    lead_names=("ECG1", "ECG2"),
    annotation="atr",
    beat_annotation="qrs",
    has_beat_classes=False,
    rhythm_labels=RHYTHM_LABELS,
    excluded=MappingProxyType(dict.fromkeys(("00735", "03665"), "published without signals")),
    without_signal=("00735", "03665"),
    default_split="seed42",
    licence=ODC_BY,
    citation="Moody GB, Mark RG. A new method for detecting atrial fibrillation using R-R intervals. "
    "Computers in Cardiology 10:227-230, 1983.",
    quirks=(
        "atr holds rhythms only; qrs holds unaudited detections, qrsc corrected ones for some records.",
        "Every detection is called N: classes are neither learnt nor known, R-peaks are scored against a detector.",
        "Records 00735 and 03665 have annotations and no signals.",
        "The beat file of 07162 does not fit its signal.",
        "AFL and J are rhythms of their own: only AFIB is atrial fibrillation.",
    ),
)

CPSC2021 = Corpus(
    slug="cpsc2021",
    title="Paroxysmal Atrial Fibrillation Events Detection from Dynamic ECG Recordings (CPSC 2021)",
    version="1.0.0",
    path="cpsc2021/1.0.0",
    records=(),
    fs_hz=200.0,
    num_leads=2,
    lead_names=("I", "II"),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    subject_pattern=r"data_(\d+)_\d+$",
    default_split="seed42",
    licence="Creative Commons Attribution 4.0",
    citation="Wang X, Ma C, Zhang X, Gao H, Clifford GD, Liu C. Paroxysmal atrial fibrillation events detection from "
    "dynamic ECG recordings: the 4th China Physiological Signal Challenge 2021. PhysioNet, 2021, "
    "doi:10.13026/ksya-qw89.",
    quirks=(
        "Several records per subject: data_<subject>_<number>, 105 subjects, 1,436 records.",
        "An AF onset is marked 0.15 s before its first R-peak, the end 0.15 s after its last: half-open episodes fit.",
        "The training set was revised after its first release; versions differ in annotations.",
        "The official score counts AFL as AF; here AFL stays a rhythm of its own.",
        "Marks set AF and AFL apart from all the rest: unmarked time is no evidence of NSR.",
    ),
)

NSRDB = Corpus(
    slug="nsrdb",
    title="MIT-BIH Normal Sinus Rhythm Database",
    version="1.0.0",
    path="nsrdb/1.0.0",
    records=_names(
        "16265 16272 16273 16420 16483 16539 16773 16786 16795 17052 17453 18177 18184 19088 19090 19093 19140 19830"
    ),
    fs_hz=128.0,
    num_leads=2,
    lead_names=("ECG1", "ECG2"),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    default_split="seed42",
    licence=ODC_BY,
    citation="MIT-BIH Normal Sinus Rhythm Database. PhysioNet, 1999, doi:10.13026/C2NK5R.",
    quirks=("No rhythm marks: the whole corpus is sinus rhythm by selection, so unmarked time is NSR here.",),
)

_HALF_OF = "an excerpt of a record of"
QTDB = Corpus(
    slug="qtdb",
    title="QT Database",
    version="1.0.0",
    path="qtdb/1.0.0",
    records=(),
    fs_hz=250.0,
    num_leads=2,
    lead_names=(),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    # A subject must not stand on both sides, and the test records of mitdb are among these.
    excluded=MappingProxyType(
        dict.fromkeys(
            _names(
                "sel100 sel102 sel103 sel104 sel114 sel116 sel117 sel123 "
                "sel213 sel221 sel223 sel230 sel231 sel232 sel233"
            ),
            f"{_HALF_OF} mitdb",
        )
        | dict.fromkeys(
            _names("sel803 sel808 sel811 sel820 sel821 sel840 sel847 sel853 sel871 sel872 sel873 sel883 sel891"),
            f"{_HALF_OF} svdb",
        )
        | dict.fromkeys(_names("sel14046 sel14157 sel14172 sel15814"), f"{_HALF_OF} ltdb")
    ),
    default_split="seed42-50-50-0",
    licence=ODC_BY,
    citation="Laguna P, Mark RG, Goldberger AL, Moody GB. A database for evaluation of algorithms for measurement of "
    "QT and other waveform intervals in the ECG. Computers in Cardiology 24:673-676, 1997.",
    quirks=(
        "Excerpts of 15 minutes of other databases: sel1xx and sel2xx of mitdb, sel8xx of svdb, sel16xxx and sel17453 "
        "of nsrdb, sele of edb, sel14xxx and sel15814 of ltdb; those of mitdb, svdb and ltdb are not used.",
        "Beats are annotated, rhythms are not: unmarked time is no evidence of NSR, so no rhythm is learnt or scored.",
        "R-peaks are marked some 30 ms early.",
        "Half of the subjects train and half validate; none tests.",
    ),
    excerpts_of=("nsrdb",),
)

SVDB = Corpus(
    slug="svdb",
    title="MIT-BIH Supraventricular Arrhythmia Database",
    version="1.0.0",
    path="svdb/1.0.0",
    records=tuple(
        str(number) for first, last in ((800, 812), (820, 829), (840, 894)) for number in range(first, last + 1)
    ),
    fs_hz=128.0,
    num_leads=2,
    lead_names=("ECG1", "ECG2"),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    default_split="seed42",
    licence=ODC_BY,
    citation="Greenwald SD. Improved detection and classification of arrhythmias in noise-corrupted electrocardiograms "
    "using contextual information. PhD thesis, Harvard-MIT Division of Health Sciences and Technology, 1990.",
    quirks=(
        "The placement behind the lead names ECG1 and ECG2 is not known.",
        "Beats are annotated, rhythms are not: unmarked time is no evidence of NSR, so no rhythm is learnt or scored.",
    ),
)

ICENTIA11K = Corpus(
    slug="icentia11k",
    title="Icentia11k Single Lead Continuous Raw Electrocardiogram Dataset",
    version="1.0",
    path="icentia11k-continuous-ecg/1.0",
    records=(),
    fs_hz=250.0,
    num_leads=1,
    lead_names=("ECG",),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    subject_pattern=r"(p\d{5})_s\d+$",
    default_split="seed42",
    licence="Creative Commons Attribution-NonCommercial-ShareAlike 4.0",
    citation="Tan S, Ortiz-Gagne S, Beaudoin-Gagnon N, Fecteau P, Courville A, Bengio Y, Cohen JP. Icentia11k Single "
    "Lead Continuous Raw Electrocardiogram Dataset. PhysioNet, 2022, doi:10.13026/kk0v-r952.",
    quirks=(
        "One lead, not two; about 50 segments of 70 minutes per subject, some of them missing.",
        "A rhythm can end with ) and leave the time behind it without a rhythm, as it is before the first mark.",
        "About 550,000 small files.",
        "S is a premature or ectopic supraventricular beat; Q marks what the annotators left undefined.",
    ),
)
