"""Reads the labels that raters could choose in a corpus: the built-in codes, and those that the corpus declares."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ambiser.config.data_keys import LABELS, LabelPolicy
from ambiser.errors import ConfigError
from ambiser.io.tables import read_list

OWN_LABELS = "own_labels"
"""The table of a data directory that declares labels: a code per line."""
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def is_code(text: str) -> bool:
    """Whether a text can be the code of a label: small letters, digits and underscores, a letter first."""
    return bool(_CODE.fullmatch(text))


def read_vocabulary(folder: Path) -> tuple[str, ...]:
    """Returns the labels of a data directory, the built-in ones first."""
    path = Path(folder) / OWN_LABELS
    own = read_list(path) if path.is_file() else []
    return (*LABELS, *(code for code in own if code not in LABELS))


def class_numbers(labels: LabelPolicy, vocabulary: tuple[str, ...]) -> np.ndarray:
    """Returns the (labels,) class of each label of a corpus, -1 for none."""
    numbers = np.full(len(vocabulary), len(labels.classes) if labels.other_votes == "extra_class" else -1)
    for number, members in enumerate(labels.classes.values()):
        numbers[[vocabulary.index(label) for label in members]] = number
    return numbers


def check_classes(labels: LabelPolicy, vocabulary: Iterable[str]) -> None:
    """Refuses classes with labels that the corpus lacks.

    Raises:
        ConfigError: the message names them and the labels of the corpus.
    """
    vocabulary = tuple(vocabulary)
    unknown = [code for group in labels.classes.values() for code in group if code not in vocabulary]
    if unknown:
        raise ConfigError(
            f"labels.classes: {', '.join(unknown)} is no label of this corpus; its labels are {', '.join(vocabulary)}"
        )
