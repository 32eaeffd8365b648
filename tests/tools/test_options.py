"""The options of run.sh: what is refused, what is taken, and that the help tells the truth."""

import os
import re
import resource
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ambiser.recipe.options import OPTIONS

RECIPES = sorted(path.parent.name for path in (Path(__file__).resolve().parents[2] / "egs").glob("*/run.sh"))
PROGRAM = re.compile(r"^\S*python\S* -m ambiser\.bin\.(\w+)")


@pytest.fixture
def mini(run, root):
    def mini(*options):
        return run(root / "egs/mini/run.sh", *options)

    return mini


def commands(done) -> list[list[str]]:
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines() if PROGRAM.match(line)]


def values(command: list[str], name: str) -> list[str]:
    start = command.index(name) + 1
    end = next((i for i in range(start, len(command)) if command[i].startswith("--")), len(command))
    return command[start:end]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stag", "3"], "unknown option --stag; did you mean --stage?"),
        (["--sedes=1"], "unknown option --sedes; did you mean --seeds?"),
        (["--corpus-dri", "x"], "unknown option --corpus_dri; did you mean --corpus_dir?"),
        (["--stage"], "--stage has no value"),
        (["--stage", "--nj", "2"], "--stage has no value"),
        (["--config"], "--config has no value"),
        (["--corpus_dir", ""], "--corpus_dir has an empty value"),
        (["--tag="], "--tag has an empty value"),
        (["--stage", "three"], "--stage must be a whole number from 0 to 8, not three"),
        (["--stage", "9"], "--stage must be a whole number from 0 to 8, not 9"),
        (["--nj", "0"], "--nj must be a whole number from 1 to 4096, not 0"),
        (["--nj", "2.5"], "--nj must be a whole number"),
        (["--nj", "99999999999999999999"], "--nj must be a whole number"),
        (["--seeds", "1", "x"], "--seeds must be a whole number"),
        (["--folds", "1,two"], "--folds must be a whole number"),
        (["--dry_run", "yes"], "--dry_run must be one of true,false, not yes"),
        (["--launcher", "pbs"], "--launcher must be one of local,slurm, not pbs"),
        (["--wait", "false"], "--wait false needs --launcher slurm"),
        (
            ["--launcher", "slurm", "--wait", "false", "--publish", "true"],
            "--publish true cannot be combined with --wait false",
        ),
        (["--set", "ipr.queue"], "--set must look like key=value, not ipr.queue"),
        (["--tune", "ipr.queue"], "--tune must look like key=value,value, not ipr.queue"),
        (["--tune", "epochs=5,10 batch=8,"], "--tune must look like key=value,value, not 'batch=8,'"),
        (["--tune", ""], "--tune has an empty value"),
        (["--stage", "1", "2"], "unexpected word 2"),
        (["ipr"], "unexpected word ipr"),
        (["-x"], "unexpected word -x"),
        (["--"], "unexpected word --"),
        (["--folds", "all", "1"], "--folds must be a whole number from 1 to 999, not all"),
        (["--config", " , "], "--config has an empty value"),
        (["--stage", "1", "--stage", "2"], "--stage is given twice"),
        (["--dry_run", "true", "--dry-run=true"], "--dry_run is given twice"),
        (["--stage", "4", "--stop_stage", "3"], "--stage 4 comes after --stop_stage 3"),
        (["--tag", "../up"], "--tag may contain letters"),
        (["--tag", "a\nb"], "--tag has a line break"),
    ],
)
def test_a_faulty_option_is_one_line_and_exit_2(mini, options, message):
    done = mini(*options)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_no_word_is_executed_or_expanded(run, root, tmp_path):
    trap = tmp_path / "trap"
    for word in (f"$(touch {trap})", f"`touch {trap}`", f"x;touch {trap}", f"a[$(touch {trap})]"):
        for option in ("--stage", "--folds", "--config", "--set=x=", f"--{word}", f"--{word}="):
            run(root / "egs/mini/run.sh", "--dry_run", "true", option, word)
    assert not trap.exists()


