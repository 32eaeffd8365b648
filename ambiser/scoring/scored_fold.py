"""One fold's predictions, votes and speakers as the arrays that `ambiser.scoring.evaluation` takes."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from ambiser.errors import DataError
from ambiser.scoring.groups import Fold
from ambiser.scoring.human import Answers
from ambiser.scoring.prediction_table import read_predictions


class Labels(Protocol):
    """What is needed of `ambiser.labels.label_view.LabelView`; rooms of one floor do not import each other."""

    classes: tuple[str, ...]
    utts: list[str]
    counts: np.ndarray
    soft: np.ndarray
    hard: np.ndarray
    kind: np.ndarray


def load_fold(
    path: Path,
    *,
    test: Labels,
    train: Labels,
    speakers: Mapping[str, str],
    genders: Mapping[str, str] | None = None,
    human: Answers | None = None,
    others: Container[str] = frozenset(),
) -> Fold:
    """Reads the predictions of a fold and puts votes and speakers beside them.

    Args:
        path: predictions.tsv.
        test: labels of the fold's test part.
        train: labels of its training part, for the floors.
        speakers: the speaker of every utterance.
        genders: of every speaker, where the corpus tells.
        human: the raters' single answers about the test part.
        others: utterances that may stand in the predictions and are not scored.

    Raises:
        DataError: the predictions do not fit the labels, an utterance has no speaker, or a part is empty.
    """
    for part, labels in (("test", test), ("training", train)):
        if not labels.utts:
            raise DataError(f"{path}: no utterance of the {part} part has a vote for {', '.join(labels.classes)}")
    unknown = [utt for utt in test.utts if utt not in speakers]
    if unknown:
        raise DataError(f"{path}: '{unknown[0]}' has no speaker in utt2spk; run stage 1 again")
    return Fold(
        probs=read_predictions(path, list(test.classes), list(test.utts), others),
        soft=test.soft,
        hard=test.hard,
        counts=test.counts,
        kind=test.kind,
        speakers=np.array([speakers[utt] for utt in test.utts]),
        prior=train.soft.mean(axis=0),
        majority=most_frequent(train.hard, train.soft),
        train_utterances=len(train.utts),
        utts=np.array(test.utts),
        genders=None if genders is None else np.array([genders[speakers[utt]] for utt in test.utts]),
        human=human,
    )


def most_frequent(hard: np.ndarray, soft: np.ndarray) -> int:
    """Returns the class that is most often the reference; the one with most votes where there is no reference."""
    known = hard[hard >= 0]
    return int(np.bincount(known).argmax()) if len(known) else int(soft.sum(axis=0).argmax())
