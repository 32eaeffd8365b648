"""Optimizers and clipping have the bytes of torch's, and need no compiler."""

import copy
import subprocess
import sys

import pytest
import torch

from ambiser.train.optimizers import OPTIMIZERS, clip_gradients

TORCH = {
    "adamw": lambda groups, decay: torch.optim.AdamW(groups, weight_decay=decay, fused=True),
    "sgd": lambda groups, decay: torch.optim.SGD(groups, weight_decay=decay),
}


def make(seed: int) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((30, 7), (7,), (3, 2, 5), (1,))]


def groups_of(parameters) -> list[dict]:
    return [{"params": parameters[:2], "lr": 0.1}, {"params": parameters[2:], "lr": 0.02}]


def set_gradients(parameters, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for number, parameter in enumerate(parameters):
        drawn = torch.randn(parameter.shape, generator=generator)
        parameter.grad = None if (step + number) % 3 == 0 else drawn  # a parameter may be unused in a step


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_updates_have_the_bytes_of_torch(name, decay):
    ours, theirs = make(0), make(0)
    own, other = OPTIMIZERS[name](groups_of(ours), weight_decay=decay), TORCH[name](groups_of(theirs), decay)
    for step in range(12):
        for parameters, optimizer in ((ours, own), (theirs, other)):
            set_gradients(parameters, step)
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            optimizer.step()
            optimizer.zero_grad()
        if step == 6:  # resumes from the state of torch, as from its own
            own = OPTIMIZERS[name](groups_of(ours), weight_decay=decay)
            own.load_state_dict(copy.deepcopy(other.state_dict()))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert all(parameter.grad is None for parameter in ours)


@pytest.mark.parametrize("limit", [0.1, 5.0, 1000.0])
def test_clipped_gradients_have_the_bytes_of_torch(limit):
    ours, theirs = make(0), make(0)
    set_gradients(ours, 1)
    set_gradients(theirs, 1)
    clip_gradients(ours, limit)
    torch.nn.utils.clip_grad_norm_(theirs, limit)
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad is b.grad is None or torch.equal(a.grad, b.grad)


def test_a_state_restores_the_same_training():
    ours, theirs = make(0), make(0)
    whole = OPTIMIZERS["adamw"](groups_of(theirs), weight_decay=0.1)
    own = OPTIMIZERS["adamw"](groups_of(ours), weight_decay=0.1)
    for step in range(6):
        if step == 3:
            state = own.state_dict()
            own = OPTIMIZERS["adamw"](groups_of(ours), weight_decay=0.1)
            own.load_state_dict(state)
        for parameters, optimizer in ((ours, own), (theirs, whole)):
            set_gradients(parameters, step)
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_step_does_not_import_the_compiler():
    code = (
        "import sys, torch; from ambiser.train.optimizers import AdamW, clip_gradients;"
        "p = torch.nn.Parameter(torch.ones(3)); a = AdamW([{'params': [p], 'lr': 1.0}], weight_decay=0.1);"
        "p.sum().backward(); clip_gradients([p], 1.0); a.step(); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
