import numpy as np
import pytest

from ambiser.labels.next_rater import Beliefs, believe, fit_strength, simulate


def test_the_gain_is_the_mean_move_of_the_estimate_over_the_next_vote():
    beliefs = Beliefs(np.array([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]]), np.array([2.0, 0.5]))
    counts = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    before = beliefs.estimate(counts)
    assert before[0] == pytest.approx(np.array([2.0, 0.6, 2.4]) / 5)
    slow = np.zeros(2)
    for label in range(3):
        move = ((beliefs.estimate(counts + np.eye(3)[label]) - before) ** 2).sum(axis=1)
        slow += before[:, label] * move
    assert beliefs.gains(counts) == pytest.approx(slow)


def test_few_votes_and_disagreement_of_model_and_votes_raise_the_gain():
    beliefs = Beliefs(np.array([[0.7, 0.3]] * 4), np.full(4, 2.0))
    few, many, agreed, split = beliefs.gains(np.array([[1.0, 1], [5, 5], [4, 0], [2, 2]]))
    assert few > many and split > agreed


def test_the_strength_of_the_prior_is_recovered_from_the_votes():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), 4000)
    for strength in (1.0, 8.0):
        truth = np.stack([rng.dirichlet(strength * row) for row in np.maximum(probs, 1e-3)])
        counts = np.stack([rng.multinomial(5, row) for row in truth])
        assert fit_strength(probs, counts) == pytest.approx(strength, rel=0.15)


def test_members_that_disagree_make_a_prediction_worth_fewer_votes():
    rng = np.random.default_rng(1)
    one = rng.dirichlet(np.ones(3), 50)
    counts = np.stack([rng.multinomial(3, row) for row in one])
    alone, same = believe(one[None], counts), believe(np.stack([one, one]), counts)
    assert same.strength == pytest.approx(alone.strength)
    other = np.stack([one, one])
    other[:, 0] = [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05]]
    disagree = believe(other, counts)
    assert disagree.strength[0] < 0.5 * disagree.strength[1:].min()


def test_votes_in_the_order_of_gain_beat_random_order_and_end_alike():
    rng = np.random.default_rng(2)
    truth = rng.dirichlet(np.full(4, 0.3), 300)
    labels = np.stack([rng.choice(4, 6, p=row) for row in truth])
    labels[::3, 4:] = -1  # a third have four raters only
    noisy = 0.8 * truth + 0.2 * rng.dirichlet(np.ones(4), 300)
    first = np.eye(4)[labels[:, 0]]
    beliefs = believe(noisy[None], first)
    shared = {"known": 1, "steps": 20}
    ranked = simulate(beliefs, labels, **shared, choose=lambda counts, left: beliefs.gains(counts))
    random = simulate(beliefs, labels, **shared, choose=lambda counts, left: rng.random(300))
    assert ranked.votes[0] == random.votes[0] == 300 and ranked.votes[-1] == random.votes[-1] == (labels >= 0).sum()
    assert ranked.error[0] == random.error[0] and ranked.error[-1] == pytest.approx(random.error[-1])
    middle = np.linspace(300, (labels >= 0).sum(), 9)[1:-1]
    gaps = np.interp(middle, random.votes, random.error) - np.interp(middle, ranked.votes, ranked.error)
    assert (gaps > 0).all()


def test_a_single_member_has_the_strength_that_all_share():
    members = np.array([[[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]]])
    counts = np.array([[2.0, 1, 0], [1, 1, 1], [1, 2, 0]])
    assert believe(members, counts).strength == pytest.approx(fit_strength(members[0], counts))
