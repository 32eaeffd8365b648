"""The dev score that does not depend on the temperature of the predictions."""

import math

import pytest
import torch
from train.toy import make_part

from ambiser.losses.divergence import js_divergence
from ambiser.train.dev_scores import calibrated_jsd, dev_scores


def test_a_temperature_of_the_grid_does_not_change_the_score():
    logits = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    soft = logits.softmax(1)
    assert calibrated_jsd((2 * logits).softmax(1), soft) == pytest.approx(0, abs=1e-6)
    assert js_divergence(soft, (2 * logits).log_softmax(1)).mean() > 0.01


def test_the_score_is_at_most_the_jsd_and_finite_at_certainty():
    dev = make_part(20)
    sure = torch.eye(4)[torch.arange(20) % 3]
    scores = dev_scores(sure, dev)
    assert scores["dev_calibrated_jsd"] <= scores["dev_jsd"] + 1e-6
    assert math.isfinite(scores["dev_calibrated_jsd"])
