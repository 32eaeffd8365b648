"""Losses have finite gradients for all targets and predictions, and do not depend on the order of classes and rows."""

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed (extra test)")
import torch  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from property.drawn import votes_and_probs  # noqa: E402

from ambiser.losses.adjustment import adjust, log_shares  # noqa: E402
from ambiser.losses.attributes import concordance, spread_likelihood  # noqa: E402
from ambiser.losses.balance import class_weights, utterance_weights  # noqa: E402
from ambiser.losses.class_shares import class_share_loss  # noqa: E402
from ambiser.losses.contrastive import supervised_contrast  # noqa: E402
from ambiser.losses.divergence import DIVERGENCES, soft_cross_entropy  # noqa: E402
from ambiser.losses.evidential import concentrations, misleading_evidence, vote_likelihood  # noqa: E402
from ambiser.losses.guidance import WEIGHT_RULES, Objective, amber_loss  # noqa: E402
from ambiser.losses.threshold import log_ambiguous, log_enough_votes  # noqa: E402

SCALES = st.sampled_from([1.0, 30.0, 300.0])
RANDOMS = st.randoms(use_true_random=False)


def finite_gradient(loss, *inputs):
    assert torch.isfinite(loss).all(), loss
    for gradient in torch.autograd.grad(loss.sum(), inputs):
        assert torch.isfinite(gradient).all(), gradient


def tensors(drawn, scale):
    """Returns counts, target and logits that require a gradient, all (N, C)."""
    counts, probs = torch.tensor(drawn[0]), torch.tensor(drawn[1])
    return counts, counts / counts.sum(dim=1, keepdim=True), (probs * scale).requires_grad_()


def shuffled(number, rng):
    order = list(range(number))
    rng.shuffle(order)
    return order


@pytest.mark.parametrize("name", sorted(DIVERGENCES))
def test_gradients_of_divergences_are_finite_and_permute_with_the_classes(name):
    @given(votes_and_probs(), SCALES, RANDOMS)
    def run(drawn, scale, rng):
        _, target, logits = tensors(drawn, scale)
        loss = DIVERGENCES[name](target, logits.log_softmax(dim=1))
        finite_gradient(loss, logits)
        assert (loss > -1e-9).all()
        order = shuffled(target.shape[1], rng)
        torch.testing.assert_close(DIVERGENCES[name](target[:, order], logits[:, order].log_softmax(dim=1)), loss)

    run()


@pytest.mark.parametrize("rule", sorted(WEIGHT_RULES))
def test_gradients_of_guidance_are_finite_and_its_loss_keeps_its_value_in_any_order(rule):
    @given(votes_and_probs(), SCALES, st.sampled_from(sorted(DIVERGENCES)), st.booleans(), RANDOMS)
    def run(drawn, scale, divergence, gate, rng):
        _, target, logits = tensors(drawn, scale)
        objective = Objective(
            student="AT", divergence=divergence, weights=rule, guidance=0.5, teacher=0.5, temperature=0.5,
            agreement_gate=gate, detach_teachers=False,
        )  # fmt: skip
        has_text = torch.arange(len(target)) % 2 == 0

        def loss(rows, classes):
            z = logits[rows][:, classes]
            heads = {name: (z * factor).log_softmax(dim=1) for name, factor in (("AT", 1), ("A", 0.5), ("T", -1))}
            return amber_loss(target[rows][:, classes], heads, objective, has_text=has_text[rows])[0]

        rows, classes = torch.arange(len(target)), torch.arange(target.shape[1])
        given = loss(rows, classes)
        finite_gradient(given, logits)
        torch.testing.assert_close(loss(shuffled(len(rows), rng), shuffled(len(classes), rng)), given)

    run()


@given(votes_and_probs(), SCALES, RANDOMS)
def test_gradients_of_evidential_losses_are_finite(drawn, scale, rng):
    counts, _, logits = tensors(drawn, scale)
    order = shuffled(counts.shape[1], rng)
    for loss in (vote_likelihood, misleading_evidence):
        given = loss(counts, concentrations(logits - scale / 2))
        finite_gradient(given, logits)
        assert (given > -1e-9).all()
        torch.testing.assert_close(loss(counts[:, order], concentrations(logits[:, order] - scale / 2)), given)


@given(votes_and_probs(), SCALES, st.integers(1, 7))
def test_gradients_of_the_threshold_likelihood_are_finite_and_its_probabilities_sum_to_one(drawn, scale, votes):
    logits = tensors(drawn, scale)[2]
    needed = votes // 2 + 1
    log_probs = logits.log_softmax(dim=1)
    ambiguous, enough = log_ambiguous(log_probs, votes, needed), log_enough_votes(log_probs, votes, needed)
    finite_gradient(ambiguous, logits)
    finite_gradient(log_enough_votes(logits.log_softmax(dim=1), votes, needed), logits)
    total = (ambiguous.exp() + enough.exp().sum(dim=1)).detach()
    torch.testing.assert_close(total, torch.ones_like(total), atol=2e-6, rtol=0)  # 1e-6 where ambiguity is impossible


@given(st.integers(1, 6), st.integers(0, 5), st.sampled_from([0.01, 0.1, 1.0]), RANDOMS)
def test_gradients_of_the_contrastive_loss_are_finite_also_for_one_query(batch, queued, temperature, rng):
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    raw = torch.randn(2 * batch + queued, 3, generator=generator, dtype=torch.float64).requires_grad_()
    unit = torch.nn.functional.normalize(raw, dim=1)
    labels = torch.randint(0, 3, (batch + queued,), generator=generator)
    queries, keys, queue = unit.split([batch, batch, queued])
    rest = (temperature, queue, labels[batch:]) if queued else (temperature,)
    loss = supervised_contrast(queries, keys, labels[:batch], *rest)
    order = shuffled(batch, rng)
    torch.testing.assert_close(supervised_contrast(queries[order], keys[order], labels[:batch][order], *rest), loss)
    finite_gradient(loss, raw)


@given(votes_and_probs(), SCALES, st.sampled_from([0.0, 0.5, 0.999]))
def test_gradients_of_class_shares_and_of_weighted_and_adjusted_losses_are_finite(drawn, scale, momentum):
    counts, target, logits = tensors(drawn, scale)
    mean = torch.full((counts.shape[1],), 1 / counts.shape[1], dtype=torch.float64)
    loss, moved = class_share_loss(logits.softmax(dim=1), target.mean(dim=0), mean, momentum)
    finite_gradient(loss, logits)
    torch.testing.assert_close(moved.sum(), torch.ones((), dtype=torch.float64))
    weights = class_weights(counts)
    torch.testing.assert_close(weights.sum(), torch.tensor(float(counts.shape[1]), dtype=torch.float64))
    adjusted = adjust(logits.log_softmax(dim=1), log_shares(counts), 1.0)
    finite_gradient(soft_cross_entropy(target, adjusted) * utterance_weights(target, weights), logits)


@given(st.lists(st.sampled_from([0.0, 1e-20, 0.5, 1.0, 1e3]), min_size=1, max_size=6), SCALES)
def test_gradients_of_attribute_losses_are_finite_for_constant_and_extreme_values(values, scale):
    given = torch.tensor(values, dtype=torch.float64)
    made = (given * scale).requires_grad_()
    for other in (given, torch.zeros_like(given)):
        agreement = concordance(made, other)
        finite_gradient(agreement, made)
        assert abs(float(agreement.detach())) <= 1 + 1e-9
    log_spread = torch.zeros_like(given).requires_grad_()
    finite_gradient(spread_likelihood(given, log_spread, torch.full_like(given, 2.0)), log_spread)
