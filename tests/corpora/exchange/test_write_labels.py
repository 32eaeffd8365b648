"""Data folders as CSV, Parquet and data sets of Hugging Face, and back; Lhotse cuts."""

import csv
import gzip
import json

import numpy as np
import pytest
import soundfile
from make_record import make_record

from ambiser.config.data_keys import Data, LabelPolicy
from ambiser.corpora.exchange import lhotse_cuts
from ambiser.corpora.exchange.hugging_face import import_dataset
from ambiser.corpora.exchange.lhotse_cuts import import_cuts
from ambiser.corpora.exchange.utterance_rows import read_data_folder
from ambiser.corpora.exchange.write_labels import write_labels
from ambiser.corpora.kaldi import read_kaldi
from ambiser.errors import ConfigError, DataError
from ambiser.io import audio
from ambiser.io.tables import read_table, write_list, write_table, write_tsv

VOTES = [
    ("u1", "r1", "outside", "primary", "hap"),
    ("u1", "r2", "outside", "primary", "hap"),
    ("u1", "r3", "outside", "primary", "sad"),
    ("u2", "r1", "outside", "primary", "ang"),
    ("u2", "r2", "outside", "primary", "ang"),
    ("u3", "r1", "outside", "primary", "fru"),
]


@pytest.fixture
def data_dir(tmp_path):
    """What stage 1 writes, for three utterances and one fold."""
    folder, utts = tmp_path / "data", ["u1", "u2", "u3"]
    (tmp_path / "sounds").mkdir()
    for utt in utts:
        soundfile.write(tmp_path / "sounds" / f"{utt}.wav", np.full(800, 0.1), 16000)
    write_table(folder / "all" / "wav.scp", {utt: tmp_path / "sounds" / f"{utt}.wav" for utt in utts})
    write_table(folder / "all" / "utt2spk", {"u1": "s1", "u2": "s1", "u3": "s2"})
    write_table(folder / "all" / "spk2gender", {"s1": "f", "s2": "u"})
    write_table(folder / "all" / "text", {"u1": 'so "happy", yes', "u2": "", "u3": "words"})
    write_table(folder / "all" / "utt2session", dict.fromkeys(utts, "x"))
    write_table(folder / "all" / "utt2dur", dict.fromkeys(utts, "0.0500"))
    write_table(folder / "all" / "utt2label", {"u1": "hap", "u2": "ang", "u3": "fru"})
    write_tsv(folder / "all" / "votes.tsv", ["utt", "rater", "source", "slot", "label"], VOTES)
    parts = {"train": ["u1"], "dev": [], "test": ["u2", "u3"]}
    for part, names in parts.items():
        write_list(folder / "fold1" / part, names)
    sizes = {"1": {part: len(names) for part, names in parts.items()}}
    make_record(folds=[1], parts=sizes, utterances=3).write(folder / "corpus.json")
    return folder


@pytest.fixture
def folder(data_dir):
    return read_data_folder(data_dir, LabelPolicy())


def test_csv_has_labels_parts_and_votes(folder, tmp_path):
    write_labels(folder, tmp_path / "out", "csv")
    with open(tmp_path / "out" / "labels.csv", newline="", encoding="utf-8") as stream:
        first, second, third = csv.DictReader(stream)
    assert (first["text"], first["hard"], first["kind"]) == ('so "happy", yes', "happy", "ambiguous")
    soft = [float(first[f"soft_{name}"]) for name in folder.classes]
    assert soft == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=1e-5)
    assert (second["hard"], second["kind"], second["fold1"], first["fold1"]) == ("angry", "precise", "test", "train")
    assert third["left_out"] and third["soft_sad"] == third["hard"] == ""
    with open(tmp_path / "out" / "votes.csv", newline="", encoding="utf-8") as stream:
        made = [(row["utt"], row["rater"], row["source"], row["slot"], row["label"]) for row in csv.DictReader(stream)]
    assert made == VOTES


def test_an_existing_folder_and_a_folder_without_data_are_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="exists; name a new folder"):
        write_labels(folder, tmp_path, "csv")
    with pytest.raises(DataError, match="is no data folder, it has no corpus.json"):
        read_data_folder(tmp_path, LabelPolicy())


