"""Stage 1: reads a corpus and writes tables of utterances, speakers, votes and folds under --data_dir, and a report."""

from pathlib import Path

from ambiser.io.console import run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.recipe.arguments import Parser, add_experiment
from ambiser.recipe.experiments import load_experiments


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    add_experiment(parser, several=True)
    corpus_help = "the corpus as released; for corpus mini: default data_dir/corpus, made when missing"
    parser.add_argument("--corpus_dir", type=Path, help=corpus_help)
    args = parser.parse_args()
    from ambiser.corpora.data_folder import prepare_data
    from ambiser.report.data_statistics import collect_statistics
    from ambiser.report.data_summary import summarize

    set_up_logging()
    first = load_experiments(args)[0]
    config, layout = first.config, first.layout
    record = prepare_data(args.corpus_dir, config.data, layout)
    statistics = collect_statistics(record, config.labels, config.score.levels, layout)
    print(summarize(record, statistics, layout))
    write_page(record, statistics, layout.data_dir)


def write_page(record: object, statistics: object, folder: Path) -> None:
    """Writes report.html and its figures."""
    from ambiser.report.data_page import render_page

    write_text(folder / "report.html", render_page(record, statistics, folder / "figures"))
    print(f"page: {folder / 'report.html'}")


if __name__ == "__main__":
    run_main(main)
