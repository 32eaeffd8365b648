"""Random checkpoints of every architecture that batches are exact for, tiny or of the published base size."""

import json
from pathlib import Path

import numpy as np
import torch

from ambiser.config.schema import SpeechFeatures

CONVOLUTIONS = "[({0}, 10, 5)] + [({0}, 3, 2)] * 4 + [({0},2,2)] * 2"
TINY = {"dim": 16, "layers": 2, "heads": 2, "inner": 32, "conv": 8, "positions": 16, "groups": 4}
BASE = {"dim": 768, "layers": 12, "heads": 12, "inner": 3072, "conv": 512, "positions": 128, "groups": 16}
S3PRL = ("wav2vec2", "hubert", "wavlm", "data2vec")
HUGGING_FACE = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
NORMS = ("group", "layer")  # as in base models, and as in large ones, which also normalize the waveform


def save_s3prl(kind: str, norm: str, path: Path, size: dict = TINY) -> Path:
    """Writes a checkpoint in s3prl's own format; its upstream is KIND_local."""
    is_large = norm == "layer"
    cfg = {
        "extractor_mode": "layer_norm" if is_large else "default",
        "layer_norm_first": is_large,
        "conv_bias": is_large,
        "encoder_layers": size["layers"],
        "encoder_embed_dim": size["dim"],
        "encoder_ffn_embed_dim": size["inner"],
        "encoder_attention_heads": size["heads"],
        "conv_feature_layers": CONVOLUTIONS.format(size["conv"]),
        "conv_pos": size["positions"],
        "conv_pos_groups": size["groups"],
    }
    model = {"wav2vec2": _wav2vec2, "hubert": _hubert, "wavlm": _wavlm, "data2vec": _data2vec}[kind]
    torch.save(model(cfg, is_large), path)
    return path


def save_hugging_face(kind: str, norm: str, folder: Path, size: dict = TINY) -> Path:
    """Writes a folder of Hugging Face; its upstream is `huggingface`."""
    import transformers as hf

    config, model = {
        "wav2vec2": (hf.Wav2Vec2Config, hf.Wav2Vec2Model),
        "hubert": (hf.HubertConfig, hf.HubertModel),
        "wavlm": (hf.WavLMConfig, hf.WavLMModel),
        "data2vec-audio": (hf.Data2VecAudioConfig, hf.Data2VecAudioModel),
    }[kind]
    is_large = norm == "layer"
    options = {
        "hidden_size": size["dim"],
        "num_hidden_layers": size["layers"],
        "num_attention_heads": size["heads"],
        "intermediate_size": size["inner"],
        "conv_dim": (size["conv"],) * 7,
        "conv_bias": is_large,
        "num_conv_pos_embeddings": size["positions"],
        "num_conv_pos_embedding_groups": size["groups"],
        "feat_extract_norm": norm,
        "do_stable_layer_norm": is_large,
    }
    if kind == "data2vec-audio":
        options |= {"num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 5}
    shaken(model(config(**options))).save_pretrained(folder)
    processor = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": is_large, "sampling_rate": 16000}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def save_whisper(folder: Path) -> Path:
    """Writes a tiny Whisper."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    config = WhisperConfig(
        vocab_size=20,
        num_mel_bins=8,
        encoder_layers=2,
        encoder_attention_heads=2,
        decoder_layers=1,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        d_model=16,
        max_target_positions=8,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
    )
    shaken(WhisperModel(config)).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=8).save_pretrained(folder)
    return folder


def save_recognizer(folder: Path) -> Path:
    """Writes a tiny English Whisper with a tokenizer of 20 words, w0 to w19."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperFeatureExtractor
    from transformers import WhisperForConditionalGeneration as Whisper

    special = ("<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>", "<|0.00|>", "<|0.02|>")
    words = {word: number for number, word in enumerate([*(f"w{n}" for n in range(20)), *special])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=special[0]).save_pretrained(folder)
    sizes = {"encoder_layers": 2, "decoder_layers": 1, "d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_mel_bins": 8, "max_target_positions": 32}
    ends = {"pad_token_id": 20, "bos_token_id": 20, "eos_token_id": 20, "decoder_start_token_id": 21}
    none = {"suppress_tokens": None, "begin_suppress_tokens": None}
    config = WhisperConfig(vocab_size=25, **sizes, **heads, **ends, **none)
    shaken(Whisper(config)).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=8).save_pretrained(folder)
    return folder


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Adds noise to all weights, since biases that are 0 and scales that are 1 would hide faults."""
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight) * (weight.std() if weight.numel() > 1 and weight.std() > 0 else 1)
    return model


def _wav2vec2(cfg: dict, is_large: bool) -> dict:
    from s3prl.upstream.wav2vec2.wav2vec2_model import Wav2Vec2Config, Wav2Vec2Model

    weights = shaken(Wav2Vec2Model(Wav2Vec2Config(**cfg))).state_dict()
    return {"task_cfg": {"normalize": is_large}, "model_cfg": cfg, "model_weight": weights}


def _hubert(cfg: dict, is_large: bool) -> dict:
    from s3prl.upstream.hubert.hubert_model import HubertConfig, HubertModel, HubertPretrainingConfig

    cfg = cfg | {"label_rate": 50.0}
    task, symbols = {"normalize": is_large, "label_rate": 50.0}, [["a", "b"]]
    weights = shaken(HubertModel(HubertConfig(**cfg), HubertPretrainingConfig(**task), symbols)).state_dict()
    return {"task_cfg": task, "model_cfg": cfg, "model_weight": weights, "dictionaries_symbols": symbols}


def _wavlm(cfg: dict, is_large: bool) -> dict:
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    cfg = cfg | {"normalize": is_large, "relative_position_embedding": True, "gru_rel_pos": True}
    return {"cfg": cfg, "model": shaken(WavLM(WavLMConfig(cfg))).state_dict()}


def _data2vec(cfg: dict, is_large: bool) -> dict:
    from s3prl.upstream.data2vec.data2vec_model import Data2VecAudioConfig, Data2VecAudioModel

    cfg = cfg | {"extractor_mode": "layer_norm", "pos_conv_depth": 5}
    model = shaken(Data2VecAudioModel(Data2VecAudioConfig(**cfg)))
    model.remove_pretraining_modules()
    weights = model.state_dict() | {"_ema": {}}
    return {"task_cfg": {"normalize": is_large}, "model_cfg": cfg, "model_weight": weights}


def noise(samples: int) -> np.ndarray:
    """Returns a waveform (samples,) of quiet noise; the same one for the same length."""
    return np.random.default_rng(samples).standard_normal(samples).astype(np.float32) * 0.1


def features(folder: Path, **options: object) -> SpeechFeatures:
    """Returns the settings of features of a Hugging Face folder."""
    return SpeechFeatures(upstream="huggingface", checkpoint=str(folder), **options)
