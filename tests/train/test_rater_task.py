"""Models of single raters above the student, on a toy fold whose raters have known biases."""

import dataclasses

import numpy as np
import pytest
import torch
from train.toy import CLASSES, SHAPES, make_part, make_task

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.io.console import log
from ambiser.io.layout import Layout
from ambiser.labels.vote_table import COLUMNS
from ambiser.train.build import TASKS, build_amber
from ambiser.train.loop import fit
from ambiser.train.part import Part
from ambiser.train.rater_scores import RATER_COLUMNS, score_raters
from ambiser.train.rater_votes import RaterVotes, check_raters, load_rater_votes

NAMES = ["no bias", "neutral", "angry", "sad", "never votes"]
KINDS = ("heads", "embeddings", "crowd_layer")


def _config(kind: str, **raters) -> Config:
    return Config.model_validate(
        {
            "stages": ["distill"],
            "model": {"hidden": 12},
            "amber": {"student": "A", "guidance": 0, "teacher": 0},
            "raters": {"model": kind, **raters},
            "distill": {"epochs": 4, "batch": 16, "learning_rate": 1e-2},
        }
    )


def _rated(part: Part, seed: int) -> Part:
    """Gives every utterance a vote of four raters; three of them choose their own class in 40 % of the votes."""
    rng, n = np.random.default_rng(seed), len(part)
    shares = np.zeros((n, 4, 4))
    for row, rater in np.ndindex(n, 4):
        own = np.eye(4)[CLASSES.index(NAMES[rater])] if rater else part.soft[row].numpy()
        probs = 0.6 * part.soft[row].numpy().astype(float) + 0.4 * own
        shares[row, rater] = np.eye(4)[rng.choice(4, p=probs / probs.sum())]
    counts = torch.from_numpy(shares.sum(axis=1)).float()
    votes = RaterVotes(
        NAMES, 4 * torch.arange(n + 1), torch.arange(4).repeat(n), torch.from_numpy(shares).float().flatten(0, 1), 0
    )
    return dataclasses.replace(part, counts=counts, soft=counts / 4, votes=votes)


@pytest.mark.parametrize("kind", KINDS)
def test_learns_the_biases_of_raters_and_predicts_their_votes(kind, tmp_path):
    config, train, dev = _config(kind), _rated(make_part(240), 1), _rated(make_part(80, seed=5), 2)
    torch.manual_seed(0)
    task = make_task("distill", config, train, dev)
    fit(task, config.distill, tmp_path, stage="distill", seed=1, facts={}, tensorboard=False)
    rows = {row["rater"]: row for row in score_raters(task.network, dev, config.amber, CLASSES)}
    assert list(rows) == NAMES[:4]  # a rater without votes has no row
    assert list(rows["sad"]) == [*RATER_COLUMNS, *(f"bias_{name}" for name in CLASSES)]
    for name in NAMES[1:4]:
        biases = {other: float(rows[name][f"bias_{other}"]) for other in CLASSES}
        assert max(biases, key=biases.get) == name
        assert 0.1 < biases[name] < 0.45
        assert float(rows[name]["nll"]) < float(rows[name]["nll_mean_rater"]) - 0.05


