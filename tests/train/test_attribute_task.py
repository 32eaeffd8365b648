"""Valence, arousal and dominance beside the classes, on a toy fold."""

import dataclasses

import numpy as np
import pytest
import torch
from train.toy import SHAPES, make_part, make_task

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.labels.ratings import Ratings
from ambiser.train.attribute_task import mean_concordance, predict_attributes
from ambiser.train.build import TASKS
from ambiser.train.loop import fit
from ambiser.train.part import Part


def _config(weight: float, select: str = "ccc") -> Config:
    return Config.model_validate(
        {
            "stages": ["distill"],
            "model": {"hidden": 12},
            "amber": {"student": "A", "guidance": 0, "teacher": 0},
            "attributes": {"weight": weight},
            "distill": {"epochs": 6, "batch": 16, "learning_rate": 1e-2, "select": select},
        }
    )


def _rated(part: Part, seed: int) -> Part:
    """Rates utterances of class c around c, the more variably the higher c; the first ones have no or one rating."""
    rng, n = np.random.default_rng(seed), len(part)
    number = part.soft.argmax(dim=1).numpy()[:, None, None].astype(float)  # (N, 1, 1)
    given = number + (0.2 + 0.4 * number) * rng.normal(size=(n, 3, 3))  # (N, raters, attributes)
    count = np.full((n, 3), 3.0)
    count[0], count[1] = 0, 1
    mean, variance = given.mean(axis=1), given.var(axis=1, ddof=1)
    ratings = Ratings(np.where(count > 0, mean, np.nan), np.where(count > 1, variance, np.nan), count)
    return dataclasses.replace(part, ratings=ratings)


@pytest.mark.parametrize("weight", [0.5, 1])
def test_learns_mean_and_spread(weight, tmp_path):
    config, train, dev = _config(weight), _rated(make_part(160), 1), _rated(make_part(60, seed=5), 2)
    torch.manual_seed(0)
    task = make_task("distill", config, train, dev)
    before = task.after_epoch()
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    after = task.after_epoch()
    assert after["dev_ccc"] > before["dev_ccc"] + 0.3
    assert (before["dev_jsd"] - after["dev_jsd"] > 0.01) == (weight < 1)
    mean, spread = predict_attributes(task.network, dev, "A")
    assert mean_concordance(mean, dev.ratings) == pytest.approx(after["dev_ccc"])
    number = dev.soft.argmax(dim=1)
    assert spread[number == 3].mean() > 1.3 * spread[number == 0].mean()


def test_predictions_have_columns_for_mean_and_spread():
    config, part = _config(0.5), _rated(make_part(20), 1)
    tensors = make_task("distill", config, part, part).network.state_dict()
    found = TASKS["distill"].predict(config, tensors, dataclasses.replace(part, ratings=None), SHAPES, 0).attributes
    assert list(found) == ["valence", "arousal", "dominance", "valence_spread", "arousal_spread", "dominance_spread"]
    assert found["valence_spread"].min() > 0
    assert found["valence"].mean().item() == pytest.approx(np.nanmean(part.ratings.mean[:, 0]), abs=1)


def test_a_corpus_without_ratings_is_refused_before_training():
    part = _rated(make_part(20), 1)
    none = Ratings(np.full((20, 3), np.nan), np.full((20, 3), np.nan), np.zeros((20, 3)))
    with pytest.raises(
        DataError, match="fewer than two training utterances have ratings of valence, arousal, dominance"
    ):
        make_task("distill", _config(0.5), dataclasses.replace(part, ratings=none), part)


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ({"attributes": {"weight": 0.5}, "raters": {"model": "heads"}}, "needs amber.evidential: false and raters"),
        ({"distill": {"select": "ccc"}}, "distill.select: ccc is for stage distill with attributes.weight above 0"),
        ({"stages": ["prototypes"], "prototypes": {"select": "ccc"}}, "prototypes.select: ccc is for stage distill"),
    ],
)
def test_settings_that_do_not_fit_are_refused(sections, fault):
    with pytest.raises(ValueError, match=fault):
        Config.model_validate(sections)
