"""The mini recipe on a reduced size, run as a user runs it: whole, stage by stage, killed, stopped, and misused.

`finished` is one whole run. The other runs use its data, features and results to compare with, and each writes its
experiments in a folder of its own. Two experiments have all kinds of stages: `ce` one, `ipr_amber2` all four.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from ambiser.config import load_config
from ambiser.launch.warm import OWNER
from ambiser.report.published_tables import read_summaries
from ambiser.scoring.results_file import read_results
from tools.docs.scale import experiment_files, feature_files

STAGES = {3: "prototypes", 4: "update", 5: "contrastive", 6: "distill"}
SMALL = [
    "data.mini_utterances=120",
    "train.save_every_s=0",
    *(f"{stage}.epochs=10" for stage in ("prototypes", "update", "contrastive", "distill")),
]
TAG = "ipr_amber2-fbank-s1"
COMPARED = ("best.safetensors", "metrics.jsonl", "predictions.tsv", "results.json")


class Recipe:
    """egs/mini/run.sh with a reduced size and folders outside the checkout."""

    def __init__(self, script: Path, base: Path, environment: dict[str, str]) -> None:
        self.script, self.environment = script, environment
        self.data, self.dump, self.exp = base / "data", base / "dump", base / "exp"

    def words(self, *options: object) -> list[str]:
        folders = ["--data_dir", self.data, "--dump_dir", self.dump, "--exp_dir", self.exp]
        own = [] if "--config" in options else ["--config", "ce ipr_amber2"]
        own += [] if "--folds" in options else ["--folds", "1 2"]
        return [str(word) for word in (self.script, *folders, *own, "--set", *SMALL, "--nj", "2", *options)]

    def run(self, *options: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.words(*options),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=400,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *options: object) -> subprocess.Popen:
        """Starts it in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            self.words(*options),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def only(self, stage: int, *options: object) -> subprocess.CompletedProcess:
        return self.run("--stage", stage, "--stop_stage", stage, *options)


