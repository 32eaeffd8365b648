import csv
import shutil
from collections import Counter

import pytest
from corpora.checked import checked
from corpora.make_crema import ACTORS, LETTERS, make_crema

from ambiser.config.data_keys import Data
from ambiser.corpora.crema_d import DEFECTS, SENTENCES, read_crema_d
from ambiser.corpora.data_folder import prepare_data
from ambiser.errors import DataError
from ambiser.io.tables import read_list, read_table, read_tsv

CODES = dict(zip(LETTERS, ("ang", "dis", "fea", "hap", "neu", "sad"), strict=True))
DATA = Data(corpus="crema_d", protocol="speaker_folds", folds=3)
N_CLIPS = 216


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("crema") / "CREMA-D"
    return root, make_crema(root)


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "CREMA-D")


def table_of(root):
    return root / "processedResults/tabulatedVotes.csv"


def edit(path, old, new, count=1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_the_votes_are_what_was_heard(made):
    root, votes = made
    corpus = read_crema_d(root, DATA)
    assert [u.utt for u in corpus.utterances] == sorted(votes.keys() - DEFECTS.keys())
    for u in corpus.utterances:
        expected = {CODES[letter]: n for letter, n in zip(LETTERS, votes[u.utt], strict=True) if n}
        assert Counter(v.label for v in u.votes) == expected
        assert [v.rater for v in u.votes] == [f"anon{i:02d}" for i in range(1, sum(votes[u.utt]) + 1)]
        winners = [code for code, n in expected.items() if n == max(expected.values())]
        assert u.label == (winners[0] if len(winners) == 1 else "xxx")
    assert {u.label for u in corpus.utterances} >= {"xxx", "neu"}
    assert any("raters are anonymous" in what for what in corpus.findings.warnings)


def test_what_was_acted_and_said_and_who_spoke(made):
    u = next(u for u in read_crema_d(made[0], DATA).utterances if u.utt == "1002_TIE_DIS_XX")
    assert (u.acted, u.text, u.speaker, u.gender) == ("dis", "That is exactly what happened.", "1002", "f")
    assert len(SENTENCES) == 12


def test_raters_have_names_with_the_responses(tmp_path):
    votes = make_crema(tmp_path / "c", responses=True)
    corpus = read_crema_d(tmp_path / "c", DATA)
    raters = {v.rater for u in corpus.utterances for v in u.votes}
    assert raters == {f"r{i}" for i in range(1, 41)}
    for u in corpus.utterances:
        assert Counter(v.label for v in u.votes) == +Counter(dict(zip(CODES.values(), votes[u.utt], strict=True)))
    assert not corpus.findings.warnings


def test_slow_second_and_empty_responses_do_not_count(tmp_path):
    root = tmp_path / "c"
    make_crema(root, responses=True)
    path = root / "finishedResponses.csv"
    rows = list(csv.reader(path.open()))
    first = next(i for i, row in enumerate(rows) if row[5] == "1")
    clip, rater = rows[first][10], rows[first][1]
    before = len(next(u for u in read_crema_d(root, DATA).utterances if u.utt == clip).votes)
    second, slow, empty = list(rows[first]), list(rows[first]), list(rows[first])
    second[12] = "A" if second[12] != "A" else "S"
    slow[1], slow[4] = "77", "10001"
    empty[1], empty[12] = "78", ""
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([*rows, second, slow, empty])
    corpus = read_crema_d(root, DATA)
    assert len(next(u for u in corpus.utterances if u.utt == clip).votes) == before
    warnings = corpus.findings.warnings
    assert warnings["responses after more than 10 s (not counted)"] == 1
    assert warnings["second responses of a rater to a clip (not counted)"] == 1
    assert warnings["responses that are not emotions (not counted)"] == 1
    line = len(rows) + 1
    assert any(where == f"{path}:{line}: {rater} {clip}" for _, where in corpus.findings.places)


def test_responses_that_differ_from_the_table_are_listed_and_count(tmp_path):
    root = tmp_path / "c"
    votes = make_crema(root, responses=True)
    clip = "1001_IEO_NEU_XX"
    counts = ",".join(map(str, votes[clip]))
    number = next(line.split(",")[0] for line in table_of(root).read_text().splitlines() if clip in line)
    edit(table_of(root), f'{number},{counts},"{clip}"', f'{number},9,9,9,9,9,9,"{clip}"')
    corpus = read_crema_d(root, DATA)
    assert len(next(u for u in corpus.utterances if u.utt == clip).votes) == sum(votes[clip])
    assert [where for what, where in corpus.findings.places if "differ" in what] == [clip]


def test_known_defects_are_left_out_and_listed(made):
    corpus = read_crema_d(made[0], DATA)
    assert corpus.findings.left_out == {"1006_TIE_HAP_XX": "known defect: byte-identical to 1006_TIE_NEU_XX"}
    assert "1076_MTI_SAD_XX" in DEFECTS


def test_a_part_of_the_corpus_is_enough(root):
    """As with a download of some actors: clips without audio are listed, nothing has to be allowed."""
    for path in (root / "AudioWAV").glob("1003_*"):
        path.unlink()
    corpus = read_crema_d(root, DATA)
    assert {u.speaker for u in corpus.utterances} == {str(a) for a in ACTORS} - {"1003"}
    gone = [utt for utt, reason in corpus.findings.left_out.items() if reason == "has votes and no audio here"]
    assert len(gone) == N_CLIPS // len(ACTORS)


def test_junk_and_a_short_name_are_tolerated(root):
    audio = root / "AudioWAV"
    (audio / "._1001_IEO_NEU_XX.wav").write_bytes(b"junk")
    (audio / "notes.txt").write_text("a note")
    clip = next(path.stem for path in audio.glob("1004_*_SAD_XX.wav"))
    (audio / f"{clip}.wav").rename(audio / f"{clip[:-1]}.wav")
    corpus = read_crema_d(root, DATA)
    assert clip in [u.utt for u in corpus.utterances]
    assert corpus.findings.places == [
        ("files of AudioWAV that are not named like clips (ignored)", f"{audio / 'notes.txt'}")
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"fileName"', '"file"', r"tabulatedVotes.csv:1: the header lacks fileName"),
        (
            '"1001_IEO_ANG_XX"',
            '"1001_XYZ_ANG_XX"',
            r"tabulatedVotes.csv:2: is not the name of a clip .*; got '1001_XYZ_ANG_XX'",
        ),
        ('"100002",', '"100002",x', "votes must be whole numbers"),
        ("1001_IEO_FEA_XX", "1001_IEO_ANG_XX", r"tabulatedVotes.csv:5: .*twice; .*1001_IEO_ANG_XX"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(root, old, new, message):
    edit(table_of(root), old, new)
    with pytest.raises(DataError, match=message):
        checked(read_crema_d(root, DATA))


def test_faults_of_all_files_come_at_once(root):
    edit(table_of(root), '"1001_IEO_ANG_XX"', '"1001_XYZ_ANG_XX"')
    edit(table_of(root), '"100002",', '"100002",x')
    edit(root / "VideoDemographics.csv", '"Female"', '"girl"')
    clip = sorted((root / "AudioWAV").glob("*.wav"))[5]
    clip.rename(clip.with_suffix(".flac"))
    corpus = read_crema_d(root, DATA)
    with pytest.raises(DataError) as error:
        corpus.findings.refuse(root)
    lines = str(error.value).split("\n")
    assert lines[0].startswith(f"4 faults in {root}; correct them and run again:")
    for line, words in zip(
        lines[1:],
        (
            "tabulatedVotes.csv:2: is not the name",
            "tabulatedVotes.csv:5: votes must be whole",
            "Sex must be",
            "but it exists with another",
        ),
        strict=True,
    ):
        assert words in line


def test_a_negative_number_of_votes(root):
    lines = table_of(root).read_text().splitlines(True)
    key, _, rest = lines[4].split(",", 2)
    table_of(root).write_text("".join([*lines[:4], f"{key},-7,{rest}", *lines[5:]]))
    with pytest.raises(DataError, match="tabulatedVotes.csv:5: has a negative number of votes; got '1001_IEO_FEA_XX'"):
        checked(read_crema_d(root, DATA))


def test_a_table_that_is_cut_off(root):
    lines = table_of(root).read_text().splitlines(True)
    table_of(root).write_text("".join(lines[:50]) + '"100099",0,1')
    with pytest.raises(DataError, match="tabulatedVotes.csv:51: too few fields"):
        checked(read_crema_d(root, DATA))


def test_clips_without_votes(root):
    table_of(root).write_text("".join(line for line in table_of(root).open() if "1002_ITH" not in line))
    with pytest.raises(
        DataError,
        match="allow_incomplete=true:\n.*AudioWAV: has audio but no votes: 3 utterances, such as 1002_ITH_DIS_XX",
    ):
        checked(read_crema_d(root, DATA))
    corpus = read_crema_d(root, DATA.model_copy(update={"allow_incomplete": True}))
    assert len(corpus.utterances) == N_CLIPS - 1 - 3


def test_a_wrong_folder_says_where_to_look_and_where_to_get_it(root, tmp_path):
    for place in (root / "AudioWAV", tmp_path):
        with pytest.raises(DataError, match=f"is not CREMA-D itself, {root} is; use --corpus_dir {root}"):
            checked(read_crema_d(place, DATA))
    with pytest.raises(DataError, match="not a folder.*get it from https://github.com/CheyneyComputerScience/CREMA-D"):
        checked(read_crema_d(tmp_path / "none", DATA))
    shutil.rmtree(root / "AudioWAV")
    with pytest.raises(DataError, match="is not CREMA-D: AudioWAV not found; get it from"):
        checked(read_crema_d(root, DATA))


def test_stage_1_makes_actor_disjoint_folds_and_keeps_the_acted_emotion(made, layout):
    record = prepare_data(made[0], DATA, layout)
    assert (record.folds, record.dev, record.version) == ([1, 2, 3], "next_fold", "1.0")
    actors = [{u[:4] for u in read_list(layout.fold_list(1, part))} for part in ("train", "dev", "test")]
    assert set.union(*actors) == {str(a) for a in ACTORS}
    assert [len(a) for a in actors] == [2, 2, 2]
    assert all({ACTORS[int(a)] for a in part} == {"Male", "Female"} for part in actors)
    assert read_table(layout.table("utt2acted"))["1001_IEO_ANG_XX"] == "ang"
    assert [row["utt"] for row in read_tsv(layout.table("left_out.tsv"))] == ["1006_TIE_HAP_XX"]
    assert record.leaks == {}
