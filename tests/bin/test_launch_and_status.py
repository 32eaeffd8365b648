"""The programs launch, status and check: what they print, refuse and leave alone."""

import shlex
from pathlib import Path

import pytest
from make_record import make_record

from ambiser.bin.launch import SKIPPED
from ambiser.config import load_config
from ambiser.stages import TRAINING_STAGES

MINI = "egs/mini/conf"


@pytest.fixture
def folders(root, tmp_path):
    """The three folders, with a stage 1 that seems to be done."""
    (tmp_path / "data").mkdir()
    data = load_config(root / MINI / "ce.yaml").data.model_dump(mode="json")
    make_record(folds=[1, 2], data=data).write(tmp_path / "data/corpus.json")
    return [f"--{name}_dir={tmp_path / name}" for name in ("data", "dump", "exp")]


@pytest.fixture
def program(run, root, folders, python):
    def program(name: str, *options: object, configs=("ce", "ipr")):
        paths = [root / MINI / f"{config}.yaml" for config in configs]
        return run(python, "-m", f"ambiser.bin.{name}", *folders, "--config", *paths, *options)

    return program


def jobs(done) -> list[tuple[str, str]]:
    """Returns tag-defining config and fold of each printed command."""
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    return [(Path(c[c.index("--config") + 1]).stem, c[c.index("--folds") + 1]) for c in commands]


def test_every_experiment_seed_and_fold_is_a_job(program):
    done = program("launch", "--stage=distill", "--dry_run=true", "--seeds", 1, 2, configs=("ce", "amber2"))
    assert sorted(jobs(done)) == sorted([(c, f) for c in ("ce", "amber2") for f in "12"] * 2)


def test_trainings_whose_encoders_learn_ask_slurm_for_their_own_kind_of_job(program, tmp_path):
    (tmp_path / "site.yaml").write_text("finetune: {nodes: 2, tasks: 2, gpus: 2}\ntrain: {cpus: 3}\n")
    options = ("--stage=prototypes", "--dry_run=true", "--launcher=slurm", "--slurm_config", tmp_path / "site.yaml")
    text = program("launch", *options, configs=("ipr_finetune",)).stdout
    assert "--nodes=2 --ntasks-per-node=2 --cpus-per-task=1 --gres=gpu:2" in text
    assert "# 0: srun --kill-on-bad-exit=1 --nodes=2 --ntasks=4" in text
    frozen = program("launch", *options, configs=("ipr",)).stdout
    assert "--nodes=1 --ntasks-per-node=1 --cpus-per-task=3" in frozen and "srun" not in frozen


@pytest.mark.parametrize("stage", TRAINING_STAGES)
def test_each_training_stage_is_a_job_of_the_training_program(program, stage):
    done = program("launch", f"--stage={stage}", "--dry_run=true", configs=("ipr_amber2",))
    assert jobs(done) == [("ipr_amber2", "1"), ("ipr_amber2", "2")]
    assert all(f"-m ambiser.bin.train --stage {stage} " in line for line in done.stdout.splitlines())


def test_the_job_of_the_report_keeps_the_option_only(program):
    words = ("launch", "--stage=report", "--dry_run=true", "--launcher=slurm", "--wait=false")
    assert "ambiser.bin.report" in program(*words).stdout and "--only" not in program(*words).stdout
    assert "--only true" in program(*words, "--only=true").stdout


def test_an_experiment_without_the_stage_is_skipped_in_one_line(program, tmp_path):
    done = program("launch", "--stage=distill", "--dry_run=true")
    assert {config for config, _ in jobs(done)} == {"ce"}
    assert [line for line in done.stderr.splitlines() if "skipped" in line] == [
        line for line in done.stderr.splitlines() if line.endswith("ipr-fbank-s1 has no stage distill: skipped")
    ]
    assert done.stderr.count("skipped") == 1 and done.returncode == 0
    assert program("launch", "--stage=distill", "--dry_run=true", configs=["ipr"]).returncode == SKIPPED
    assert not (tmp_path / "exp").exists()


def test_run_sh_says_which_stages_no_experiment_has(root):
    script = (root / "tools/recipe.sh").read_text()
    assert f"\nno_job={SKIPPED} " in script and "((status == no_job)) && outcome=skipped\n" in script


