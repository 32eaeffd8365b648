"""Times a step of phase 3 against a straightforward one in the manner of PiCO's code: same batch, queue and numbers.

    python tests/benchmarks/contrastive_step.py [BATCH] [LAYERS] [DIM]

The straightforward step stacks the rows of the batch, masks, standardizes and mixes them in the order of the formulas,
takes its loss from masks over all entries, moves prototypes utterance by utterance and the momentum encoder weight by
weight, as PiCO's public code does, and steps with torch's own choice for AdamW. Both start from one state and draw the
same views; in float64 they must agree in every number over 80 steps, and in float32 200 steps of each are timed, in
turns: medians of CPU time on one thread, which other programs on the machine disturb least.

Two trials did not pay (November 2026, torch 2.13, AVX2, one thread). `torch.compile` of the network above the mix and
both losses, forward and backward: 1.26 times as fast, with losses equal to 1e-6; as parts inside the task: no gain. It
costs 17 s of CPU time, more than a fold of IEMOCAP gains. Five seeds stacked by `torch.func` (phase 1): 1.11 times as
fast as one after the other, because nearly half of a step is matrix products.
"""

import copy
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn.functional import log_softmax, normalize, one_hot

from ambiser.config import Config
from ambiser.train.build import TASKS, StageBefore
from ambiser.train.ipr_refine import RefineTask
from ambiser.train.loop import OPTIMIZERS
from ambiser.train.part import FoldData, Part, Shapes

CLASSES, UTTERANCES = 4, 2000


