import errno
import hashlib
import re
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ambiser.config.data_keys import LABELS, Data, LabelPolicy
from ambiser.corpora.mini import mini_corpus as mini
from ambiser.corpora.mini.mini_corpus import make_mini, read_mini
from ambiser.corpora.mini.mini_plan import SELF_RATERS, code_of, plan_corpus
from ambiser.corpora.mini.mini_raters import EMOTIONS, draw_latent
from ambiser.errors import ConfigError, DataError
from ambiser.labels.label_view import view_labels
from ambiser.labels.vote_table import SLOTS, SOURCES, VoteTable

N_MINI = 60


def tree_digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def summary_files(corpus):
    return sorted(corpus.glob("Session*/dialog/EmoEvaluation/Ses*.txt"))


def spans(corpus):
    """Start and end of every turn as EmoEvaluation writes them."""
    found = {}
    for path in summary_files(corpus):
        for start, end, turn in re.findall(r"^\[([\d.]+) - ([\d.]+)\]\t(\S+)\t", path.read_text(), re.MULTILINE):
            found[turn] = (start, end)
    return found


def view_of(turns, **policies):
    rows = [
        (t.turn, rater, label) for t in turns for rater, labels, _ in t.labels if rater[0] == "E" for label in labels
    ]
    utts, raters = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    columns = [
        [utts.index(u), raters.index(r), SOURCES.index("outside"), SLOTS.index("primary"), LABELS.index(x)]
        for u, r, x in rows
    ]
    return view_labels(VoteTable(utts, raters, *np.array(columns).T), LabelPolicy(**policies))


def test_made_twice_it_has_the_same_bytes(mini_corpus, tmp_path):
    make_mini(tmp_path / "again", N_MINI)
    assert tree_digests(tmp_path / "again") == tree_digests(mini_corpus)


def test_it_says_that_it_is_made_up(mini_corpus, data):
    assert "MADE UP" in (mini_corpus / "README.txt").read_text()
    assert read_mini(mini_corpus, data).made_up


@pytest.mark.parametrize("n_utterances", [60, 120, 640, 1001])
def test_all_sessions_and_speakers_have_about_equally_many_turns_without_gaps(n_utterances):
    plan = plan_corpus(n_utterances)
    turns = [turn for dialog in plan.values() for turn in dialog]
    assert len(turns) == n_utterances
    speakers = Counter(turn.speaker for turn in turns)
    assert len(speakers) == 10
    assert max(speakers.values()) - min(speakers.values()) <= 6
    for dialog in plan.values():
        for letter in "FM":
            numbers = sorted(int(turn.turn[-3:]) for turn in dialog if turn.turn[-4] == letter)
            assert numbers == list(range(len(numbers))) and numbers


def test_shares_are_like_those_of_the_release():
    turns = [turn for dialog in plan_corpus(640).values() for turn in dialog]
    codes = Counter(map(code_of, turns))
    assert 0.18 <= codes["xxx"] / 640 <= 0.27
    assert 0.5 <= sum(codes[code] for code in ("ang", "hap", "exc", "sad", "neu")) / 640 <= 0.62
    view = view_of(turns)
    with_majority = (view.hard >= 0).sum()
    assert 0.35 <= (view.kind == 0).sum() / with_majority <= 0.46
    assert (view.hard < 0).sum() / 640 > 0.1


@pytest.mark.parametrize("n_utterances", [120, 640])
def test_every_session_has_every_class(n_utterances):
    view = view_of([turn for dialog in plan_corpus(n_utterances).values() for turn in dialog])
    for session in range(1, 6):
        classes = {int(hard) for utt, hard in zip(view.utts, view.hard, strict=True) if utt[4] == str(session)}
        assert classes >= {0, 1, 2, 3}


def test_wavs_are_as_long_as_their_turn_says(mini_corpus):
    for turn, (start, end) in spans(mini_corpus).items():
        path = mini_corpus / f"Session{turn[4]}" / "sentences" / "wav" / turn.rpartition("_")[0] / f"{turn}.wav"
        n_samples = int((float(end) - float(start)) * 16000)
        assert path.stat().st_size == 44 + 2 * n_samples
        assert path.read_bytes()[36:40] == b"data"
        with wave.open(str(path)) as stream:
            assert stream.getparams()[:4] == (1, 2, 16000, n_samples)
        assert 1 <= n_samples / 16000 <= 4


def test_voices_are_not_silent_and_do_not_clip(mini_corpus):
    for path in mini_corpus.glob("Session*/sentences/wav/*/Ses*.wav"):
        samples = np.abs(np.frombuffer(path.read_bytes()[44:], "<i2").astype(int))
        assert samples.max() > 500
        assert (samples >= 32767).mean() < 1e-3


def test_evaluation_files_have_the_form_of_the_release(mini_corpus):
    label_line = r"C-[EFM]\d:\t[A-Z][a-z]+;( [A-Z][a-z]+;)*\t\(.*\)"
    attribute_line = r"A-[EFM]\d:\tval [\d.]+; act \d; dom  \d?;\t\(.*\)"
    for path in summary_files(mini_corpus):
        text = path.read_bytes().decode()
        header, *blocks, end = text.split("\n\n")
        assert header == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
        assert end == ""
        names = [
            re.match(r"\[\d+\.\d{4} - \d+\.\d{4}\]\t(\S+)\t[a-z]{3}\t\[\d\.\d{4}, \d\.\d{4}, \d\.\d{4}\]\n", b)[1]
            for b in blocks
        ]
        assert names == sorted(names), "F turns come before M turns"
        for block in blocks:
            for line in block.split("\n")[1:]:
                assert re.fullmatch(label_line, line) or re.fullmatch(attribute_line, line)


