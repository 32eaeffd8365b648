"""Damaged copies of a corpus: each test makes one damage and checks the message, its counts and its examples."""

import gzip
import os
import re
import shutil
from pathlib import Path

import pytest
from corpora.make_crema import make_crema
from corpora.make_msp import make_msp

from ambiser.config.data_keys import Data, LabelPolicy
from ambiser.corpora.crema_d import read_crema_d
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.iemocap import read_release
from ambiser.corpora.kaldi import read_kaldi
from ambiser.corpora.msp_podcast import read_msp_podcast
from ambiser.corpora.parsers import CORPORA
from ambiser.corpora.text_files import read_csv
from ambiser.errors import DataError
from ambiser.io.layout import Layout
from ambiser.io.tables import read_tsv
from ambiser.report.data_page import render_page
from ambiser.report.data_statistics import HARD_ONLY, collect_statistics
from ambiser.report.data_summary import summarize

KALDI = Data(corpus="kaldi")
DIALOG = "Ses02F_impro01"
EXPERIMENTS = Path(__file__).resolve().parents[2] / "conf" / "experiments"


def message_of(corpus, root=None):
    with pytest.raises(DataError) as error:
        corpus.findings.refuse(root)
    return str(error.value)


@pytest.fixture(scope="module")
def prepared(mini_corpus, tmp_path_factory):
    base = tmp_path_factory.mktemp("prepared")
    prepare_data(mini_corpus, Data(mini_utterances=60), Layout(base / "data", base, base))
    return base / "data" / "all"


@pytest.fixture
def folder(prepared, tmp_path):
    """A Kaldi data directory of 60 utterances."""
    return shutil.copytree(prepared, tmp_path / "mine")


def rewrite(path, change):
    path.write_text("".join(change(line) for line in path.read_text().splitlines(keepends=True)))


def wavs_of(corpus, dialog=DIALOG):
    return sorted((corpus / f"Session{dialog[4]}/sentences/wav/{dialog}").glob("Ses*.wav"))


def test_a_missing_label_file_is_one_line(corpus_copy):
    wavs = wavs_of(corpus_copy)
    (corpus_copy / f"Session2/dialog/EmoEvaluation/{DIALOG}.txt").unlink()
    message = message_of(read_release(corpus_copy, expected_counts={"utterances": 60}), corpus_copy)
    first, line = message.split("\n")
    assert first == (
        f"{len(wavs)} faults in {corpus_copy}; restore the corpus, or leave these utterances out: "
        "--set data.allow_incomplete=true:"
    )
    names = ", ".join(path.stem for path in wavs[:3])
    assert line == (
        f"  Session2/dialog/EmoEvaluation/{DIALOG}.txt: the label file of its dialog is missing: "
        f"{len(wavs)} utterances, such as {names}"
    )


def test_all_faults_come_at_once_and_are_listed(corpus_copy, data, layout):
    first, second, *_ = wavs_of(corpus_copy)
    first.unlink()
    second.write_bytes(b"")
    with pytest.raises(DataError) as error:
        prepare_data(corpus_copy, data, layout)
    lines = str(error.value).split("\n")
    assert lines[0].startswith(f"2 faults in {corpus_copy}, all listed in {layout.data_dir}/faults.tsv; restore")
    folder = f"Session2/sentences/wav/{DIALOG}"
    assert lines[1:] == [
        f"  {folder}: {first.stem}: has no audio",
        f"  {folder}: {second.stem}: its audio is empty (0 bytes)",
    ]
    rows = read_tsv(layout.data_dir / "faults.tsv")
    assert [(row["utt"], row["reason"]) for row in rows] == [
        (first.stem, "has no audio"),
        (second.stem, "its audio is empty (0 bytes)"),
    ]
    prepare_data(corpus_copy, data.model_copy(update={"allow_incomplete": True}), layout)
    assert not (layout.data_dir / "faults.tsv").exists()


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        (lambda p: p.with_suffix(".WAV"), "has no audio, but it exists in another case ({stem}.WAV)"),
        (lambda p: p.with_suffix(".flac"), "has no audio, but it exists with another extension ({stem}.flac)"),
        (lambda p: p.with_name(f"{p.stem} (1).wav"), "has no audio, but a copy of it exists ({stem} (1).wav)"),
        (lambda p: p.parent.with_name(p.name), "has no audio, but it exists one level up"),
    ],
)
def test_audio_under_another_name_is_named(corpus_copy, rename, message):
    wav = wavs_of(corpus_copy)[0]
    os.rename(wav, rename(wav))
    assert f"{wav.stem}: {message.format(stem=wav.stem)}" in message_of(read_release(corpus_copy))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "its audio is a git-lfs placeholder; get"),
        (gzip.compress(b"x" * 99, mtime=0), "its audio is a gzip archive; unpack it"),
        (b"<!DOCTYPE html><p>404", "its audio is a web page, so the download failed"),
    ],
)
def test_audio_that_is_something_else_is_named(corpus_copy, data, layout, content, message):
    wav = wavs_of(corpus_copy)[0]
    wav.write_bytes(content)
    with pytest.raises(DataError, match=f"{wav.stem}: {message}"):
        prepare_data(corpus_copy, data, layout)


