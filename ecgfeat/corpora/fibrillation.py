"""Facts of the PhysioNet corpora that were collected for atrial fibrillation.

References
----------
Goldberger et al., Circulation 101:e215-e220, 2000; the description page of each database, https://physionet.org;
Tsutsui et al., Scientific Data, 2025, doi:10.1038/s41597-025-04777-4 (shdb-af).
"""

from types import MappingProxyType

from ecgfeat.corpora.ambulatory import ODC_BY, RHYTHM_LABELS, names_of
from ecgfeat.corpora.corpus import Corpus

LTAFDB = Corpus(
    slug="ltafdb",
    title="Long-Term AF Database",
    version="1.0.0",
    path="ltafdb/1.0.0",
    records=names_of(
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
    records=names_of(
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

# Group T continues group S of the same number; of the test sets, no pair and no subject is named.
_AFTDB_SUBJECTS = {
    **{f"{group}{number:02}": f"s{number:02}+t{number:02}" for group in "st" for number in range(1, 11)},
    **{f"a{number:02}": "a+b" for number in range(1, 31)},
    **{f"b{number:02}": "a+b" for number in range(1, 21)},
}

AFTDB = Corpus(
    slug="aftdb",
    title="AF Termination Challenge Database",
    version="1.0.0",
    path="aftdb/1.0.0",
    records=tuple(sorted([*_AFTDB_SUBJECTS, *(f"n{number:02}" for number in range(1, 11))])),
    fs_hz=128.0,
    num_leads=2,
    lead_names=("ECG", "ECG"),
    annotation="qrs",
    has_beat_classes=False,
    rhythm_labels=RHYTHM_LABELS,
    before_first="afib",
    rhythm_marks="none",
    subjects=MappingProxyType(_AFTDB_SUBJECTS),
    excluded=MappingProxyType(dict.fromkeys(("a24", "b06"), "begins with sinus rhythm, and nothing marks its end")),
    default_split="seed42-0-0-100",
    licence=ODC_BY,
    citation="Moody GB. Spontaneous termination of atrial fibrillation: a challenge from PhysioNet and Computers in "
    "Cardiology 2004. Computers in Cardiology 31:101-104, 2004.",
    quirks=(
        "Each record is one minute of AFIB without any rhythm mark: all of it is AFIB here.",
        "Both leads are called ECG: only the position tells them apart.",
        "qrs holds unaudited detections, each called N: classes are neither learnt nor known.",
        "Group n does not end within an hour, s ends one minute after the record, t within one second; record t of a "
        "number continues record s of the same number.",
        "No subject of the test sets a and b is named: all of them count as one.",
        "Taken from long-term recordings of the group that published ltafdb; not used together with it, nor with "
        "afpdb, whose recordings are of the same group.",
        "Whether a subject is in two of the groups is not known: by default all records test.",
        "s09 and t09 look like another atrial rhythm and are AFIB by the whole recording.",
    ),
    excerpts_of=("ltafdb",),
)

# Two half-hour records with their continuations (c) are of one subject; so are the pairs p01, p02 and p37, p38.
_AFPDB_SUBJECTS = {
    f"{group}{number + member:02}{part}": {"p01": "p01+p37", "p37": "p01+p37"}.get(pair, pair)
    for group, last, parts in (("n", 50, ("", "c")), ("p", 50, ("", "c")), ("t", 100, ("",)))
    for number in range(1, last + 1, 2)
    for pair in [f"{group}{number:02}"]
    for member in (0, 1)
    for part in parts
}

AFPDB = Corpus(
    slug="afpdb",
    title="PAF Prediction Challenge Database",
    version="1.0.0",
    path="afpdb/1.0.0",
    records=tuple(sorted(_AFPDB_SUBJECTS)),
    fs_hz=128.0,
    num_leads=2,
    lead_names=(),
    annotation="qrs",
    has_beat_classes=False,
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    rhythm_marks="none",
    subjects=MappingProxyType(_AFPDB_SUBJECTS),
    excluded=MappingProxyType(dict.fromkeys(("p37", "p37c"), "the signal of p01 under a second name")),
    default_split="seed42-0-0-100",
    licence=ODC_BY,
    citation="Moody GB, Goldberger AL, McClennen S, Swiryn SP. Predicting the onset of paroxysmal atrial fibrillation: "
    "the Computers in Cardiology Challenge 2001. Computers in Cardiology 28:113-116, 2001.",
    quirks=(
        "qrs holds unaudited detections, each called N: classes are neither learnt nor known, R-peaks are scored "
        "against a detector.",
        "No rhythm is marked. n: no AF known; p: subjects with paroxysmal AF, an odd record far from it, an even one "
        "just before it; t: either of these. Short bursts of AF may be anywhere, so no rhythm is learnt or scored.",
        "Records last 30 minutes; one with a c at its end lasts 5 and follows the record of the same number.",
        "Record p37 holds the signal of p01 a second time.",
        "Pairs such as p15 and p16 are of one subject. The 50 pairs of the learning set are of 48 subjects, and one "
        "subject with two pairs is not named: by default all records test, and another split may part that subject.",
        "Many recordings are of the group that published ltafdb and aftdb, the others of unnamed sources at the rate "
        "of nsrdb and ltdb: not used together with any of these, nor with qtdb.",
    ),
    excerpts_of=("ltafdb", "aftdb", "nsrdb", "ltdb", "qtdb"),
)

SHDB_AF = Corpus(
    slug="shdb-af",
    title="SHDB-AF: a Japanese Holter ECG database of atrial fibrillation",
    version="1.0.1",
    path="shdb-af/1.0.1",
    records=(),
    fs_hz=200.0,
    num_leads=2,
    lead_names=("ECG1", "ECG2"),
    annotation="atr",
    beat_annotation="qrs",
    has_beat_classes=False,
    # N is all that was not annotated: an empty name leaves that time without a rhythm.
    rhythm_labels=MappingProxyType({**RHYTHM_LABELS, "N": ""}),
    before_first="unlabelled",
    rhythm_marks="notes",
    some_unannotated=True,
    records_file="RECORDS.txt",
    subjects=MappingProxyType(
        {
            record: "+".join(pair)
            for pair in (
                ("005", "020"),
                ("015", "047"),
                ("035", "036"),
                ("052", "128"),
                ("066", "118"),
                ("129", "133"),
            )
            for record in pair
        }
    ),
    excluded=MappingProxyType({"020": "the recording of 005 under a second name"}),
    default_split="seed42",
    licence=ODC_BY,
    citation="Tsutsui K, Biton Brimer S, Ben-Moshe N, Sellal JM, Oster J, Mori H, Ikeda Y, Arai T, Nakano S, Kato R, "
    "Behar JA. SHDB-AF: a Japanese Holter ECG database of atrial fibrillation. Scientific Data, 2025, "
    "doi:10.1038/s41597-025-04777-4.",
    quirks=(
        "128 records of 122 subjects, nearly all of 24 hours; the list of records is RECORDS.txt, not RECORDS.",
        "30 records have no rhythm annotations: their beats can test a detector, and they are in no split.",
        "In atr every annotation is a comment at a detected beat; the rhythm is in the note of the first beat of an "
        "episode. There is no + and no beat symbol.",
        "Only supraventricular arrhythmias were annotated: (N is all the rest, sinus rhythm or not, and has no rhythm "
        "here.",
        "qrs holds unaudited detections, each called N: classes are neither learnt nor known, R-peaks are scored "
        "against a detector.",
        "NOD is atrioventricular nodal tachycardia here, not junctional rhythm; AB is in no description of the corpus.",
        "Records 005 and 020 are one recording, annotated twice.",
        "ECG1 is a modified CC5 and ECG2 a NASA lead; recorded at 125 Hz and resampled to 200 Hz; each lead was scaled "
        "to fill its range, so amplitudes of two records cannot be compared.",
    ),
)
