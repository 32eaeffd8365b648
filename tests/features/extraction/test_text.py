import shutil

import numpy as np
import pytest

from ambiser.config.schema import TextFeatures
from ambiser.errors import DataError
from ambiser.features.extraction import shards
from ambiser.features.extraction.stored import load_text
from ambiser.features.extraction.text import describe_text, extract_text
from ambiser.features.upstreams.text_encoders import make_hashing

TEXTS = {"b": "I am so happy", "a": "", "c": "  ", "d": "so sad"}


def test_empty_transcripts_become_zeros_and_are_counted(tmp_path, caplog):
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


def test_the_same_texts_give_the_same_bytes_in_any_order(tmp_path):
    extract_text(TEXTS, TextFeatures(), folder=tmp_path / "1")
    extract_text(dict(reversed(TEXTS.items())), TextFeatures(), folder=tmp_path / "2")
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == ["feats.0001.ark", "feats.0001.json", "feats.0001.scp", "feats.scp", "notes.tsv"]
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_finished_shards_are_kept_and_shards_with_changed_words_are_redone(tmp_path, monkeypatch):
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


def test_the_record_identifies_models_by_their_content(text_folder, tmp_path):
    moved = shutil.copytree(text_folder, tmp_path / "moved")
    one, two = (TextFeatures(encoder="huggingface", model=str(folder)) for folder in (text_folder, moved))
    assert describe_text(one) == describe_text(two) != describe_text(two.model_copy(update={"pooling": "cls"}))
    named = one.model_copy(update={"model": "google-bert/bert-base-uncased"})
    assert describe_text(named)["text_features"]["model"] == "google-bert/bert-base-uncased"


def test_no_texts_are_an_error(tmp_path):
    with pytest.raises(DataError, match="no transcripts"):
        extract_text({}, TextFeatures(), folder=tmp_path)
