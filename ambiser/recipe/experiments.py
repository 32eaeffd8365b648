"""Loads the experiments of a command line, and claims folders for configurations."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from ambiser.config import Config, differing_keys, dump_yaml, load_config, read_yaml
from ambiser.config.yaml_reader import parse_yaml
from ambiser.errors import ConfigError
from ambiser.io.files import read_json, write_json, write_text
from ambiser.io.layout import Layout, experiment_tag
from ambiser.io.locks import hold
from ambiser.io.provenance import describe_run

FOLDER_FORMAT = 2
"""Version of the files in the folder of an experiment; 2 names the folder of each training stage after the stage."""


@dataclass(frozen=True)
class Experiment:
    """One configuration with one seed; `point` names the point of a grid that it is, and is empty without one."""

    config: Config = field(hash=False)  # hashing its 200 values takes longer than what caches of experiments save
    config_path: Path
    seed: int
    tag: str
    layout: Layout
    point: str = ""

    def feature_folders(self) -> list[Path]:
        """Returns the folders of the features that the experiment reads."""
        features = self.config.speech_features
        speech = self.layout.speech_dir(self.config.ssl, features.form, features.storage, features.prosody)
        folders = zip(self.config.cached(), (speech, self.text_dir()), strict=True)
        return [folder for cached, folder in folders if cached]

    def text_dir(self) -> Path:
        """Returns the folder of the text features."""
        return self.layout.text_dir(self.config.text, self.config.text_features.form)


def layout_of(args: argparse.Namespace) -> Layout:
    """Returns the folders named on the command line."""
    return Layout(args.data_dir, args.dump_dir, args.exp_dir)


def load_experiment(args: argparse.Namespace, path: Path, seed: int) -> Experiment:
    """Loads a configuration with a seed, and with the options `EXPERIMENTS` that the program was given."""
    config = load_config(path, ssl=args.ssl, text=args.text, overrides=args.set, tune=args.tune)
    tag = experiment_tag(path.stem, config.ssl, seed, args.tag or "")
    return Experiment(config, path, seed, tag, layout_of(args))


def load_experiment_and_fold(args: argparse.Namespace) -> tuple[Experiment, int]:
    """Loads the one experiment that a program was given, and returns it with the one fold.

    Raises:
        ConfigError: none or several configurations, seeds or folds were given.
    """
    for name in ("config", "seeds", "folds"):
        values = getattr(args, name)
        if len(values) != 1:
            given = " ".join(map(str, values)) or "all"
            raise ConfigError(f"--{name} must be one value for this program, not {given}")
    return load_experiment(args, args.config[0], args.seeds[0]), args.folds[0]


def load_experiments(args: argparse.Namespace) -> list[Experiment]:
    """Loads every configuration with every seed.

    Raises:
        ConfigError: two experiments have the same name, or their configurations differ in data.
    """
    experiments = [load_experiment(args, path, seed) for path in args.config for seed in args.seeds]
    tags = [experiment.tag for experiment in experiments]
    for tag in tags:
        if tags.count(tag) > 1:
            raise ConfigError(f"{tag} is given twice; give each --config another file name and each seed once")
    first = experiments[0]
    for other in experiments[1:]:
        lines = differing_keys({"data": first.config.data.model_dump()}, {"data": other.config.data.model_dump()})
        if lines:
            both = f"{first.config_path.name} and {other.config_path.name}"
            raise ConfigError(f"{both} cannot run together, they differ in {'; '.join(lines)}")
    return experiments


def claim_experiment(experiment: Experiment) -> None:
    """Claims the folder of an experiment for its configuration (see `claim_folder`)."""
    folder, resolved = experiment.layout.experiment(experiment.tag), experiment.config.model_dump(mode="json")
    run = folder / "run.json"
    if (folder / "config.yaml").is_file() and read_json(run).get("format") != FOLDER_FORMAT:
        raise ConfigError(f"{folder} was made by an older version of ambiser; remove it or use another --exp_dir")
    claim_folder(folder, resolved, "use --tag NAME or another --exp_dir")


def claim_folder(folder: Path, resolved: dict, remedy: str) -> None:
    """Writes config.yaml and run.json into a folder, or checks that the configuration there is the same.

    Args:
        folder: the folder of the results.
        resolved: the resolved configuration, or the part of it that determines the contents of the folder.
        remedy: for the message, what to do if they differ.

    Raises:
        ConfigError: the folder belongs to another configuration; the message names every differing key.
    """
    record = folder / "config.yaml"
    if not record.is_file():
        with hold(folder / ".claim.lock"):  # two runs with other configurations at once
            if not record.is_file():
                write_json(folder / "run.json", describe_run() | {"format": FOLDER_FORMAT})
                write_text(record, dump_yaml(resolved))
                return
    expected = dump_yaml(resolved)
    if record.read_bytes() == expected.encode():  # parsing takes six times as long
        return
    lines = differing_keys(read_yaml(record)[0], parse_yaml(expected, "configuration")[0])
    if lines:
        raise ConfigError("\n  ".join([f"{folder} was made with another configuration; {remedy}:", *lines]))