@pytest.mark.parametrize("with_audio", [True, False])
def test_a_data_set_is_imported_as_it_was(folder, data_dir, tmp_path, with_audio):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet was not tested")
    write_labels(folder, tmp_path / "set", "datasets", with_audio=with_audio)
    assert import_dataset(tmp_path / "set", tmp_path / "back", labels={}) == 3
    for name in ("utt2spk", "spk2gender", "text", "utt2session", "utt2label", "votes.tsv"):
        assert (tmp_path / "back" / name).read_bytes() == (data_dir / "all" / name).read_bytes(), name
    wavs = read_table(tmp_path / "back" / "wav.scp")
    assert soundfile.info(wavs["u2"]).frames == 800
    assert wavs["u2"].startswith(str(tmp_path / ("back/wav" if with_audio else "sounds")))
    read_kaldi(tmp_path / "back", Data(corpus="kaldi")).findings.refuse()


def test_parquet_has_typed_columns_and_is_imported_as_it_was(folder, data_dir, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: Parquet was not tested")
    write_labels(folder, tmp_path / "out", "parquet")
    rows = parquet.read_table(tmp_path / "out" / "labels.parquet").to_pylist()
    assert rows[0]["soft_sad"] == pytest.approx(1 / 3, abs=1e-5) and rows[2]["soft_sad"] is None
    assert parquet.read_table(tmp_path / "out" / "votes.parquet").num_rows == len(VOTES)
    assert import_dataset(tmp_path / "out", tmp_path / "back", labels={}) == 3
    assert (tmp_path / "back" / "votes.tsv").read_bytes() == (data_dir / "all" / "votes.tsv").read_bytes()


def test_a_class_label_of_hugging_face_is_one_vote(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet was not tested")
    import pyarrow.parquet as parquet

    soundfile.write(tmp_path / "a.wav", np.zeros(80), 16000)
    about = json.dumps({"info": {"features": {"label": {"names": ["sadness", "melancholy"], "_type": "ClassLabel"}}}})
    rows = [{"audio": str(tmp_path / "a.wav"), "label": label, "speaker": "s 1"} for label in (0, 1)]
    table = arrow.Table.from_pylist(rows).replace_schema_metadata({"huggingface": about})
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DataError, match="is not a known label; map it with --labels WORD=CODE; got 'melancholy'"):
        import_dataset(tmp_path / "x.parquet", tmp_path / "out", labels={})
    import_dataset(tmp_path / "x.parquet", tmp_path / "out", labels={"melancholy": "oth"})
    labels = [line.split("\t")[4] for line in (tmp_path / "out" / "votes.tsv").read_text().splitlines()]
    assert labels == ["label", "sad", "oth"]
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="x.parquet: is no readable Parquet file"):
        import_dataset(tmp_path / "x.parquet", tmp_path / "other", labels={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"votes": ["sad"]}, "x.parquet:1: votes must be a list of records {rater, label}; got "),
        ({"votes": 3}, "x.parquet:1: votes must be a list of records {rater, label}; got '3'"),
        ({"audio": {"bytes": "text", "path": "a.wav"}}, r"x.parquet:1: u: has no audio"),
        ({"audio": "x" * 300}, r"x.parquet:1: u: has no audio"),
    ],
)
def test_a_row_of_parquet_with_other_types_is_a_fault(tmp_path, change, message):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet was not tested")
    import pyarrow.parquet as parquet

    row = {"utt": "u", "audio": __file__, "label": "sad", "speaker": "s"} | change
    parquet.write_table(arrow.Table.from_pylist([row]), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=message):
        import_dataset(tmp_path / "x.parquet", tmp_path / "out", labels={})


@pytest.mark.parametrize("name", ["x.\0", "x." + "a" * 300, "../x.sh"])
def test_a_sound_in_parquet_gets_a_safe_name(tmp_path, name):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet was not tested")
    import pyarrow.parquet as parquet

    row = {"utt": "u", "audio": {"bytes": b"RIFF", "path": name}, "label": "sad", "speaker": "s"}
    parquet.write_table(arrow.Table.from_pylist([row]), tmp_path / "x.parquet")
    import_dataset(tmp_path / "x.parquet", tmp_path / "out", labels={})
    assert [path.name for path in (tmp_path / "out/wav").iterdir()] == ["u.wav"]


def cut(name, **changes):
    """A cut as Lhotse writes it, of a recording of 1 s."""
    recording = {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": changes.pop("source")}],
        "sampling_rate": 16000,
        "num_samples": 16000,
        "duration": 1.0,
    }
    custom = changes.pop("custom", {"votes": {"happy": 2, "sad": 1}})
    supervision = {"id": name, "recording_id": name, "start": 0, "duration": 1.0, "channel": 0, "text": "hi there"}
    supervision |= {"speaker": changes.pop("speaker", "s1"), "gender": "F", "custom": custom}
    base = {"id": name, "start": 0, "duration": 1.0, "channel": 0, "supervisions": [supervision]}
    return base | {"recording": recording, "type": "MonoCut"} | changes


