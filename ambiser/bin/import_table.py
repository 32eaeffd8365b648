"""Turns a table of labels (CSV, TSV, XLSX) and a folder of audio into a data directory for egs/kaldi."""

from pathlib import Path

from ambiser.io.console import run_main, set_up_logging
from ambiser.recipe.program_options import Parser, parse_pairs


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    parser.add_argument("table", type=Path, help="one vote per row, a column per rater, votes per class, or one label")
    parser.add_argument("--audio_dir", type=Path, required=True, help="folder of the audio, searched by file name")
    parser.add_argument("--out_dir", type=Path, required=True, help="the new data directory")
    meanings = "utt, rater, label, speaker, gender, session, text, start, end, channel"
    parser.add_argument(
        "--columns", nargs="*", default=[], metavar="MEANING=NAME", help=f"own names of columns: {meanings}"
    )
    parser.add_argument(
        "--labels", nargs="*", default=[], metavar="WORD=CODE", help="own words for labels; the code - ignores a word"
    )
    parser.add_argument(
        "--new_labels",
        nargs="*",
        default=[],
        metavar="CODE",
        help="labels that the built-in ones lack, such as relief",
    )
    parser.add_argument(
        "--speaker_pattern", default="", help="regular expression; group 1 in the file name is the speaker"
    )
    parser.add_argument("--allow_incomplete", action="store_true", help="skip rows without audio, votes or speaker")
    args = parser.parse_args()
    from ambiser.corpora.importing.import_corpus import import_table
    from ambiser.corpora.importing.import_report import describe_import

    set_up_logging()
    done = import_table(
        args.table,
        args.audio_dir,
        args.out_dir,
        labels=parse_pairs(args.labels, "--labels"),
        columns=parse_pairs(args.columns, "--columns"),
        new_labels=args.new_labels,
        speaker_pattern=args.speaker_pattern,
        allow_incomplete=args.allow_incomplete,
    )
    print(describe_import(done, args.out_dir))


if __name__ == "__main__":
    run_main(main)
