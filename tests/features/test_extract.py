from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import soundfile
from features.conftest import make_wavs

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError, DataError, UserError
from ambiser.features import extract as module
from ambiser.features import shards as shards_module
from ambiser.features.extract import describe_speech, extract_speech, part_file
from ambiser.features.pooling import reduce_hidden_states
from ambiser.features.shards import are_finished, audio_digest, is_done, join_shards, plan_shards, write_shard
from ambiser.features.store import load_frames, load_pooled
from ambiser.features.upstream import load_upstream
from ambiser.io.audio import read_audio

FBANK = SpeechFeatures(upstream="fbank_no_cmvn", statistics="mean_std")


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shards_module, "SHARD_UTTERANCES", 4)


def extract(wavs, folder, speech=FBANK, nj=1):
    extract_speech(wavs, {utt: soundfile.info(wavs[utt]).duration for utt in wavs if Path(wavs[utt]).is_file()
                          and Path(wavs[utt]).stat().st_size > 100}, speech, folder=folder, nj=nj)  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def wavs(tmp_path_factory):
    return make_wavs(tmp_path_factory.mktemp("wavs"), [20000, 8000, 30, 16000, 12345, 31000, 9000, 16000, 7000, 400])


@pytest.fixture(scope="module")
def reference(wavs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards_module, "SHARD_UTTERANCES", 4)
        extract(wavs, folder)
    return folder


def test_pooled_features_are_those_of_a_direct_call_of_s3prl(wavs, reference):
    import torch

    load_upstream(FBANK)
    from s3prl.upstream.baseline.hubconf import fbank_no_cmvn

    direct = fbank_no_cmvn().eval()
    loaded = load_pooled(reference / "feats.scp", list(wavs))
    assert loaded.shape == (10, 1, 480)
    for utt, row in zip(wavs, loaded, strict=True):
        samples = soundfile.read(wavs[utt], dtype="float32")[0]
        samples = np.pad(samples, (0, max(0, 400 - len(samples))))
        with torch.inference_mode():
            frames = direct([torch.from_numpy(samples)])["hidden_states"][0][0].numpy().astype(np.float64)
        expected = np.concatenate([frames.mean(0), frames.std(0)])
        np.testing.assert_allclose(row[0], expected, rtol=1e-6, atol=1e-6)


def test_bytes_do_not_depend_on_workers_or_on_the_order_of_the_table(wavs, reference, tmp_path, small_shards):
    extract(dict(reversed(wavs.items())), tmp_path, nj=3)
    assert contents(tmp_path) == contents(reference)
    assert sorted(path.name for path in tmp_path.glob("*.ark")) == [
        "feats.0001.ark",
        "feats.0002.ark",
        "feats.0003.ark",
    ]


def test_an_interrupted_run_continues_and_ends_with_the_same_bytes(wavs, reference, tmp_path, small_shards):
    for name in ("feats.0002.ark", "feats.0002.scp", "feats.0002.json"):
        (tmp_path / name).write_bytes((reference / name).read_bytes())
    (tmp_path / "feats.0001.ark").write_bytes(b"half")
    (tmp_path / ".feats.0003.ark.1.tmp").write_bytes(b"half")
    kept = (tmp_path / "feats.0002.ark").stat().st_mtime_ns
    extract(wavs, tmp_path)
    assert (tmp_path / "feats.0002.ark").stat().st_mtime_ns == kept
    assert contents(tmp_path) == contents(reference)


