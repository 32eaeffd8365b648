"""Distills teachers into a student, or trains a baseline head (stage 6, AmbER²), on one fold."""

from ambiser.io.console import run_main
from ambiser.wiring.train_one import run_one


def main() -> int:
    """Runs the program."""
    return run_one("distill", __doc__)


if __name__ == "__main__":
    run_main(main)
