"""The objective of AmbER²: supervision by votes, and teachers that guide a student, each as far as it is right.

The paper states that the modality heads are teachers that give adaptive guidance to a student head which is itself
supervised by the votes [P]; the divergence, the weights, λ and β are decided here [D] and are keys of `amber`.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ambiser.config.schema import Amber
from ambiser.losses.divergence import DIVERGENCES, entropy, js_divergence

_SMALL = 1e-6


def teacher_weights(
    rule: str,
    probs: Tensor,
    teachers: Tensor,
    temperature: float,
    divergence: str = "jsd",
    available: Tensor | None = None,
) -> Tensor:
    """Weighs the teachers of each utterance; nothing flows back into a teacher.

    Rules: `gt_divergence` softmax of −D(y, p_t) / τ; `inverse_divergence` 1 / D(y, p_t), normalised; `confidence`
    1 − H(p_t) / log C, normalised; `uniform` equal.

    Args:
        rule: name of the rule.
        probs: (B, C) votes y, rows that sum to 1.
        teachers: (M, B, C) log-probabilities of M teachers.
        temperature: τ > 0, used by gt_divergence.
        divergence: D, a key of `DIVERGENCES`.
        available: (M, B) false where a teacher has nothing to go by; None: all are available.

    Returns:
        (M, B) weights that sum to 1 over the available teachers, or are all 0 where there is none.

    Source: AmbER² ("adaptive" weights are the paper's, these rules are ours).
    """
    teachers = teachers.detach()
    distance = DIVERGENCES[divergence](probs, teachers)
    if rule == "uniform":
        raw = torch.ones_like(distance)
    elif rule == "confidence":
        raw = 1 - entropy(teachers.exp()) / math.log(teachers.shape[-1]) + _SMALL
    elif rule == "gt_divergence":
        raw = torch.softmax(-distance / temperature, dim=0)
    elif rule == "inverse_divergence":
        raw = 1 / (distance + _SMALL)
    else:
        raise ValueError(f"unknown rule of teacher weights: {rule}")
    if available is not None:
        raw = raw * available
    return raw / raw.sum(dim=0).clamp_min(torch.finfo(raw.dtype).tiny)


def scheduled(settings: Amber, epoch: int, epochs: int) -> Amber:
    """Returns the settings with λ and β as they are in an epoch.

    "constant" leaves a weight as it is, "rise" takes it from 0 in the first epoch to its value in the last one in equal
    steps, and "fall" from its value to 0.

    Args:
        settings: guidance (λ), teacher (β) and their schedules.
        epoch: 1 to epochs.
        epochs: as many as are planned; a training of one epoch has the full weights.
    """
    done = (epoch - 1) / (epochs - 1) if epochs > 1 else None
    share = {"constant": 1.0, "rise": 1.0 if done is None else done, "fall": 1.0 if done is None else 1 - done}
    return settings.model_copy(
        update={
            "guidance": settings.guidance * share[settings.guidance_schedule],
            "teacher": settings.teacher * share[settings.teacher_schedule],
        }
    )


def amber_loss(
    probs: Tensor,
    heads: Mapping[str, Tensor],
    settings: Amber,
    *,
    has_text: Tensor | None = None,
    importance: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Computes L = D(y, p_s) + λ Σ_t w_t D(p̄_t, p_s) + β Σ_t D(y, p_t), averaged over the batch.

    s is the student, t runs over the other heads, p̄ is p without gradient, and with the agreement gate λ is scaled
    for each utterance by 1 − JSD(p_A, p_T) / log 2.

    Args:
        probs: (B, C) target y.
        heads: log-probabilities (B, C) by head name.
        settings: student, divergence, weights, guidance (λ), teacher (β), temperature, agreement_gate.
        has_text: (B,) false where an utterance has no words: there head T is neither taught nor heard.
        importance: (B,) weight of each utterance, on average 1; None weighs all alike.

    Returns:
        The loss, and its detached parts: "student", "guidance", "teacher" (means without λ and β), and "weight_X" for
        every teacher X.

    Source: AmbER², objective (structure from the paper, the rest ours; methods §2).
    """
    divergence = DIVERGENCES[settings.divergence]
    names = [settings.student, *(name for name in heads if name != settings.student)]
    log_probs = torch.stack([heads[name] for name in names])  # (1 + M, B, C), the student first
    available = None
    if has_text is not None:
        available = torch.stack([has_text if name == "T" else torch.ones_like(has_text) for name in names])
    supervised = divergence(probs, log_probs)
    supervised = supervised if available is None else supervised * available
    total = supervised[0]
    parts = {"student": total.mean().detach()}
    if names[1:]:
        teachers = log_probs[1:].detach()
        weights = teacher_weights(
            settings.weights,
            probs,
            teachers,
            settings.temperature,
            settings.divergence,
            None if available is None else available[1:],
        )
        guidance = (weights * divergence(teachers.exp(), log_probs[0])).sum(dim=0)
        if settings.agreement_gate:
            guidance = guidance * (1 - js_divergence(heads["A"].detach().exp(), heads["T"].detach()) / math.log(2))
        if available is not None:
            guidance = guidance * available[0]
        supervised_teachers = supervised[1:].sum(dim=0)
        total = total + settings.guidance * guidance + settings.teacher * supervised_teachers
        parts["guidance"] = guidance.mean().detach()
        parts["teacher"] = supervised_teachers.mean().detach()
        parts |= {f"weight_{name}": w.mean() for name, w in zip(names[1:], weights, strict=True)}
    return (total if importance is None else total * importance).mean(), parts
