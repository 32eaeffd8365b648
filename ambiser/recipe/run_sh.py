"""Reads the words of run.sh and prints what tools/recipe.sh needs; standard library only.

    python -m ambiser.recipe.run_sh [WORDS OF THE RECIPE... --] [WORDS OF THE USER...]

It prints records to standard output, each field ended by a NUL byte: NAME COUNT FIELD... A fault in the words is one
line on standard error and exit status 2. The records are

    help        the text of --help; then there is no other record
    NAME        the value of each option in FOR_BASH
    kept        the user's words without --stage, for the command that resumes
    stage.NAME  of each stage: number, title, then its program and the program's words
    status      the program that prints the status and its words; empty without --status true
    results     the lines to print when the last stage has ended; empty when they would not be true
    notes       comments on the commands of a dry run: which shared files are used
"""

import difflib
import os
import sys
from collections.abc import Mapping, Sequence

from ambiser.recipe.options import OPTIONS, as_word, command_words, quoted
from ambiser.recipe.run_help import help_text
from ambiser.stages import STAGES, Stage

FOR_BASH = ("stage", "stop_stage", "dry_run")
HELP = ("--help", "-h")
_SHARED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../conf/experiments")
Values = Mapping[str, object]


class HelpWanted(Exception):
    """The user asks for the help."""


def main() -> int:
    """Runs the program."""
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else 0
    own, typed = words[:cut], words[cut + 1 :] if "--" in words else words
    try:
        values = {name: option.default for name, option in OPTIONS.items()} | read_words(own)[0]
        given, kept = read_words(typed)
        values |= given
        check_together(values)
    except HelpWanted:
        _print_records({"help": [help_text()]})
        return 0
    except ValueError as error:
        print(f"run.sh: error: {error} (see ./run.sh --help)", file=sys.stderr)
        return 2
    _print_records(records(values, kept))
    return 0


def read_words(words: Sequence[str]) -> tuple[dict[str, object], list[str]]:
    """Reads the words of one author, who may give each option once.

    Returns:
        The values that were given, by option, and the words themselves without --stage.

    Raises:
        ValueError: an unknown option, an unexpected word, an option given twice, a missing or a faulty value.
        HelpWanted: `--help` comes before any fault.
    """
    given: dict[str, list[str]] = {}
    values: dict[str, object] = {}
    kept: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word in HELP:
            raise HelpWanted
        name, found = _take(word, left)
        option = OPTIONS[name]
        if name in given and option.splits:
            raise ValueError(f"--{name} is given twice")
        if not found:
            raise ValueError(f"--{name} has no value")
        given[name] = given.get(name, []) + found
        values[name] = option.read(given[name])
        kept += [f"--{name}", *found] if name != "stage" else []
    return values, kept


def _take(word: str, left: list[str]) -> tuple[str, list[str]]:
    """Returns the name of the option that begins with a word, and its values, which are removed from those left."""
    if not (word.startswith("--") and word[2:3].isalpha()):
        raise ValueError(f"unexpected word {quoted(word)}; options look like --name value")
    typed, equals, value = word[2:].partition("=")
    name = typed.replace("-", "_")
    if name not in OPTIONS:
        nearest = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0)[0]
        raise ValueError(f"unknown option {quoted('--' + name)}; did you mean --{nearest}?")
    if equals:
        return name, [value]
    found: list[str] = []
    while left and not left[0].startswith("--") and (OPTIONS[name].is_list or not found):
        found.append(left.pop(0))
    return name, found


def check_together(values: Values) -> None:
    """Checks values that must fit one another.

    Raises:
        ValueError: two of them do not go together, or no experiment is named.
    """
    if values["stage"] > values["stop_stage"]:
        raise ValueError(f"--stage {values['stage']} comes after --stop_stage {values['stop_stage']}")
    if values["launcher"] != "slurm" and not values["wait"]:
        raise ValueError("--wait false needs --launcher slurm")
    if values["publish"] and not values["wait"]:
        raise ValueError("--publish true cannot be combined with --wait false")
    if values["predictions"] and values["launcher"] != "local":
        raise ValueError("--predictions needs --launcher local")
    if values["ensemble"] and values["launcher"] != "local":
        raise ValueError("--ensemble true needs --launcher local")
    if not values["config"]:
        raise ValueError("--config is needed: the experiments to run")


def records(values: Values, kept: Sequence[str]) -> dict[str, list[str]]:
    """Returns the records for tools/recipe.sh, as the docstring of this module lists them."""
    # recipe.sh itself does a dry run: it prints the commands as they would run.
    real = {**values, "dry_run": False}
    commands = {f"stage.{s.name}": [str(s.number), s.title, *stage_command(s, real)] for s in STAGES}
    is_whole = values["stop_stage"] == STAGES[-1].number and values["wait"] and not values["dry_run"]
    exp_dir = os.path.realpath(values["exp_dir"])
    return {
        **{name: [as_word(values[name])] for name in FOR_BASH},
        "kept": list(kept),
        **commands,
        "status": ["status", *command_words("status", real)] if values["status"] else [],
        "notes": _shared_files(values["config"]) if values["dry_run"] else [],
        "results": [f"table:  {exp_dir}/RESULTS.md", f"report: {exp_dir}/report.html"] if is_whole else [],
    }


def _shared_files(configs: Sequence[os.PathLike]) -> list[str]:
    """Returns a comment for every experiment that the recipe lacks, with the shared file that is read instead."""
    shared = [(config, os.path.join(_SHARED, os.path.basename(config))) for config in configs]
    return [
        f"# {config} is the shared {os.path.relpath(file)}, on the data of {os.path.dirname(config)}/corpus.yaml"
        for config, file in shared
        if not os.path.isfile(config) and os.path.isfile(file)
    ]


def stage_command(stage: Stage, values: Values) -> list[str]:
    """Returns the program that does a stage, and its words.

    With Slurm every stage that can be a job is one, except that the report of a run that waits is made here, where it
    prints its table. Here only training is launched: the other programs divide their work themselves.
    """
    report_here = stage.name == "report" and values["wait"]
    if stage.trains or (stage.job and values["launcher"] == "slurm" and not report_here):
        return ["launch", "--stage", stage.name, *command_words("launch", values)]
    return [stage.program, *command_words(stage.program, values)]


def _print_records(records: Mapping[str, Sequence[str]]) -> None:
    fields = [field for name, words in records.items() for field in (name, str(len(words)), *words)]
    # As bytes: a word of the user need not be valid text.
    sys.stdout.buffer.write(b"".join(os.fsencode(field) + b"\0" for field in fields))


if __name__ == "__main__":
    sys.exit(main())
