"""IPR with a pool of utterances without votes: phases 2 and 3 train on them as ambiguous ones."""

import numpy as np
import pytest
import torch
from make_arks import write_ark

from ambiser.config import Config
from ambiser.errors import DataError
from ambiser.io.layout import Layout
from ambiser.io.tables import write_list, write_table, write_tsv
from ambiser.labels.label_view import AMBIGUOUS
from ambiser.labels.vote_table import COLUMNS
from ambiser.train.build import TASKS, part_sources
from ambiser.train.fold_data import load_part
from ambiser.train.part import FoldData

UTTS = [f"u{i:02}" for i in range(36)]
VOTED, POOL = UTTS[::2], UTTS[1::2]
CODES = ("neu", "hap", "ang", "sad")
ONE_EPOCH = {"epochs": 1, "batch": 8}


@pytest.fixture
def layout(tmp_path):
    """18 utterances with one vote each, and 18 without votes."""
    layout, rng = Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp"), np.random.default_rng(0)
    rows = [(utt, "anon01", "outside", "primary", CODES[i % 4]) for i, utt in enumerate(VOTED)]
    write_tsv(layout.table("votes.tsv"), list(COLUMNS), rows)
    layout.corpus_record().write_text("{}")
    for part, utts in (("train", VOTED[:12]), ("dev", VOTED[12:]), ("pool", POOL)):
        write_list(layout.fold_list(1, part), utts)
    (layout.dump_dir / "fbank").mkdir(parents=True)
    features = ((utt, rng.normal(size=(1, 6)).astype(np.float32)) for utt in UTTS)
    write_table(layout.dump_dir / "fbank/feats.scp", write_ark(layout.dump_dir / "fbank/feats.ark", features))
    return layout


def config_of(**ipr):
    return Config.model_validate(
        {
            "stages": ["prototypes", "update"],
            "data": {"corpus": "kaldi", "unlabelled": "pool"},
            "ipr": {"pool": True, "queue": 8, **ipr},
            "model": {"hidden": 8, "projection": 8},
            "train": {"device": "cpu", "tensorboard": False},
            "prototypes": ONE_EPOCH,
            "update": ONE_EPOCH,
        }
    )


def test_the_training_part_has_the_pool_as_ambiguous_utterances(layout):
    part, _ = load_part(part_sources(config_of(), layout), layout, 1, "train", torch.device("cpu"))
    assert part.utts == sorted(VOTED[:12] + POOL)
    in_pool = torch.tensor([utt in POOL for utt in part.utts])
    assert (part.kind[in_pool] == AMBIGUOUS).all() and (part.kind[~in_pool] != AMBIGUOUS).all()
    assert (part.hard[in_pool] == -1).all() and (part.counts[in_pool] == 0).all()
    assert torch.allclose(part.soft[in_pool], torch.tensor(0.25))
    dev, _ = load_part(part_sources(config_of(), layout), layout, 1, "dev", torch.device("cpu"))
    assert dev.utts == VOTED[12:]


def load(config, layout):
    sources = part_sources(config, layout)
    (train, shapes), (dev, _) = (load_part(sources, layout, 1, part, torch.device("cpu")) for part in ("train", "dev"))
    return FoldData(1, train, dev, shapes)


def test_a_pool_makes_ipr_possible_with_one_vote_per_utterance(layout):
    """Without it there are no ambiguous utterances to learn from."""
    config = config_of()
    data = load(config, layout)
    task = TASKS["update"].make(config, data, None)
    generator = torch.Generator().manual_seed(0)
    batch = next(iter(task.batches(1, generator)))
    assert {data.train.utts[i] for i in batch[1].tolist()} <= set(POOL) and len(batch[1]) == 4
    loss, _ = task.loss(batch, 1, generator)
    assert torch.isfinite(loss) and loss.requires_grad
    with pytest.raises(DataError, match="ambiguous"):
        TASKS["prototypes"].make(config_of(pool=False), load(config_of(pool=False), layout), None)


def test_a_missing_pool_is_one_line(layout):
    layout.fold_list(1, "pool").unlink()
    with pytest.raises(DataError, match="fold1/pool is missing; run stage 1 with data.unlabelled=pool, or set"):
        load_part(part_sources(config_of(), layout), layout, 1, "train", torch.device("cpu"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"corpus": "kaldi"}, "ipr": {"pool": True}}, "ipr.pool: needs data.unlabelled: pool"),
        ({"data": {"unlabelled": "pool"}}, "data.unlabelled: pool is for corpus kaldi"),
        ({"ipr": {"pool": True, "oracle": "votes"}}, "pool: needs ambiguous_loss: pseudo_labels, oracle: none"),
    ],
)
def test_settings_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        Config.model_validate(changes)