def test_cuts_of_lhotse_become_a_data_directory(tmp_path):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    source, votes = str(tmp_path / "a.wav"), {"votes": [{"rater": "r1", "label": "anger"}]}
    cuts = [cut("whole", source=source), cut("part", source=source, start=0.25, duration=0.5, custom=votes)]
    manifest = tmp_path / "cuts.jsonl.gz"
    with gzip.open(manifest, "wt") as stream:
        stream.writelines(json.dumps(one) + "\n" for one in cuts)
    assert import_cuts(manifest, tmp_path / "out", labels={}) == 2
    wavs = read_table(tmp_path / "out" / "wav.scp")
    assert wavs["whole"] == source
    np.testing.assert_allclose(soundfile.read(wavs["part"], dtype="float32")[0], wave[4000:12000], atol=1e-6)
    corpus = read_kaldi(tmp_path / "out", Data(corpus="kaldi"))
    corpus.findings.refuse()
    made = {one.utt: one for one in corpus.utterances}
    assert [vote.label for vote in made["whole"].votes] == ["hap", "hap", "sad"]
    assert (made["whole"].speaker, made["whole"].gender, made["whole"].text) == ("s1", "f", "hi there")
    assert [(vote.rater, vote.label) for vote in made["part"].votes] == [("r1", "ang")]


def test_votes_of_cuts_have_several_forms(tmp_path):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    forms = [{"r1": "anger", "r2": "sad"}, [["r1", "anger"], ["r2", "sad"]], ["anger", "sad"], {"anger": 1, "sad": 1}]
    cuts = [cut(f"c{n}", source=str(tmp_path / "a.wav"), custom={"votes": form}) for n, form in enumerate(forms)]
    cuts.append(cut("c4", source=str(tmp_path / "a.wav"), custom={"emotion": "anger"}))
    manifest = tmp_path / "cuts.jsonl"
    manifest.write_text("".join(json.dumps(one) + "\n" for one in cuts))
    import_cuts(manifest, tmp_path / "out", labels={})
    made = {one.utt: one.votes for one in read_kaldi(tmp_path / "out", Data(corpus="kaldi")).utterances}
    named, unnamed = [("r1", "ang"), ("r2", "sad")], [("anon1", "ang"), ("anon2", "sad")]
    for utt, expected in zip(made, (named, named, unnamed, unnamed, unnamed[:1]), strict=True):
        assert [(vote.rater, vote.label) for vote in made[utt]] == expected, utt
    with pytest.raises(DataError, match=r"cuts.jsonl:3: is not a known label.*; got 'wrath'"):
        manifest.write_text(manifest.read_text().replace('["anger", "sad"]', '["wrath", "sad"]'))
        import_cuts(manifest, tmp_path / "other", labels={})


@pytest.mark.parametrize(
    ("source", "whole"),
    [
        ({"type": "command", "source": "touch {ran}; cat {wav}"}, True),
        ({"type": "command", "source": "touch {ran}; cat {wav}"}, False),
        ({"type": "url", "source": "pipe:touch {ran}; cat {wav}"}, False),
        ({"type": "file", "source": "pipe:touch {ran}; cat {wav}"}, False),
    ],
)
def test_commands_in_cuts_are_not_run(tmp_path, source, whole):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    one = cut("a", source="", duration=1.0 if whole else 0.5)
    text = source["source"].format(ran=tmp_path / "ran", wav=tmp_path / "a.wav")
    one["recording"]["sources"] = [{"channels": [0], "type": source["type"], "source": text}]
    mixed = {"id": "b", "type": "MixedCut", "tracks": [{"type": "MonoCut", "cut": one, "offset": 0.0}]}
    (tmp_path / "cuts.jsonl").write_text(json.dumps(one) + "\n" + json.dumps(mixed) + "\n")
    with pytest.raises(DataError, match="has no readable audio"):
        import_cuts(tmp_path / "cuts.jsonl", tmp_path / "out", labels={})
    assert not (tmp_path / "ran").exists()


def resample(source_hz, target_hz):
    return {"name": "Resample", "kwargs": {"source_sampling_rate": source_hz, "target_sampling_rate": target_hz}}


def speed(factor):
    return {"name": "Speed", "kwargs": {"factor": factor}}


