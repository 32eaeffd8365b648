"""AmbER² and its baselines on a toy fold."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from train.toy import CLASSES, SHAPES, make_part, make_task, with_tokens

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.models.prototypes import ambiguous_labels
from ambiser.train.build import build_amber
from ambiser.train.checkpoint import load_best
from ambiser.train.dev_scores import forward_amber, forward_ipr, sample_amber
from ambiser.train.distill_task import start_from_ipr
from ambiser.train.ipr_checkpoint import IprCheckpoint
from ambiser.train.loop import fit
from ambiser.train.part import Shapes


def _config(stages=("distill",), model=None, **amber) -> Config:
    return Config.model_validate(
        {
            "stages": list(stages),
            "model": {"hidden": 12, "projection": 5, **(model or {})},
            "amber": amber,
            "distill": {"epochs": 8, "batch": 8, "patience": 0, "learning_rate": 3e-3, "select": "jsd"},
        }
    )


SPEECH_ONLY = {"student": "A", "guidance": 0, "teacher": 0}


@pytest.mark.parametrize(
    "choice",
    [
        {},
        SPEECH_ONLY,
        {**SPEECH_ONLY, "target": "majority", "divergence": "soft_ce"},
        {"student": "T"},
        {"weights": "confidence", "agreement_gate": True, "detach_teachers": False},
        {"weights": "uniform", "divergence": "kl"},
        {"fusion": "gated", "modality_dropout": 0.4},
        {"fusion": "gated_concat", "modality_dropout": 0.4},
        {"class_weights": "effective_number"},
        {**SPEECH_ONLY, "evidential": True},
        {**SPEECH_ONLY, "evidential": True, "target": "majority", "class_weights": "effective_number"},
    ],
)
def test_every_setting_learns_the_toy_fold(choice, tmp_path):
    config, train, dev = _config(**choice), make_part(), make_part(40, seed=5)
    torch.manual_seed(0)
    task = make_task("distill", config, train, dev)
    before = task.after_epoch()["dev_jsd"]
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    state, facts = load_best(tmp_path / "best.safetensors")
    if choice.get("student") != "T":  # the toy's text is noise
        assert facts["dev"] < before
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_unused_heads_are_not_built():
    network = build_amber(_config(**SPEECH_ONLY), Shapes(2, 6, 0, CLASSES))
    assert list(network.heads) == ["A"]
    assert network.text is None


def test_superb_head_has_no_nonlinearity():
    network = build_amber(_config(model={"head": "linear"}, **SPEECH_ONLY), Shapes(2, 6, 0, CLASSES)).eval()
    x, y = torch.randn(1, 2, 6), torch.randn(1, 2, 6)

    def logits(z: torch.Tensor) -> torch.Tensor:
        return network.heads["A"](network.tower(z, None))

    assert torch.allclose(logits((x + y) / 2), (logits(x) + logits(y)) / 2, atol=1e-5)


def test_majority_target_leaves_out_utterances_without_one():
    train = make_part()
    config = _config(target="majority")
    task = make_task("distill", config, train, train)
    assert (train.hard[task.items] >= 0).all()
    assert len(task.items) == int((train.hard >= 0).sum())
    nobody = dataclasses.replace(train, hard=torch.full_like(train.hard, -1))
    with pytest.raises(DataError, match="no training utterance has a majority"):
        make_task("distill", config, nobody, train)


def test_after_ipr_head_a_starts_as_its_classifier_and_sees_its_prototypes():
    stages = ("prototypes", "distill")
    config, train = _config(stages), make_part()
    torch.manual_seed(0)
    ipr = make_task("prototypes", config, train, train)
    ipr.after_epoch()
    network = build_amber(config, SHAPES)
    start_from_ipr(network, IprCheckpoint(ipr.modules.state_dict()))
    logits, embeddings = forward_ipr(ipr.network, train)
    assert torch.allclose(forward_amber(network, train, config.amber)["A"], logits.softmax(1), atol=1e-5)
    seen = network.tower(train.speech, None)[:, -4:]
    assert torch.allclose(seen, ambiguous_labels(embeddings, ipr.memory.prototypes, 0.1), atol=1e-5)


def test_after_ipr_with_gaussian_prototypes_head_a_starts_as_their_product_with_the_classifier():
    ipr = {"predict_by": "classifier_and_gaussian"}
    config, train = _config(("prototypes", "distill")), make_part()
    config = Config.model_validate({**config.model_dump(), "ipr": ipr, "gaussian": {"dims": 6, "share": 0.3}})
    torch.manual_seed(0)
    first = make_task("prototypes", config, train, train)
    first.after_epoch()
    task = make_task("distill", config, train, train, before=("prototypes", first.modules.state_dict()))
    expected = first.gaussian.probs(train, forward_ipr(first.network, train)[0].softmax(1))
    assert torch.allclose(forward_amber(task.network, train, config.amber)["A"], expected, atol=1e-5)
    plain = config.model_copy(update={"amber": config.amber.model_copy(update={"use_prototypes": False})})
    assert build_amber(plain, SHAPES).tower.gaussian is None


def test_votes_for_ambiguous_utterances_are_withheld_from_heads_that_learn_from_precise_ones():
    train = make_part()
    task = make_task("distill", _config(utterances="precise"), train, train)
    assert torch.equal(task.items, torch.nonzero(train.kind == 0).flatten())
    drawn = torch.cat(list(task.batches(1, torch.Generator().manual_seed(0))))
    assert sorted(drawn.tolist()) == task.items.tolist()
    nobody = dataclasses.replace(train, kind=torch.ones_like(train.kind))
    with pytest.raises(DataError, match="fold 1: no precise training utterance; use amber.utterances=all"):
        make_task("distill", _config(utterances="precise"), nobody, train)


def test_withheld_votes_change_no_head_that_learns_from_precise_utterances(tmp_path):
    train, dev = make_part(), make_part(20, seed=5)
    hidden = (train.kind != 0)[:, None]
    other = dataclasses.replace(
        train,
        soft=torch.where(hidden, train.soft.roll(1, dims=1), train.soft),
        counts=torch.where(hidden, 2 * train.counts.roll(1, dims=1), train.counts),
        hard=torch.where(hidden[:, 0], (train.hard + 1) % 4, train.hard),
    )
    config = _config(utterances="precise", class_weights="effective_number")
    states = []
    for name, part in (("1", train), ("2", other)):
        torch.manual_seed(0)
        task = make_task("distill", config, part, dev)
        optimization = config.distill.model_copy(update={"epochs": 2})
        fit(task, optimization, tmp_path / name, stage="distill", seed=1, facts={}, tensorboard=False)
        states.append(load_best(tmp_path / name / "best.safetensors")[0])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_frozen_speech_keeps_the_weights_of_ipr(tmp_path):
    config, train = _config(("prototypes", "distill"), freeze_speech=True), make_part()
    torch.manual_seed(0)
    ipr = make_task("prototypes", config, train, train)
    ipr.after_epoch()
    task = make_task("distill", config, train, train, before=("prototypes", ipr.modules.state_dict()))
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    state, _ = load_best(tmp_path / "best.safetensors")
    for name, tensor in ipr.network.state_dict().items():
        assert torch.equal(state[f"tower.network.{name}"], tensor)


def _train_on_frames(folder, form, shapes):
    speech = Config().speech_features.model_copy(update={"form": form})
    config, train = _config().model_copy(update={"speech_features": speech}), make_part(frames=True)
    task = make_task("distill", config, train, train, shapes)
    fit(task, config.distill, folder, stage="distill", seed=1, facts={}, tensorboard=False)
    return folder / "best.safetensors"


def test_frames_can_be_trained_on(tmp_path):
    assert _train_on_frames(tmp_path, "frames", Shapes(1, 6, 5, CLASSES)).is_file()


def test_frames_of_all_layers_train_their_weights(tmp_path):
    state, _ = load_best(_train_on_frames(tmp_path, "frames_all", Shapes(2, 3, 5, CLASSES)))
    assert state["tower.encoder.mix.standardizer.mean"].shape == (2, 3)
    assert state["tower.encoder.mix.logits"].abs().max() > 0


def _cross_config(**amber) -> Config:
    forms = {"speech_features": {"form": "frames"}, "text_features": {"form": "tokens"}}
    return Config.model_validate({**_config().model_dump(), **forms, "amber": {"fusion": "cross_attention", **amber}})


def test_cross_attention_learns_and_predicts_the_same_in_any_batch(tmp_path):
    config, train = _cross_config(modality_dropout=0.3), with_tokens(make_part(frames=True))
    torch.manual_seed(0)
    task = make_task("distill", config, train, train, Shapes(1, 6, 5, CLASSES))
    before = task.after_epoch()["dev_jsd"]
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    assert load_best(tmp_path / "best.safetensors")[1]["dev"] < before
    probs = forward_amber(task.network, train, config.amber)["AT"]
    for i in (3, 4, 7):
        alone = torch.tensor([i])
        said = task.network(*train.inputs(alone), tokens=train.padded_tokens(alone))["AT"].softmax(1)
        assert torch.allclose(said[0], probs[i], atol=1e-6)
    mean, deviation = train.token_statistics()
    rows = np.concatenate([rows for i, rows in enumerate(train.tokens) if i != 3])
    assert np.allclose(mean, rows.mean(axis=0), atol=1e-6) and np.allclose(deviation, rows.std(axis=0), atol=1e-6)


@pytest.mark.parametrize("stages", [("distill",), ("prototypes", "distill")])
def test_frames_for_the_fusion_and_their_mean_for_head_a_are_encoded_once(stages):
    config = Config.model_validate({**_cross_config().model_dump(), "stages": list(stages)})
    network = build_amber(config, Shapes(1, 6, 5, CLASSES)).eval()
    part, index = with_tokens(make_part(frames=True)), torch.arange(8)
    x, mask, text = part.inputs(index)
    encoded = []
    network.tower.register_forward_hook(lambda *_: encoded.append("again"))
    logits = network(x, mask, text, tokens=part.padded_tokens(index))
    assert encoded == []
    assert torch.allclose(logits["A"], network.heads["A"](network.tower(x, mask)), atol=1e-6)


def test_cross_attention_without_frames_and_tokens_is_refused():
    with pytest.raises(ValueError, match="cross_attention needs frozen encoders, speech_features.form=frames"):
        _config(fusion="cross_attention")


def test_hidden_modalities_change_only_the_fusion():
    network = build_amber(_config(), SHAPES).eval()
    part = make_part(4)
    inputs = part.inputs(torch.arange(4))
    hide = torch.tensor([[True, False], [False, True], [False, False], [True, True]])
    seen, hidden = network(*inputs), network(*inputs, hide)
    for head in ("A", "T"):
        assert torch.equal(seen[head], hidden[head])
    changed = (seen["AT"] != hidden["AT"]).any(dim=1)
    assert changed.tolist() == [True, True, False, True]


def test_lambda_and_beta_follow_their_own_schedules():
    part, names = make_part(), ("guidance", "teacher")
    for rising, falling in (names, names[::-1]):
        schedules = {f"{rising}_schedule": "rise", f"{falling}_schedule": "fall"}
        task = make_task("distill", _config(guidance=0.7, teacher=0.7, **schedules), part, part)
        weights = [[getattr(task.objective(epoch), name) for name in (rising, falling)] for epoch in (1, 8)]
        assert weights == [[0, 0.7], [0.7, 0]]


def test_modality_dropout_hides_its_share_one_modality_at_a_time():
    train = make_part()
    config = _config(modality_dropout=0.5)
    task = make_task("distill", config, train, train)
    hide = task._hide(4000, torch.Generator().manual_seed(0))
    assert 0.47 < hide.any(dim=1).float().mean() < 0.53
    assert not hide.all(dim=1).any()
    assert 0.22 < hide[:, 0].float().mean() < 0.28


@pytest.mark.parametrize(("dropout", "replaced"), [(0, ("T", "AT")), (0.3, ("T",))])
def test_head_a_replaces_the_fusion_without_words_unless_modality_dropout_trained_it(dropout, replaced):
    train = make_part()
    train.text[3] = 0
    settings = _config(modality_dropout=dropout).amber
    network = build_amber(_config(modality_dropout=dropout), SHAPES)
    probs = forward_amber(network, train, settings)
    for head in ("T", "AT"):
        assert torch.equal(probs[head][3], probs["A"][3]) == (head in replaced)
        assert not torch.equal(probs[head][4], probs["A"][4])
    assert train.has_text().tolist() == [i != 3 for i in range(60)]


def test_without_words_and_without_head_a_the_fusion_gets_the_mean_text():
    train, config = make_part(), _config(student="AT", guidance=0, teacher=0)
    task = make_task("distill", config, train, train)
    silent = dataclasses.replace(train, text=torch.zeros_like(train.text))
    mean = dataclasses.replace(train, text=train.text.mean(dim=0).expand_as(train.text))
    probs = [forward_amber(task.network, part, config.amber)["AT"] for part in (silent, mean)]
    assert torch.allclose(*probs, atol=1e-6)


def test_a_corpus_without_words_trains_on_speech_and_refuses_a_text_student(tmp_path, caplog):
    train = make_part()
    train.text.zero_()
    torch.manual_seed(0)
    config = _config()
    task = make_task("distill", config, train, train)
    assert "no training utterance has words" in caplog.text
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    probs = forward_amber(task.network, train, config.amber)
    assert torch.equal(probs["AT"], probs["A"])
    assert torch.equal(probs["T"], probs["A"])
    text = _config(student="T", guidance=0, teacher=0)
    with pytest.raises(DataError, match="fold 1: no training utterance has words"):
        make_task("distill", text, train, train)


@pytest.mark.parametrize(
    "choice", [{}, {"weights": "inverse_divergence"}, {"divergence": "kl"}, {**SPEECH_ONLY, "evidential": True}]
)
@pytest.mark.parametrize("votes", ["one-hot", "a single rater"])
def test_unanimous_votes_and_single_raters_train(votes, choice, tmp_path):
    train = make_part()
    sure = torch.nn.functional.one_hot(train.hard.clamp_min(0), 4).float()
    train = dataclasses.replace(train, soft=sure, counts=sure * (3 if votes == "one-hot" else 1))
    config = _config(**choice)
    torch.manual_seed(0)
    task = make_task("distill", config, train, train)
    before = task.after_epoch()["dev_jsd"]
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    state, facts = load_best(tmp_path / "best.safetensors")
    assert facts["dev"] < before
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_a_dev_part_without_a_majority_can_select_by_jsd(tmp_path):
    config, train = _config(), make_part()
    dev = dataclasses.replace(train, hard=torch.full_like(train.hard, -1))
    task = make_task("distill", config, train, dev)
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    assert (tmp_path / "best.safetensors").is_file()


def test_mc_dropout_is_seeded_and_its_mutual_information_is_that_of_the_draws():
    config, part = _config(mc_dropout=5), make_part(20)
    network = build_amber(config, SHAPES)
    means, information = sample_amber(network, part, config.amber, seed=3)
    again, _ = sample_amber(network, part, config.amber, seed=3)
    other, _ = sample_amber(network, part, config.amber, seed=4)
    assert torch.equal(means["AT"], again["AT"])
    assert not torch.equal(means["AT"], other["AT"])
    torch.manual_seed(3)
    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.train()
    draws = np.stack([network(*part.inputs(torch.arange(20)))["AT"].softmax(1).detach().numpy() for _ in range(5)])
    assert np.allclose(means["AT"], draws.mean(0), atol=1e-6)
    expected = scipy_entropy(draws.mean(0), axis=1) - scipy_entropy(draws, axis=2).mean(0)
    assert np.allclose(information["AT"], expected, atol=1e-5)
    assert (information["AT"] > 0).all()
    without = _config(mc_dropout=5, model={"dropout": 0})
    _, nothing = sample_amber(build_amber(without, SHAPES), part, without.amber, seed=3)
    assert nothing["AT"].max() < 1e-6


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"evidential": True}, "evidential: true has no teachers"),
        ({**SPEECH_ONLY, "modality_dropout": 0.1}, "modality_dropout needs head AT"),
    ],
    ids=["teachers", "no fusion"],
)
def test_objectives_that_do_not_fit_are_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        _config(**choice)
