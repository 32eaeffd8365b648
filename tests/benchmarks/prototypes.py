"""Times the prototype update against the loop over utterances: a ratio when each is repeated, and one in turns.

In turns the update finds the caches full of something else, as in a step of a training.

    python tests/benchmarks/prototypes.py
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn.functional import normalize

from ambiser.models.prototypes import move_hard

ROUNDS = 200


def loop(prototypes: torch.Tensor, keys: torch.Tensor, pseudo: torch.Tensor, momentum: float) -> torch.Tensor:
    """Moves prototypes utterance by utterance, as eq. 5 is written."""
    moved = prototypes.clone()
    for key, label in zip(keys, pseudo, strict=True):
        moved[label] = momentum * moved[label] + (1 - momentum) * key
    return normalize(moved, dim=1)


def seconds(update: Callable, arguments: tuple) -> float:
    """Returns how long an update takes."""
    start = time.perf_counter()
    update(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Prints a line for each batch size."""
    torch.set_num_threads(1)
    for batch in (32, 256):
        prototypes, keys = normalize(torch.randn(4, 128), dim=1), normalize(torch.randn(batch, 128), dim=1)
        arguments = (prototypes, keys, torch.randint(0, 4, (batch,)), 0.99)
        assert torch.allclose(loop(*arguments), move_hard(*arguments), atol=1e-5)
        slow, fast = (
            statistics.median(seconds(update, arguments) for _ in range(ROUNDS)) for update in (loop, move_hard)
        )
        in_turns = statistics.median(seconds(loop, arguments) / seconds(move_hard, arguments) for _ in range(ROUNDS))
        print(
            f"B = {batch:3}: {slow / fast:5.1f} times the speed of the loop ({fast * 1e6:.0f} us), "
            f"in turns {in_turns:.1f}"
        )


if __name__ == "__main__":
    main()
