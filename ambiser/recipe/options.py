"""The options of run.sh and of the programs, each written once; standard library only.

run.sh reads its words by this table before the Python environment exists (`run_sh.py`), and so do the programs
(`program_options.py`) and the command lines of jobs (`command_words`).
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambiser.launch import LAUNCHERS
from ambiser.stages import STAGES

FIGURE_FORMATS = ("png", "pdf")
"""Formats of figures beside SVG."""


@dataclass(frozen=True)
class Option:
    """An option that takes one value, or a list of values.

    Attributes:
        name: as in `--name`; a dash may replace each underscore.
        metavar: stands for the value in the help.
        help: what it does, without the default.
        convert: turns a word into a value; raises ValueError with the rest of "--name ...".
        default: its value when it is not given.
        default_text: the default in the help, where the value itself would not tell.
        is_list: whether it takes several values, separated by blanks or commas.
        splits: false for a list whose words stay whole; the option may then be repeated.
        all_word: given alone, this word means everything, which is the empty list.
    """

    name: str
    metavar: str
    help: str
    convert: Callable[[str], object] = str
    default: object = None
    default_text: str = ""
    is_list: bool = False
    splits: bool = True
    all_word: str = ""

    def read(self, words: Sequence[str]) -> object:
        """Returns the value that words give.

        Raises:
            ValueError: a word is empty, has a line break, or is not allowed; the message begins with the option.
        """
        try:
            for word in words:
                if not word.strip():
                    raise ValueError("has an empty value")
                if "\n" in word:
                    raise ValueError(f"has a line break: {quoted(word)}")
            if not self.is_list:
                return self.convert(words[0])
            pieces = [piece for word in words for piece in self._split(word)]
            if self.all_word and pieces == [self.all_word]:
                return []
            if not pieces:
                raise ValueError("has an empty value")
            return [self.convert(piece) for piece in pieces]
        except ValueError as error:
            raise ValueError(f"--{self.name} {error}") from None

    def _split(self, word: str) -> list[str]:
        # The path of an existing file may contain blanks and commas.
        return word.replace(",", " ").split() if self.splits and not os.path.isfile(word) else [word]


def quoted(word: str) -> str:
    """Returns a word as it is shown in an error: in quotes, on one line, where a plain word would mislead."""
    return word if re.fullmatch(r"[\w./:=+@%-]+", word) else repr(word)


def _integer(low: int, high: int) -> Callable[[str], int]:
    def convert(word: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", word) or not low <= int(word) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {quoted(word)}")
        return int(word)

    return convert


def _one_of(*choices: str) -> Callable[[str], str]:
    def convert(word: str) -> str:
        if word not in choices:
            raise ValueError(f"must be one of {','.join(choices)}, not {quoted(word)}")
        return word

    return convert


def _boolean(word: str) -> bool:
    return _one_of("true", "false")(word) == "true"


def _config(word: str) -> Path:
    """Turns the name of an experiment into the path of its file."""
    return Path(word if "/" in word or os.path.isfile(word) else f"conf/{word.removesuffix('.yaml')}.yaml")


def _tag(word: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.]+", word):
        raise ValueError(f"may contain letters, digits, '_' and '.', not {quoted(word)}")
    return word


def _setting(word: str) -> str:
    if word.find("=") < 1:
        raise ValueError(f"must look like key=value, not {quoted(word)}")
    return word


def _grid(word: str) -> str:
    for piece in word.split():
        key, _, values = piece.partition("=")
        if not key or not all(values.split(",")):
            raise ValueError(f"must look like key=value,value, not {quoted(piece)}")
    return word


def count_cores() -> int:
    """Returns the number of cores that this process may use, whatever the number of threads of a job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_LAST = STAGES[-1].number
_STAGE_NUMBER = _integer(0, _LAST)

