"""The options that the programs share, spelt as in run.sh; torch is never imported while they are parsed."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from ambiser.config import Config, differing_keys, dump_yaml, load_config, read_yaml
from ambiser.config.load import parse_yaml
from ambiser.errors import ConfigError
from ambiser.io.files import write_json, write_text
from ambiser.io.layout import Layout, experiment_tag
from ambiser.io.provenance import describe_run


class Parser(argparse.ArgumentParser):
    """A strict parser: no abbreviations, one line and exit status 2 for a fault, dashes as good as underscores."""

    def __init__(self, description: str | None) -> None:
        super().__init__(
            description=description, allow_abbrev=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )

    def parse_args(self, args: list[str] | None = None, namespace: object = None) -> argparse.Namespace:
        """Parses the command line after turning `--data-dir` into `--data_dir`."""
        words = sys.argv[1:] if args is None else args
        return super().parse_args([_underscored(word) for word in words], namespace)

    def error(self, message: str) -> None:
        """Prints one line and exits with status 2."""
        self.exit(2, f"{self.prog}: error: {message}; see --help\n")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Adds --data_dir, --dump_dir and --exp_dir."""
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="tables and folds")
    parser.add_argument("--dump_dir", type=Path, default=Path("dump"), help="features")
    parser.add_argument("--exp_dir", type=Path, default=Path("exp"), help="models and results")


def add_experiment(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Adds what names an experiment: --config, --ssl, --text, --set, --tag, and --seed and --fold or their plurals."""
    if several:
        parser.add_argument("--configs", type=Path, nargs="+", required=True, help="YAML files, one an experiment")
        parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="seeds")
        parser.add_argument("--folds", type=int, nargs="*", default=[], help="folds; none means all of stage 1")
    else:
        parser.add_argument("--config", type=Path, required=True, help="YAML file of the experiment")
        parser.add_argument("--seed", type=int, default=1, help="seed")
    parser.add_argument("--ssl", help="speech features instead of those in the YAML (conf/ssl)")
    parser.add_argument("--text", help="text features instead of those in the YAML (conf/text)")
    parser.add_argument(
        "--set", dest="overrides", nargs="*", default=[], metavar="KEY=VALUE", help="other values for keys"
    )
    parser.add_argument("--tag", default="", help="a word added to the name of the experiment")
    add_folders(parser)


@dataclass(frozen=True)
class Experiment:
    """One configuration with one seed."""

    config: Config
    config_path: Path
    seed: int
    tag: str
    layout: Layout

    def feature_folders(self) -> list[Path]:
        """The folders of the features that the experiment reads."""
        speech = self.layout.speech_dir(self.config.ssl, self.config.speech_features.form)
        folders = zip(self.config.cached(), (speech, self.text_dir()), strict=True)
        return [folder for cached, folder in folders if cached]

    def text_dir(self) -> Path:
        """The folder of the text features."""
        return self.layout.text_dir(self.config.text, self.config.text_features.form)


def layout_of(args: argparse.Namespace) -> Layout:
    """Returns the folders named on the command line."""
    return Layout(args.data_dir, args.dump_dir, args.exp_dir)


def load_experiment(args: argparse.Namespace, path: Path | None = None, seed: int | None = None) -> Experiment:
    """Loads one experiment from parsed arguments (see `add_experiment`)."""
    path = args.config if path is None else path
    seed = args.seed if seed is None else seed
    config = load_config(path, ssl=args.ssl, text=args.text, overrides=args.overrides)
    return Experiment(config, path, seed, experiment_tag(path.stem, config.ssl, seed, args.tag), layout_of(args))


def load_experiments(args: argparse.Namespace) -> list[Experiment]:
    """Loads every configuration with every seed.

    Raises:
        ConfigError: two configurations have one name, or differ in a key that they must share (data).
    """
    experiments = [load_experiment(args, path, seed) for path in args.configs for seed in args.seeds]
    tags = [experiment.tag for experiment in experiments]
    for tag in tags:
        if tags.count(tag) > 1:
            raise ConfigError(f"{tag} is named twice; give each --config another file name and each seed once")
    first = experiments[0]
    for other in experiments[1:]:
        lines = differing_keys({"data": first.config.data.model_dump()}, {"data": other.config.data.model_dump()})
        if lines:
            both = f"{first.config_path.name} and {other.config_path.name}"
            raise ConfigError(f"{both} cannot run together, they differ in {'; '.join(lines)}")
    return experiments


def claim_folder(folder: Path, resolved: dict, remedy: str) -> None:
    """Writes config.yaml and run.json into a folder, or checks that the configuration there is the same.

    Args:
        folder: where results of this configuration go.
        resolved: the resolved configuration, or the part of it that shapes the folder.
        remedy: what to do when they differ, for the message.

    Raises:
        ConfigError: the folder belongs to another configuration; every differing key is named.
    """
    record = folder / "config.yaml"
    if record.is_file():
        old = read_yaml(record)[0]
        new = read_yaml_text(dump_yaml(resolved))
        lines = differing_keys(old, new)
        if lines:
            raise ConfigError("\n  ".join([f"{folder} was made with another configuration; {remedy}:", *lines]))
        return
    write_json(folder / "run.json", describe_run())
    write_text(record, dump_yaml(resolved))


def read_yaml_text(text: str) -> dict:
    """Reads YAML text with every scalar as text, as `read_yaml` does from a file."""
    return parse_yaml(text, "configuration")[0]


def _underscored(word: str) -> str:
    name, equals, value = word.partition("=")
    return (
        name.replace("-", "_").replace("__", "--", 1) + equals + value
        if word.startswith("--") and word != "--"
        else word
    )
