import pytest
import torch
from features.random_models import noise, save_hugging_face, save_recognizer

from ambiser.errors import ConfigError
from ambiser.features.upstreams.recognizer import Recognizer

LENGTHS = (7000, 16000, 40123)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return save_recognizer(tmp_path_factory.mktemp("whisper"))


def test_greedy_decoding_without_a_cache_gives_the_same_words(folder):
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    mel = extractor(noise(16000), sampling_rate=16000, return_tensors="pt").input_features
    tokens = [21, 22]  # start, no time stamps
    with torch.inference_mode():
        while len(tokens) < 32:  # max_target_positions
            scores = model(mel, decoder_input_ids=torch.tensor([tokens])).logits[0, -1]
            tokens.append(int(scores[:21].argmax()))  # text and end tokens
            if tokens[-1] == 20:
                break
    expected = " ".join(f"w{token}" for token in tokens[2:] if token != 20)
    assert Recognizer(str(folder), 30, "en").transcribe([noise(16000)]) == [expected] != [""]


def test_a_batch_of_several_windows_equals_single_utterances(folder):
    recognizer = Recognizer(str(folder), 1, "en")
    wavs = [noise(samples) for samples in LENGTHS]
    assert recognizer.transcribe(wavs) == [recognizer.transcribe([wav])[0] for wav in wavs]


def test_long_audio_is_transcribed_in_pieces(folder):
    recognizer = Recognizer(str(folder), 30, "en")
    wav = noise(31 * 16000)
    pieces = recognizer.transcribe([wav[: 30 * 16000], wav[30 * 16000 :]])
    assert recognizer.transcribe([wav]) == [" ".join(pieces)]


def test_a_language_that_the_model_lacks_is_refused(folder):
    (folder / "generation_config.json").write_text('{"is_multilingual": true}')
    try:
        with pytest.raises(ConfigError, match=r"its tokenizer has no <\|xx\|>; is --language right"):
            Recognizer(str(folder), 30, "xx")
    finally:
        (folder / "generation_config.json").unlink()


def test_other_models_and_folders_without_a_model_are_one_line(tmp_path):
    with pytest.raises(ConfigError, match="holds a hubert model; only Whisper can transcribe"):
        Recognizer(str(save_hugging_face("hubert", "group", tmp_path / "hubert")), 30, "en")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is not a Hugging Face folder; it has no config.json") as caught:
        Recognizer(str(tmp_path / "empty"), 30, "en")
    assert "\n" not in str(caught.value)
