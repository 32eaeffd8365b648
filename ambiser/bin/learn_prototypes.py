"""Learns class prototypes from precise utterances (stage 3, IPR phase 1), on one fold."""

from ambiser.bin.train_one import run_one
from ambiser.io.console import run_main


def main() -> int:
    """Runs the program."""
    return run_one("prototypes", __doc__)


if __name__ == "__main__":
    run_main(main)