def test_a_label_file_that_is_utf16(corpus_copy):
    path = corpus_copy / f"Session2/dialog/EmoEvaluation/{DIALOG}.txt"
    path.write_bytes(path.read_text().encode("utf-16"))
    assert f"{DIALOG}.txt: contains no turns; the file is UTF-16 text; save it as UTF-8" in message_of(
        read_release(corpus_copy), corpus_copy
    )


def test_a_folder_without_permission_is_one_line(corpus_copy, data, layout, monkeypatch):
    """The tests may run as root, whom no permission stops."""

    def refused(*_):
        raise PermissionError(13, "Permission denied", str(corpus_copy / "Session1"))

    monkeypatch.setitem(CORPORA, "mini", refused)
    with pytest.raises(DataError, match=r"Session1: cannot be read: Permission denied$"):
        prepare_data(corpus_copy, data, layout)


def test_transcript_lines_without_words_are_counted(folder, corpus_copy):
    rewrite(folder / "text", lambda line: line.split()[0] + "\n" if line.startswith("Ses02F") else line)
    findings = read_kaldi(folder, KALDI).findings
    n = sum(line.startswith("Ses02F") for line in (folder / "text").read_text().splitlines())
    assert findings.warnings["transcript lines without words (empty text)"] == n > 3
    path = corpus_copy / f"Session2/dialog/transcriptions/{DIALOG}.txt"
    rewrite(path, lambda line: line.partition("]:")[0] + "]:\n")
    warnings = read_release(corpus_copy).findings.warnings
    assert warnings["transcript lines without words (empty text)"] == len(wavs_of(corpus_copy))
    path.unlink()
    warnings = read_release(corpus_copy).findings.warnings
    assert warnings["turns whose dialog has no transcription file (empty text)"] == len(wavs_of(corpus_copy))


@pytest.mark.parametrize("name", ["text", "utt2session"])
def test_a_table_whose_keys_match_nothing_is_refused(folder, name):
    rewrite(folder / name, lambda line: line.replace(" ", ".wav ", 1))
    assert (
        f"{name}: matches 0 of 60 utterances; keys look like Ses01F_impro01_F000.wav, utterances like "
        "Ses01F_impro01_F000" in message_of(read_kaldi(folder, KALDI))
    )


def test_speakers_of_spk2gender_that_match_none(folder):
    rewrite(folder / "spk2gender", lambda line: "x" + line)
    assert "spk2gender: matches 0 of 10 speakers; keys look like xSes01F" in message_of(read_kaldi(folder, KALDI))


def test_a_session_that_is_missing_does_not_become_the_speaker(folder):
    rewrite(folder / "utt2session", lambda line: "" if line.startswith("Ses01F_impro01_F000") else line)
    assert "utt2session: Ses01F_impro01_F000: has no session; restore" in message_of(read_kaldi(folder, KALDI))


def test_words_for_gender(folder):
    words = {"f": "Female", "m": "MALE"}
    rewrite(folder / "spk2gender", lambda line: f"{line.split()[0]} {words[line.split()[1]]}\n")
    assert {u.gender for u in read_kaldi(folder, KALDI).utterances} == {"f", "m"}
    rewrite(folder / "spk2gender", lambda line: line.replace("Female", "girl"))
    message = message_of(read_kaldi(folder, KALDI))
    assert "spk2gender: gender must be f, m or u (or a word such as female, male): 5 times, such as line 1" in message


def name_raters(path, name):
    def rename(line):
        utt, _, *rest = line.split("\t")
        return line if utt == "utt" else "\t".join([utt, name, *rest])

    rewrite(path, rename)


def test_one_rater_name_for_all(folder):
    name_raters(folder / "votes.tsv", "r1")
    message = message_of(read_kaldi(folder, KALDI))
    assert re.search(
        r"all \d+ votes are by one rater, and \d+ utterances have several; give each rater a name", message
    )


def test_votes_without_rater_names(folder):
    n = len((folder / "votes.tsv").read_text().splitlines()) - 1
    name_raters(folder / "votes.tsv", "")
    message = message_of(read_kaldi(folder, KALDI), folder)
    assert (
        "votes.tsv: the rater has no name; without names use anon1, anon2, ... per utterance: "
        f"{n} times, such as line 2, line 3, line 4" in message
    )


