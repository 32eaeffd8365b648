"""The options of `ambiser predict`."""

import argparse
from pathlib import Path

from ambiser.recipe.program_options import Parser


def parse_options(description: str | None) -> argparse.Namespace:
    """Parses and checks the command line of `ambiser predict`."""
    parser = Parser(description)
    parser.add_argument("model", metavar="MODEL", help="folder of a packed model, or name of a shipped one")
    parser.add_argument(
        "audio",
        nargs="+",
        metavar="AUDIO",
        help="files, folders (searched for audio), patterns, wav.scp tables, or - for standard input: a recording, "
        "or one path per line",
    )
    _add_outputs(parser)
    _add_inputs(parser)
    args = parser.parse_args()
    _check(parser, args)
    return args


def _add_outputs(parser: Parser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file (default: standard output)")
    parser.add_argument("--format", choices=("tsv", "jsonl"), help="format (default: by suffix of --output, else tsv)")
    parser.add_argument("--html", type=Path, metavar="PAGE", help="also write a page with players, bars and curves")
    parser.add_argument(
        "--embed", type=float, default=1, metavar="MB", help="embed sounds up to this size in PAGE; others are linked"
    )
    parser.add_argument("--resume", action="store_true", help="keep the recordings that are in --output already")
    parser.add_argument(
        "--raters", type=int, default=3, metavar="N", help="raters for the chance of no majority, 1-100"
    )


def _add_inputs(parser: Parser) -> None:
    parser.add_argument("--text", type=Path, metavar="TABLE", help="texts: TSV with file and text, or a Kaldi table")
    parser.add_argument("--words", metavar="TEXT", help="instead of --text: the words of a single recording")
    parser.add_argument(
        "--recognizer",
        metavar="NAME",
        help="instead of --text: folder of a Whisper model, or its name on Hugging Face's hub",
    )
    parser.add_argument("--language", default="en", help="spoken language, for a multilingual recognizer")
    parser.add_argument("--window", type=float, default=0, metavar="S", help="cut recordings into windows; 0: whole")
    parser.add_argument(
        "--hop", type=float, default=0, metavar="S", help="from window to window; 0: as long as a window"
    )
    parser.add_argument("--vad", action="store_true", help="predict speech only; needs pip install silero-vad")
    parser.add_argument("--channel", type=int, default=0, metavar="N", help="channel to use, from 1; 0: mean of all")
    parser.add_argument("--upstream", type=Path, metavar="PATH", help="weights of the speech encoder (file or folder)")
    parser.add_argument("--text_upstream", type=Path, metavar="PATH", help="weights of the text encoder")


def _check(parser: Parser, args: argparse.Namespace) -> None:
    if not 1 <= args.raters <= 100:
        parser.error(f"--raters must be 1 to 100, got {args.raters}")
    if not (0 <= args.window < float("inf") and 0 <= args.hop < float("inf") and args.channel >= 0):
        parser.error("--window, --hop and --channel must be at least 0")
    if args.hop > 0 and args.window == 0:
        parser.error("--hop needs --window")
    if args.resume and args.output is None:
        parser.error("--resume needs --output")
    if sum(one is not None for one in (args.text, args.words, args.recognizer)) > 1:
        parser.error("--text, --words and --recognizer exclude each other")
    if args.text is not None and not args.text.exists():
        parser.error(f"--text {args.text}: does not exist; give the words of a single recording with --words")
    if not args.embed >= 0:
        parser.error(f"--embed must be at least 0, got {args.embed:g}")
    if args.html is not None and args.html.suffix.lower() not in (".html", ".htm"):
        parser.error(f"--html {args.html}: name a file that ends in .html")
