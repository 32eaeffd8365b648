"""Losses have finite gradients for all targets and predictions, and do not depend on the order of the classes."""

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed (extra test)")
import torch  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from property.drawn import votes_and_probs  # noqa: E402

from ambiser.losses.divergence import DIVERGENCES  # noqa: E402


@pytest.mark.parametrize("name", sorted(DIVERGENCES))
def test_gradients_of_divergences_are_finite_and_permute_with_the_classes(name):
    @given(votes_and_probs(), st.sampled_from([1.0, 30.0, 300.0]), st.randoms(use_true_random=False))
    def run(drawn, scale, rng):
        counts, probs = drawn
        target = torch.tensor(counts / counts.sum(axis=1, keepdims=True))
        logits = (torch.tensor(probs) * scale).requires_grad_()
        loss = DIVERGENCES[name](target, logits.log_softmax(dim=1))
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.isfinite(loss).all() and torch.isfinite(gradient).all()
        assert (loss > -1e-9).all()
        order = list(range(counts.shape[1]))
        rng.shuffle(order)
        torch.testing.assert_close(DIVERGENCES[name](target[:, order], logits[:, order].log_softmax(dim=1)), loss)

    run()