def good(done: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def faulty(done: subprocess.CompletedProcess, *messages: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message in done.stderr


def wait_for(condition, process: subprocess.Popen, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def nothing_left_of(process: subprocess.Popen, folder: Path) -> bool:
    """Whether no process that was given this folder, or writes its log there, is alive (within a few seconds)."""
    for _ in range(100):
        alive = [p for p in psutil.process_iter(["cmdline", "status"]) if p.info["status"] != psutil.STATUS_ZOMBIE]
        if not any(str(folder) in word for p in alive for word in (*(p.info["cmdline"] or []), output_of(p))):
            return process.poll() is not None
        time.sleep(0.05)
    return False


def output_of(process: psutil.Process) -> str:
    """Returns the file of its output; a fork has the command line of its server."""
    try:
        return os.readlink(f"/proc/{process.pid}/fd/1")
    except OSError:
        return ""


def contents(exp: Path, pattern: str = "**/*") -> dict[str, bytes]:
    """Returns what must be identical in two runs, by path, even if someone edits the checkout between them."""
    files = sorted(path for path in exp.glob(pattern) if path.name in COMPARED)
    return {str(path.relative_to(exp)): re.sub(rb'"commit": "[^"]*"', b"", path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def make(root, environment, tmp_path_factory):
    """A function that makes a recipe in fresh folders, with data, features or experiments of another one."""

    def make(like: Recipe | None = None, *shared: str, copied: bool = False) -> Recipe:
        recipe = Recipe(root / "egs/mini/run.sh", tmp_path_factory.mktemp("mini"), environment)
        for name in shared:
            setattr(recipe, name, getattr(like, name))
        if copied:
            shutil.copytree(like.exp, recipe.exp)
        return recipe

    return make


@pytest.fixture(scope="module")
def finished(make):
    recipe = make()
    recipe.output = good(recipe.run())
    return recipe


def test_the_estimate_of_files_is_that_of_a_run(finished, root):
    for name, spared in (("ce", 2), ("ipr_amber2", 0)):  # `ce` has one head, so neither of its folds has heads.tsv
        config = load_config(root / f"egs/mini/conf/{name}.yaml")
        folder = finished.exp / f"{name}-fbank-s1"
        assert len([path for path in folder.rglob("*") if path.is_file()]) == experiment_files(config, 2) - spared
    shards = list((finished.dump / "fbank").glob("feats.[0-9]*"))
    assert len(shards) == feature_files(120)


def test_a_whole_run_ends_with_the_table_and_the_places_of_the_results(finished):
    text = finished.output.stdout
    for number in range(9):
        assert re.search(rf"^== stage {number}: .*: done in \d+ s$", text, re.MULTILINE)
    report = text[text.index("== stage 8") :]
    for name in ("ce-fbank", "ipr_amber2-fbank"):
        assert re.search(rf"^{name} .*0\.\d\d\d", report, re.MULTILINE)
        assert name in (finished.exp / "RESULTS.md").read_text()
    assert text.splitlines()[-2:] == [
        f"table:  {finished.exp}/RESULTS.md",
        f"report: {finished.exp}/report.html",
    ]


def test_a_whole_run_leaves_every_file_and_nothing_temporary(finished):
    for fold in (1, 2):
        for folder in STAGES.values():
            assert (finished.exp / TAG / f"fold{fold}" / folder / "best.safetensors").is_file()
        assert (finished.exp / "ce-fbank-s1" / f"fold{fold}" / "distill/best.safetensors").is_file()
        assert (finished.exp / TAG / f"fold{fold}" / "predictions.tsv").is_file()
    assert (finished.exp / TAG / "results.json").is_file()
    places = (finished.data, finished.dump, finished.exp)
    left = [path for place in places for path in place.rglob("*") if path.name.endswith((".tmp", "last.pt"))]
    assert left == []


def test_skipped_stages_are_one_line_each(finished):
    skipped = [line.split(" I ")[1] for line in finished.output.stderr.splitlines() if "skipped" in line]
    assert skipped == [
        f"ce-fbank-s1 has no stage {stage}: skipped" for stage in ("prototypes", "update", "contrastive")
    ]


def test_the_results_say_that_the_corpus_is_synthetic(finished):
    assert "this corpus is synthetic" in (finished.exp / "RESULTS.md").read_text().lower()


def test_scores_are_better_than_chance_and_within_their_ranges(finished):
    text = (finished.exp / TAG / "results.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)


def test_running_again_does_nothing_and_changes_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.exp.rglob("*") if path.name in COMPARED}
    done = good(finished.run("--stop_stage", 7))  # test_the_report_can_be_made_again runs stage 8 again
    for stage, jobs in {"prototypes": 2, "update": 2, "contrastive": 2, "distill": 4}.items():
        assert f"{stage}: {jobs} of {jobs} jobs are done already" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_status_of_a_finished_run(finished):
    text = good(finished.run("--status", "true")).stdout
    rows = [line.split() for line in text.splitlines() if "-fbank-s1" in line]
    assert rows == [
        ["ce-fbank-s1", "-", "-", "-", "##", "##", "done"],
        [TAG, "##", "##", "##", "##", "##", "done"],
    ]


def test_each_stage_alone_without_a_fork_server_makes_the_same_files(finished, make, cold_environment):
    alone = make()
    alone.environment = cold_environment
    for stage in range(8):  # test_the_report_can_be_made_again runs stage 8 alone
        done = good(alone.only(stage, "--config", "ipr_amber2", "--folds", "1"))
        assert done.stdout.count("== stage") == 2
    tables = [path.name for path in (finished.data / "all").iterdir() if path.name != "wav.scp"]
    assert len(tables) > 9
    for name in tables:
        assert (alone.data / "all" / name).read_bytes() == (finished.data / "all" / name).read_bytes(), name
    for ark in finished.dump.rglob("*.ark"):
        assert (alone.dump / ark.relative_to(finished.dump)).read_bytes() == ark.read_bytes()
    pattern = f"{TAG}/fold1/**/*"
    assert contents(alone.exp, pattern) == contents(finished.exp, pattern)
    assert len(contents(alone.exp, pattern)) == 9


def test_an_experiment_does_not_depend_on_what_runs_beside_it(finished, make):
    other = make(finished, "data", "dump")
    good(other.run("--stage", 6, "--stop_stage", 7, "--config", "ce"))
    assert contents(other.exp, "ce-fbank-s1/**/*") == contents(finished.exp, "ce-fbank-s1/**/*")


def test_other_seeds_and_tags_stand_beside_each_other(finished, make):
    other = make(finished, "data", "dump")
    good(other.run("--stage", 6, "--stop_stage", 7, "--config", "ce", "--folds", 1, "--seeds", "1 2"))
    good(other.run("--stage", 6, "--stop_stage", 6, "--config", "ce", "--folds", 1, "--tag", "x"))
    models = {path.parts[-4]: path.read_bytes() for path in other.exp.rglob("best.safetensors")}
    assert models.keys() == {"ce-fbank-s1", "ce-fbank-s2", "ce-fbank-s1-x"}
    assert models["ce-fbank-s1"] != models["ce-fbank-s2"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_training_goes_on_to_the_same_bytes(finished, make, stage):
    killed = make(finished, "data", "dump", copied=True)
    folder = killed.exp / TAG / "fold1" / STAGES[stage]
    for name in list(STAGES.values())[stage - 3 :]:
        shutil.rmtree(killed.exp / TAG / "fold1" / name)
    options = ("--config", "ipr_amber2", "--folds", "1", "--stage", stage, "--stop_stage", stage)
    process = killed.start(*options)
    wait_for((folder / "last.pt").is_file, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert nothing_left_of(process, killed.exp)
    assert not (folder / "best.safetensors").exists()
    done = good(killed.run(*options))
    assert done.stderr.count("done in") == 1
    assert "resumes after epoch" in (killed.exp / TAG / f"logs/{options_stage(stage)}.fold1.log").read_text()
    pattern = f"{TAG}/fold1/{STAGES[stage]}/*"
    assert contents(killed.exp, pattern) == contents(finished.exp, pattern)


def options_stage(stage: int) -> str:
    return {3: "prototypes", 4: "update", 5: "contrastive", 6: "distill"}[stage]


@pytest.mark.parametrize("sign", ["corpus", "all"])
def test_a_killed_preparation_starts_again_and_ends_the_same(finished, make, sign):
    killed = make()
    process = killed.start("--stage", 1, "--stop_stage", 1)
    wait_for((killed.data / sign).is_dir, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (killed.data / "corpus.json").exists()
    faulty(killed.only(2), f"{killed.data}/corpus.json is missing; stage 1 (prepare) writes it")
    good(killed.only(1))
    for path in (killed.data / "all").iterdir():
        if path.name != "wav.scp":
            assert path.read_bytes() == (finished.data / "all" / path.name).read_bytes(), path.name


def test_a_killed_extraction_goes_on_and_ends_the_same(finished, make):
    killed = make(finished, "data")
    process = killed.start("--stage", 2, "--stop_stage", 2)
    wait_for(lambda: any(killed.dump.rglob("*.ark*")) or any(killed.dump.rglob("*.tmp")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert nothing_left_of(process, killed.dump)
    assert not (killed.dump / "fbank/feats.scp").exists()
    faulty(killed.only(3), f"{killed.dump}/fbank/feats.scp is missing; stage 2 (extract) writes it")
    good(killed.only(2))
    for ark in finished.dump.rglob("*.ark"):
        assert (killed.dump / ark.relative_to(finished.dump)).read_bytes() == ark.read_bytes()


def test_a_killed_scoring_starts_again_and_ends_the_same(finished, make):
    killed = make(finished, "data", "dump", copied=True)
    for name in ("results.json", "predictions.tsv"):
        for path in killed.exp.rglob(name):
            path.unlink()
    process = killed.start("--stage", 7, "--stop_stage", 7)
    wait_for((killed.exp / "ce-fbank-s1/fold1/predictions.tsv").is_file, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (killed.exp / TAG / "results.json").exists()
    good(killed.only(7))
    assert contents(killed.exp) == contents(finished.exp)


@pytest.fixture(scope="module")
def published(finished, make, copy_checkout, tmp_path_factory):
    """Stage 8 alone with --publish, in a copy of the checkout, after table and page were lost."""
    again = make(finished, "data", "dump", copied=True)
    again.checkout = copy_checkout(tmp_path_factory.mktemp("published") / "checkout")
    again.script = again.checkout / "egs/mini/run.sh"
    again.committed = read_summaries(again.checkout / "egs/mini/results")
    for name in ("RESULTS.md", "report.html"):
        (again.exp / name).unlink()
    good(again.only(8, "--publish", "true"))
    return again


def test_published_results_are_those_of_the_run(finished, published):
    committed = {one.tag: one for one in published.committed}
    now = {one.tag: one for one in read_summaries(published.checkout / "egs/mini/results")}
    results = {path.parent.name: read_results(path) for path in finished.exp.glob("*/results.json")}
    assert results.keys() <= now.keys() == committed.keys() | results.keys()
    assert all(now[tag].stamp == one.stamp for tag, one in results.items())
    assert all(now[tag] == one for tag, one in committed.items() if tag not in results)
    assert (published.checkout / "egs/mini/RESULTS.md").is_file()


def test_the_report_can_be_made_again(finished, published):
    assert (published.exp / "RESULTS.md").read_bytes() == (finished.exp / "RESULTS.md").read_bytes()
    assert (published.exp / "report.html").is_file()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_stopped_stage_says_how_to_go_on(finished, make, stage, signum):
    """Ctrl-C reaches the whole process group, `kill` only run.sh."""
    stopped = make(finished, *([], [], ["data"], ["data", "dump"])[stage])
    process = stopped.start("--stage", stage, "--stop_stage", stage, "--config", "ipr_amber2")
    sign = {1: stopped.data / "corpus", 2: stopped.dump / "fbank", 3: stopped.exp / TAG / "logs/prototypes.fold1.log"}
    wait_for(sign[stage].exists, process)
    os.killpg(process.pid, signum) if signum == signal.SIGINT else process.send_signal(signum)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 130, text
    assert "Traceback" not in text
    last = text.splitlines()[-1]
    assert last.startswith(f"run.sh: stopped in stage {stage}; to resume: ./run.sh ")
    assert last.endswith(f"--stage {stage} ")
    assert nothing_left_of(process, stopped.exp)


def test_another_configuration_is_refused_with_its_keys(finished):
    before = contents(finished.exp)
    faulty(
        finished.run("--stage", 6, "--set", "distill.batch=16"),
        "was made with another configuration; use --tag NAME",
        "distill.batch: 64 -> 16",
        "run.sh: stage 6 failed with status 2; to resume: ./run.sh ",
    )
    assert contents(finished.exp) == before


def test_another_corpus_size_is_refused_by_stage_1(finished):
    done = finished.run("--stage", 1, "--stop_stage", 1, "--set", "data.mini_utterances=130")
    faulty(done, "data.mini_utterances: 120 -> 130")


@pytest.mark.parametrize(
    ("stage", "shared", "missing", "writer"),
    [
        (2, [], "data/corpus.json", "stage 1 (prepare)"),
        (3, [], "data/corpus.json", "stage 1 (prepare)"),
        (3, ["data"], "dump/fbank/feats.scp", "stage 2 (extract)"),
        (4, ["data", "dump"], f"exp/{TAG}/fold1/prototypes/best.safetensors", "stage 3 (prototypes)"),
        (5, ["data", "dump"], f"exp/{TAG}/fold1/update/best.safetensors", "stage 4 (update)"),
        (6, ["data", "dump"], f"exp/{TAG}/fold1/contrastive/best.safetensors", "stage 5 (contrastive)"),
        (7, ["data", "dump"], f"exp/{TAG}/fold1/distill/best.safetensors", "stage 6 (distill)"),
        (8, ["data", "dump"], f"exp/{TAG}/results.json", "stage 7 (score)"),
    ],
)
def test_a_missing_input_names_file_stage_and_command(finished, make, stage, shared, missing, writer):
    recipe = make(finished, *shared)
    name, _, rest = missing.partition("/")
    done = recipe.only(stage, "--config", "ipr_amber2", "--folds", "1")
    number = re.search(r"\d", writer).group()
    path = getattr(recipe, name) / rest
    faulty(done, f"error: {path} is missing; {writer} writes it: ./run.sh --stage {number} --stop_stage {number}")
    assert not recipe.exp.exists() or contents(recipe.exp) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "ipr.temprature=1"], "unknown key 'ipr.temprature'; did you mean 'ipr.temperature'?"),
        (["--config", "ipr_ambre2"], "did you mean ipr_amber2.yaml?"),
        (["--ssl", "no such"], "no such"),
        (["--folds", "9"], "--folds 9"),
        (["--config", "ce ce"], "is given twice"),
    ],
)
def test_a_typo_is_named_by_stage_0_or_the_first_that_meets_it(finished, make, options, message):
    recipe = make(finished, "data", "dump")
    faulty(recipe.run(*options, "--stop_stage", 3), message)
    assert not list(recipe.exp.rglob("best.safetensors"))


@pytest.mark.parametrize(
    ("stage", "shared", "kibibytes", "message"),
    [
        (1, [], 40, "data/corpus: cannot be written: File too large"),
        (2, ["data"], 20, ".ark: cannot be written: File too large"),
        (3, ["data", "dump"], 100, "fold1/prototypes/last.pt: cannot be written: File too large"),
    ],
)
def test_a_full_disk_is_a_line_and_no_file_seems_whole(finished, make, stage, shared, kibibytes, message):
    """The system's limit on the size of a file stands for the disk."""
    recipe = make(finished, *shared)
    words = recipe.words("--stage", stage, "--stop_stage", stage, "--config", "ipr_amber2", "--folds", 1)
    limited = ["bash", "-c", f'ulimit -f {kibibytes}; exec "$0" "$@"', *words]
    alone = recipe.environment | {OWNER: "off"}  # the limit would need a fork server of its own
    done = subprocess.run(limited, env=alone, capture_output=True, text=True, timeout=100)
    faulty(done, message)
    last = {1: recipe.data / "corpus.json", 2: recipe.dump / "fbank/feats.scp"}
    assert not last.get(stage, recipe.exp / TAG / "fold1/prototypes/best.safetensors").exists()


NO_CORPUS = [
    (name, f"give --corpus_dir FOLDER (how to get it: egs/{name}/README.md)")
    for name in ("iemocap", "msp_podcast", "crema_d")
]


@pytest.mark.parametrize(("recipe", "message"), NO_CORPUS)
def test_recipes_without_a_corpus_say_so(run, root, tmp_path, recipe, message):
    folders = [f"--{name}_dir={tmp_path / name}" for name in ("data", "dump", "exp")]
    done = run(root / f"egs/{recipe}/run.sh", *folders, "--corpus_dir", tmp_path / "none", "--folds", "all")
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
