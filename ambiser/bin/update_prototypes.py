"""Lets ambiguous utterances update the prototypes (stage 4, IPR phase 2), on one fold."""

from ambiser.bin.train_one import run_one
from ambiser.io.console import run_main


def main() -> int:
    """Runs the program."""
    return run_one("update", __doc__)


if __name__ == "__main__":
    run_main(main)
