"""The training targets of section `targets`, on a toy fold."""

import dataclasses

import pytest
import torch
from train.toy import SHAPES, make_part, make_task

from ambiser.config import Config
from ambiser.losses.divergence import entropy, soft_cross_entropy
from ambiser.train.build import TASKS
from ambiser.train.distill_task import DistillTask
from ambiser.train.sampling import curriculum_share


def _config(labels=None, divergence="jsd", **targets) -> Config:
    return Config.model_validate(
        {
            "stages": ["distill"],
            "labels": labels or {},
            "model": {"hidden": 12},
            "amber": {"student": "A", "guidance": 0, "teacher": 0, "divergence": divergence},
            "targets": targets,
            "distill": {"epochs": 10, "batch": 8},
        }
    )


def _task(config: Config, part=None) -> DistillTask:
    return make_task("distill", config, make_part() if part is None else part, make_part(40, seed=5))


@pytest.mark.parametrize(("epoch", "share"), [(1, 0.2), (3, 0.52), (6, 1.0), (10, 1.0)], ids=lambda value: str(value))
def test_the_share_of_a_curriculum_grows_linearly(epoch, share):
    assert curriculum_share(epoch, 10, start=0.2, end=0.5) == pytest.approx(share)


def test_a_curriculum_starts_with_utterances_of_low_entropy():
    task = _task(_config(curriculum="low_entropy_first"))
    generator = torch.Generator().manual_seed(0)
    first, last = ([*task.batches(epoch, generator)] for epoch in (1, 10))
    assert len(first) == len(last) == task.steps()
    assert len(torch.cat(first).unique()) == 18  # 30 % of 60, in several rounds
    assert entropy(task.train.soft[torch.cat(first)]).max() == 0
    assert len(torch.cat(last).unique()) == 60


def test_a_training_class_for_other_votes_is_not_predicted():
    part = make_part()
    soft = torch.cat([0.8 * part.soft, torch.full((60, 1), 0.2)], dim=1)  # (N, 5)
    config = _config(other_class=True)
    task = _task(config, dataclasses.replace(part, soft=soft, counts=3 * soft))
    index = torch.arange(5)
    whole = task.network.train().heads["A"][-1].out_features
    loss, _ = task.loss(index, 1, torch.Generator())
    assert whole == 5
    assert torch.isfinite(loss)
    task.network.eval()
    all_logits = task.network.heads["A"](task.network.encode(*part.inputs(index))["A"])
    expected = all_logits.softmax(dim=1)[:, :4]
    predicted = TASKS["distill"].predict(config, task.network.state_dict(), part, SHAPES, 0).probs[:5]
    assert torch.allclose(predicted, expected / expected.sum(dim=1, keepdim=True), atol=1e-6)


def test_an_adjusted_network_with_equal_logits_predicts_the_class_shares_in_training_only():
    task = _task(_config(divergence="soft_ce", logit_adjustment=1))
    with torch.no_grad():
        for parameter in task.network.heads["A"][-1].parameters():
            parameter.zero_()
    index = torch.arange(60)
    shares = task.train.counts.sum(dim=0) / task.train.counts.sum()
    expected = soft_cross_entropy(task.train.soft, shares.log().expand(60, 4)).mean()
    assert task.loss(index, 1, torch.Generator())[0].item() == pytest.approx(expected.item(), rel=1e-5)
    assert task.network.eval()(*task.train.inputs(index))["A"].abs().max() == 0


def test_smoothing_toward_the_confusion_keeps_unconfused_classes_at_zero():
    part = make_part()  # raters of class c choose c and c + 1 alone
    target = _task(_config({"smoothing": 0.1}, smoothing_toward="confusion"), part).target
    assert torch.allclose(target.sum(dim=1), torch.ones(60))
    assert (target[0, [0, 1, 3]] > 0).all()
    assert target[0, 2] == 0


def test_the_training_part_alone_has_secondary_and_other_votes():
    changed = _config(secondary_weight=0.3, other_class=True)
    learned = changed.learned_labels()
    assert (learned.secondary_weight, learned.other_votes) == (0.3, "extra_class")
    assert changed.labels == Config().labels == _config().learned_labels()
    without = changed.model_copy(update={"stages": ["prototypes"]})
    assert without.learned_labels() == Config().labels


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ({"targets": {"other_class": True}, "labels": {"other_votes": "extra_class"}}, "have a class 'other'"),
        ({"targets": {"other_class": True}, "raters": {"model": "heads"}}, r"needs stages: \[distill\]"),
        ({"targets": {"smoothing_toward": "confusion"}}, "needs labels.smoothing above 0"),
        (
            {
                "targets": {"logit_adjustment": 1},
                "amber": {"evidential": True, "guidance": 0, "teacher": 0, "student": "A"},
            },
            "needs amber.evidential: false",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(sections, fault):
    with pytest.raises(ValueError, match=fault):
        Config.model_validate(sections)
