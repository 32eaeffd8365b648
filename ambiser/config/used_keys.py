"""Tells which keys of a configuration an experiment reads; the other keys cannot change its results."""

from collections.abc import Iterator

from ambiser.config.resolved import flatten
from ambiser.config.schema import Config
from ambiser.stages import TRAINING_STAGES

NOT_SET, NOT_USED = "(not set)", "(not used)"


def unused_keys(config: Config) -> set[str]:
    """Returns the dotted names of the sections and keys that play no part in an experiment."""
    return set(_unused(config))


def differing_used_keys(base: Config, other: Config) -> list[str]:
    """Returns a line 'key: base value -> other value' for every key that differs and is read by an experiment.

    A key that one of the two does not read is `(not used)` there. Keys with equal values are not listed, even if only
    one experiment reads them: `stages` and the like tell.
    """
    before, after = (flatten(one.model_dump(mode="json")) for one in (base, other))
    unused = unused_keys(base), unused_keys(other)
    lines = []
    for key in sorted(before.keys() | after.keys()):  # the keys of a grid (`tune`) are free
        values = before.get(key, NOT_SET), after.get(key, NOT_SET)
        if values[0] == values[1]:
            continue
        shown = [NOT_USED if _is_in(key, keys) else value for value, keys in zip(values, unused, strict=True)]
        if shown != [NOT_USED, NOT_USED]:
            lines.append(f"{key}: {shown[0]} -> {shown[1]}")
    return lines


def stage_config(config: Config, stage: str) -> Config:
    """Returns the configuration that a training stage works with: the experiment without the stages that follow.

    Update and contrastive share a schedule, so each of them knows of the other. Experiments that differ only in what
    follows a stage thus have the same stage.
    """
    apart = {"prototypes": {"update", "contrastive", "distill"}, "distill": set()}.get(stage, {"distill"})
    return config.model_copy(update={"stages": [name for name in config.stages if name not in apart]})


def _is_in(key: str, keys: set[str]) -> bool:
    """Whether a key, or the section that holds it, is one of the keys."""
    return key in keys or key.partition(".")[0] in keys


def _unused(config: Config) -> Iterator[str]:
    yield from (stage for stage in TRAINING_STAGES if stage not in config.stages)
    after_ipr, heads = "prototypes" in config.stages, config.amber.heads()
    if not after_ipr:
        yield from ("ipr", "gaussian", "model.projection", "amber.use_prototypes", "amber.freeze_speech")
    if not config.ipr.predict_by.endswith("gaussian"):
        yield "gaussian"
    if config.ipr.ambiguous_loss == "pseudo_labels":
        yield from ("ipr.votes", "ipr.votes_needed", "ipr.class_shares", "ipr.ambiguous_limit")
    if config.ipr.class_shares == "none":
        yield from ("ipr.class_shares_weight", "ipr.class_shares_momentum")
    if not config.needs_text():
        yield from ("text", "text_features", "model.text_encoder")
    if not config.learns():
        yield "finetune"
    if config.attributes.weight == 0:
        yield "attributes"
    if config.targets.curriculum == "none":
        yield from ("targets.curriculum_start", "targets.curriculum_end")
    if config.raters.model == "none":
        yield "raters"
    if "distill" not in config.stages:
        yield from ("amber", "targets", "attributes", "raters")
        return
    if heads == ("T",) and not after_ipr:
        yield from ("ssl", "speech_features", "model.encoder", "model.pooling")
    if "AT" not in heads:
        yield from ("amber.fusion", "amber.modality_dropout")
    if config.amber.guidance == 0:
        yield from ("amber.weights", "amber.temperature", "amber.guidance_schedule")
        yield from ("amber.agreement_gate", "amber.detach_teachers")
    if config.amber.teacher == 0:
        yield "amber.teacher_schedule"
    if not config.amber.evidential:
        yield "amber.evidential_regularizer"
