"""Checks pre-trained checkpoints before use: weights only, no text that s3prl would run as code."""

import argparse
import ast
import contextlib
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from ambiser.errors import ConfigError
from ambiser.io.files import read_json
from ambiser.io.packed import check_stored

# Keys whose text s3prl passes to eval.
EVALUATED = (
    "conv_feature_layers",
    "extractor_conv_feature_layers",
    "conv_aggregator_layers",
    "override_encoder_layers",
    "xformers_att_config",
)
MODEL_TYPES = {"hf_wav2vec2_custom": "wav2vec2", "hf_hubert_custom": "hubert"}
_PLAIN = (
    ast.Expression,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Constant,
    ast.Load,
    ast.BinOp,
    ast.Add,
    ast.Mult,
    ast.UnaryOp,
    ast.USub,
)
_LARGEST_PRODUCT = 10_000


@contextlib.contextmanager
def checked_loading() -> Iterator[None]:
    """Makes every torch.load inside the block load weights only, and refuse text that s3prl would run.

    Raises:
        ConfigError: from torch.load, if a checkpoint holds objects other than weights, or such text.
    """
    original = torch.load

    def load(file: object, map_location: object = "cpu", **options: object) -> object:
        try:
            if isinstance(file, str | Path):
                check_stored(file)
            with torch.serialization.safe_globals([argparse.Namespace]):
                state = original(file, map_location=map_location, **(options | {"weights_only": True}))
        except pickle.UnpicklingError as error:
            raise ConfigError(
                f"{file}: is damaged, or holds objects other than weights; "
                "remove it and download it again, or save only its weights"
            ) from error
        except ValueError as error:
            raise ConfigError(f"{file}: is damaged: {error}; remove it and download it again") from error
        check_evaluated_text(state, str(file))
        return state

    torch.load = load
    try:
        yield
    finally:
        torch.load = original


def check_evaluated_text(state: object, name: str) -> None:
    """Checks every text of a checkpoint that s3prl would pass to eval: lists, numbers, + and * only.

    Raises:
        ConfigError: a text holds a call or a name, or would expand without bound.
    """
    if isinstance(state, argparse.Namespace):
        state = vars(state)
    if isinstance(state, Mapping):
        for key, value in state.items():
            if key in EVALUATED and isinstance(value, str) and not is_plain_expression(value):
                raise ConfigError(f"{name}: its '{key}' may hold only numbers, lists, + and *; got {value[:60]!r}")
            check_evaluated_text(value, name)
    elif isinstance(state, list | tuple):
        for value in state:
            check_evaluated_text(value, name)


def is_plain_expression(text: str) -> bool:
    """Tells whether a text is made of lists, tuples, dicts, constants, + and * (by whole numbers, up to 10,000)."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    product = 1
    for node in ast.walk(tree):
        if not isinstance(node, _PLAIN):
            return False
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            factors = [side.value for side in (node.left, node.right) if _is_whole(side)]
            if not factors:
                return False
            for factor in factors:
                product *= max(abs(factor), 1)
    return product <= _LARGEST_PRODUCT


def check_hugging_face_folder(upstream: str, folder: Path) -> None:
    """Checks that a Hugging Face folder has the model type that the upstream reads, and all its files.

    Raises:
        ConfigError: it is not a folder, has another model type (which would load wrong weights without an error), or no
            preprocessor_config.json, which says whether the model needs normalized audio.
    """
    wanted = MODEL_TYPES[upstream]
    if not (folder / "config.json").is_file():
        raise ConfigError(f"speech_features.checkpoint: {folder} is not a Hugging Face folder; it has no config.json")
    config = read_json(folder / "config.json")
    found = config.get("model_type") if isinstance(config, dict) else None
    if found != wanted:
        fitting = [name for name, kind in MODEL_TYPES.items() if kind == found]
        remedy = f"use upstream {fitting[0]}" if fitting else "s3prl has no upstream that reads such a folder"
        raise ConfigError(
            f"speech_features.checkpoint: {folder} holds a {found} model, {upstream} reads {wanted}; {remedy}"
        )
    if not (folder / "preprocessor_config.json").is_file():
        raise ConfigError(
            f"speech_features.checkpoint: {folder} has no preprocessor_config.json, which says whether the model needs "
            "normalized audio; copy it from where the model came from"
        )


def check_hugging_face_weights(model: torch.nn.Module, folder: Path) -> None:
    """Checks that a folder holds every weight of the model; transformers initializes missing ones at random.

    Raises:
        ConfigError: weights are missing.
    """
    _, info = type(model).from_pretrained(folder, output_loading_info=True)
    # Used for masking in pre-training only; published checkpoints lack it.
    missing = sorted(set(info["missing_keys"]) - {"masked_spec_embed"})
    if missing:
        raise ConfigError(
            f"speech_features.checkpoint: {folder} lacks {len(missing)} weights of the model, such as {missing[0]}; "
            "they would stay random"
        )


def _is_whole(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)
