"""Prototype updates against loops written from the equations."""

import pytest
import torch
from torch.nn.functional import normalize

from ambiser.models.prototypes import (
    PrototypeMemory,
    align,
    ambiguous_labels,
    class_means,
    move_hard,
    move_soft,
    move_targets,
    prototype_cosines,
)


def _unit(rows: int, seed: int, dim: int = 8) -> torch.Tensor:
    return normalize(torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_a_new_memory_prefers_no_class():
    memory = PrototypeMemory(4, 8, 3)
    assert not memory.prototypes.any()  # so that the first embedding of a class gives its direction
    assert torch.equal(memory.targets, torch.full((3, 4), 0.25)) and torch.equal(memory.shares, torch.full((4,), 0.25))


@pytest.mark.parametrize("batch", [1, 32, 256])
@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99, 1.0])
def test_hard_update_equals_the_loop_over_utterances(batch, momentum):
    prototypes, keys = _unit(4, 1), _unit(batch, 2)
    pseudo = torch.randint(0, 3, (batch,), generator=torch.Generator().manual_seed(3))  # class 3 gets nothing
    slow = prototypes.clone()
    for key, label in zip(keys, pseudo, strict=True):
        slow[label] = momentum * slow[label] + (1 - momentum) * key
    moved = move_hard(prototypes, keys, pseudo, momentum)
    assert torch.allclose(moved, normalize(slow, dim=1), atol=1e-12, rtol=0)
    assert torch.allclose(moved[3], prototypes[3], atol=1e-15)


def test_hard_update_skips_utterances_without_a_class_and_leaves_its_arguments():
    prototypes, keys = _unit(3, 1), _unit(5, 2)
    before = prototypes.clone()
    assert torch.allclose(move_hard(prototypes, keys, torch.full((5,), -1), 0.9), before)
    move_hard(prototypes, keys, torch.zeros(5, dtype=torch.long), 0.9)
    assert torch.equal(prototypes, before)


def test_soft_update_equals_the_formula():
    prototypes, keys = _unit(3, 1), _unit(10, 2)
    weights = torch.rand(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    weights[:, 2] = 0
    moved = move_soft(prototypes, keys, weights, 0.8)
    for c in range(2):
        mean = sum(w * k for w, k in zip(weights[:, c], keys, strict=True)) / weights[:, c].sum()
        assert torch.allclose(moved[c], normalize(0.8 * prototypes[c] + 0.2 * mean, dim=0), atol=1e-12)
    assert torch.allclose(moved[2], prototypes[2])


def test_soft_update_with_one_hot_labels_of_one_utterance_is_the_hard_update():
    prototypes, keys = _unit(3, 1), _unit(1, 2)
    one_hot = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    hard = move_hard(prototypes, keys, torch.tensor([1]), 0.9)
    assert torch.allclose(move_soft(prototypes, keys, one_hot, 0.9), hard, atol=1e-15)


def test_rows_stay_unit_and_a_cancelled_prototype_keeps_its_direction():
    prototypes = _unit(2, 1)
    moved = move_hard(prototypes, -prototypes[:1], torch.tensor([0]), 0.5)
    assert torch.allclose(moved, prototypes)
    assert torch.allclose(
        move_hard(prototypes, _unit(9, 2), torch.arange(9) % 2, 0.7).norm(dim=1), torch.ones(2).double()
    )


def test_class_means_are_unit_means_and_zero_without_an_utterance():
    embeddings, labels = _unit(7, 1), torch.tensor([0, 0, 1, 1, 1, 0, 1])
    means = class_means(embeddings, labels, 3)
    for c in range(2):
        assert torch.allclose(means[c], normalize(embeddings[labels == c].mean(0), dim=0), atol=1e-12)
    assert torch.equal(means[2], torch.zeros(8, dtype=torch.float64))


def test_ambiguous_labels_are_a_softmax_over_scaled_cosines():
    embeddings, prototypes = _unit(5, 1), _unit(3, 2)
    labels = ambiguous_labels(embeddings, prototypes, 0.1)
    cosine = torch.nn.functional.cosine_similarity(embeddings[:, None], prototypes[None], dim=2)
    assert torch.allclose(labels, (cosine / 0.1).softmax(1), atol=1e-12)
    assert torch.allclose(labels.sum(1), torch.ones(5).double())


def test_running_targets_of_a_worked_example():
    targets = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    assert torch.allclose(move_targets(targets, torch.tensor([1, 1]), 0.9), torch.tensor([[0.45, 0.55], [0.9, 0.1]]))


def test_cosines_have_ones_on_the_diagonal():
    cosines = torch.tensor(prototype_cosines(_unit(4, 3)))
    assert torch.allclose(cosines.diagonal(), torch.ones(4))
    assert torch.allclose(cosines, cosines.T)


def test_aligned_labels_have_the_wanted_shares_when_all_are_equally_confident():
    generator = torch.Generator().manual_seed(20)
    labels = torch.rand(4000, 3, generator=generator).softmax(1)
    wanted = torch.tensor([0.6, 0.3, 0.1])
    aligned = align(labels, wanted, labels.mean(0))
    assert torch.allclose(aligned.sum(1), torch.ones(4000), atol=1e-6)
    assert torch.allclose(aligned.mean(0), wanted, atol=0.02)
    row = labels[0] * wanted / labels.mean(0)
    assert torch.allclose(aligned[0], row / row.sum(), atol=1e-6)


def test_alignment_changes_nothing_where_the_shares_are_the_wanted_ones():
    labels = torch.rand(5, 4, generator=torch.Generator().manual_seed(21)).softmax(1)
    assert torch.allclose(align(labels, torch.full((4,), 0.25), torch.full((4,), 0.25)), labels)


def test_a_class_with_a_share_of_zero_does_not_divide_by_zero():
    aligned = align(torch.tensor([[1.0, 0.0]]), torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))
    assert aligned.tolist() == [[1.0, 0.0]]
