"""Stage 6 from files to predictions, on data with a fault each: what is done about it, and what the log says."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import kaldiio
import numpy as np
import pytest
import torch
from make_arks import write_ark
from train.toy import CLASSES

from ambiser.config import Config
from ambiser.config.score_keys import Score
from ambiser.errors import DataError
from ambiser.io.ark import read_matrix
from ambiser.io.layout import Layout
from ambiser.io.locks import hold
from ambiser.io.tables import read_table, read_tsv, write_list, write_table, write_tsv
from ambiser.labels.vote_table import COLUMNS
from ambiser.train import run_stage
from ambiser.train.checkpoint import load_best
from ambiser.train.fold_checks import check_sets
from ambiser.train.prediction import predict_fold
from ambiser.train.run_stage import train_stage

UTTS = [f"u{i:02}" for i in range(36)]
PARTS = {"train": UTTS[:20], "dev": UTTS[20:28], "test": UTTS[28:]}
CODES = ("neu", "hap", "ang", "sad")
FORMS = {
    "concat": {},
    "cross_attention": {"speech_features": {"form": "frames"}, "text_features": {"form": "tokens"}},
}


def _votes(number: int) -> list[str]:
    """Three raters; of every other utterance one disagrees."""
    own, other = CODES[number % 4], CODES[(number + 1) % 4]
    return [own, own, other if number % 2 else own]


def _make(folder, *, votes=_votes, silent=(), without_text=()) -> Layout:
    """Writes what stages 1 and 2 write of 36 utterances whose features depend on their class."""
    layout, rng = Layout(folder / "data", folder / "dump", folder / "exp"), np.random.default_rng(0)
    centers = rng.normal(size=(4, 6))
    rows = [(utt, f"E{j}", "outside", "primary", code) for i, utt in enumerate(UTTS) for j, code in enumerate(votes(i))]
    write_tsv(layout.table("votes.tsv"), list(COLUMNS), rows)
    layout.corpus_record().write_text("{}")
    for part, utts in PARTS.items():
        write_list(layout.fold_list(1, part), utts)
    speech = {utt: centers[i % 4] + 0.3 * rng.normal(size=(3 + i % 5, 6)) for i, utt in enumerate(UTTS)}
    words = {
        u: np.zeros((1, 6)) if u in silent else centers[i % 4] + rng.normal(size=(1 + i % 4, 6))
        for i, u in enumerate(UTTS)
        if u not in without_text
    }
    for name, whole, matrices in (("fbank", "fbank_frames", speech), ("hashing", "hashing_tokens", words)):
        _write(layout.dump_dir / name, {utt: rows.mean(axis=0, keepdims=True) for utt, rows in matrices.items()})
        _write(layout.dump_dir / whole, matrices)
    return layout


def _write(folder, matrices: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    entries = write_ark(folder / "feats.ark", ((utt, np.float32(matrices[utt])) for utt in sorted(matrices)))
    write_table(folder / "feats.scp", entries)


def _spoil(scp, spoilt: str, value: float = np.nan) -> None:
    """Puts a value, which `write_ark` may refuse, into the features of an utterance."""
    matrices = {utt: read_matrix(str(scp.parent / entry)).copy() for utt, entry in read_table(scp).items()}
    matrices[spoilt][0, 2:4] = value
    kaldiio.save_ark(str(scp.with_suffix(".ark")), matrices)


def _run(layout: Layout, caplog, fusion: str = "concat", **amber) -> tuple[str, dict[str, dict[str, str]]]:
    """Trains and predicts; returns the log and the predictions by utterance."""
    config = Config.model_validate(
        {
            "model": {"hidden": 8},
            "distill": {"epochs": 3, "batch": 8},
            "train": {"device": "cpu", "tensorboard": False},
            "score": {"sets_coverage": 0.7},  # dev has 8 utterances
            "amber": {"fusion": fusion, **amber},
            **FORMS[fusion],
        }
    )
    caplog.set_level(logging.INFO)
    train_stage("distill", config, layout, tag="x", seed=1, fold=1)
    rows = {row["utt"]: row for row in read_tsv(predict_fold(config, layout, "x", 1))}
    state, facts = load_best(layout.best("x", 1, "distill"))
    assert all(torch.isfinite(tensor).all() for tensor in state.values()) and np.isfinite(facts["dev"])
    for row in rows.values():
        assert sum(float(row[name]) for name in CLASSES) == pytest.approx(1, abs=1e-6)
    for line in layout.training("x", 1, "distill").joinpath("metrics.jsonl").read_text().splitlines():
        assert np.isfinite(json.loads(line)["train_loss"])
    return caplog.text, rows


@pytest.mark.parametrize(
    ("score", "warning"),
    [
        ({}, "dev has 8 utterances to calibrate prediction sets on (votes); coverage 0.9 needs 9, so sets will hold"),
        ({"sets_coverage": 0.88}, ""),
        ({"sets_by": "majority", "sets_coverage": 0.8}, "dev has 3 utterances to calibrate prediction sets on (maj"),
        ({"sets_per_class": True, "sets_coverage": 0.7}, "dev has 2 utterances of a class to calibrate"),
        ({"sets_per_class": True, "sets_coverage": 0.7}, "set score.sets_coverage to at most 0.66"),
        ({"sets": "none"}, ""),
    ],
)
def test_a_dev_part_that_is_too_small_for_prediction_sets_is_named_before_training(score, warning, caplog):
    hard = torch.tensor([0, 1, 2, -1, -1, -1, -1, -1])
    data = SimpleNamespace(fold=3, dev=SimpleNamespace(soft=torch.full((8, 4), 0.25), hard=hard))
    check_sets(data, Score.model_validate(score))
    assert warning in caplog.text and bool(warning) == bool(caplog.text)


def test_clean_data_cause_no_warning(tmp_path, caplog):
    text, rows = _run(_make(tmp_path), caplog)
    assert sorted(rows) == PARTS["test"]
    assert "20 utterances (10 precise, 10 ambiguous, 0 neither) for training" in text
    assert "no label in these classes" not in text and "words" not in text and "WARNING" not in text


def test_votes_that_sum_to_zero_are_left_out_and_counted(tmp_path, caplog):
    def votes(number: int) -> list[str]:
        return {1: ["fea", "fea"], 2: [], 30: ["dis"]}.get(number, _votes(number))

    text, rows = _run(_make(tmp_path, votes=votes), caplog)
    assert "fold 1, train: 2 of 20 utterances have no label in these classes (" in text
    assert "1 no vote inside the classes" in text and "1 no counted votes" in text
    assert "fold 1, test: 1 of 8 utterances have no label in these classes (1 no vote inside the classes)" in text
    assert sorted(rows) == [utt for utt in PARTS["test"] if utt != "u30"]


@pytest.mark.parametrize("dropout", [0, 0.3])
@pytest.mark.parametrize("fusion", FORMS)
def test_utterances_without_words_are_counted_and_predicted(fusion, dropout, tmp_path, caplog):
    text, rows = _run(_make(tmp_path, silent=("u03", "u29")), caplog, fusion, modality_dropout=dropout)
    assert "0 neither, 1 without words) for training" in text
    assert "x, fold 1, test: 1 of 8 utterances have no words; head A replaces T" in text
    assert ("A replaces T and AT" in text) == (dropout == 0)
    heads = {row["utt"]: row for row in read_tsv(tmp_path / "exp/x/fold1/heads.tsv")}
    answers = {utt: row["AT_neutral"] == row["A_neutral"] for utt, row in heads.items()}
    assert [utt for utt, same in answers.items() if same] == (["u29"] if dropout == 0 else [])
    assert sorted(rows) == PARTS["test"] and heads["u29"]["weight_T"] == "0.00000000"


@pytest.mark.parametrize("fusion", FORMS)
def test_a_corpus_without_words_is_a_warning(fusion, tmp_path, caplog):
    text, rows = _run(_make(tmp_path, silent=UTTS), caplog, fusion)
    assert "fold 1: no training utterance has words: head T is not trained, and AT gets speech only" in text
    assert "8 of 8 utterances have no words" in text
    assert sorted(rows) == PARTS["test"]


@pytest.mark.parametrize("fusion", FORMS)
def test_text_features_that_lack_utterances_stop_with_the_stage_that_writes_them(fusion, tmp_path, caplog):
    layout = _make(tmp_path, without_text=("u05", "u06"))
    with pytest.raises(DataError, match=r"feats.scp: has no features of 'u05' and 1 others; stage 2 "):
        _run(layout, caplog, fusion)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("fusion", "name"),
    [
        ("concat", "fbank"),
        ("concat", "hashing"),
        ("cross_attention", "fbank_frames"),
        ("cross_attention", "hashing_tokens"),
    ],
)
def test_features_of_another_program_that_are_not_finite_are_an_error(fusion, name, part, tmp_path, caplog):
    layout, spoilt = _make(tmp_path), PARTS[part][3]
    _spoil(layout.dump_dir / name / "feats.scp", spoilt)
    with pytest.raises(
        DataError, match=f"{name}/feats.scp: the features of '{spoilt}' hold values that are not finite"
    ):
        _run(layout, caplog, fusion)
    assert layout.best("x", 1, "distill").exists() == (part == "test")


def test_a_prediction_that_is_not_finite_is_an_error_and_writes_nothing(tmp_path, caplog):
    layout, spoilt = _make(tmp_path), PARTS["test"][3]
    _spoil(layout.dump_dir / "fbank/feats.scp", spoilt, 3e38)
    with pytest.raises(DataError, match=f"heads.tsv: A_neutral of '{spoilt}' is nan: its features are too far from"):
        _run(layout, caplog)
    assert not layout.predictions("x", 1, "test").exists()


@pytest.mark.parametrize(
    ("raters", "why"),
    [(3, "the raters agree on every training utterance"), (1, "every training utterance has a single vote")],
)
def test_one_hot_labels_train_with_a_warning(raters, why, tmp_path, caplog):
    text, rows = _run(_make(tmp_path, votes=lambda number: [CODES[number % 4]] * raters), caplog)
    assert f"distill: {why}, so all soft labels are one-hot: nothing is learned about disagreement" in text
    assert sorted(rows) == PARTS["test"]


def test_a_training_waits_for_another_run_and_finds_its_result(tmp_path, caplog):
    layout = Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp")
    best = layout.best("x", 1, "distill")
    caplog.set_level(logging.INFO)
    with ThreadPoolExecutor(1) as pool:
        with hold(layout.training_lock("x", 1, "distill")):
            second = pool.submit(train_stage, "distill", Config(), layout, tag="x", seed=1, fold=1)
            while "writes here (.distill.lock); waiting for its end" not in caplog.text:
                assert not second.done()
                time.sleep(0.01)
            best.parent.mkdir()
            best.touch()
        second.result(timeout=120)
    assert "best.safetensors already exists; nothing to do" in caplog.text
    assert not layout.training_lock("x", 1, "distill").exists()


def test_a_training_by_several_processes_does_not_wait(tmp_path, monkeypatch):
    layout = Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp")
    monkeypatch.setattr(run_stage, "size", lambda: 2)
    with hold(layout.training_lock("x", 1, "distill")), pytest.raises(DataError, match="writes here .* wait for its"):
        train_stage("distill", Config(), layout, tag="x", seed=1, fold=1)
