import json
import shutil
from collections import Counter

import pytest
from corpora.checked import checked
from corpora.make_msp import FREE_TEXT, NO_WAV, TEST3, VERSIONS, make_msp, plan

from ambiser.config.data_keys import Data
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.msp_grammar import split_worker
from ambiser.corpora.msp_opinions import PRIMARY, SECONDARY, secondary_codes
from ambiser.corpora.msp_podcast import read_msp_podcast
from ambiser.errors import DataError
from ambiser.io.tables import read_list, read_table, read_tsv
from ambiser.labels.vote_table import read_votes

DATA = Data(corpus="msp_podcast", protocol="as_released")
FIRST = "MSP-PODCAST_9001_0001"
N_FILES = 96


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("msp")
    roots = {version: folder / f"MSP-PODCAST-Publish-{version}" for version in VERSIONS}
    for version, root in roots.items():
        make_msp(root, version)
    return roots


@pytest.fixture
def root(releases, tmp_path):
    return shutil.copytree(releases["2.0"], tmp_path / "MSP-PODCAST-Publish-2.0")


def code_of(primary):
    return "oth" if primary.startswith("Other") else PRIMARY[primary.casefold()]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def utterance(corpus, utt):
    return next(u for u in corpus.utterances if u.utt == utt)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_release_gives_the_same_votes(releases, version):
    corpus = read_msp_podcast(releases[version], DATA)
    planned = {f.name.removesuffix(".wav"): f for f in plan() if f.name != NO_WAV}
    labelled = [u for u in corpus.utterances if u.part != "Test3"]
    assert [u.utt for u in labelled] == sorted(planned)
    assert corpus.version == version
    for u in labelled:
        f = planned[u.utt]
        primary = [(v.rater, v.label) for v in u.votes if v.slot == "primary"]
        assert primary == [(row[0], code_of(row[1])) for row in f.raters]
        assert [(r.rater, r.arousal, r.valence, r.dominance) for r in u.ratings] == [(r[0], *r[3:]) for r in f.raters]
        assert u.part == f.part
        assert (u.speaker, u.gender) == (
            ("unknown_MSP-PODCAST_9001", "u") if f.speaker == "Unknown" else (f.speaker, f.gender[0].lower())
        )
        assert u.recording == u.utt[:16]
    places = [what for what, _ in corpus.findings.places]
    assert not any("consensus" in what or "ratings" in what for what in places)
    assert corpus.findings.left_out == {NO_WAV.removesuffix(".wav"): "has labels but no audio"}


@pytest.mark.parametrize("version", ["1.11", "2.0"])
@pytest.mark.parametrize("form", ["labels_detailed.json", "labels.txt"])
def test_other_forms_of_the_labels_say_the_same(releases, tmp_path, version, form):
    root = shutil.copytree(releases[version], tmp_path / f"copy-{version}")
    expected = read_msp_podcast(root, DATA)
    for path in (root / "Labels").iterdir():
        if path.name != form and not (form.endswith("json") and path.name == "labels_consensus.json"):
            path.unlink()
    corpus = read_msp_podcast(root, DATA)
    assert [(u.utt, u.votes, u.ratings, u.label, u.speaker, u.part) for u in corpus.utterances] == [
        (u.utt, u.votes, u.ratings, u.label, u.speaker, u.part) for u in expected.utterances
    ]


def test_the_variant_of_json_with_a_list_of_workers(root):
    path = root / "Labels/labels_detailed.json"
    expected = read_msp_podcast(root, DATA)
    (root / "Labels/labels_detailed.csv").unlink()
    tree = json.loads(path.read_text())
    listed = {file: {"Workers": [{"Name": w, **said} for w, said in raters.items()]} for file, raters in tree.items()}
    path.write_text(json.dumps(listed))
    assert [u.votes for u in read_msp_podcast(root, DATA).utterances] == [u.votes for u in expected.utterances]


def test_quirks_of_free_text_ties_and_test3(releases):
    corpus = read_msp_podcast(releases["1.11"], DATA)
    first, second = utterance(corpus, FIRST), utterance(corpus, "MSP-PODCAST_9001_0002_0001")
    workers = [row[0] for row in plan()[0].raters]
    assert Counter(v.label for v in first.votes if v.slot == "primary")["oth"] >= 2
    assert [v for v in first.votes if v.rater == workers[0] and v.slot == "secondary"] == []
    assert {v.label for v in first.votes if v.rater == workers[1] and v.slot == "secondary"} == {"sad", "oth"}
    (worker, *_), *_ = plan()[1].raters
    assert [(v.label, v.slot) for v in second.votes if v.rater == worker] == [
        ("oth", "primary"),
        ("amu", "secondary"),
        ("neu", "secondary"),
    ]
    assert utterance(corpus, "MSP-PODCAST_9001_0003").label == "xxx"
    assert utterance(corpus, "MSP-PODCAST_9001_0004").label == "oth"
    test3 = [u for u in corpus.utterances if u.part == "Test3"]
    assert [(f"{u.utt}.wav", u.votes, u.label) for u in test3] == [(name, (), "-") for name in TEST3]
    assert first.text == "... I felt happy [inaudible 00:00:01] guess-"
    assert corpus.findings.warnings["utterances without a transcript (empty text)"] == 1
    assert corpus.findings.warnings["utterances of Train by unknown speakers (one per podcast)"] == 8


