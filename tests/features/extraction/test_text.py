import shutil

import numpy as np
import pytest

from ambiser.config.schema import TextFeatures
from ambiser.errors import ConfigError, DataError
from ambiser.features.extraction import shards
from ambiser.features.extraction.stored import load_text
from ambiser.features.extraction.text import describe_text, extract_text, make_hashing, make_hugging_face

TEXTS = {"b": "I am so happy", "a": "", "c": "  ", "d": "so sad"}


def test_hashing_is_of_unit_length_and_knows_no_case():
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


def test_empty_transcripts_are_zeros_and_counted(tmp_path, caplog):
    import logging

    from ambiser.io.console import log

    with caplog.at_level(logging.INFO, logger="ambiser"):
        log.propagate = True
        extract_text(TEXTS, TextFeatures(), folder=tmp_path)
    assert "2 without words: zeros" in caplog.text
    notes = (tmp_path / "notes.tsv").read_text()
    assert notes == "utt\tnote\na\twithout words: zeros\nc\twithout words: zeros\n"
    loaded = load_text(tmp_path / "feats.scp", ["a", "b", "c"])
    assert loaded.shape == (3, 256)
    assert not loaded[[0, 2]].any() and loaded[1].any()


def test_same_texts_same_bytes_in_any_order(tmp_path):
    extract_text(TEXTS, TextFeatures(), folder=tmp_path / "1")
    extract_text(dict(reversed(TEXTS.items())), TextFeatures(), folder=tmp_path / "2")
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == ["feats.0001.ark", "feats.0001.json", "feats.0001.scp", "feats.scp", "notes.tsv"]
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_shards_that_are_done_are_kept_and_those_of_other_words_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_UTTERANCES", 2)
    texts = {f"utt{number}": f"so sad {number}" for number in range(8)}
    extract_text(texts, TextFeatures(), folder=tmp_path, nj=2)
    made = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.ark")}
    assert len(made) > 2
    (tmp_path / "feats.scp").unlink()
    extract_text(texts | {"utt3": "happy"}, TextFeatures(), folder=tmp_path)
    again = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.ark")}
    assert again.keys() == made.keys() and sum(again[name] != made[name] for name in made) == 1
    encode, _ = make_hashing(TextFeatures())
    np.testing.assert_array_equal(load_text(tmp_path / "feats.scp", ["utt3"]), encode("happy"))


def test_the_record_tells_models_by_their_content(text_folder, tmp_path):
    moved = shutil.copytree(text_folder, tmp_path / "moved")
    one, two = (TextFeatures(encoder="huggingface", model=str(folder)) for folder in (text_folder, moved))
    assert describe_text(one) == describe_text(two) != describe_text(two.model_copy(update={"pooling": "cls"}))
    named = one.model_copy(update={"model": "google-bert/bert-base-uncased"})
    assert describe_text(named)["text_features"]["model"] == "google-bert/bert-base-uncased"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_hugging_face_folder(text_folder, pooling):
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


def test_a_layer_of_a_hugging_face_model(text_folder):
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


def test_text_longer_than_the_model_takes_is_cut(text_folder):
    encode, _ = make_hugging_face(TextFeatures(encoder="huggingface", model=str(text_folder)))
    np.testing.assert_array_equal(encode("so sad " * 5), encode("so sad " * 50))


@pytest.mark.parametrize(
    ("model", "message"),
    [("", "needs the name or the folder"), (".", "no Hugging Face folder"), ("/no/where", "/no/where is no")],
)
def test_an_encoder_that_cannot_be_had_is_one_line(model, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_hugging_face(TextFeatures(encoder="huggingface", model=model))
    assert "\n" not in str(caught.value)


def test_no_texts_are_an_error(tmp_path):
    with pytest.raises(DataError, match="no transcripts"):
        extract_text({}, TextFeatures(), folder=tmp_path)