class Straightforward:
    """Phase 3 as one would write it first."""

    def __init__(self, task: RefineTask, config: Config) -> None:
        self.config, self.part, self.labels = config, task.train, task.labels
        self.network, self.key = copy.deepcopy(task.network), copy.deepcopy(task.key)
        self.prototypes, self.targets = task.memory.prototypes.clone(), task.memory.targets.clone()
        self.queue, self.queued, self.next = torch.zeros_like(task.queue.keys), 0, 0
        self.queue_labels = torch.full((len(self.queue),), -1)
        self.momentum = task.target_momentum(1)

    def view(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Stacks the utterances and replaces drawn features by their mean."""
        x = torch.stack([self.part.speech[i] for i in index.tolist()])
        hidden = torch.rand(len(x), 1, x.shape[2], generator=generator) < self.config.ipr.feature_mask
        return torch.where(hidden, x.mean(dim=0, keepdim=True), x)

    def forward(self, network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Standardizes, mixes, encodes."""
        mix = network.encoder.mix
        x = (x - mix.standardizer.mean) / mix.standardizer.scale
        x = (x * mix.logits.softmax(0)[None, :, None]).sum(dim=1)
        hidden = network.encoder.trunk(x)
        return network.classifier(hidden), normalize(network.projection(hidden), dim=1)

    def step(
        self, batch: tuple[torch.Tensor, torch.Tensor], generator: torch.Generator, optimizer: torch.optim.Optimizer
    ) -> float:
        """Does a whole step and returns its loss."""
        settings = self.config.ipr
        precise, ambiguous = batch
        index = torch.cat([precise, ambiguous])
        logits, queries = self.forward(self.network, self.view(index, generator))
        with torch.no_grad():
            _, keys = self.forward(self.key, self.view(index, generator))
            labels = torch.cat([self.labels[precise], (keys[len(precise) :] @ self.prototypes.T).argmax(dim=1)])
            seen = one_hot((queries[len(precise) :] @ self.prototypes.T).argmax(dim=1), CLASSES)
            self.targets[ambiguous] = self.momentum * self.targets[ambiguous] + (1 - self.momentum) * seen
            targets = torch.cat([one_hot(self.labels[precise], CLASSES), self.targets[ambiguous]])
        loss = -(targets * log_softmax(logits, dim=1)).sum(dim=1).mean()
        loss = loss + settings.contrastive_weight * self.contrast(queries, keys, labels, settings.temperature)
        with torch.no_grad():
            for row in range(len(precise), len(index)):
                own = self.prototypes[labels[row]]
                own = settings.prototype_momentum * own + (1 - settings.prototype_momentum) * keys[row]
                self.prototypes[labels[row]] = own
            self.prototypes = normalize(self.prototypes, dim=1)
            slots = (self.next + torch.arange(len(keys))) % len(self.queue)
            self.queue[slots], self.queue_labels[slots] = keys, labels
            self.next = (self.next + len(keys)) % len(self.queue)
            self.queued = min(self.queued + len(keys), len(self.queue))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        optimizer.step()
        for slow, fast in zip(self.key.parameters(), self.network.parameters(), strict=True):
            slow.data = slow.data * settings.key_momentum + fast.data * (1 - settings.key_momentum)
        return loss.item()

    def contrast(
        self, queries: torch.Tensor, keys: torch.Tensor, labels: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Computes the supervised contrast from masks over the batch, its keys and the filled part of the queue."""
        entries = torch.cat([queries, keys, self.queue[: self.queued].clone()])
        all_labels = torch.cat([labels, labels, self.queue_labels[: self.queued]])
        positive = torch.eq(labels[:, None], all_labels[None, :]).float()
        others = torch.ones_like(positive)
        others[torch.arange(len(queries)), torch.arange(len(queries))] = 0
        positive = positive * others
        logits = queries @ entries.T / temperature
        logits = logits - logits.max(dim=1, keepdim=True).values.detach()
        log_probs = logits - torch.log((torch.exp(logits) * others).sum(dim=1, keepdim=True))
        return -((positive * log_probs).sum(dim=1) / positive.sum(dim=1).clamp_min(1)).mean()

    def check(self, task: RefineTask, ours: float, theirs: float) -> None:
        """Compares losses, weights, prototypes, targets and queue."""
        assert abs(ours - theirs) < 1e-9, (ours, theirs)
        pairs = [
            (task.memory.prototypes, self.prototypes),
            (task.memory.targets, self.targets),
            (task.queue.keys, self.queue),
            *zip(task.key.parameters(), self.key.parameters(), strict=True),
        ]
        for one, other in pairs:
            assert torch.allclose(one, other, rtol=0, atol=1e-9)


def make(batch: int, layers: int, dim: int) -> tuple[Config, RefineTask]:
    """Makes the task of phase 3 on made-up features; half of the utterances are precise."""
    generator = torch.Generator().manual_seed(0)
    hard = torch.randint(0, CLASSES, (UTTERANCES,), generator=generator)
    soft = one_hot(hard, CLASSES).to(torch.get_default_dtype())
    part = Part(
        utts=[f"u{i}" for i in range(UTTERANCES)],
        speech=torch.randn(UTTERANCES, layers, dim, generator=generator),
        text=None,
        soft=soft,
        counts=soft,
        hard=hard,
        kind=torch.arange(UTTERANCES) % 2,
    )
    optim = {"batch": batch, "epochs": 1}
    config = Config.model_validate(
        {
            "stages": ["prototypes", "contrastive"],
            "model": {"dropout": 0.0},
            "ipr": {"alignment": "none"},
            "contrastive": optim,
            "prototypes": optim,
        }
    )
    shapes = Shapes(layers, dim, 0, tuple("abcd"))
    torch.manual_seed(0)
    data = FoldData(1, part, part, shapes)
    learn = TASKS["prototypes"].make(config, data, None)
    learn.after_epoch()
    learned = {name: tensor.clone() for name, tensor in learn.modules.state_dict().items()}
    task = TASKS["contrastive"].make(config, data, StageBefore("prototypes", learned))
    task.modules.train()
    return config, task


def step(task: RefineTask, batch: tuple, generator: torch.Generator, optimizer: torch.optim.Optimizer) -> float:
    """Does a whole step as the loop of the toolkit does, and returns its loss."""
    loss, _ = task.loss(batch, 1, generator)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
    optimizer.step()
    task.after_step()
    return loss.item()


def compare(sizes: tuple[int, int, int], steps: int, dtype: torch.dtype) -> tuple[float, float]:
    """Runs both in turns and returns the median CPU seconds of a step of each; in float64, compares every number."""
    torch.set_default_dtype(dtype)
    config, task = make(*sizes)
    plain = Straightforward(task, config)
    fast_optimizer = OPTIMIZERS["adamw"](list(task.network.parameters()), lr=1e-4)
    plain_optimizer = torch.optim.AdamW(plain.network.parameters(), lr=1e-4)
    draws = torch.Generator().manual_seed(1)
    fast_s, plain_s = [], []
    for number in range(steps):
        pair = tuple(2 * torch.randperm(UTTERANCES // 2, generator=draws)[: sizes[0] // 2] + kind for kind in (0, 1))
        start = time.process_time()
        ours = step(task, pair, torch.Generator().manual_seed(number), fast_optimizer)
        middle = time.process_time()
        theirs = plain.step(pair, torch.Generator().manual_seed(number), plain_optimizer)
        plain_s.append(time.process_time() - middle)
        fast_s.append(middle - start)
        if dtype == torch.float64:
            plain.check(task, ours, theirs)
    full = slice(steps // 2, None)  # with the queue as full as it gets
    return statistics.median(fast_s[full]), statistics.median(plain_s[full])


def main() -> None:
    """Prints one line."""
    torch.set_num_threads(1)
    sizes = tuple(int(number) for number in [*sys.argv[1:], *("32", "13", "768")[len(sys.argv) - 1 :]])
    compare(sizes, 80, torch.float64)
    fast, plainly = compare(sizes, 200, torch.float32)
    print(
        "B = {}, L = {}, D = {}: {:.2f} ms per step, {:.2f} ms straightforward: {:.1f} times as fast".format(
            *sizes, fast * 1e3, plainly * 1e3, plainly / fast
        )
    )


if __name__ == "__main__":
    main()
