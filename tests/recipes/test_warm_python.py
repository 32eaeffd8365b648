"""The command that starts programs as forks for other tests: to its caller it is Python."""

import signal
import subprocess

import pytest
from recipes.test_mini import nothing_left_of, wait_for


@pytest.mark.parametrize("words", [["--help"], ["--no_such_option", "1"]])
def test_a_program_prints_and_ends_as_in_a_new_python(run, environment, cold_environment, words):
    warm, cold = (
        run(env["AMBISER_PYTHON"], "-m", "ambiser.bin.check", *words, env=env)
        for env in (environment, cold_environment)
    )
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert warm.stdout + warm.stderr


def test_programs_of_another_checkout_run_from_there(run, environment, tmp_path):
    other = tmp_path / "ambiser/bin"
    other.mkdir(parents=True)
    for path in (other / "__init__.py", other.parent / "__init__.py"):
        path.touch()
    (other / "check.py").write_text("print('the other one')")
    own = environment | {"PYTHONPATH": str(tmp_path)}
    done = run(environment["AMBISER_PYTHON"], "-m", "ambiser.bin.check", cwd=tmp_path, env=own)
    assert (done.returncode, done.stdout) == (0, "the other one\n")


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_signal_ends_command_and_program(root, environment, tmp_path, signum, status):
    words = ["--config", root / "egs/mini/conf/ce.yaml", "--data_dir", tmp_path / "data"]
    words += ["--set", "data.mini_utterances=120"]
    command = [environment["AMBISER_PYTHON"], "-m", "ambiser.bin.prepare", *words]
    with (tmp_path / "output").open("w") as stream:  # tells whose program runs: a fork has the words of its server
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    wait_for((tmp_path / "data/corpus").is_dir, process)
    process.send_signal(signum)
    assert process.wait(60) == status
    assert nothing_left_of(process, tmp_path)
    text = (tmp_path / "output").read_text()
    assert ("prepare: stopped; run the same command again to continue" in text) == (signum == signal.SIGTERM)