def test_a_job_that_is_done_is_not_run_again(program, tmp_path):
    best = tmp_path / "exp/ce-fbank-s1/fold1/distill/best.safetensors"
    best.parent.mkdir(parents=True)
    best.touch()
    assert jobs(program("launch", "--stage=distill", "--dry_run=true")) == [("ce", "2")]
    done = program("launch", "--stage=distill", "--folds", 1)
    assert done.returncode == 0
    assert "1 of 1 jobs are done already" in done.stderr


def test_options_reach_the_jobs_as_they_are(program):
    odd = "text_features.model=it's $HOME; `id` >out *"
    done = program(
        "launch", "--stage=distill", "--dry_run=true", "--set", odd, "--tag", "x", "--ssl", "fbank", "--folds", 2
    )
    (command,) = [shlex.split(line) for line in done.stdout.splitlines()]
    assert command[command.index("--set") + 1] == odd
    assert command[command.index("--tag") + 1] == "x"
    assert command[command.index("--ssl") + 1] == "fbank"


def test_without_stage_1_the_file_and_the_command_are_named(program, tmp_path):
    (tmp_path / "data/corpus.json").unlink()
    done = program("launch", "--stage=distill")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"launch: error: {tmp_path}/data/corpus.json is missing; stage 1 (prepare) writes it: "
        "./run.sh --stage 1 --stop_stage 1"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", 3], "--folds 3: there is no such fold"),
        (["--set", "data.mini_utterances=61"], "data.mini_utterances: 640 -> 61"),
        (["--seeds", 1, 1], "ce-fbank-s1 is given twice"),
        (["--launcher", "pbs"], "--launcher must be one of local,slurm, not pbs"),
        (["--nj", 0], "--nj must be a whole number from 1 to 4096, not 0"),
        (["--set", "ipr.queu=1"], "unknown key 'ipr.queu'; did you mean 'ipr.queue'?"),
    ],
)
def test_a_faulty_option_ends_with_2(program, options, message):
    done = program("launch", "--stage=distill", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_another_configuration_is_refused_before_anything_runs(program, tmp_path):
    best = tmp_path / "exp/ce-fbank-s1/fold1/distill/best.safetensors"
    best.parent.mkdir(parents=True)
    best.touch()
    assert program("launch", "--stage=distill", "--folds", 1, configs=("ce",)).returncode == 0
    options = ["--set", "distill.epochs=7", "model.hidden=64", "--folds", 2]
    done = program("launch", "--stage=distill", *options, configs=("amber2", "ce"))
    assert done.returncode == 2
    assert "ce-fbank-s1 was made with another configuration; use --tag NAME" in done.stderr
    assert "distill.epochs: 30 -> 7" in done.stderr
    assert "model.hidden: 256 -> 64" in done.stderr
    assert list((tmp_path / "exp").rglob("*.log")) == []


def test_a_dry_run_with_slurm_shows_script_line_and_commands(program, tmp_path):
    site = tmp_path / "slurm.yaml"
    site.write_text("train: {partition: fast, memory: 1G}\n")
    done = program("launch", "--stage=distill", "--dry_run=true", "--launcher=slurm", "--slurm_config", site)
    assert done.returncode == 0, done.stderr
    assert "#!/bin/bash\nexec " in done.stdout
    assert " --array=0-1 " in done.stdout and " --partition=fast --mem=1G " in done.stdout
    assert done.stdout.count(" -m ambiser.bin.train --stage distill ") == 2
    assert not (tmp_path / "exp").exists()


def test_status_shows_done_begun_and_missing(program, tmp_path):
    fold = tmp_path / "exp/ipr-fbank-s1/fold1"
    for name in ("prototypes", "update"):
        (fold / name).mkdir(parents=True)
    (fold / "prototypes/best.safetensors").touch()
    (fold / "predictions.tsv").touch()
    (tmp_path / "exp/ce-fbank-s1").mkdir()
    (tmp_path / "exp/ce-fbank-s1/results.json").touch()
    (tmp_path / "dump/fbank").mkdir(parents=True)
    (tmp_path / "dump/fbank/feats.scp").touch()
    done = program("status")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["data", "done:", "60", "utterances,", "folds", "1", "2"]
    assert f"features  done: {tmp_path}/dump/fbank" in lines
    rows = {line.split()[0]: line.split()[1:] for line in lines if "-fbank-s1" in line}
    assert rows == {
        "ce-fbank-s1": ["-", "-", "-", "..", "..", "done"],
        "ipr-fbank-s1": ["#.", "~.", "..", "-", "#.", "missing"],
    }


def test_status_of_nothing(program, tmp_path):
    (tmp_path / "data/corpus.json").unlink()
    done = program("status", configs=("amber2",))
    assert done.returncode == 0, done.stderr
    assert "data      missing" in done.stdout
    assert f"features  missing: {tmp_path}/dump/hashing" in done.stdout


def test_check_names_the_machine_and_the_experiments(program):
    done = program("check")
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.splitlines()]
    for name in ("Python", "packages", "cores", "memory", "GPU", "disk", "experiment", "upstream", "corpus"):
        assert name in names


