"""Ranks utterances by the expected gain of one more rater, as CSV or as tasks of Label Studio.

For example, in egs/mini: ambiser ask data exp/jsd-fbank-s1/fold*/predictions.tsv --out ask.csv --simulate curve.tsv
"""

from pathlib import Path

from ambiser.bin.commands.shared_options import add_predictions, parse_predictions, read_policy
from ambiser.io.console import log, set_up_logging
from ambiser.recipe.options import FIGURE_FORMATS
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    add_predictions(parser, several="an ensemble", top="utterances with the highest gain")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the list to write")
    parser.add_argument("--format", choices=("csv", "label_studio"), default="csv", help="format of the list")
    parser.add_argument(
        "--simulate", type=Path, metavar="FILE.tsv",
        help="also hide the votes, ask for them by gain and in random order, and write the error; and a figure beside",
    )  # fmt: skip
    args = parse_predictions(parser)
    set_up_logging()
    from ambiser.labels.next_rater import believe
    from ambiser.recipe import next_raters

    found = next_raters.find_candidates(args.data, args.predictions, read_policy(args.config))
    simulated = next_raters.simulate_asking(found) if args.simulate else None
    rows = next_raters.ranked_rows(found, believe(found.members, found.counts), args.data)[: args.top]
    write = {"csv": next_raters.write_csv, "label_studio": next_raters.write_label_studio}[args.format]
    write(args.out, rows)
    log.info(f"{args.out}: {len(rows)} of {len(found.utts)} utterances, the highest expected gain first")
    if simulated is not None:
        _write_simulation(args.simulate, *simulated)


def _write_simulation(path: Path, by_gain: object, drawn: object) -> None:
    from ambiser.recipe import next_raters
    from ambiser.report.asking_curve import draw_asking
    from ambiser.report.figure_style import take_picture

    next_raters.write_simulation(path, by_gain, drawn)
    take_picture(
        lambda: draw_asking(by_gain, drawn), name=path.stem, caption="", folder=path.parent, formats=FIGURE_FORMATS
    )
    middle = abs(by_gain.votes - (by_gain.votes[0] + by_gain.votes[-1]) / 2).argmin()
    log.info(
        f"{path}: with {by_gain.votes[middle]:,} of {by_gain.votes[-1]:,} votes, squared error "
        f"{by_gain.error[middle]:.4f} by gain, {drawn[:, middle].mean():.4f} in random order"
    )
