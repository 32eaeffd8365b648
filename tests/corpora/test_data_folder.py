import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import get_args

import numpy as np
import pytest
import soundfile

from ambiser.config.data_keys import Data
from ambiser.corpora import data_folder as prepare
from ambiser.corpora import data_tables as store
from ambiser.corpora.corpus import Corpus, Utterance, Vote
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.findings import Findings
from ambiser.corpora.parsers import CORPORA
from ambiser.errors import ConfigError, DataError
from ambiser.io import files
from ambiser.io.corpus_record import read_record
from ambiser.io.layout import Layout
from ambiser.io.tables import read_list, read_table, read_tsv
from ambiser.labels.vote_table import read_votes

N_MINI = 60
TURN = "Ses02F_impro01_F001"


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def wav_of(corpus, turn=TURN):
    return corpus / f"Session{turn[4]}" / "sentences" / "wav" / turn.rpartition("_")[0] / f"{turn}.wav"


def test_tables_follow_the_contract(mini_corpus, data, layout):
    record = prepare_data(mini_corpus, data, layout)
    wavs = read_table(layout.table("wav.scp"))
    utt2spk = read_table(layout.table("utt2spk"))
    assert len(wavs) == N_MINI == record.utterances
    assert all(value.startswith("/") for value in wavs.values())
    durations = read_table(layout.table("utt2dur"))
    for utt, wav in wavs.items():
        assert durations[utt] == f"{soundfile.info(wav).duration:.4f}"
    spk2utt = {spk: utts.split() for spk, utts in read_table(layout.table("spk2utt")).items()}
    assert {utt: spk for spk, utts in spk2utt.items() for utt in utts} == utt2spk
    assert read_table(layout.table("spk2gender")) == {spk: spk[-1].lower() for spk in spk2utt}
    assert set(read_table(layout.table("utt2session")).values()) == {f"Ses0{i}" for i in range(1, 6)}
    assert "xxx" in read_table(layout.table("utt2label")).values()
    assert read_table(layout.table("text"), allow_empty_value=True).keys() == wavs.keys()
    assert record.made_up is True
    assert record.leaks == {}
    assert record.folds == [1, 2, 3, 4, 5]
    assert record.data == data.model_dump()
    assert json.loads(layout.corpus_record().read_text()) == asdict(record)
    assert read_record(layout.corpus_record()) == record


def test_votes_and_attributes_keep_every_rater(mini_corpus, data, layout):
    record = prepare_data(mini_corpus, data, layout)
    votes = read_tsv(layout.table("votes.tsv"))
    assert list(votes[0]) == ["utt", "rater", "source", "slot", "label"]
    assert [row["utt"] for row in votes] == sorted(row["utt"] for row in votes)
    assert len(read_votes(layout.table("votes.tsv")).label) == len(votes) == record.votes
    assert {row["source"] for row in votes} == {"outside", "self"}
    attributes = read_tsv(layout.table("attributes.tsv"))
    assert list(attributes[0]) == ["utt", "rater", "source", "valence", "arousal", "dominance"]
    assert {row["dominance"] for row in attributes} >= {"nan", "3"}
    means = {row["utt"]: row for row in read_tsv(layout.table("attributes_mean.tsv"))}
    assert list(means) == list(read_table(layout.table("wav.scp")))
    for utt, row in means.items():
        given = [float(r["valence"]) for r in attributes if r["utt"] == utt and r["source"] == "outside"]
        given = [value for value in given if value == value]
        assert float(row["valence"]) == pytest.approx(sum(given) / len(given), abs=1e-4)
    assert {row["valence"] for row in attributes} >= {"2.5"}
    assert read_tsv(layout.table("left_out.tsv"), ["utt", "reason"]) == []


def test_folds_hold_every_utterance_once(mini_corpus, data, layout):
    prepare_data(mini_corpus, data, layout)
    for fold in range(1, 6):
        parts = {part: read_list(layout.fold_list(fold, part)) for part in ("train", "dev", "test")}
        assert sorted(sum(parts.values(), [])) == list(read_table(layout.table("wav.scp")))
        assert {utt[4] for utt in parts["test"]} == {str(fold)}
        assert {utt[4] for utt in parts["dev"]} == {str(fold % 5 + 1)}


def test_mini_is_made_under_the_data_folder_when_no_corpus_is_named(data, layout):
    prepare_data(None, data, layout)
    assert (layout.data_dir / "corpus" / "Session5").is_dir()


