"""Trains a toy fold for three epochs, and loses the last process on the way: `lost.py OUT STEP`."""

import os
import signal
import sys
from pathlib import Path

import torch
from train.toy import make_part, make_task

from ambiser.config import Config
from ambiser.io.console import run_main, set_up_logging
from ambiser.launch.ranks import find_place
from ambiser.train.loop import fit
from ambiser.train.processes import joined

NEVER = 10**6


def main() -> None:
    place = find_place(os.environ)
    set_up_logging()
    with joined(place, torch.device("cpu")):
        train(Path(sys.argv[1]), int(sys.argv[2]) if place.rank == place.size - 1 else NEVER)


def train(out: Path, killed_at: int = NEVER) -> None:
    """Trains on one thread, and ends this process hard before the step with that number."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = Config.model_validate({"prototypes": {"epochs": 3, "batch": 8}, "model": {"hidden": 12, "projection": 5}})
    task = make_task("prototypes", config, make_part(), make_part(20, seed=5))
    loss, steps = task.loss, iter(range(NEVER))

    def counted(*words):
        if next(steps) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss(*words)

    task.loss = counted
    fit(task, config.prototypes, out, stage="prototypes", seed=1, facts={}, tensorboard=False)


if __name__ == "__main__":
    run_main(main)
