"""The queue and the momentum encoder."""

import torch
from torch import nn

from ambiser.models.momentum import KeyQueue, follow


def test_queue_gives_only_filled_slots_and_replaces_the_oldest():
    queue = KeyQueue(5, 2)
    assert len(queue.filled()[0]) == 0
    seen: list[int] = []
    for start in range(0, 12, 3):
        labels = torch.arange(start, start + 3)
        queue.push(labels[:, None].repeat(1, 2).float(), labels)
        seen = (seen + labels.tolist())[-5:]
        keys, kept = queue.filled()
        assert sorted(kept.tolist()) == sorted(seen)
        assert torch.equal(keys[:, 0].long(), kept)


def test_queue_smaller_than_a_batch_keeps_the_last_keys_and_size_zero_keeps_none():
    queue = KeyQueue(2, 1)
    queue.push(torch.arange(5.0)[:, None], torch.arange(5))
    assert sorted(queue.filled()[1].tolist()) == [3, 4]
    empty = KeyQueue(0, 1)
    empty.push(torch.ones(3, 1), torch.zeros(3, dtype=torch.long))
    assert len(empty.filled()[0]) == 0


def test_queue_is_in_the_state_dict():
    queue = KeyQueue(3, 1)
    queue.push(torch.ones(2, 1), torch.tensor([4, 5]))
    other = KeyQueue(3, 1)
    other.load_state_dict(queue.state_dict())
    assert other.filled()[1].tolist() == [4, 5]


def test_follow_moves_by_one_minus_momentum():
    torch.manual_seed(0)
    slow, fast = nn.Linear(3, 2), nn.Linear(3, 2)
    expected = [0.9 * s + 0.1 * f for s, f in zip(slow.parameters(), fast.parameters(), strict=True)]
    follow(slow, fast, 0.9)
    for got, want in zip(slow.parameters(), expected, strict=True):
        assert torch.allclose(got, want, atol=1e-7)
    before = [p.clone() for p in slow.parameters()]
    follow(slow, fast, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, slow.parameters(), strict=True))
