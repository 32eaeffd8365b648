"""Exports a data folder of stage 1 (votes and soft labels) or features of stage 2 (one .npy with an index).

For example, in egs/mini: ambiser export labels data out --format parquet; ambiser export features dump/fbank out
"""

from pathlib import Path

from ambiser.bin.commands.shared_options import add_policy, read_policy
from ambiser.io.console import log, set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    parser.add_argument("what", choices=("labels", "features"), help="what to export")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="data folder of stage 1, or dump/SSL, dump/TEXT")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to write; must not exist")
    parser.add_argument("--format", choices=("csv", "parquet", "datasets"), default="csv", help="format of labels")
    parser.add_argument("--audio", action="store_true", help="put the sounds into the data set (--format datasets)")
    add_policy(parser)
    args = parser.parse_args()
    if args.audio and args.format != "datasets":
        parser.error("--audio needs --format datasets")
    set_up_logging()
    if args.what == "features":
        from ambiser.features.extraction.export_arrays import ARRAY, export_arrays

        rows, width = export_arrays(args.source, args.out)
        log.info("%s: %d rows of %d values", args.out / ARRAY, rows, width)
        return
    from ambiser.corpora.exchange.utterance_rows import read_data_folder
    from ambiser.corpora.exchange.write_labels import write_labels

    data = read_data_folder(args.source, read_policy(args.config))
    write_labels(data, args.out, args.format, with_audio=args.audio)
    labeled = sum(row.soft is not None for row in data.rows)
    log.info(
        "%s: %d utterances, %d with soft labels over %s", args.out, len(data.rows), labeled, ", ".join(data.classes)
    )