def test_a_second_run_does_nothing(mini_corpus, data, layout, monkeypatch):
    first = prepare_data(mini_corpus, data, layout)
    monkeypatch.setattr(prepare, "write_corpus", None)
    assert prepare_data(mini_corpus, data, layout) == first


def test_other_settings_are_refused_and_named(mini_corpus, data, layout, tmp_path):
    prepare_data(mini_corpus, data, layout)
    before = contents(layout.data_dir)
    with pytest.raises(ConfigError, match="was made with other settings; use another --data_dir") as error:
        prepare_data(mini_corpus, data.model_copy(update={"dev": "previous_session"}), layout)
    assert "data.dev: next_session -> previous_session" in str(error.value)
    with pytest.raises(ConfigError, match=f"corpus_dir: {mini_corpus} -> "):
        prepare_data(tmp_path / "other", data, layout)
    assert contents(layout.data_dir) == before
    assert not (tmp_path / "other").exists()


def test_of_two_runs_at_once_the_second_finds_the_data_of_the_first(mini_corpus, data, layout, monkeypatch):
    calls, original = [], prepare.write_corpus

    def noting(*args, **more):
        calls.append(args)
        return original(*args, **more)

    monkeypatch.setattr(prepare, "write_corpus", noting)
    with ThreadPoolExecutor(2) as pool:
        records = list(pool.map(lambda _: prepare_data(mini_corpus, data, layout), range(2)))
    assert records[0] == records[1] and len(calls) == 1
    assert not layout.prepare_lock().exists()


@pytest.mark.parametrize("writer", ["write_table", "write_list", "write_tsv", "write_text"])
def test_killed_and_run_again_ends_in_the_same_files(mini_corpus, data, tmp_path, monkeypatch, writer):
    def layout(name):
        return Layout(tmp_path / name, tmp_path, tmp_path)

    prepare_data(mini_corpus, data, layout("whole"))
    module = files if writer == "write_text" else store  # write_text writes corpus.json
    original, calls = getattr(module, writer), []

    def killed(*args):
        calls.append(args)
        if args[0].name == "corpus.json" or (writer != "write_text" and len(calls) == 2):
            args[0].parent.mkdir(parents=True, exist_ok=True)
            args[0].with_name(f".{args[0].name}.1.tmp").write_text("half")
            raise KeyboardInterrupt
        original(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, writer, killed)
        prepare_data(mini_corpus, data, layout("killed"))
    assert not layout("killed").corpus_record().exists()
    prepare_data(mini_corpus, data, layout("killed"))
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def damage_truncated(path):
    path.write_bytes(path.read_bytes()[:-1000])


def damage_empty(path):
    path.write_bytes(b"")


def damage_header_only(path):
    soundfile.write(path, np.zeros(0), 16000)


def damage_text(path):
    path.write_text("no audio at all, but a few words")


def damage_nan(path):
    soundfile.write(path, np.array([0.1, np.nan, 0.2] * 100), 16000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_truncated, r"its audio is truncated \(the header promises \d+ bytes"),
        (damage_empty, r"its audio is empty \(0 bytes\)"),
        (damage_header_only, "its audio holds no samples"),
        (damage_text, "its audio is not readable audio"),
        (damage_nan, r"its audio holds samples that are not finite \(NaN"),
    ],
)
def test_unreadable_audio(corpus_copy, data, layout, damage, message):
    damage(wav_of(corpus_copy))
    with pytest.raises(DataError, match=rf"{TURN}\.wav: {TURN}: {message}.*--set data.allow_incomplete=true"):
        prepare_data(corpus_copy, data, layout)
    assert not layout.corpus_record().exists()
    record = prepare_data(corpus_copy, data.model_copy(update={"allow_incomplete": True}), layout)
    left_out = read_tsv(layout.table("left_out.tsv"))
    assert [row["utt"] for row in left_out] == [TURN]
    assert (record.left_out, record.utterances) == (1, N_MINI - 1)
    assert TURN not in read_list(layout.fold_list(2, "test"))


def test_stereo_and_another_rate_are_kept_and_counted(corpus_copy, data, layout):
    soundfile.write(wav_of(corpus_copy), np.full((22050, 2), 0.1), 44100)
    soundfile.write(wav_of(corpus_copy, "Ses02F_impro01_F000"), np.full(16000, 0.1), 16000, subtype="FLOAT")
    record = prepare_data(corpus_copy, data, layout)
    assert record.warnings["audio files with several channels (averaged when read)"] == 1
    assert record.warnings["audio files at another rate than 16000 Hz (resampled when read)"] == 1
    assert read_table(layout.table("utt2dur"))[TURN] == "0.5000"