_ALL = (
    Option("stage", "N", "first stage", _STAGE_NUMBER, 0),
    Option("stop_stage", "N", "last stage", _STAGE_NUMBER, _LAST),
    Option(
        "config",
        "LIST",
        "experiments: names (conf/NAME.yaml, or the shared conf/experiments), or YAML files",
        _config,
        is_list=True,
    ),
    Option("ssl", "NAME", "speech features instead of those in the YAML (conf/ssl, or an s3prl upstream)"),
    Option("text", "NAME", "text features instead of those in the YAML (conf/text)"),
    Option("folds", "LIST", "folds, or all", _integer(1, 999), [], "all", is_list=True, all_word="all"),
    Option("seeds", "LIST", "seeds", _integer(0, 999999999), [1], is_list=True),
    Option("tag", "WORD", "suffix of the names of the experiments, to give a variant its own folder", _tag),
    Option(
        "set",
        "KEY=VALUE",
        "another value for a key of the YAML; may be repeated",
        _setting,
        is_list=True,
        splits=False,
    ),
    Option(
        "tune",
        "GRID",
        'values that dev chooses among, per fold, as in "epochs=5,10 amber.guidance=0.3,0.5"; keys '
        "without a section are those of the last training stage; may be repeated",
        _grid,
        is_list=True,
        splits=False,
    ),
    Option("launcher", "NAME", f"where jobs run: {' or '.join(LAUNCHERS)}", _one_of(*LAUNCHERS), LAUNCHERS[0]),
    Option(
        "slurm_config",
        "FILE",
        "file of the resources that jobs request from Slurm",
        Path,
        default_text="conf/slurm.yaml of the checkout",
    ),
    Option(
        "wait",
        "BOOL",
        "false, with slurm: submit all stages, each waiting for those before it, and return",
        _boolean,
        True,
    ),
    Option(
        "nj",
        "N",
        "maximum number of parallel jobs on this machine",
        _integer(1, 4096),
        count_cores(),
        default_text="number of cores",
    ),
    Option("corpus_dir", "DIR", "the corpus as released (not needed for mini)", Path),
    Option("data_dir", "DIR", "tables and folds", Path, Path("data")),
    Option("dump_dir", "DIR", "features", Path, Path("dump")),
    Option("exp_dir", "DIR", "models and results", Path, Path("exp")),
    Option(
        "predictions",
        "LIST",
        "class probabilities of other toolkits (TSV files), to score in the same table",
        Path,
        is_list=True,
    ),
    Option(
        "ensemble",
        "BOOL",
        "true: also score the mean over the seeds of each experiment (a deep ensemble)",
        _boolean,
        False,
    ),
    Option("only", "BOOL", "true: stage 8 reports these experiments alone, not all in --exp_dir", _boolean, False),
    Option(
        "publish",
        "BOOL",
        "true: stage 8 also adds the results to results/ and RESULTS.md of the recipe",
        _boolean,
        False,
    ),
    Option(
        "figures",
        "LIST",
        f"formats that stages 1 and 8 write beside SVG, for papers: {', '.join(FIGURE_FORMATS)}",
        _one_of(*FIGURE_FORMATS),
        [],
        "SVG alone",
        is_list=True,
    ),
    Option("dry_run", "BOOL", "true: print the commands and run nothing", _boolean, False),
    Option("status", "BOOL", "true: print what is done and what is missing", _boolean, False),
)
OPTIONS = {option.name: option for option in _ALL}

_FEATURES = ("ssl", "text", "set", "tune", "tag")
_FOLDERS = ("data_dir", "dump_dir", "exp_dir")
EXPERIMENTS = ("config", "seeds", "folds", *_FEATURES, *_FOLDERS)
"""The options that name experiments, and where their files are."""
_SYSTEMS = (*EXPERIMENTS, "predictions", "ensemble")
PROGRAM_OPTIONS = {
    "check": (*EXPERIMENTS, "corpus_dir", "launcher", "slurm_config"),
    "prepare": (*EXPERIMENTS, "corpus_dir", "figures"),
    "extract": (*EXPERIMENTS, "nj"),
    "launch": (*EXPERIMENTS, "launcher", "slurm_config", "nj", "wait", "only", "figures", "dry_run"),
    "train": EXPERIMENTS,
    "predict_part": EXPERIMENTS,
    "score": _SYSTEMS,
    "report": (*_SYSTEMS, "only", "figures", "publish"),
    "compare": _SYSTEMS,
    "status": EXPERIMENTS,
}
"""Which of the options each program takes; options of one program alone are written in that program."""


def command_words(program: str, values: Mapping[str, object]) -> list[str]:
    """Returns the words that give a program its options; those without a value, or false by default, are left out."""
    words = []
    for name in PROGRAM_OPTIONS[program]:
        value, default = values[name], OPTIONS[name].default
        if value in (None, []) or (isinstance(value, bool) and value == default):
            continue
        words += [f"--{name}", *map(as_word, value if isinstance(value, list) else [value])]
    return words


def as_word(value: object) -> str:
    """Returns a value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)
