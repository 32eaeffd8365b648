"""Times what the launchers add to the work; run by hand, never by pytest.

python tests/benchmarks/launchers.py slurm    arrays of 4 and 100 trivial tasks on a Slurm of its own; 1,000 watched
python tests/benchmarks/launchers.py local    five jobs of a few seconds on two cores, against xargs -P 2
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ambiser.config.site import JobRequest, Slurm
from ambiser.launch import local, slurm, slurm_arrays, slurm_client, slurm_watch
from ambiser.launch.job import Job

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from launch.cluster import Cluster

TOUCH = "import sys; open(sys.argv[1], 'w')"
BUSY = TOUCH + "; import time; a = time.process_time()\nwhile time.process_time() - a < 4: pass"


def tasks_of(folder: Path, count: int, code: str) -> list[Job]:
    """Returns so many Python programs."""
    argvs = [(sys.executable, "-I", "-S", "-c", code, str(folder / f"{i}.done")) for i in range(count)]
    return [Job(f"t{i}", argv, folder / f"{i}.log", folder / f"{i}.done") for i, argv in enumerate(argvs)]


def time_slurm(folder: Path) -> None:
    """Prints the seconds of arrays of trivial tasks."""
    cluster, job = Cluster(), JobRequest(memory="100M")
    site = Slurm(train=job, retries=0)
    try:
        cluster.start()
        os.environ["SLURM_CONF"] = str(cluster.conf)
        for count in (4, 100):
            start = time.perf_counter()
            tasks = tasks_of(folder / str(count), count, TOUCH)
            status = slurm.run_jobs(
                tasks, folder=folder / "jobs" / str(count), slurm=site, request=job, description="x"
            )
            print(f"array of {count}: {time.perf_counter() - start:.1f} s, status {status}")
    finally:
        cluster.stop()


def time_watching(folder: Path) -> None:
    """Prints how often squeue is called, and the processor time, while 1,000 tasks run for half a minute."""
    tasks = tasks_of(folder, 1000, TOUCH)
    array = slurm_arrays.prepare(folder / "watched", tasks, JobRequest(), 0)
    array.job = "1"
    calls, ends = [], time.monotonic() + 30

    def squeue(jobs: list[str]) -> dict:
        calls.append(jobs)
        state = "RUNNING" if time.monotonic() < ends else "CANCELLED"
        return {("1", i): (state, "None") for i in range(1000)}

    slurm_client.squeue = squeue
    for index, digest in enumerate(array.digests):
        status = {"run": array.run, "digest": digest, "state": "running", "exit": None, "reason": "", "log_start": 0}
        (array.folder / "status" / f"{index}.json").write_text(json.dumps(status))
    start, used = time.perf_counter(), time.process_time()
    ended = list(slurm_watch.outcomes([array], poll_s=10, late_s=60))
    seconds, used = time.perf_counter() - start, time.process_time() - used
    print(f"{len(ended)} tasks watched for {seconds:.0f} s: {len(calls)} calls of squeue, {used:.1f} s of processor")


def time_local(folder: Path) -> None:
    """Prints the seconds of five busy jobs by the local launcher and by xargs."""
    tasks = tasks_of(folder, 5, BUSY)
    start = time.perf_counter()
    local.run_jobs(tasks, slots=[None, None], memory_bytes=1, description="x")
    launcher = time.perf_counter() - start
    lines = "".join(f"{task.done}\n" for task in tasks)
    start = time.perf_counter()
    command = ["xargs", "-P", "2", "-n", "1", sys.executable, "-I", "-S", "-c", BUSY]
    subprocess.run(command, input=lines, text=True, check=True)
    by_hand = time.perf_counter() - start
    print(f"launcher {launcher:.1f} s, by hand {by_hand:.1f} s: {launcher / by_hand - 1:+.1%}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        if sys.argv[1:] == ["slurm"]:
            time_slurm(Path(name))
            time_watching(Path(name))
        elif sys.argv[1:] == ["local"]:
            time_local(Path(name))
        else:
            sys.exit(__doc__)
