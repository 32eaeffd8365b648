"""Logit adjustment against its formula."""

import math

import torch

from ambiser.losses.adjustment import adjust, log_shares


def test_adds_the_log_share_of_each_class_to_its_logit():
    logits = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    shares = log_shares(torch.tensor([[6.0, 1, 0], [2, 0, 0]], dtype=torch.float64))
    assert torch.allclose(shares.exp(), torch.tensor([8, 1, 1], dtype=torch.float64) / 10)
    weights = [math.exp(z) * p**0.5 for z, p in zip(logits[0].tolist(), (0.8, 0.1, 0.1), strict=True)]
    expected = torch.tensor([w / sum(weights) for w in weights], dtype=torch.float64)
    assert torch.allclose(adjust(logits.log_softmax(dim=1), shares, 0.5).exp()[0], expected)