def test_faults_of_a_table_come_together_with_line_and_value(folder):
    path = folder / "votes.tsv"
    lines = path.read_text().splitlines()
    for number, old, new in ((1, "\toutside\t", "\tinside\t"), (4, lines[4].split("\t")[4], "anger"), (6, "\t", " ")):
        lines[number] = new.join(lines[number].rsplit(old, 1))
    path.write_text("\n".join(lines) + "\n")
    message = message_of(read_kaldi(folder, KALDI), folder)
    assert "votes.tsv:2: source must be one of outside, self; got 'inside'" in message
    assert "votes.tsv:5: label must be one of neu, hap" in message and "got 'anger'" in message
    assert "votes.tsv:7: the header has 5 fields, the line has 4" in message


def test_tables_with_a_byte_order_mark_and_windows_line_ends_are_read(folder):
    path = folder / "text"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    plain = {u.utt: u.text for u in read_kaldi(folder, KALDI).utterances}
    warnings = read_kaldi(folder, KALDI).findings.warnings
    assert all(plain.values()) and len(plain) == 60
    assert warnings["tables with a byte order mark (ignored)"] == 1
    assert warnings["tables with Windows line ends (accepted)"] == 1
    path.write_bytes("a b\n".encode("utf-16"))
    assert "text:1: is UTF-16 text; save it as UTF-8" in message_of(read_kaldi(folder, KALDI))


def test_own_labels_that_are_no_codes(folder):
    (folder / "own_labels").write_text("Bored\nneu\nstress\n")
    message = message_of(read_kaldi(folder, KALDI), folder)
    assert "own_labels: a label must be of small letters, digits and _, a letter first; got 'Bored'" in message
    assert "own_labels: the label is built in; remove the line; got 'neu'" in message


def test_an_unsorted_table_is_one_line(folder):
    lines = (folder / "utt2spk").read_text().splitlines(keepends=True)
    (folder / "utt2spk").write_text("".join([*lines[5:], *lines[:5]]))
    message = message_of(read_kaldi(folder, KALDI), folder)
    assert "utt2spk: is not in bytewise order; sort the file with LC_ALL=C sort: 5 times, such as line 56" in message


@pytest.fixture
def release(tmp_path):
    make_msp(tmp_path / "MSP-PODCAST-Publish-2.0", "2.0")
    return tmp_path / "MSP-PODCAST-Publish-2.0"


def test_votes_of_msp_podcast_cut_between_lines(release):
    path = release / "Labels/labels_detailed.csv"
    rows = path.read_text().splitlines(keepends=True)
    files = sorted({row.split(",")[0] for row in rows[1:]})
    kept = [row for row in rows if row.split(",")[0] not in files[-3:]]
    path.write_text("".join(kept))
    message = message_of(read_msp_podcast(release, Data(corpus="msp_podcast", protocol="as_released")), release)
    names = ", ".join(file.removesuffix(".wav") for file in files[-3:])
    assert (
        f"Labels/labels_detailed.csv: has a consensus label and no votes; the file is cut off: 3 utterances, "
        f"such as {names}" in message
    )


@pytest.mark.parametrize("ending", [".WAV", ".flac"])
def test_audio_of_msp_podcast_under_another_name(release, ending):
    wav = sorted((release / "Audios").rglob("MSP*.wav"))[0]
    os.rename(wav, wav.with_suffix(ending))
    corpus = read_msp_podcast(release, Data(corpus="msp_podcast", protocol="as_released"))
    assert f"{wav.stem}: has no audio, but it exists under another name ({wav.stem}{ending})" in message_of(corpus)


def test_audio_of_crema_d_with_another_extension(tmp_path):
    make_crema(tmp_path / "CREMA-D")
    wav = sorted((tmp_path / "CREMA-D/AudioWAV").glob("1*.wav"))[0]
    os.rename(wav, wav.with_suffix(".flac"))
    corpus = read_crema_d(tmp_path / "CREMA-D", Data(corpus="crema_d"))
    assert f"{wav.stem}: has no audio, but it exists with another extension" in message_of(corpus)


CHANGES = {
    "an edited label file": (
        lambda c: rewrite(c / f"Session2/dialog/EmoEvaluation/{DIALOG}.txt", str.upper),
        f"{DIALOG}.txt",
    ),
    "another transcript": (
        lambda c: rewrite(c / f"Session2/dialog/transcriptions/{DIALOG}.txt", str.upper),
        f"{DIALOG}.txt",
    ),
    "other audio of the same length": (lambda c: flip(wavs_of(c)[0]), f"{DIALOG}_F000.wav"),
    "a wav that is gone": (lambda c: wavs_of(c)[0].unlink(), f"{DIALOG}_F000.wav (No such file or directory)"),
    "a new wav": (
        lambda c: shutil.copy(wavs_of(c)[0], wavs_of(c)[0].with_name("new.wav")),
        "(files were added, removed",
    ),
}


