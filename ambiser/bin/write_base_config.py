"""Writes conf/base.yaml from the schema."""

from ambiser.config.load import CONF
from ambiser.config.render import render_base
from ambiser.io.console import run_main
from ambiser.io.files import write_text
from ambiser.wiring.arguments import Parser


def main() -> None:
    """Runs the program."""
    Parser(__doc__).parse_args()
    write_text(CONF / "base.yaml", render_base())


if __name__ == "__main__":
    run_main(main)
