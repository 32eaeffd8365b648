"""Writes the text of `./run.sh --help` from the tables of stages and options."""

from ambiser.recipe.options import OPTIONS, Option, as_word
from ambiser.stages import STAGES

_STAGE_WIDTH, _OPTION_WIDTH = 49, 22
_HEAD = """\
Runs the stages of a recipe. Usage: ./run.sh [--option value] ...

Stages, and the file that each writes last (a stage is done when this file exists):"""
_TAIL = """\
Relative paths start from the recipe's folder, wherever run.sh is called from. Ctrl-C stops all jobs; the same
command resumes where it stopped. Exit status: 0, 1 for a bug, 2 for a fault of the user, 130 for Ctrl-C."""


def help_text() -> str:
    """Returns the help of run.sh: a line per stage and per option."""
    training = [stage.number for stage in STAGES if stage.trains]
    notes = (
        "TAG is CONFIG-SSL-sSEED. Of the stages "
        f"{training[0]} to {training[-1]}, an experiment runs those that its YAML lists."
    )
    stages = [f"  {s.number}  {s.title:<{_STAGE_WIDTH - 5}}{s.last_file or 'nothing'}" for s in STAGES]
    options = [_option_line(option.name, option.metavar, _describe(option)) for option in OPTIONS.values()]
    lines = [_HEAD, *stages, notes, "", "Options (a dash may replace an underscore; blanks or commas separate lists):"]
    return "\n".join([*lines, *options, _option_line("help", "", "this text"), _TAIL, ""])


def _describe(option: Option) -> str:
    default = option.default_text or _default_of(option)
    return f"{option.help} (default {default})" if default else option.help


def _default_of(option: Option) -> str:
    if option.default is None or option.default is False:
        return ""
    return " ".join(map(as_word, option.default if option.is_list else [option.default]))


def _option_line(name: str, metavar: str, text: str) -> str:
    return f"  {f'--{name} {metavar}':<{_OPTION_WIDTH - 2}}{text}"