def flip(wav):
    content = bytearray(wav.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 1
    wav.write_bytes(bytes(content))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_after_stage_1_is_refused(corpus_copy, data, layout, name):
    change, named = CHANGES[name]
    first = prepare_data(corpus_copy, data, layout)
    assert prepare_data(corpus_copy, data, layout) == first
    change(corpus_copy)
    with pytest.raises(DataError, match="changed since stage 1: .*; stages 1 to 8 are stale: ") as error:
        prepare_data(corpus_copy, data, layout)
    assert named in str(error.value)


def test_an_edited_table_of_stage_1_is_refused(corpus_copy, data, layout):
    prepare_data(corpus_copy, data, layout)
    rewrite(layout.table("votes.tsv"), lambda line: line.replace("\tneu", "\tang"))
    with pytest.raises(DataError, match=r"1 input has changed since stage 1: .*data/all/votes\.tsv; stages"):
        prepare_data(corpus_copy, data, layout)


def test_a_touched_file_is_no_change(corpus_copy, data, layout):
    record = prepare_data(corpus_copy, data, layout)
    for path in corpus_copy.rglob("Ses*"):
        os.utime(path)
    (corpus_copy / "notes.md").write_text("a file of another kind")
    assert prepare_data(corpus_copy, data, layout) == record


def test_a_folder_of_an_older_version_is_refused(corpus_copy, data, layout):
    prepare_data(corpus_copy, data, layout)
    (layout.data_dir / "inputs.tsv").unlink()
    with pytest.raises(
        DataError, match="inputs.tsv is missing: another version prepared .*; remove it and run stage 1"
    ):
        prepare_data(corpus_copy, data, layout)


def test_hard_labels_only_are_said_at_once(folder, tmp_path):
    seen = set()

    def first_vote(line):
        utt = line.split("\t")[0]
        return "" if "\tself\t" in line or utt in seen or seen.add(utt) else line

    rewrite(folder / "votes.tsv", first_vote)
    layout = Layout(tmp_path / "hard", tmp_path, tmp_path)
    record = prepare_data(folder, KALDI, layout)
    statistics = collect_statistics(record, LabelPolicy(), [0.0, 0.95], layout)
    assert f"\n{HARD_ONLY}\n" in summarize(record, statistics, layout)
    assert "Hard labels only: every utterance has one vote." in render_page(record, statistics, tmp_path / "figures")
    for name in re.findall(r"\b(ce|smoothing|superb|text|fusion_ce|soft_ce|kl|jsd|dirichlet|ipr|amber2)\b", HARD_ONLY):
        assert (EXPERIMENTS / f"{name}.yaml").is_file()


def test_own_lists_of_train_dev_and_test(folder, tmp_path):
    words = {"1": "train", "2": "Training", "3": "train", "4": "dev", "5": "test"}
    rewrite(folder / "utt2session", lambda line: line.split()[0] + f" {words[line[4]]}\n")
    (folder / "utt2session").rename(folder / "utt2part")
    layout = Layout(tmp_path / "own", tmp_path, tmp_path)
    record = prepare_data(folder, Data(corpus="kaldi", protocol="as_released"), layout)
    assert record.parts == {"1": {"train": 36, "dev": 12, "test": 12}}


def test_a_protocol_that_cannot_be_made_names_those_that_can(folder, tmp_path):
    rewrite(folder / "utt2session", lambda line: line.split()[0] + f" {'a' if line[4] in '123' else 'b'}\n")
    possible = r"speaker_folds, unseen_test_speaker, speaker_text_folds, recording_folds \(leaks speakers\), text_"
    with pytest.raises(DataError, match=rf"need three sessions; .*can be {possible}"):
        prepare_data(folder, KALDI, Layout(tmp_path / "two", tmp_path, tmp_path))
    rewrite(folder / "utt2spk", lambda line: line.split()[0] + f" s{line[4]}\n")
    data = Data(corpus="kaldi", protocol="speaker_folds", folds=7)
    (folder / "spk2gender").unlink()
    with pytest.raises(
        DataError, match="there are 5; with this corpus data.protocol can be .*speaker_folds with data.folds=3"
    ):
        prepare_data(folder, data, Layout(tmp_path / "few", tmp_path, tmp_path))


def test_unicode_line_separators_inside_words_do_not_end_a_csv_line():
    text = 'one\x85two,"three\nfour"\nfive\u2028six,seven\r\n'
    assert list(read_csv(Path("x.csv"), text)) == [(2, ["one\x85two", "three\nfour"]), (3, ["five\u2028six", "seven"])]
