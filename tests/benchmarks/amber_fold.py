"""Times a fold of amber2: 4,400 training utterances, pooled speech 13 x 768, text 768, 30 epochs, on two threads.

    python tests/benchmarks/amber_fold.py

It also prints a lower bound for this machine: the matrix products of all steps alone, and one pass over the features
and over the optimizer's memory, timed with the same threads.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ambiser.config import Config
from ambiser.train.build import TASKS
from ambiser.train.distill_task import DistillTask
from ambiser.train.loop import OPTIMIZERS, fit
from ambiser.train.part import FoldData, Part, Shapes

UTTERANCES, DEV, LAYERS, DIM, EPOCHS, THREADS = 4400, 1100, 13, 768, 30, 2
SHAPES = Shapes(layers=LAYERS, dim=DIM, text_dim=DIM, classes=("neutral", "happy", "angry", "sad"))


def make_part(count: int) -> Part:
    """Makes noise with the votes of three raters."""
    counts = torch.distributions.Multinomial(3, torch.ones(4)).sample((count,))
    most, hard = counts.max(dim=1)
    return Part(
        utts=[f"u{i}" for i in range(count)],
        speech=torch.randn(count, LAYERS, DIM),
        text=torch.randn(count, DIM),
        soft=counts / 3,
        counts=counts,
        hard=torch.where(most > 1, hard, -1),
        kind=torch.zeros(count, dtype=torch.long),
    )


def median_s(work: Callable[[], object], rounds: int = 100) -> float:
    """Returns the median time of a function after a warm-up call."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def least_s_per_step(task: DistillTask, batch: int) -> tuple[float, float]:
    """Returns the time of a step's matrix products, forward and backward, and of its passes through memory."""
    pairs = []
    for name, head in task.network.heads.items():
        for layer in (head[0], head[-1]):
            of_text = name == "T" and layer is head[0]
            inputs, gradient = torch.randn(batch, layer.in_features), torch.randn(batch, layer.out_features)
            pairs.append((inputs, layer.weight.detach(), gradient, of_text))

    def products() -> None:
        for inputs, weight, gradient, of_text in pairs:
            inputs @ weight.T, gradient.T @ inputs
            if not of_text:  # text features need no gradient
                gradient @ weight

    parameters = [torch.nn.Parameter(p.detach().clone()) for p in task.network.parameters()]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = OPTIMIZERS["adamw"](parameters)
    rows = torch.randint(0, UTTERANCES, (batch,))
    return median_s(products), median_s(optimizer.step) + median_s(lambda: task.train.inputs(rows))


def main() -> None:
    """Prints the time, the bound and their ratio."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    config = Config.model_validate({"distill": {"epochs": EPOCHS, "patience": 0}})
    train, dev = make_part(UTTERANCES), make_part(DEV)
    start = time.perf_counter()
    task = TASKS["distill"].make(config, FoldData(1, train, dev, SHAPES), None)
    with tempfile.TemporaryDirectory() as folder:
        fit(task, config.distill, Path(folder), stage="distill", seed=1, facts={}, tensorboard=False)
    whole = time.perf_counter() - start
    steps = EPOCHS * task.steps()
    products, memory = least_s_per_step(task, config.distill.batch)
    bound = steps * (products + memory)
    print(f"{EPOCHS} epochs of {UTTERANCES:,} utterances: {whole:.1f} s, {1000 * whole / steps:.2f} ms per step")
    print(f"matrix products {steps * products:.1f} s, memory {steps * memory:.1f} s: {bound / whole:.0%} of the time")


if __name__ == "__main__":
    main()
