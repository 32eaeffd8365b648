import math
import re
import shutil
from collections import Counter

import pytest
from corpora.checked import checked

from ambiser.config.data_keys import Data
from ambiser.corpora.iemocap import FULL_RELEASE, count_utterances, read_iemocap, read_release
from ambiser.errors import DataError

TURN = "Ses02F_impro01_F001"


def wav_file(root, turn):
    return root / f"Session{turn[4]}" / "sentences" / "wav" / turn.rpartition("_")[0] / f"{turn}.wav"


def eval_file(root, dialog):
    return root / f"Session{dialog[4]}" / "dialog" / "EmoEvaluation" / f"{dialog}.txt"


def test_speaker_is_the_letter_of_the_turn_not_of_the_dialog(mini_corpus):
    speakers = {u.utt: (u.speaker, u.gender, u.session) for u in read_release(mini_corpus).utterances}
    assert speakers["Ses01F_impro01_M000"] == ("Ses01M", "m", "Ses01")
    assert speakers["Ses03M_impro05a_F000"] == ("Ses03F", "f", "Ses03")
    assert speakers["Ses05M_script01_1b_M000"] == ("Ses05M", "m", "Ses05")


def test_utterances_join_labels_words_and_audio(mini_corpus):
    corpus = read_release(mini_corpus)
    names = [u.utt for u in corpus.utterances]
    assert names == sorted(names)
    for u in corpus.utterances:
        assert (u.wav.stem, u.wav.is_file()) == (u.utt, True)
        assert u.text
        assert sum(vote.source == "outside" for vote in u.votes) >= 3
    assert not corpus.findings.left_out


def test_full_release_counts_agree_with_each_other():
    def total(prefix, length):
        return sum(n for name, n in FULL_RELEASE.items() if name.startswith(prefix) and len(name) == length)

    assert total("utterances of Ses", len("utterances of Ses01")) == FULL_RELEASE["utterances"] == 10039
    assert total("utterances of Ses", len("utterances of Ses01F")) == 10039
    assert total("code ", len("code xxx")) == 10039
    assert total("ang hap exc sad neu of", len("ang hap exc sad neu of Ses01")) == 5531
    assert FULL_RELEASE["ang hap exc sad neu"] == 5531
    assert sum(FULL_RELEASE[f"code {code}"] for code in ("ang", "hap", "exc", "sad", "neu")) == 5531


def test_a_corpus_with_the_expected_counts_passes(mini_corpus):
    utterances = read_release(mini_corpus).utterances
    counts = count_utterances(utterances)
    assert counts["utterances of Ses01F"] == sum(u.utt[:5] == "Ses01" and u.utt[-4] == "F" for u in utterances)
    assert counts["code fru"] == Counter(u.label for u in utterances)["fru"]
    four = [u for u in utterances if u.label in {"ang", "hap", "exc", "sad", "neu"}]
    assert counts["ang hap exc sad neu"] == len(four)
    assert counts["ang hap exc sad neu of Ses02"] == sum(u.utt.startswith("Ses02") for u in four)
    expected = dict(counts) | {"dialogs": 12, "transcripts": len(utterances)}
    assert read_release(mini_corpus, expected_counts=expected).utterances == utterances


def test_other_counts_than_the_release_name_both_numbers(mini_corpus):
    message = "is not the full release: dialogs: 12 instead of 151; utterances: 60 instead of 10039"
    with pytest.raises(DataError, match=message):
        checked(read_iemocap(mini_corpus, Data(corpus="iemocap")))
    corpus = read_iemocap(mini_corpus, Data(corpus="iemocap", allow_incomplete=True))
    assert len(corpus.utterances) == 60
    assert any("60 instead of 10039" in warning for warning in corpus.findings.warnings)


def test_hidden_files_are_ignored_and_counted(corpus_copy):
    hidden = sum(path.name.startswith("._") for path in corpus_copy.rglob("*"))
    (corpus_copy / "Session1" / "dialog" / "transcriptions" / "._Ses01F_impro01.txt").write_bytes(b"\0\5")
    assert read_release(corpus_copy).findings.warnings["hidden files such as macOS's ._* (ignored)"] == hidden + 1


def test_turn_without_wav(corpus_copy):
    wav_file(corpus_copy, TURN).unlink()
    message = rf"wav/Ses02F_impro01/{TURN}\.wav: {TURN}: has no audio; .*--set data.allow_incomplete=true"
    with pytest.raises(DataError, match=message):
        checked(read_release(corpus_copy))
    corpus = read_release(corpus_copy, allow_incomplete=True)
    assert list(corpus.findings.left_out) == [TURN]
    assert TURN not in {u.utt for u in corpus.utterances}


