"""The options that the programs share, spelt as in run.sh; torch is never imported while they are parsed."""

import argparse
import sys
from pathlib import Path


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


def _underscored(word: str) -> str:
    name, equals, value = word.partition("=")
    return (
        name.replace("-", "_").replace("__", "--", 1) + equals + value
        if word.startswith("--") and word != "--"
        else word
    )
