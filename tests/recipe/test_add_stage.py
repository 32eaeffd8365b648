"""The recipe in ambiser/README.md adds a stage to a copy of the checkout, and the stage runs."""

import re
import textwrap

import pytest

from ambiser.stages import STAGES

SMALL = ("--set", "data.mini_utterances=60", "--config", "ce")


@pytest.fixture(scope="module")
def checkout(root, copy_checkout, tmp_path_factory):
    """A copy of the checkout with the four blocks of the README put where it says."""
    text = (root / "ambiser/README.md").read_text()
    section = text[text.index("## How to add a stage") :].split("\n## ")[0]
    blocks = re.findall(r"^ *```\w+\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)[:4]
    entry, program, options, line = (re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in blocks)
    folder = copy_checkout(tmp_path_factory.mktemp("checkout"))
    insert(folder / "ambiser/stages.py", entry, before=")\nTRAINING_STAGES")
    (folder / "ambiser/bin/count_votes.py").write_text(textwrap.dedent(program))
    insert(folder / "ambiser/recipe/options.py", options, before='}\n"""Which of the options each program takes')
    insert(folder / "tools/recipe.sh", line, before="\nfields_of results")
    return folder


def insert(path, block, before):
    text = path.read_text()
    assert text.count(before) == 1, f"{path} has no place for the block"
    path.write_text(text.replace(before, block + before))


@pytest.fixture(scope="module")
def recipe(checkout, run, environment):
    def recipe(*words):
        return run(checkout / "egs/mini/run.sh", *SMALL, *words, env=environment | {"PYTHONPATH": str(checkout)})

    return recipe


def test_the_help_lists_the_stage(recipe):
    text = recipe("--help").stdout
    assert re.search(r"^  9  count votes  +exp/vote_counts.tsv$", text, re.MULTILINE)
    assert "last stage (default 9)" in text


def test_a_dry_run_prints_its_command(recipe):
    done = recipe("--dry_run", "true", "--stage", 9)
    assert done.returncode == 0, done.stderr
    _, title, command = done.stdout.splitlines()  # the first names the shared experiment
    assert title == "== stage 9: count votes"
    assert command.startswith("python -m ambiser.bin.count_votes --config conf/ce.yaml --seeds 1 ")


def test_a_missing_input_is_one_line_and_the_resumed_run_writes_the_last_file(recipe, checkout):
    mini = checkout / "egs/mini"
    failed = recipe("--stage", 9)
    assert failed.returncode == 2
    fault, resume = failed.stderr.splitlines()
    assert fault.startswith("count_votes: error: data/all/votes.tsv is missing; stage 1 (prepare) writes it")
    assert resume.startswith("run.sh: stage 9 failed with status 2; to resume: ./run.sh ")
    assert resume.split()[-2:] == ["--stage", "9"]
    assert recipe("--stage", 1, "--stop_stage", 1).returncode == 0
    done = recipe(*resume.split("./run.sh ")[1].split()[len(SMALL) :])
    assert done.returncode == 0, done.stderr
    assert re.search(r"^== stage 9: count votes: done in \d+ s$", done.stdout, re.MULTILINE)
    rows = [line.split("\t") for line in (mini / "exp/vote_counts.tsv").read_text().splitlines()]
    votes = (mini / "data/all/votes.tsv").read_text().splitlines()[1:]
    assert rows[0] == ["utt", "votes"]
    assert len(rows) == 1 + 60
    assert sum(int(count) for _, count in rows[1:]) == len(votes)


def test_the_driver_runs_every_stage_of_the_table_in_its_order(root):
    driver = (root / "tools/recipe.sh").read_text()
    assert re.findall(r"^stage (\w+)$", driver, re.MULTILINE) == [stage.name for stage in STAGES]
