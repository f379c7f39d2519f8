"""Facts of the PhysioNet corpora with rhythm or beat annotations on ambulatory records of any heart.

Those that were collected for atrial fibrillation are in `ecgfeat.corpora.fibrillation`.

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


def names_of(text: str) -> tuple[str, ...]:
    """Return the record names of a text that is split at its blanks."""
    return tuple(text.split())


MITDB = Corpus(
    slug="mitdb",
    title="MIT-BIH Arrhythmia Database",
    version="1.0.0",
    path="mitdb/1.0.0",
    records=names_of(
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

NSRDB = Corpus(
    slug="nsrdb",
    title="MIT-BIH Normal Sinus Rhythm Database",
    version="1.0.0",
    path="nsrdb/1.0.0",
    records=names_of(
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

# The files name no subjects, so what others have read is joined: seven groups said to be in the documentation of the
# database; and e0206 with e0210, whose headers agree in findings and recorder, as those of most of the seven groups do.
_EDB_GROUPS = (
    "e0118 e0119 e0121 e0122",
    "e0123 e0124 e0125 e0126",
    "e0129 e0133",
    "e0136 e0139",
    "e0147 e0148",
    "e0154 e0155",
    "e0162 e0163",
    "e0206 e0210",
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
    # Only those of edb share subjects: sele0121 and sele0122, sele0124 and sele0126, sele0129 and sele0133.
    subjects=MappingProxyType(
        {f"sel{record}": names_of(group)[0] for group in _EDB_GROUPS for record in names_of(group)}
    ),
    # A subject must not stand on both sides, and the test records of mitdb are among these.
    excluded=MappingProxyType(
        dict.fromkeys(
            names_of(
                "sel100 sel102 sel103 sel104 sel114 sel116 sel117 sel123 "
                "sel213 sel221 sel223 sel230 sel231 sel232 sel233"
            ),
            f"{_HALF_OF} mitdb",
        )
        | dict.fromkeys(
            names_of("sel803 sel808 sel811 sel820 sel821 sel840 sel847 sel853 sel871 sel872 sel873 sel883 sel891"),
            f"{_HALF_OF} svdb",
        )
        | dict.fromkeys(names_of("sel14046 sel14157 sel14172 sel15814"), f"{_HALF_OF} ltdb")
    ),
    default_split="seed42-50-50-0",
    licence=ODC_BY,
    citation="Laguna P, Mark RG, Goldberger AL, Moody GB. A database for evaluation of algorithms for measurement of "
    "QT and other waveform intervals in the ECG. Computers in Cardiology 24:673-676, 1997.",
    quirks=(
        "Excerpts of 15 minutes of other databases: sel1xx and sel2xx of mitdb, sel8xx of svdb, sel16xxx and sel17453 "
        "of nsrdb, sele of edb, sel14xxx and sel15814 of ltdb; those of mitdb, svdb and ltdb are not used.",
        "Its excerpts of nsrdb and edb are used: it is refused beside these two.",
        "Several excerpts of edb may be of one subject: they are kept together.",
        "Beats are annotated, rhythms are not: unmarked time is no evidence of NSR, so no rhythm is learnt or scored.",
        "R-peaks are marked some 30 ms early.",
        "Half of the subjects train and half validate; none tests.",
    ),
    excerpts_of=("nsrdb", "edb"),
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

# Patients in the order of their records; each header names its patient in a comment.
_RECORDS_OF_PATIENT = (2, 3, 2, 1, 3, 3, 1, 2, 2, 3, 2, 2, 2, 4, 2, 3, 2, 2, 2, 3, 2, 2, 3, 3, 2, 3, 3, 3, 2, 2, 2, 2)
_PATIENTS = [str(patient) for patient, count in enumerate(_RECORDS_OF_PATIENT, start=1) for _ in range(count)]

INCARTDB = Corpus(
    slug="incartdb",
    title="St Petersburg INCART 12-lead Arrhythmia Database",
    version="1.0.0",
    path="incartdb/1.0.0",
    records=tuple(f"I{number:02}" for number in range(1, 76)),
    fs_hz=257.0,
    num_leads=12,
    lead_names=("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    rhythm_marks="none",
    marks_before_start=True,
    subjects=MappingProxyType({f"I{number:02}": patient for number, patient in enumerate(_PATIENTS, start=1)}),
    subject_comment=r"^patient\s+(\d+)\s*$",
    default_split="seed42",
    licence=ODC_BY,
    citation="St Petersburg INCART 12-lead Arrhythmia Database. PhysioNet, doi:10.13026/C2V88N.",
    quirks=(
        "Several records per patient: 75 of 32 patients; a header that names another patient than the list is refused.",
        "Beats were found by a program and corrected by hand, but not their positions: many are in the middle of the "
        "QRS complex, not at the R-peak.",
        "Seven records have a beat up to 17 samples before their start: it is left out.",
        "The 12 rhythm marks of the whole corpus are not read: atrial fibrillation is named in comments and not "
        "marked, so no rhythm is learnt or scored.",
        "Leads off: V6 in I02, V3 in I03, V4 in I57 and I58 are at the rail for a third of the record or all of it.",
        "Almost all right bundle branch block beats are of one patient (I16 and I17).",
        "All records but I36 are also in the PhysioNet/CinC Challenges 2020 and 2021, under names such as I0001.",
    ),
)

LTDB = Corpus(
    slug="ltdb",
    title="MIT-BIH Long-Term ECG Database",
    version="1.0.0",
    path="ltdb/1.0.0",
    records=names_of("14046 14134 14149 14157 14172 14184 15814"),
    fs_hz=128.0,
    num_leads=2,
    lead_names=(),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    default_split="seed42-60-20-20",
    licence=ODC_BY,
    citation="Goldberger AL, Amaral LAN, Glass L, Hausdorff JM, Ivanov PC, Mark RG, Mietus JE, Moody GB, Peng CK, "
    "Stanley HE. PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101:e215-e220, 2000.",
    quirks=(
        "Seven records of 14 to 22 hours: too few subjects for a score of their own.",
        "Beats are annotated, rhythms are not: unmarked time is no evidence of NSR, so no rhythm is learnt or scored.",
        "Whether 15814 has a third lead is not verified: leads are those of each header.",
        "Four of its records are excerpted in qtdb, where those are not used.",
    ),
)

EDB = Corpus(
    slug="edb",
    title="European ST-T Database",
    version="1.0.0",
    path="edb/1.0.0",
    records=names_of(
        "e0103 e0104 e0105 e0106 e0107 e0108 e0110 e0111 e0112 e0113 e0114 e0115 e0116 e0118 e0119 e0121 e0122 e0123 "
        "e0124 e0125 e0126 e0127 e0129 e0133 e0136 e0139 e0147 e0148 e0151 e0154 e0155 e0159 e0161 e0162 e0163 e0166 "
        "e0170 e0202 e0203 e0204 e0205 e0206 e0207 e0208 e0210 e0211 e0212 e0213 e0302 e0303 e0304 e0305 e0306 e0403 "
        "e0404 e0405 e0406 e0408 e0409 e0410 e0411 e0413 e0415 e0417 e0418 e0501 e0509 e0515 e0601 e0602 e0603 e0604 "
        "e0605 e0606 e0607 e0609 e0610 e0611 e0612 e0613 e0614 e0615 e0704 e0801 e0808 e0817 e0818 e1301 e1302 e1304"
    ),
    fs_hz=250.0,
    num_leads=2,
    lead_names=(),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    subjects=MappingProxyType({record: names_of(group)[0] for group in _EDB_GROUPS for record in names_of(group)}),
    default_split="seed42",
    licence=ODC_BY,
    citation="Taddei A, Distante G, Emdin M, Pisani P, Moody GB, Zeelenberg C, Marchesi C. The European ST-T Database: "
    "standard for evaluating systems for the analysis of ST-T changes in ambulatory electrocardiography. European "
    "Heart Journal 13:1164-1172, 1992.",
    quirks=(
        "90 records of 79 subjects, whom no file names: records that any source gives to one subject are kept "
        "together, which makes 78 groups.",
        "ST and T changes (s, T) have notes such as (ST0+, and comments (st0+: they are no rhythms; only + is.",
        "Rhythms begin within 1.1 s of the start of each record, and the time before them has none.",
        "Lead names differ per record (V5, MLIII and others).",
        "SAB is sino-atrial block and B3 third-degree block: both are rhythms of their own.",
        "Selected for suspected ischaemia: changes of ST and T are frequent.",
    ),
)
