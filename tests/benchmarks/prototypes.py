"""Times the prototype update against the loop over utterances, as one ratio a batch size.

    python tests/benchmarks/prototypes.py
"""

import statistics
import time

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


def main() -> None:
    """Prints a line for each batch size."""
    torch.set_num_threads(1)
    for batch in (32, 256):
        prototypes, keys = normalize(torch.randn(4, 128), dim=1), normalize(torch.randn(batch, 128), dim=1)
        pseudo = torch.randint(0, 4, (batch,))
        ratios = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            slow = loop(prototypes, keys, pseudo, 0.99)
            middle = time.perf_counter()
            fast = move_hard(prototypes, keys, pseudo, 0.99)
            ratios.append((middle - start) / (time.perf_counter() - middle))
            assert torch.allclose(slow, fast, atol=1e-5)
        print(f"B = {batch:3}: {statistics.median(ratios):5.1f} times the speed of the loop")


if __name__ == "__main__":
    main()
