"""The parsers of the programs: their options are those of run.sh, read as strictly."""

import re
from pathlib import Path

import pytest

from ambiser.recipe.options import OPTIONS, PROGRAM_OPTIONS, command_words
from ambiser.recipe.program_options import Parser


def test_a_dash_may_replace_an_underscore_in_options_but_not_in_values():
    words = ["--config", "p/a-b.yaml", "--data-dir", "x-y", "--exp_dir=p-q", "--set", "a.b=c-d", "--set", "e=f g"]
    args = Parser("Does it.", "train").parse_args(words)
    assert [str(path) for path in args.config] == ["p/a-b.yaml"]
    assert (str(args.data_dir), str(args.exp_dir), args.set) == ("x-y", "p-q", ["a.b=c-d", "e=f g"])


def test_defaults_are_those_of_the_table():
    args = Parser("Does it.", "launch").parse_args(["--config", "ce"])
    assert (args.seeds, args.folds, args.set, args.tag, args.wait) == ([1], [], [], None, True)
    assert args.nj == OPTIONS["nj"].default


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--confg", "x"], "--config"),
        (["--config", "x", "--see", "1"], "unrecognized arguments: --see 1"),
        (["--config", "x", "--seeds", "one"], "--seeds must be a whole number"),
        (["--config"], "expected at least one argument"),
        (["--config", "x", "--tag", "a", "stray"], "unrecognized arguments: stray"),
        (["--config", "x", "--ssl", ""], "--ssl has an empty value"),
    ],
)
def test_a_fault_is_one_line_and_exit_2(words, fault, capsys):
    with pytest.raises(SystemExit) as caught:
        Parser("Does it.", "train").parse_args(words)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert fault in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("program", PROGRAM_OPTIONS)
def test_a_program_reads_back_the_words_that_it_is_given(program):
    given = {"set": ["x={a: [b, c]}", "y=it's"], "folds": [2, 3], "ensemble": True, "wait": False, "tag": "x"}
    given |= {"tune": ["a.b=1,2 c=3", "d=4"]}
    given |= {"config": [Path("p/ce.yaml")], "predictions": [Path("p/a.tsv")], "exp_dir": Path("a b")}
    values = {name: option.default for name, option in OPTIONS.items()} | given
    args = Parser("Does it.", program).parse_args(command_words(program, values))
    assert vars(args) == {name: values[name] for name in PROGRAM_OPTIONS[program]}


def test_help_keeps_paragraphs_and_does_not_break_paths():
    text = Parser(
        "Lists the votes.\n\nFor example: ambiser doubt exp/a-b-c-d-e-f-g-h-i-j-k-l/fold*/predictions.tsv"
    ).format_help()
    assert "Lists the votes.\n\nFor example: " in text and "exp/a-b-c-d-e-f-g-h-i-j-k-l/fold*/predictions.tsv" in text


def test_help_shows_defaults_that_say_something():
    parser = Parser("Text.")
    parser.add_argument("--hop", default=0, help="seconds")
    parser.add_argument("--name", help="a name")
    parser.add_argument("--note", action="append", default=[], help="a note")
    parser.add_argument("--vad", action="store_true", help="speech only")
    parser.add_argument("--format", default="x", help="format (default: by suffix)")
    assert re.findall(r"\(default.*?\)", parser.format_help()) == ["(default: 0)", "(default: by suffix)"]
