"""Lists the parser of each corpus by name."""

from collections.abc import Callable
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus
from ambiser.corpora.crema_d import read_crema_d
from ambiser.corpora.emodb import read_emodb
from ambiser.corpora.iemocap import read_iemocap
from ambiser.corpora.kaldi import read_kaldi
from ambiser.corpora.meld import read_meld
from ambiser.corpora.mini.mini_corpus import read_mini
from ambiser.corpora.msp_improv import read_msp_improv
from ambiser.corpora.msp_podcast import read_msp_podcast
from ambiser.corpora.nemo import read_nemo
from ambiser.corpora.ravdess import read_ravdess
from ambiser.corpora.tess import read_tess

CORPORA: dict[str, Callable[[Path, Data], Corpus]] = {
    "crema_d": read_crema_d,
    "emodb": read_emodb,
    "iemocap": read_iemocap,
    "kaldi": read_kaldi,
    "meld": read_meld,
    "mini": read_mini,
    "msp_improv": read_msp_improv,
    "msp_podcast": read_msp_podcast,
    "nemo": read_nemo,
    "ravdess": read_ravdess,
    "tess": read_tess,
}
"""By the name in `data.corpus`; a test compares them with the schema."""
