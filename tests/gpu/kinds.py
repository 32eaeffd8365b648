"""Trains and predicts every kind of model on a toy fold, on any device."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from train.toy import CLASSES, SHAPES, make_part, make_task, make_waves, with_tokens

from ambiser.config import Config
from ambiser.labels.ratings import Ratings
from ambiser.train.build import TASKS
from ambiser.train.checkpoint import load_best
from ambiser.train.loop import fit
from ambiser.train.part import Part, Shapes
from ambiser.train.rater_votes import RaterVotes

_ALONE = {"student": "A", "guidance": 0, "teacher": 0}
_IPR = ["prototypes", "update", "contrastive"]
_THRESHOLD = {"ambiguous_loss": "threshold", "votes": 3, "votes_needed": 2, "class_shares": "dev"}
_FRAMES = {"speech_features": {"form": "frames"}, "text_features": {"form": "tokens"}}

KINDS = {
    "ipr, then amber": {"stages": [*_IPR, "distill"]},
    "ipr, shared encoder, soft update": {"stages": _IPR, "ipr": {"key_encoder": "shared", "update": "soft"}},
    "ipr on frames": {
        "stages": _IPR,
        "speech_features": {"form": "frames"},
        "model": {"pooling": "attentive"},
        "ipr": {"time_mask": 0.2, "noise": 0.1, "predict_by": "prototypes"},
    },
    "ipr, threshold and gaussian, then amber": {
        "stages": ["prototypes", "update", "distill"],
        "ipr": {**_THRESHOLD, "predict_by": "classifier_and_gaussian", "precise_kept": 0.8},
        "gaussian": {"share": 0.5},
    },
    "ipr, right pseudo labels": {"stages": _IPR, "ipr": {"oracle": "right_only"}},
    "amber": {"amber": {"modality_dropout": 0.3}},
    "gated": {"amber": {"fusion": "gated", "weights": "confidence", "mc_dropout": 3}},
    "gated concatenation": {"amber": {"fusion": "gated_concat", "weights": "uniform"}},
    "cross attention": {"amber": {"fusion": "cross_attention"}, **_FRAMES},
    "evidential": {"amber": {**_ALONE, "evidential": True}},
    "balanced majority": {"amber": {**_ALONE, "target": "majority", "class_weights": "effective_number"}},
    "curriculum": {"amber": _ALONE, "targets": {"curriculum": "low_entropy_first", "logit_adjustment": 1}},
    "confusion": {
        "amber": _ALONE,
        "labels": {"smoothing": 0.1},
        "targets": {"smoothing_toward": "confusion"},
    },
    "rater heads": {"amber": _ALONE, "raters": {"model": "heads"}},
    "rater embeddings": {"amber": _ALONE, "raters": {"model": "embeddings"}},
    "crowd layer": {"amber": _ALONE, "raters": {"model": "crowd_layer"}},
    "attributes": {"amber": _ALONE, "attributes": {"weight": 0.5}},
}
"""Configurations by name; together they run every line that moves a tensor."""

TRAINED_ENCODERS = {
    "ipr with a trained encoder": {"stages": ["prototypes", "contrastive"]},
    "amber with trained encoders": {},
}


def config_of(tree: dict) -> Config:
    """Returns a small configuration of a kind: one epoch with batches of 20."""
    optim = {"epochs": 1, "batch": 20, "learning_rate": 1e-2, "select": "jsd"}
    own = {"stages": ["distill"], **dict.fromkeys((*_IPR, "distill"), optim), "train": {"tensorboard": False}}
    own |= {"ipr": {"queue": 20, "key_momentum": 0.9}, "model": {"hidden": 12, "projection": 5, "dropout": 0.1}}
    merged = {key: {**own.get(key, {}), **value} if isinstance(value, dict) else value for key, value in tree.items()}
    return Config.model_validate({**own, **merged})


def run_kind(
    tree: dict, folder: Path, device: str, change: Callable[[Part, Part], tuple[Part, Part]] = lambda *parts: parts
) -> dict[str, torch.Tensor]:
    """Trains all stages of a kind on a toy fold and predicts; returns the probabilities and the last weights.

    `change` maps the parts for training and dev to those that are used.
    """
    config = config_of(tree)
    frames = config.speech_features.form != "pooled"
    made = change(*(make_part(count, seed, frames) for count, seed in ((60, 0), (24, 5))))
    parts = [_furnish(part, config) for part in made]
    text_dim = SHAPES.text_dim if config.needs_text() else 0
    shapes = dataclasses.replace(SHAPES, layers=1 if frames else 2, text_dim=text_dim)
    return _run(config, parts, shapes, folder, device)


def run_trained_encoders(tree: dict, models: tuple[Path, Path], folder: Path, device: str) -> dict[str, torch.Tensor]:
    """Does what `run_kind` does with speech and text encoders that learn; `models` are their folders."""
    config = config_of(
        {
            "model": {"encoder": "finetune", "text_encoder": "finetune"},
            "speech_features": {"upstream": "hf_wav2vec2_custom", "checkpoint": str(models[0])},
            "text_features": {"encoder": "huggingface", "model": str(models[1])},
            **tree,
        }
    )
    (folder / "waves").mkdir(parents=True)
    parts = [make_waves(folder / "waves", count, seed) for count, seed in ((16, 0), (8, 5))]
    return _run(config, parts, Shapes(layers=0, dim=0, text_dim=16, classes=CLASSES), folder, device)


def _run(config: Config, parts: list[Part], shapes: Shapes, folder: Path, device: str) -> dict[str, torch.Tensor]:
    train, dev = (_moved(part, device) for part in parts)
    before = None
    for stage in config.stages:
        torch.manual_seed(0)
        task = make_task(stage, config, train, dev, shapes, before=before)
        (folder / stage).mkdir(parents=True)
        fit(task, getattr(config, stage), folder / stage, stage=stage, seed=1, facts={}, tensorboard=False)
        before = stage, load_best(folder / stage / "best.safetensors")[0]
    made = TASKS[before[0]].predict(config, before[1], dev, shapes, 0)
    numbers = {**made.heads, **made.attributes, "probs": made.probs}
    return {name: value.detach().cpu() for name, value in numbers.items()} | before[1]


def _moved(part: Part, device: str) -> Part:
    """Returns a part as `load_part` puts it on a device."""
    names = ("speech", "text", "soft", "counts", "hard", "kind")
    tensors = {name: value for name in names if isinstance(value := getattr(part, name), torch.Tensor)}
    return dataclasses.replace(part, **{name: value.to(device) for name, value in tensors.items()})


def _furnish(part: Part, config: Config) -> Part:
    """Adds what a configuration reads besides: tokens, votes of raters, ratings; drops text that it does not read."""
    given: dict[str, Callable[[Part], Part]] = {
        "tokens": lambda part: with_tokens(part) if config.reads_tokens() else part,
        "text": lambda part: part if config.needs_text() else dataclasses.replace(part, text=None),
        "votes": lambda part: _voted(part) if config.raters.model != "none" else part,
        "ratings": lambda part: _rated(part) if config.attributes.weight > 0 else part,
    }
    for change in given.values():
        part = change(part)
    return part


def _voted(part: Part) -> Part:
    """Gives every utterance the votes of three raters, each like its soft label."""
    n = len(part)
    shares = part.soft.repeat_interleave(3, dim=0)  # (3 N, C)
    votes = RaterVotes(["E1", "E2", "E3"], 3 * torch.arange(n + 1), torch.arange(3).repeat(n), shares, 0)
    return dataclasses.replace(part, votes=votes)


def _rated(part: Part) -> Part:
    rng, shape = np.random.default_rng(1), (len(part), 3)
    return dataclasses.replace(
        part, ratings=Ratings(rng.normal(3, 1, shape), rng.uniform(0.2, 1, shape), np.full(shape, 3.0))
    )
