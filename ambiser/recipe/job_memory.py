"""Estimates the memory of a training job before it starts."""

from pathlib import Path

from ambiser.recipe.experiments import Experiment

PROGRAM_BYTES = 700 * 2**20  # memory of a job before it reads features
BASE_MODEL_BYTES = 400 * 2**20


def memory_of_a_job(experiment: Experiment) -> int:
    """Returns an estimate of the peak memory of a job in bytes: program, features (two copies) and encoders.

    Fine-tuning holds an encoder about ten times: weights, momentum encoder, gradient, two moments of AdamW, the best
    epoch, the checkpoint being written, and the activations of a step.
    """
    arks = sum(ark.stat().st_size for folder in experiment.feature_folders() for ark in folder.glob("*.ark"))
    one = PROGRAM_BYTES + 2 * arks + 10 * _encoder_bytes(experiment)
    return one * experiment.config.train.processes


def _encoder_bytes(experiment: Experiment) -> int:
    """Returns the size of the fine-tuned weights: of their files if they are named, else of a base model."""
    config, total = experiment.config, 0
    named = (
        (config.model.encoder, config.speech_features.checkpoint),
        (config.model.text_encoder, config.text_features.model),
    )
    for regime, name in named:
        if regime == "finetune":
            files = (
                [Path(name)] if Path(name).is_file() else [*Path(name).glob("*.safetensors"), *Path(name).glob("*.bin")]
            )
            total += sum(file.stat().st_size for file in files) if name and files else BASE_MODEL_BYTES
    return total
