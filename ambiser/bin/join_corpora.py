"""Joins two prepared corpora to a data directory for egs/kaldi: train on one, test on the other."""

from pathlib import Path

from ambiser.io.console import run_main, set_up_logging
from ambiser.recipe.program_options import Parser, parse_pairs


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    parser.add_argument("--train", type=Path, required=True, help="data folder (stage 1) of the training corpus")
    parser.add_argument("--test", type=Path, required=True, help="data folder (stage 1) of the test corpus")
    parser.add_argument("--out_dir", type=Path, required=True, help="the new data directory")
    for side in ("train", "test"):
        parser.add_argument(
            f"--{side}_labels",
            nargs="*",
            default=[],
            metavar="LABEL=CODE",
            help=f"labels of the {side} corpus that count as another; the code - ignores the votes",
        )
    parser.add_argument("--fold", type=int, default=1, help="fold of the training corpus whose dev part is dev")
    args = parser.parse_args()
    from ambiser.corpora.importing.join_corpora import describe_join, join_corpora

    set_up_logging()
    joined = join_corpora(
        args.train,
        args.test,
        args.out_dir,
        train_labels=parse_pairs(args.train_labels, "--train_labels"),
        test_labels=parse_pairs(args.test_labels, "--test_labels"),
        fold=args.fold,
    )
    print(describe_join(joined, args.out_dir))


if __name__ == "__main__":
    run_main(main)