def test_the_quirks_of_the_release_are_there(mini_corpus):
    text = "".join(path.read_text() for path in summary_files(mini_corpus))
    assert 'first calm; then: "why me"' in text
    assert "dom  ;" in text and "val 2.5;" in text
    assert re.search(r"^C-E\d:\t\w+; \w+;\t", text, re.MULTILINE)
    assert re.search(r"\toth\t", text) and re.search(r"\tdis\t", text)
    transcripts = {p.name: p.read_bytes() for p in mini_corpus.glob("Session*/dialog/transcriptions/*.txt")}
    assert [name for name, raw in transcripts.items() if b"\r\n" in raw] == ["Ses02F_impro01.txt"]
    assert sum(raw.count(b"\nM: Yeah.\n") for raw in transcripts.values()) == 1
    assert sum(len(re.findall(rb"_FXX0 \[", raw)) for raw in transcripts.values()) == 1
    for raw in transcripts.values():
        starts = re.findall(rb"_[FM]\d{3} \[(\d{3}\.\d{4})-", raw)
        assert starts == sorted(starts)
    for pattern in ("Session*/dialog/EmoEvaluation/._Ses*.txt", "Session*/sentences/wav/*/._*.wav"):
        junk = list(mini_corpus.glob(pattern))
        assert junk and all(path.read_bytes()[:8] == bytes.fromhex("0005160700020000") for path in junk)
    assert {p.name[:13] for p in summary_files(mini_corpus)} >= {"Ses03M_impro0", "Ses05M_script"}


def test_two_turns_have_no_alignment(mini_corpus):
    aligned = {path.stem for path in mini_corpus.glob("Session*/sentences/ForcedAlignment/*/*.wdseg")}
    assert spans(mini_corpus).keys() - aligned == {"Ses03F_impro01_F001", "Ses03M_script01_1_M001"}


def test_alignments_count_frames_of_10_ms_up_to_the_end_of_the_turn(mini_corpus):
    path = mini_corpus / "Session1/sentences/ForcedAlignment/Ses01F_impro01/Ses01F_impro01_F000.wdseg"
    header, *rows, total = path.read_text().splitlines()
    assert header == "\t SFrm  EFrm    SegAScr Word"
    assert re.fullmatch(r" Total score: +-?\d+", total)
    cells = [row.split() for row in rows]
    start, end = spans(mini_corpus)["Ses01F_impro01_F000"]
    assert abs(int(cells[-1][1]) - (float(end) - float(start)) * 100) <= 2
    assert (cells[0][3], cells[-1][3]) == ("<s>", "</s>")


def test_only_six_speakers_rate_themselves(mini_corpus, data):
    found = {}
    for utterance in read_mini(mini_corpus, data).utterances:
        for vote in utterance.votes:
            if vote.source == "self":
                found.setdefault(utterance.speaker, set()).add(vote.rater)
    assert found == {speaker: {rater} for speaker, rater in SELF_RATERS.items()}


def test_another_number_of_utterances_than_configured(mini_corpus):
    with pytest.raises(ConfigError, match=r"holds 60 utterances, data.mini_utterances is 640; remove the folder"):
        read_mini(mini_corpus, Data())


@pytest.mark.parametrize(("conflict", "low", "high"), [(0.0, 0, 0), (0.5, 0.25, 0.35), (1.0, 0.6, 0.7)])
def test_conflict_makes_words_contradict_the_voice_and_keeps_the_voice(conflict, low, high):
    def draw(conflict):
        return [draw_latent(i / 1000, conflict, np.random.default_rng(i)) for i in range(1000)]

    drawn = draw(conflict)
    assert low <= np.mean([one.voice[EMOTIONS.index(one.words)] == 0 for one in drawn]) <= high
    assert all((a.voice == b.voice).all() for a, b in zip(drawn, draw(0.12), strict=True))


def test_another_share_of_conflict_than_configured(mini_corpus, tmp_path):
    with pytest.raises(ConfigError, match=r"was made with data.mini_conflict 0.12, not 0.3; remove the folder"):
        read_mini(mini_corpus, Data(mini_utterances=N_MINI, mini_conflict=0.3))
    make_mini(tmp_path / "corpus", N_MINI, 0.3)
    read_mini(tmp_path / "corpus", Data(mini_utterances=N_MINI, mini_conflict=0.3))
    assert "mini_conflict" not in (mini_corpus / "README.txt").read_text(), "the default corpus keeps its bytes"


def test_too_many_utterances(tmp_path):
    with pytest.raises(ConfigError, match="data.mini_utterances: must be at most 8000, got 9000"):
        make_mini(tmp_path / "corpus", 9000)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_run_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(mini, "write_wav", fail)
    expected = (DataError, "corpus: cannot be written: No space") if isinstance(error, OSError) else (type(error), None)
    with pytest.raises(expected[0], match=expected[1]):
        make_mini(tmp_path / "corpus", N_MINI)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_cleared(tmp_path, mini_corpus):
    (tmp_path / ".corpus.123.tmp" / "Session1").mkdir(parents=True)
    make_mini(tmp_path / "corpus", N_MINI)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
