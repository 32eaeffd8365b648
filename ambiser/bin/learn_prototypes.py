"""Learns class prototypes from precise utterances (stage 3, IPR phase 1), on one fold."""

from ambiser.io.console import run_main
from ambiser.wiring.train_one import run_one


def main() -> int:
    """Runs the program."""
    return run_one("prototypes", __doc__)


if __name__ == "__main__":
    run_main(main)
