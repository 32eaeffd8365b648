import math
import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cosine as cosine_distance
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, spearmanr
from sklearn import metrics as sk

from ambiser.scoring.metrics import (
    class_aurocs,
    confusion_counts,
    detection_scores,
    distribution_scores,
    entropy_bits,
    entropy_correlation,
    expected_calibration_error,
    hard_scores,
    macro_auroc,
    multilabel_macro_f1,
    nll_per_vote_nats,
    r2_determination,
    score_all,
)
from ambiser.scoring.score_names import METRICS


@pytest.fixture
def drawn(votes_and_predictions):
    return votes_and_predictions(200)


def test_every_metric_is_scored_in_its_order(drawn):
    scores = score_all(**drawn, bins=10)
    assert list(scores) == list(METRICS)
    assert all(isinstance(value, float) and math.isfinite(value) for value in scores.values())


def test_distribution_scores_against_scipy_and_slow_loops(drawn):
    probs, soft, counts = drawn["probs"], drawn["soft"], drawn["counts"]
    scores = distribution_scores(probs, soft, counts)
    pairs = list(zip(soft, probs, strict=True))
    distances_bits = np.array([jensenshannon(y, p, base=2) for y, p in pairs])
    assert scores["sqrt_jsd_bits"] == pytest.approx(distances_bits.mean())
    assert scores["jsd_bits"] == pytest.approx((distances_bits**2).mean())
    assert scores["jsd_nats"] == pytest.approx(np.mean([jensenshannon(y, p) ** 2 for y, p in pairs]))
    assert scores["kl_nats"] == pytest.approx(np.mean([entropy(y, p) for y, p in pairs]))
    assert scores["bc"] == pytest.approx(
        np.mean([sum(math.sqrt(a * b) for a, b in zip(y, p, strict=True)) for y, p in pairs])
    )
    assert scores["total_variation"] == pytest.approx(np.mean([sum(abs(y - p)) / 2 for y, p in pairs]))
    assert scores["brier"] == pytest.approx(np.mean([sum((y - p) ** 2) for y, p in pairs]))
    assert scores["r2_pearson"] == pytest.approx(np.mean([np.corrcoef(y, p)[0, 1] ** 2 for y, p in pairs]), abs=1e-6)
    assert scores["r2_determination"] == pytest.approx(
        np.mean([sk.r2_score(soft[:, c], probs[:, c]) for c in range(4)])
    )
    rho = spearmanr([entropy(np.sort(y)) for y in soft], [entropy(p) for p in probs]).statistic
    assert scores["entropy_correlation"] == pytest.approx(rho, abs=1e-6)
    votes = [-math.log(p[c]) for p, n in zip(probs, counts, strict=True) for c in range(4) for _ in range(int(n[c]))]
    assert scores["nll_per_vote_nats"] == pytest.approx(np.mean(votes))


def test_distribution_scores_against_torchmetrics_style_worked_numbers():
    soft, probs = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.25, 0.5]])
    scores = distribution_scores(probs, soft, soft * 2)
    assert scores["bc"] == pytest.approx(math.sqrt(0.5))
    assert scores["total_variation"] == pytest.approx(0.5)
    assert scores["brier"] == pytest.approx(0.375)
    assert scores["kl_nats"] == pytest.approx(math.log(2))
    assert scores["nll_per_vote_nats"] == pytest.approx(math.log(4))
    middle_entropy, halves = 2 * -0.375 * math.log2(0.375) + 0.5, (1 + 1.5) / 2
    assert scores["jsd_bits"] == pytest.approx(middle_entropy - halves)
    assert scores["r2_pearson"] == pytest.approx(1.0, abs=1e-6), "blind to the sign: here it is exactly opposite"


def test_one_hot_votes_and_zero_probabilities_stay_finite():
    soft, probs = np.eye(3), np.eye(3)[[0, 2, 1]]
    scores = distribution_scores(probs, soft, soft)
    assert scores["bc"] == pytest.approx(1 / 3) and scores["jsd_bits"] == pytest.approx(2 / 3)
    assert scores["sqrt_jsd_bits"] == pytest.approx(2 / 3) and scores["total_variation"] == pytest.approx(2 / 3)
    assert scores["kl_nats"] == pytest.approx(2 / 3 * -math.log(1e-8))
    assert scores["entropy_correlation"] is None


def test_a_perfect_prediction_reaches_every_best_value(drawn):
    scores = score_all(**(drawn | {"probs": drawn["soft"]}), bins=10)
    for name in ("accuracy", "ua", "macro_f1", "weighted_f1", "bc", "r2_determination", "entropy_correlation"):
        assert scores[name] == pytest.approx(1), name
    for name in ("jsd_bits", "jsd_nats", "sqrt_jsd_bits", "kl_nats", "total_variation", "brier"):
        assert scores[name] == pytest.approx(0, abs=1e-7), name


