"""Facts of the corpora with rhythms, by slug."""

from ecgfeat.corpora.ambulatory import EDB, ICENTIA11K, INCARTDB, LTDB, MITDB, NSRDB, QTDB, SVDB
from ecgfeat.corpora.corpus import Corpus
from ecgfeat.corpora.fibrillation import AFDB, AFPDB, AFTDB, CPSC2021, LTAFDB, SHDB_AF
from ecgfeat.corpora.own import LOCAL
from ecgfeat.corpora.simulated import SIMULATE
from ecgfeat.errors import choose

CORPORA: dict[str, Corpus] = {
    corpus.slug: corpus
    for corpus in (
        SIMULATE,
        MITDB,
        LTAFDB,
        AFDB,
        CPSC2021,
        NSRDB,
        SVDB,
        QTDB,
        ICENTIA11K,
        INCARTDB,
        LTDB,
        EDB,
        AFTDB,
        AFPDB,
        SHDB_AF,
        LOCAL,
    )
}

__all__ = ["CORPORA", "Corpus", "get_corpus"]


def get_corpus(slug: str) -> Corpus:
    """Return the facts of one corpus.

    Parameters
    ----------
    slug : str
        Name of the corpus, such as ``mitdb``.

    Returns
    -------
    Corpus
        Its facts.

    Raises
    ------
    UsageError
        If no corpus has that name; the message lists all names and the nearest one.
    """
    return choose(CORPORA, slug, "corpus")
