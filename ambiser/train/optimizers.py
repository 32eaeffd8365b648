"""Updates parameters: AdamW and SGD with the numbers of torch.optim.

torch.optim imports PyTorch's compiler, which takes nearly as long as the import of PyTorch itself, and each of its
steps costs more than the fused update of a small network.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # the defaults of torch.optim.AdamW


class Sgd:
    """Stochastic gradient descent without momentum.

    Args:
        groups: dicts with parameters (`params`) and their learning rate (`lr`), which may change between steps.
        weight_decay: added to the gradient, times the parameter.
    """

    def __init__(self, groups: Sequence[dict], *, weight_decay: float) -> None:
        self.param_groups = list(groups)
        self._decay = weight_decay

    def zero_grad(self) -> None:
        """Frees all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Updates all parameters that have a gradient."""
        for group in self.param_groups:
            for parameters in _alike(p for p in group["params"] if p.grad is not None):
                self._update(parameters, [p.grad for p in parameters], group["lr"])

    def state_dict(self) -> dict[str, object]:
        """Returns the state besides the parameters."""
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restores what `state_dict` returned."""

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        if self._decay:
            gradients = torch._foreach_add(gradients, parameters, alpha=self._decay)
        torch._foreach_add_(parameters, gradients, alpha=-rate)


class AdamW(Sgd):
    """Adam with decoupled weight decay, in one fused pass over the parameters.

    Args:
        groups: as in `Sgd`.
        weight_decay: share of a parameter, times the learning rate, that a step subtracts.

    Source: Loshchilov and Hutter 2019 (arXiv 1711.05101).
    """

    def __init__(self, groups: Sequence[dict], *, weight_decay: float) -> None:
        super().__init__(groups, weight_decay=weight_decay)
        self._moments: dict[Tensor, tuple[Tensor, Tensor]] = {}  # mean and mean square of a parameter's gradients
        self._steps: dict[Tensor, int] = {}

    def state_dict(self) -> dict[str, object]:
        """Returns moments and numbers of steps by the parameter's position among all groups, as torch.optim does."""
        known = [(place, p) for place, p in enumerate(self._parameters()) if p in self._moments]
        names = ("exp_avg", "exp_avg_sq")
        return {
            "state": {
                place: {"step": self._steps[p], **dict(zip(names, self._moments[p], strict=True))} for place, p in known
            }
        }

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restores what `state_dict` returned."""
        parameters = self._parameters()
        for place, known in state["state"].items():
            parameter = parameters[place]
            self._steps[parameter] = int(known["step"])
            self._moments[parameter] = known["exp_avg"].to(parameter.device), known["exp_avg_sq"].to(parameter.device)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        for parameter in parameters:
            if parameter not in self._moments:
                self._moments[parameter] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            self._steps[parameter] = self._steps.get(parameter, 0) + 1
        numbers = [self._steps[parameter] for parameter in parameters]
        # Nearly always one number, so one tensor.
        tensors = {n: torch.full((), float(n), device=parameters[0].device) for n in set(numbers)}
        torch._fused_adamw_(
            parameters,
            gradients,
            [self._moments[parameter][0] for parameter in parameters],
            [self._moments[parameter][1] for parameter in parameters],
            [],
            [tensors[number] for number in numbers],
            lr=rate,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=self._decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )


OPTIMIZERS = {"adamw": AdamW, "sgd": Sgd}


def clip_gradients(parameters: Sequence[Tensor], limit: float) -> None:
    """Scales gradients so that their common norm is at most `limit`, with the numbers of torch's clip_grad_norm_."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [norm for alike in _alike(gradients) for norm in torch._foreach_norm(alike)]
    norm = torch.linalg.vector_norm(torch.stack([one.to(norms[0].device) for one in norms]))
    factor = (limit / (norm + 1e-6)).clamp(max=1)
    if factor.device.type == "cpu" and factor.item() == 1:
        return  # on a GPU, waiting for the norm takes longer than the product
    for alike in _alike(gradients):
        torch._foreach_mul_(alike, factor.to(alike[0].device))


def _alike(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Groups tensors by device and type, because a fused operation takes equal ones."""
    groups = defaultdict(list)
    for tensor in tensors:
        groups[tensor.device, tensor.dtype].append(tensor)
    return list(groups.values())