def test_hard_scores_against_scikit_learn_and_without_unknown_references(drawn):
    predicted, hard = drawn["probs"].argmax(axis=1), drawn["hard"]
    known = hard >= 0
    assert 0 < known.sum() < len(hard)
    scores = hard_scores(predicted, hard, 4)
    assert scores["accuracy"] == pytest.approx(np.mean(predicted[known] == hard[known]))
    assert scores["ua"] == pytest.approx(sk.balanced_accuracy_score(hard[known], predicted[known]))
    f1 = [sk.f1_score(hard[known] == c, predicted[known] == c) for c in range(4)]
    share = [np.mean(hard[known] == c) for c in range(4)]
    assert scores["macro_f1"] == pytest.approx(np.mean(f1))
    assert scores["weighted_f1"] == pytest.approx(np.dot(f1, share))
    confusion = confusion_counts(predicted, hard, 4)
    assert confusion.sum() == known.sum()
    assert np.diag(confusion / confusion.sum(axis=1, keepdims=True)).mean() == pytest.approx(scores["ua"])


def test_an_absent_class_leaves_means_over_classes_undefined_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = hard_scores(np.array([0, 1, 2]), np.array([0, 1, 1]), 3)
    assert scores["ua"] is None and scores["macro_f1"] is None
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["weighted_f1"] == pytest.approx((1 + 2 * 2 / 3) / 3)


def test_no_reference_and_no_utterance_leave_scores_undefined(drawn):
    without = np.full(200, -1)
    scores = score_all(**(drawn | {"hard": without}), bins=10)
    assert [scores[name] for name in ("accuracy", "ua", "macro_f1", "weighted_f1", "ece", "no_majority_auroc")] == [
        None
    ] * 6
    assert scores["bc"] is not None
    empty = score_all(**{name: values[:0] for name, values in drawn.items()}, bins=10)
    assert set(empty.values()) == {None}
    assert confusion_counts(without, without, 4).sum() == 0
    assert nll_per_vote_nats(drawn["probs"], np.zeros((200, 4))) is None


def test_r2_determination_is_undefined_when_a_class_never_varies():
    soft = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert r2_determination(soft, soft) is None
    assert r2_determination(soft[:1], soft[:1]) is None


def test_entropy_ties_do_not_depend_on_the_order_of_the_votes():
    thirds = np.array([[1, 2, 0], [2, 1, 0], [0, 1, 2]]) / 3
    assert len(set(entropy_bits(thirds))) == 1
    assert entropy_bits(np.array([[0.25] * 4, [1, 0, 0, 0]])).tolist() == [2.0, 0.0]
    assert entropy_correlation(np.full((3, 3), 1 / 3), thirds) is None


def test_detection_against_scikit_learn_and_undefined_without_both_kinds(drawn):
    predicted, without = entropy_bits(drawn["probs"]), drawn["hard"] < 0
    scores = detection_scores(predicted, drawn["hard"])
    wins = [(a > b) + (a == b) / 2 for a in predicted[without] for b in predicted[~without]]
    assert scores["no_majority_auroc"] == pytest.approx(np.mean(wins))
    assert scores["no_majority_aupr"] == pytest.approx(sk.average_precision_score(without, predicted))
    assert set(detection_scores(predicted, np.zeros(200, dtype=int)).values()) == {None}
    assert set(detection_scores(np.ones(200), drawn["hard"]).values()) == {None}


def test_area_of_a_class_is_the_share_of_pairs_in_order(drawn):
    probs, hard = drawn["probs"], drawn["hard"]
    for label, area in enumerate(class_aurocs(probs, hard)):
        own, others = probs[hard == label, label], probs[(hard >= 0) & (hard != label), label]
        pairs = [(a > b) + (a == b) / 2 for a in own for b in others]
        assert area == pytest.approx(np.mean(pairs), abs=1e-12)
    assert macro_auroc(np.full((200, 4), 0.25), hard) == 0.5, "one answer to all is chance"
    assert macro_auroc(probs, np.where(hard == 2, -1, hard)) is None, "a class is never the reference"
    assert np.isnan(class_aurocs(probs, np.zeros(200, dtype=int))).all(), "there is nothing to be told from"


def test_calibration_error_of_a_worked_example():
    probs = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [1.0, 0.0], [0.55, 0.45]])
    hard = np.array([0, 1, 1, 0, -1])
    # bin 6: confidence .65, right 1; bin 9: .95, .95, 1.0, two of three right; the last has no reference
    assert expected_calibration_error(probs, hard, 10) == pytest.approx((0.35 + 0.9) / 4)
    assert expected_calibration_error(np.array([[0.5, 0.5]]), np.array([0]), 10) == pytest.approx(0.5)


