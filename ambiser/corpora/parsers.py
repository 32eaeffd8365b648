"""Lists the parser of each corpus by name."""

from collections.abc import Callable
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus
from ambiser.corpora.crema_d import read_crema_d
from ambiser.corpora.iemocap import read_iemocap
from ambiser.corpora.kaldi import read_kaldi
from ambiser.corpora.mini.mini_corpus import read_mini
from ambiser.corpora.msp_podcast import read_msp_podcast

CORPORA: dict[str, Callable[[Path, Data], Corpus]] = {
    "crema_d": read_crema_d,
    "iemocap": read_iemocap,
    "kaldi": read_kaldi,
    "mini": read_mini,
    "msp_podcast": read_msp_podcast,
}
"""By the name in `data.corpus`; a test compares them with the schema."""
