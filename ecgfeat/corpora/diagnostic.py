"""Facts of the corpora with diagnoses for whole records: short records of one lead or twelve.

References
----------
The description page of each database, https://physionet.org.
"""

from types import MappingProxyType

from ecgfeat.corpora.ambulatory import ODC_BY
from ecgfeat.corpora.corpus import LEADS_12, DiagnosticCorpus
from ecgfeat.corpora.snomed import (
    CLASSES_27,
    CLASSES_CPSC2018,
    CLASSES_SIMULATE12,
    CODES_27,
    CODES_CHAPMAN,
    CODES_CPSC2018,
    CODES_SIMULATE12,
    Meaning,
)
from ecgfeat.errors import choose

CC_BY = "Creative Commons Attribution 4.0"

_RHYTHMS = MappingProxyType({"SNR": "NSR", "SB": "SBR", "AF": "AFIB", "AFL": "AFL"})
_ECTOPIC = ("PAC", "PVC", "SVPB", "VPB")

CINC2017 = DiagnosticCorpus(
    slug="cinc2017",
    title="AF Classification from a Short Single Lead ECG Recording: the PhysioNet/CinC Challenge 2017",
    version="1.0.0",
    path="challenge-2017/1.0.0",
    record_pattern=r"(training/(\w+/)?)?A\d{5}",
    num_records=8528,
    fs_hz=300.0,
    lead_names=("I",),
    classes=("N", "A", "O", "~"),
    task="single",
    scored=("N", "A", "O"),
    source="reference",
    codes=MappingProxyType(
        {
            "N": Meaning("normal rhythm", ("N",)),
            "A": Meaning("atrial fibrillation", ("A",)),
            "O": Meaning("other rhythm", ("O",)),
            "~": Meaning("too noisy to tell", ("~",)),
        }
    ),
    licence=ODC_BY,
    citation="Clifford GD, Liu C, Moody B, Lehman LH, Silva I, Li Q, Johnson AE, Mark RG. AF classification from a "
    "short single lead ECG recording: the PhysioNet/Computing in Cardiology Challenge 2017. Computing in Cardiology "
    "44, 2017, doi:10.22489/CinC.2017.065-469.",
    lead_aliases=MappingProxyType({"ecg": "I"}),
    extra_files=("REFERENCE-v3.csv",),
    rhythms=MappingProxyType({"N": "NSR", "A": "AFIB"}),
    quirks=(
        "The labels were revised after release: REFERENCE-v3.csv holds the last ones.",
        "The official F1 is the mean over N, A and O; noisy records are in the confusion and have no F1 of their own.",
        "The lead is called ECG; it is lead I, upside down where the device was held so.",
        "Headers state the checksum 0, which is not that of the samples.",
        "The folder validation holds copies of training records.",
        "Subjects are not named: each record counts as one.",
        "Records last 9 to 61 s.",
    ),
)

PTBXL = DiagnosticCorpus(
    slug="ptbxl",
    title="PTB-XL, a large publicly available electrocardiography dataset",
    version="1.0.3",
    path="ptb-xl/1.0.3",
    record_pattern=r"records{hz}/\d{5}/\d{5}_[lh]r",
    num_records=21799,
    fs_hz=100.0,
    lead_names=LEADS_12,
    classes=("NORM", "MI", "STTC", "CD", "HYP"),
    task="multi",
    scored=("NORM", "MI", "STTC", "CD", "HYP"),
    source="ptbxl",
    codes=MappingProxyType({}),
    licence=CC_BY,
    citation="Wagner P, Strodthoff N, Bousseljot RD, Kreiseler D, Lunze FI, Samek W, Schaeffter T. PTB-XL, a large "
    "publicly available electrocardiography dataset. Scientific Data 7:154, 2020, doi:10.1038/s41597-020-0495-6.",
    rates_hz=(100.0, 500.0),
    extra_files=("ptbxl_database.csv", "scp_statements.csv"),
    has_checksums=True,
    rhythms=MappingProxyType({"SR": "NSR", "SBRAD": "SBR", "AFIB": "AFIB", "AFLT": "AFL"}),
    ectopic=("BIGU", "PAC", "PRC(S)", "PVC", "TRIGU"),
    quirks=(
        "The files call the leads AVR, AVL and AVF, the documentation aVR, aVL and aVF.",
        "A likelihood of 0 means that none was stated: such a diagnostic statement leaves its superclass open.",
        "Several records per patient: strat_fold keeps them together, folds 9 and 10 are the best reviewed.",
        "Rhythm and form statements have no superclass, whatever their likelihood; they are kept in the codes.",
        "Version 1.0.3 has 21,799 records, 1.0.1 had 21,837.",
    ),
)

