"""Scores the references of a group of utterances: predictors that have heard nothing, and single raters.

References depend on labels, not on a system, so they are kept for the next system with the same labels.
"""

import functools
from dataclasses import dataclass, fields

import numpy as np

from ambiser.io.files import digest
from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.ground_distance import GroundDistance
from ambiser.scoring.human import Answers
from ambiser.scoring.metrics import detection_scores, distribution_scores, hard_scores, score_all
from ambiser.scoring.results import Human
from ambiser.scoring.score_names import METRICS, Scores

_KEEP = 128  # groups; a system has about 15


@dataclass(frozen=True, eq=False)
class Labels:
    """What references depend on; equal if all values are.

    soft, counts (N, C) and hard (N,) are as in `ambiser.scoring.metrics`; prior (N, C) and majority (N,) are those of
    the fold of each utterance; human holds the raters' single answers; bins are those of the calibration error.
    """

    soft: np.ndarray
    hard: np.ndarray
    counts: np.ndarray
    prior: np.ndarray
    majority: np.ndarray
    human: Answers | None
    bins: int
    ground: GroundDistance | None

    @functools.cached_property
    def _digest(self) -> str:
        parts: list[str | bytes] = [str(self.bins)]
        for part in (self, self.human, self.ground):
            parts.append("none" if part is None else "there")
            for field in fields(part) if part is not None else ():
                if isinstance(value := getattr(part, field.name), np.ndarray):
                    parts += [f"{value.dtype.str} {value.shape}", value.tobytes()]
        return digest(*parts)

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labels) and self._digest == other._digest


def score_references(labels: Labels, mask: np.ndarray) -> tuple[dict[str, Scores], Human | None]:
    """Returns the scores of the floors and of single raters (None without them) on the utterances of a mask (N,)."""
    return _score(labels, mask.tobytes())


@functools.lru_cache(_KEEP)
def _score(labels: Labels, mask_bytes: bytes) -> tuple[dict[str, Scores], Human | None]:
    mask = np.frombuffer(mask_bytes, dtype=bool)
    if labels.human is None:
        return _floors(labels, mask), None
    chosen = mask[labels.human.row]  # (M,)
    scores = labels.human.scores(chosen, labels.bins, labels.ground)
    return _floors(labels, mask), Human(answers=int(chosen.sum()), scores=scores)


def _floors(labels: Labels, mask: np.ndarray) -> dict[str, Scores]:
    """Scores what needs no speech: equal probabilities, the class prior, and the most frequent class.

    Equal probabilities name no class and one class is no distribution: each has the scores that it can have.
    """
    soft, hard, counts, classes = labels.soft[mask], labels.hard[mask], labels.counts[mask], labels.soft.shape[1]
    uniform = np.full_like(soft, 1 / classes)
    none = dict.fromkeys(METRICS)
    return {
        "uniform": none
        | distribution_scores(uniform, soft, counts, labels.ground)
        | detection_scores(entropy_bits(uniform), hard),
        "prior": score_all(
            probs=labels.prior[mask], soft=soft, hard=hard, counts=counts, bins=labels.bins, ground=labels.ground
        ),
        "majority": none | hard_scores(labels.majority[mask], hard, classes),
    }
