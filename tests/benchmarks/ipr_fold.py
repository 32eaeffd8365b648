"""Times the three phases of IPR on one fold of made-up pooled features, and compares them with the memory bandwidth.

    python tests/benchmarks/ipr_fold.py [EPOCHS_OF_PHASE_3]

5,531 utterances of 13 layers by 768, two in five precise, as IEMOCAP's four classes with a base model; 5 epochs of
phase 1, 5 of phase 2 and 20 of phase 3 on two threads, with checkpoints, curves and dev scores after each epoch, as a
recipe runs them. The bound is the time that memory needs to deliver the features of all epochs, once each.
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import one_hot

from ambiser.config import Config
from ambiser.train.build import TASKS, StageBefore
from ambiser.train.loop import fit
from ambiser.train.part import FoldData, Part, Shapes

CLASSES, LAYERS, DIM, TRAIN, DEV = 4, 13, 768, 5531, 1085
PHASES = ("prototypes", "update", "contrastive")


def make_part(count: int, seed: int) -> Part:
    """Makes utterances whose first features depend on the class."""
    generator = torch.Generator().manual_seed(seed)
    hard = torch.randint(0, CLASSES, (count,), generator=generator)
    speech = torch.randn(count, LAYERS, DIM, generator=generator)
    speech[:, :, :CLASSES] += one_hot(hard, CLASSES)[:, None]
    soft = 0.7 * one_hot(hard, CLASSES) + 0.3 / CLASSES
    return Part(
        utts=[f"u{i:04}" for i in range(count)],
        speech=speech,
        text=None,
        soft=soft,
        counts=3 * soft,
        hard=hard,
        kind=(torch.rand(count, generator=generator) > 0.4).long(),
    )


def bandwidth() -> float:
    """Returns the bytes per second of a sum over half a gigabyte; the best of five."""
    block, best_s = torch.ones(2**27), float("inf")
    for _ in range(5):
        start = time.perf_counter()
        block.sum()
        best_s = min(best_s, time.perf_counter() - start)
    return block.numel() * block.element_size() / best_s


def train(config: Config, train_part: Part, dev: Part, folder: Path) -> dict[str, float]:
    """Trains the phases one after the other and returns their seconds."""
    data = FoldData(1, train_part, dev, Shapes(LAYERS, DIM, 0, tuple("abcd")))
    seconds, before = {}, None
    for phase in PHASES:
        start = time.perf_counter()
        task = TASKS[phase].make(config, data, before)
        optim = getattr(config, phase)
        fit(task, optim, folder / phase, stage=phase, seed=1, facts={}, tensorboard=True)
        before = StageBefore(phase, {name: tensor.clone() for name, tensor in task.modules.state_dict().items()})
        seconds[phase] = time.perf_counter() - start
    return seconds


def main() -> None:
    """Prints seconds per phase, their sum, and the share of the bound."""
    torch.set_num_threads(2)
    last = int(sys.argv[1]) if sys.argv[1:] else 20
    config = Config.model_validate({"stages": list(PHASES), "contrastive": {"epochs": last}})
    train_part, dev = make_part(TRAIN, 0), make_part(DEV, 1)
    cpu = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        seconds = train(config, train_part, dev, Path(folder))
    cpu, whole = time.process_time() - cpu, sum(seconds.values())
    precise = int((train_part.kind == 0).sum())
    epochs = {phase: getattr(config, phase).epochs for phase in PHASES}
    seen = epochs["prototypes"] * precise + (epochs["update"] + epochs["contrastive"]) * TRAIN
    bound = seen * LAYERS * DIM * 4 / bandwidth()
    for phase, value in seconds.items():
        print(f"{phase:12} {value:6.1f} s, {value / epochs[phase]:5.2f} s per epoch")
    print(f"{'together':12} {whole:6.1f} s ({cpu:.1f} s of CPU time); memory alone: {bound:.2f} s, {bound / whole:.1%}")


if __name__ == "__main__":
    main()
