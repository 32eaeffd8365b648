"""Training on one corpus and testing on another: the joined data directory, its label maps and its stamp."""

import sys

import numpy as np
import pytest
import soundfile

from ambiser.bin import join_corpora as program
from ambiser.config.data_keys import Data
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.importing.join_corpora import describe_join, join_corpora
from ambiser.errors import ConfigError, DataError
from ambiser.io.layout import Layout
from ambiser.io.tables import read_table, read_tsv


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The data folders of two corpora: one with labels neu, hap, exc; one with sad, hap and a label of its own."""
    base = tmp_path_factory.mktemp("two")
    rng = np.random.default_rng(0)
    for name, speakers, labels in (("a", 6, ("neu", "hap", "exc")), ("b", 3, ("sad", "hap", "awe"))):
        folder = base / name
        folder.mkdir()
        utts = [f"s{s}_{i}" for s in range(speakers) for i in range(3)]
        for utt in utts:
            soundfile.write(folder / f"{utt}.wav", 0.1 * rng.standard_normal(800), 16000)
        (folder / "wav.scp").write_text("".join(f"{utt} {utt}.wav\n" for utt in utts))
        (folder / "utt2spk").write_text("".join(f"{utt} {utt[:2]}\n" for utt in utts))
        (folder / "text").write_text("".join(f"{utt} word {utt}\n" for utt in utts))
        (folder / "own_labels").write_text("awe\n")
        rows = (f"{utt}\t{rater}\t{labels[int(utt[-1])]}\n" for utt in utts for rater in ("r1", "r2"))
        (folder / "votes.tsv").write_text("utt\trater\tlabel\n" + "".join(rows))
        data = Data(corpus="kaldi", version=name, protocol="speaker_folds", folds=3)
        prepare_data(folder, data, Layout(base / f"data_{name}", base, base))
    return base / "data_a", base / "data_b"


def join(prepared, out_dir, **options):
    return join_corpora(*prepared, out_dir, **{"train_labels": {}, "test_labels": {}, **options})


def test_one_corpus_trains_and_the_other_tests(prepared, tmp_path):
    joined = join(prepared, tmp_path / "j", train_labels={"exc": "hap"}, test_labels={"awe": "-"})
    layout = Layout(tmp_path / "data", tmp_path, tmp_path)
    record = prepare_data(tmp_path / "j", Data(corpus="kaldi", protocol="across_corpora"), layout)
    assert record.parts == {"1": {"train": 12, "dev": 6, "test": 6}}
    assert (record.protocol, record.dev) == ("across_corpora", "of the training corpus")
    assert record.version == "kaldi_a to kaldi_b" and record.leaks == {}
    votes = read_tsv(layout.table("votes.tsv"))
    labels = {side: {v["label"] for v in votes if v["utt"].startswith(side)} for side in ("kaldi_a-", "kaldi_b-")}
    assert labels == {"kaldi_a-": {"neu", "hap"}, "kaldi_b-": {"sad", "hap"}}
    assert read_table(layout.table("utt2spk"))["kaldi_b-s0_1"] == "kaldi_b-s0"
    assert read_table(layout.table("text"))["kaldi_b-s0_1"] == "word s0_1"
    text = describe_join(joined, tmp_path / "j").splitlines()
    assert text[0] == f"kaldi_a to kaldi_b: train 12, dev 6, test 6 utterances written to {tmp_path / 'j'}"
    assert text[1] == "  votes of kaldi_a: exc -> hap: 12, hap -> hap: 12, neu -> neu: 12"
    assert "  not taken from kaldi_b: 3 utterances without votes" in text


def test_faults_are_one_line(prepared, tmp_path):
    with pytest.raises(ConfigError, match="--train_labels exc=hpp: hpp is a label of neither corpus"):
        join(prepared, tmp_path, train_labels={"exc": "hpp"})
    with pytest.raises(DataError, match="data_a: has no fold 9; its folds are 1, 2, 3"):
        join(prepared, tmp_path, fold=9)
    with pytest.raises(DataError, match="corpus.json is missing; stage 1"):
        join((tmp_path, prepared[1]), tmp_path)
    assert not (tmp_path / "wav.scp").exists()


def test_the_program_prints_the_next_command(prepared, tmp_path, monkeypatch, capsys):
    words = ["--train", prepared[0], "--test", prepared[1], "--out_dir", tmp_path / "j", "--test_labels", "awe=-"]
    monkeypatch.setattr(sys, "argv", ["join_corpora", *map(str, words)])
    program.main()
    assert f"./run.sh --corpus_dir {tmp_path / 'j'} --set data.protocol=across_corpora" in capsys.readouterr().out
