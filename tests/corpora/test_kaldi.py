import shutil

import pytest
from corpora.checked import checked

from ambiser.config.data_keys import Data
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.kaldi import read_kaldi
from ambiser.errors import DataError
from ambiser.io.layout import Layout

DATA = Data(corpus="kaldi")
SAME = ("utt2spk", "spk2utt", "utt2dur", "text", "votes.tsv", "attributes.tsv", "utt2label", "utt2session", "utt2rec")


@pytest.fixture
def folder(mini_corpus, data, layout, tmp_path):
    """What stage 1 wrote is a Kaldi data directory with votes."""
    prepare_data(mini_corpus, data, layout)
    return shutil.copytree(layout.data_dir / "all", tmp_path / "mine")


def test_a_prepared_corpus_comes_out_as_it_was(folder, layout, tmp_path):
    other = Layout(tmp_path / "again", tmp_path, tmp_path)
    record = prepare_data(folder, DATA, other)
    assert (record.corpus, record.folds) == ("kaldi", [1, 2, 3, 4, 5])
    for name in SAME:
        assert other.table(name).read_bytes() == layout.table(name).read_bytes(), name
    assert other.fold_list(2, "dev").read_bytes() == layout.fold_list(2, "dev").read_bytes()


def test_three_tables_are_enough(folder, tmp_path):
    wav = folder / "a.wav"
    shutil.copy((folder / "wav.scp").read_text().split()[1], wav)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "wav.scp").write_text(f"a ../mine/{wav.name}\n")
    (bare / "utt2spk").write_text("a s1\n")
    (bare / "votes.tsv").write_text("label\tutt\trater\nneu\ta\tr1\nhap\ta\tr2\n")
    (u,) = read_kaldi(bare, DATA).utterances
    assert (u.speaker, u.session, u.gender, u.text, u.label) == ("s1", "s1", "u", "", "-")
    assert [(v.rater, v.source, v.slot, v.label) for v in u.votes] == [
        ("r1", "outside", "primary", "neu"),
        ("r2", "outside", "primary", "hap"),
    ]
    assert u.wav.is_file()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("wav.scp", ".wav\n", ".wav |\n", "is a command; only paths are read"),
        ("votes.tsv", "\tneu\n", "\tneutral\n", r"votes.tsv:\d+: label must be one of neu, .*got 'neutral'"),
        ("votes.tsv", "\toutside\t", "\tinside\t", r"votes.tsv:2: source must be one of outside, self"),
        ("votes.tsv", "label\n", "vote\n", r"votes.tsv:1: the header lacks label"),
        (
            "attributes.tsv",
            "outside\t",
            "outside\tx",
            r"attributes.tsv:2: valence must be a number; a missing value is nan; got 'x",
        ),
        ("attributes.tsv", "outside\t", "outside\t1e99", r"attributes.tsv:2: valence must be a number; .*got '1e99"),
        ("utt2spk", "Ses01F_impro01_F000", "Ses01F_impro01_A000", "Ses01F_impro01_F000: has no speaker in utt2spk"),
    ],
)
def test_faults_are_named(folder, name, old, new, message):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        checked(read_kaldi(folder, DATA))


def test_utterances_without_votes_or_audio(folder):
    path = folder / "votes.tsv"
    path.write_text(path.read_text().replace("Ses01F_impro01_F000", "Zes"))
    faults = "Ses01F_impro01_F000: has no votes\n.*Zes: has votes but no audio\n.*=pool$"
    message = f"2 faults; .*allow_incomplete=true:\n.*{faults}"
    with pytest.raises(DataError, match=message):
        checked(read_kaldi(folder, DATA))
    corpus = read_kaldi(folder, DATA.model_copy(update={"allow_incomplete": True}))
    assert corpus.findings.left_out == {"Ses01F_impro01_F000": "has no votes", "Zes": "has votes but no audio"}


def test_repeated_lines_count_once(folder):
    plain = read_kaldi(folder, DATA).utterances
    for name in ("votes.tsv", "attributes.tsv"):
        path = folder / name
        header, first, *rest = path.read_text().splitlines()
        path.write_text("\n".join([header, first, first, *rest, ""]))
    corpus = read_kaldi(folder, DATA)
    assert [(u.votes, str(u.ratings)) for u in corpus.utterances] == [(u.votes, str(u.ratings)) for u in plain]
    assert corpus.findings.places == [
        ("lines that appear twice (counted once)", f"{folder}/votes.tsv:3"),
        ("second ratings of a rater on an utterance (not counted)", f"{folder}/attributes.tsv:3"),
    ]


def test_a_speaker_without_audio_is_listed(folder):
    path = folder / "utt2spk"
    path.write_text(path.read_text() + "Zes nobody\n")
    assert read_kaldi(folder, DATA).findings.left_out == {
        "Zes": "has a speaker or ratings, but neither audio nor votes"
    }


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(DataError, match="is not a data directory with votes: wav.scp, utt2spk, votes.tsv not found"):
        checked(read_kaldi(tmp_path, DATA))
    with pytest.raises(DataError, match=r"nowhere is not a folder; --corpus_dir must name .*import_table makes one"):
        read_kaldi(tmp_path / "nowhere", DATA)
