"""One parser a corpus."""

from collections.abc import Callable
from pathlib import Path

from ambiser.config.data_schema import Data
from ambiser.data.corpora.crema_d import read_crema_d
from ambiser.data.corpora.iemocap import read_iemocap
from ambiser.data.corpora.kaldi import read_kaldi
from ambiser.data.corpora.mini import read_mini
from ambiser.data.corpora.msp_podcast import read_msp_podcast
from ambiser.data.corpus import Corpus

CORPORA: dict[str, Callable[[Path, Data], Corpus]] = {
    "crema_d": read_crema_d,
    "iemocap": read_iemocap,
    "kaldi": read_kaldi,
    "mini": read_mini,
    "msp_podcast": read_msp_podcast,
}
"""By the name that `data.corpus` of the configuration gives; a test compares with the schema."""
