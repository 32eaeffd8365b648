"""Loads the predictions, votes and speakers of one fold as arrays to be scored."""

from collections.abc import Container, Mapping
from pathlib import Path

import numpy as np

from ambiser.errors import DataError
from ambiser.labels.label_view import LabelView
from ambiser.scoring.ground_distance import GroundDistance
from ambiser.scoring.groups import Fold
from ambiser.scoring.human import Answers
from ambiser.scoring.prediction_table import read_predictions


def load_fold(
    path: Path,
    *,
    test: LabelView,
    train: LabelView,
    speakers: Mapping[str, str],
    genders: Mapping[str, str] | None = None,
    human: Answers | None = None,
    ground: GroundDistance | None = None,
    others: Container[str] = frozenset(),
) -> Fold:
    """Reads the predictions of a fold and adds votes and speakers.

    Args:
        path: predictions.tsv.
        test: labels of the fold's test part.
        train: labels of its training part, for the floors.
        speakers: the speaker of each utterance.
        genders: the gender of each speaker, where the corpus tells.
        human: the single answers of the raters to the test part.
        ground: distances between classes; None: 1 between any two.
        others: utterances that the predictions may hold and that are not scored.

    Raises:
        DataError: the predictions do not fit the labels, an utterance has no speaker, or a part is empty.
    """
    _check_parts(path, test=test, train=train, speakers=speakers)
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
        ground=ground,
    )


def _check_parts(path: Path, *, test: LabelView, train: LabelView, speakers: Mapping[str, str]) -> None:
    for part, labels in (("test", test), ("training", train)):
        if not labels.utts:
            raise DataError(f"{path}: no utterance of the {part} part has a vote for {', '.join(labels.classes)}")
    unknown = [utt for utt in test.utts if utt not in speakers]
    if unknown:
        raise DataError(f"{path}: '{unknown[0]}' has no speaker in utt2spk; run stage 1 again")


def most_frequent(hard: np.ndarray, soft: np.ndarray) -> int:
    """Returns the class that is most often the reference; the one with most votes where there is no reference."""
    known = hard[hard >= 0]
    return int(np.bincount(known).argmax()) if len(known) else int(soft.sum(axis=0).argmax())
