"""Ranks votes by how likely they are errors, given the other votes and predictions for held-out utterances.

For example, in egs/mini: ambiser doubt data exp/jsd-fbank-s1/fold*/predictions.tsv --out doubt.csv
"""

from pathlib import Path

from ambiser.bin.commands.shared_options import add_predictions, parse_predictions, read_policy
from ambiser.io.console import log, set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    add_predictions(parser, several="averaged", top="least plausible votes")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="the list to write")
    args = parse_predictions(parser)
    set_up_logging()
    from ambiser.recipe.label_errors import doubtful_votes
    from ambiser.recipe.next_raters import write_csv

    rows = doubtful_votes(args.data, args.predictions, read_policy(args.config))
    write_csv(args.out, rows[: args.top])
    log.info(f"{args.out}: {len(rows[: args.top])} of {len(rows)} votes, the least plausible first")
