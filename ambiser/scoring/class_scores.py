"""Scores of one class for many resamples of the speakers at once."""

import numpy as np

from ambiser.scoring.rank_scores import area
from ambiser.scoring.utterance_scores import bhattacharyya, jsd_bits


def class_scores(
    label: int, *, probs: np.ndarray, soft: np.ndarray, hard: np.ndarray, speaker: np.ndarray, drawn: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns the scores `CLASS_METRICS` of a class in every resample, (R,) each, NaN where they are undefined.

    Args:
        label: the class.
        probs, soft, hard: as in `ambiser.scoring.metrics`.
        speaker: (N,) which column of `drawn` an utterance belongs to.
        drawn: (R, S) how often each speaker was drawn.
    """
    own = hard == label  # (N,)
    guessed = (probs.argmax(axis=1) == label) & (hard >= 0)  # (N,)
    votes, gap = soft[:, label], soft[:, label] - probs[:, label]  # (N,)
    # The spread is the same about any origin; an origin near the mean loses no digits.
    centered = votes - votes.mean() if len(votes) else votes
    columns = {
        "size": np.ones(len(hard)),
        "own": own,
        "guessed": guessed,
        "right": own & guessed,
        "bc": own * bhattacharyya(probs, soft),
        "jsd_bits": own * jsd_bits(probs, soft),
        "residual": gap**2,
        "first": centered,
        "second": centered**2,
    }
    by_speaker = [np.bincount(speaker, weights=column, minlength=drawn.shape[1]) for column in columns.values()]
    total = dict(zip(columns, by_speaker @ drawn.T.astype(float), strict=True))  # (R,) each
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = total["second"] - total["first"] ** 2 / total["size"]
        return {
            "recall": total["right"] / total["own"],
            "precision": total["right"] / total["guessed"],
            "f1": 2 * total["right"] / (total["own"] + total["guessed"]),
            "auroc": area(probs[hard >= 0, label], own[hard >= 0], speaker=speaker[hard >= 0], drawn=drawn),
            "bc": total["bc"] / total["own"],
            "jsd_bits": total["jsd_bits"] / total["own"],
            "r2_determination": np.where(spread > 1e-9, 1 - total["residual"] / spread, np.nan),
        }
