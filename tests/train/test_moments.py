"""Mean and deviation in one pass over rows have the bytes of torch's; kept ones are read again."""

import numpy as np
import pytest
import torch

from ambiser.train.moments import kept, pooled_moments, statistics_file


@pytest.mark.parametrize("shape", [(1, 2, 3), (5, 13, 7), (100, 2, 80), (640, 1, 80), (3001, 13, 77), (9000, 3, 64)])
def test_one_pass_has_the_bytes_of_torch(shape):
    x = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 5
    mean, deviation = pooled_moments(len(x), (chunk.numpy() for chunk in x.split(64)))
    assert torch.equal(mean, x.mean(dim=0))
    assert torch.equal(deviation, x.std(dim=0, unbiased=False))


def test_kept_statistics_are_computed_once_and_a_damaged_file_is_written_again(tmp_path):
    path, calls = tmp_path / "statistics" / "a.safetensors", []

    def compute():
        calls.append(1)
        return torch.ones(2, 3), torch.zeros(2, 3)

    for _ in range(2):
        mean, deviation = kept(path, compute)
        assert torch.equal(mean, torch.ones(2, 3)) and torch.equal(deviation, torch.zeros(2, 3))
    assert len(calls) == 1
    path.write_bytes(b"damaged")
    kept(path, compute)
    kept(path, compute)
    assert len(calls) == 2


def test_statistics_that_cannot_be_written_are_not_kept(tmp_path):
    (tmp_path / "statistics").write_text("a file in place of the folder")
    mean, _ = kept(tmp_path / "statistics" / "a.safetensors", lambda: (torch.ones(2), torch.ones(2)))
    assert torch.equal(mean, torch.ones(2))


def test_the_file_depends_on_utterances_features_and_form(tmp_path):
    scp, ark = tmp_path / "feats.scp", tmp_path / "feats.ark"
    scp.write_text("u1 feats.ark:3\n")
    ark.write_bytes(b"1234")
    first = statistics_file(scp, ["u1"], "pooled")
    assert statistics_file(scp, ["u1"], "pooled") == first
    others = {statistics_file(scp, ["u2"], "pooled"), statistics_file(scp, ["u1"], "frames")}
    ark.write_bytes(b"12345")
    others.add(statistics_file(scp, ["u1"], "pooled"))
    scp.write_text("u1 feats.ark:4\n")
    others.add(statistics_file(scp, ["u1"], "pooled"))
    assert len(others | {first}) == 5
    assert np.unique([path.parent.name for path in others]).tolist() == ["statistics"]
