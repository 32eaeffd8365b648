"""The prediction for one utterance, with what it says about disagreement."""

from dataclasses import dataclass, field

import numpy as np

from ambiser.labels.entropy import entropy_bits
from ambiser.labels.expected_votes import expected_agreement, no_majority_chance


@dataclass(frozen=True)
class UtterancePrediction:
    """The prediction for one utterance.

    Attributes:
        distribution: probability by class: the expected share of the raters' votes.
        member_information_bits: disagreement of the members of an ensemble: the entropy of their mean minus their mean
            entropy; 0 where all agree or there is one.
        head_jsd_bits: Jensen-Shannon divergence by pair of heads (A_T, A_AT, T_AT); empty for a model with one head.
        prototype_similarity: cosine with the prototype of each class, nearest first; empty for a model without.
        prediction_set: classes that hold a rater's label with the chance that `score.sets_coverage` asked for, the most
            probable first; of several networks, those in the sets of most. Empty for a model without sets.
        notes: remarks on the input, such as "silent".
    """

    distribution: dict[str, float]
    member_information_bits: float = 0.0
    head_jsd_bits: dict[str, float] = field(default_factory=dict)
    prototype_similarity: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    prediction_set: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The most probable class; the first one of equals."""
        return max(self.distribution, key=self.distribution.__getitem__)

    @property
    def entropy_bits(self) -> float:
        """Entropy of the distribution, 0 to log2 C."""
        return float(entropy_bits(self._row())[0])

    @property
    def expected_agreement(self) -> float:
        """The chance that two raters choose the same class."""
        return float(expected_agreement(self._row())[0])

    @property
    def nearest_prototype(self) -> str | None:
        """The class of the nearest prototype; None for a model without prototypes."""
        return next(iter(self.prototype_similarity), None)

    def no_majority(self, raters: int) -> float:
        """Returns the chance that no class has strictly the most votes of this many raters (1 to 100)."""
        return float(no_majority_chance(self._row(), raters)[0])

    def _row(self) -> np.ndarray:
        return np.array([list(self.distribution.values())])  # (1, C)
