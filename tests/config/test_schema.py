"""Keys that do not fit each other are refused."""

import pytest

from ambiser.config.schema import Config


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (
            {"model": {"encoder": "finetune"}, "speech_features": {"prosody": True}},
            "model.encoder: finetune cannot use prosody features",
        ),
        ({"model": {"pooling": "attentive"}}, "model.pooling: attentive needs frames"),
        ({"model": {"text_encoder": "finetune"}}, "model.text_encoder: finetune needs a pre-trained encoder"),
        ({"amber": {"fusion": "cross_attention"}}, "amber.fusion: cross_attention needs frozen encoders"),
        ({"amber": {"evidential": True}}, "evidential: true has no teachers"),
        ({"amber": {"student": "A", "guidance": 0, "teacher": 0, "modality_dropout": 0.1}}, "needs head AT"),
        ({"speech_features": {"layer_weights": [1, 0]}}, "layer_weights goes with form: frames"),
        (
            {"labels": {"other_votes": "extra_class", "classes": {"a": ["neu"], "other": ["sad"]}}},
            "extra_class adds a class 'other'",
        ),
        (
            {"score": {"positions": {"happy": [1], "sad": [-1]}}},
            "score.positions: must have the classes neutral, happy",
        ),
        ({"score": {"positions": {"happy": [1], "sad": [1, 2]}}}, "the same number of coordinates"),
        ({"score": {"positions": {"happy": [1, 0], "sad": [1, 0]}}}, "two classes have the same position"),
        ({"score": {"positions": {f"class{i}": [i] for i in range(11)}}}, "at most 10 classes; got 11"),
        ({"labels": {"classes": {f"c{i}": ["neu"] for i in range(10_000)}}}, "must be at most 200; got 10,000"),
    ],
)
def test_keys_that_do_not_fit_each_other_are_refused(sections, fault):
    with pytest.raises(ValueError, match=fault):
        Config.model_validate(sections)
