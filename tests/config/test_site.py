"""conf/slurm.yaml: the shipped file, and all faults of a file at once."""

import pytest

from ambiser.config.site import SLURM_CONFIG, JobRequest, Slurm, load_slurm_config
from ambiser.errors import ConfigError


def test_the_shipped_file_is_valid_and_names_every_key():
    config = load_slurm_config(SLURM_CONFIG)
    assert config.train.cpus == 1
    assert config.gpu.gpus == 1
    text = SLURM_CONFIG.read_text()
    for key in [*Slurm.model_fields, *JobRequest.model_fields]:
        assert key in text


def test_the_common_keys_of_the_shipped_file_are_the_defaults():
    shipped, default = load_slurm_config(SLURM_CONFIG), Slurm()
    for key in ("feature_parts", "retries", "requeues", "warning_s", "poll_s", "late_s"):
        assert getattr(shipped, key) == getattr(default, key)


def test_all_faults_are_named_with_file_and_line(tmp_path):
    path = tmp_path / "slurm.yaml"
    path.write_text(
        "cpu:\n  memry: 4G\n  time: soon\ntrain: {partition: a b, extra: [-x], modules: [a;b], cpus: 0}\nretry: 1\n"
        "poll_s: 0\npoll_s: 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_slurm_config(path)
    text = str(caught.value)
    for fault in (
        f"{path}:2: unknown key 'cpu.memry'; did you mean 'cpu.memory'?",
        f"{path}:3: cpu.time: ",
        f"{path}:4: train.partition: ",
        f"{path}:4: train.extra.0: ",
        f"{path}:4: train.modules.0: ",
        f"{path}:4: train.cpus: should be greater than or equal to 1, got '0'",
        f"{path}:5: unknown key 'retry'; did you mean 'retries'?",
        f"{path}:7: 'poll_s' appears twice (first in line 6); keep one",
    ):
        assert fault in text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no.yaml: does not exist"):
        load_slurm_config(tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("", 0), ("10", 600), ("10:30", 630), ("1:00:05", 3605), ("2-3", 183600), ("1-0:30", 88200), ("1-0:0:7", 86407)],
)
def test_time_limits_are_read_as_by_slurm(time, seconds):
    assert JobRequest(time=time).time_s() == seconds


def test_only_finetuning_uses_several_processes(tmp_path):
    path = tmp_path / "slurm.yaml"
    path.write_text("finetune: {nodes: 2, tasks: 4, gpus: 4}\n")
    assert load_slurm_config(path).finetune.tasks == 4
    path.write_text("train: {tasks: 2}\n")
    with pytest.raises(ConfigError, match=r": train.tasks: must be 1; only finetune trains in several processes"):
        load_slurm_config(path)