def test_help_names_every_option_and_no_other(mini):
    done = mini("--help")
    assert done.returncode == 0
    assert done.stdout == mini("-h").stdout
    assert re.findall(r"^  --(\w+)", done.stdout, re.MULTILINE) == [*OPTIONS, "help"]


def test_help_and_typing_errors_come_before_there_is_an_environment(root, run, copy_checkout, tmp_path):
    checkout = copy_checkout(tmp_path / "new")
    environment = {"PATH": os.environ["PATH"]}
    script = checkout / "egs/mini/run.sh"
    assert "--stop_stage" in run(script, "--help", env=environment).stdout
    assert "did you mean --stage?" in run(script, "--stag", 1, env=environment).stderr
    assert "== stage 8: report" in run(script, "--dry_run", "true", env=environment).stdout
    assert not (checkout / "tools/venv").exists()


def test_a_missing_python_is_one_line(run, copy_checkout, tmp_path):
    checkout, programs = copy_checkout(tmp_path / "new"), tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "dirname", "realpath"):
        (programs / name).symlink_to(shutil.which(name))
    done = run(checkout / "egs/mini/run.sh", "--help", env={"PATH": str(programs)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "setup: error: Python 3.10 or newer is needed; there is none here\n"


def test_help_takes_less_than_half_a_second(root, environment):
    """Processor time and the best of three, so that a busy machine does not fail it."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([root / "egs/mini/run.sh", "--help"], env=environment, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.5


def test_help_names_every_stage(mini):
    done = mini("--help")
    stages = dict(re.findall(r"^  (\d)  (.*?)   ", done.stdout, re.MULTILINE))
    assert list(stages) == list("012345678")
    for line in mini("--dry_run", "true").stdout.splitlines():
        if line.startswith("== stage"):
            number, name = re.fullmatch(r"== stage (\d): (.*)", line).groups()
            assert name in stages.pop(number)
    assert stages == {}


def test_as_many_jobs_as_cores_whatever_the_threads_of_a_job(root, run, environment):
    command = (root / "egs/mini/run.sh", "--dry_run", "true", "--stage", 3, "--stop_stage", 3)
    done = run(*command, env=environment | {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1"})
    assert f"--nj {len(os.sched_getaffinity(0))} " in done.stdout.replace("\n", " ")


def test_a_dry_run_prints_every_command_and_makes_nothing(mini, root, tmp_path):
    folders = ["--data_dir", tmp_path / "data", "--dump_dir", tmp_path / "dump", "--exp_dir", tmp_path / "exp"]
    programs = [command[2] for command in commands(mini("--dry_run", "true", *folders))]
    short = [name.removeprefix("ambiser.bin.") for name in programs]
    assert short == ["check", "prepare", "extract", *["launch"] * 4, "score", "report"]
    assert list(tmp_path.iterdir()) == []


def test_every_program_of_the_recipe_is_there(mini, root):
    for command in commands(mini("--dry_run", "true")):
        assert (root / command[2].replace(".", "/")).with_suffix(".py").is_file()


def test_the_first_and_the_last_stage_bound_what_runs(mini):
    found = commands(mini("--dry_run", "true", "--stage", "3", "--stop-stage=4"))
    assert [values(command, "--stage") for command in found] == [["prototypes"], ["update"]]


@pytest.mark.parametrize(
    "words", [["ce ipr"], ["ce,ipr"], ["ce", "ipr"], ["conf/ce.yaml", "ipr.yaml"], ["ce, ipr"], ["ce", "conf/ipr.yaml"]]
)
def test_lists_are_divided_by_blanks_commas_or_words(mini, words):
    (command,) = commands(mini("--dry_run", "true", "--stage", 3, "--stop_stage", 3, "--config", *words, "--nj", 1))
    assert values(command, "--config") == ["conf/ce.yaml", "conf/ipr.yaml"]


def test_a_dry_run_names_the_shared_file_of_an_experiment(run, root):
    text = run(root / "egs/kaldi/run.sh", "--dry_run=true", "--stage=8", "--config=ce").stdout
    assert text.startswith(
        "# conf/ce.yaml is the shared ../../conf/experiments/ce.yaml, on the data of conf/corpus.yaml"
    )


def test_what_the_user_says_takes_the_place_of_what_the_recipe_says(mini):
    (command,) = commands(mini("--dry_run=true", "--stage=8", "--config=jsd"))
    assert values(command, "--config") == ["conf/jsd.yaml"]


def test_an_existing_file_with_a_blank_in_its_path_stays_whole(mini, tmp_path):
    config = tmp_path / "my own.yaml"
    config.touch()
    (command,) = commands(mini("--dry_run=true", "--stage=8", "--config", config, "ce"))
    assert values(command, "--config") == [str(config), "conf/ce.yaml"]


def test_settings_may_be_repeated_and_are_never_split(mini):
    odd = "labels.classes={a: [neu], b: [hap, exc]}"
    (command,) = commands(
        mini("--dry_run=true", "--stage=8", "--set", odd, "ipr.queue=0", "--set", "data.version=it's")
    )
    assert values(command, "--set") == [odd, "ipr.queue=0", "data.version=it's"]


def test_seeds_folds_and_folders_reach_the_programs(mini):
    options = ["--seeds", "1,2", "--folds", "2", "3", "--exp_dir", "a b/c", "--ssl", "fbank", "--tag", "x", "--nj", "3"]
    (command,) = commands(mini("--dry_run=true", "--stage=3", "--stop_stage=3", *options))
    for name, expected in {
        "--seeds": ["1", "2"],
        "--folds": ["2", "3"],
        "--exp_dir": ["a b/c"],
        "--ssl": ["fbank"],
        "--tag": ["x"],
        "--nj": ["3"],
    }.items():
        assert values(command, name) == expected


def test_all_folds_are_named_by_naming_none(mini):
    for options in ([], ["--folds", "all"]):
        (command,) = commands(mini("--dry_run=true", "--stage=7", "--stop_stage=7", *options))
        assert "--folds" not in command


@pytest.mark.parametrize("recipe", RECIPES)
def test_run_scripts_are_one_call_with_the_names_of_the_recipe(root, recipe):
    lines = (root / f"egs/{recipe}/run.sh").read_text().splitlines()
    assert len(lines) <= 25
    code = " ".join(line.strip(" \\") for line in lines if line and not line.startswith("#"))
    call = code.partition(" exec ")[2]
    assert re.fullmatch(r'../../tools/recipe.sh --config "[a-z0-9_ ]+"( --corpus_dir "[^"]+")? -- "\$@"', call)


@pytest.mark.parametrize("recipe", ["emodb", "meld", "msp_improv", "nemo", "ravdess", "tess"])
def test_a_dry_run_names_the_experiments_and_the_folder_of_the_corpus(run, root, recipe):
    script = root / f"egs/{recipe}/run.sh"
    found = commands(run(script, "--dry_run", "true", "--stop_stage", 1))
    assert [command[2] for command in found] == ["ambiser.bin.check", "ambiser.bin.prepare"]
    experiments = re.search(r'recipe.sh --config "([^"]+)"', script.read_text())[1].split()
    assert values(found[0], "--config") == [f"conf/{name}.yaml" for name in experiments]
    assert values(found[1], "--corpus_dir")[0].startswith("downloads/")


def test_a_recipe_runs_from_anywhere_through_a_path_with_a_blank(run, copy_checkout, tmp_path):
    checkout = copy_checkout(tmp_path / "a folder")
    (tmp_path / "link.sh").symlink_to(checkout / "egs/mini/run.sh")
    for script in (checkout / "egs/mini/run.sh", "a folder/egs/mini/run.sh", "./link.sh"):
        done = run(script, "--stop_stage", "0", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "mini: synthesized by stage 1" in done.stdout
