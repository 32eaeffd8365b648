"""What this machine has left for jobs: memory, GPUs and disk."""

import os
import shutil
import subprocess
from pathlib import Path

import psutil

GPU_BYTES_PER_JOB = 2 * 2**30
_CGROUPS = (  # limit, use, name of the reclaimable part in memory.stat: version 2, then version 1
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)


def available_memory_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Returns how much memory new jobs can take: of the machine, or of the container when that has less left."""
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
    """Returns the devices of each job that may run at the same time, at most `jobs` entries.

    Jobs go to the GPUs in turn, as many to each as its free memory holds (at least one); or, with `own`, each has so
    many GPUs to itself (all, where there are fewer). Only where there are several GPUs is a job told which to use;
    None leaves CUDA_VISIBLE_DEVICES as it is.
    """
    gpus = free_gpus() if use_gpus else []
    if not gpus:
        return [None] * max(1, jobs // max(own, 1))
    if own:
        names = [name for name, _ in gpus]
        groups = [names[first : first + own] for first in range(0, max(len(gpus) - own, 0) + 1, own)]
        return [",".join(group) if len(gpus) > 1 else None for group in groups][:jobs]
    rounds = []
    for place, (_, free) in enumerate(gpus):
        rounds += [(turn, place) for turn in range(max(1, free // GPU_BYTES_PER_JOB))]
    return [gpus[place][0] if len(gpus) > 1 else None for _, place in sorted(rounds)][:jobs]


def free_gpus() -> list[tuple[str, int]]:
    """Returns identifier and free bytes of each GPU that this process may use; empty without nvidia-smi."""
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
    """Returns what there is of a folder's path so far, and how many bytes are free on its disk."""
    place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return place, shutil.disk_usage(place).free
