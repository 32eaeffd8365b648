"""Tuned experiments in the programs launch, train and status: a job per point, and what is refused before training."""

import shlex

import pytest
from make_record import make_record

from ambiser.config import load_config

MINI = "egs/mini/conf"
GRID = ["--tune", "epochs=5,10"]


@pytest.fixture
def program(run, root, tmp_path, python):
    """Runs a program on experiments of mini, with a stage 1 that seems to be done."""
    (tmp_path / "data").mkdir()
    data = load_config(root / MINI / "ce.yaml").data.model_dump(mode="json")
    make_record(folds=[1, 2], data=data).write(tmp_path / "data/corpus.json")
    folders = [f"--{name}_dir={tmp_path / name}" for name in ("data", "dump", "exp")]

    def program(name: str, *options: object, configs=("ce",)):
        paths = [root / MINI / f"{config}.yaml" for config in configs]
        return run(python, "-m", f"ambiser.bin.{name}", *folders, "--config", *paths, *options)

    return program


def test_every_point_of_every_experiment_seed_and_fold_is_a_job(program):
    done = program("launch", "--stage=distill", "--dry_run=true", "--seeds", 1, 2, *GRID, configs=("ce", "amber2"))
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    keys = ("--config", "--seeds", "--point", "--folds")
    assert len(commands) == len({tuple(c[c.index(key) + 1] for key in keys) for c in commands}) == 2 * 2 * 2 * 2
    assert all(c[c.index("--tune") + 1] == GRID[1] for c in commands)
    assert {c[c.index("--point") + 1] for c in commands} == {"epochs=5", "epochs=10"}


def test_a_key_without_a_section_suits_experiments_with_other_stages(program):
    done = program("launch", "--stage=prototypes", "--dry_run=true", *GRID, configs=("ce_precise", "ce", "ipr"))
    points = [shlex.split(line)[-1] for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert len(points) == 8, "two experiments with this stage, two points, two folds"
    assert done.stderr.count("ce-fbank-s1 has no stage prototypes: skipped") == 1


def test_slurm_gets_all_points_as_one_array(program, tmp_path):
    site = tmp_path / "slurm.yaml"
    site.write_text("train: {partition: fast, memory: 1G}\n")
    options = ("--stage=distill", "--dry_run=true", "--launcher=slurm", "--slurm_config", site)
    done = program("launch", *options, *GRID)
    assert done.returncode == 0, done.stderr
    assert " --array=0-3 " in done.stdout
    assert done.stdout.count(" --point epochs=5 ") == done.stdout.count(" --point epochs=10 ") == 2
    assert not (tmp_path / "exp").exists()


def test_stages_2_and_7_run_once_per_tuned_experiment(program):
    done = program("launch", "--stage=score", "--dry_run=true", "--launcher=slurm", *GRID)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" -m ambiser.bin.score ") == 1


def test_a_point_that_is_done_is_not_run_again(program, tmp_path):
    best = tmp_path / "exp/ce-fbank-s1/points/epochs=5/fold1/distill/best.safetensors"
    best.parent.mkdir(parents=True)
    best.touch()
    done = program("launch", "--stage=distill", "--dry_run=true", "--folds", 1, *GRID)
    (command,) = [shlex.split(line) for line in done.stdout.splitlines()]
    assert command[command.index("--point") + 1] == "epochs=10"


def test_status_has_a_row_per_point(program, tmp_path):
    for fold, point in ((1, "epochs=5"), (1, "epochs=10"), (2, "epochs=5")):
        best = tmp_path / f"exp/ce-fbank-s1/points/{point}/fold{fold}/distill/best.safetensors"
        best.parent.mkdir(parents=True)
        best.touch()
    done = program("status", *GRID)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.split()[1:2] == ["-"]}
    assert rows == {
        "ce-fbank-s1": ["-", "-", "-", "#~", "..", "missing"],
        "epochs=5": ["-", "-", "-", "##"],
        "epochs=10": ["-", "-", "-", "#."],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--point", "epochs=7"], "--point epochs=7: ce-fbank-s1 has no such point; the nearest is epochs=5"),
        ([], "--point (missing): ce-fbank-s1 has no such point"),
    ],
)
def test_training_needs_the_name_of_a_point(program, tmp_path, options, message):
    done = program("train", "--stage=distill", "--folds", 1, *GRID, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize("name", ["check", "launch"])
def test_all_faults_of_a_grid_come_before_anything_is_done(program, tmp_path, name):
    stage = ["--stage=distill"] if name == "launch" else []
    done = program(name, *stage, "--tune", "epochs=5,x model.hiden=3", "data.dev=next_session")
    assert done.returncode == 2
    for fault in (
        "distill.epochs: should be a valid integer",
        "unknown key 'model.hiden'; did you mean 'model.hidden'?",
        "data.dev cannot be tuned",
    ):
        assert done.stderr.count(fault) == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "exp").exists()


def test_another_grid_is_refused_with_its_keys(program, tmp_path):
    for point in ("epochs=5", "epochs=10"):
        best = tmp_path / f"exp/ce-fbank-s1/points/{point}/fold1/distill/best.safetensors"
        best.parent.mkdir(parents=True)
        best.touch()
    assert program("launch", "--stage=distill", "--folds", 1, *GRID).returncode == 0
    done = program("launch", "--stage=distill", "--folds", 1, "--tune", "epochs=5,10,30")
    assert done.returncode == 2
    assert "ce-fbank-s1 was made with another configuration; use --tag NAME" in done.stderr
    assert "tune.distill.epochs: ['5', '10'] -> ['5', '10', '30']" in done.stderr
