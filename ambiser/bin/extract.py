"""Extracts the speech and text features that the experiments need, each once, into dump/NAME (stage 2)."""

from pathlib import Path

from ambiser.io.console import run_main, set_up_logging
from ambiser.io.layout import require
from ambiser.io.locks import hold
from ambiser.io.tables import read_table
from ambiser.recipe.experiments import Experiment, load_experiments
from ambiser.recipe.inputs import speech_dir, transcripts, unfinished_speech, unfinished_text, wav_paths
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "extract")
    parser.add_argument("--part", type=int, nargs=2, metavar=("K", "N"), help="make part K of N, speech only")
    args = parser.parse_args()
    if args.part and not 1 <= args.part[0] <= args.part[1]:
        parser.error(f"--part K N must be 1 <= K <= N, got {args.part[0]} {args.part[1]}")
    set_up_logging()
    part = args.part and tuple(args.part)
    for experiment in unfinished_speech(experiments := load_experiments(args)):
        with hold(_lock(speech_dir(experiment), part)):
            for one in unfinished_speech([experiment]):  # none if another run has extracted them meanwhile
                _speech(one, args.nj, part)
    for experiment in [] if part else unfinished_text(experiments):
        with hold(_lock(experiment.text_dir(), None)):
            for one in unfinished_text([experiment]):
                _text(one, args.nj)


def _lock(folder: Path, part: tuple[int, int] | None) -> Path:
    """Returns the lock file of all features in a folder, or of one part."""
    return folder / (f".extract.{part[0]}-of-{part[1]}.lock" if part else ".extract.lock")


def _speech(experiment: Experiment, nj: int, part: tuple[int, int] | None) -> None:
    from ambiser.features.extraction.speech import extract_speech

    durations_s = read_table(require(experiment.layout.table("utt2dur"), "prepare"))
    features = experiment.config.speech_features
    extract_speech(wav_paths(experiment.layout), durations_s, features, folder=speech_dir(experiment), nj=nj, part=part)


def _text(experiment: Experiment, nj: int) -> None:
    from ambiser.features.extraction.text import extract_text

    text = experiment.config.text_features
    extract_text(transcripts(experiment.layout, text), text, folder=experiment.text_dir(), nj=nj)


if __name__ == "__main__":
    run_main(main)
