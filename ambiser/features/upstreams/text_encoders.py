"""Encodes text: hashed word n-grams, which need no download, or a pre-trained model of Hugging Face."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ambiser.config.schema import TextFeatures
from ambiser.errors import ConfigError, first_line
from ambiser.features.upstreams.device import find_device
from ambiser.features.upstreams.weights import reach_hub

Encoder = Callable[[str], np.ndarray]  # words to (1, Dt), or (tokens, Dt)
# A word, with what follows an apostrophe; single letters ("I", "a") are words.
_WORD = r"(?u)\b\w+(?:['’]\w+)*"


def make_hashing(text: TextFeatures) -> tuple[Encoder, int]:
    """Returns an encoder that hashes word n-grams: signed counts of 1 to `ngram` lower-case words, of unit length.

    With `form: tokens` the row of a word counts the n-grams that end with it, scaled so that the rows sum to the pooled
    vector.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    options = {"n_features": text.dim, "lowercase": True, "norm": None, "alternate_sign": True}
    vectorizer = HashingVectorizer(ngram_range=(1, text.ngram), token_pattern=_WORD, **options)
    split = vectorizer.build_analyzer()
    rows_of = HashingVectorizer(analyzer=lambda grams: grams, **options).transform

    def encode(words: str) -> np.ndarray:
        if text.form == "pooled":
            counts = vectorizer.transform([words]).toarray()
            return _unit(counts, counts.sum(axis=0))
        singles = [gram for gram in split(words) if " " not in gram]
        ends = range(1, len(singles) + 1)
        grams = [[" ".join(singles[max(0, end - n) : end]) for n in range(1, min(text.ngram, end) + 1)] for end in ends]
        counts = rows_of(grams).toarray() if grams else np.zeros((1, text.dim))
        return _unit(counts, counts.sum(axis=0))

    return encode, text.dim


def make_hugging_face(text: TextFeatures) -> tuple[Encoder, int]:
    """Returns a pre-trained encoder: the hidden states of one layer, for all tokens, their mean, or the first token.

    Tokens include the special ones at both ends. Text beyond the longest input of the model is cut off. Runs no code
    that comes with a model.

    Raises:
        ConfigError: no model is named, it cannot be fetched, or it has no such layer.
    """
    import torch

    torch.set_num_threads(1)
    device = find_device()
    tokenizer, model = load_text_model(text.model)
    model.to(device)
    check_layer(text, model)
    longest = _most_tokens(tokenizer, model)

    def encode(words: str) -> np.ndarray:
        with torch.inference_mode():
            tokens = tokenizer(words, return_tensors="pt", truncation=True, max_length=longest).to(device)
            hidden = model(**tokens, output_hidden_states=True).hidden_states[text.layer][0].double()  # (tokens, Dt)
        if text.form == "pooled":
            hidden = hidden.mean(dim=0, keepdim=True) if text.pooling == "mean" else hidden[:1]
        return hidden.float().cpu().numpy()

    return encode, model.config.hidden_size


def tokenize(texts: Sequence[str], text: TextFeatures) -> tuple[list[list[int]], int]:
    """Returns the tokens of every text for an encoder of Hugging Face, and the size of its features.

    A text without words has no tokens.

    Raises:
        ConfigError: as `make_hugging_face`.
    """
    to_tokens, dim = make_tokenizer(text)
    return [to_tokens(line) for line in texts], dim


def make_tokenizer(text: TextFeatures) -> tuple[Callable[[str], list[int]], int]:
    """Returns a function from one text to its tokens, as `tokenize`, and the size of the encoder's features."""
    tokenizer, model = load_text_model(text.model)
    longest = _most_tokens(tokenizer, model)

    def to_tokens(line: str) -> list[int]:
        words = line.strip()
        return tokenizer(words, truncation=True, max_length=longest)["input_ids"] if words else []

    return to_tokens, model.config.hidden_size


def load_text_model(name: str) -> tuple[object, object]:
    """Loads tokenizer and model from a folder, the cache or the network.

    Raises:
        ConfigError: no model is named, it lacks weights, or it cannot be fetched.
    """
    from transformers import AutoModel, AutoTokenizer

    if not name:
        raise ConfigError("text_features.model: encoder huggingface needs the name or the folder of a model")
    is_folder = Path(name).is_dir()
    if is_folder and not (Path(name) / "config.json").is_file():
        raise ConfigError(f"text_features.model: {name} is not a Hugging Face folder; it has no config.json")
    fault: Exception | None = None
    for local in (True,) if is_folder else (True, False):
        try:
            if not local:
                reach_hub(name)
            options = {"local_files_only": local, "trust_remote_code": False}
            tokenizer = AutoTokenizer.from_pretrained(name, **options)
            model, info = AutoModel.from_pretrained(name, output_loading_info=True, **options)
        except (OSError, ValueError) as error:
            fault = error
            continue
        missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
        if missing:
            raise ConfigError(
                f"text_features.model: {name} lacks {len(missing)} weights of the model, such as {missing[0]}; "
                "they would stay random"
            )
        return tokenizer, model.eval()
    absent = "is not a folder, not in the cache of Hugging Face, and cannot be downloaded"
    where = "cannot be loaded" if is_folder else absent
    raise ConfigError(f"text_features.model: {name} {where} ({first_line(fault)})") from fault


def check_layer(text: TextFeatures, model: object) -> None:
    """Checks that a model has the layer of the configuration.

    Raises:
        ConfigError: it does not.
    """
    layers = model.config.num_hidden_layers + 1
    if not -layers <= text.layer < layers:
        raise ConfigError(
            f"text_features.layer: must be 0 to {layers - 1} (or from the end, -1 to {-layers}) for {text.model}, "
            f"got {text.layer}"
        )


def _unit(rows: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Divides rows by the length of their sum, unless that is 0."""
    return (rows / (np.linalg.norm(total) or 1.0)).astype(np.float32)


def _most_tokens(tokenizer: object, model: object) -> int:
    positions = getattr(model.config, "max_position_embeddings", 512)
    # RoBERTa numbers positions from 2 (padding index + 1), so two fewer tokens fit.
    return min(tokenizer.model_max_length, positions - 2 if "roberta" in model.config.model_type else positions)


ENCODERS = {"hashing": make_hashing, "huggingface": make_hugging_face}