def test_a_killed_training_resumes_to_the_same_bytes(tmp_path):
    """The rows of raters are no parameters of the optimizer, so they must be saved with the modules."""
    config, parts = _config("heads"), [_rated(make_part(60), 1), _rated(make_part(40, seed=5), 2)]
    saved = []
    for folder, stops in (("whole", ()), ("killed", (2,))):
        for last in (*stops, 4):
            torch.manual_seed(0)
            task = make_task("distill", config, *parts)
            (tmp_path / folder).mkdir(exist_ok=True)
            after_epoch, done = task.after_epoch, []

            def killed(after_epoch=after_epoch, done=done, last=last):
                done.append(1)
                if len(done) > last:
                    raise KeyboardInterrupt
                return after_epoch()

            task.after_epoch = killed
            try:
                fit(task, config.distill, tmp_path / folder, stage="distill", seed=1, facts={}, tensorboard=False)
            except KeyboardInterrupt:
                continue
        saved.append((tmp_path / folder / "best.safetensors").read_bytes())
    assert saved[0] == saved[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_panel_is_the_mean_of_its_raters_and_unknown_raters_are_the_mean_rater(kind):
    config, part = _config(kind, panel=2), _rated(make_part(20), 1)
    votes = part.votes
    kept = votes.rater != 3  # rater 3 loses his votes, so that counts are unequal
    few = RaterVotes(NAMES, 3 * torch.arange(21), votes.rater[kept], votes.shares[kept], 0)
    part = dataclasses.replace(part, votes=few)
    task = make_task("distill", config, part, part)
    head = task.network.eval().heads["A"]
    head.table.rows.copy_(torch.randn_like(head.table.rows))
    head.table.rows[4] = 0
    x = torch.randn(5, head.before[0].in_features)
    single = head.single(x, torch.arange(5)).exp()  # (5, 5, 4)
    mean = single[:, 4]  # a row of zeros
    expected = (single[:, 0] + single[:, 1] + mean) / 3  # the panel holds two of the three raters with votes
    assert torch.allclose(head(x).softmax(dim=1), expected, atol=1e-5)
    assert torch.allclose(head.train().before.eval() and head(x).softmax(dim=1), mean, atol=1e-5)


def test_asking_agrees_with_the_slow_way():
    config, part = _config("heads"), _rated(make_part(12), 1)
    task = make_task("distill", config, part, part)
    head = task.network.eval().heads["A"]
    head.table.rows.copy_(torch.randn_like(head.table.rows))
    index = torch.tensor([7, 2])
    row, vote = part.votes.of(index)
    assert row.tolist() == [0] * 4 + [1] * 4
    assert vote.tolist() == [28, 29, 30, 31, 8, 9, 10, 11]
    x = task.network.encode(*part.inputs(index))["A"]
    _, single, pull = head.ask(x, row, part.votes.rater[vote])
    every = head.single(x, torch.arange(5))
    assert torch.allclose(single, torch.cat([every[0, :4], every[1, :4]]), atol=1e-5)
    assert pull[0].item() == pytest.approx(head.table.rows[0].pow(2).sum().item() / 2 / 12, rel=1e-5)


def test_a_trained_model_predicts_from_its_tensors_alone():
    """A packed model has no votes; the number of raters is that of the tensors."""
    config, part = _config("embeddings"), _rated(make_part(20), 1)
    task = make_task("distill", config, part, part)
    tensors = task.network.state_dict()
    without = dataclasses.replace(part, votes=None)
    one, other = (TASKS["distill"].predict(config, tensors, p, SHAPES, 0) for p in (part, without))
    assert torch.equal(one.probs, other.probs)
    assert len(one.raters) == 4
    assert not other.raters
    assert not hasattr(build_amber(config, SHAPES).heads["A"], "table")


def _votes(folder, lines) -> Layout:
    (folder / "all").mkdir(parents=True)
    rows = ["\t".join(COLUMNS), *("\t".join((utt, rater, "outside", "primary", label)) for utt, rater, label in lines)]
    (folder / "all" / "votes.tsv").write_text("\n".join(rows) + "\n")
    return Layout.of_data(folder)


def test_reads_the_votes_of_named_raters(tmp_path):
    lines = [("a", "E1", "neu"), ("a", "E1", "hap"), ("a", "anon1", "sad"), ("b", "E2", "fru"), ("c", "E2", "ang")]
    votes = load_rater_votes(_votes(tmp_path, lines), Config().labels, ["a", "b"])
    assert (votes.names, votes.anonymous) == (["E1", "E2", "anon1"], 1)
    assert votes.start.tolist() == [0, 1, 1]  # the vote on b is outside the classes, c is another part
    assert votes.shares.tolist() == [[0.5, 0.5, 0, 0]]
    assert votes.counts().tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        ([("a", "E1"), ("a", "E2")], [("t", "E3"), ("t", "E1")], "1 raters of the test part (E3; 1 votes)"),
        ([("a", "E1"), ("b", "E2")], [("t", "E1")], "no training utterance has votes of two named raters"),
        ([("a", "E1"), ("a", "E2"), ("a", "anon1")], [("t", "E1")], "1 training votes are anonymous"),
        ([("a", "E1"), ("a", "E2")], [("t", "E1")], ""),
    ],
)
def test_says_before_training_what_votes_cannot_teach(train, test, says, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    layout = _votes(tmp_path, [(*pair, "neu") for pair in train + test])
    loaded = [load_rater_votes(layout, Config().labels, sorted({utt for utt, _ in part})) for part in (train, test)]
    check_raters(*loaded, fold=2)
    assert says in caplog.text
    assert bool(says) == bool(caplog.text)


def test_refuses_votes_that_are_all_anonymous(tmp_path):
    layout = _votes(tmp_path, [("a", "anon1", "neu"), ("b", "anon1", "sad")])
    votes = load_rater_votes(layout, Config().labels, ["a", "b"])
    with pytest.raises(DataError, match=r"fold 1: all 2 training votes are anonymous.*raters\.model=none"):
        check_raters(votes, votes, fold=1)
