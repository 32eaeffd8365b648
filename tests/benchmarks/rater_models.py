"""Times models of 14,000 made-up raters against jsd: 5,000 utterances, pooled speech 13 x 768, 5 votes each.

    python tests/benchmarks/rater_models.py

It prints seconds of the processor per epoch after a warm-up epoch, the ratio to jsd, and the peak memory.
"""

import dataclasses
import resource
import time

import torch

from ambiser.config import Config
from ambiser.train.build import TASKS
from ambiser.train.loop import OPTIMIZERS
from ambiser.train.part import FoldData, Part, Shapes
from ambiser.train.rater_votes import RaterVotes

UTTERANCES, RATERS, VOTES, CLASSES, EPOCHS = 5000, 14000, 5, 8, 5
SHAPES = Shapes(layers=13, dim=768, text_dim=0, classes=tuple(f"class{i}" for i in range(CLASSES)))


def make_part(rated: bool) -> Part:
    """Makes noise; a rater votes the less often the higher his number is (Zipf's law)."""
    rater = torch.multinomial(1 / torch.arange(1.0, RATERS + 1), UTTERANCES * VOTES, replacement=True)
    shares = torch.eye(CLASSES)[torch.randint(CLASSES, (UTTERANCES * VOTES,))]
    counts = shares.view(UTTERANCES, VOTES, CLASSES).sum(dim=1)
    start = VOTES * torch.arange(UTTERANCES + 1)
    names = [f"r{i}" for i in range(RATERS)]
    return Part(
        utts=[f"u{i}" for i in range(UTTERANCES)],
        speech=torch.randn(UTTERANCES, SHAPES.layers, SHAPES.dim),
        text=None,
        soft=counts / VOTES,
        counts=counts,
        hard=counts.argmax(dim=1),
        kind=torch.zeros(UTTERANCES, dtype=torch.long),
        votes=RaterVotes(names, start, rater, shares, 0) if rated else None,
    )


def seconds_per_epoch(kind: str, train: Part) -> float:
    """Trains with a model of raters ("none": jsd) and returns the fastest epoch, with its dev scores."""
    config = Config.model_validate({"amber": {"student": "A", "guidance": 0, "teacher": 0}, "raters": {"model": kind}})
    dev = dataclasses.replace(train, votes=None)
    task = TASKS["distill"].make(config, FoldData(1, train, dev, SHAPES), None)
    optimizer = OPTIMIZERS["adamw"](task.modules.parameters(), lr=1e-3)
    generator, times = torch.Generator().manual_seed(0), []
    for epoch in range(1, EPOCHS + 1):
        start = time.process_time()
        task.modules.train()
        for batch in task.batches(epoch, generator):
            loss, _ = task.loss(batch, epoch, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            task.after_step()
        task.after_epoch()
        times.append(time.process_time() - start)
    return min(times[1:])


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rated = make_part(rated=True)
    plain = seconds_per_epoch("none", dataclasses.replace(rated, votes=None))
    print(f"{'jsd':12} {plain:6.3f} s per epoch")
    for kind in ("heads", "embeddings", "crowd_layer"):
        seconds = seconds_per_epoch(kind, rated)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{kind:12} {seconds:6.3f} s per epoch, {seconds / plain:4.2f} x jsd, peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
