"""Encoder and heads against direct computation."""

import dataclasses

import pytest
import torch

from ambiser.models.encoder import Architecture, AttentivePooling, IprNetwork, LayerMix, SpeechEncoder, Standardizer

SMALL = Architecture(hidden=8, projection=5, head="mlp", pooling="mean", dropout=0.3)


def test_layer_mix_is_a_softmax_sum_of_standardized_layers():
    mix = LayerMix(3, 4)
    x = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    mix.standardizer.set(x.mean(0), x.std(0))
    with torch.no_grad():
        mix.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
    weights = torch.tensor([0.0, 1.0, -1.0]).softmax(0)
    expected = sum(w * (x[:, i] - x[:, i].mean(0)) / x[:, i].std(0) for i, w in enumerate(weights))
    assert torch.allclose(mix(x), expected, atol=1e-5)


def test_a_constant_feature_is_not_scaled():
    standardizer = Standardizer((2,))
    standardizer.set(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    assert torch.allclose(standardizer(torch.tensor([[1.5, 6.0]])), torch.tensor([[0.5, 1.0]]))


@pytest.mark.parametrize("pooling", ["mean", "attentive"])
def test_padding_does_not_change_the_encoding_of_frames(pooling):
    encoder = SpeechEncoder(layers=1, dim=4, architecture=dataclasses.replace(SMALL, pooling=pooling)).eval()
    frames = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(1))
    alone = encoder(frames, torch.ones(1, 6, dtype=torch.bool))
    padded = torch.cat([frames, torch.full((1, 3, 4), 7.0)], dim=1)
    mask = torch.arange(9)[None] < 6
    assert torch.allclose(encoder(padded, mask), alone, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 3])
def test_superb_head_on_means_equals_the_head_on_frames(layers):
    # linear - mean - linear needs only the mean over time, which is why pooled features are exact for it
    encoder = SpeechEncoder(layers=layers, dim=4, architecture=dataclasses.replace(SMALL, head="linear"))
    frames = torch.randn(2, layers, 10, 4, generator=torch.Generator().manual_seed(2))
    pooled = encoder(frames.mean(dim=2))
    by_frame = torch.stack([encoder(frames[:, :, t]) for t in range(10)]).mean(0)
    assert torch.allclose(pooled, by_frame, atol=1e-6)
    beside = frames.transpose(1, 2).flatten(2)  # (B, T, L·D), as 'form: frames_all' stores them
    assert torch.allclose(pooled, encoder(beside, torch.ones(2, 10, dtype=torch.bool)), atol=1e-6)


def test_frames_of_all_layers_are_standardized_and_mixed_layer_by_layer():
    mix = LayerMix(3, 4)
    generator = torch.Generator().manual_seed(3)
    mean, deviation = torch.randn(1, 12, generator=generator), torch.rand(1, 12, generator=generator) + 0.5
    mix.standardizer.set(mean, deviation)
    with torch.no_grad():
        mix.logits.copy_(torch.tensor([0.3, -1.0, 2.0]))
    frames = torch.randn(2, 5, 3, 4, generator=generator)
    scaled = (frames - mean.view(3, 4)) / deviation.view(3, 4)
    weights = torch.tensor([0.3, -1.0, 2.0]).softmax(0)
    expected = sum(weights[layer] * scaled[:, :, layer] for layer in range(3))
    assert torch.allclose(mix(frames.flatten(2)), expected, atol=1e-6)


def test_embeddings_are_unit():
    network = IprNetwork(layers=1, dim=4, classes=3, architecture=SMALL)
    logits, embeddings = network(torch.randn(6, 1, 4))
    assert logits.shape == (6, 3)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(6), atol=1e-6)


def test_attentive_pooling_equals_a_loop_over_utterances():
    pooling = AttentivePooling(6)
    x = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(3))
    lengths = [5, 3, 1]
    mask = torch.arange(5)[None] < torch.tensor(lengths)[:, None]
    for row, length, pooled in zip(x, lengths, pooling(x, mask), strict=True):
        frames = row[:length]
        weight = pooling.score(frames).flatten().softmax(0)
        mean = sum(w * f for w, f in zip(weight, frames, strict=True))
        variance = sum(w * (f - mean) ** 2 for w, f in zip(weight, frames, strict=True))
        expected = pooling.output(torch.cat([mean, (variance + 1e-6).sqrt()]))
        assert torch.allclose(pooled, expected, atol=1e-5)
