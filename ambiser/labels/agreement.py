"""How far raters agree beyond chance: Krippendorff's alpha and Fleiss' kappa for nominal labels."""

import numpy as np


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Returns Krippendorff's alpha for nominal labels: 1 is perfect agreement, 0 what chance would give.

    Alpha is 1 minus observed over expected disagreement. Observed: of the pairs of labels within a unit, each unit
    weighted by its number of labels, the share that differs. Expected: the same of all pairs of labels. Units with
    fewer than two labels do not count.

    Args:
        counts: (N, C) how often each label was given to each unit.

    Returns:
        Alpha; nan where no two labels can be compared, or only one label was ever used.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """
    counts = np.asarray(counts, dtype=float)
    counts = counts[counts.sum(axis=1) >= 2]
    per_unit, per_label = counts.sum(axis=1), counts.sum(axis=0)
    total = per_unit.sum()
    observed = ((per_unit**2 - (counts**2).sum(axis=1)) / np.maximum(per_unit - 1, 1)).sum()
    expected = (total**2 - (per_label**2).sum()) / max(total - 1, 1)
    return 1 - observed / expected if expected > 0 else float("nan")


def fleiss_kappa(counts: np.ndarray) -> float:
    """Returns Fleiss' kappa: 1 is perfect agreement, 0 what chance would give.

    Kappa is (P - Pe) / (1 - Pe). P is the mean over units of the share of pairs of labels that agree; Pe is the sum of
    the squared shares of the labels. Fleiss defined it for equally many raters a unit; where their number varies,
    every unit counts the same. Units with fewer than two labels do not count.

    Args:
        counts: (N, C) how often each label was given to each unit.

    Returns:
        Kappa; nan where no two labels can be compared, or only one label was ever used.

    Source: Fleiss, Measuring nominal scale agreement among many raters, Psychological Bulletin 76(5), 1971.
    """
    counts = np.asarray(counts, dtype=float)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return float("nan")
    per_unit = counts.sum(axis=1)
    agreement = (((counts**2).sum(axis=1) - per_unit) / (per_unit * (per_unit - 1))).mean()
    shares = counts.sum(axis=0) / counts.sum()
    chance = (shares**2).sum()
    return float((agreement - chance) / (1 - chance)) if chance < 1 else float("nan")
