"""GLAD and MACE weight raters by what crowd-kit estimates of them."""

import sys
from functools import partial

import numpy as np
import pytest

from ambiser.errors import ConfigError
from ambiser.labels.crowd_models import MODELS, crowd_posteriors


@pytest.mark.parametrize("model", MODELS)
def test_raters_that_answer_without_looking_lose_their_weight(model, monkeypatch):
    """Few iterations are enough for these votes, and take a tenth of the time of the defaults."""
    aggregation = pytest.importorskip("crowdkit.aggregation", reason="the extra 'crowd' is not installed")
    monkeypatch.setattr(aggregation, "GLAD", partial(aggregation.GLAD, n_iter=2, m_step_max_iter=2))
    monkeypatch.setattr(aggregation, "MACE", partial(aggregation.MACE, n_iter=10, n_restarts=2))
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 80)
    careful = [np.where(rng.random(80) < 0.85, truth, rng.integers(0, 3, 80)) for _ in range(3)]
    label = np.concatenate([*careful, *rng.integers(0, 3, (2, 80))])
    item, rater = np.tile(np.arange(80), 5), np.repeat(np.arange(5) * 7, 80)
    made = crowd_posteriors(model, item, rater, label, n_items=81, n_classes=4)
    votes = np.stack([(label.reshape(5, 80) == c).sum(axis=0) for c in range(4)], axis=1)
    right, by_votes = (made[:80].argmax(axis=1) == truth).mean(), (votes.argmax(axis=1) == truth).mean()
    assert right > by_votes + 0.05
    assert right > 0.9
    assert made.shape == (81, 4) and made.sum(axis=1) == pytest.approx(1) and made[80].tolist() == [0.25] * 4


@pytest.mark.parametrize("model", MODELS)
def test_a_missing_package_is_one_line_with_the_command(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "crowdkit.aggregation", None)
    vote = np.zeros(1, int)
    with pytest.raises(ConfigError, match=rf"{model} needs the package crowd-kit; run pip install 'crowd-kit>=1.4'"):
        crowd_posteriors(model, vote, vote, vote, n_items=1, n_classes=2)
