from collections import Counter

import pytest
import soundfile
from corpora.checked import checked
from corpora.tiny_wavs import touch, write_wavs

from ambiser.config.data_keys import Data, LabelPolicy
from ambiser.corpora import emodb
from ambiser.corpora.corpus import Cut
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.emodb import read_emodb
from ambiser.errors import DataError
from ambiser.io.tables import read_list, read_table
from ambiser.labels.label_view import AMBIGUOUS, PRECISE, view_labels
from ambiser.labels.vote_table import read_votes

DATA = Data(corpus="emodb", protocol="speaker_folds")
PARTIAL = DATA.model_copy(update={"allow_incomplete": True})
CLIPS = ("03a01Fa", "03a02Nc", "08b09Wa", "09a07Ta", "10b10Lb", "16a05Ea", "16b01Ab")
RATES = ("100,00", "95,00", "85,00", "90,00\xa0", "80,00", "100,00", "97,50")
CODES = ("hap", "neu", "ang", "sad", "bor", "dis", "fea")


def write_rates(path, rows, header="Satz\terkannt\tnatürlich"):
    """Writes a table in the form of the release: Latin-1, decimal commas, Windows line ends."""
    lines = [header, *("\t".join((*row, "75,00")) for row in rows)]
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("latin-1"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    assert sum(emodb.CLIPS.values()) == 535
    monkeypatch.setattr(emodb, "CLIPS", Counter(clip[:2] for clip in CLIPS))
    root = tmp_path / "EmoDB"
    write_wavs(root / f"wav/{clip}.wav" for clip in CLIPS)
    write_rates(root / "erkennung.txt", [(f"{clip}.wav", rate) for clip, rate in zip(CLIPS, RATES, strict=True)])
    return root


def test_listeners_who_recognized_the_emotion_vote_for_it_and_the_others_for_other(root):
    corpus = checked(read_emodb(root, DATA))
    assert [u.utt for u in corpus.utterances] == list(CLIPS)
    assert [u.label for u in corpus.utterances] == [u.acted for u in corpus.utterances] == list(CODES)
    for u, recognized in zip(corpus.utterances, (20, 19, 17, 18, 16, 20, 20), strict=True):
        assert Counter(v.label for v in u.votes) == +Counter({u.label: recognized, "oth": 20 - recognized})
        assert [v.rater for v in u.votes] == [f"anon{i:02d}" for i in range(1, 21)]
    warnings = corpus.findings.warnings
    assert warnings == {"recognition rates that are no whole number of 20 listeners (rounded)": 1}


def test_name_gives_speaker_gender_and_words(root):
    u = read_emodb(root, DATA).utterances[2]
    assert (u.speaker, u.gender, u.session) == ("08", "f", "08")
    assert u.text == "Ich will das eben wegbringen und dann mit Karl was trinken gehen."
    assert Counter(emodb.GENDERS.values()) == {"f": 5, "m": 5}


@pytest.mark.parametrize("separator", ["\t", "   "])
def test_separators_and_names_of_both_tables(root, separator):
    """Also the later set, whose names end in xx: all clips with their rates, under the same names."""
    (root / "erkennung.txt").unlink()
    for path in (root / "wav").iterdir():
        path.rename(path.with_stem(f"{path.stem}xx"))
    rows = [separator.join((f"{clip}.wav", "anger", "85,00")) for clip in CLIPS]
    text = "\n".join([separator.join(("sample", "emotion", "recognized")), *rows, ""])
    (root / "listener_judgements.txt").write_text(text)
    corpus = checked(read_emodb(root, DATA))
    assert [u.utt for u in corpus.utterances] == list(CLIPS)
    assert {Counter(v.label for v in u.votes)["oth"] for u in corpus.utterances} == {3}


def test_without_a_table_there_are_hard_labels_and_a_warning(root):
    (root / "erkennung.txt").unlink()
    corpus = checked(read_emodb(root, DATA))
    assert [len(u.votes) for u in corpus.utterances] == [1] * len(CLIPS)
    assert any("the acted emotion is the only vote" in what for what in corpus.findings.warnings)


def test_rates_without_audio_are_listed_and_audio_without_rate_is_a_fault(root):
    (root / "wav/03a01Fa.wav").rename(root / "wav/03a01Fb.wav")
    with pytest.raises(DataError, match="wav/03a01Fb.wav: 03a01Fb: has no line in erkennung.txt; restore the corpus"):
        checked(read_emodb(root, DATA))
    corpus = checked(read_emodb(root, PARTIAL))
    assert corpus.findings.left_out["03a01Fa"] == "has a recognition rate and no audio here"
    assert len(corpus.utterances) == len(CLIPS) - 1


def test_a_laryngograph_channel_is_never_averaged_into_the_audio(root, layout):
    write_wavs([root / "wav_laryng/03a01Faxx.wav"], channels=2)
    write_wavs([root / "laryngo/03a01Fa.wav"])
    corpus = checked(read_emodb(root, DATA))
    assert (corpus.utterances[0].wav, corpus.cuts) == (root / "wav/03a01Fa.wav", {})
    (root / "wav/03a01Fa.wav").unlink()
    corpus = checked(read_emodb(root, DATA))
    assert (corpus.utterances[0].wav, corpus.cuts) == (root / "wav_laryng/03a01Faxx.wav", {"03a01Fa": Cut(channel=0)})
    random = DATA.model_copy(update={"protocol": "random", "folds": 3})
    prepare_data(root, random, layout)
    audio, _ = soundfile.read(read_table(layout.table("wav.scp"))["03a01Fa"], dtype="int16")
    stereo, _ = soundfile.read(root / "wav_laryng/03a01Faxx.wav", dtype="int16")
    assert (audio == stereo[:, 0]).all() and len(audio)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([("03a01Fa.wav", "x")], "Satz\terkannt\tnat", "txt:2: 03a01Fa: the recognition rate must be a perc"),
        ([("03a01Fa.wav", "101")], "Satz\terkannt\tnat", "03a01Fa: the recognition rate must be a percentage .101."),
        ([("03a01Fa.wav", "90"), ("03a01Fa.wav", "80")], "Satz\terkannt\tn", ":3: 03a01Fa has two rates; remove one"),
        ([("03a01Fa.wav",)], "n\tSatz\terkannt", "erkennung.txt:2: the line has too few fields; the file is cut off"),
        ([], "Datei\terkannt\tn", "erkennung.txt:1: the header must hold Satz and erkannt; get it again from http"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(root, rows, header, message):
    write_rates(root / "erkennung.txt", rows, header)
    with pytest.raises(DataError, match=message):
        checked(read_emodb(root, DATA))


def test_a_missing_clip_is_a_fault(root):
    (root / "wav/16b01Ab.wav").unlink()
    with pytest.raises(DataError, match=r"holds 6 clips instead of 7 \(16 1 of 2\)"):
        checked(read_emodb(root, DATA))


def test_stage_1_pairs_a_woman_and_a_man_and_rates_make_kinds(tmp_path, layout):
    clips = [f"{speaker}{sentence}Wa" for speaker in emodb.GENDERS for sentence in ("a01", "b10")]
    write_wavs(tmp_path / f"EmoDB/wav/{clip}.wav" for clip in clips)
    rows = [(f"{clip}.wav", "100,00" if "a01" in clip else "85,00") for clip in clips]
    write_rates(tmp_path / "EmoDB/erkennung.txt", rows)
    touch([tmp_path / "EmoDB/lablaut/03a01Faxx.lablaut"])
    record = prepare_data(tmp_path / "EmoDB", PARTIAL, layout)
    assert (record.folds, record.utterances, record.votes, record.leaks) == ([1, 2, 3, 4, 5], 20, 400, {})
    speakers = {utt[:2] for utt in read_list(layout.fold_list(1, "test"))}
    assert sorted(emodb.GENDERS[speaker] for speaker in speakers) == ["f", "m"]
    view = view_labels(read_votes(layout.table("votes.tsv")), LabelPolicy())
    assert {utt[2:5]: int(kind) for utt, kind in zip(view.utts, view.kind, strict=True)} == {
        "a01": PRECISE,
        "b10": AMBIGUOUS,
    }