def test_the_multilabel_view_against_scikit_learn_and_a_worked_example(drawn):
    probs, soft = drawn["probs"], drawn["soft"]
    expected = sk.f1_score(soft > 0.25, probs > 0.25, average="macro")
    assert multilabel_macro_f1(probs, soft) == pytest.approx(expected)
    votes, said = np.array([[0.5, 0.5], [1, 0], [0.4, 0.6]]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    # one vote of two is not above 1 / 2; voted: -, a, b; said: a, b, b
    assert multilabel_macro_f1(said, votes) == pytest.approx((0 + 2 / 3) / 2)
    assert multilabel_macro_f1(said[:2], votes[:2]) is None, "class b is never voted above 1 / 2"
    assert multilabel_macro_f1(np.full((200, 4), 0.25), soft) == 0


def test_standard_metrics_against_torchmetrics(drawn):
    import torch
    from torchmetrics import classification as tm
    from torchmetrics.functional import kl_divergence, spearman_corrcoef

    scores = score_all(**drawn, bins=10)
    known = drawn["hard"] >= 0
    probs, hard = (torch.tensor(drawn[name][known]) for name in ("probs", "hard"))
    averages = {"accuracy": "micro", "ua": "macro"}
    for name, average in averages.items():
        assert scores[name] == pytest.approx(tm.MulticlassAccuracy(4, average=average)(probs, hard).item(), abs=1e-6)
    for name, average in {"macro_f1": "macro", "weighted_f1": "weighted"}.items():
        assert scores[name] == pytest.approx(tm.MulticlassF1Score(4, average=average)(probs, hard).item(), abs=1e-6)
    area = tm.MulticlassAUROC(4, average="macro")(probs, hard).item()
    assert scores["macro_auroc"] == pytest.approx(area, abs=1e-6)
    assert scores["ece"] == pytest.approx(tm.MulticlassCalibrationError(4, n_bins=10)(probs, hard).item(), abs=1e-6)
    every, soft = torch.tensor(drawn["probs"]), torch.tensor(drawn["soft"])
    above = tm.MultilabelF1Score(4, threshold=0.25)(every, (soft > 0.25).int()).item()
    assert scores["multilabel_macro_f1"] == pytest.approx(above, abs=1e-6)
    assert scores["kl_nats"] == pytest.approx(kl_divergence(soft, every).item(), abs=1e-6)
    predicted, voted = (torch.tensor(entropy_bits(drawn[name])) for name in ("probs", "soft"))
    assert scores["entropy_correlation"] == pytest.approx(spearman_corrcoef(predicted, voted).item(), abs=1e-6)
    without = torch.tensor(~known).long()
    assert scores["no_majority_auroc"] == pytest.approx(tm.BinaryAUROC()(predicted / 2, without).item(), abs=1e-6)
    area = tm.BinaryAveragePrecision()(predicted / 2, without).item()
    assert scores["no_majority_aupr"] == pytest.approx(area, abs=1e-6)


def test_cosine_and_lewidi_error_rate_against_scipy_and_single_votes(drawn):
    probs, soft, counts = drawn["probs"], drawn["soft"], drawn["counts"]
    scores = distribution_scores(probs, soft, counts)
    assert scores["cosine"] == pytest.approx(
        np.mean([1 - cosine_distance(y, p) for y, p in zip(soft, probs, strict=True)])
    )
    votes = [[c for c in range(4) for _ in range(int(row[c]))] for row in counts]
    rates = [np.mean([vote != p.argmax() for vote in given]) for given, p in zip(votes, probs, strict=True)]
    assert scores["error_rate"] == pytest.approx(np.mean(rates))
    assert scores["absolute_distance"] == scores["error_rate"] and scores["wasserstein"] == scores["total_variation"]
    tie = distribution_scores(np.full((1, 4), 0.25), np.array([[1.0, 0, 0, 0]]), np.array([[3.0, 0, 0, 0]]))
    assert tie["error_rate"] == 0.75, "the order of the classes does not choose the winner"


def test_two_utterances_have_a_coefficient_and_equal_entropies_no_correlation():
    probs, soft = np.array([[0.5, 0.5], [0.75, 0.25]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    assert r2_determination(probs, soft) == pytest.approx(0.5)
    assert entropy_correlation(probs, soft) == pytest.approx(1)  # entropies of 1 and 0 bits
    assert entropy_correlation(probs, soft[[1, 1]]) is None and entropy_correlation(probs[[1, 1]], soft) is None
