"""A real Slurm of two nodes on this machine, for tests: no systemd, its own ports, everything in one folder."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmstepd", "sbatch", "squeue", "scontrol")
PLACES = f"{os.environ['PATH']}:/usr/sbin:/sbin"
CONF = """\
ClusterName=t
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={d}/run/munge.sock,cred_expire=5
StateSaveLocation={d}/state
SlurmdSpoolDir={d}/spool/%n
SlurmctldPidFile={d}/run/slurmctld.pid
SlurmdPidFile={d}/run/slurmd.%n.pid
SlurmctldLogFile={d}/log/slurmctld.log
SlurmdLogFile={d}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
SlurmdTimeout=5
KillWait=2
MaxArraySize=1001
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[2]}] CPUs=2 RealMemory=4000 Gres=gpu:2
PartitionName=cpu Nodes=n[1-2] Default=YES DefMemPerCPU=500
PartitionName=gpu Nodes=n[1-2] DefMemPerCPU=500
PartitionName=urgent Nodes=n[1-2] DefMemPerCPU=500 PriorityTier=10
"""


def _missing() -> str:
    """Says which program of Slurm is not here, or nothing."""
    names = [name for name in PROGRAMS if not _which(name)]
    return f"Slurm cannot be had here ({names[0]} is missing; Debian: apt-get install slurm-wlm munge)" if names else ""


def is_slurm_here() -> bool:
    """Returns whether all programs of Slurm are installed."""
    return not _missing()


def needs_slurm() -> list[pytest.MarkDecorator]:
    """Returns the marks of a file whose tests need a real Slurm."""
    return [
        pytest.mark.skipif(bool(_missing()), reason=_missing() or "Slurm is here"),
        pytest.mark.flaky(reruns=1),  # Slurm's daemons have timing of their own; a second try is printed as R
    ]


class Cluster:
    """Starts, kills and stops the daemons; every process is one that it started, or was started by one."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-test-"))
        self.folder.chmod(0o755)  # the whole path must be open to all
        for name in ("run", "state", "spool", "log", "dev"):
            (self.folder / name).mkdir(mode=0o755)
        self.conf = self.folder / "slurm.conf"
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        self.conf.write_text(CONF.format(d=self.folder, host=host, user=user, ports=_free_ports()))
        devices = " ".join(self._devices())
        (self.folder / "gres.conf").write_text(f"NodeName=n[1-2] Name=gpu File={devices.replace(' ', ',')}\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        self.environment = os.environ | {"SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Starts munged, the controller and both nodes, and waits until the nodes are idle."""
        run = self.folder / "run"
        self._daemon(
            "munged",
            "--force",
            f"--key-file={self.folder / 'munge.key'}",
            f"--socket={run / 'munge.sock'}",
            f"--pid-file={run / 'munged.pid'}",
            f"--log-file={self.folder / 'log/munged.log'}",
            f"--seed-file={self.folder / 'munge.seed'}",
        )
        self.start_controller()
        for node in ("n1", "n2"):
            self.start_node(node)
        self.wait_for(lambda: self.nodes() == ["idle", "idle"], 30)

    def start_controller(self) -> None:
        self._daemon("slurmctld", "-f", str(self.conf))

    def start_node(self, node: str) -> None:
        self._daemon("slurmd", "-N", node, "-f", str(self.conf))

    def nodes(self) -> list[str]:
        return self.client("sinfo", "-h", "-N", "-p", "cpu", "-o", "%t").split()

    def client(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout

    def kill_node(self, node: str) -> None:
        """Kills slurmd and the slurmstepd of a node at one stroke, with what they run."""
        steps = [p for p in self._all() if p.name() == "slurmstepd" and self._works_on(p, node)]
        for process in [*self._processes(f"slurmd.{node}.pid"), *self._family(steps)]:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def jobs(self) -> list[psutil.Process]:
        """Returns the processes of all running jobs."""
        steps = [p for p in self._all() if p.name() == "slurmstepd"]
        return [p for p in self._family(steps) if p not in steps]

    def kill_controller(self) -> None:
        for process in self._processes("slurmctld.pid"):
            process.kill()
            process.wait(10)

    def wait_for(self, condition, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = [path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("log/*.log"))]
                shown = self.client("squeue", "-o", "%i %T %r %N") + self.client("sinfo", "-N", "-l")
                raise TimeoutError("\n".join([shown, *logs]))
            time.sleep(0.1)

    def stop(self) -> None:
        """Cancels what runs and ends every process that belongs to this folder."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.client("scancel", "-f", *self.client("squeue", "-h", "-o", "%A").split())
        for sign in (signal.SIGTERM, signal.SIGKILL):
            processes = self._family(self._all())
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(sign)
            psutil.wait_procs(processes, timeout=4)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _daemon(self, name: str, *options: str) -> None:
        done = subprocess.run(
            [_which(name), *options],
            env=self.environment | {"PATH": PLACES},
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"

    def _devices(self) -> list[str]:
        made = [self.folder / "dev/gpu0", self.folder / "dev/gpu1"]
        try:
            for path in made:
                os.mknod(path, 0o20600, os.makedev(1, 3))
        except OSError:
            return ["/dev/tty0", "/dev/tty1"]
        return list(map(str, made))

    def _processes(self, pid_file: str) -> list[psutil.Process]:
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int((self.folder / "run" / pid_file).read_text()))
            if str(self.folder) in " ".join(process.cmdline()):
                return [process]
        return []

    def _all(self) -> list[psutil.Process]:
        """Every daemon of this cluster: its command line names the folder, or (slurmstepd) it works in it."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                daemon = process.name().startswith(("slurm", "munge"))
                if daemon and str(self.folder) in " ".join([process.cwd(), *process.cmdline()]):
                    found.append(process)
        return found

    def _family(self, processes: list[psutil.Process]) -> list[psutil.Process]:
        found = []
        for process in processes:
            with contextlib.suppress(psutil.Error):
                found += [process, *process.children(recursive=True)]
        return list(dict.fromkeys(found))

    def _works_on(self, process: psutil.Process, node: str) -> bool:
        return any(Path(file.path).name == f"slurmd.{node}.log" for file in process.open_files())


def _which(name: str) -> str | None:
    return shutil.which(name, path=PLACES)


def _free_ports() -> tuple[int, int, int]:
    """Returns a free port for the controller and two neighbouring ones for the nodes."""
    for first in range(17001 + os.getpid() % 500 * 10, 31000, 10):
        ports = (first + 2, first, first + 1)
        with contextlib.ExitStack() as stack:
            try:
                for port in ports:
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return ports
    raise OSError("no free ports")


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """Starts a cluster and stops it at the end."""
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.stop()
