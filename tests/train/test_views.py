"""Masked views."""

import torch

from ambiser.models.encoder import LayerMix
from ambiser.train.views import draw_view, hide_layers


def _draw(x, mask, generator, feature_mask=0.0, time_mask=0.0, noise=0.0):
    return draw_view(x, mask, generator, feature_mask=feature_mask, time_mask=time_mask, noise=noise)


def test_zero_shares_change_nothing():
    x = torch.randn(3, 2, 5)
    assert torch.equal(_draw(x, None, torch.Generator().manual_seed(0), time_mask=0.5, feature_mask=0.0), x)


def test_feature_mask_replaces_about_its_share_by_the_mean():
    x = torch.randn(40, 1, 100, generator=torch.Generator().manual_seed(1))
    view = _draw(x, None, torch.Generator().manual_seed(2), time_mask=0.0, feature_mask=0.3)
    changed = view != x
    assert 0.27 < changed.float().mean() < 0.33
    assert torch.allclose(view[changed], x.mean(0, keepdim=True).expand_as(x)[changed])


def test_time_mask_hides_one_span_of_real_frames():
    x = torch.randn(2, 10, 3, generator=torch.Generator().manual_seed(3))
    mask = torch.arange(10)[None] < torch.tensor([10, 5])[:, None]
    view = _draw(x, mask, torch.Generator().manual_seed(4), time_mask=0.4, feature_mask=0.0)
    changed = (view != x).any(dim=2)
    assert changed.sum(1).tolist() == [4, 2]
    assert not changed[1, 5:].any()
    for row in changed:
        hidden = torch.nonzero(row).flatten()
        assert hidden[-1] - hidden[0] + 1 == len(hidden)


def test_layer_mask_hides_its_share_of_layers_by_their_mean_and_never_all():
    x = torch.randn(500, 4, 3, generator=torch.Generator().manual_seed(5))
    view = hide_layers(x, 0.5, torch.Generator().manual_seed(6))
    changed = (view != x).all(dim=2)
    assert torch.equal(changed, (view != x).any(dim=2))
    assert 0.42 < changed.float().mean() < 0.52  # a row with all four drawn keeps one
    assert (changed.sum(dim=1) < 4).all()
    assert torch.allclose(view[changed], x.mean(0, keepdim=True).expand_as(x)[changed])


def test_share_zero_and_a_single_layer_hide_no_layer():
    x = torch.randn(5, 4, 3)
    assert hide_layers(x, 0.0, torch.Generator()) is x
    assert torch.equal(hide_layers(x[:, :1], 0.9, torch.Generator()), x[:, :1])


def test_hiding_a_feature_after_the_mix_equals_hiding_it_in_all_layers():
    x = torch.randn(6, 3, 20, generator=torch.Generator().manual_seed(9))
    mix = LayerMix(3, 20)
    mix.standardizer.set(x.mean(0), x.std(0))
    with torch.no_grad():
        mix.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
    after = _draw(mix(x), None, torch.Generator().manual_seed(10), feature_mask=0.4)
    hidden = torch.rand(6, 20, generator=torch.Generator().manual_seed(10)) < 0.4
    before = mix(torch.where(hidden[:, None], x.mean(0), x))
    assert torch.allclose(after, before, atol=1e-6)


def test_noise_on_a_feature_that_never_varies_leaves_gradients_finite():
    x = torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(11))
    x[:, :, 3] = 1.0
    mix = LayerMix(2, 4)
    _draw(mix(x), None, torch.Generator().manual_seed(12), noise=0.1).square().sum().backward()
    assert torch.isfinite(mix.logits.grad).all()


def test_noise_is_in_deviations_of_each_feature():
    scale = torch.tensor([1.0, 10.0])
    x = torch.randn(20000, 1, 2, generator=torch.Generator().manual_seed(7)) * scale
    view = _draw(x, None, torch.Generator().manual_seed(8), feature_mask=0, noise=0.3)
    assert torch.allclose((view - x).std(dim=0)[0], 0.3 * scale, rtol=0.05)
