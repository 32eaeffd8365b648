"""Pools the utterances of all folds in one set of arrays, and scores any group of them.

A group is described by how many utterances, speakers and references it has, its scores, their intervals, the same
scores of predictors that have heard nothing (the floors) and of single raters (the ceiling), so that no number stands
without what it must be compared with.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ambiser.errors import DataError
from ambiser.scoring.bootstrap import (
    bca_intervals,
    draw_speakers,
    leave_one_out,
    percentile_intervals,
    resampled_scores,
)
from ambiser.scoring.ground_distance import GroundDistance
from ambiser.scoring.human import Answers
from ambiser.scoring.metrics import score_all
from ambiser.scoring.references import Labels, score_references
from ambiser.scoring.results import Group, Interval
from ambiser.scoring.score_names import METRICS, Scores
from ambiser.scoring.set_scores import FoldSets

INTERVAL_LEVEL = 0.95
_ARRAYS = ("probs", "soft", "hard", "counts", "kind", "speakers")


@dataclass(frozen=True)
class Fold:
    """What is scored of one fold: N utterances of its test part, and what its training part knew beforehand.

    probs, soft, counts (N, C) and hard (N,) are as in `ambiser.scoring.metrics`; kind (N,) is 0 for precise and 1 for
    ambiguous utterances; speakers (N,) are names; prior (C,) is the mean soft label of the training part and majority
    its most frequent class. train_utterances is its size; utts (N,) are names, genders (N,) what the corpus says of the
    speakers; human holds the raters' single answers; ground the distances between classes, the same in all folds;
    sets the prediction sets.
    """

    probs: np.ndarray
    soft: np.ndarray
    hard: np.ndarray
    counts: np.ndarray
    kind: np.ndarray
    speakers: np.ndarray
    prior: np.ndarray
    majority: int
    train_utterances: int = 0
    utts: np.ndarray | None = None
    genders: np.ndarray | None = None
    human: Answers | None = None
    ground: GroundDistance | None = None
    sets: FoldSets | None = None


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: resamples of the speakers (0 for none), their seed, and percentile or bca."""

    resamples: int
    seed: int
    interval: str


class PooledFolds:
    """All folds' utterances in one set of arrays, with the speakers' resamples drawn once for all groups."""

    def __init__(self, folds: Mapping[int, Fold], resampling: Resampling, bins: int) -> None:
        for name in _ARRAYS:
            setattr(self, name, np.concatenate([getattr(fold, name) for fold in folds.values()]))
        self.utts = check_utterances(folds)
        self.genders = _genders(folds)
        sizes = [len(fold.hard) for fold in folds.values()]
        self.fold = np.repeat(list(folds), sizes)
        self.classes, self.bins = self.probs.shape[1], bins
        self.ground = next(iter(folds.values())).ground
        self._labels = Labels(
            soft=self.soft,
            hard=self.hard,
            counts=self.counts,
            prior=np.repeat(np.stack([fold.prior for fold in folds.values()]), sizes, axis=0),
            majority=np.repeat([fold.majority for fold in folds.values()], sizes),
            human=_human(folds),
            bins=bins,
            ground=self.ground,
        )
        names, self.speaker = np.unique(self.speakers, return_inverse=True)
        self.names, self.interval = names, resampling.interval
        resamples = resampling.resamples if len(names) > 1 else 0
        self.drawn = draw_speakers(len(names), resamples, resampling.seed)

    def group(self, mask: np.ndarray, intervals: bool = True) -> Group:
        """Describes the utterances of a mask (N,); the numbers are not rounded."""
        probs, soft, hard, counts = self.probs[mask], self.soft[mask], self.hard[mask], self.counts[mask]
        scores = score_all(probs=probs, soft=soft, hard=hard, counts=counts, bins=self.bins, ground=self.ground)
        floors, human = score_references(self._labels, mask)
        return Group(
            utterances=len(hard),
            with_reference=int((hard >= 0).sum()),
            speakers=len(np.unique(self.speaker[mask])),
            scores=scores,
            floors=floors,
            human=human,
            intervals=self._intervals(mask, scores) if intervals else None,
        )

    def resample(
        self, mask: np.ndarray, drawn: np.ndarray, wanted: Collection[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Scores the utterances of a mask in every resample; `wanted` as in `resampled_scores`."""
        return resampled_scores(
            probs=self.probs[mask],
            soft=self.soft[mask],
            hard=self.hard[mask],
            counts=self.counts[mask],
            speaker=self.speaker[mask],
            drawn=drawn,
            bins=self.bins,
            ground=self.ground,
            wanted=wanted,
        )

    def _intervals(self, mask: np.ndarray, scores: Scores) -> dict[str, Interval | None]:
        speakers = len(np.unique(self.speaker[mask]))
        if len(self.drawn) == 0 or speakers < 2:
            return dict.fromkeys(METRICS)
        drawn = self.resample(mask, self.drawn)
        if self.interval == "percentile":
            return percentile_intervals(drawn, INTERVAL_LEVEL)
        present = np.unique(self.speaker[mask])
        jackknife = self.resample(mask, leave_one_out(len(self.names))[present])
        return bca_intervals(drawn, INTERVAL_LEVEL, scores=scores, jackknife=jackknife)


def check_utterances(folds: Mapping[int, Fold]) -> np.ndarray | None:
    """Returns the names of all folds' utterances, or None where they are not known.

    Raises:
        DataError: an utterance is scored in two folds.
    """
    if any(fold.utts is None for fold in folds.values()):
        return None
    seen: dict[str, int] = {}
    for number, fold in folds.items():
        for utt in fold.utts:
            if utt in seen:
                raise DataError(f"fold {number}: '{utt}' is scored in fold {seen[utt]} too; run stage 1 again")
            seen[utt] = number
    return np.array(list(seen))


def _genders(folds: Mapping[int, Fold]) -> np.ndarray | None:
    known = all(fold.genders is not None for fold in folds.values())
    return np.concatenate([fold.genders for fold in folds.values()]) if known else None


def _human(folds: Mapping[int, Fold]) -> Answers | None:
    if any(fold.human is None for fold in folds.values()):
        return None
    starts = np.cumsum([0, *(len(fold.hard) for fold in folds.values())])
    parts = {
        name: np.concatenate([getattr(fold.human, name) for fold in folds.values()])
        for name in ("probs", "soft", "hard", "counts")
    }
    row = np.concatenate([fold.human.row + start for fold, start in zip(folds.values(), starts, strict=False)])
    return Answers(**parts, row=row)
