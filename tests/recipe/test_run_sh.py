"""Tests the parser of run.sh: precedence of values, words kept for resuming, and the command of each stage."""

import pytest

from ambiser.recipe.options import OPTIONS
from ambiser.recipe.run_sh import HelpWanted, read_words, records, stage_command
from ambiser.stages import STAGES, find_stage


def values_of(*words):
    return {name: option.default for name, option in OPTIONS.items()} | read_words(["--config", "ce", *words])[0]


def test_the_words_that_resume_are_as_typed_and_without_the_stage():
    values, kept = read_words(["--stage", "3", "--seeds", "1,2", "--set", "a=b c", "--set=d=e", "--nj=2"])
    assert kept == ["--seeds", "1,2", "--set", "a=b c", "--set", "d=e", "--nj", "2"]
    assert (values["stage"], values["seeds"], values["set"], values["nj"]) == (3, [1, 2], ["a=b c", "d=e"], 2)


def test_help_counts_only_before_a_fault():
    with pytest.raises(HelpWanted):
        read_words(["--nj", "2", "--help", "--nj", "0"])
    with pytest.raises(ValueError, match="--nj must be"):
        read_words(["--nj", "0", "--help"])


@pytest.mark.parametrize(
    ("words", "launched"),
    [
        ((), {"prototypes", "update", "contrastive", "distill"}),
        (("--launcher", "slurm"), {"extract", "prototypes", "update", "contrastive", "distill", "score"}),
        (
            ("--launcher", "slurm", "--wait", "false"),
            {"extract", "prototypes", "update", "contrastive", "distill", "score", "report"},
        ),
    ],
)
def test_stages_that_run_as_jobs(words, launched):
    commands = {stage.name: stage_command(stage, values_of(*words)) for stage in STAGES}
    assert {name for name, command in commands.items() if command[:3] == ["launch", "--stage", name]} == launched
    assert all(command[0] == name for name, command in commands.items() if name not in launched)


def test_each_program_gets_only_the_options_that_it_takes():
    values = values_of("--corpus_dir", "c", "--publish", "true", "--nj", "3")
    assert "--corpus_dir" in stage_command(find_stage("prepare"), values)
    assert "--nj" not in stage_command(find_stage("prepare"), values)
    assert stage_command(find_stage("report"), values)[-2:] == ["--publish", "true"]


@pytest.mark.parametrize("words", [("--stop_stage", "7"), ("--dry_run", "true"), ("--wait", "false")])
def test_results_are_shown_only_when_the_last_stage_has_written_them(words):
    assert len(records(values_of(), [])["results"]) == 2
    assert records(values_of(*words), [])["results"] == []
