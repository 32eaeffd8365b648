"""Writes conf/base.yaml from the schema."""

from ambiser.config.base_yaml import render_base
from ambiser.config.yaml_reader import CONF
from ambiser.io.console import run_main
from ambiser.io.files import write_text
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the program."""
    Parser(__doc__).parse_args()
    write_text(CONF / "base.yaml", render_base())


if __name__ == "__main__":
    run_main(main)
