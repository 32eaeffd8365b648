"""Defines models of single raters above a shared head: how each of them deviates from the mean rater.

Every rater has one row of numbers; a row of zeros is the mean rater, who also stands in for unknown raters. Rows are
updated only in the steps whose votes they explain, so the time of a step does not depend on the number of raters.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

_SMALL = 1e-10
_FIRST_AGREEMENT = 0.9
"""Chance, at the start, that a rater of the crowd layer votes for the class that the network predicts."""


class RaterRows(nn.Module):
    """A table with a row per rater, trained by Adagrad with one step size per row.

    Args:
        raters: R.
        width: W, numbers per rater.
    """

    def __init__(self, raters: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(raters, width))
        self.register_buffer("squares", torch.zeros(raters))  # sums of squared gradients
        self._used: tuple[Tensor, Tensor] | None = None

    def forward(self, raters: Tensor) -> Tensor:
        """Returns the rows (V, W) of raters (V,); their gradient is kept for `update`."""
        used, position = raters.unique(return_inverse=True)
        rows = self.rows[used].requires_grad_(torch.is_grad_enabled())  # a copy: a step touches these rows only
        self._used = used, rows
        return rows[position]

    @torch.no_grad()
    def update(self, rate: float) -> None:
        """Moves the rows of the last `forward` against their gradient."""
        used, rows = self._used
        if rows.grad is None:
            return
        self.squares[used] += rows.grad.pow(2).mean(dim=1)
        self.rows[used] -= rate * rows.grad / (self.squares[used].sqrt() + _SMALL)[:, None]


class RaterHeads(nn.Module):
    """An output layer per rater on shared features: z_r = z + W_r g + b_r with g = tanh(P h).

    Source: heads per rater on a shared encoder, Tavernor and Mower Provost, arXiv 2408.11956 and 2509.12295 (the layer
    before the heads and the sum with the mean rater's logits are ours).
    """

    def __init__(self, hidden: int, classes: int, size: int) -> None:
        super().__init__()
        self.width = classes * (size + 1)
        self.project = nn.Linear(hidden, size)

    def log_probs(self, hidden: Tensor, logits: Tensor, rows: Tensor) -> Tensor:
        """Returns log-probabilities (..., C) from (..., H), (..., C) and rows (..., W), which broadcast."""
        own = rows.unflatten(-1, (logits.shape[-1], -1))  # (..., C, size + 1)
        shared = torch.tanh(self.project(hidden))[..., None, :]  # (..., 1, size)
        return (logits + (own[..., :-1] * shared).sum(dim=-1) + own[..., -1]).log_softmax(dim=-1)


class RaterEmbeddings(nn.Module):
    """A vector e_r per rater that scales shared features: z_r = z + U (e_r ⊙ tanh(P h)) + V e_r.

    Source: embeddings of annotators, Deng et al. 2023 (arXiv 2305.14663) and Mokhberian et al. 2024; this form is ours.
    """

    def __init__(self, hidden: int, classes: int, size: int) -> None:
        super().__init__()
        self.width = size
        self.project = nn.Linear(hidden, size)
        self.scaled = nn.Linear(size, classes, bias=False)
        self.bias = nn.Linear(size, classes, bias=False)

    def log_probs(self, hidden: Tensor, logits: Tensor, rows: Tensor) -> Tensor:
        """Returns log-probabilities (..., C) from (..., H), (..., C) and rows (..., W), which broadcast."""
        moved = self.scaled(rows * torch.tanh(self.project(hidden))) + self.bias(rows)
        return (logits + moved).log_softmax(dim=-1)


class CrowdLayer(nn.Module):
    """A confusion matrix per rater after the shared classes: p_r = p T_r, rows of T_r are softmax(T + D_r).

    Source: crowd layer, Rodrigues and Pereira 2018 (arXiv 1709.01779), variant MW, a matrix per rater; its rows are
    made distributions here, and all raters share T.
    """

    def __init__(self, hidden: int, classes: int, size: int) -> None:
        super().__init__()
        self.width = classes * classes
        others = (1 - _FIRST_AGREEMENT) / (classes - 1)
        first = torch.full((classes, classes), others).fill_diagonal_(_FIRST_AGREEMENT)
        self.shared = nn.Parameter(first.log())

    def log_probs(self, hidden: Tensor, logits: Tensor, rows: Tensor) -> Tensor:
        """Returns log-probabilities (..., C) from (..., C) logits and rows (..., W), which broadcast."""
        classes = logits.shape[-1]
        confusion = (self.shared + rows.unflatten(-1, (classes, classes))).softmax(dim=-1)  # (..., true, voted)
        probs = (logits.softmax(dim=-1)[..., None] * confusion).sum(dim=-2)  # (..., C)
        return probs.clamp_min(_SMALL).log()


RATER_MODELS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "heads": RaterHeads,
    "embeddings": RaterEmbeddings,
    "crowd_layer": CrowdLayer,
}
"""By the values of `raters.model`."""


class RatedHead(nn.Module):
    """A head with a model of raters: predicts the mean rater in training, and the panel's mean in evaluation.

    Args:
        head: maps (B, inputs) to logits (B, C); linear, or layers that end in a linear one.
        kind: a key of `RATER_MODELS`.
        raters: R.
        size: numbers per class and head, or per embedding.
        panel: K, largest number of raters on the panel.
    """

    def __init__(self, head: nn.Module, *, kind: str, raters: int, size: int, panel: int) -> None:
        super().__init__()
        layers = list(head) if isinstance(head, nn.Sequential) else [head]
        self.before, self.last = nn.Sequential(*layers[:-1]), layers[-1]
        self.deviation = RATER_MODELS[kind](self.last.in_features, self.last.out_features, size)
        self.table = RaterRows(raters, self.deviation.width)
        self.register_buffer("votes", torch.zeros(raters))
        self.register_buffer("panel", torch.zeros(min(panel, raters), dtype=torch.long))
        self.register_buffer("weights", torch.zeros(min(panel, raters)))

    def count_votes(self, votes: Tensor) -> None:
        """Chooses the panel from the number of training votes (R,) of each rater."""
        self.votes.copy_(votes)
        chosen = votes.argsort(descending=True, stable=True)[: len(self.panel)]
        self.panel.copy_(chosen)
        self.weights.copy_(votes[chosen] / votes.sum())

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs) to logits (B, C)."""
        hidden = self.before(x)  # (B, H)
        mean = self._mean_rater(hidden, self.last(hidden))  # (B, C) log-probabilities
        if self.training:
            return mean
        of_panel = torch.einsum("bkc,k->bc", self.single(x, self.panel).exp(), self.weights)
        # Votes of raters outside the panel count for the mean rater.
        return (of_panel + (1 - self.weights.sum()).clamp_min(0) * mean.exp()).clamp_min(_SMALL).log()

    def single(self, x: Tensor, raters: Tensor) -> Tensor:
        """Returns log-probabilities (B, K, C) of raters (K,) for (B, inputs)."""
        hidden = self.before(x)
        return self.deviation.log_probs(hidden[:, None], self.last(hidden)[:, None], self.table.rows[raters][None])

    def ask(self, x: Tensor, row: Tensor, rater: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predicts the mean rater and single votes.

        Args:
            x: (B, inputs).
            row: (V,) utterance of each vote, an index into x.
            rater: (V,) its rater.

        Returns:
            Log-probabilities (B, C) of the mean rater and (V, C) of the votes' raters, and half the squared deviation
            (V,) of these raters from the mean rater, divided by the rater's number of training votes.
        """
        hidden = self.before(x)  # (B, H)
        logits, own = self.last(hidden), self.table(rater)  # (B, C), (V, W)
        single = self.deviation.log_probs(hidden[row], logits[row], own)
        pull = own.pow(2).sum(dim=1) / 2 / self.votes[rater].clamp_min(1)
        return self._mean_rater(hidden, logits), single, pull

    def _mean_rater(self, hidden: Tensor, logits: Tensor) -> Tensor:
        return self.deviation.log_probs(hidden, logits, self.table.rows.new_zeros(self.deviation.width))