@pytest.mark.parametrize(
    ("primary", "secondary"),
    [
        ("Happy", "Happy,Other-a; b"),
        (FREE_TEXT, "Amused,Sad"),
        ("Neutral", ""),
        ("Other-", ""),
        ("Other (x); y", "Sad"),
    ],
)
def test_a_line_is_read_from_the_right(primary, secondary):
    line = f"WORKER00000001; {primary}; {secondary}; A:1.000000; V:2.000000; D:7.000000;"
    assert split_worker(line) == ("WORKER00000001", primary, secondary, "1.000000", "2.000000", "7.000000")


def test_secondary_labels():
    assert secondary_codes("Happy,Amused,Happy, Other- x,fine") == ("hap", "amu", "oth")
    assert secondary_codes("") == ()
    assert len(set(SECONDARY.values())) == 16


@pytest.mark.parametrize("version", VERSIONS)
def test_stage_1_follows_the_released_split(releases, layout, version):
    record = prepare_data(releases[version], DATA, layout)
    there = {"train": 48, "dev": 16, "test": 16, "test2": 16} | ({"test3": 2} if version in ("1.11", "2.0") else {})
    assert record.parts == {"1": there}
    assert (record.dev, record.leaks, record.left_out) == ("Development", {}, 1)
    assert set(read_table(layout.table("utt2part")).values()) >= {"Train", "Development", "Test1", "Test2"}
    votes = read_votes(layout.table("votes.tsv"))
    assert len(votes.utts) == N_FILES
    assert len(votes.label) == record.votes
    if "test3" in there:
        assert [f"{utt}.wav" for utt in read_list(layout.fold_list(1, "test3"))] == list(TEST3)
    assert len(read_tsv(layout.table("attributes.tsv"))) == sum(len(f.raters) for f in plan() if f.name != NO_WAV)


def test_a_disagreement_with_the_released_consensus_is_listed(root):
    edit(root / "Labels/labels_consensus.csv", f"{FIRST}.wav,", f"{FIRST}.wav,C,1,1,1,Unknown,Unknown,Train\nold")
    text = (root / "Labels/labels_consensus.csv").read_text()
    (root / "Labels/labels_consensus.csv").write_text("".join(x for x in text.splitlines(True) if x[:3] != "old"))
    corpus = read_msp_podcast(root, DATA)
    (where,) = [where for what, where in corpus.findings.places if what.startswith("released consensus")]
    assert where.startswith(f"{FIRST}.wav: released con, votes ")


def test_duplicate_workers_and_ratings_outside_the_scale(root):
    path = root / "Labels/labels_detailed.csv"
    lines = path.read_text().splitlines()
    fields = lines[5].split(",")
    lines.insert(2, lines[1])
    changed = ",".join([*fields[:-4], "8", "nan", "", "x"])
    lines[6] = changed
    path.write_text("\n".join(lines) + "\n")
    corpus = read_msp_podcast(root, DATA)
    warnings = corpus.findings.warnings
    assert warnings["lines of a rater who has rated the file already (not counted)"] == 1
    assert warnings["ratings that are outside 1 to 7 (stored as nan)"] == 1
    assert warnings["ratings that are blank (stored as nan)"] == 2
    assert any(where.startswith(f"{path}:3: {FIRST}.wav WORKER") for _, where in corpus.findings.places)
    assert any(where == f"{path}:7: 8" for _, where in corpus.findings.places)


def test_bytes_that_are_not_utf8_are_listed(root):
    path = root / "Labels/labels_detailed.csv"
    path.write_bytes(path.read_bytes().replace(b"Other-Concerned", b"Other-Concern\xe9", 1))
    corpus = read_msp_podcast(root, DATA)
    assert [where for what, where in corpus.findings.places if "UTF-8" in what] == [f"{path}:2"]


