"""Divides utterances into groups: by level of ambiguity, kind, gender and confidence."""

import numpy as np

from ambiser.labels.label_view import AMBIGUOUS, PRECISE
from ambiser.scoring.groups import PooledFolds


def level_names(levels: list[float]) -> list[str]:
    """Returns low, medium, high for the usual two borders, and the ranges of entropy for any other number."""
    if len(levels) == 2:
        return ["low", "medium", "high"]
    return [
        f"H <= {levels[0]:g}",
        *(f"{a:g} < H <= {b:g}" for a, b in zip(levels, levels[1:], strict=False)),
        f"H > {levels[-1]:g}",
    ]


def level_masks(voted: np.ndarray, levels: list[float]) -> list[tuple[np.ndarray, dict[str, object]]]:
    """Returns for each level of ambiguity a mask (N,) and its name and bounds, as in `LevelGroup`.

    Args:
        voted: (N,) entropies of the votes in bits.
        levels: upper bounds in bits of the levels below the highest, rising.
    """
    tolerance = 1e-9  # thirds do not add up to one exactly
    edges = [-np.inf, *(level + tolerance for level in levels), np.inf]
    bounds = [None, *levels, None]
    return [
        (
            (voted > edges[i]) & (voted <= edges[i + 1]),
            {"name": name, "above_bits": bounds[i], "up_to_bits": bounds[i + 1]},
        )
        for i, name in enumerate(level_names(levels))
    ]


def kind_masks(pool: PooledFolds) -> list[tuple[str, np.ndarray]]:
    """Returns name and mask (N,) of each kind; a kind may be empty."""
    known = pool.hard >= 0
    return [
        ("precise", known & (pool.kind == PRECISE)),
        ("ambiguous", known & (pool.kind == AMBIGUOUS)),
        ("other with majority", known & (pool.kind != PRECISE) & (pool.kind != AMBIGUOUS)),
        ("no majority", ~known),
    ]


def gender_masks(pool: PooledFolds) -> list[tuple[str, np.ndarray]]:
    """Returns name and mask (N,) of each gender; empty where genders are unknown or all speakers have the same."""
    if pool.genders is None or len(np.unique(pool.genders)) < 2:
        return []
    return [(str(name), pool.genders == name) for name in np.unique(pool.genders)]


def confidence_masks(pool: PooledFolds) -> list[tuple[str, np.ndarray]]:
    """Returns name and mask (N,) of the quarters of the utterances by highest predicted probability, lowest first.

    Equal probabilities stay together, so that quarters may differ in size, and one may be empty.
    """
    confidence = pool.probs.max(axis=1)  # (N,)
    edges = np.quantile(confidence, [0.25, 0.5, 0.75])
    quarter = np.searchsorted(edges, confidence, side="left")  # (N,), 0..3
    bounds = [0.0, *edges, 1.0]
    return [(f"{bounds[i]:.2f} to {bounds[i + 1]:.2f}", quarter == i) for i in range(4)]
