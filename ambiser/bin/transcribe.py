"""Transcribes the corpus with Whisper, into a table for text_features.transcripts. Stops and resumes like a stage.

Prints the word error rate against the corpus's own transcripts, where it has any.
For example, after stage 1: python -m ambiser.bin.transcribe --model openai/whisper-tiny.en --output data/heard
"""

from pathlib import Path

from ambiser.config.feature_keys import FULL_WINDOW_S
from ambiser.io.console import log, run_main, set_up_logging
from ambiser.io.layout import Layout
from ambiser.io.tables import read_table
from ambiser.recipe.inputs import wav_paths
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    parser.add_argument("--model", required=True, help="folder of a Whisper model, or its name on Hugging Face's hub")
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="tables of stage 1")
    parser.add_argument("--output", type=Path, required=True, help="the table 'utt words' to write")
    parser.add_argument(
        "--window",
        type=float,
        default=FULL_WINDOW_S,
        help="pad audio to a multiple of this (s); shorter is faster, but below 10 the decoder repeats itself",
    )
    parser.add_argument("--language", default="en", help="spoken language, for a multilingual model")
    parser.add_argument("--nj", type=int, default=2, help="worker processes")
    args = parser.parse_args()
    if args.nj < 1:
        parser.error(f"--nj must be at least 1, got {args.nj}")
    if not 0.5 <= args.window <= FULL_WINDOW_S:
        parser.error(f"--window must be 0.5 to {FULL_WINDOW_S:g} seconds, got {args.window:g}")
    set_up_logging()
    from ambiser.features.extraction.transcripts import RecognizerSettings, transcribe_corpus

    layout = Layout(args.data_dir, Path("dump"), Path("exp"))
    wavs = wav_paths(layout)
    settings = RecognizerSettings(args.model, args.window, args.language)
    transcribe_corpus(wavs, settings, output=args.output, nj=args.nj)
    _log_word_errors(layout.table("text"), args.output, args.language)


def _log_word_errors(references: Path, heard: Path, language: str) -> None:
    from ambiser.features.extraction.word_errors import count_word_errors

    tables = [read_table(path, allow_empty_value=True) for path in (references, heard) if path.is_file()]
    errors, words = count_word_errors(*tables, language) if len(tables) == 2 else (0, 0)
    if words:
        log.info(
            "word error rate against %s: %.1f %% (%d of %d words)", references, 100 * errors / words, errors, words
        )


if __name__ == "__main__":
    run_main(main)
