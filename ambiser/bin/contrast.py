"""Fine-tunes by contrast while prototypes and targets keep moving (stage 5, IPR phase 3), on one fold."""

from ambiser.io.console import run_main
from ambiser.wiring.train_one import run_one


def main() -> int:
    """Runs the program."""
    return run_one("contrastive", __doc__)


if __name__ == "__main__":
    run_main(main)