def test_wavs_without_label_and_names_that_differ_in_case(root):
    shutil.copy(root / f"Audios/{FIRST}.wav", root / f"Audios/{FIRST.lower()}.wav")
    corpus = read_msp_podcast(root, DATA)
    assert corpus.findings.left_out[FIRST.lower()] == "has audio but no label"
    assert any("differ only in case" in what and FIRST in where for what, where in corpus.findings.places)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("labels_detailed.csv", "WorkerID", "Rater", r"detailed.csv:1: the header must hold FileName with E"),
        ("labels_consensus.csv", "EmoClass", "Class", r"consensus.csv:1: the header must hold FileName and E"),
        (
            "labels_consensus.csv",
            "0002_0001.wav,",
            "0002_0001.wav,,",
            r"consensus.csv:3: the header has 8 fields, the line has 9",
        ),
        (
            "labels_consensus.csv",
            "9001_0003.wav",
            "9001_0001.wav",
            r"consensus.csv:4: the file appears twice; .*1_0001.wav'",
        ),
    ],
)
def test_damaged_labels_are_named_with_their_line(root, name, old, new, message):
    edit(root / "Labels" / name, old, new)
    with pytest.raises(DataError, match=message):
        checked(read_msp_podcast(root, DATA))


def test_faults_of_all_files_come_at_once(root):
    edit(root / "Labels/labels_consensus.csv", "0002_0001.wav,", "0002_0001.wav,,")
    path = root / "Labels/labels_detailed.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "cut,off\n", *lines[2:4], "cut\n", *lines[5:]]))
    (root / "Speaker_ids.txt").write_bytes("a".encode("utf-16"))
    corpus = read_msp_podcast(root, DATA)
    with pytest.raises(DataError) as error:
        corpus.findings.refuse(root)
    assert str(error.value).split("\n")[1:] == [
        "  Labels/labels_consensus.csv:3: the header has 8 fields, the line has 9",
        "  Speaker_ids.txt: is UTF-16 text; save it as UTF-8",
        "  Labels/labels_detailed.csv: has fewer fields than the header; the file is cut off or damaged: 2 times, such "
        "as line 2 'cut,off', line 5 'cut'",
    ]
    assert len(corpus.utterances) > 10, "their audio is checked too"


@pytest.mark.parametrize("version", ["1.11", "2.0"])
@pytest.mark.parametrize("name", ["labels_detailed.csv", "labels_detailed.json", "labels.txt"])
def test_labels_that_are_cut_off(releases, tmp_path, version, name):
    root = shutil.copytree(releases[version], tmp_path / "release")
    for path in (root / "Labels").glob("labels*"):
        if "consensus" not in path.name and path.name != name:
            path.unlink()
    path = root / "Labels" / name
    text = path.read_text()
    path.write_text(text[: text.index("WORKER", len(text) // 2) + 3])
    with pytest.raises(DataError, match=f"{name}.*the file is cut off or damaged"):
        checked(read_msp_podcast(root, DATA))


def test_two_releases_in_one_folder(releases, root):
    shutil.copy(releases["1.8"] / "Labels/labels_concensus.csv", root / "Labels")
    with pytest.raises(DataError, match="labels_concensus and labels_consensus: two releases are mixed"):
        checked(read_msp_podcast(root, DATA))
    (root / "Labels/labels_concensus.csv").unlink()
    path = root / "Labels/labels_detailed.csv"
    path.write_text(path.read_text().replace("PODCAST_900", "PODCAST_800"))
    with pytest.raises(DataError, match="labels_detailed.csv and labels_consensus.csv are not of one release"):
        checked(read_msp_podcast(root, DATA))


def test_a_wrong_root_and_packed_archives(root, tmp_path):
    for place in (root / "Labels", tmp_path):
        with pytest.raises(DataError, match=f"is not MSP-Podcast itself, {root} is; use --corpus_dir {root}"):
            checked(read_msp_podcast(place, DATA))
    with pytest.raises(DataError, match="is not a folder; --corpus_dir must name a release of MSP-Podcast"):
        checked(read_msp_podcast(tmp_path / "none", DATA))
    shutil.move(root / "Audios", tmp_path / "away")
    with pytest.raises(DataError, match="it holds no Audios and Labels"):
        checked(read_msp_podcast(root, DATA))
    (root / "Audios.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=rf"still packed.*cd {root} && python -m tarfile -e Audios.tar.gz \."):
        checked(read_msp_podcast(root, DATA))
    shutil.move(tmp_path / "away", root / "Audios")
    (root / "Transcripts.zip").write_bytes(b"")
    assert read_msp_podcast(root, DATA).utterances


def test_a_speaker_on_two_sides_of_the_released_split(root, layout):
    path = root / "Labels/labels_consensus.csv"
    path.write_text(path.read_text().replace(",908,", ",901,"))
    with pytest.raises(DataError, match=r"fold 1: speakers are in more than one part: 901 \(train and test\)"):
        prepare_data(root, DATA, layout)
    record = prepare_data(root, DATA.model_copy(update={"allow_leaks": True}), layout)
    assert record.leaks == {"speaker": 1}
