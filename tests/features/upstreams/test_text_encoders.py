import shutil

import numpy as np
import pytest

from ambiser.config.schema import TextFeatures
from ambiser.errors import ConfigError
from ambiser.features.upstreams.text_encoders import make_hashing, make_hugging_face


def test_hashing_has_unit_length_and_ignores_case():
    encode, dim = make_hashing(TextFeatures(dim=64, ngram=2))
    vector = encode("I am so HAPPY")
    assert dim == 64 and vector.shape == (1, 64) and vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1)
    np.testing.assert_array_equal(vector, encode("i am so happy"))
    assert np.abs(vector - encode("happy so am i")).max() > 0.1  # pairs keep the order
    one, _ = make_hashing(TextFeatures(dim=64, ngram=1))
    np.testing.assert_array_equal(one("i am so happy"), one("happy so am i"))
    assert np.abs(one("I") - one("you")).max() > 0.1  # words of one letter count


@pytest.mark.parametrize("ngram", [1, 2, 3])
def test_the_rows_of_hashed_words_sum_to_the_pooled_vector(ngram):
    words = "I don't know, I do not know!"
    rows = make_hashing(TextFeatures(dim=64, ngram=ngram, form="tokens"))[0](words)
    assert rows.shape == (7, 64) and rows.dtype == np.float32
    pooled = make_hashing(TextFeatures(dim=64, ngram=ngram))[0](words)
    np.testing.assert_allclose(rows.sum(axis=0, keepdims=True), pooled, atol=1e-6)
    assert not make_hashing(TextFeatures(dim=64, form="tokens"))[0]("?!").any()


def test_hashing_is_the_same_everywhere():
    """A fixed value: murmurhash depends neither on the process nor on the machine."""
    encode, _ = make_hashing(TextFeatures(dim=8, ngram=1))
    np.testing.assert_array_equal(encode("happy")[0], [0, 0, -1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_hugging_face_folder_is_read_without_a_network(text_folder, pooling):
    import torch
    from transformers import AutoModel, AutoTokenizer

    encode, dim = make_hugging_face(TextFeatures(encoder="huggingface", model=str(text_folder), pooling=pooling))
    tokens = AutoTokenizer.from_pretrained(text_folder)("i am so happy", return_tensors="pt")
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(text_folder).eval()(**tokens).last_hidden_state[0].numpy()
    assert dim == 16 and hidden.shape == (6, 16)
    expected = hidden.mean(0) if pooling == "mean" else hidden[0]
    np.testing.assert_allclose(encode("i am so happy"), expected[None], atol=1e-6)
    encode, _ = make_hugging_face(TextFeatures(encoder="huggingface", model=str(text_folder), form="tokens"))
    np.testing.assert_allclose(encode("i am so happy"), hidden, atol=1e-6)


def test_a_layer_of_a_hugging_face_model_can_be_chosen(text_folder):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(text_folder)("so sad", return_tensors="pt")
    with torch.inference_mode():
        embeddings = AutoModel.from_pretrained(text_folder).eval().embeddings(tokens["input_ids"])[0].numpy()
    for layer in (0, -2):
        text = TextFeatures(encoder="huggingface", model=str(text_folder), form="tokens", layer=layer)
        np.testing.assert_allclose(make_hugging_face(text)[0]("so sad"), embeddings, atol=1e-6)
    with pytest.raises(ConfigError, match=r"text_features.layer: must be 0 to 1 \(or from the end, -1 to -2\).* got 2"):
        make_hugging_face(TextFeatures(encoder="huggingface", model=str(text_folder), layer=2))


def test_a_folder_that_lacks_weights_is_refused_but_for_the_pooler(text_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(text_folder / "model.safetensors")
    for name, lost in (("pooler", "pooler.dense.weight"), ("word", "embeddings.word_embeddings.weight")):
        folder = shutil.copytree(text_folder, tmp_path / name)
        kept = {key: weight for key, weight in weights.items() if key != lost}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    text = TextFeatures(encoder="huggingface", model=str(tmp_path / "pooler"))
    whole = TextFeatures(encoder="huggingface", model=str(text_folder))
    np.testing.assert_array_equal(make_hugging_face(text)[0]("so sad"), make_hugging_face(whole)[0]("so sad"))
    with pytest.raises(ConfigError, match=r"lacks 1 weights of the model, such as embeddings.word_embeddings.weight"):
        make_hugging_face(TextFeatures(encoder="huggingface", model=str(tmp_path / "word")))


def test_text_longer_than_the_model_accepts_is_truncated(text_folder):
    encode, _ = make_hugging_face(TextFeatures(encoder="huggingface", model=str(text_folder)))
    np.testing.assert_array_equal(encode("so sad " * 5), encode("so sad " * 50))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("", "needs the name or the folder"),
        (".", "not a Hugging Face folder"),
        ("/no/where", "/no/where is not a folder"),
    ],
)
def test_an_encoder_that_cannot_be_loaded_is_one_line(model, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_hugging_face(TextFeatures(encoder="huggingface", model=model))
    assert "\n" not in str(caught.value)
