"""A stage that an equal experiment has trained is linked, and trained where anything differs that it read."""

import dataclasses
import logging
import os

import pytest
from train.test_run_stage import _make as make_fold

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.train import run_stage, shared_stages

IPR = ["prototypes", "update", "contrastive"]
BASE = {
    "stages": IPR,
    "model": {"hidden": 8, "projection": 4},
    "ipr": {"queue": 8},
    "train": {"device": "cpu", "tensorboard": False},
    **{stage: {"epochs": 2, "batch": 8} for stage in (*IPR, "distill")},
}


CODES = ("neu", "hap", "ang", "sad")


def votes(number: int) -> list[str]:
    """Three raters; in every other group of four utterances, one of each class, one disagrees."""
    own, other = CODES[number % 4], CODES[(number + 1) % 4]
    return [own, own, other if number // 4 % 2 else own]


def config(**changed) -> Config:
    merged = dict(BASE)
    for section, value in changed.items():
        merged[section] = {**BASE.get(section, {}), **value} if isinstance(value, dict) else value
    return Config.model_validate(merged)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """A fold with the three stages of IPR trained as experiment `first`."""
    layout = make_fold(tmp_path_factory.mktemp("fold"), votes=votes)
    for stage in IPR:
        run_stage.train_stage(stage, config(), layout, tag="first", seed=1, fold=1)
    return layout


@pytest.fixture
def train(layout, monkeypatch, request):
    """A function that trains stages as an experiment of the test's own; returns those that were really trained."""

    def train(other: Config, stages=IPR, seed=1, at=layout, tag=request.node.name) -> list[str]:
        trained, fit = [], run_stage.fit

        def noting(*args, stage, **more):
            trained.append(stage)
            fit(*args, stage=stage, **more)

        with monkeypatch.context() as patch:
            patch.setattr(run_stage, "fit", noting)
            for stage in stages:
                run_stage.train_stage(stage, other, at, tag=tag, seed=seed, fold=1)
        return trained

    return train


def files(layout, tag):
    return {
        stage: [layout.training(tag, 1, stage) / name for name in ("best.safetensors", "metrics.jsonl")]
        for stage in IPR
    }


def test_equal_stages_are_linked_also_before_another_last_stage(layout, train, request, caplog):
    caplog.set_level(logging.INFO)
    assert train(config(stages=[*IPR, "distill"]), [*IPR, "distill"]) == ["distill"]
    assert "the same training as first/fold1/prototypes: its files are linked" in caplog.text
    linked = files(layout, request.node.name)
    for stage, paths in files(layout, "first").items():
        assert all(os.path.samefile(path, mine) for path, mine in zip(paths, linked[stage], strict=True))


def test_links_have_the_bytes_of_a_training_of_their_own(layout, train, tmp_path, request):
    other = config(stages=[*IPR, "distill"])
    train(other)
    alone = dataclasses.replace(layout, exp_dir=tmp_path)
    assert train(other, at=alone) == IPR
    for stage, paths in files(alone, request.node.name).items():
        assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in files(layout, "first")[stage]]


@pytest.mark.parametrize(
    ("changed", "trained"),
    [
        ({"score": {"calibration": "none"}, "data": {"folds": 3}, "amber": {"guidance": 0.1}}, []),
        ({"distill": {"epochs": 9}, "text_features": {"layer": 3}}, []),
        ({"contrastive": {"learning_rate": 0.01}}, ["contrastive"]),
        ({"ipr": {"prototype_momentum": 0.5}}, ["update", "contrastive"]),
        ({"contrastive": {"epochs": 3}}, ["update", "contrastive"]),  # they share a schedule
        ({"stages": IPR[:2]}, ["update"]),
        ({"prototypes": {"epochs": 3}}, IPR),
        ({"model": {"hidden": 9}}, IPR),
    ],
)
def test_a_stage_is_trained_if_a_key_differs_that_it_read(train, changed, trained, tmp_path, layout, request):
    other = config(**changed)
    assert train(other, other.stages) == trained
    # Linked or trained, the bytes are those of a training alone.
    alone = dataclasses.replace(layout, exp_dir=tmp_path)
    last = other.stages[-1]
    train(other, other.stages, at=alone)
    tag = request.node.name
    assert layout.best(tag, 1, last).read_bytes() == alone.best(tag, 1, last).read_bytes()


def test_another_seed_trains(train):
    assert train(config(), IPR[:1], seed=2) == IPR[:1]


@pytest.mark.parametrize("what", ["votes", "list", "features", "code"])
def test_other_inputs_train(layout, train, what, monkeypatch):
    if what == "code":
        monkeypatch.setattr(shared_stages, "_code", lambda: [b"edited"])
        assert train(config(), IPR[:1]) == IPR[:1]
        return
    path = {
        "votes": layout.table("votes.tsv"),
        "list": layout.fold_list(1, "train"),
        "features": layout.dump_dir / "fbank/feats.ark",
    }[what]
    content, state = path.read_bytes(), path.stat()
    try:
        changed = {"votes": content.replace(b"\tneu\n", b"\tsad\n", 1), "list": content.partition(b"\n")[2]}
        path.write_bytes(changed.get(what, content))
        assert train(config(), IPR[:1]) == IPR[:1]
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_a_stage_that_was_removed_or_changed_is_not_linked(layout, train, tmp_path):
    own = dataclasses.replace(layout, exp_dir=tmp_path)
    assert train(config(), IPR[:1], at=own, tag="a") == IPR[:1]
    best = own.best("a", 1, "prototypes")
    content = best.read_bytes()
    best.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert train(config(), IPR[:1], at=own, tag="b") == IPR[:1]
    assert own.best("b", 1, "prototypes").read_bytes() == content
    best.unlink()
    own.best("b", 1, "prototypes").unlink()
    assert train(config(), IPR[:1], at=own, tag="c") == IPR[:1]


def test_a_damaged_record_is_no_obstacle(layout, train, tmp_path):
    own = dataclasses.replace(layout, exp_dir=tmp_path)
    train(config(), IPR[:1], at=own, tag="a")
    for record in own.shared_stages("prototypes").rglob("*.json"):
        record.write_text('{"folder": 1}')
    assert train(config(), IPR[:1], at=own, tag="b") == IPR[:1]


def test_without_links_files_are_copied(layout, train, request, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert train(config(), IPR[:1]) == []
    mine, theirs = (layout.best(tag, 1, "prototypes") for tag in (request.node.name, "first"))
    assert mine.read_bytes() == theirs.read_bytes() and not os.path.samefile(mine, theirs)
    assert not list(mine.parent.glob(".*"))


def test_what_a_killed_training_left_gives_way(layout, train, request):
    folder = layout.training(request.node.name, 1, "prototypes")
    folder.mkdir(parents=True)
    (folder / "last.pt").write_bytes(b"half")
    assert train(config(), IPR[:1]) == []
    assert {path.name for path in folder.iterdir()} == {"best.safetensors", "metrics.jsonl"}


def test_too_few_ambiguous_utterances_stop_the_first_stage(tmp_path):
    layout = make_fold(tmp_path, votes=lambda number: [CODES[number % 4]] * 3)
    with pytest.raises(DataError, match="fold 1: no ambiguous training utterance"):
        run_stage.train_stage("prototypes", config(), layout, tag="x", seed=1, fold=1)
