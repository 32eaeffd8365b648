"""The columns of heads.tsv: entropies, divergences and weights, against scipy."""

import numpy as np
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from train.toy import CLASSES, make_part, make_task

from ambiser.config import Config
from ambiser.config.training_keys import Amber
from ambiser.losses.guidance import teacher_weights
from ambiser.train import dev_scores
from ambiser.train.predictors import describe_heads


def _heads(count: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return {name: torch.randn(count, 4, generator=draw).softmax(1) for name in ("A", "T", "AT")}


def test_every_column_of_heads_tsv_equals_scipy():
    part, settings = make_part(12), Amber()
    part.text[2] = 0
    heads, information = _heads(12), {"AT": torch.rand(12)}
    columns = describe_heads(settings, part, CLASSES, heads, information)
    assert list(columns) == [
        *(f"{head}_{name}" for head in heads for name in CLASSES),
        "weight_A",
        "weight_T",
        "entropy_bits_votes",
        "entropy_bits_A",
        "entropy_bits_T",
        "entropy_bits_AT",
        "jsd_bits_A_T",
        "jsd_bits_A_AT",
        "jsd_bits_T_AT",
        "information_bits_AT",
    ]
    assert np.allclose(columns["entropy_bits_votes"], entropy(part.soft.numpy(), base=2, axis=1), atol=1e-6)
    for head, probs in heads.items():
        assert np.allclose(columns[f"{head}_angry"], probs[:, 2], atol=1e-6)
        assert np.allclose(columns[f"entropy_bits_{head}"], entropy(probs.numpy(), base=2, axis=1), atol=1e-6)
    apart = jensenshannon(heads["A"].numpy(), heads["AT"].numpy(), base=2, axis=1) ** 2
    assert np.allclose(columns["jsd_bits_A_AT"], apart, atol=1e-6)
    assert np.allclose(columns["information_bits_AT"], information["AT"] / np.log(2), atol=1e-6)
    logs = torch.stack([heads[name].log() for name in ("A", "T")])
    weights = teacher_weights("gt_divergence", part.soft, logs, settings.temperature)
    others = [i for i in range(12) if i != 2]
    assert np.allclose(columns["weight_T"][others], weights[1, others], atol=1e-5)
    assert columns["weight_T"][2] == 0 and columns["weight_A"][2] == 1, "no words, no teacher T"


def test_a_single_head_has_entropies_and_no_teacher():
    heads = {"A": _heads(6)["A"]}
    settings = Amber(student="A", guidance=0, teacher=0, mc_dropout=3)
    columns = describe_heads(settings, make_part(6), CLASSES, heads, {"A": torch.zeros(6)})
    assert list(columns)[4:] == ["entropy_bits_votes", "entropy_bits_A", "information_bits_A"]


def test_predictions_do_not_depend_on_the_size_of_chunks(monkeypatch):
    part = make_part(20)
    network = make_task("prototypes", Config.model_validate({"stages": ["prototypes"]}), part, part).network
    whole = dev_scores.forward_ipr(network, part)
    monkeypatch.setattr(dev_scores, "_CHUNK", 7)
    for one, other in zip(whole, dev_scores.forward_ipr(network, part), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
