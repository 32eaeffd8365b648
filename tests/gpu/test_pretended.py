"""The pretended GPU refuses what a real one refuses, and computes what a CPU computes."""

import pytest
import torch
from gpu.pretended import MixedDevices, pretended_gpu
from torch import nn


@pytest.fixture
def gpu(monkeypatch):
    with pretended_gpu(monkeypatch):
        yield


MIXTURES = {
    "a sum": lambda x, cpu: x + cpu,
    "a product of matrices": lambda x, cpu: x @ cpu,
    "a layer that was not moved": lambda x, cpu: nn.Linear(3, 3)(x),
    "a concatenation": lambda x, cpu: torch.cat([x, cpu]),
    "a mask": lambda x, cpu: x.masked_fill(cpu > 0, 0),
    "a choice": lambda x, cpu: torch.where(cpu > 0, x, x),
    "rows by index_select": lambda x, cpu: x.index_select(0, torch.tensor([1])),
    "a CPU tensor indexed by a GPU tensor": lambda x, cpu: cpu[x > 0],
    "an array": lambda x, cpu: x.numpy(),
    "an assignment": lambda x, cpu: x.add_(cpu),
    "a loss": lambda x, cpu: nn.functional.cross_entropy(x, torch.tensor([0, 1, 2])),
    "a generator": lambda x, cpu: torch.rand(2, device="cuda", generator=torch.Generator()),
    "a sum into place": lambda x, cpu: cpu.index_add_(0, torch.arange(3, device="cuda"), x),
}


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=list(MIXTURES))
def test_mixtures_are_refused(mixture, gpu):
    with pytest.raises(MixedDevices):
        mixture(torch.ones(3, 3).to("cuda"), torch.ones(3, 3))


def test_what_a_gpu_allows_is_allowed(gpu):
    x, index = torch.arange(6.0).view(3, 2).to("cuda"), torch.tensor([2, 0])
    assert x.device == torch.device("cuda", 0) and x.is_cuda and index.device.type == "cpu"
    assert x[index].cpu().tolist() == [[4, 5], [0, 1]]
    assert (x * torch.tensor(2.0)).sum().item() == 30
    x[index] = torch.zeros(2, device="cuda")
    assert x.tolist() == [[0, 0], [2, 3], [0, 0]]
    assert torch.tensor([1, 2], device="cuda").tolist() == [1, 2]
    assert torch.nonzero(x).flatten().device.type == "cuda"
    x.copy_(torch.ones(3, 2))
    assert x.mean().item() == 1


def test_a_network_learns_as_on_the_cpu(monkeypatch):
    def learn(device: str) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2)).to(device)
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)
        x, y = torch.randn(9, 4).to(device), torch.arange(9).to(device) % 2
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x), y).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        return [p.detach().cpu() for p in network.parameters()]

    expected = learn("cpu")
    with pretended_gpu(monkeypatch):
        found = learn("cuda")
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