CHAPMAN = DiagnosticCorpus(
    slug="chapman",
    title="A large scale 12-lead electrocardiogram database for arrhythmia study (Chapman-Shaoxing and Ningbo)",
    version="1.0.0",
    path="ecg-arrhythmia/1.0.0",
    record_pattern=r"(WFDBRecords/\d+/\d+/|g\d+/)?JS\d{5}",
    num_records=45152,
    fs_hz=500.0,
    lead_names=LEADS_12,
    classes=CLASSES_27,
    task="multi",
    scored=CLASSES_27,
    source="dx",
    codes=CODES_CHAPMAN,
    licence=CC_BY,
    citation="Zheng J, Guo H, Chu H. A large scale 12-lead electrocardiogram database for arrhythmia study (version "
    "1.0.0). PhysioNet, 2022, doi:10.13026/wgex-er52; Zheng J, Chu H, Struppa D, et al. Optimal multi-stage arrhythmia "
    "classification approach. Scientific Reports 10:2898, 2020.",
    excluded=MappingProxyType({"JS27567": "its signal file is corrupt"}),
    rhythms=_RHYTHMS,
    ectopic=_ECTOPIC,
    quirks=(
        "All 1,780 AF are in the Chapman part; Ningbo has 7,615 AFL and no AF, and very likely codes AF as AFL.",
        "So AFL leaves AF open, and what compares AF with another corpus must score the larger of AF and AFL.",
        "Headers spell #Dx: without a blank.",
        "Record JS27567 is corrupt.",
        "Lists and files disagree: the records are the headers that are there.",
        "CLBBB (213), BBB and PRWP are codes without a class of their own.",
        "Subjects are not named: each record counts as one.",
    ),
)

CPSC2018 = DiagnosticCorpus(
    slug="cpsc2018",
    title="China Physiological Signal Challenge 2018, as published for the PhysioNet/CinC Challenge 2020",
    version="1.0.2",
    path="challenge-2020/1.0.2",
    record_pattern=r"(training/cpsc_2018/)?(g\d+/)?A\d{4}",
    num_records=6877,
    fs_hz=500.0,
    lead_names=LEADS_12,
    classes=CLASSES_CPSC2018,
    task="multi",
    scored=CLASSES_CPSC2018,
    source="dx",
    codes=CODES_CPSC2018,
    licence=CC_BY,
    citation="Liu F, Liu C, Zhao L, Zhang X, Wu X, Xu X, et al. An open access database for evaluating the algorithms "
    "of electrocardiogram rhythm and morphology abnormality detection. J Med Imaging Health Inform 8:1368-1373, 2018.",
    rhythms=_RHYTHMS,
    ectopic=_ECTOPIC,
    quirks=(
        "Records lie in g1 to g7.",
        "PVC is coded 164884008 only (700 records), never 427172004.",
        "482 labels are second or third ones: a row per label puts one record on both sides of a split.",
        "Record lengths differ.",
        "Subjects are not named: each record counts as one.",
    ),
)

