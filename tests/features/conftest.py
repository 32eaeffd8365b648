"""Made-up audio, and tiny random Hugging Face models."""

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambiser.features.extraction import speech as extract
from ambiser.features.extraction import text, transcripts, workers
from ambiser.features.extraction.workers import At
from ambiser.io.tables import write_table


def make_wavs(folder: Path, lengths: list[int], seed: int = 0) -> dict[str, str]:
    """Writes colored noise of these lengths (samples); returns the paths by utterance."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    wavs = {}
    for number, length in enumerate(lengths):
        samples = np.convolve(generator.standard_normal(length + 8), generator.standard_normal(9), "valid")
        path = folder / f"utt{number:03d}.wav"
        soundfile.write(path, samples * 0.05 * generator.uniform(0.1, 1), 16000)
        wavs[path.stem] = str(path)
    return wavs


def write_data(folder, wavs):
    """Writes the tables of stage 1 that stage 2 reads."""
    write_table(folder / "all" / "wav.scp", wavs)
    write_table(folder / "all" / "utt2dur", {utt: f"{soundfile.info(path).duration:.4f}" for utt, path in wavs.items()})
    write_table(folder / "all" / "text", dict.fromkeys(wavs, "so happy"))
    (folder / "corpus.json").write_text("{}\n")


@pytest.fixture
def no_workers(monkeypatch):
    """Extracts in this process, since a worker takes seconds to import; tests about workers do without this."""

    def run_tasks(make, argument, tasks, *, processes, start, first=None):
        work, facts = make(first or argument)
        start(facts)
        for task in tasks:
            yield from (event for event in work(task) if not isinstance(event, At))

    for module in (extract, text, transcripts):
        monkeypatch.setattr(module, "run_tasks", run_tasks)


def fork_workers(patch):
    """Starts workers as forks of this process, since a new one takes seconds to import.

    Other tests start workers as programs do, such as `test_a_worker_killed_by_the_kernel_costs_its_shard_only`.
    """
    context = multiprocessing.get_context("fork")
    patch.setattr(workers.multiprocessing, "get_context", lambda method: context)


@pytest.fixture
def forked_workers(monkeypatch):
    fork_workers(monkeypatch)


@pytest.fixture(scope="session")
def speech_folders(tmp_path_factory) -> dict[str, Path]:
    """Folders of random models with two layers of 16, by model type."""
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel

    state = torch.get_rng_state()
    torch.manual_seed(3)
    kinds = {
        "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
        "hubert": (HubertConfig, HubertModel),
        "wavlm": (WavLMConfig, WavLMModel),
    }
    small = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": (8,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }
    folders = {}
    for kind, (config, model) in kinds.items():
        folder = tmp_path_factory.mktemp(kind)
        model(config(**small)).save_pretrained(folder)
        processor = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True, "sampling_rate": 16000}
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
        folders[kind] = folder
    torch.set_rng_state(state)
    return folders


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny models are much slower with several threads on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory) -> Path:
    """A random BERT of one layer of 16 with a vocabulary of a few words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "am", "so", "happy", "sad"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(4)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    BertModel(config).save_pretrained(folder)
    return folder