def test_too_few_sessions_are_left_for_folds(corpus_copy, data, layout):
    for session in (1, 2, 3):
        shutil.rmtree(corpus_copy / f"Session{session}")
    with pytest.raises(DataError, match="need three sessions; there are 2: Ses04 Ses05"):
        prepare_data(corpus_copy, data.model_copy(update={"allow_incomplete": True}), layout)


def test_a_corpus_of_which_nothing_is_left(corpus_copy, data, layout):
    for path in corpus_copy.glob("Session*/sentences/wav/*/Ses*.wav"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no utterance is left; most frequent reasons: \[\('its audio is empty"):
        prepare_data(corpus_copy, data.model_copy(update={"allow_incomplete": True}), layout)


def test_every_corpus_of_the_schema_has_a_parser():
    assert set(get_args(Data.model_fields["corpus"].annotation)) == CORPORA.keys()


def test_a_corpus_without_folder_is_one_line(layout):
    with pytest.raises(ConfigError, match="--corpus_dir is missing: name the folder that holds iemocap"):
        prepare_data(None, Data(corpus="iemocap"), layout)


def test_a_record_of_something_else(mini_corpus, data, layout):
    layout.data_dir.mkdir()
    layout.corpus_record().write_text("{}")
    with pytest.raises(
        DataError, match=r"corpus\.json: lacks corpus_dir, data, .*; remove the file and run its stage again"
    ):
        prepare_data(mini_corpus, data, layout)


def test_check_tables_names_an_utterance_that_is_missing_or_foreign(mini_corpus, data, layout):
    prepare_data(mini_corpus, data, layout)
    parts = {3: ["train", "dev", "test"]}
    path = layout.fold_list(3, "train")
    path.write_text(path.read_text() + "Ses06F\n")
    with pytest.raises(DataError, match="Ses06F is only in fold3; run stage 1 again"):
        store.check_tables(layout, parts)
    path.write_text(layout.fold_list(3, "test").read_text())
    with pytest.raises(DataError, match="fold3: an utterance is in two parts"):
        store.check_tables(layout, parts)
    lines = layout.table("utt2dur").read_text().splitlines(True)
    layout.table("utt2dur").write_text("".join(lines[1:]))
    with pytest.raises(DataError, match=f"{lines[0].split()[0]} is not in utt2dur; run stage 1 again"):
        store.check_tables(layout, parts)


def test_another_protocol_leaks_or_does_not(mini_corpus, data, layout, tmp_path):
    speakers = data.model_copy(update={"protocol": "leave_one_speaker_out"})
    record = prepare_data(mini_corpus, speakers, layout)
    assert (len(record.folds), record.leaks) == (10, {})
    other = Layout(tmp_path / "random", tmp_path, tmp_path)
    record = prepare_data(mini_corpus, data.model_copy(update={"protocol": "random"}), other)
    assert record.leaks["speaker"] > 10


def test_a_wav_on_two_sides_is_refused_and_one_on_one_side_counted(corpus_copy, data, layout, tmp_path):
    same_side = wav_of(corpus_copy, "Ses02F_impro01_F000")
    shutil.copy(wav_of(corpus_copy), same_side)
    record = prepare_data(corpus_copy, data, layout)
    assert record.warnings["audio files that are byte-identical to another one"] == 1
    assert record.leaks == {}
    shutil.copy(same_side, wav_of(corpus_copy, "Ses04F_impro01_F000"))
    other = Layout(tmp_path / "other", tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"fold 1: byte-identical audio files .*Ses04F_impro01_F000 \(train\)"):
        prepare_data(corpus_copy, data, other)
    assert not other.corpus_record().exists()
    record = prepare_data(corpus_copy, data.model_copy(update={"allow_leaks": True}), other)
    assert list(record.leaks) == ["wav"]


def test_a_length_that_contradicts_the_labels_is_listed(corpus_copy, data, layout):
    path = wav_of(corpus_copy)
    soundfile.write(path, np.full(16000 * 9, 0.1), 16000)
    record = prepare_data(corpus_copy, data, layout)
    assert record.warnings["audio files whose length contradicts the labels' times"] == 1
    rows = read_tsv(layout.table("warnings.tsv"), ["what", "where"])
    (where,) = [row["where"] for row in rows if row["what"].startswith("audio files whose length")]
    assert where.startswith(f"{path.relative_to(corpus_copy)}: 9.00 s instead of ")


def test_every_place_of_a_warning_is_a_line_of_a_file(mini_corpus, data, layout):
    prepare_data(mini_corpus, data, layout)
    rows = read_tsv(layout.table("warnings.tsv"))
    (row,) = [row for row in rows if row["what"] == "attributes left blank (stored as nan)"][:1]
    path, line = row["where"].rsplit(":", 1)
    assert "dom  ;" in (mini_corpus / path).read_text().splitlines()[int(line) - 1]


def test_names_that_differ_only_in_case_are_listed(tmp_path, layout):
    wavs = {name: tmp_path / f"{i}.wav" for i, name in enumerate(["Aa", "Ab", "aA"])}
    for i, path in enumerate(wavs.values()):
        soundfile.write(path, np.full(8000 + i, 0.1), 16000)
    votes = (Vote("r1", "outside", "neu"),)
    speakers = {name: Utterance(name, path, name, "u", name, "neu", "", votes, ()) for name, path in wavs.items()}
    corpus = Corpus("kaldi", list(speakers.values()), Findings())
    settings = {"corpus_dir": str(tmp_path), "data": {}}
    prepare.write_corpus(corpus, settings=settings, data=Data(corpus="kaldi"), layout=layout)
    assert read_tsv(layout.table("warnings.tsv")) == [
        {"what": "utterances whose names differ only in case", "where": "Aa and aA"}
    ]


def test_utterances_that_the_user_leaves_out_are_counted_and_listed(mini_corpus, data, layout):
    utts = list(read_table(_prepared(mini_corpus, data, layout).table("wav.scp")))
    chosen = data.model_copy(update={"leave_out": [utts[3], utts[0]]})
    other = Layout(layout.data_dir / "other", layout.dump_dir, layout.exp_dir)
    record = prepare.prepare_data(mini_corpus, chosen, other)
    assert record.left_out == 2 and record.utterances == len(utts) - 2
    reason = "by the user's choice (data.leave_out)"
    assert read_tsv(other.table("left_out.tsv")) == [{"utt": utt, "reason": reason} for utt in (utts[0], utts[3])]
    assert list(read_table(other.table("wav.scp"))) == [*utts[1:3], *utts[4:]]
    unknown = data.model_copy(update={"leave_out": ["nobody"]})
    third = Layout(layout.data_dir / "third", layout.dump_dir, layout.exp_dir)
    with pytest.raises(DataError, match="data.leave_out: .* has no utterance 'nobody'"):
        prepare.prepare_data(mini_corpus, unknown, third)


def _prepared(corpus, data, layout):
    prepare.prepare_data(corpus, data, layout)
    return layout


@pytest.fixture
def run_program(run, python, tmp_path):
    """A function that runs stage 1 as a program on a small mini."""

    def run_program(*arguments):
        (tmp_path / "ce.yaml").write_text(f"data: {{mini_utterances: {N_MINI}}}\n")
        folders = ["--config", tmp_path / "ce.yaml", "--data_dir", tmp_path / "data"]
        return run(python, "-m", "ambiser.bin.prepare", *folders, *arguments)

    return run_program


def test_the_program_prints_a_table(mini_corpus, run_program):
    done = run_program("--corpus_dir", str(mini_corpus))
    assert done.returncode == 0, done.stderr
    assert "corpus mini, SYNTHETIC: 60 utterances" in done.stdout
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.startswith(("Ses", "all"))}
    for column in range(1, 8):
        assert int(rows["all"][column]) == sum(int(rows[f"Ses0{i}"][column]) for i in range(1, 6))
    assert sum(map(int, rows["all"][2:8])) == int(rows["all"][1]) == N_MINI
    assert "agreement: unanimous" in done.stdout
    assert "left out of the corpus: 0" in done.stdout
    again = run_program("--corpus_dir", str(mini_corpus))
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert "is up to date: tables and folds stay" in again.stderr


def test_the_program_ends_with_one_line_and_2(tmp_path, run_program):
    done = run_program("--corpus_dir", str(tmp_path), "--set", "data.corpus=iemocap")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "is not IEMOCAP: it holds no Session1" in done.stderr
