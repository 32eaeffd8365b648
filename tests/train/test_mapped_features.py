"""Pooled features from mapped arks: the bytes of training from memory, and arks that change or are damaged."""

import os

import numpy as np
import pytest
import torch
from make_arks import write_ark

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.features.extraction import mapped
from ambiser.features.extraction.mapped import MappedPooled, is_mapped
from ambiser.features.extraction.stored import load_pooled
from ambiser.io.ark import open_ark
from ambiser.io.layout import Layout
from ambiser.io.tables import write_list, write_table, write_tsv
from ambiser.labels.vote_table import COLUMNS
from ambiser.train.build import part_sources
from ambiser.train.fold_data import load_part
from ambiser.train.run_stage import train_stage

UTTS = [f"u{i:02}" for i in range(30)]
CODES = ("neu", "hap", "ang", "sad")
STAGES = ["prototypes", "contrastive", "distill"]


@pytest.fixture
def layout(tmp_path):
    """30 utterances with two votes, four of them split, and two layers of six features in two arks."""
    layout, rng = Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp"), np.random.default_rng(0)
    rows = []
    for i, utt in enumerate(UTTS):
        codes = CODES[i % 4], CODES[(i + (i % 7 == 0)) % 4], CODES[i % 4]
        rows += [(utt, f"E{rater}", "outside", "primary", code) for rater, code in enumerate(codes)]
    write_tsv(layout.table("votes.tsv"), list(COLUMNS), rows)
    layout.corpus_record().write_text("{}")
    for part, utts in (("train", UTTS[:22]), ("dev", UTTS[22:]), ("test", UTTS[22:])):
        write_list(layout.fold_list(1, part), utts)
    folder = layout.dump_dir / "fbank"
    folder.mkdir(parents=True)
    matrices = [(utt, rng.normal(size=(2, 6)).astype(np.float32)) for utt in UTTS]
    halves = write_ark(folder / "a.ark", matrices[:15]) | write_ark(folder / "b.ark", matrices[15:])
    write_table(folder / "feats.scp", halves)
    return layout


def config_of(choice, **model):
    epochs = {"epochs": 2, "batch": 8}
    return Config.model_validate(
        {
            "stages": STAGES,
            "amber": {"student": "A", "guidance": 0, "teacher": 0},
            "ipr": {"queue": 8},
            "model": {"hidden": 8, "projection": 8, **model},
            "train": {"device": "cpu", "tensorboard": False, "pooled_features": choice},
            **dict.fromkeys(STAGES, epochs),
        }
    )


def test_training_from_mapped_features_has_the_bytes_of_training_from_memory(layout, tmp_path):
    weights = {}
    for choice in ("memory", "mapped"):
        own = Layout(layout.data_dir, layout.dump_dir, tmp_path / choice)
        for stage in STAGES:
            train_stage(stage, config_of(choice), own, tag="x", seed=1, fold=1)
        weights[choice] = [own.best("x", 1, stage).read_bytes() for stage in STAGES]
    assert weights["memory"] == weights["mapped"]


def test_all_forms_that_stage_2_writes_are_gathered(layout):
    scp = layout.dump_dir / "fbank/feats.scp"
    for half in (False, True):
        with open_ark(scp.parent / "c.ark", half=half) as ark:
            for utt, matrix in zip(UTTS, np.random.default_rng(1).normal(size=(30, 2, 6)), strict=True):
                ark.add(utt, matrix.astype(np.float32))
        write_table(scp, ark.entries)
        whole = load_pooled(scp, UTTS)
        order = [7, 3, 29]
        np.testing.assert_array_equal(MappedPooled(scp, UTTS, last_layer=False).gather(order), whole[order])
        np.testing.assert_array_equal(MappedPooled(scp, UTTS, last_layer=True).gather(order), whole[order, -1:])


@pytest.mark.parametrize("change", ["grown", "cut", "removed", "replaced"])
def test_an_ark_that_changes_stops_the_training_with_one_line(layout, change):
    ark = layout.dump_dir / "fbank/a.ark"
    part, _ = load_part(part_sources(config_of("mapped"), layout), layout, 1, "train", torch.device("cpu"))
    part.inputs(torch.arange(22))
    content = ark.read_bytes()
    if change in ("grown", "cut"):
        os.truncate(ark, len(content) + (1 if change == "grown" else -1))
    else:
        ark.unlink()
    if change == "replaced":
        ark.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.ark: changed while this stage read it; run this stage again$"):
        part.inputs(torch.arange(3))
    assert part.speech.gather([20]).shape == (1, 2, 6)  # an utterance of the other ark


def test_values_that_are_not_finite_are_named(layout):
    scp, ark = layout.dump_dir / "fbank/feats.scp", layout.dump_dir / "fbank/a.ark"
    content = bytearray(ark.read_bytes())
    content[-4:] = np.float32("nan").tobytes()  # the last value of u14
    ark.write_bytes(content)
    features = MappedPooled(scp, UTTS, last_layer=False)
    features.gather([13, 15])
    with pytest.raises(DataError, match=r"feats\.scp: the features of 'u14' hold values that are not finite; extract"):
        features.gather([13, 14])


def test_shapes_that_differ_are_refused(layout):
    scp = layout.dump_dir / "fbank/feats.scp"
    write_table(scp, write_ark(scp.parent / "a.ark", [("u00", np.ones((2, 6))), ("u01", np.ones((3, 6)))]))
    with pytest.raises(DataError, match=r"'u01' has shape \(3, 6\), 'u00' \(2, 6\)"):
        MappedPooled(scp, UTTS[:2], last_layer=False)


def test_auto_maps_features_that_are_large_beside_the_memory(layout, monkeypatch):
    folder = layout.dump_dir / "fbank"
    size = sum(path.stat().st_size for path in folder.glob("*.ark"))
    for memory, expected in ((8 * size, False), (8 * size - 8, True)):
        monkeypatch.setattr(mapped, "total_memory_bytes", lambda memory=memory: memory)
        assert is_mapped("auto", folder) is expected
    assert is_mapped("mapped", folder) and not is_mapped("memory", folder)


def test_gaussian_prototypes_read_features_into_memory():
    assert config_of("mapped").pooled_features() == "mapped"
    gaussian = Config.model_validate({"train": {"pooled_features": "mapped"}, "ipr": {"predict_by": "gaussian"}})
    assert gaussian.pooled_features() == "memory"
