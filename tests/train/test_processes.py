"""One training by one process and by two: the same losses and the same prototypes, to rounding; and what is lost."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from train import lost

from ambiser.config import Config
from ambiser.errors import UserError
from ambiser.launch.ranks import Place, run_ranks
from ambiser.train import processes
from ambiser.train.checkpoint import load_best

TESTS = Path(__file__).resolve().parents[1]
STAGES = ("prototypes", "contrastive", "frames")


@pytest.fixture(scope="module", autouse=True)
def _variables(environment):
    """The environment of warm programs, and none of a GPU's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", f"{TESTS.parent}:{TESTS}")
        if torch.cuda.is_available():
            patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.chdir(TESTS)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, speech_folders, text_folder, python):
    """Folders of the same trainings by one process and by two."""
    folder = tmp_path_factory.mktemp("several")
    words = [folder, speech_folders["wav2vec2"], text_folder]
    subprocess.run([python, "-m", "train.several", *map(str, words)], check=True, timeout=900)
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_losses_and_dev_scores_are_the_same(trained, stage):
    one, two = (
        [json.loads(line) for line in (trained / count / stage / "metrics.jsonl").read_text().splitlines()]
        for count in ("1", "2")
    )
    assert len(one) == len(two) == 2
    for mine, other in zip(one, two, strict=True):
        assert mine.keys() == other.keys()
        for name in mine:
            if mine[name] is None:  # an agreement of no utterance
                assert other[name] is None, name
                continue
            want = torch.tensor(mine[name], dtype=torch.float64)
            assert torch.allclose(torch.tensor(other[name], dtype=torch.float64), want, rtol=2e-5, atol=2e-6), name


@pytest.mark.parametrize("stage", STAGES)
def test_weights_prototypes_queue_and_targets_are_the_same(trained, stage):
    (one, facts), (two, same) = (load_best(trained / count / stage / "best.safetensors") for count in ("1", "2"))
    assert one.keys() == two.keys() and facts["epoch"] == same["epoch"]
    for name in one:
        assert torch.allclose(one[name].float(), two[name].float(), rtol=1e-3, atol=2e-5), name
    if stage == "contrastive":
        assert int(one["queue.state"][1]) > 0 and one["memory.prototypes"].norm() > 1
        assert torch.allclose(one["memory.prototypes"], two["memory.prototypes"], atol=1e-5)


def test_only_the_first_process_writes(trained):
    files = [sorted(str(p.relative_to(trained / c)) for p in (trained / c).rglob("*")) for c in ("1", "2")]
    assert files[0] == files[1]
    assert not [name for name in files[1] if name.endswith((".tmp", "last.pt"))]


@pytest.fixture
def several():
    """A function that runs work(place) of some code in several processes; returns exit status and standard error."""
    start = """
from train.several import in_processes
import torch
from torch import distributed, nn
from ambiser.train.processes import Divided, check_same, sum_gradients
torch.manual_seed(0)
"""

    def run(code: str, count: int = 2) -> tuple[int, str]:
        words = [sys.executable, "-c", f"{start}{code}\nin_processes({count}, work)"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stderr

    return run


def test_gradients_are_those_of_the_whole_batch_also_where_a_share_has_none(several):
    """Three processes, four rows: the last has no share; and a part of the encoder is used by the first row alone."""
    code = """
class Front(nn.Module):
    def __init__(self):
        super().__init__()
        self.all, self.some = nn.Linear(3, 2), nn.Linear(3, 2)
    def forward(self, x):
        y = self.all(x)
        return torch.cat([self.some(x[:1]), y[1:]]) if x[0, 0] > 5 else y
def work(place):
    front, head = Front(), nn.Linear(2, 1)
    x = torch.randn(4, 3)
    x[0, 0] = 9
    modules = nn.ModuleDict({"front": Divided(front), "head": head})
    loss = head(modules["front"](x)).square().mean() + modules["front"](x).std()
    loss.backward()
    sum_gradients(modules)
    got = [p.grad.clone() for p in modules.parameters()]
    modules.zero_grad()
    (head(front(x)).square().mean() + front(x).std()).backward()
    for mine, want in zip(got, [p.grad for p in modules.parameters()]):
        assert torch.allclose(mine, want, atol=1e-6), (place, mine, want)
"""
    assert several(code, 3) == (0, "")


def test_a_lost_process_stops_all_and_the_same_command_resumes(tmp_path, capfd, caplog, python):
    lost.train(tmp_path / "one")

    def in_two(killed_at: int) -> tuple[int, str]:
        status = run_ranks([python, "-m", "train.lost", str(tmp_path / "two"), str(killed_at)], 2)
        return status, capfd.readouterr().err

    status, text = in_two(killed_at=6)
    assert status == 1
    assert "process 2 of 2 ended with" in caplog.text and "all were stopped" in caplog.text
    assert "; run the same command again to continue\n" in text  # lost, or stopped: whichever came first
    assert "Traceback" not in text
    assert not (tmp_path / "two/best.safetensors").exists()
    status, text = in_two(killed_at=lost.NEVER)
    assert status == 0 and "resumes after epoch " in text
    for name in ("best.safetensors", "metrics.jsonl"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_a_lost_process_is_reported_in_one_line(several):
    """The first process hears of it from nobody but the connection."""
    code = """
import os, signal
def work(place):
    if place.rank == 1: os.kill(os.getpid(), signal.SIGKILL)
    distributed.all_reduce(torch.ones(2))
"""
    status, text = several(code)
    assert status == 1 and len(text.splitlines()) == 1
    assert text.startswith("process 1 of 2 lost another process (") and text.endswith("again to continue\n")


def test_processes_that_see_different_files_stop_with_one_line(several):
    status, text = several("def work(place): check_same(3 + place.rank, 'the resume epoch')")
    assert status == 1
    assert "UserError: the processes differ in the resume epoch: [3, 4]" in text


def test_cached_features_are_trained_by_one_process():
    with pytest.raises(ValueError, match="train.processes: heads on cached features train in one process"):
        Config.model_validate({"train": {"processes": 2}})
    assert Config.model_validate({"train": {"processes": 2}, "model": {"encoder": "finetune"}}).train.processes == 2


def test_an_unreachable_first_process_is_one_line(monkeypatch):
    monkeypatch.setattr(processes, "_PATIENCE", timedelta(seconds=1))
    monkeypatch.setattr(processes.log, "setLevel", lambda level: None)
    alone = processes.joined(Place(1, 2, 1, "127.0.0.1", 9), torch.device("cpu"))
    with pytest.raises(UserError, match=r"^process 2 of 2 cannot reach the first one at 127.0.0.1:9: [^\n]+$"), alone:
        pass
