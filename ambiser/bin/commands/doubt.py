"""Lists votes by how likely they are errors, given the other votes and predictions for held-out utterances.

For example, in egs/mini: ambiser doubt data exp/jsd-fbank-s1/fold*/predictions.tsv --out doubt.csv
"""

from pathlib import Path

from ambiser.io.console import log, set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="data folder of stage 1")
    parser.add_argument(
        "predictions", nargs="+", type=Path, metavar="PREDICTIONS",
        help="predictions.tsv of folds and seeds; several of one utterance are averaged",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="the list to write")
    parser.add_argument("--top", type=int, metavar="N", help="only the N least plausible votes")
    parser.add_argument(
        "--config", type=Path, metavar="FILE",
        help="exp/TAG/config.yaml with the label policy (default: conf/base.yaml's)",
    )  # fmt: skip
    args = parser.parse_args()
    if args.top is not None and args.top < 1:
        parser.error(f"--top {args.top}: must be 1 or more")
    set_up_logging()
    from ambiser.config import Config
    from ambiser.inference.model import read_config
    from ambiser.recipe.label_errors import doubtful_votes
    from ambiser.recipe.next_raters import write_csv

    config = read_config(args.config) if args.config else Config()
    rows = doubtful_votes(args.data, args.predictions, config.labels)
    write_csv(args.out, rows[: args.top])
    log.info(f"{args.out}: {len(rows[: args.top])} of {len(rows)} votes, the least plausible first")
