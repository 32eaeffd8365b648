import itertools

import numpy as np
import pytest

from ambiser.labels.agreement import fleiss_kappa
from ambiser.scoring.vote_agreement import agreement_scores, observed_agreement


def test_observed_agreement_counts_pairs_of_votes_as_fleiss_does():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(5, [0.4, 0.3, 0.2, 0.1], size=30).astype(float)
    slow = [
        np.mean([a == b for a, b in itertools.combinations(np.repeat(range(4), row.astype(int)), 2)]) for row in counts
    ]
    assert observed_agreement(counts) == pytest.approx(np.array(slow))
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    kappa = (observed_agreement(counts).mean() - chance) / (1 - chance)
    assert kappa == pytest.approx(fleiss_kappa(counts))


def test_agreement_scores_against_numpy_without_utterances_of_one_vote():
    rng = np.random.default_rng(1)
    probs, counts = rng.dirichlet(np.ones(3), 40), rng.multinomial(4, [0.5, 0.3, 0.2], size=40).astype(float)
    counts[:5] = np.eye(3)[0]
    expected, observed = (probs**2).sum(axis=1)[5:], observed_agreement(counts)[5:]
    scores = agreement_scores(probs, counts)
    assert scores["agreement_gap"] == pytest.approx(abs(expected.mean() - observed.mean()))
    assert scores["agreement_correlation"] == pytest.approx(np.corrcoef(expected, observed)[0, 1])
    assert agreement_scores(probs[:5], counts[:5]) == {"agreement_gap": None, "agreement_correlation": None}
    same = agreement_scores(np.full((40, 3), 1 / 3), counts)
    assert same["agreement_correlation"] is None and same["agreement_gap"] is not None


def test_the_distribution_that_raters_draw_from_has_no_agreement_gap():
    rng = np.random.default_rng(2)
    probs = rng.dirichlet(np.ones(4), 20000)
    counts = np.stack([rng.multinomial(3, row) for row in probs]).astype(float)
    assert agreement_scores(probs, counts)["agreement_gap"] < 0.005
    assert agreement_scores(counts / 3, counts)["agreement_gap"] > 0.1, "vote shares of three expect too much agreement"


def test_shared_votes_never_give_a_negative_agreement():
    assert observed_agreement(np.array([[1.0, 0.5, 0.5], [1.5, 1.5, 0.0]])).tolist() == [0.0, 0.25]
