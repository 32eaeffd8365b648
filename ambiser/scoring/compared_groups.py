"""The groups of utterances on which systems are compared: all, or by class, level, kind, gender or confidence."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ambiser.errors import DataError
from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.class_scores import class_scores
from ambiser.scoring.group_masks import confidence_masks, gender_masks, kind_masks, level_masks
from ambiser.scoring.groups import PooledFolds
from ambiser.scoring.score_names import CLASS_METRICS, METRICS, Metric

COMPARED = ("accuracy", "ua", "macro_f1", "macro_auroc", "bc", "jsd_bits", "r2_pearson", "r2_determination", "ece")
GROUP_SCORES = ("accuracy", "ua", "macro_auroc", "bc", "jsd_bits")
DIVISIONS = ("class", "level", "kind", "gender", "confidence")
"""The values of `--by`."""

Resample = Callable[[PooledFolds, np.ndarray, np.ndarray, Collection[str]], dict[str, np.ndarray]]
"""From a pool, a mask (N,), draws (R, S) and names to these scores (R,) of the group's utterances in the mask."""


@dataclass(frozen=True)
class ComparedGroup:
    """A group of utterances.

    Attributes:
        name: empty for all utterances.
        utterances: how many; for a class, those whose reference it is.
        speakers: how many have at least one of them.
        resample: scores the group in resamples of the speakers.
    """

    name: str
    utterances: int
    speakers: int
    resample: Resample


def metrics_of(by: str) -> Mapping[str, Metric]:
    """Returns the scores that a division (a value of `--by`, or empty) has, by name."""
    return CLASS_METRICS if by == "class" else METRICS


def usual_scores(by: str) -> tuple[str, ...]:
    """Returns the scores that are compared unless others are named."""
    return tuple(CLASS_METRICS) if by == "class" else GROUP_SCORES if by else COMPARED


def find_groups(by: str, pool: PooledFolds, *, class_names: list[str], levels: list[float]) -> list[ComparedGroup]:
    """Returns the groups of a division that hold utterances.

    Args:
        by: one of `DIVISIONS`, or empty for all utterances.
        pool: of the first system and its first seed; its masks serve all systems, whose utterances are the same.
        class_names: in the order of the arrays.
        levels: upper bounds in bits of the levels of ambiguity.

    Raises:
        DataError: by gender, and the corpus does not tell two genders.
    """
    if by == "class":
        masks = [(name, pool.hard == label) for label, name in enumerate(class_names)]
        made = [_group(pool, name, mask, _of_class(label)) for label, (name, mask) in enumerate(masks)]
        return [group for group in made if group.utterances]
    if by == "gender" and not gender_masks(pool):
        raise DataError("--by gender: the corpus does not tell two genders (spk2gender of stage 1)")
    masks = {
        "": lambda: [("", np.ones(len(pool.hard), dtype=bool))],
        "level": lambda: [(about["name"], mask) for mask, about in level_masks(entropy_bits(pool.soft), levels)],
        "kind": lambda: kind_masks(pool),
        "gender": lambda: gender_masks(pool),
        "confidence": lambda: confidence_masks(pool),
    }[by]()
    return [_group(pool, name, mask, _of_mask(mask)) for name, mask in masks if mask.any()]


def _group(pool: PooledFolds, name: str, mask: np.ndarray, resample: Resample) -> ComparedGroup:
    return ComparedGroup(name, int(mask.sum()), len(np.unique(pool.speaker[mask])), resample)


def _of_mask(group: np.ndarray) -> Resample:
    def resample(
        pool: PooledFolds, mask: np.ndarray, drawn: np.ndarray, wanted: Collection[str]
    ) -> dict[str, np.ndarray]:
        both = group & mask
        nothing = {name: np.full(len(drawn), np.nan) for name in METRICS}
        return pool.resample(both, drawn, wanted) if both.any() else nothing

    return resample


def _of_class(label: int) -> Resample:
    def resample(
        pool: PooledFolds, mask: np.ndarray, drawn: np.ndarray, wanted: Collection[str]
    ) -> dict[str, np.ndarray]:
        arrays = {name: getattr(pool, name)[mask] for name in ("probs", "soft", "hard", "speaker")}
        return class_scores(label, **arrays, drawn=drawn)

    return resample
