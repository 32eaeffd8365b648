"""Refuses a corpus with faults, as stage 1 does after reading it."""

from ambiser.corpora.corpus import Corpus


def checked(corpus: Corpus) -> Corpus:
    """Returns the corpus.

    Raises:
        DataError: the parser found faults.
    """
    corpus.findings.refuse()
    return corpus
