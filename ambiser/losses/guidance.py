"""Computes the objective of AmbER²: supervision by votes, and teachers weighted by agreement with the votes.

The paper states that the modality heads are teachers that give adaptive guidance to a student head, which is itself
supervised by the votes [P]. JSD and the weights by JSD to the votes are stated in a digest of the paper [S]; the other
rules, β and the detached teachers are decided here [D]. All are keys of `amber`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ambiser.losses.divergence import DIVERGENCES, entropy, js_divergence

_SMALL = 1e-6


@dataclass(frozen=True)
class Objective:
    """The settings of `amber_loss`.

    Attributes:
        student: name of the student's head; all other heads are teachers.
        divergence: D, a key of `DIVERGENCES`.
        weights: rule of the teacher weights, a key of `WEIGHT_RULES`.
        temperature: τ > 0 of the rule gt_divergence.
        guidance: λ ≥ 0, weight of the teachers' guidance.
        teacher: β ≥ 0, weight of the teachers' own supervision.
        agreement_gate: scale λ for each utterance by 1 − JSD(p_A, p_T) / log 2.
        detach_teachers: the gradient of the guidance reaches the student alone, and no teacher.
    """

    student: str
    divergence: str
    weights: str
    temperature: float
    guidance: float
    teacher: float
    agreement_gate: bool
    detach_teachers: bool


def _weight_equally(distance: Tensor, log_probs: Tensor, temperature: float) -> Tensor:
    return torch.ones_like(distance)


def _weight_by_confidence(distance: Tensor, log_probs: Tensor, temperature: float) -> Tensor:
    # The small term keeps a weight where all teachers are uniform and all confidences 0.
    return 1 - entropy(log_probs.exp()) / math.log(log_probs.shape[-1]) + _SMALL


def _weight_by_divergence(distance: Tensor, log_probs: Tensor, temperature: float) -> Tensor:
    return torch.softmax(-distance / temperature, dim=0)


def _weight_by_inverse(distance: Tensor, log_probs: Tensor, temperature: float) -> Tensor:
    return 1 / (distance + _SMALL)  # a teacher that predicts the votes exactly has distance 0


WEIGHT_RULES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "gt_divergence": _weight_by_divergence,
    "inverse_divergence": _weight_by_inverse,
    "confidence": _weight_by_confidence,
    "uniform": _weight_equally,
}
"""By the values of `amber.weights`: from D(y, p_t) (M, B), log p_t (M, B, C) and τ to weights before normalization."""


def teacher_weights(
    rule: str,
    target: Tensor,
    log_probs: Tensor,
    temperature: float,
    divergence: str = "jsd",
    available: Tensor | None = None,
) -> Tensor:
    """Weights the teachers of each utterance; no gradient flows into a teacher.

    Rules: `gt_divergence` softmax of −D(y, p_t) / τ; `inverse_divergence` 1 / D(y, p_t), normalized; `confidence`
    1 − H(p_t) / log C, normalized; `uniform` equal.

    Args:
        rule: a key of `WEIGHT_RULES`.
        target: (B, C) votes y, rows that sum to 1.
        log_probs: (M, B, C) log-probabilities of M teachers.
        temperature: τ > 0, used by gt_divergence.
        divergence: D, a key of `DIVERGENCES`.
        available: (M, B) false where a teacher has no input; None: all are available.

    Returns:
        (M, B) weights that sum to 1 over the available teachers, or are all 0 where no teacher is available.

    Source: AmbER² ("adaptive" weights are the paper's, gt_divergence is in a digest of it, the other rules are ours).
    """
    log_probs = log_probs.detach()
    distance = DIVERGENCES[divergence](target, log_probs)  # (M, B)
    raw = WEIGHT_RULES[rule](distance, log_probs, temperature)  # (M, B)
    if available is not None:
        raw = raw * available
    return raw / raw.sum(dim=0).clamp_min(torch.finfo(raw.dtype).tiny)  # 0 / tiny = 0 without a teacher


def scheduled_weight(weight: float, schedule: str, epoch: int, epochs: int) -> float:
    """Returns λ or β in an epoch.

    "constant" keeps the weight, "rise" takes it in equal steps from 0 in the first epoch to its value in the last, and
    "fall" from its value to 0.

    Args:
        weight: the full weight.
        schedule: constant, rise or fall.
        epoch: 1 to epochs.
        epochs: number of planned epochs; a training of one epoch has the full weight.
    """
    if schedule == "constant" or epochs == 1:
        return weight
    done = (epoch - 1) / (epochs - 1)
    return weight * (done if schedule == "rise" else 1 - done)


def amber_loss(
    target: Tensor,
    heads: Mapping[str, Tensor],
    objective: Objective,
    *,
    has_text: Tensor | None = None,
    importance: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Computes L = D(y, p_s) + λ Σ_t w_t D(p̄_t, p_s) + β Σ_t D(y, p_t), averaged over the batch.

    s is the student, t runs over the other heads, and p̄ is p without gradient, or p itself where teachers are not
    detached.

    Args:
        target: (B, C) votes y, rows that sum to 1.
        heads: log-probabilities (B, C) by head name.
        objective: divergence, weights, λ and β.
        has_text: (B,) false where an utterance has no words: head T then neither learns nor teaches.
        importance: (B,) weight of each utterance, on average 1; None weights all equally.

    Returns:
        The loss, and its detached parts: means without λ and β, and "weight_X" for every teacher X.

    Source: AmbER², objective (structure from the paper, D and w from a digest of it, β ours).
    """
    names = [objective.student, *(name for name in heads if name != objective.student)]
    log_probs = torch.stack([heads[name] for name in names])  # (1 + M, B, C), the student first
    supervised = DIVERGENCES[objective.divergence](target, log_probs)  # (1 + M, B)
    available = None
    if has_text is not None:
        available = torch.stack([has_text if name == "T" else torch.ones_like(has_text) for name in names])
        supervised = supervised * available
    total = supervised[0]  # (B,)
    parts = {"student": total.mean().detach()}
    if names[1:]:
        guidance, weights = _guidance(target, heads, log_probs, objective, available)
        of_teachers = supervised[1:].sum(dim=0)  # (B,)
        total = total + objective.guidance * guidance + objective.teacher * of_teachers
        parts |= {"guidance": guidance.mean().detach(), "teacher": of_teachers.mean().detach()}
        parts |= {f"weight_{name}": w.mean() for name, w in zip(names[1:], weights, strict=True)}
    return (total if importance is None else total * importance).mean(), parts


def _guidance(
    target: Tensor, heads: Mapping[str, Tensor], log_probs: Tensor, objective: Objective, available: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Returns Σ_t w_t D(p̄_t, p_s), (B,), gated and without λ, and the weights w_t, (M, B).

    Here a teacher's distribution p̄_t takes the place of the target.
    """
    teachers = log_probs[1:]  # (M, B, C)
    if objective.detach_teachers:  # else guidance also pulls the teachers to the student
        teachers = teachers.detach()
    weights = teacher_weights(
        objective.weights,
        target,
        teachers,
        objective.temperature,
        objective.divergence,
        None if available is None else available[1:],
    )
    guidance = (weights * DIVERGENCES[objective.divergence](teachers.exp(), log_probs[0])).sum(dim=0)  # (B,)
    if objective.agreement_gate:
        guidance = guidance * (1 - js_divergence(heads["A"].detach().exp(), heads["T"].detach()) / math.log(2))
    if available is not None:
        guidance = guidance * available[0]  # a student T without words has nothing to predict from
    return guidance, weights
