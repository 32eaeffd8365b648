"""Computes chance-corrected agreement between raters: Krippendorff's alpha and Fleiss' kappa, nominal labels."""

import numpy as np


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Returns Krippendorff's alpha for nominal labels: 1 is perfect agreement, 0 is chance.

    Alpha is 1 - observed / expected disagreement. Observed: the share of label pairs within a unit that differ, each
    unit weighted by its number of labels. Expected: the share of all label pairs that differ. Units with fewer than
    two labels are ignored.

    Args:
        counts: (N, C) number of times each label was given to each unit.

    Returns:
        Alpha; nan if no unit has two labels or only one label was ever used.

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
    """Returns Fleiss' kappa: 1 is perfect agreement, 0 is chance.

    Kappa is (P - Pe) / (1 - Pe). P is the mean over units of the share of label pairs that agree; Pe is the sum of the
    squared label shares. Fleiss defined it for the same number of raters per unit; where the number varies, all units
    weigh the same. Units with fewer than two labels are ignored.

    Args:
        counts: (N, C) number of times each label was given to each unit.

    Returns:
        Kappa; nan if no unit has two labels or only one label was ever used.

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
