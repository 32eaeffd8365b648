"""Checkpoints: round trips, equal bytes, and nothing executed."""

import pickle

import pytest
import torch

from ambiser.errors import DataError
from ambiser.train.checkpoint import Progress, load_best, load_progress, save_best, save_progress


def test_best_safetensors_is_read_back_and_written_with_equal_bytes(tmp_path):
    state = {"b": torch.randn(3, 2), "a": torch.arange(4)}
    save_best(tmp_path / "1", state, {"epoch": 3, "classes": ["x", "y"]})
    save_best(tmp_path / "2", state, {"classes": ["x", "y"], "epoch": 3})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    loaded, facts = load_best(tmp_path / "1")
    assert facts == {"epoch": 3, "classes": ["x", "y"]}
    assert torch.equal(loaded["b"], state["b"])
    assert torch.equal(loaded["a"], state["a"])


def test_progress_is_read_back_and_is_none_without_a_file(tmp_path):
    assert load_progress(tmp_path / "last.pt") is None
    save_progress(
        tmp_path / "last.pt", {"epoch": 2, "history": [{"epoch": 1, "x": 0.5}], "model": {"w": torch.ones(2)}}
    )
    assert load_progress(tmp_path / "last.pt")["history"] == [{"epoch": 1, "x": 0.5}]


def test_a_damaged_or_foreign_file_is_one_line(tmp_path):
    (tmp_path / "best.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match="remove it and run its stage again"):
        load_best(tmp_path / "best.safetensors")
    (tmp_path / "last.pt").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="remove it to restart the stage"):
        load_progress(tmp_path / "last.pt")


def test_a_pickle_with_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save({"x": Evil()}, tmp_path / "last.pt", pickle_module=pickle)
    with pytest.raises(DataError):
        load_progress(tmp_path / "last.pt")
    assert not (tmp_path / "harm").exists()


def test_progress_is_written_once_per_interval_and_after_an_exception(tmp_path):
    path, weight = tmp_path / "last.pt", torch.zeros(2)
    with pytest.raises(KeyboardInterrupt), Progress(path, 1000.0) as progress:
        for epoch in (1, 2):
            weight += 1
            progress.add({"epoch": epoch, "model": {"w": weight}})
            assert not path.exists()
        weight += 1  # the epoch that is interrupted
        raise KeyboardInterrupt
    state = load_progress(path)
    assert state["epoch"] == 2 and state["model"]["w"].tolist() == [2, 2]


def test_progress_without_an_interval_is_written_at_once(tmp_path):
    with Progress(tmp_path / "last.pt", 0.0) as progress:
        progress.add({"epoch": 1})
        assert load_progress(tmp_path / "last.pt") == {"epoch": 1}


def test_a_finished_training_writes_no_progress(tmp_path):
    with Progress(tmp_path / "last.pt", 1000.0) as progress:
        progress.add({"epoch": 1})
    assert not (tmp_path / "last.pt").exists()
