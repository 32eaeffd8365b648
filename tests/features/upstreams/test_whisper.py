import numpy as np
import pytest
import torch
from features.random_models import features, noise, save_hugging_face, save_whisper

from ambiser.config.schema import Finetune, SpeechFeatures
from ambiser.errors import ConfigError
from ambiser.features.extraction.speech import describe_speech
from ambiser.features.upstreams.finetune import SpeechFront
from ambiser.features.upstreams.upstream import load_upstream

SECOND = 16000
LENGTHS = (7000, SECOND, 40123, 2 * SECOND - 1, 400)


def encoder_with_positions(folder, frames):
    """A Whisper encoder that transformers builds with fewer positions; its weights are those of the folder."""
    from transformers import WhisperConfig, WhisperModel

    whole = WhisperModel.from_pretrained(folder).eval().get_encoder()
    config = WhisperConfig.from_pretrained(folder, max_source_positions=frames)
    encoder = WhisperModel(config).eval().get_encoder()
    weights = whole.state_dict()
    weights["embed_positions.weight"] = weights["embed_positions.weight"][:frames]
    encoder.load_state_dict(weights)
    return encoder


@pytest.mark.parametrize(("window", "samples", "frames"), [(1, 7000, 50), (1, 40123, 150), (2.5, SECOND, 125)])
def test_states_are_those_of_a_model_with_fewer_positions(folder, window, samples, frames):
    from transformers import WhisperFeatureExtractor

    wav = noise(samples)
    mel = WhisperFeatureExtractor.from_pretrained(folder)(wav, sampling_rate=SECOND, return_tensors="pt").input_features
    with torch.inference_mode():
        states = encoder_with_positions(folder, frames)(mel[:, :, : 2 * frames], output_hidden_states=True)
    hidden = load_upstream(features(folder, window=window)).extract(wav)
    kept = -(-(samples // 160) // 2)
    for ours, theirs in zip(hidden, states.hidden_states, strict=True):
        np.testing.assert_allclose(ours, theirs[0, :kept].numpy(), atol=1e-5)


def test_batch_equals_single_for_windows_of_several_lengths(folder):
    upstream = load_upstream(features(folder, window=1, batch_s=10))
    assert upstream.manner.startswith("in batches of 10 s")
    wavs = [noise(samples) for samples in LENGTHS]
    for wav, hidden in zip(wavs, upstream.extract_batch(wavs), strict=True):
        alone = upstream.extract(wav)
        assert len(hidden[0]) == len(alone[0]) == -(-(len(wav) // 160) // 2)
        for one, other in zip(hidden, alone, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_window_longer_than_the_audio_changes_the_attention_only(folder):
    wav = noise(40123)
    short, full = (load_upstream(features(folder, window=window)).extract(wav) for window in (5, 30))
    np.testing.assert_allclose(short[0], full[0], atol=1e-6)  # before any attention
    assert np.abs(short[2] - full[2]).max() > 1e-4


def test_audio_longer_than_thirty_seconds_goes_in_chunks(folder):
    upstream = load_upstream(features(folder, window=2))
    assert not upstream.is_long(30 * SECOND) and upstream.is_long(30 * SECOND + 1)
    assert len(upstream.extract(noise(29 * SECOND + 7))[0]) == 29 * 50
    assert len(upstream.extract(noise(61 * SECOND))[0]) == 61 * 50


@pytest.mark.parametrize("form", [{}, {"form": "frames", "layer": 1}], ids=str)
def test_fine_tuning_starts_from_the_features_of_stage_2(folder, form):
    speech = features(folder, window=1, **form)
    front, upstream = SpeechFront(speech, Finetune(checkpointing=True)), load_upstream(speech)
    wavs = [noise(samples) for samples in LENGTHS]
    encoded, mask = front.train()([torch.from_numpy(wav) for wav in wavs])
    for row, wav in enumerate(wavs):
        hidden = upstream.extract(wav)
        ours = encoded[row] if mask is None else encoded[row][mask[row]]
        expected = np.stack([states.mean(axis=0) for states in hidden]) if mask is None else hidden[1]
        np.testing.assert_allclose(ours.detach().numpy(), expected, atol=1e-5)
    encoded.square().sum().backward()
    moved = {name for name, p in front.model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any("layers.0." in name for name in moved) and not any("embed_positions" in name for name in moved)


def test_a_window_is_refused_for_other_models(tmp_path):
    hubert = save_hugging_face("hubert", "group", tmp_path)
    with pytest.raises(
        ConfigError, match=r"speech_features.window: only Whisper has a window, .* holds a hubert model"
    ):
        load_upstream(features(hubert, window=5))
    with pytest.raises(ConfigError, match="only Whisper has a window, fbank has none; leave it at 30"):
        load_upstream(SpeechFeatures(upstream="fbank", window=5))


def test_a_folder_without_its_feature_extractor_is_one_line(tmp_path):
    folder = save_whisper(tmp_path)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ConfigError) as caught:
        load_upstream(features(folder))
    assert str(caught.value) == (
        f"speech_features.checkpoint: {folder} has no feature extractor (preprocessor_config.json); "
        "copy it from where the model came from"
    )


def test_records_from_before_the_key_stay_valid(folder):
    assert "window" not in describe_speech(SpeechFeatures())["speech_features"]
    full, short = (describe_speech(features(folder, window=window)) for window in (30, 5))
    assert "window" not in full["speech_features"] and short["speech_features"]["window"] == 5.0


@pytest.mark.parametrize("window", [0, 0.1, 31])
def test_a_window_out_of_range_is_refused(window):
    with pytest.raises(ValueError, match="window"):
        SpeechFeatures(window=window)
