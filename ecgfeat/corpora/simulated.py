"""Facts of the simulated two-lead corpus."""

from ecgfeat.corpora.corpus import Corpus

MAX_SUBJECTS = 500
# Split of each subject: t train, v validation, e test, repeated every twenty (60, 15 and 25 %). It is fixed, so that
# more subjects leave the first ones in their split, and spread, so that a small corpus has every kind of subject in
# every split. The committed split file lists the same, line by line.
SPLIT_PATTERN = "ttetvtettetvttetetvt"

SIMULATE = Corpus(
    slug="simulate",
    title="Simulated two-lead ambulatory ECG",
    version="1.0.0",
    path="",
    records=(),
    fs_hz=128,
    num_leads=2,
    lead_names=("MLII", "V1"),
    annotation="atr",
    rhythm_labels={"N": "NSR", "AFIB": "AFIB", "SBR": "SBR", "AB": "AB", "SVTA": "SVTA", "B": "B"},
    default_split="fixed",
    licence="MIT",
    citation="Simulated by ecgfeat; figures of rhythms and beats estimated from the Long-Term AF Database 1.0.0.",
    quirks=(
        "Not measured: no number from it says how well anything works on patients.",
        "Rhythm changes are denser and rare rhythms more frequent than in the source by default.",
        "A mark stands 0.156 s before the R-peak that opens its episode, as in ltafdb; the first one at sample 0.",
        "SBR between AFIB is slow ventricular response: irregular, f-waves, no P waves.",
        "About one subject in twenty-five has low gain, as many have inverted leads; contact is lost now and then.",
    ),
)
