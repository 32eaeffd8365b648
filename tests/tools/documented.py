"""Finds the commands and Python blocks of Markdown files, and parses commands without running them."""

import argparse
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ambiser.recipe import run_sh

NOT_RUN = {
    "apt-get": "changes the machine",
    "bash": "not a command of this package",
    "cd": "only changes the folder",
    "cmp": "compares files of two runs",
    "cyclonedx-py": "another program",
    "git": "needs a network",
    "pip": "needs a network",
    "pip-audit": "another program, and needs a network",
    "python": "a benchmark or a list, run by hand",
    "tensorboard": "another program",
    "torchrun": "needs a training that tests/recipes/test_finetune.py runs",
    "tools/fetch_weights.sh": "needs a network; tests/features/upstreams/test_weights.py tests it",
    "tools/setup.sh": "tests/tools/test_setup.py runs it",
    "tools/site.sh": "needs packages of the extra docs; tests/tools/test_docs.py makes the pages",
    "tools/test.sh": "runs this test",
    "conflict.sh": "takes an hour; tests/tools/test_conflict_sh.py runs it with replaced programs",
}
"""Why a test does not run a command, by its first word."""
LOOPS = {"for", "do", "done", "{", "}"}
_MARKER = re.compile(r"<!-- (not run|run by): (.+) -->")


class Parsed(Exception):
    """The options of a program are valid; raised in place of running it."""


@dataclass(frozen=True)
class Block:
    """A block of code: file, line of its first line of code, language or "" if indented, lines, and its marker."""

    file: str
    line: int
    language: str
    lines: tuple[str, ...]
    marker: tuple[str, str] | None

    def name(self) -> str:
        return f"{self.file}:{self.line}"


def blocks(file: str, text: str) -> Iterator[Block]:
    """Yields all fenced and indented blocks of a Markdown file."""
    lines, at, marker = text.split("\n"), 0, None
    while at < len(lines):
        fence = re.match(r"^( *)```(\w*)$", lines[at])
        start = at + 1
        if fence:
            at = next(i for i in range(start, len(lines)) if lines[i].strip() == "```")
            body = tuple(line.removeprefix(fence[1]) for line in lines[start:at])
            yield Block(file, start + 1, fence[2], body, marker)
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            while at + 1 < len(lines) and (lines[at + 1].startswith("    ") or _continues(lines, at)):
                at += 1
            yield Block(file, start, "", tuple(line.strip() for line in lines[start - 1 : at + 1]), marker)
        if lines[at].strip():
            marker = _MARKER.match(lines[at].strip())
            marker = marker and (marker[1], marker[2])
        at += 1


def _continues(lines: list[str], at: int) -> bool:
    """Whether an indented block goes on after a blank line."""
    return not lines[at + 1].strip() and at + 2 < len(lines) and lines[at + 2].startswith("    ")


def commands(block: Block) -> list[str]:
    """Returns the commands of a block, without comments and continuation lines; none if it holds no commands.

    A variable of a `for` loop has its first value.
    """
    if block.language not in ("", "bash", "sh"):
        return []
    joined, found = re.sub(r"\\\n\s*", "", "\n".join(block.lines)), []
    for paragraph in joined.split("\n\n"):
        lines = [line for line in paragraph.split("\n") if line.strip() and not line.lstrip().startswith("#")]
        if not lines or not _is_command(lines[0]):
            continue
        parts = (part.strip() for line in lines for part in re.split(r"&&|;(?=\s|$)", _without_comment(line)))
        found += [part for part in parts if part]
    for name, value in [match.groups() for part in found if (match := re.match(r"for (\w+) in (\S+)", part))]:
        found = [part.replace(f"${name}", value) for part in found]
    return found


def _without_comment(line: str) -> str:
    return re.sub(r"\s+#\s.*$", "", line)


def _is_command(line: str) -> bool:
    first = line.split()[0]
    return first.startswith(('"$python"', "python=", "./", "tools/", "egs/", "ambiser")) or first in {*NOT_RUN, *LOOPS}


def check(command: str, root: Path, folder: Path) -> str:
    """Checks a command as far as that is possible without running it.

    Returns:
        "parsed", "exists", or why it is not run.

    Raises:
        ValueError: its options are not valid, or the program does not exist.
    """
    words = shlex.split(command)
    while words and words[0] in LOOPS:
        words = [] if words[0] in ("for", "done", "{", "}") else words[1:]
    if not words:
        return "part of a loop"
    if words[0].startswith("python=$("):
        words = [words[0].removeprefix("python=$(").rstrip(")"), *(word.rstrip(")") for word in words[1:])]
    first = words[0].removeprefix("./").removeprefix("../../")
    if first.endswith("run.sh"):
        _check_recipe(words[1:], root)
        return "parsed"
    if first in NOT_RUN:
        if "/" in first and not (root / first).is_file():
            raise ValueError(f"{first} does not exist")
        return NOT_RUN[first]
    if words[:2] == ["$python", "-m"]:
        return _check_program(words[2], words[3:])
    if first == "ambiser":
        return _check_program("ambiser", words[1:])
    raise ValueError(f"{command}: no test knows {first}; add it to NOT_RUN with the reason, or parse it")


def _check_recipe(words: list[str], root: Path) -> None:
    try:
        values = run_sh.read_words(words)[0]
    except run_sh.HelpWanted:
        return
    known = {path.stem for path in (*root.glob("conf/experiments/*.yaml"), *root.glob("egs/*/conf/*.yaml"))}
    named = [Path(name).stem for name in values.get("config", ())]
    lost = [name for name in named if name not in known and not re.fullmatch(r"[A-Z]+|\$\w+", name)]
    if lost:
        raise ValueError(f"no experiment {', '.join(lost)}")


def _check_program(module: str, words: list[str]) -> str:
    """Lets a program parse its words; its first call of parse_args ends it."""
    if module in ("pip", "pytest"):
        return NOT_RUN["pip"]
    name = "ambiser.bin.ambiser" if module == "ambiser" else module
    original, argv = argparse.ArgumentParser.parse_args, sys.argv

    def parse(self: argparse.ArgumentParser, args: list[str] | None = None, namespace: object = None) -> None:
        original(self, args, namespace)
        raise Parsed

    argparse.ArgumentParser.parse_args, sys.argv = parse, [module, *words]
    try:
        importlib.import_module(name).main()
    except Parsed:
        return "parsed"
    except SystemExit as error:
        if error.code:
            raise ValueError(f"{module} {' '.join(words)}: the program refuses these words") from error
    finally:
        argparse.ArgumentParser.parse_args, sys.argv = original, argv
    return "parsed"
