"""Defines options that several sub-commands share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ambiser.recipe.program_options import Parser

if TYPE_CHECKING:
    from ambiser.config.data_keys import LabelPolicy


def add_policy(parser: Parser) -> None:
    """Adds --config, which `read_policy` reads."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE",
        help="exp/TAG/config.yaml with the label policy (default: conf/base.yaml's)",
    )  # fmt: skip


def read_policy(config: Path | None) -> "LabelPolicy":
    """Returns the label policy of --config.

    Raises:
        ConfigError, DataError: the file is missing or damaged.
    """
    from ambiser.config import Config
    from ambiser.inference.model import read_config

    return (read_config(config) if config else Config()).labels


def add_predictions(parser: Parser, *, several: str, top: str) -> None:
    """Adds what a ranked list is made of: data, predictions, --top and --config.

    Args:
        parser: the sub-command's.
        several: what several predictions of one utterance are.
        top: what --top limits the list to.
    """
    parser.add_argument("data", type=Path, metavar="DATA", help="data folder of stage 1")
    parser.add_argument(
        "predictions", nargs="+", type=Path, metavar="PREDICTIONS",
        help=f"predictions.tsv of folds and seeds; several of one utterance are {several}",
    )  # fmt: skip
    parser.add_argument("--top", type=int, metavar="N", help=f"only the N {top}")
    add_policy(parser)


def parse_predictions(parser: Parser) -> argparse.Namespace:
    """Parses the command line, and refuses a --top below 1."""
    args = parser.parse_args()
    if args.top is not None and args.top < 1:
        parser.error(f"--top {args.top}: must be 1 or more")
    return args
