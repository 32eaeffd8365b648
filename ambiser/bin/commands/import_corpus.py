"""Imports a corpus of another toolkit, with votes, as a data directory for egs/kaldi.

SOURCE is a manifest of Lhotse cuts (.jsonl, .jsonl.gz), or Parquet as Hugging Face's datasets and ambiser export write
it (a file or a folder). Tables of labels (CSV, XLSX) are imported by python -m ambiser.bin.import_table.
"""

from pathlib import Path

from ambiser.io.console import set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="cuts.jsonl.gz, a Parquet file, or their folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="the data directory to write")
    parser.add_argument(
        "--labels", nargs="*", default=[], metavar="WORD=CODE", help="own words for labels; the code - ignores a word"
    )
    parser.add_argument("--votes", default="votes", metavar="KEY", help="Lhotse: the votes are in custom[KEY]")
    parser.add_argument(
        "--allow_incomplete", action="store_true", help="skip utterances without audio, votes or speaker"
    )
    args = parser.parse_args()
    pairs = [word.rpartition("=")[::2] for word in args.labels]
    if not all(name and code for name, code in pairs):
        parser.error("--labels takes WORD=CODE")
    if args.source.suffix.lower() in (".csv", ".tsv", ".txt", ".xlsx"):
        parser.error(f"{args.source}: tables of labels are read by python -m ambiser.bin.import_table")
    if not args.source.exists():
        parser.error(f"{args.source}: does not exist")
    set_up_logging()
    from ambiser.corpora.exchange.hugging_face import import_dataset
    from ambiser.corpora.exchange.lhotse_cuts import import_cuts

    options = {"labels": dict(pairs), "allow_incomplete": args.allow_incomplete}
    if ".jsonl" in args.source.suffixes:
        done = import_cuts(args.source, args.out, key=args.votes, **options)
    else:
        done = import_dataset(args.source, args.out, **options)
    print(f"{done} utterances written to {args.out}; next: cd egs/kaldi; ./run.sh --corpus_dir {args.out.resolve()}")
