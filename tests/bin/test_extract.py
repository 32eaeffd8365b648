"""Stage 2 as a program: claims, skips, refusals and Ctrl-C."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
from features.conftest import make_wavs, write_data

from ambiser.bin import extract as extract_features
from ambiser.features.extraction.stored import load_frames, load_pooled
from ambiser.features.upstreams.prosody import NAMES
from ambiser.io.console import log, run_main

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    write_data(folder / "data", make_wavs(folder / "wavs", [9000, 8000, 7000]))
    (folder / "both.yaml").write_text("stages: [distill]\n")
    (folder / "speech.yaml").write_text("stages: [distill]\namber: {student: A, guidance: 0, teacher: 0}\n")
    return folder


def program(*options):
    return [sys.executable, "-m", "ambiser.bin.extract", *map(str, options)]


@pytest.fixture
def run_program(python, environment):
    """The same program as a fork of the server of the session, with workers."""

    def run(folder, *options, configs=("both.yaml",)):
        return subprocess.run(
            [python, *program("--config", *configs, *options)[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def run(monkeypatch, capsys, no_workers):
    """The same program without a process of its own, and without workers: both take seconds to begin."""
    for name in ("handlers", "propagate", "level"):
        monkeypatch.setattr(log, name, getattr(log, name))
    before = signal.getsignal(signal.SIGTERM)

    def run(folder, *options, configs=("both.yaml",)):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(log, "handlers", [])
        monkeypatch.setattr(sys, "argv", ["extract_features", "--config", *configs, *map(str, options)])
        with pytest.raises(SystemExit) as caught:
            run_main(extract_features.main)
        return SimpleNamespace(returncode=caught.value.code, stderr=capsys.readouterr().err)

    yield run
    signal.signal(signal.SIGTERM, before)


def test_every_kind_is_extracted_once_and_then_skipped(recipe, run_program):
    done = run_program(recipe, "--nj", 1, "--seeds", 1, 2, "--folds", 1, configs=("both.yaml", "speech.yaml"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("features of 3 utterances") == 2
    assert (recipe / "dump/fbank/feats.scp").is_file() and (recipe / "dump/hashing/feats.scp").is_file()
    assert (recipe / "dump/fbank/feats.scp").read_text().splitlines()[0].split()[1].startswith("feats.0001.ark:")
    again = run_program(recipe)
    assert again.returncode == 0 and again.stderr.count("exist already") == 2
    assert len(again.stderr.splitlines()) == 2


def test_an_encoder_that_learns_needs_no_features(recipe, run):
    text = "stages: [distill]\nmodel: {encoder: finetune, text_encoder: finetune}\ntext: bert_base_uncased\n"
    (recipe / "learns.yaml").write_text(text)
    done = run(recipe, "--dump_dir", "none", configs=("learns.yaml",))
    assert done.returncode == 0, done.stderr
    assert [line.split(" I ")[1] for line in done.stderr.splitlines()] == [
        "learns-fbank-s1 trains its speech encoder from the waveforms: needs no speech features",
        "learns-fbank-s1 trains its text encoder from the transcripts: needs no text features",
    ]
    assert not (recipe / "none").exists()


def test_a_part_leaves_text_and_the_last_file_to_the_run_that_joins(recipe, run):
    done = run(recipe, "--dump_dir", "parts", "--part", 1, 1)
    assert done.returncode == 0, done.stderr
    assert (recipe / "parts/fbank/parts/1-of-1").is_file()
    assert not (recipe / "parts/fbank/feats.scp").exists() and not (recipe / "parts/hashing").exists()
    assert run(recipe, "--dump_dir", "parts").returncode == 0
    assert (recipe / "parts/fbank/feats.scp").is_file() and (recipe / "parts/hashing/feats.scp").is_file()
    assert "--part K N must be 1 <= K <= N, got 3 2" in run(recipe, "--part", 3, 2).stderr


def test_a_run_that_waited_for_another_does_not_extract_again(recipe, run, monkeypatch):
    """The features of another run appear while this one waits."""
    assert run(recipe).returncode == 0

    @contextlib.contextmanager
    def wait(path):
        shutil.copytree(recipe / "dump" / path.parent.name, path.parent, dirs_exist_ok=True)
        yield

    monkeypatch.setattr(extract_features, "hold", wait)
    monkeypatch.setattr(extract_features, "_speech", None)
    monkeypatch.setattr(extract_features, "_text", None)
    done = run(recipe, "--dump_dir", "waited")
    assert done.returncode == 0 and done.stderr.count("exist already") == 2


def test_an_experiment_on_speech_alone_needs_no_text(recipe, run):
    run(recipe)
    shutil.copytree(recipe / "dump/fbank", recipe / "speech/fbank")
    done = run(recipe, "--dump_dir", "speech", configs=("speech.yaml",))
    assert done.returncode == 0 and len(done.stderr.splitlines()) == 1, done.stderr
    assert sorted(path.name for path in (recipe / "speech").iterdir()) == ["fbank"]


def test_tokens_of_hypotheses_and_prosody_have_their_own_folders(recipe, run):
    (recipe / "hypotheses").write_text("other never said\nutt001 so very sad\n")
    tokens = ("text_features.form=tokens", "text_features.transcripts=hypotheses", "speech_features.prosody=true")
    options = ("--dump_dir", "tokens", "--set", *tokens)
    done = run(recipe, *options)
    assert done.returncode == 0 and "2 without words" in done.stderr, done.stderr
    shapes = [len(rows) for rows in load_frames(recipe / "tokens/hashing_tokens/feats.scp", ["utt000", "utt001"])]
    assert shapes == [1, 3]
    assert load_pooled(recipe / "tokens/fbank_prosody/feats.scp", ["utt000"]).shape == (1, 1, 480 + len(NAMES))
    (recipe / "hypotheses").write_text("other never said\n")
    done = run(recipe, *options)
    assert done.returncode == 2 and "hypotheses: names no utterance" in done.stderr


def test_other_settings_stop_with_the_differing_keys(recipe, run):
    run(recipe)
    done = run(recipe, "--set", "speech_features.statistics=mean", "text_features.dim=64")
    assert done.returncode == 2
    assert "speech_features.statistics: mean_std -> mean" in done.stderr and "Traceback" not in done.stderr
    done = run(recipe, "--set", "text_features.dim=64")
    assert done.returncode == 2 and "text_features.dim: 256 -> 64" in done.stderr


def test_changed_audio_stops_a_finished_run_and_not_an_unfinished_one(recipe, run, tmp_path):
    shutil.copytree(recipe / "data", tmp_path / "data")
    shutil.copy(recipe / "both.yaml", tmp_path)
    wavs = make_wavs(tmp_path / "wavs", [9000, 8000, 7000])
    whole = Path(wavs["utt001"]).read_bytes()
    write_data(tmp_path / "data", wavs)
    Path(wavs["utt001"]).write_bytes(whole[:999])
    done = run(tmp_path)
    assert done.returncode == 2 and f"utt001: {wavs['utt001']}: is truncated" in done.stderr
    Path(wavs["utt001"]).write_bytes(whole)
    assert run(tmp_path).returncode == 0
    soundfile.write(wavs["utt002"], soundfile.read(wavs["utt002"])[0][:5000], 16000)
    done = run(tmp_path)
    assert done.returncode == 2 and "1 utterances have changed" in done.stderr, done.stderr
    assert f"such as utt002 ({wavs['utt002']})" in done.stderr and "remove dump/fbank/feats.scp" in done.stderr
    (tmp_path / "dump/fbank/feats.scp").unlink()
    assert run(tmp_path).returncode == 0 and "exist already" in run(tmp_path).stderr


def test_touched_or_moved_audio_and_removed_utterances_cost_nothing(recipe, run, tmp_path):
    run(recipe)
    shutil.copytree(recipe / "dump", tmp_path / "dump")
    shutil.copy(recipe / "both.yaml", tmp_path)
    wavs = make_wavs(tmp_path / "moved", [9000, 8000, 7000])
    write_data(tmp_path / "data", wavs)
    assert run(tmp_path).stderr.count("exist already") == 2
    del wavs["utt001"]
    write_data(tmp_path / "data", wavs)
    assert run(tmp_path).stderr.count("exist already") == 2
    wavs = make_wavs(tmp_path / "moved", [9000, 8000, 7000, 6000])
    write_data(tmp_path / "data", wavs)
    assert "features of 4 utterances" in run(tmp_path).stderr


def test_a_lost_ark_is_extracted_again(recipe, run):
    run(recipe)
    shutil.copytree(recipe / "dump", recipe / "lost")
    ark = recipe / "lost/fbank/feats.0001.ark"
    content = ark.read_bytes()
    ark.unlink()
    assert run(recipe, "--dump_dir", "lost").returncode == 0
    assert ark.read_bytes() == content


def test_missing_tables_and_bad_options_are_one_line(recipe, run):
    done = run(recipe, "--data_dir", "nowhere")
    assert done.returncode == 2 and "stage 1 (prepare)" in done.stderr and len(done.stderr.splitlines()) == 1
    done = run(recipe, "--nj", 0)
    assert done.returncode == 2 and "--nj must be a whole number from 1 to 4096, not 0" in done.stderr


def test_help_does_not_load_torch(recipe):
    done = subprocess.run(program("--help"), cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "--nj" in done.stdout
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, ambiser.bin.extract; print('torch' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert loaded.stdout == "False\n"


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_stopped_run_leaves_no_process_and_resumes(recipe, name, run_program):
    dump = f"stopped_{name}"
    process = subprocess.Popen(
        program("--config", "both.yaml", "--dump_dir", dump, "--nj", "2"),
        cwd=recipe,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 100
    while not (recipe / dump / "fbank/config.yaml").is_file() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT) if name == "INT" else process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in stderr, stderr
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a process of the run is still there")
    if name == "INT":
        done = run_program(recipe, "--dump_dir", dump)
        assert done.returncode == 0, done.stderr