def test_wav_without_label(corpus_copy):
    extra = "Ses02F_impro01_F900"
    shutil.copy(wav_file(corpus_copy, TURN), wav_file(corpus_copy, extra))
    with pytest.raises(DataError, match=rf"{extra}\.wav: {extra}: has no block in EmoEvaluation"):
        checked(read_release(corpus_copy))
    findings = read_release(corpus_copy, allow_incomplete=True).findings
    assert findings.left_out == {extra: "has no block in EmoEvaluation"}


def test_file_cut_between_two_blocks_leaves_wavs_without_labels(corpus_copy):
    path = eval_file(corpus_copy, "Ses02F_impro01")
    blocks = path.read_text().split("\n\n")
    path.write_text("\n\n".join(blocks[:-3]) + "\n\n")
    with pytest.raises(DataError, match="has no block in EmoEvaluation"):
        checked(read_release(corpus_copy))


def test_file_cut_in_a_block_is_named_once(corpus_copy):
    path = eval_file(corpus_copy, "Ses02F_impro01")
    path.write_text(path.read_text()[:-75])
    with pytest.raises(DataError, match=r"Ses02F_impro01\.txt:\d+: Ses02F_impro01_M\d+: the file is cut off here"):
        checked(read_release(corpus_copy))
    left_out = read_release(corpus_copy, allow_incomplete=True).findings.left_out
    assert list(left_out.values()) == ["the file is cut off here"]


def test_utterance_without_outside_votes(corpus_copy):
    path = eval_file(corpus_copy, "Ses02F_impro01")
    head, block, rest = re.split(rf"(?=\[[^\n]*{TURN})|(?=\[[^\n]*Ses02F_impro01_F002)", path.read_text(), maxsplit=2)
    path.write_text(head + re.sub(r"C-E.*\n", "", block) + rest)
    with pytest.raises(DataError, match=rf"Ses02F_impro01\.txt:\d+: {TURN}: no votes of outside raters"):
        checked(read_release(corpus_copy))
    assert read_release(corpus_copy, allow_incomplete=True).findings.left_out == {TURN: "no votes of outside raters"}


def test_turn_without_transcript_has_an_empty_text(corpus_copy):
    path = corpus_copy / "Session2" / "dialog" / "transcriptions" / "Ses02F_impro01.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(TURN)))
    corpus = read_release(corpus_copy)
    assert {u.utt: u.text for u in corpus.utterances}[TURN] == ""
    assert corpus.findings.warnings["turns without a transcript (empty text)"] == 1


def test_quirks_of_the_embedded_corpus_arrive(mini_corpus):
    corpus = read_release(mini_corpus)
    ratings = {u.utt: u.ratings for u in corpus.utterances}
    assert math.isnan(ratings["Ses01M_script01_1_F000"][0].dominance)
    assert ratings["Ses01M_script01_1_M000"][0].valence == 2.5
    assert {u.label for u in corpus.utterances} >= {"oth", "dis", "xxx"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("..", r"is not IEMOCAP itself, .*IEMOCAP_full_release is; use --corpus_dir .*IEMOCAP_full_release"),
        ("Session1", r"Session1 is not IEMOCAP itself, .*IEMOCAP_full_release is"),
        ("Session1/dialog/EmoEvaluation", r"is not IEMOCAP itself, .*IEMOCAP_full_release is"),
        ("nowhere", r"nowhere is not a folder; --corpus_dir must name IEMOCAP_full_release"),
        ("README.txt", r"README\.txt is not a folder"),
    ],
)
def test_a_folder_too_high_or_too_low_is_said(corpus_copy, given, message):
    with pytest.raises(DataError, match=message):
        checked(read_release(corpus_copy / given))


def test_a_folder_that_is_no_corpus(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DataError, match="elsewhere is not IEMOCAP: it holds no Session1 with dialog/EmoEvaluation"):
        checked(read_release(tmp_path / "elsewhere"))


def test_a_missing_session(corpus_copy):
    shutil.rmtree(corpus_copy / "Session4")
    with pytest.raises(DataError, match="Session4: is missing"):
        checked(read_release(corpus_copy))
    assert {u.session for u in read_release(corpus_copy, allow_incomplete=True).utterances} == {
        "Ses01",
        "Ses02",
        "Ses03",
        "Ses05",
    }
