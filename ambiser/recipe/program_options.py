"""The command-line parsers of the programs, made from the table of options; importing this loads no torch."""

import argparse
import sys
import textwrap

from ambiser.errors import ConfigError
from ambiser.recipe.options import OPTIONS, PROGRAM_OPTIONS


class Parser(argparse.ArgumentParser):
    """A strict parser: no abbreviations, one line and exit status 2 for a fault, a dash may replace an underscore."""

    def __init__(self, description: str | None, program: str = "", needs_config: bool = True) -> None:
        """Makes the parser.

        Args:
            description: the docstring of the program.
            program: takes its options from `PROGRAM_OPTIONS`; empty for a program that shares none.
            needs_config: whether --config must be given.
        """
        super().__init__(description=description, allow_abbrev=False, formatter_class=_DefaultsHelp)
        for name in PROGRAM_OPTIONS[program] if program else ():
            option = OPTIONS[name]
            default = list(option.default) if isinstance(option.default, list) else option.default
            self.add_argument(
                f"--{name}",
                action=_Read,
                nargs="+" if option.is_list else 1,
                metavar=option.metavar,
                default=[] if option.is_list and default is None else default,
                required=needs_config and name == "config",
                help=option.help,
            )

    def parse_args(self, args: list[str] | None = None, namespace: object = None) -> argparse.Namespace:
        """Parses the command line after turning `--data-dir` into `--data_dir`."""
        words = sys.argv[1:] if args is None else args
        return super().parse_args([_underscored(word) for word in words], namespace)

    def error(self, message: str) -> None:
        """Prints one line and exits with status 2."""
        self.exit(2, f"{self.prog}: error: {message}; see --help\n")


class _DefaultsHelp(argparse.ArgumentDefaultsHelpFormatter):
    """Appends defaults to the help of options that do not state them; keeps paragraphs, and commands as typed."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        whole = {"break_on_hyphens": False, "break_long_words": False}  # a path broken in two cannot be copied
        paragraphs = (" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
        return "\n\n".join(textwrap.fill(one, width, initial_indent=indent, **whole) for one in paragraphs)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        is_empty = action.default is None or action.default is False or action.default in ("", [])
        if is_empty or "(default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


class _Read(argparse.Action):
    """Reads the words of an option by the table, as run.sh does; the values of a repeated setting add up."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, words: list[str], option_string: str
    ) -> None:
        option = OPTIONS[self.dest]
        try:
            value = option.read(words)
        except ValueError as error:
            parser.error(str(error))
        if not option.splits:
            value = [*getattr(namespace, self.dest), *value]
        setattr(namespace, self.dest, value)


def parse_pairs(words: list[str], option: str) -> dict[str, str]:
    """Returns the values of NAME=VALUE words by name.

    Raises:
        ConfigError: a word has another form.
    """
    pairs = {}
    for word in words:
        name, equals, value = word.rpartition("=")
        if not equals or not name or not value:
            raise ConfigError(f"{option} {word}: must be NAME=VALUE")
        pairs[name] = value
    return pairs


def _underscored(word: str) -> str:
    name, equals, value = word.partition("=")
    return (
        name.replace("-", "_").replace("__", "--", 1) + equals + value
        if word.startswith("--") and word != "--"
        else word
    )
