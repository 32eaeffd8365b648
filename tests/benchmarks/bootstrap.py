"""Times the intervals: 10,000 resamples of all metrics on 46,000 utterances; they should take 20 s and 2 GB at most.

python tests/benchmarks/bootstrap.py [FACTOR]

With a factor, there are FACTOR times as many utterances and speakers, and 1,000 resamples.
"""

import resource
import sys
import time

import numpy as np

from ambiser.scoring.bootstrap import draw_speakers, percentile_intervals, resampled_scores

UTTERANCES, SPEAKERS, RATERS, RESAMPLES = 46000, 1500, 5, 10000


def main() -> None:
    """Prints seconds and memory."""
    factor = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    utterances, speakers, resamples = factor * UTTERANCES, factor * SPEAKERS, RESAMPLES if factor == 1 else 1000
    rng = np.random.default_rng(0)
    lean = rng.dirichlet(np.full(4, 0.4), utterances)
    counts = np.stack([rng.multinomial(RATERS, row) for row in lean]).astype(float)
    best = counts.max(axis=1, keepdims=True)
    hard = np.where((counts == best).sum(axis=1) == 1, counts.argmax(axis=1), -1)
    probs = 0.6 * rng.dirichlet(np.ones(4), utterances) + 0.4 * lean
    speaker = rng.integers(0, speakers, utterances)
    start = time.perf_counter()
    drawn = draw_speakers(speakers, resamples, 0)
    soft = counts / RATERS
    scores = resampled_scores(probs=probs, soft=soft, hard=hard, counts=counts, speaker=speaker, drawn=drawn, bins=10)
    intervals = percentile_intervals(scores, 0.95)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{len(intervals)} metrics, {time.perf_counter() - start:.1f} s, {gigabytes:.2f} GB")


if __name__ == "__main__":
    main()
