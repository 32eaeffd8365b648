"""Defines a job: one command with its own log, done when its last file exists."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: for logs and messages, for example "ce-fbank-s1 fold 2".
        argv: the command as an argument vector; it never passes through a shell.
        log: the output of the command, between a header and a footer.
        done: the last file that the command writes.
        divisible: can run as several processes that Slurm starts together.
        alike: a name that jobs share whose trainings may be equal; the launcher on this machine runs one of them at a
            time, so that the others find its result.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    done: Path
    divisible: bool = False
    alike: str = ""


def split_done(jobs: Iterable[Job]) -> tuple[list[Job], list[Job]]:
    """Returns the jobs whose last file exists, and the jobs to run."""
    done: list[Job] = []
    left: list[Job] = []
    for job in jobs:
        (done if job.done.is_file() else left).append(job)
    return done, left
