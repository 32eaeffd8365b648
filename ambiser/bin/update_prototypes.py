"""Lets ambiguous utterances update the prototypes (stage 4, IPR phase 2), on one fold."""

from ambiser.io.console import run_main
from ambiser.wiring.train_one import run_one


def main() -> int:
    """Runs the program."""
    return run_one("update", __doc__)


if __name__ == "__main__":
    run_main(main)
