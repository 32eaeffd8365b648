"""Cross-attention against torch's own, and what masks must do."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from ambiser.models.attention import CrossAttention


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    return CrossAttention(5, 3, 8).double()


def _batch(frames: int = 6, tokens: int = 4) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(1)
    speech = torch.randn(2, frames, 5, dtype=torch.float64, generator=draw)
    text = torch.randn(2, tokens, 3, dtype=torch.float64, generator=draw)
    frame_mask, token_mask = torch.ones(2, frames, dtype=torch.bool), torch.ones(2, tokens, dtype=torch.bool)
    frame_mask[1, 4:], token_mask[0, 3:] = False, False
    return speech, frame_mask, text, token_mask


def test_the_block_equals_the_attention_of_torch(fusion):
    speech, frame_mask, text, token_mask = _batch()
    heard, read = fusion.speech(speech), fusion.text(text)
    halves = []
    for look, x, other, mask, own in (
        (fusion.of_speech, heard, read, token_mask, frame_mask),
        (fusion.of_text, read, heard, frame_mask, token_mask),
    ):
        seen = scaled_dot_product_attention(look.query(x), look.key(other), look.value(other), attn_mask=mask[:, None])
        values = look.norm(x + look.output(seen))
        halves.append(torch.stack([rows[real].mean(dim=0) for rows, real in zip(values, own, strict=True)]))
    assert torch.allclose(fusion(speech, frame_mask, text, token_mask), torch.cat(halves, dim=1), atol=1e-12)


def test_values_in_the_padding_change_nothing(fusion):
    speech, frame_mask, text, token_mask = _batch()
    cut = fusion(speech[1:, :4], frame_mask[1:, :4], text[1:], token_mask[1:])
    speech[1, 4:], text[0, 3:] = 1e6, -1e6
    assert torch.allclose(fusion(speech, frame_mask, text, token_mask)[1:], cut, atol=1e-12)
    speech.requires_grad_(), text.requires_grad_()
    fusion(speech, frame_mask, text, token_mask).sum().backward()
    assert speech.grad[1, 4:].abs().max() == 0 and text.grad[0, 3:].abs().max() == 0
    assert (speech.grad[0].abs().sum(dim=1) > 0).all()


def test_a_missing_modality_has_zeros_and_adds_nothing_to_the_other(fusion):
    speech, frame_mask, text, token_mask = _batch()
    token_mask[0] = False
    silent = fusion(speech, frame_mask, text, token_mask)
    other = fusion(speech, frame_mask, torch.randn_like(text), token_mask)
    assert torch.equal(silent[0], other[0])
    assert (silent[0, 8:] == 0).all() and (silent[0, :8] != 0).any()
    frame_mask[1] = False
    unheard = fusion(speech, frame_mask, text, token_mask)
    assert (unheard[1, :8] == 0).all() and torch.isfinite(unheard).all()
    frame_mask[0] = False
    fusion(speech, frame_mask, text, token_mask).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in fusion.parameters())


def test_gradients_equal_finite_differences(fusion):
    speech, frame_mask, text, token_mask = _batch(3, 2)
    frame_mask[1, 2:], token_mask[0, 1:] = False, False
    speech.requires_grad_(), text.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, t: fusion(x, frame_mask, t, token_mask), (speech, text))
