"""Packs trained experiments into the folder of a model."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.config import Config, dump_yaml
from ambiser.config.grid import check_grid
from ambiser.errors import ConfigError, DataError
from ambiser.features.extraction.fingerprints import file_digest
from ambiser.inference.card import render_card
from ambiser.inference.features import describe_speech_encoder, describe_text_encoder, speech_weights, text_weights
from ambiser.inference.model import read_config
from ambiser.inference.model_folder import CARD, Encoder, Member, MemberSets, ModelRecord, write_record
from ambiser.inference.onnx_heads import check_onnx, export_heads
from ambiser.io.choice_file import model_tag
from ambiser.io.files import write_text
from ambiser.io.layout import Layout, require
from ambiser.io.provenance import versions
from ambiser.scoring.results import Results, ScaleAndBias
from ambiser.scoring.results_file import read_results, write_results
from ambiser.scoring.stamp import config_hash

_READ_OF_IPR = ("network.", "memory.prototypes", "gaussian.")
"""Tensors of an IPR stage that predict; the others hold labels of training utterances and state of the training."""


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """The name of a packed model, and the facts that packing cannot find itself.

    Attributes:
        name: of the model.
        upstream: weights of the speech encoder on this machine; None looks where the configuration says.
        text_upstream: the same for the text encoder.
        license: identifier of the license of the weights.
        notes: remarks on licenses and limits.
        onnx: also export the heads to heads.onnx.
    """

    name: str
    upstream: Path | None = None
    text_upstream: Path | None = None
    license: str = "other"
    notes: tuple[str, ...] = ()
    onnx: bool = False


@dataclass(frozen=True)
class _Source:
    """The trained network of one fold: its checkpoint, its configuration, and its place in the model."""

    best: Path
    config: Config
    seed: int
    fold: int
    calibration: ScaleAndBias | None
    sets: MemberSets | None


def pack(experiments: Sequence[Path], out: Path, options: PackOptions) -> None:
    """Writes a model from the folders of one experiment with one or several seeds; appears by rename.

    Args:
        experiments: exp/TAG each, scored by stage 7.
        out: the folder to write; it must not exist.
        options: name, weights of the encoders, license and notes.

    Raises:
        DataError: a file of an earlier stage is missing, results are of another configuration, or classes differ.
        ConfigError: the folder exists, or experiments differ in their features.
    """
    if options.onnx:
        check_onnx()
    if out.exists():
        raise ConfigError(f"{out}: exists; name a new folder, or remove it")
    results = [read_results(require(folder / "results.json", "score")) for folder in experiments]
    sources = [one for folder, of in zip(experiments, results, strict=True) for one in _sources(folder, of)]
    _check(sources, results)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        (temporary / "members").mkdir(parents=True)
        _write(temporary, sources, results, options)
        os.replace(temporary, out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sources(folder: Path, results: Results) -> list[_Source]:
    """Returns the networks of an experiment, of the point that dev chose where there is a grid."""
    # YAML is read as text, and only `check_grid` knows the types of a grid's values, on which the hash depends.
    whole, _ = check_grid(read_config(folder / "config.yaml"), {})
    if config_hash(whole) != results.stamp.config_hash:
        raise DataError(f"{folder / 'results.json'}: is of another configuration than config.yaml; run stage 7 again")
    if results.stamp.seed is None:
        raise ConfigError(f"{folder}: holds imported predictions or an ensemble; name the folder of each seed")
    layout, made = Layout(folder.parent, folder.parent, folder.parent), []
    for fold in results.stamp.folds:
        tag = model_tag(layout, folder.name, fold)
        config = read_config(layout.experiment(tag) / "config.yaml")
        stage = config.stages[-1]
        fitted = results.calibration.folds[fold] if results.calibration else None
        best, sets = require(layout.best(tag, fold, stage), stage), _sets(results, fold)
        made.append(_Source(best, config, results.stamp.seed, fold, fitted, sets))
    return made


def _sets(results: Results, fold: int) -> MemberSets | None:
    """Returns the prediction sets of a fold by the calibration that predictions use; None where there are none."""
    found = results.scores.sets
    if found is None:
        return None
    rule = {name: getattr(found, name) for name in ("form", "coverage", "per_class", "penalty", "free_ranks")}
    return MemberSets(**rule, thresholds=found.by[found.used].thresholds[fold])


def _check(sources: Sequence[_Source], results: Sequence[Results]) -> None:
    first = sources[0].config
    for one in sources:
        if _trained(one.config) != _trained(first):
            raise ConfigError(f"{one.best}: fine-tunes other encoders than {sources[0].best}; pack them separately")
        for key in ("speech_features", "text_features", "labels", "stages"):
            if getattr(one.config, key) != getattr(first, key):
                raise ConfigError(f"{one.best}: differs from {sources[0].best} in '{key}'; pack them separately")
    members = [(one.seed, one.fold) for one in sources]
    for member in members:
        if members.count(member) > 1:
            raise ConfigError(f"seed {member[0]}, fold {member[1]} is given twice; name the folder of each seed once")
    for other in results[1:]:
        if other.stamp.class_names != results[0].stamp.class_names:
            raise DataError(f"{other.tag} and {results[0].tag} have other classes; pack them separately")


def _trained(config: Config) -> tuple[str, str]:
    return config.model.encoder, config.model.text_encoder


def _write(folder: Path, sources: Sequence[_Source], results: Sequence[Results], options: PackOptions) -> None:
    """Writes all files of the model, the record last."""
    configs: dict[Config, str] = {}
    members = []
    for one in sources:
        if (config := _portable(one.config)) not in configs:
            configs[config] = "config.yaml" if not configs else f"config_{len(configs) + 1}.yaml"
        file = f"members/s{one.seed}_fold{one.fold}.safetensors"
        _copy_weights(one, folder / file, results[0].stamp.class_names)
        members.append(Member(file, configs[config], one.seed, one.fold, one.calibration, one.sets))
    for config, name in configs.items():
        write_text(folder / name, dump_yaml(config.model_dump(mode="json")))
    names = [f"results_{number}.json" for number in range(1, len(results) + 1)]
    for name, of in zip(names, results, strict=True):
        write_results(folder / name, of)
    classes, onnx_files = list(results[0].stamp.class_names), []
    if options.onnx:
        by_name = {name: config for config, name in configs.items()}
        onnx_files.append(export_heads(folder, members, by_name, classes).name)
    read = [*onnx_files, *(member.file for member in members), *configs.values(), *names]
    speech, text = _encoders(sources[0].config, options)
    record = ModelRecord(
        name=options.name,
        classes=classes,
        stage=sources[0].config.stages[-1],
        members=members,
        speech=speech,
        text=text,
        results=names,
        files={name: file_digest(folder / name) for name in sorted(read)},
        license=options.license,
        notes=list(options.notes),
        software=f"ambiser {versions()['ambiser']}",
    )
    write_text(folder / CARD, render_card(record, sources[0].config, list(results)))
    write_record(folder, record)


def _copy_weights(source: _Source, path: Path, classes: Sequence[str]) -> None:
    from ambiser.train.checkpoint import load_best, save_best

    tensors, facts = load_best(source.best)
    if list(facts["classes"]) != list(classes):
        raise DataError(
            f"{source.best}: has the classes {facts['classes']}, its results {list(classes)}; score it again"
        )
    if source.config.stages[-1] != "distill":
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(_READ_OF_IPR)}
    save_best(path, tensors, facts)


def _encoders(config: Config, options: PackOptions) -> tuple[Encoder, Encoder | None]:
    """Describes the encoders by the weights that were given or are found on this machine."""
    speech, text, portable = config.speech_features, config.text_features, _portable(config)
    name = portable.speech_features.checkpoint or speech.upstream
    speech_encoder = describe_speech_encoder(speech, options.upstream or speech_weights(speech), name)
    if not config.needs_text():
        return speech_encoder, None
    name, weights = portable.text_features.model or text.encoder, options.text_upstream or text_weights(text)
    return speech_encoder, describe_text_encoder(text, weights, name)


def _portable(config: Config) -> Config:
    """Returns the configuration without what belongs to this machine or to utterances: paths, and names left out."""
    speech, text = config.speech_features, config.text_features
    changes: dict[str, object] = {
        "speech_features": speech.model_copy(update={"checkpoint": _last_part(speech.checkpoint)}),
        "text_features": text.model_copy(update={"model": _last_part(text.model), "transcripts": ""}),
        "data": config.data.model_copy(update={"leave_out": []}),
    }
    return config.model_copy(update=changes)


def _last_part(name: str) -> str:
    """Returns the last part of a path on this machine, and the name of a model on a hub as it is."""
    return Path(name).name if name and (Path(name).exists() or Path(name).is_absolute()) else name
