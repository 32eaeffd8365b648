"""What a configuration is unpacked into."""

from pathlib import Path

import pytest
import torch
from train.toy import SHAPES, make_part, make_task

from ambiser.config import Config
from ambiser.io.layout import Layout
from ambiser.stages import TRAINING_STAGES
from ambiser.train.build import TASKS, part_sources

LAYOUT = Layout(Path("data"), Path("dump"), Path("exp"))


def test_every_training_stage_has_a_row():
    assert tuple(TASKS) == TRAINING_STAGES


@pytest.mark.parametrize("stage", TRAINING_STAGES)
def test_every_row_trains_and_predicts_after_all_stages_before(stage):
    stages = TRAINING_STAGES[: TRAINING_STAGES.index(stage) + 1]
    config = Config.model_validate({"stages": list(stages), "model": {"hidden": 12, "projection": 5}})
    part, before = make_part(), None
    for name in stages:
        task = make_task(name, config, part, part, before=before)
        task.modules.train()
        batch = next(iter(task.batches(1, torch.Generator().manual_seed(0))))
        loss, _ = task.loss(batch, 1, torch.Generator().manual_seed(0))
        assert torch.isfinite(loss) and task.steps() > 0
        task.after_epoch()
        before = name, task.modules.state_dict()
    prediction = TASKS[stage].predict(config, before[1], part, SHAPES, 0)
    assert prediction.probs.shape == (60, 4)
    assert torch.allclose(prediction.probs.sum(dim=1), torch.ones(60), atol=1e-6)
    assert (prediction.embeddings is None) == (stage == "distill") == bool(prediction.heads)


def test_momentum_of_running_targets_counts_the_epochs_of_both_phases():
    optim = {"epochs": 3, "batch": 8}
    tree = {"stages": ["prototypes", "update", "contrastive"], "update": optim, "contrastive": optim}
    both, part = Config.model_validate(tree), make_part()
    one = Config.model_validate({**tree, "stages": ["prototypes", "contrastive"]})
    phases = [make_task(name, config, part, part).phase for name, config in (("update", both), ("contrastive", both))]
    assert [(phase.epochs_before, phase.epochs_total) for phase in phases] == [(0, 6), (3, 6)]
    alone = make_task("contrastive", one, part, part).phase
    assert (alone.epochs_before, alone.epochs_total) == (0, 3)


def test_speech_alone_reads_no_text():
    sources = part_sources(Config.model_validate({"amber": {"student": "A", "guidance": 0, "teacher": 0}}), LAYOUT)
    assert sources.speech == Path("dump/fbank/feats.scp")
    assert (sources.text, sources.tokenizer, sources.tokens) == (None, None, None)


def test_trained_encoders_read_waveforms_and_token_numbers():
    tree = {
        "model": {"encoder": "finetune", "text_encoder": "finetune"},
        "text_features": {"encoder": "huggingface", "model": "bert"},
        "finetune": {"longest_s": 4.0, "gain_db": 3.0},
        "ipr": {"noise": 0.1, "time_mask": 0.3},
    }
    config = Config.model_validate(tree)
    sources = part_sources(config, LAYOUT)
    assert (sources.speech, sources.text, sources.tokens) == (None, None, None)
    assert sources.tokenizer == config.text_features
    assert (sources.cut.longest_s, sources.cut.gain_db, sources.cut.noise, sources.cut.time_mask) == (4.0, 0, 0, 0)
    assert (sources.view.longest_s, sources.view.gain_db, sources.view.noise, sources.view.time_mask) == (
        4,
        3,
        0.1,
        0.3,
    )


def test_cross_attention_reads_frames_and_tokens():
    tree = {
        "speech_features": {"form": "frames"},
        "text_features": {"form": "tokens"},
        "amber": {"fusion": "cross_attention"},
    }
    sources = part_sources(Config.model_validate(tree), LAYOUT)
    assert (sources.speech, sources.speech_form) == (Path("dump/fbank_frames/feats.scp"), "frames")
    assert sources.text == sources.tokens == Path("dump/hashing_tokens/feats.scp")