GEORGIA = DiagnosticCorpus(
    slug="georgia",
    title="Georgia 12-lead ECG Challenge Database, as published for the PhysioNet/CinC Challenge 2020",
    version="1.0.2",
    path="challenge-2020/1.0.2",
    record_pattern=r"(training/georgia/)?(g\d+/)?E\d{5}",
    num_records=10344,
    fs_hz=500.0,
    lead_names=LEADS_12,
    classes=CLASSES_27,
    task="multi",
    scored=CLASSES_27,
    source="dx",
    codes=CODES_27,
    licence=CC_BY,
    citation="Perez Alday EA, Gu A, Shah AJ, Robichaux C, Wong AI, Liu C, et al. Classification of 12-lead ECGs: the "
    "PhysioNet/Computing in Cardiology Challenge 2020. Physiol Meas 41:124003, 2020, doi:10.1088/1361-6579/abc960.",
    rhythms=_RHYTHMS,
    ectopic=_ECTOPIC,
    quirks=(
        "Records lie in g1 to g11.",
        "Many codes have no class of their own: those reviewed as vague or unknown leave classes open.",
        "PVC is coded as VPB (357 records) or as ventricular ectopics, never 427172004.",
        "Subjects are not named: each record counts as one.",
    ),
)

LUDB = DiagnosticCorpus(
    slug="ludb",
    title="Lobachevsky University Electrocardiography Database",
    version="1.0.1",
    path="ludb/1.0.1",
    record_pattern=r"(data/)?\d{1,3}",
    num_records=200,
    fs_hz=500.0,
    lead_names=LEADS_12,
    classes=("SNR", "SB", "STach", "SA", "AF", "AFL"),
    task="single",
    scored=("SNR", "SB", "STach", "SA", "AF", "AFL"),
    source="rhythm",
    codes=MappingProxyType(
        {
            "sinus rhythm": Meaning("sinus rhythm", ("SNR",)),
            "sinus bradycardia": Meaning("sinus bradycardia", ("SB",)),
            "sinus tachycardia": Meaning("sinus tachycardia", ("STach",)),
            "sinus arrhythmia": Meaning("sinus arrhythmia", ("SA",)),
            "irregular sinus rhythm": Meaning("irregular sinus rhythm", (), ("SNR", "SA")),
            "atrial fibrillation": Meaning("atrial fibrillation", ("AF",)),
            "atrial flutter, typical": Meaning("typical atrial flutter", ("AFL",)),
        }
    ),
    licence=ODC_BY,
    citation="Kalyakulina AI, Yusipov II, Moskalenko VA, Nikolskiy AV, Kosonogov KA, Osipov GV, et al. LUDB: a new "
    "open-access validation tool for electrocardiogram delineation algorithms. IEEE Access 8:186181-186190, 2020.",
    rhythms=_RHYTHMS,
    quirks=(
        "Headers have no Dx line: the rhythm is a sentence among their comments.",
        "Leads are spelt in lower case.",
        "An irregular sinus rhythm is neither surely SNR nor surely SA: such records are not used.",
        "Made to test delineation: one annotation file per lead, which is not read here.",
    ),
)

SIMULATE12 = DiagnosticCorpus(
    slug="simulate12",
    title="Simulated twelve-lead ECG",
    version="1.0.0",
    path="",
    record_pattern=r".+",
    num_records=0,
    fs_hz=500.0,
    lead_names=LEADS_12,
    classes=CLASSES_SIMULATE12,
    task="multi",
    scored=CLASSES_SIMULATE12,
    source="dx",
    codes=CODES_SIMULATE12,
    licence="MIT",
    citation="Simulated by ecgfeat.",
    has_checksums=True,
    rhythms=_RHYTHMS,
    ectopic=_ECTOPIC,
    quirks=("Not measured: no number from it says how well anything works on patients.",),
)

DIAGNOSTIC_CORPORA: dict[str, DiagnosticCorpus] = {
    corpus.slug: corpus for corpus in (SIMULATE12, CINC2017, PTBXL, CHAPMAN, CPSC2018, GEORGIA, LUDB)
}


def get_diagnostic_corpus(slug: str) -> DiagnosticCorpus:
    """Return the facts of one corpus of diagnoses.

    Parameters
    ----------
    slug : str
        Name of the corpus, such as ``ptbxl``.

    Returns
    -------
    DiagnosticCorpus
        Its facts.

    Raises
    ------
    UsageError
        If no corpus has that name; the message lists all names and the nearest one.
    """
    return choose(DIAGNOSTIC_CORPORA, slug, "corpus")