def test_check_names_all_faults_of_all_configurations_at_once(program, tmp_path):
    (tmp_path / "a.yaml").write_text("modle: {hidden: 3}\n")
    (tmp_path / "b.yaml").write_text("model: {hidden: none}\nstages: [distil]\n")
    configs = (tmp_path / "a", tmp_path / "b", tmp_path / "c")
    done = program("check", configs=configs)
    assert (done.returncode, done.stdout) == (2, ""), "no fact about the machine comes before these faults"
    for fault in (
        f"{tmp_path}/a.yaml:1: unknown key 'modle'; did you mean 'model'?",
        f"{tmp_path}/b.yaml:1: model.hidden: ",
        f"{tmp_path}/b.yaml:2: stages",
        f"{tmp_path}/c.yaml: does not exist",
    ):
        assert done.stderr.count(fault) == 1


def test_check_names_faults_of_disk_and_corpus_after_the_machine(program, root, tmp_path):
    (tmp_path / "file").touch()
    config = root / "egs/iemocap/conf/ce"
    done = program("check", f"--dump_dir={tmp_path}/file/dump", configs=(config,))
    assert done.returncode == 2
    assert "Python" in done.stdout
    for fault in (
        f"--dump_dir {tmp_path}/file/dump: {tmp_path}/file is not a folder",
        "iemocap: the corpus needs a folder",
    ):
        assert fault in done.stderr


def test_check_names_the_faults_of_a_site(program, tmp_path):
    site = tmp_path / "slurm.yaml"
    site.write_text("train: {partion: fast}\npoll_s: soon\n")
    done = program("check", "--launcher=slurm", "--slurm_config", site)
    assert done.returncode == 2
    assert f"{site}:1: unknown key 'train.partion'; did you mean 'train.partition'?" in done.stderr
    assert f"{site}:2: poll_s: " in done.stderr
    assert program("check", "--slurm_config", site).returncode == 0


def test_check_knows_the_names_of_upstreams(program):
    done = program("check", "--ssl", "wavlm_lagre")
    assert done.returncode == 2
    assert "unknown upstream 'wavlm_lagre'; did you mean wavlm_large" in done.stderr


def test_check_says_where_weights_are_and_how_to_fetch_them(program, tmp_path):
    done = program("check", "--ssl", "whisper_small", "--set", f"speech_features.checkpoint={tmp_path}")
    assert f"upstream    huggingface: weights in {tmp_path}\n" in done.stdout and done.returncode == 0
    done = program("check", "--ssl", "whisper_small", "--set", "speech_features.checkpoint=no/such")
    assert "huggingface no/such: its weights are not on this machine\n" in done.stdout and done.returncode == 0
    assert "first run tools/fetch_weights.sh whisper_small elsewhere" in done.stdout
    done = program("check", "--ssl", "wavlm_local", "--set", "speech_features.checkpoint=no/such")
    assert "speech_features.checkpoint: no/such does not exist" in done.stderr and done.returncode == 2


def test_check_asks_for_the_corpus(run, root, tmp_path, python):
    config = root / "egs/iemocap/conf/ce.yaml"
    command = [python, "-m", "ambiser.bin.check", "--config", config]
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert "iemocap: the corpus needs a folder; give --corpus_dir FOLDER" in done.stderr
    done = run(*command, "--corpus_dir", tmp_path / "no", cwd=tmp_path)
    assert f"iemocap: the folder {tmp_path}/no does not exist" in done.stderr
    assert run(*command, "--corpus_dir", tmp_path, cwd=tmp_path).returncode == 0
