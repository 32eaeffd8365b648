"""The contrastive loss against a slow loop, and its gradient."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from ambiser.losses.contrastive import supervised_contrast

TAU = 0.5


def _unit(rows: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(rows, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=1)


def _slow(queries, keys, labels, queue, queue_labels):
    total = 0.0
    for i in range(len(queries)):
        entries = [(queries[j], labels[j]) for j in range(len(queries)) if j != i]
        entries += list(zip(keys, labels, strict=True)) + list(zip(queue, queue_labels, strict=True))
        exps = [math.exp(float(queries[i] @ e) / TAU) for e, _ in entries]
        logs = [math.log(x / sum(exps)) for x, (_, label) in zip(exps, entries, strict=True) if label == labels[i]]
        total -= sum(logs) / len(logs)
    return total / len(queries)


@pytest.mark.parametrize("filled", [0, 7])
def test_loss_equals_a_slow_loop(filled):
    queries, keys, queue = _unit(5, 1), _unit(5, 2), _unit(filled, 3)
    labels, queue_labels = torch.tensor([0, 1, 0, 2, 1]), torch.arange(filled) % 3
    loss = supervised_contrast(queries, keys, labels, TAU, queue, queue_labels)
    expected = _slow(queries, keys, labels, queue, queue_labels)
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    if not filled:
        assert supervised_contrast(queries, keys, labels, TAU).item() == pytest.approx(expected, abs=1e-12)


def test_a_query_that_is_alone_in_its_class_has_its_own_key():
    queries, keys = _unit(4, 9), _unit(4, 10)
    labels = torch.arange(4)
    nothing = torch.zeros(0, 6, dtype=torch.float64), torch.zeros(0, dtype=torch.long)
    loss = supervised_contrast(queries, keys, labels, TAU)
    assert loss.item() == pytest.approx(_slow(queries, keys, labels, *nothing), abs=1e-12)
    one = supervised_contrast(queries[:1], keys[:1], labels[:1], TAU)
    assert one.item() == pytest.approx(0.0, abs=1e-12), "the only entry is the positive"


def test_the_gradient_equals_finite_differences():
    raw = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4), requires_grad=True)
    labels = torch.tensor([0, 1, 0, 1])
    keys = _unit(4, 5)
    assert torch.autograd.gradcheck(lambda x: supervised_contrast(normalize(x, dim=1), keys, labels, TAU), (raw,))


def test_equal_embeddings_of_one_class_reach_the_lower_bound():
    row = _unit(1, 6)
    queries = row.expand(4, 6)
    loss = supervised_contrast(queries, queries, torch.zeros(4, dtype=torch.long), TAU)
    assert loss.item() == pytest.approx(math.log(7), abs=1e-12)  # 3 other queries and 4 keys, all alike


def test_finite_at_a_small_temperature():
    queries = _unit(6, 7).float().requires_grad_()
    loss = supervised_contrast(queries, _unit(6, 8).float(), torch.tensor([0, 0, 1, 1, 2, 3]), 0.01)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(queries.grad).all()
