"""Measures the free memory, GPUs and disk of this machine."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import psutil

GPU_BYTES_PER_JOB = 2 * 2**30
_CGROUPS = (  # limit, usage, name of the reclaimable part in memory.stat; cgroup v2, then v1
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)


def total_memory_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Returns the memory of the machine, or that of the container or of the Slurm job if it is less."""
    total = psutil.virtual_memory().total
    for limit_name, _, _ in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int((cgroup / limit_name).read_text()))
    with contextlib.suppress(KeyError, ValueError):
        total = min(total, int(os.environ["SLURM_MEM_PER_NODE"]) * 2**20 or total)  # Slurm sets 0 for all of the node
    return total


def available_memory_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Returns the free memory of the machine, or of the container if that is less."""
    available = psutil.virtual_memory().available
    for limit_name, use_name, reclaimable_name in _CGROUPS:
        try:
            limit = int((cgroup / limit_name).read_text())
            use = int((cgroup / use_name).read_text())
            stat = (cgroup / use_name).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):
            continue
        reclaimable = next((int(line.split()[1]) for line in stat if line.startswith(f"{reclaimable_name} ")), 0)
        available = min(available, max(0, limit - use + reclaimable))
    return available


def device_slots(jobs: int, use_gpus: bool = True, own: int = 0) -> list[str | None]:
    """Returns one entry per job that can run at the same time: its GPUs, or None to keep CUDA_VISIBLE_DEVICES.

    Jobs share GPUs in turn, as many per GPU as its free memory holds (at least one). On a machine with one GPU, or
    none, all entries are None.

    Args:
        jobs: the maximum number of entries.
        use_gpus: whether jobs use GPUs.
        own: the number of GPUs that each job has to itself (all GPUs if there are fewer); 0: jobs share them.
    """
    gpus = free_gpus() if use_gpus else []
    if not gpus:
        return [None] * max(1, jobs // max(own, 1))
    if own:
        names = [name for name, _ in gpus]
        groups = [names[first : first + own] for first in range(0, max(len(gpus) - own, 0) + 1, own)]
        return [",".join(group) if len(gpus) > 1 else None for group in groups][:jobs]
    rounds = []
    for place, (_, free) in enumerate(gpus):  # sorted by turn: every GPU gets a first job before any gets a second
        rounds += [(turn, place) for turn in range(max(1, free // GPU_BYTES_PER_JOB))]
    return [gpus[place][0] if len(gpus) > 1 else None for _, place in sorted(rounds)][:jobs]


def free_gpus() -> list[tuple[str, int]]:
    """Returns the identifier and free bytes of each GPU that this process may use; empty without nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        rows = [[field.strip() for field in line.split(",")] for line in answer.splitlines() if line.strip()]
        gpus = [(index, uuid, int(mebibytes) * 2**20) for index, uuid, mebibytes in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        wanted = [name.strip() for name in visible.split(",") if name.strip()]
        gpus = [gpu for gpu in gpus if any(gpu[0] == name or gpu[1].startswith(name) for name in wanted)]
    return [(uuid, free) for _, uuid, free in gpus]


def disk_of(folder: Path) -> tuple[Path, int]:
    """Returns the nearest existing parent of a folder, or the folder itself, and the free bytes of its disk."""
    place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return place, shutil.disk_usage(place).free
