"""Batches."""

import torch

from ambiser.train.sampling import cycle, cycle_balanced, paired_batches, shuffled_batches


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_cycle_draws_each_item_once_per_round():
    items = torch.arange(10, 17)
    drawn = cycle(items, 17, _generator())
    assert sorted(drawn[:7].tolist()) == sorted(drawn[7:14].tolist()) == items.tolist()
    assert len(drawn) == 17


def test_a_balanced_draw_samples_all_classes_equally_often():
    labels = torch.tensor([0] * 50 + [1] * 5 + [3] * 2)
    drawn = cycle_balanced(torch.arange(57), labels, 60, _generator())
    assert torch.bincount(labels[drawn]).tolist() == [20, 20, 0, 20]
    assert len(set(labels[drawn][:9].tolist())) == 3  # mixed, not sorted


def test_paired_batches_have_their_share_and_are_reproducible():
    def draw(seed):
        sizes = {"batch": 8, "share": 0.5, "balanced": True, "steps": 6}
        precise, ambiguous = torch.arange(20), torch.arange(20, 50)
        return list(paired_batches(precise, precise % 4, ambiguous, **sizes, generator=_generator(seed)))

    first, again, other = draw(1), draw(1), draw(2)
    assert [(len(p), len(a)) for p, a in first] == [(4, 4)] * 6
    assert all(torch.equal(x, y) for a, b in zip(first, again, strict=True) for x, y in zip(a, b, strict=True))
    assert any(not torch.equal(x, y) for a, b in zip(first, other, strict=True) for x, y in zip(a, b, strict=True))
    assert all((p < 20).all() and (a >= 20).all() for p, a in first)


def test_without_ambiguous_share_no_ambiguous_utterance_is_drawn():
    empty = torch.arange(0)
    pairs = list(
        paired_batches(
            torch.arange(5),
            torch.arange(5) % 2,
            empty,
            batch=4,
            share=0.0,
            balanced=False,
            steps=3,
            generator=_generator(),
        )
    )
    assert [(len(p), len(a)) for p, a in pairs] == [(4, 0)] * 3


def test_shuffled_batches_give_every_item_once():
    batches = list(shuffled_batches(torch.arange(10), 4, _generator()))
    assert [len(b) for b in batches] == [4, 4, 2]
    assert sorted(torch.cat(batches).tolist()) == list(range(10))
