"""Facts of the corpus ``local``: recordings of one's own, in any readable format."""

from ecgfeat.corpora.ambulatory import RHYTHM_LABELS
from ecgfeat.corpora.corpus import Corpus

BY_FOLDER = "folder"
"""Value of ``local.subject``: every folder is a subject."""

LOCAL = Corpus(
    slug="local",
    title="Your own recordings",
    version="1.0.0",
    path="",
    records=(),
    fs_hz=None,
    num_leads=None,
    lead_names=(),
    annotation="atr",
    rhythm_labels=RHYTHM_LABELS,
    before_first="unlabelled",
    some_unannotated=True,
    default_split="seed42-60-20-20",
    licence="your own",
    citation="The section `local` of params.yaml says where they are.",
    quirks=(
        "Each recording keeps its rate, its leads and its start; records may differ in all three.",
        "Time before the first rhythm mark has no rhythm.",
        "A recording without annotations trains nothing and scores nothing: it is predicted.",
        "A recording that cannot be read fails with its reason, and the others are taken.",
    ),
)
