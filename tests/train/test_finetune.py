"""Training with encoders that learn, from waveforms and tokens, on a toy fold."""

import dataclasses

import pytest
import torch
from train.toy import CLASSES, make_task, make_waves

from ambiser.config import Config
from ambiser.features.upstreams.finetune import SpeechFront
from ambiser.features.upstreams.upstream import load_upstream
from ambiser.train.build import build_ipr
from ambiser.train.checkpoint import load_best
from ambiser.train.dev_scores import forward_amber, forward_ipr
from ambiser.train.encoders import parameter_groups, speech_statistics
from ambiser.train.ipr_checkpoint import IprCheckpoint
from ambiser.train.loop import fit
from ambiser.train.part import Shapes

SHAPES = Shapes(layers=0, dim=0, text_dim=16, classes=CLASSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("waves")


@pytest.fixture
def parts(folder):
    return make_waves(folder, 16), make_waves(folder, 8, seed=5)


@pytest.fixture
def make_config(speech_folders, text_folder):
    """A function that returns a configuration, with other values for some sections."""

    def make(checkpoint=None, text_encoder="finetune", **sections) -> Config:
        optim = {"epochs": 2, "batch": 8, "select": "jsd"}
        speech = {"upstream": "hf_wav2vec2_custom", "checkpoint": str(checkpoint or speech_folders["wav2vec2"])}
        tree = {
            "model": {"hidden": 12, "projection": 5, "encoder": "finetune", "text_encoder": text_encoder},
            "speech_features": speech,
            "text_features": {"encoder": "huggingface", "model": str(text_folder)},
            "finetune": {"learning_rate": 1e-3},
            "ipr": {"queue": 20, "key_momentum": 0.9},
            **dict.fromkeys(("prototypes", "update", "contrastive", "distill"), optim),
        }
        return Config.model_validate({**tree, **sections})

    return make


def refine(config, parts, before=None):
    torch.manual_seed(1)
    return make_task("contrastive", config, *parts, SHAPES, before=before)


def learn(config, parts):
    torch.manual_seed(0)
    return make_task("prototypes", config, *parts, SHAPES)


def train(task, optim, folder, stage):
    fit(task, optim, folder, stage=stage, seed=1, facts={}, tensorboard=False)
    return load_best(folder / "best.safetensors")[0]


def moved(before, after):
    return {name for name in before if not torch.equal(before[name].cpu(), after[name].cpu())}


def test_ipr_trains_the_encoder_and_its_momentum_copy_but_not_the_convolutions(make_config, parts, tmp_path):
    config = make_config(stages=["prototypes", "contrastive"])
    first = learn(config, parts)
    start = {name: tensor.clone() for name, tensor in first.modules.state_dict().items()}
    state = train(first, config.prototypes, tmp_path / "a", "prototypes")
    changed = moved(start, state)
    assert any("front.front.model" in name and "layers.0" in name for name in changed)
    assert not any("feature_extractor" in name for name in changed)
    task = refine(config, parts, before=("prototypes", state))
    for name, tensor in task.key.state_dict().items():
        assert torch.equal(tensor, state[f"network.{name}"])
    end = train(task, config.contrastive, tmp_path / "b", "contrastive")
    layer = "encoder.front.front.model.model.encoder.layers.1.attention.q_proj.weight"
    fast, slow, was = (end[f"network.{layer}"], end[f"key.{layer}"], state[f"network.{layer}"])
    assert 0 < (slow - was).norm() < (fast - was).norm()


def test_fine_tuning_learns_classes_that_differ_in_pitch(make_config, parts, tmp_path):
    speech_alone = {"student": "A", "guidance": 0, "teacher": 0}
    config = make_config(text_encoder="frozen", amber=speech_alone, finetune={"learning_rate": 1e-2})
    longer = config.distill.model_copy(update={"epochs": 20, "learning_rate": 1e-2})
    config = config.model_copy(update={"distill": longer})
    torch.manual_seed(0)
    shapes, parts = dataclasses.replace(SHAPES, text_dim=0), [dataclasses.replace(part, text=None) for part in parts]
    task = make_task("distill", config, *parts, shapes)
    before = task.after_epoch()["dev_jsd"]
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    after = task.after_epoch()
    assert after["dev_accuracy"] > 0.8 and after["dev_jsd"] < before / 2


def test_amber_trains_both_encoders(make_config, parts, tmp_path):
    config = make_config()
    torch.manual_seed(0)
    task = make_task("distill", config, *parts, SHAPES)
    start = {name: tensor.clone() for name, tensor in task.modules.state_dict().items()}
    changed = moved(start, train(task, config.distill, tmp_path, "distill"))
    assert any(name.startswith("tower.front.front.model") for name in changed)
    assert any(name.startswith("words.front.model") for name in changed)


def test_after_ipr_the_heads_train_its_encoder_unless_it_is_frozen(make_config, parts):
    for freeze in (False, True):
        config = make_config(stages=["prototypes", "distill"], amber={"freeze_speech": freeze})
        task = make_task("distill", config, *parts, SHAPES)
        learning = {name for name, p in task.modules.named_parameters() if p.requires_grad}
        assert any("tower.network.encoder.front" in name for name in learning) is not freeze
        assert not any("feature_extractor" in name for name in learning)


@pytest.mark.parametrize("settings", [{}, {"checkpointing": True, "precision": "bfloat16"}])
def test_a_resumed_training_ends_in_the_same_bytes(make_config, parts, tmp_path, monkeypatch, settings):
    config = make_config(finetune={"learning_rate": 1e-3, "layer_decay": 0.7, **settings})
    state = learn(config, parts).modules.state_dict()

    def task():
        return refine(config, parts, before=("prototypes", state))

    train(task(), config.contrastive, tmp_path / "whole", "contrastive")
    stopped = task()
    monkeypatch.setattr(stopped, "after_epoch", stop_after(1, stopped.after_epoch))
    with pytest.raises(KeyboardInterrupt):
        train(stopped, config.contrastive, tmp_path / "parts", "contrastive")
    train(task(), config.contrastive, tmp_path / "parts", "contrastive")
    for name in ("best.safetensors", "metrics.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def stop_after(calls, function):
    left = iter(range(calls))

    def limited():
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function()

    return limited


def test_the_best_checkpoint_is_complete(make_config, parts, tmp_path, speech_folders):
    """A network that starts from other pre-trained weights predicts the same once it has the checkpoint's."""
    config = make_config(stages=["prototypes"])
    task = learn(config, parts)
    state = train(task, config.prototypes, tmp_path / "a", "prototypes")
    other = tmp_path / "other"
    spoil(speech_folders["wav2vec2"], other)
    results = []
    for checkpoint in (None, other):
        network = build_ipr(make_config(checkpoint, stages=["prototypes"]), SHAPES)
        untrained = forward_ipr(network, parts[1])[0]
        network.load_state_dict(IprCheckpoint(state).network())
        results.append(forward_ipr(network, parts[1])[0])
        assert not torch.allclose(untrained, results[-1])
    assert torch.equal(*results)


def spoil(folder, target):
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, target)
    weights = load_file(target / "model.safetensors")
    save_file({n: t + 0.05 for n, t in weights.items()}, target / "model.safetensors", metadata={"format": "pt"})


def test_features_are_standardized_by_the_initial_output_of_the_encoder(make_config, parts):
    config = make_config(stages=["prototypes"])
    task = learn(config, parts)
    upstream = load_upstream(config.speech_features)
    rows = torch.stack(
        [
            torch.tensor([layer.mean(axis=0).tolist() for layer in upstream.extract(wav.numpy())])
            for wav in parts[0].speech.whole(torch.arange(16))
        ]
    )
    standardizer = task.network.encoder.mix.standardizer
    assert torch.allclose(standardizer.mean, rows.mean(dim=0), atol=1e-5)
    assert torch.allclose(standardizer.scale, rows.std(dim=0, unbiased=False), rtol=1e-2, atol=1e-5)
    mean, deviation = speech_statistics(None, dataclasses.replace(parts[0], speech=rows))
    assert torch.allclose(mean, rows.mean(dim=0)) and deviation.shape == (3, 16)


def test_heads_and_encoders_have_separate_learning_rates(make_config, parts):
    task = learn(make_config(finetune={"learning_rate": 1e-5, "layer_decay": 0.5}), parts)
    groups = parameter_groups(task.modules, 1e-2)
    assert [group["peak"] for group in groups] == pytest.approx([1e-2, 1e-5, 5e-6, 2.5e-6])
    heads = {id(p) for p in (*task.network.classifier.parameters(), *task.network.projection.parameters())}
    assert heads < {id(p) for p in groups[0]["params"]}
    every = [id(p) for group in groups for p in group["params"]]
    assert len(every) == len(set(every)) == sum(p.requires_grad for p in task.modules.parameters())


def test_frozen_features_are_one_group_in_the_order_of_the_modules():
    modules = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    (group,) = parameter_groups(modules, 0.1)
    assert [id(p) for p in group["params"]] == [id(p) for p in modules.parameters()]


def test_an_utterance_without_words_is_predicted_from_speech(make_config, parts):
    config = make_config()
    task = make_task("distill", config, *parts, SHAPES)
    assert parts[1].has_text().tolist() == [number % 3 > 0 for number in range(8)]
    heads = forward_amber(task.network, parts[1], config.amber)
    assert torch.equal(heads["T"][0], heads["A"][0]) and not torch.equal(heads["T"][1], heads["A"][1])


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"model": {"text_encoder": "finetune"}}, "text_encoder: finetune needs a pre-trained encoder"),
        (
            {"model": {"text_encoder": "finetune"}, "text_features": {"encoder": "huggingface", "form": "tokens"}},
            "gives one vector per utterance",
        ),
        ({"finetune": {"layer_decay": 0}}, "layer_decay"),
    ],
)
def test_faults_of_a_configuration_are_refused(tree, message):
    with pytest.raises(ValueError, match=message):
        Config.model_validate(tree)


def test_a_front_moves_with_its_network_to_another_device(make_config):
    network = build_ipr(make_config(), SHAPES)
    assert isinstance(network.encoder.front.front, SpeechFront)
    assert {p.device.type for p in network.to("meta").parameters()} == {"meta"}
