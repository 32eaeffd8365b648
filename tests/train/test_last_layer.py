"""`model.layers: last` keeps the last of the pooled layers."""

import numpy as np
import pytest
import torch
from make_arks import write_ark

from ambiser.config import Config
from ambiser.io.layout import Layout
from ambiser.io.tables import write_list, write_table, write_tsv
from ambiser.labels.vote_table import COLUMNS
from ambiser.train.build import build_amber, part_sources
from ambiser.train.fold_data import load_part

SPEECH = {"student": "A", "guidance": 0, "teacher": 0}


@pytest.fixture
def layout(tmp_path):
    """Two utterances with three pooled layers of four features."""
    layout = Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp")
    utts = ["u1", "u2"]
    layout.corpus_record().parent.mkdir()
    layout.corpus_record().write_text("{}")
    write_list(layout.fold_list(1, "train"), utts)
    write_tsv(layout.table("votes.tsv"), list(COLUMNS), [(u, "E1", "outside", "primary", "neu") for u in utts])
    (tmp_path / "dump/fbank").mkdir(parents=True)
    layers = [(utt, np.arange(12, dtype=np.float32).reshape(3, 4) + 100 * i) for i, utt in enumerate(utts)]
    write_table(tmp_path / "dump/fbank/feats.scp", write_ark(tmp_path / "dump/fbank/feats.ark", layers))
    return layout


def load(layout, layers):
    config = Config.model_validate({"model": {"layers": layers}, "amber": SPEECH})
    return load_part(part_sources(config, layout), layout, 1, "train", torch.device("cpu"))


def test_the_last_layer_alone_is_loaded(layout):
    (mixed, all_shapes), (last, shapes) = load(layout, "mix"), load(layout, "last")
    assert (all_shapes.layers, shapes.layers, shapes.dim) == (3, 1, 4)
    assert torch.equal(last.speech, mixed.speech[:, -1:])
    assert last.speech[:, 0].tolist() == [[8, 9, 10, 11], [108, 109, 110, 111]]


def test_no_layer_weight_is_learned(layout):
    config = Config.model_validate({"model": {"layers": "last", "hidden": 5}, "amber": SPEECH})
    _, shapes = load(layout, "last")
    network = build_amber(config, shapes)
    x = torch.randn(3, 1, 4)
    network(x, None, None)["A"].sum().backward()
    assert network.tower.encoder.logits.grad is None
    assert torch.equal(network.tower(x, None), x[:, 0])


@pytest.mark.parametrize("section", [{"speech_features": {"form": "frames"}}, {"model": {"encoder": "finetune"}}])
def test_frames_and_trained_encoders_are_refused(section):
    tree = {"amber": SPEECH, **section}
    tree["model"] = {"layers": "last", **section.get("model", {})}
    with pytest.raises(ValueError, match="model.layers: last needs speech_features.form=pooled"):
        Config.model_validate(tree)
