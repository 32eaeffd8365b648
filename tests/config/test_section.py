"""Sections as values: fixed, comparable, and usable as keys of a cache."""

import functools

import pytest
from pydantic import ValidationError

from ambiser.config.data_keys import LabelPolicy
from ambiser.config.feature_keys import SpeechFeatures
from ambiser.config.schema import Config
from ambiser.config.training_keys import DistillOptimization, Optimization


def test_a_section_cannot_be_changed_and_refuses_unknown_keys():
    with pytest.raises(ValidationError, match="frozen"):
        Config().model.hidden = 3
    with pytest.raises(ValidationError, match="Extra inputs"):
        SpeechFeatures(layr=3)


def test_equal_sections_are_one_key_of_a_cache():
    calls = []

    @functools.cache
    def remember(config: Config) -> None:
        calls.append(config)

    for batch in (8, 8, 16):
        remember(Config.model_validate({"distill": {"batch": batch}, "data": {"leave_out": ["u1"]}}))
    assert [config.distill.batch for config in calls] == [8, 16]


def test_a_whole_number_equals_its_float():
    assert SpeechFeatures(longest_s=60.0) == SpeechFeatures()
    assert hash(SpeechFeatures(longest_s=60.0)) == hash(SpeechFeatures())


def test_dumps_omit_keys_that_older_records_lack_at_their_default():
    """Otherwise experiments and results made before the key existed would count as others."""
    dump = Config().model_dump(mode="json")
    assert "least_raters" not in dump["labels"] and "layers" not in dump["model"]
    assert "window" not in dump["speech_features"]
    own = Config.model_validate({"labels": {"least_raters": 5}, "model": {"layers": "last"}})
    dump = own.model_dump(mode="json")
    assert (dump["labels"]["least_raters"], dump["model"]["layers"]) == (5, "last")
    assert Config.model_validate(dump) == own


def test_the_order_of_the_classes_counts():
    one, other = LabelPolicy(classes={"a": ["neu"], "b": ["sad"]}), LabelPolicy(classes={"b": ["sad"], "a": ["neu"]})
    assert one != other
    assert len({one, other}) == 2


def test_sections_of_two_classes_differ():
    values = DistillOptimization()
    assert Optimization(epochs=values.epochs, batch=values.batch, patience=values.patience) != values
