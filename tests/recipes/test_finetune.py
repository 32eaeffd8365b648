"""The mini recipe with encoders that learn: tiny random models, two processes, from the waveforms to the scores."""

import json

from features.conftest import speech_folders, text_folder  # noqa: F401 - fixtures

from ambiser.launch.warm import OWNER

SMALL = [
    "data.mini_utterances=60",
    "distill.epochs=1",
    "finetune.longest_s=1",
    "finetune.checkpointing=true",
    "train.processes=2",
    "train.tensorboard=false",
    "text_features.encoder=huggingface",
]


def test_a_whole_run_from_waveforms_and_transcripts(run, root, environment, tmp_path, speech_folders, text_folder):  # noqa: F811
    alone = environment | {OWNER: "off"}  # a job in a fork server would start its processes without one
    folders = [word for name in ("data", "dump", "exp") for word in (f"--{name}_dir", tmp_path / name)]
    models = [f"speech_features.checkpoint={speech_folders['wav2vec2']}", f"text_features.model={text_folder}"]
    settings = [word for setting in (*SMALL, *models) for word in ("--set", setting)]
    options = ["--config", "amber2_finetune", "--ssl", "hf_wav2vec2_custom", "--folds", "1", "--stop_stage", "7"]
    done = run(root / "egs/mini/run.sh", *folders, *options, *settings, env=alone, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trains its speech encoder from the waveforms: needs no speech features" in done.stderr
    assert not (tmp_path / "dump").exists()
    tag = tmp_path / "exp/amber2_finetune-hf_wav2vec2_custom-s1"
    log = (tag / "logs/distill.fold1.log").read_text()
    assert "million parameters" in log and "on cpu, by 2 processes" in log and log.count("keeps epoch 1 of 1") == 1
    assert json.loads((tag / "results.json").read_text())["stamp"]["ssl"] == "hf_wav2vec2_custom"
    rows = (tag / "fold1/predictions.tsv").read_text().splitlines()
    assert len(rows) > 5 and all(abs(sum(map(float, row.split("\t")[1:])) - 1) < 1e-6 for row in rows[1:])


def test_an_upstream_without_weights_is_refused_by_stage_0(run, root, tmp_path):
    folders = [f"--{name}_dir={tmp_path / name}" for name in ("data", "dump", "exp")]
    done = run(root / "egs/mini/run.sh", *folders, "--config", "ipr_finetune", "--ssl", "fbank")
    assert done.returncode == 2
    assert "model.encoder: finetune: fbank_no_cmvn has no weights to train; use --ssl wavlm_base_plus" in done.stderr
