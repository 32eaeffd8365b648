"""Predicts recordings with a packed model: for each the distribution over classes and how raters would disagree.

For example: ambiser predict crema_d_whisper_tiny my.wav other.mp3 folder/
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ambiser.bin.commands.predict_options import parse_options
from ambiser.errors import UserError
from ambiser.io.console import log, set_up_logging

if TYPE_CHECKING:
    from ambiser.inference.page import PageCollector
    from ambiser.inference.standard_input import StandardInput


def main() -> None:
    """Runs the sub-command.

    Raises:
        UserError: recordings could not be used; all others are done.
    """
    args = parse_options(__doc__)
    set_up_logging()
    from ambiser.inference.standard_input import StandardInput

    with StandardInput(sys.stdin.buffer) as stdin:
        faults = [stdin.describe(fault) for fault in _predict(args, stdin)]
    if faults:
        inputs = "1 input" if len(faults) == 1 else f"{len(faults)} inputs"
        raise UserError("\n  ".join([f"{inputs} cannot be used; all others are done:", *faults]))


def _predict(args: argparse.Namespace, stdin: "StandardInput") -> list[str]:
    """Predicts and writes everything; returns the faults."""
    from ambiser.inference.model import load_model
    from ambiser.inference.output import Writer
    from ambiser.inference.predict_files import predict_files
    from ambiser.inference.recordings import Cutting
    from ambiser.inference.sources import list_sources
    from ambiser.inference.speech_detector import SpeechDetector
    from ambiser.inference.words import choose_words

    model = load_model(args.model, upstream=args.upstream, text_upstream=args.text_upstream)
    words = choose_words(model, words=args.words, table=args.text, recognizer=args.recognizer, language=args.language)
    detector = SpeechDetector() if args.vad else None
    sources, faults = list_sources(args.audio, stdin.sources)
    _check_sources(args, len(sources), stdin)
    cutting, page = Cutting(args.window, args.hop, args.channel, args.vad), _make_page(args.html)
    form, collect = args.format or _format_of(args.output), page.add if page else lambda record: None
    made_by = ", ".join(filter(None, (str(cutting), words.name)))
    writer = Writer(args.output, form, (made_by, model.id), resume=args.resume, collect=collect)
    finished = False
    try:
        faults |= predict_files(
            model, sources, writer, cutting=cutting, raters=args.raters, find_words=words.find, detector=detector
        )
        finished = True
    finally:
        writer.close(finished=finished)
        if not finished and writer.partial is not None and writer.done:
            log.warning("%d recordings are done, in %s; --resume continues", len(writer.done), writer.partial)
    if page:
        page.write(args.html, sources, model=model.id, embed_mb=args.embed, faults=list(faults.values()))
    return list(faults.values())


def _check_sources(args: argparse.Namespace, recordings: int, stdin: "StandardInput") -> None:
    if args.words is not None and recordings > 1:
        raise UserError(f"--words is for a single recording, got {recordings}; use --text TABLE")
    if args.resume and stdin.path is not None:
        raise UserError("--resume cannot know a recording on standard input again; name a file")


def _make_page(path: Path | None) -> "PageCollector | None":
    if path is None:
        return None
    from ambiser.inference.page import PageCollector

    return PageCollector()


def _format_of(output: Path | None) -> str:
    return "jsonl" if output is not None and output.suffix in (".jsonl", ".ndjson") else "tsv"
