"""Text features: hashed word n-grams, which need no download, or an encoder of Hugging Face."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ambiser.config import dump_yaml
from ambiser.config.schema import TextFeatures
from ambiser.errors import ConfigError, DataError
from ambiser.features.extraction.fingerprints import fingerprint, weights_digest
from ambiser.features.extraction.shards import Shard, is_done, join_shards, open_shard, plan_shards
from ambiser.features.extraction.workers import At, Killed, run_tasks
from ambiser.io.console import log, progress

# A word, with what stands behind an apostrophe; single letters ("I", "a") are words.
_WORD = r"(?u)\b\w+(?:['’]\w+)*"
_NO_WORDS = "without words: zeros"
Encoder = Callable[[str], np.ndarray]  # words to (1, Dt), or (tokens, Dt)


def describe_text(text: TextFeatures) -> dict:
    """Returns all settings that shape the text features, for the record of their folder."""
    settings = text.model_dump(mode="json")
    if content := weights_digest(text.model):
        settings["model"] = f"sha256:{content}"  # where a folder stands does not shape its features
    return {"text_features": settings}


def extract_text(texts: Mapping[str, str], text: TextFeatures, *, folder: Path, nj: int = 1) -> None:
    """Writes a (1, Dt) matrix an utterance, or (tokens, Dt), in shards; no words give a row of zeros.

    feats.scp is the last file. Shards that are done are kept; notes.tsv lists the utterances without words.

    Args:
        texts: transcript by utterance; may be empty.
        text: which encoder.
        folder: where the files go.
        nj: worker processes; with a GPU there is one.

    Raises:
        ConfigError: the encoder cannot be had.
        DataError: there are no utterances, or a worker was killed over some of them.
        UserError: a worker was killed before it was ready.
    """
    if not texts:
        raise DataError(f"{folder}: there are no transcripts to encode; run stage 1 again")
    folder.mkdir(parents=True, exist_ok=True)
    shards = plan_shards({utt: words.strip() for utt, words in texts.items()}, dump_yaml(describe_text(text)))
    left = [shard for shard in shards if not is_done(folder, shard)]
    for event in progress(_encode_shards(left, text, folder, nj), f"text {folder.name}", total=len(left)):
        if isinstance(event, Killed):
            why = f"{event.how}, often for lack of memory; run stage 2 again"
            raise DataError(f"{folder}: the worker that encoded {event.item} {why}")
    notes, _ = join_shards(folder, shards)
    said = "".join(f"; {count} {note}" for note, count in notes.items())
    log.info("%s: text features of %d utterances in %d shards%s", folder, len(texts), len(shards), said)


def _encode_shards(left: list[Shard], text: TextFeatures, folder: Path, nj: int) -> Iterator[object]:
    """Yields something for each shard that is written; hashing is too cheap for processes of its own."""
    if text.encoder == "hashing":
        work, _ = _make_worker((text, folder))
        return (event for shard in left for event in work(shard) if not isinstance(event, At))
    return run_tasks(_make_worker, (text, folder), left, processes=nj, start=_processes) if left else iter(())


def _make_worker(argument: tuple[TextFeatures, Path]) -> tuple[Callable[[Shard], Iterator[object]], bool]:
    """Loads the encoder in a worker process."""
    text, folder = argument
    encode, dim = ENCODERS[text.encoder](text)

    def work(shard: Shard) -> Iterator[object]:
        with open_shard(folder, shard) as writer:
            for utt, words in shard.sources.items():
                yield At(utt)
                rows = encode(words) if words else np.zeros((1, dim), np.float32)
                writer.add(utt, rows, fingerprint(words), () if words else (_NO_WORDS,))
        yield shard.name

    return work, text.encoder == "huggingface" and _device() == "cuda"


def _processes(on_gpu: bool) -> int | None:
    return 1 if on_gpu else None


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def make_hashing(text: TextFeatures) -> tuple[Encoder, int]:
    """Returns the encoder by hashed word n-grams: signed counts of 1 to `ngram` lower-case words, of unit length.

    With `form: tokens` the row of a word counts the n-grams that end with it, on the same scale: the rows sum to the
    pooled vector.
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
    """Returns the encoder by a pre-trained model: the hidden states of a layer, all tokens', their mean or the first's.

    Tokens are those of the model, with the ones that it puts at the beginning and end. Text longer than the model
    takes is cut at its end. No code that comes with a model is run.

    Raises:
        ConfigError: no model is named, it is neither here nor to be fetched, or it has no such layer.
    """
    import torch

    torch.set_num_threads(1)
    device = _device()
    tokenizer, model = load_hugging_face(text.model)
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
    """Returns the tokens of every text as the encoder of Hugging Face takes them, and the size of what it gives.

    A text without words has no tokens.

    Raises:
        ConfigError: as `make_hugging_face`.
    """
    tokenizer, model = load_hugging_face(text.model)
    longest = _most_tokens(tokenizer, model)
    rows = [
        tokenizer(words, truncation=True, max_length=longest)["input_ids"] if (words := line.strip()) else []
        for line in texts
    ]
    return rows, model.config.hidden_size


def load_hugging_face(name: str) -> tuple[object, object]:
    """Loads tokenizer and model from a folder, the cache or the network.

    Raises:
        ConfigError: no model is named, it lacks weights, or it is neither here nor to be fetched.
    """
    from transformers import AutoModel, AutoTokenizer

    if not name:
        raise ConfigError("text_features.model: encoder huggingface needs the name or the folder of a model")
    is_folder = Path(name).is_dir()
    if is_folder and not (Path(name) / "config.json").is_file():
        raise ConfigError(f"text_features.model: {name} is no Hugging Face folder; it has no config.json")
    fault: Exception | None = None
    for local in (True,) if is_folder else (True, False):
        try:
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
    absent = "is no folder, not in the cache of Hugging Face, and could not be fetched"
    where = "cannot be loaded" if is_folder else absent
    raise ConfigError(f"text_features.model: {name} {where} ({(str(fault).splitlines() or [''])[0]})") from fault


def check_layer(text: TextFeatures, model: object) -> None:
    """Checks that a model has the layer that is asked for.

    Raises:
        ConfigError: it has not.
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
    # RoBERTa's positions begin behind that of the padding, so two fewer tokens fit.
    return min(tokenizer.model_max_length, positions - 2 if "roberta" in model.config.model_type else positions)


ENCODERS = {"hashing": make_hashing, "huggingface": make_hugging_face}
