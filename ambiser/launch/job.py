"""A job: one command with its own log, which is done when a certain file is there."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: what people read, for example "ce-fbank-s1 fold 2".
        argv: the command as an argument vector; no shell ever sees it.
        log: gets what the command prints, between a header and a footer.
        done: the last file that the command writes.
        divisible: several processes that Slurm starts can do it together.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    done: Path
    divisible: bool = False


def split_done(jobs: Iterable[Job]) -> tuple[list[Job], list[Job]]:
    """Returns the jobs whose last file is there, and those still to run."""
    done: list[Job] = []
    left: list[Job] = []
    for job in jobs:
        (done if job.done.is_file() else left).append(job)
    return done, left