@pytest.mark.parametrize(
    ("seconds", "transform", "fault"),
    [
        (1e9, speed(0.9), "16000000000000 samples at once are more than 536870912; cut the recording"),
        (0.5, speed(1e-6), "Speed by 1e-06 is not between 0.1 and 10"),
        (0.5, speed(1.234567), "Speed between 16000 and 19753 Hz needs a filter of more than 33554432 taps"),
        (0.5, resample(16000, 10**9), "Resample has a sample rate that is not between 1 kHz and 1 MHz"),
        (0.5, resample(999_983, 999_979), "Resample between 999983 and 999979 Hz needs a filter of more than"),
        (0.5, speed(1.1), ""),
    ],
)
def test_cuts_that_few_bytes_make_large_are_refused(tmp_path, seconds, transform, fault):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    one = cut("a", source=str(tmp_path / "a.wav"), duration=seconds)
    samples = 14545 if seconds < 1 else 16 * 10**13
    one["recording"] |= {"transforms": [transform], "num_samples": samples, "duration": samples / 16000}
    (tmp_path / "cuts.jsonl").write_text(json.dumps(one) + "\n")
    if not fault:
        import_cuts(tmp_path / "cuts.jsonl", tmp_path / "out", labels={})
        assert soundfile.info(tmp_path / "out" / "wav" / "a.wav").frames == 8000
        return
    with pytest.raises(DataError, match=rf"cuts.jsonl:1: a: has no readable audio \(.*{fault}"):
        import_cuts(tmp_path / "cuts.jsonl", tmp_path / "out", labels={})


def test_recordings_of_cuts_that_hold_more_than_memory_are_refused(tmp_path, monkeypatch):
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    soundfile.write(tmp_path / "a.flac", np.zeros(16000), 16000)
    half = cut("a", source=str(tmp_path / "a.flac"), duration=0.5)
    tracks = [{"type": "MonoCut", "cut": half, "offset": 0.0}] * 3
    (tmp_path / "one.jsonl").write_text(json.dumps(half) + "\n")
    mixed = {"id": "b", "type": "MixedCut", "tracks": tracks}
    monkeypatch.setattr(audio, "MOST_SAMPLES", 15_999)
    with pytest.raises(DataError, match="a.flac: 16000 samples at once are more than 15999"):
        import_cuts(tmp_path / "one.jsonl", tmp_path / "out", labels={})
    monkeypatch.setattr(lhotse_cuts, "MOST_SAMPLES", 23_999)
    with pytest.raises(ValueError, match="24000 samples at once are more than 23999"):
        lhotse_cuts._check_size(lhotse.serialization.deserialize_item(json.loads(json.dumps(mixed))))


@pytest.mark.parametrize("votes", [3, {"sad": 10**12}, {"sad": -1}, [["r", "sad", "x"]], "x\ny"])
def test_votes_of_cuts_in_other_forms_are_faults(tmp_path, votes):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    (tmp_path / "cuts.jsonl").write_text(json.dumps(cut("a", source=__file__, custom={"votes": votes})) + "\n")
    with pytest.raises(DataError, match="cuts.jsonl:1: is not a known label"):
        import_cuts(tmp_path / "cuts.jsonl", tmp_path / "out", labels={})


@pytest.mark.parametrize("text", ["[1]", "{", '{"id": "a"}', '{"id": 1, "type": "MonoCut", "start": "x"}', "\0"])
def test_a_damaged_manifest_of_cuts_is_one_line(tmp_path, text):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    (tmp_path / "cuts.jsonl").write_text(text + "\n")
    with pytest.raises(DataError, match=r"cuts.jsonl: is no manifest of Lhotse cuts: ") as error:
        import_cuts(tmp_path / "cuts.jsonl", tmp_path / "out", labels={})
    assert "\n" not in str(error.value)


def test_cuts_without_votes_speaker_or_audio_are_listed(tmp_path):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    gone = str(tmp_path / "gone.wav")
    cuts = [cut("a", source=gone, custom={}), cut("b", source=gone, speaker=None), cut("c", source=gone)]
    manifest = tmp_path / "cuts.jsonl"
    manifest.write_text("".join(json.dumps(one) + "\n" for one in cuts))
    with pytest.raises(DataError, match="3 faults"):
        import_cuts(manifest, tmp_path / "out", labels={})
    faults = (tmp_path / "out" / "faults.tsv").read_text()
    assert "has no votes" in faults and "has no speaker" in faults and "has no readable audio" in faults
    with pytest.raises(DataError, match="holds no utterance with audio, votes and a speaker"):
        import_cuts(manifest, tmp_path / "out", labels={}, allow_incomplete=True)
