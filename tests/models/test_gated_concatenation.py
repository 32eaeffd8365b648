"""Fusion `gated_concat` against a slow formula."""

import math

import torch

from ambiser.models.fusion import GatedConcatenation


def test_each_value_is_scaled_by_its_own_gate():
    torch.manual_seed(0)
    fusion = GatedConcatenation(3, 2).double()
    speech, text = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    fused = fusion(speech, text)
    weight, bias = fusion.gate.weight.tolist(), fusion.gate.bias.tolist()
    assert fused.shape == (4, 5)
    for row, both in zip(
        fused.tolist(), [[*a, *t] for a, t in zip(speech.tolist(), text.tolist(), strict=True)], strict=True
    ):
        for j, value in enumerate(row):
            z = bias[j] + sum(w * x for w, x in zip(weight[j], both, strict=True))
            assert math.isclose(value, both[j] / (1 + math.exp(-z)), rel_tol=1e-12)


def test_gradients_reach_the_gate_and_both_inputs():
    fusion = GatedConcatenation(3, 2).double()
    inputs = tuple(torch.randn(4, width, dtype=torch.float64, requires_grad=True) for width in (3, 2))
    assert torch.autograd.gradcheck(fusion, inputs)
    fusion(*inputs).square().sum().backward()
    assert fusion.gate.weight.grad.abs().min() > 0


def test_a_hidden_modality_stays_hidden():
    """Modality dropout sets a modality to 0; the gate must not bring it back."""
    fused = GatedConcatenation(3, 2)(torch.zeros(4, 3), torch.randn(4, 2))
    assert (fused[:, :3] == 0).all() and (fused[:, 3:] != 0).all()
