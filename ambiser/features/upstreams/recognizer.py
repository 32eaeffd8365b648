"""Recognizes speech with Whisper: greedy decoding, several utterances at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ambiser.errors import ConfigError, first_line
from ambiser.features.upstreams.weights import reach_hub
from ambiser.features.upstreams.whisper import WhisperSpeech
from ambiser.features.upstreams.whisper_encoder import take_encoder

# English has about 4 tokens per second; the bound stops a decoder that repeats itself.
_TOKENS_PER_S = 10
_SPARE_TOKENS = 10


class Recognizer:
    """A Whisper with encoder and decoder.

    Attributes:
        speech: its encoder.
    """

    def __init__(self, checkpoint: str, window_s: float, language: str) -> None:
        """Loads the model; runs no code that comes with it.

        Args:
            checkpoint: a folder, or the name of a model in the cache or on the hub of Hugging Face.
            window_s: see `WhisperSpeech`.
            language: code such as "en", for a multilingual model.

        Raises:
            ConfigError: the model cannot be loaded, is no Whisper, or does not know the language.
        """
        extractor, self._tokenizer, self._model = _load(checkpoint)
        self.speech = WhisperSpeech(*take_encoder(self._model, extractor), window_s).eval()
        self._prompt = self._find_prompt(checkpoint, language)
        config, generation = self._model.config, self._model.generation_config
        self._end = config.eos_token_id
        never = torch.zeros(config.vocab_size, dtype=torch.bool)
        never[self._end + 1 :] = True  # in all Whispers, tokens above the end token are special ones and time stamps
        never[list(generation.suppress_tokens or [])] = True
        self._never, self._never_first = never, never.clone()
        self._never_first[list(generation.begin_suppress_tokens or [])] = True

    @torch.inference_mode()
    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[str]:
        """Returns the words of several utterances.

        Args:
            wavs: (samples,) each, float32 at 16 kHz; longer audio than 30 s is cut into pieces without overlap.
        """
        longest = self.speech.longest_samples
        pieces = [(row, wav[at : at + longest]) for row, wav in enumerate(wavs) for at in range(0, len(wav), longest)]
        windows: dict[int, list[int]] = {}  # pieces by the length of their window: equal lengths need no mask
        for place, (_, wav) in enumerate(pieces):
            windows.setdefault(self.speech.padded_frames(len(wav)), []).append(place)
        texts = [""] * len(pieces)
        for frames, places in windows.items():
            states = self.speech.encode([torch.from_numpy(pieces[place][1]) for place in places], frames)[-1]
            for place, tokens in zip(places, self._decode(states), strict=True):
                texts[place] = self._tokenizer.decode(tokens)
        words = [[text for (of, _), text in zip(pieces, texts, strict=True) if of == row] for row in range(len(wavs))]
        return [" ".join(" ".join(parts).split()) for parts in words]

    def _decode(self, states: Tensor) -> list[list[int]]:
        """Returns the most probable token at each step until the end token, for encoder states (B, T, D)."""
        seconds = states.shape[1] * self.speech.hop / 16000
        room = self._model.config.max_target_positions - len(self._prompt)
        tokens = torch.tensor([self._prompt] * len(states))  # (B, P), then (B, 1): the cache holds what came before
        never, cache, found = self._never_first, None, []
        is_done = torch.zeros(len(states), dtype=torch.bool)
        for _ in range(min(room, _SPARE_TOKENS + int(_TOKENS_PER_S * seconds))):
            output = self._model(
                encoder_outputs=(states,), decoder_input_ids=tokens, past_key_values=cache, use_cache=True
            )
            scores = output.logits[:, -1].masked_fill(never, -torch.inf)  # (B, V)
            best = scores.argmax(dim=1).masked_fill(is_done, self._end)  # (B,)
            is_done |= best == self._end
            if is_done.all():
                break
            found.append(best)
            tokens, cache, never = best[:, None], output.past_key_values, self._never
        rows = torch.stack(found, dim=1).tolist() if found else [[]] * len(states)
        return [[token for token in row if token != self._end] for row in rows]

    def _find_prompt(self, checkpoint: str, language: str) -> list[int]:
        """Returns the tokens before the text: start, for a multilingual model language and task, no time stamps."""
        config, generation = self._model.config, self._model.generation_config
        words = ["<|notimestamps|>"]
        # The tokenizers of English models hold the language tokens too; vocabularies beyond 51,864 are multilingual.
        if getattr(generation, "is_multilingual", config.vocab_size > 51864):
            words = [f"<|{language}|>", "<|transcribe|>", *words]
        known = self._tokenizer.get_vocab()
        missing = [word for word in words if word not in known]
        if missing:
            raise ConfigError(f"recognizer {checkpoint}: its tokenizer has no {missing[0]}; is --language right?")
        return [config.decoder_start_token_id, *(known[word] for word in words)]


def _load(checkpoint: str) -> tuple[object, object, torch.nn.Module]:
    """Returns feature extractor, tokenizer and model."""
    from transformers import AutoConfig, AutoFeatureExtractor, AutoTokenizer, WhisperForConditionalGeneration

    is_folder = Path(checkpoint).is_dir()
    # Without the file transformers guesses the model type from the name of the folder.
    if is_folder and not (Path(checkpoint) / "config.json").is_file():
        raise ConfigError(f"recognizer {checkpoint}: is not a Hugging Face folder; it has no config.json")
    fault: Exception | None = None
    for local in (True,) if is_folder else (True, False):
        options = {"local_files_only": local, "trust_remote_code": False}
        try:
            if not local:
                reach_hub(checkpoint)
            kind = AutoConfig.from_pretrained(checkpoint, **options).model_type
            if kind != "whisper":
                raise ConfigError(f"recognizer {checkpoint}: holds a {kind} model; only Whisper can transcribe")
            extractor = AutoFeatureExtractor.from_pretrained(checkpoint, **options)
            tokenizer = AutoTokenizer.from_pretrained(checkpoint, **options)
            model, info = WhisperForConditionalGeneration.from_pretrained(
                checkpoint, output_loading_info=True, **options
            )
        except (OSError, ValueError) as error:
            fault = error
            continue
        missing = sorted(key for key in info["missing_keys"] if key != "proj_out.weight")  # tied to the embeddings
        if missing:
            raise ConfigError(f"recognizer {checkpoint}: lacks weights, such as {missing[0]}; they would stay random")
        return extractor, tokenizer, model.eval()
    raise ConfigError(f"recognizer {checkpoint}: cannot be loaded ({first_line(fault)})") from fault
