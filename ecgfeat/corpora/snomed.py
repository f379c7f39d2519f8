"""Meaning of the diagnosis codes of the 12-lead corpora for the classes, as reviewed here code by code.

A reviewed code states classes, leaves classes open (*vague*: it may mean them, implies them, or is a case of them,
without being their code), or has nothing to do with any class. A code in no table has not been reviewed; a record
that carries such a code is no negative of any class.

Notes
-----
* A class next to a coded one stays open, never negative: of two codes for one finding (PAC and SVPB, PVC and VPB, RBBB
  and CRBBB, IAVB and LPR) annotators wrote one, and the Challenge scores them as one; the same goes for a finding and
  its general case (TInv and TAb, SB and Brady, IRBBB and RBBB, LAnFB and LAD).
* SNR, SB, STach and SA exclude each other, as the annotators used them.
* CLBBB is not mapped to LBBB, as in the source of the 27 classes; it leaves LBBB open.

References
----------
SNOMED CT codes and abbreviations: Perez Alday et al., Physiol Meas 41:124003, 2020, and Reyna et al., Computing in
Cardiology 48, 2021 (lists of scored and unscored diagnoses).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Meaning:
    """Meaning of one code.

    Attributes
    ----------
    name : str
        Abbreviation or text of the code.
    classes : tuple of str
        Classes it states.
    vague : tuple of str
        Classes it leaves open.
    """

    name: str
    classes: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()


Codes = Mapping[str, Meaning]

CODE_OF_CLASS: Mapping[str, str] = MappingProxyType(
    {
        "AF": "164889003",
        "AFL": "164890007",
        "Brady": "426627000",
        "CRBBB": "713427006",
        "IAVB": "270492004",
        "IRBBB": "713426002",
        "LAD": "39732003",
        "LBBB": "164909002",
        "LAnFB": "445118002",
        "LQT": "111975006",
        "LQRSV": "251146004",
        "NSIVCB": "698252002",
        "PR": "10370003",
        "PAC": "284470004",
        "PVC": "427172004",
        "QAb": "164917005",
        "RAD": "47665007",
        "RBBB": "59118001",
        "SA": "427393009",
        "SB": "426177001",
        "SNR": "426783006",
        "STach": "427084000",
        "SVPB": "63593006",
        "TAb": "164934002",
        "TInv": "59931005",
        "VPB": "17338001",
        "LPR": "164947007",
    }
)
"""The 27 classes in the order of their index, with their SNOMED CT codes. PR is pacing rhythm, LPR a long PR."""

CLASSES_27 = tuple(CODE_OF_CLASS)

# Class of the 27 -> classes that its code leaves open.
_NEXT_TO = {
    "Brady": "SB",
    "CRBBB": "RBBB",
    "IAVB": "LPR",
    "IRBBB": "RBBB",
    "LAnFB": "LAD",
    "LPR": "IAVB",
    "PAC": "SVPB",
    "PVC": "VPB",
    "RBBB": "CRBBB IRBBB",
    "SB": "Brady",
    "SVPB": "PAC",
    "TAb": "TInv",
    "TInv": "TAb",
    "VPB": "PVC",
}
# Code, abbreviation, classes it may mean.
_VAGUE = """
6374002 BBB CRBBB IRBBB LBBB RBBB
733534002 CLBBB LBBB
251120003 ILBBB LBBB
82226007 DIB NSIVCB
164951009 abQRS NSIVCB QAb
195080001 AFAFL AF AFL
426749004 CAF AF
282825002 PAF AF
314208002 RAF AF
426761007 SVT AFL STach
233917008 AVB IAVB LPR
251268003 AP PR
251266004 VPP PR
251173003 AB PAC SVPB
251168009 SVB PAC SVPB
251170000 BPAC PAC SVPB
251164006 JPC PAC SVPB
164884008 VEB PVC VPB
11157007 VBig PVC VPB
251180001 VTrig PVC VPB
251182009 VPVC PVC VPB
60423000 SND Brady SA SB
74615001 BTS Brady SB
428750005 NSSTTA TAb TInv
413844008 CMI TAb TInv
413444003 AMIs TAb TInv
164861001 MIs TAb TInv
426434006 AnMIs TAb TInv
425419005 IIs TAb TInv
425623009 LIs TAb TInv
370365005 LVS TAb TInv
251259000 HTV TAb
164865005 MI QAb
164867002 OldMI QAb
57054005 AMI QAb
54329005 AnMI QAb
251200008 ICA LAD RAD
445211001 LPFB RAD
418818005 BRU IRBBB RBBB
251139008 ALR LAD QAb RAD TAb TInv
"""
# Code and abbreviation of reviewed codes that state nothing about the 27. 698247007, "cardiac dysrhythmia", is missing
# on purpose: it may mean any of them.
_UNRELATED = """
233892002 AAR  251187003 AED  61277005 AIVR  426664006 AJR  195126007 AH  106068003 ARH  713422000 ATach
50799005 AVD  29320008 AVJR  251166008 AVNRT  233897008 AVRT  251199005 CCR  61721007 CVCL  27885002 CHB
204384007 CIAHB  53741008 CHD  251198002 CR  428417006 ERe  13640000 FB  164942001 FQRS  84114007 HF  368009 HVD
195042002 IIAVB  426183003 IIAVBII  704997005 ISTD  49260003 IR  426995002 JE  426648003 JTach  253352002 LAA
67741000119109 LAE  446813000 LAH  164873001 LVH  55827005 LVHV  54016002 MoI  251205003 PPW  67198005 PSVT
425856008 PVT  365413008 PRWP  164912004 PWC  253339007 RAAb  164921003 RAb  446358003 RAH  67751000119106 RAHV
89792004 RVH  17366009 SAAWR  65778007 SAB  5609005 SARR  49578007 SPRI  77867006 SQT  55930002 STC  429622005 STD
164931005 STE  164930006 STIAb  266257000 TIA  251223006 TPW  164937009 UAb  75532003 VEsB  81898007 VEsR
164896001 VF  111288001 VFL  266249003 VH  195060002 VPEx  164895002 VTach  195101003 WAP  74390002 WPW
"""


def _tabulate() -> Codes:
    """Join the three lists into one table; no code may be in two of them."""
    codes = {
        code: Meaning(name, (name,), tuple(_NEXT_TO.get(name, "").split())) for name, code in CODE_OF_CLASS.items()
    }
    words = _UNRELATED.split()
    rows = [line.split() for line in _VAGUE.strip().splitlines()]
    listed = [(code, Meaning(name, (), tuple(vague))) for code, name, *vague in rows]
    listed += [(code, Meaning(name)) for code, name in zip(words[::2], words[1::2], strict=True)]
    for code, meaning in listed:
        assert code not in codes, code
        codes[code] = meaning
    return MappingProxyType(codes)


CODES_27 = _tabulate()
"""Reviewed codes for the 27 classes."""

# All AF of the joined corpus is in the Chapman-Shaoxing part: the Ningbo part has 7,615 AFL and not one AF.
CODES_CHAPMAN: Codes = MappingProxyType({**CODES_27, CODE_OF_CLASS["AFL"]: Meaning("AFL", ("AFL",), ("AF",))})

_CPSC2018 = {
    **{name: CODE_OF_CLASS[name] for name in ("AF", "IAVB", "LBBB", "PAC", "RBBB", "SNR")},
    "PVC": "164884008",  # ventricular ectopics: the only code this corpus has for them
    "STD": "429622005",
    "STE": "164931005",
}
CLASSES_CPSC2018 = tuple(sorted(_CPSC2018))
CODES_CPSC2018: Codes = MappingProxyType({_CPSC2018[name]: Meaning(name, (name,)) for name in CLASSES_CPSC2018})

CLASSES_SIMULATE12 = ("AF", "IAVB", "LBBB", "RBBB", "PAC", "PVC", "SNR", "SB", "STach")
# Simulated findings are known completely: a missing code is a missing finding.
CODES_SIMULATE12: Codes = MappingProxyType({CODE_OF_CLASS[name]: Meaning(name, (name,)) for name in CLASSES_SIMULATE12})
