"""Estimates the memory of a training job before it starts."""

from pathlib import Path

from ambiser.recipe.experiments import Experiment

PROGRAM_BYTES = 700 * 2**20  # memory of a job before it reads features
BASE_MODEL_BYTES = 400 * 2**20
MAPPED_BYTES = 300 * 2**20  # batches; the pages themselves are shared
INDEX_SHARE = 12  # votes, labels and the index take about twelve times the size of feats.scp


def memory_of_a_job(experiment: Experiment) -> int:
    """Returns an estimate of the peak memory of a job in bytes: program, features (two copies) and encoders.

    Mapped features are not part of it: the system drops their pages when memory is short.

    Fine-tuning holds an encoder about ten times: weights, momentum encoder, gradient, two moments of AdamW, the best
    epoch, the checkpoint being written, and the activations of a step.
    """
    features = sum(_feature_bytes(experiment, folder) for folder in experiment.feature_folders())
    one = PROGRAM_BYTES + features + 10 * _encoder_bytes(experiment)
    return one * experiment.config.train.processes


def _feature_bytes(experiment: Experiment, folder: Path) -> int:
    """Returns the memory that the features in a folder take in a job."""
    from ambiser.features.extraction.mapped import is_mapped

    config = experiment.config
    pooled_speech = folder != experiment.text_dir() and config.speech_features.form == "pooled"
    if pooled_speech and is_mapped(config.pooled_features(), folder):
        return MAPPED_BYTES + INDEX_SHARE * sum(index.stat().st_size for index in folder.glob("feats.scp"))
    return 2 * sum(ark.stat().st_size for ark in folder.glob("*.ark"))


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
