"""The threshold likelihood, the kept share of precise data and the Gaussian prototypes in the phases of IPR."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from train.toy import SHAPES, make_part, make_task

from ambiser.config import Config
from ambiser.config.gaussian_keys import Gaussian
from ambiser.errors import DataError
from ambiser.losses.class_shares import class_share_loss
from ambiser.losses.threshold import log_ambiguous, log_enough_votes
from ambiser.models.gaussian import GaussianPrototypes, geometric_mean
from ambiser.train.ambiguous_weight import limit_weight
from ambiser.train.build import TASKS
from ambiser.train.dev_scores import calibrated_jsd, dev_scores, forward_ipr
from ambiser.train.gaussian_fit import fit_gaussian
from ambiser.train.ipr_threshold import votes_and_needed
from ambiser.train.precise_subset import keep_precise


def _config(precise: object = "unanimous", **ipr) -> Config:
    keys = {"stages": ["prototypes", "update"], "labels": {"precise": precise}, "ipr": ipr}
    return Config.model_validate(keys | {"model": {"hidden": 12, "projection": 5}})


def test_the_loss_of_a_batch_is_the_threshold_likelihood_with_the_weight_of_ambiguous_utterances():
    train = make_part()
    config = _config(ambiguous_loss="threshold", ambiguous_weight=0.4, votes=5, votes_needed=4)
    task = make_task("update", config, train, train)
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    target = torch.eye(4)[[0, 3, 1, 1, 1, 1]]  # two precise utterances, then four ambiguous ones
    log_probs = logits.log_softmax(1)
    enough, none = log_enough_votes(log_probs, 5, 4), log_ambiguous(log_probs, 5, 4)
    expected = -(enough[0, 0] + enough[1, 3] + 0.4 * none[2:].sum()) / 6
    assert task.classification_loss(logits, target, 2).item() == pytest.approx(expected.item(), rel=1e-6)


def test_ambiguous_utterances_together_weigh_at_most_a_multiple_of_the_precise_ones():
    train = make_part()
    precise, ambiguous = int((train.kind == 0).sum()), int((train.kind == 1).sum())
    assert limit_weight(0.1, 0.5, precise=400, ambiguous=1000) == 0.1
    assert limit_weight(0.1, 0.5, precise=40, ambiguous=1000) == pytest.approx(0.02)
    assert limit_weight(0.3, 1.0, precise=5, ambiguous=0) == 0.3
    keys = {"ambiguous_loss": "threshold", "votes": 5, "votes_needed": 4}
    task = make_task("update", _config(**keys, ambiguous_limit=0.25), train, train)
    assert task.ambiguous_weight == pytest.approx(0.25 * precise / ambiguous)
    assert make_task("update", _config(**keys), train, train).ambiguous_weight == 1.0
    assert make_task("update", _config(ambiguous_limit=0.25), train, train).ambiguous_weight == 1.0  # pseudo labels


def test_few_precise_utterances_keep_their_gaussian_prototypes():
    train = make_part()
    precise, ambiguous = (torch.nonzero(train.kind == kind).flatten() for kind in (0, 1))
    by_limit = fit_gaussian(train, train.hard, precise, ambiguous, Gaussian(dims=6, ambiguous_limit=0.05))
    weight = 0.05 * len(precise) / len(ambiguous)
    by_weight = fit_gaussian(train, train.hard, precise, ambiguous, Gaussian(dims=6, ambiguous_weight=weight))
    assert torch.equal(by_limit.means, by_weight.means)


def test_class_shares_pull_the_mean_prediction_of_a_batch_towards_the_votes_of_ambiguous_dev_utterances():
    train, dev = make_part(), make_part(20, seed=5)
    dev = dataclasses.replace(dev, soft=dev.soft.roll(1, dims=1))  # unlike the training votes
    keys = {"ambiguous_loss": "threshold", "votes": 5, "votes_needed": 4}
    plain, task = (make_task("update", _config(**keys, **more), train, dev) for more in ({}, {"class_shares": "dev"}))
    wanted = dev.soft[dev.kind == 1].mean(dim=0)
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    target = torch.eye(4)[[0, 3, 1, 1, 1, 1]]  # two precise utterances, then four ambiguous ones
    term, mean = class_share_loss(logits[2:].softmax(1), wanted, torch.full((4,), 0.25), 0.9)
    expected = plain.classification_loss(logits, target, 2) + 0.3 * term
    assert task.classification_loss(logits, target, 2).item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(task.modules.state_dict()["mean_prediction.mean"], mean)


def test_class_shares_may_come_from_precise_training_utterances_and_need_ambiguous_ones_in_dev_otherwise():
    train, dev = make_part(), make_part(20, seed=5)
    task = make_task("update", _config(ambiguous_loss="threshold", class_shares="precise"), train, dev)
    counts = torch.bincount(train.hard[train.kind == 0])
    assert torch.allclose(task.class_shares, counts / counts.sum())
    none = dataclasses.replace(dev, kind=torch.zeros_like(dev.kind))
    with pytest.raises(DataError, match="fold 1: no ambiguous dev utterance; set ipr.class_shares=precise or"):
        make_task("update", _config(ambiguous_loss="threshold", class_shares="dev"), train, none)
    with pytest.raises(ValueError, match="class_shares: dev needs ambiguous_loss: threshold and an ambiguous_share"):
        _config(class_shares="dev")


def test_the_mean_prediction_starts_as_that_of_phase_one():
    train = make_part()
    config = _config(ambiguous_loss="threshold", class_shares="dev")
    first = make_task("prototypes", config, train, train)
    task = make_task("update", config, train, train, before=("prototypes", first.modules.state_dict()))
    probs = forward_ipr(first.network, train)[0].softmax(1)
    assert torch.allclose(task.modules.state_dict()["mean_prediction.mean"], probs[train.kind == 1].mean(0), atol=1e-6)


@pytest.mark.parametrize(
    ("share", "votes", "needed", "expected"),
    [
        ("unanimous", 0, 0, (3, 3)),  # the toy's precise utterances have three votes
        (0.8, 9, 0, (9, 8)),
        (0.8, 10, 0, (10, 8)),
        (0.5, 8, 0, (8, 5)),
        ("majority", 9, 0, (9, 5)),
        ("unanimous", 9, 7, (9, 7)),
    ],
)
def test_votes_and_needed_votes_follow_from_the_definition_of_precise(share, votes, needed, expected):
    train = make_part()
    precise = torch.nonzero(train.kind == 0).flatten()
    assert votes_and_needed(train, precise, votes=votes, needed=needed, share=share) == expected


def test_too_few_needed_votes_are_refused_before_training():
    train = make_part()
    with pytest.raises(DataError, match="ipr.votes_needed=1 should be more than half of 3 votes and at most all"):
        make_task("update", _config(ambiguous_loss="threshold", votes_needed=1), train, train)
    with pytest.raises(DataError, match="ipr.votes_needed=7 should be"):
        make_task("update", _config(ambiguous_loss="threshold", votes_needed=7), train, train)
    with pytest.raises(ValueError, match="should be more than half of the 9 votes and at most all, got 4"):
        _config(ambiguous_loss="threshold", votes=9, votes_needed=4)


def test_an_oracle_needs_what_it_replaces():
    with pytest.raises(ValueError, match="oracle: votes needs ambiguous_loss: pseudo_labels"):
        _config(oracle="votes", ambiguous_loss="threshold")
    with pytest.raises(ValueError, match="set alignment: precise"):
        _config(oracle="shares", alignment="none")


def test_no_ambiguous_utterance_is_a_fault_with_the_threshold_too():
    train = make_part()
    none = dataclasses.replace(train, kind=torch.where(train.kind == 1, torch.full_like(train.kind, 2), train.kind))
    with pytest.raises(DataError, match="fold 1: no ambiguous training utterance"):
        make_task("prototypes", _config(ambiguous_loss="threshold"), none, train)


def test_a_smaller_share_keeps_a_part_of_a_larger_one_and_every_class():
    train = make_part()
    precise = torch.nonzero(train.kind == 0).flatten()
    half, tenth = (keep_precise(train.utts, train.hard, precise, share) for share in (0.5, 0.01))
    assert set(tenth.tolist()) < set(half.tolist()) < set(precise.tolist())
    counts = torch.bincount(train.hard[precise])
    assert torch.bincount(train.hard[half]).tolist() == [-(-count // 2) for count in counts.tolist()]
    assert torch.bincount(train.hard[tenth]).tolist() == [1, 1, 1, 1]
    task = make_task("update", _config(precise_kept=0.5), train, train)
    assert torch.equal(task.precise, half)


def test_gaussian_prototypes_of_precise_utterances_are_linear_discriminant_analysis():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    x = rng.normal(size=(3, 8))[labels] + rng.normal(size=(90, 8))
    made = GaussianPrototypes(8, 8, 3).double()
    made.fit_whitening(torch.from_numpy(x))
    shares = np.bincount(labels) / 90
    weights = torch.eye(3, dtype=torch.float64)[labels]
    made.fit_classes(torch.from_numpy(x), weights, torch.from_numpy(np.log(shares)), prior_count=0, shrinkage=1e-9)
    u = made.whiten(torch.from_numpy(x)).numpy()
    assert np.cov(u.T) == pytest.approx(np.eye(8), abs=1e-9)
    expected = LinearDiscriminantAnalysis(solver="lsqr").fit(x, labels)
    # sklearn divides the pooled covariance by N as well.
    assert made.posterior(torch.from_numpy(x)).numpy() == pytest.approx(expected.predict_proba(x), abs=1e-6)


def test_ambiguous_utterances_move_gaussian_prototypes_by_their_features_alone():
    train = make_part()
    precise, ambiguous = (torch.nonzero(train.kind == kind).flatten() for kind in (0, 1))
    settings = Gaussian(dims=6)
    alone = fit_gaussian(train, train.hard, precise, ambiguous[:0], settings)
    refined = fit_gaussian(train, train.hard, precise, ambiguous, settings)
    assert torch.equal(alone.axes, refined.axes) and torch.equal(alone.log_prior, refined.log_prior)
    assert (alone.means - refined.means).abs().max() > 1e-3
    unused = fit_gaussian(train, train.hard, precise, ambiguous, settings.model_copy(update={"iterations": 0}))
    assert torch.equal(alone.means, unused.means)


def test_fewer_utterances_than_components_leave_the_rest_empty():
    train = make_part()
    few = torch.arange(4)  # one utterance per class: three components
    made = fit_gaussian(train, train.hard, few, few[:0], Gaussian(dims=10))
    assert (made.axes[:, 3:] == 0).all() and (made.axes[:, :3] != 0).any(dim=0).all()
    probs = made.posterior(train.speech.flatten(1))
    assert torch.isfinite(probs).all() and torch.allclose(probs.sum(1), torch.ones(60))


def test_geometric_mean_lies_between_its_two_sides():
    one, other = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.1, 0.8, 0.1]])
    assert torch.allclose(geometric_mean(one, other, 0.0), one)
    assert torch.allclose(geometric_mean(one, other, 1.0), other)
    middle = (one * other).sqrt()
    assert torch.allclose(geometric_mean(one, other, 0.5), middle / middle.sum())


@pytest.mark.parametrize("predict_by", ["gaussian", "classifier_and_gaussian"])
def test_predictions_come_from_the_gaussian_prototypes_of_the_checkpoint(predict_by):
    train, test = make_part(), make_part(20, seed=5)
    config = _config(predict_by=predict_by)
    config = config.model_copy(update={"gaussian": Gaussian(share=0.5)})
    task = make_task("update", config, train, test)
    tensors = {name: tensor.clone() for name, tensor in task.modules.state_dict().items()}
    made = TASKS["update"].predict(config, tensors, test, SHAPES, 0).probs
    precise, ambiguous = (torch.nonzero(train.kind == kind).flatten() for kind in (0, 1))
    own = fit_gaussian(train, train.hard, precise, ambiguous, config.gaussian).posterior(test.speech.flatten(1))
    by_classifier = forward_ipr(task.network, test)[0].softmax(1)
    assert torch.allclose(made, own if predict_by == "gaussian" else geometric_mean(by_classifier, own, 0.5), atol=1e-6)
    assert task.after_epoch()["dev_jsd"] == pytest.approx(dev_scores(made, test)["dev_jsd"], abs=1e-6)


def test_dev_chooses_the_exponent_of_gaussian_prototypes():
    train, dev = make_part(), make_part(20, seed=5)
    task = make_task("update", _config(predict_by="classifier_and_gaussian"), train, dev)
    scores = task.after_epoch()
    own = task.gaussian.prototypes.posterior(dev.speech.flatten(1))
    by_classifier = forward_ipr(task.network, dev)[0].softmax(1)
    losses = {n / 20: calibrated_jsd(geometric_mean(by_classifier, own, n / 20), dev.soft) for n in range(21)}
    best = min(losses, key=losses.get)
    assert best > 0 and task.modules.state_dict()["gaussian.share"].item() == pytest.approx(best)
    assert scores["dev_calibrated_jsd"] == pytest.approx(losses[best], rel=1e-5)


def test_gaussian_prototypes_need_pooled_features():
    keys = {"stages": ["prototypes"], "speech_features": {"form": "frames"}, "ipr": {"predict_by": "gaussian"}}
    with pytest.raises(ValueError, match="ipr.predict_by: gaussian needs speech_features.form=pooled"):
        Config.model_validate(keys)
