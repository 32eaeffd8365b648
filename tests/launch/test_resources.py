"""Free memory, GPUs and disk of this machine, with a made-up nvidia-smi and container."""

import os

import psutil
import pytest

from ambiser.launch import resources

GIB = 2**30


def test_gpus_are_shared_in_turn_by_their_free_memory(monkeypatch):
    big, small = 5 * GIB, GIB
    monkeypatch.setattr(resources, "free_gpus", lambda: [("a", big), ("b", small)])
    assert resources.device_slots(10) == ["a", "b", "a"]
    assert resources.device_slots(2) == ["a", "b"]
    assert resources.device_slots(3, use_gpus=False) == [None, None, None]
    monkeypatch.setattr(resources, "free_gpus", lambda: [("a", big)])
    assert resources.device_slots(10) == [None, None]
    monkeypatch.setattr(resources, "free_gpus", lambda: [])
    assert resources.device_slots(3) == [None, None, None]


def test_jobs_can_have_gpus_to_themselves(monkeypatch):
    monkeypatch.setattr(resources, "free_gpus", lambda: [(name, 80 * GIB) for name in "abcde"])
    assert resources.device_slots(10, own=1) == ["a", "b", "c", "d", "e"]
    assert resources.device_slots(10, own=2) == ["a,b", "c,d"]
    assert resources.device_slots(1, own=2) == ["a,b"]
    assert resources.device_slots(10, own=8) == ["a,b,c,d,e"]
    monkeypatch.setattr(resources, "free_gpus", lambda: [("a", 80 * GIB)])
    assert resources.device_slots(10, own=2) == [None]
    monkeypatch.setattr(resources, "free_gpus", lambda: [])
    assert resources.device_slots(5, own=2) == [None, None]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-1111", "GPU-2222"]),
        ("1", ["GPU-2222"]),
        ("GPU-11", ["GPU-1111"]),
        ("0,1", ["GPU-1111", "GPU-2222"]),
        ("", []),
        ("-1", []),
    ],
)
def test_only_gpus_in_cuda_visible_devices_count(monkeypatch, tmp_path, visible, expected):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-1111, 1000'; echo '1, GPU-2222, 3000'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [name for name, _ in resources.free_gpus()] == expected
    if visible == "1":
        assert resources.free_gpus()[0][1] == 3000 * 2**20


@pytest.mark.parametrize("script", ["exit 9", "echo nonsense", "echo '0, GPU-1, [N/A]'"])
def test_there_is_no_gpu_if_nvidia_smi_fails(monkeypatch, tmp_path, script):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert resources.free_gpus() == []


def test_free_memory_is_limited_by_the_container(tmp_path):
    whole = resources.available_memory_bytes(tmp_path)
    assert whole == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 100\nfile 5\n")
    assert resources.available_memory_bytes(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert resources.available_memory_bytes(tmp_path) == pytest.approx(whole, rel=0.2)


def test_a_missing_folder_is_on_the_disk_of_its_nearest_parent(tmp_path):
    place, free = resources.disk_of(tmp_path / "a" / "b")
    assert place == tmp_path
    assert free > 0


def test_the_whole_memory_is_that_of_the_container_or_of_the_slurm_job(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    assert resources.total_memory_bytes(tmp_path) == psutil.virtual_memory().total
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    assert resources.total_memory_bytes(tmp_path) == 2**30
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "512")
    assert resources.total_memory_bytes(tmp_path) == 2**29
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # all of the node
    assert resources.total_memory_bytes(tmp_path) == 2**30
