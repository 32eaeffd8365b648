"""Checks that the training part of a fold has what a stage needs, before anything is trained."""

import math

import torch
from torch import Tensor

from ambiser.config.score_keys import Score
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.labels.label_view import AMBIGUOUS, PRECISE
from ambiser.scoring.conformal import calibration_shares
from ambiser.scoring.set_scores import set_rule
from ambiser.train.part import FoldData, Part

FEW_PRECISE = 5
"""With fewer precise utterances the mean embedding of a class is a poor prototype, and a warning names the class."""


def check_precise(data: FoldData, precise: object) -> None:
    """Checks that every class has precise training utterances, and warns of classes with few.

    Args:
        data: the fold.
        precise: value of `labels.precise`, for the message.

    Raises:
        DataError: a class has none.
    """
    train, classes = data.train, data.shapes.classes
    chosen = (train.kind == PRECISE) & (train.hard >= 0)  # (N,)
    found = torch.bincount(train.hard[chosen].cpu(), minlength=len(classes))  # (C,)
    counts = dict(zip(classes, found.tolist(), strict=True))
    empty = [name for name, count in counts.items() if count == 0]
    if empty:
        raise DataError(
            f"fold {data.fold}: no precise training utterance for {', '.join(empty)}; "
            f"let more count as precise (labels.precise is {precise})"
        )
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW_PRECISE]
    if few:
        log.warning(
            f"fold {data.fold}: few precise training utterances for {', '.join(few)}; their prototypes are unreliable"
        )


def check_ambiguous(data: FoldData, precise: object) -> None:
    """Checks that there are ambiguous training utterances.

    Args:
        data: the fold.
        precise: value of `labels.precise`, for the message.

    Raises:
        DataError: there are none.
    """
    if not (data.train.kind == AMBIGUOUS).any():
        raise DataError(
            f"fold {data.fold}: no ambiguous training utterance; let fewer count as precise (labels.precise is "
            f"{precise}), or set ipr.ambiguous_share=0"
        )


def check_targets(data: FoldData, target: str, utterances: str) -> None:
    """Checks that a training utterance has the label that `amber.target` and `amber.utterances` name.

    Raises:
        DataError: none is left.
    """
    if not learned_from(data.train, target, "all").any():
        raise DataError(f"fold {data.fold}: no training utterance has a majority; use amber.target=votes")
    if not learned_from(data.train, target, utterances).any():
        raise DataError(f"fold {data.fold}: no precise training utterance; use amber.utterances=all")


def learned_from(train: Part, target: str, utterances: str) -> Tensor:
    """Returns (N,) true for the utterances that `amber.target` and `amber.utterances` let the heads learn from."""
    chosen = torch.ones_like(train.hard, dtype=torch.bool) if target == "votes" else train.hard >= 0
    return chosen & (train.kind == PRECISE) if utterances == "precise" else chosen


def check_words(data: FoldData, target: str, utterances: str, student: str) -> None:
    """Checks that a training utterance has words when a head reads text; warns, or refuses a student that needs them.

    Args:
        data: the fold.
        target: value of `amber.target`; utterances without a majority are not trained on when it is the target.
        utterances: value of `amber.utterances`.
        student: head that is scored.

    Raises:
        DataError: no utterance has words, and the student reads only text.
    """
    has_text = data.train.has_text()
    if has_text is None:
        return
    if has_text[learned_from(data.train, target, utterances)].any():
        return
    nothing = f"fold {data.fold}: no training utterance has words"
    if student == "T":
        raise DataError(f"{nothing}, and the student reads only text; use amber.student=A")
    log.warning("%s: head T is not trained, and AT gets speech only", nothing)


def check_sets(data: FoldData, score: Score) -> None:
    """Warns where the dev part is too small to calibrate the prediction sets of `score.sets`.

    Args:
        data: the fold.
        score: section `score` of the configuration.
    """
    if score.sets == "none":
        return
    shares = calibration_shares(score.sets_by, data.dev.soft.cpu().numpy(), data.dev.hard.cpu().numpy())  # (M, C)
    mass = shares.sum(axis=0).min() if score.sets_per_class else shares.sum()
    needed = set_rule(score).least_utterances()
    if mass < needed:
        of = " of a class" if score.sets_per_class else ""
        log.warning(
            f"fold {data.fold}: dev has {mass:.0f} utterances{of} to calibrate prediction sets on "
            f"({score.sets_by}); coverage {score.sets_coverage:g} needs {needed}, so sets will hold all classes; set "
            f"score.sets_coverage to at most {math.floor(100 * mass / (mass + 1)) / 100:g}"
        )
