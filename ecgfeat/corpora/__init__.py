"""Facts of the corpora with rhythms, by slug."""

from ecgfeat.corpora.ambulatory import AFDB, CPSC2021, ICENTIA11K, LTAFDB, MITDB, NSRDB, QTDB, SVDB
from ecgfeat.corpora.corpus import Corpus
from ecgfeat.corpora.simulated import SIMULATE
from ecgfeat.errors import choose

CORPORA: dict[str, Corpus] = {
    corpus.slug: corpus for corpus in (SIMULATE, MITDB, LTAFDB, AFDB, CPSC2021, NSRDB, SVDB, QTDB, ICENTIA11K)
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