def test_parts_are_joined_to_the_same_bytes(wavs, reference, tmp_path, small_shards):
    durations_s = {utt: soundfile.info(path).duration for utt, path in wavs.items()}
    for number in (2, 1):
        extract_speech(wavs, durations_s, FBANK, folder=tmp_path, part=(number, 2))
        assert part_file(tmp_path, (number, 2)).is_file()
        assert not (tmp_path / "feats.scp").exists()
    assert part_file(tmp_path, (2, 2)).read_text() == "feats.0002\n"
    made = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.ark")}
    extract(wavs, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.ark")} == made
    assert contents(tmp_path) == contents(reference)
    assert not (tmp_path / "parts").exists()


def test_shards_of_other_audio_or_settings_are_made_again(wavs, small_shards):
    plan = plan_shards(wavs, "a")
    other = plan_shards(wavs, "b")
    assert [list(shard.wavs) for shard in plan] == [list(shard.wavs) for shard in other]
    assert all(one.digest != two.digest for one, two in zip(plan, other, strict=True))
    assert plan_shards(dict(reversed(wavs.items())), "a") == plan


def test_audio_digest_sees_sizes_and_missing_files(tmp_path):
    wavs = make_wavs(tmp_path, [500, 600])
    before = audio_digest(wavs)
    soundfile.write(wavs["utt001"], np.zeros(601), 16000)
    changed = audio_digest(wavs)
    Path(wavs["utt001"]).unlink()
    assert len({before, changed, audio_digest(wavs)}) == 3
    assert describe_speech(wavs, FBANK)["data"] == {"utterances": 2, "audio_digest": audio_digest(wavs)}


def test_a_shard_is_done_with_its_record_only(tmp_path, wavs):
    (shard,) = plan_shards(wavs, "a")
    assert not is_done(tmp_path, shard)
    write_shard(tmp_path, shard, [(utt, np.ones((1, 2))) for utt in shard.wavs], {"padded": 2})
    assert is_done(tmp_path, shard) and not is_done(tmp_path, plan_shards(wavs, "b")[0])
    assert not are_finished(tmp_path)
    assert join_shards(tmp_path, [shard]) == {"padded": 2} and are_finished(tmp_path)
    (tmp_path / "feats.0001.json").write_text("{")
    assert not is_done(tmp_path, shard)
    with pytest.raises(DataError, match="feats.0001.json"):
        join_shards(tmp_path, [shard])
    (tmp_path / "feats.0001.ark").unlink()
    assert not are_finished(tmp_path)


def test_all_unusable_audio_is_named_after_the_rest_is_done(tmp_path, small_shards):
    wavs = make_wavs(tmp_path / "wavs", [9000 + 100 * n for n in range(12)])
    whole = Path(wavs["utt000"]).read_bytes()
    Path(wavs["utt000"]).write_bytes(whole[:3000])
    Path(wavs["utt001"]).write_bytes(b"")
    soundfile.write(wavs["utt002"], np.full(9000, np.nan), 16000, subtype="FLOAT")
    Path(wavs["utt009"]).unlink()
    folder = tmp_path / "dump"
    with pytest.raises(DataError) as caught:
        extract(wavs, folder)
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 utterances cannot be used; all others are done:"
    for line, utt, reason in zip(
        lines[1:], ("utt000", "utt001", "utt002", "utt009"), ("truncated", "empty", "NaN", "missing"), strict=False
    ):
        assert line.strip().startswith(f"{utt}: {wavs[utt]}") and reason in line
    assert "allow_incomplete=true" in lines[5] and len(lines) == 6
    assert not (folder / "feats.scp").exists() and not (folder / "feats.0001.ark").exists()
    done = (folder / "feats.0002.ark").stat().st_mtime_ns
    assert (folder / "unusable.tsv").read_text().startswith("utt\treason\nutt000\t")

    good = make_wavs(tmp_path / "good", [9000 + 100 * n for n in range(12)])
    for utt in ("utt000", "utt001", "utt002", "utt009"):
        Path(wavs[utt]).write_bytes(Path(good[utt]).read_bytes())
    extract(wavs, folder)
    assert (folder / "feats.0002.ark").stat().st_mtime_ns == done
    assert are_finished(folder) and not (folder / "unusable.tsv").exists()


def test_constant_pooled_features_are_refused_now_and_again(wavs, tmp_path):
    for _ in range(2):
        # The second time no worker starts.
        with pytest.raises(UserError, match="fbank gives every utterance the same means"):
            extract(wavs, tmp_path, SpeechFeatures(upstream="fbank", statistics="mean_std"))
        assert not (tmp_path / "feats.scp").exists()


def test_frames_of_a_hugging_face_model(wavs, tmp_path, speech_folders):
    speech = SpeechFeatures(
        upstream="hf_wav2vec2_custom", checkpoint=str(speech_folders["wav2vec2"]), form="frames", layer=1
    )
    extract(wavs, tmp_path, speech)
    frames = load_frames(tmp_path / "feats.scp", ["utt003", "utt002"])
    assert [array.shape for array in frames] == [(49, 16), (1, 16)]
    upstream = load_upstream(speech)
    np.testing.assert_allclose(frames[0], upstream.extract(read_audio(Path(wavs["utt003"])))[1], atol=1e-5)
    pooled = reduce_hidden_states(upstream.extract(read_audio(Path(wavs["utt003"]))), SpeechFeatures())
    np.testing.assert_allclose(pooled[1], frames[0].mean(0), atol=1e-5)


def test_faults_of_the_configuration_come_out_of_the_worker(wavs, tmp_path):
    with pytest.raises(ConfigError, match="must be 0 to 0"):
        extract(wavs, tmp_path, SpeechFeatures(upstream="fbank", form="frames", layer=7))
    with pytest.raises(DataError, match="no utterances to extract"):
        extract({}, tmp_path)


def test_too_little_disk_stops_before_the_first_byte(wavs, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage(10**9, 10**9 - 1234, 1_234_000))
    with pytest.raises(DataError, match=r"need \d+ kB and 50.0 MB to spare, free are 1.2 MB"):
        extract(wavs, tmp_path)
    assert list(tmp_path.glob("*.ark")) == []
