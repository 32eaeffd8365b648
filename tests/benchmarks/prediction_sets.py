"""Times prediction sets: calibration and scores with intervals of 46,000 utterances; they should take 5 s at most.

python tests/benchmarks/prediction_sets.py
"""

import time
from types import SimpleNamespace

import numpy as np

from ambiser.labels.entropy import entropy_bits
from ambiser.scoring.bootstrap import draw_speakers
from ambiser.scoring.conformal import SetRule
from ambiser.scoring.group_masks import level_masks
from ambiser.scoring.set_scores import fold_sets, score_sets

UTTERANCES, SPEAKERS, RATERS, CLASSES, RESAMPLES = 46000, 1500, 5, 8, 1000


def main() -> None:
    """Prints seconds."""
    rng = np.random.default_rng(0)
    lean = rng.dirichlet(np.full(CLASSES, 0.4), UTTERANCES)
    counts = np.stack([rng.multinomial(RATERS, row) for row in lean])
    soft, hard = counts / RATERS, counts.argmax(axis=1)
    probs = 0.6 * rng.dirichlet(np.ones(CLASSES), UTTERANCES) + 0.4 * lean
    start = time.perf_counter()
    names, speaker = np.unique(rng.integers(0, SPEAKERS, UTTERANCES), return_inverse=True)
    drawn = draw_speakers(len(names), RESAMPLES, 0)
    pool = SimpleNamespace(soft=soft, hard=hard, speaker=speaker, names=names, drawn=drawn)
    sets = fold_sets(SetRule("aps", 0.9, True, 0.1, 1), probs, dev=probs, dev_soft=soft, dev_hard=hard)
    score_sets(pool, {1: sets}, level_masks(entropy_bits(soft), [0.0, 0.95]), used="votes", interval_level=0.95)
    print(f"{UTTERANCES:,} utterances, {CLASSES} classes: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
