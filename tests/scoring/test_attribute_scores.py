"""Scores of attributes against numpy, and their resamples against repeated utterances."""

import numpy as np
import pytest

from ambiser.labels.ratings import ATTRIBUTES, Ratings
from ambiser.scoring.attribute_scores import agreement, score_attributes
from ambiser.scoring.bootstrap import draw_speakers


def _ccc(x, y):
    return 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


def test_resamples_equal_repeated_utterances():
    rng = np.random.default_rng(0)
    x, y, speakers = rng.normal(3, 1, 30), rng.normal(4, 1, 30), np.array(list("abcde") * 6)
    found = agreement(x, y, speakers, resamples=5)
    assert found["ccc"][0] == pytest.approx(_ccc(x, y))
    assert found["pearson"][0] == pytest.approx(np.corrcoef(x, y)[0, 1])
    for number, times in enumerate(draw_speakers(5, 5, seed=0), start=1):
        rows = np.concatenate(
            [np.flatnonzero(speakers == s) for s, n in zip("abcde", times, strict=True) for _ in range(n)]
        )
        assert found["ccc"][number] == pytest.approx(_ccc(x[rows], y[rows]))
        assert found["pearson"][number] == pytest.approx(np.corrcoef(x[rows], y[rows])[0, 1])


def test_scores_utterances_with_enough_ratings():
    rng = np.random.default_rng(1)
    mean, variance = rng.normal(3, 1, (40, 3)), rng.uniform(0.1, 2, (40, 3))
    count = np.full((40, 3), 3.0)
    count[0], count[1] = 0, 1
    ratings = Ratings(np.where(count > 0, mean, np.nan), np.where(count > 1, variance, np.nan), count)
    constant = np.full((40, 3), 0.7)
    scores = score_attributes(mean, constant, ratings, np.array(list("abcd") * 10), resamples=100)
    assert [one.name for one in scores] == list(ATTRIBUTES)
    assert (scores[0].utterances, scores[0].spread_utterances) == (39, 38)
    assert scores[0].ccc == pytest.approx(1)
    assert scores[0].ccc_interval == pytest.approx([1, 1])
    assert np.isnan(scores[0].spread_correlation)  # a constant spread has no correlation
    assert scores[0].spread_correlation_interval is None
