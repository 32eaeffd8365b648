"""Reads a corpus and writes its tables (utterances, speakers, votes, folds) and a report to --data_dir (stage 1)."""

from ambiser.io.console import run_main, set_up_logging
from ambiser.io.files import write_text
from ambiser.io.tables import read_table
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "prepare")
    args = parser.parse_args()
    from ambiser.corpora.data_folder import prepare_data
    from ambiser.corpora.sound import sample_sound
    from ambiser.labels.vocabulary import check_classes, read_vocabulary
    from ambiser.report.data_page import render_page
    from ambiser.report.data_statistics import collect_statistics
    from ambiser.report.data_summary import summarize
    from ambiser.report.sound_overview import describe_sound

    set_up_logging()
    experiments = load_experiments(args)
    config, layout = experiments[0].config, experiments[0].layout
    record = prepare_data(args.corpus_dir, config.data, layout)
    for experiment in experiments:
        check_classes(experiment.config.labels, read_vocabulary(layout.data_dir / "all"))
    statistics = collect_statistics(record, config.labels, config.score.levels, layout)
    durations_s = {utt: float(value) for utt, value in read_table(layout.table("utt2dur")).items()}
    sound = describe_sound(record, durations_s, sample_sound(layout, config.data.sound_sample))
    print(summarize(record, statistics, layout))
    for count, reason in sound.outliers:
        print(f"sound: {count} {reason}")
    page = layout.data_dir / "report.html"
    write_text(page, render_page(record, statistics, layout.data_dir / "figures", sound, args.figures))
    print(f"page: {page}")


if __name__ == "__main__":
    run_main(main)
