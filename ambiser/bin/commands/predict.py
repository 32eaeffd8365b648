"""Predicts recordings with a packed model: for each the distribution over classes and how raters would disagree.

For example: ambiser predict crema_d_whisper_tiny my.wav other.mp3 folder/
"""

import argparse
import sys
from pathlib import Path

from ambiser.errors import ConfigError, UserError
from ambiser.io.console import log, set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command.

    Raises:
        UserError: recordings could not be used; all others are done.
    """
    args = _parse()
    set_up_logging()
    from ambiser.inference.model import load_model
    from ambiser.inference.output import Writer
    from ambiser.inference.predict_files import predict_files
    from ambiser.inference.recordings import Cutting
    from ambiser.inference.sources import list_sources, read_texts

    model = load_model(args.model, upstream=args.upstream, text_upstream=args.text_upstream)
    if model.reads_text and args.text is None:
        raise ConfigError(f"{model.name} reads text: give --text TABLE (columns file and text, or a Kaldi table)")
    texts = read_texts(args.text) if args.text else None
    sources, faults = list_sources(args.audio, sys.stdin)
    cutting = Cutting(args.window, args.hop, args.channel)
    form = args.format or _format_of(args.output)
    writer = Writer(args.output, form, (str(cutting), model.id), resume=args.resume)
    finished = False
    try:
        faults |= predict_files(
            model,
            sources,
            writer,
            cutting=cutting,
            raters=args.raters,
            texts=texts if model.uses_text else None,
        )
        finished = True
    finally:
        writer.close(finished=finished)
        if not finished and writer.partial is not None and writer.done:
            log.warning("%d recordings are done, in %s; --resume continues", len(writer.done), writer.partial)
    if faults:
        raise UserError("\n  ".join([f"{len(faults)} inputs cannot be used; all others are done:", *faults.values()]))


def _parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    parser.add_argument("model", metavar="MODEL", help="folder of a packed model, or name of a shipped one")
    parser.add_argument(
        "audio",
        nargs="+",
        metavar="AUDIO",
        help="files, folders (searched for audio), patterns, wav.scp tables, or - for a list on standard input",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file (default: standard output)")
    parser.add_argument("--format", choices=("tsv", "jsonl"), help="format (default: by suffix of --output, else tsv)")
    parser.add_argument("--resume", action="store_true", help="keep the recordings that are in --output already")
    parser.add_argument("--text", type=Path, metavar="TABLE", help="texts: TSV with file and text, or a Kaldi table")
    parser.add_argument("--window", type=float, default=0, metavar="S", help="cut recordings into windows; 0: whole")
    parser.add_argument(
        "--hop", type=float, default=0, metavar="S", help="from window to window; 0: as long as a window"
    )
    parser.add_argument("--channel", type=int, default=0, metavar="N", help="channel to use, from 1; 0: mean of all")
    parser.add_argument(
        "--raters", type=int, default=3, metavar="N", help="raters for the chance of no majority, 1-100"
    )
    parser.add_argument("--upstream", type=Path, metavar="PATH", help="weights of the speech encoder (file or folder)")
    parser.add_argument("--text_upstream", type=Path, metavar="PATH", help="weights of the text encoder")
    args = parser.parse_args()
    if not 1 <= args.raters <= 100:
        parser.error(f"--raters must be 1 to 100, got {args.raters}")
    if not (0 <= args.window < float("inf") and 0 <= args.hop < float("inf") and args.channel >= 0):
        parser.error("--window, --hop and --channel must be at least 0")
    if args.hop > 0 and args.window == 0:
        parser.error("--hop needs --window")
    if args.resume and args.output is None:
        parser.error("--resume needs --output")
    return args


def _format_of(output: Path | None) -> str:
    return "jsonl" if output is not None and output.suffix in (".jsonl", ".ndjson") else "tsv"
