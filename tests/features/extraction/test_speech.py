import os
import re
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import soundfile
from features.conftest import fork_workers, make_wavs, write_data
from pydantic import ValidationError

from ambiser.config.schema import SpeechFeatures
from ambiser.errors import ConfigError, DataError, UserError
from ambiser.features.extraction import forecast
from ambiser.features.extraction import shards as shards_module
from ambiser.features.extraction.fingerprints import fingerprint
from ambiser.features.extraction.shard_work import Facts
from ambiser.features.extraction.shards import (
    Shard,
    are_finished,
    compare_sources,
    is_done,
    join_shards,
    open_shard,
    plan_shards,
    shard_count,
)
from ambiser.features.extraction.speech import describe_speech, extract_speech, raise_faults
from ambiser.features.extraction.stored import load_frames, load_layers, load_pooled
from ambiser.features.upstreams.pooling import reduce_hidden_states
from ambiser.features.upstreams.upstream import load_upstream
from ambiser.io.audio import read_audio
from ambiser.io.console import log
from ambiser.io.layout import part_file

ROOT = Path(__file__).resolve().parents[3]
FBANK = SpeechFeatures(upstream="fbank_no_cmvn", statistics="mean_std")


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shards_module, "SHARD_UTTERANCES", 4)
    monkeypatch.setattr(forecast, "SHORT_S", 0)  # several workers also for a second of work


def extract(wavs, folder, speech=FBANK, nj=1):
    extract_speech(wavs, dict.fromkeys(wavs, 1.0), speech, folder=folder, nj=nj)


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
        fork_workers(patch)
        extract(wavs, folder)
    return folder


def test_pooled_features_equal_a_direct_call_of_s3prl(wavs, reference):
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


def test_bytes_do_not_depend_on_workers_or_on_the_order_of_the_table(
    wavs, reference, tmp_path, small_shards, forked_workers
):
    extract(dict(reversed(wavs.items())), tmp_path, nj=2)
    assert contents(tmp_path) == contents(reference)
    assert len(list(tmp_path.glob("*.ark"))) > 2


def test_an_interrupted_run_continues_and_ends_with_the_same_bytes(wavs, reference, tmp_path, small_shards, no_workers):
    for name in ("feats.0002.ark", "feats.0002.scp", "feats.0002.json"):
        (tmp_path / name).write_bytes((reference / name).read_bytes())
    (tmp_path / "feats.0001.ark").write_bytes(b"half")
    (tmp_path / ".feats.0003.ark.1.tmp").write_bytes(b"half")
    kept = (tmp_path / "feats.0002.ark").stat().st_mtime_ns
    extract(wavs, tmp_path)
    assert (tmp_path / "feats.0002.ark").stat().st_mtime_ns == kept
    assert contents(tmp_path) == contents(reference)


def test_parts_are_joined_to_the_same_bytes(wavs, reference, tmp_path, small_shards, no_workers):
    durations_s = {utt: soundfile.info(path).duration for utt, path in wavs.items()}
    for number in (2, 1):
        extract_speech(wavs, durations_s, FBANK, folder=tmp_path, part=(number, 2))
        assert part_file(tmp_path, (number, 2)).is_file()
        assert not (tmp_path / "feats.scp").exists()
    listed = [part_file(tmp_path, (number, 2)).read_text().split() for number in (1, 2)]
    assert sorted(listed[0] + listed[1]) == [path.stem for path in sorted(reference.glob("*.ark"))]
    made = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.ark")}
    extract(wavs, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.ark")} == made
    assert contents(tmp_path) == contents(reference)
    assert not (tmp_path / "parts").exists()


def test_a_large_corpus_gets_larger_shards_not_more(monkeypatch):
    assert [shard_count(n) for n in (1, 100, 101, 268_000, 10_000_000)] == [1, 1, 2, 4096, 4096]
    monkeypatch.setattr(shards_module, "MOST_SHARDS", 4)
    sources = {f"u{number}": "words" for number in range(1000)}
    assert [sum(len(shard.sources) for shard in plan_shards(sources, "a"))] == [1000]
    assert [shard.number for shard in plan_shards(sources, "a")] == [1, 2, 3, 4]


def test_shards_depend_on_names_only_and_a_new_utterance_changes_one_shard(wavs, small_shards):
    sources = {utt: Path(wav) for utt, wav in wavs.items()}
    plan = plan_shards(sources, "a")
    assert plan_shards(dict(reversed(sources.items())), "a") == plan
    assert sorted(utt for shard in plan for utt in shard.sources) == list(wavs)
    assert [list(shard.sources) for shard in plan_shards(dict.fromkeys(wavs, "words"), "b")] == [
        list(shard.sources) for shard in plan
    ]
    fewer = plan_shards({utt: path for utt, path in sources.items() if utt != "utt004"}, "a")
    changed = [shard for shard in fewer if shard not in plan]
    assert len(changed) <= 1 and all(len(shard.sources) < 10 for shard in plan)


def test_the_record_holds_settings_and_the_digest_of_the_weights(speech_folders, tmp_path):
    moved = shutil.copytree(speech_folders["hubert"], tmp_path / "moved")
    speech = [SpeechFeatures(upstream="hf_hubert_custom", checkpoint=str(f)) for f in (speech_folders["hubert"], moved)]
    assert describe_speech(speech[0]) == describe_speech(speech[1]) != describe_speech(FBANK)
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    copy = shutil.copytree(moved, tmp_path / "other")
    (copy / "model.safetensors").write_bytes(weights)
    assert describe_speech(speech[1].model_copy(update={"checkpoint": str(copy)})) != describe_speech(speech[1])


def write_whole(folder, shard, notes=()):
    with open_shard(folder, shard) as writer:
        for utt, source in shard.sources.items():
            writer.add(utt, np.ones((1, 2)), fingerprint(source), notes)


def test_a_shard_is_done_only_with_its_record(tmp_path, wavs):
    sources = {utt: Path(wav) for utt, wav in wavs.items()}
    (shard,) = plan_shards(sources, "a")
    assert not is_done(tmp_path, shard)
    write_whole(tmp_path, shard, ["loud"])
    assert is_done(tmp_path, shard) and not is_done(tmp_path, plan_shards(sources, "b")[0])
    assert not are_finished(tmp_path)
    assert join_shards(tmp_path, [shard]) == ({"loud": 10}, (0, 0)) and are_finished(tmp_path)
    (tmp_path / "feats.0001.json").write_text("{")
    assert not is_done(tmp_path, shard)
    with pytest.raises(DataError, match="feats.0001.json"):
        join_shards(tmp_path, [shard])
    (tmp_path / "feats.0001.ark").unlink()
    assert not are_finished(tmp_path)


def test_sources_are_compared_with_those_of_all_shards(tmp_path, small_shards):
    words = {f"u{number}": f"word {number}" for number in range(9)}
    plan = plan_shards(words, "a")
    for shard in plan:
        write_whole(tmp_path, shard)
    assert len(plan) > 1 and compare_sources(tmp_path, words) == ([], [])
    assert compare_sources(tmp_path, words | {"u3": "other", "new": "x"}) == (["new"], ["u3"])


def spoil(wavs):
    """Damages audio in every usual way; returns a word of the error by utterance."""
    paths = {utt: Path(wav) for utt, wav in wavs.items()}
    paths["utt000"].write_bytes(paths["utt000"].read_bytes()[:3000])
    paths["utt001"].write_bytes(b"")
    soundfile.write(paths["utt002"], np.full(9000, np.nan), 16000, subtype="FLOAT")
    paths["utt003"].write_text("this is no audio\n" * 99)
    paths["utt004"].unlink()
    paths["utt005"].unlink()
    paths["utt005"].mkdir()
    paths["utt006"].write_bytes(np.zeros(9000, np.int16).tobytes())
    faults = ("truncated", "empty", "NaN", "not readable audio", "missing", "missing", "not readable audio")
    return dict(zip(sorted(wavs), faults, strict=False))


def test_all_unusable_audio_is_listed_after_the_rest_is_done(tmp_path, small_shards, no_workers):
    wavs = make_wavs(tmp_path / "wavs", [9000 + 100 * n for n in range(24)])
    faults = spoil(wavs)
    folder = tmp_path / "dump"
    with pytest.raises(DataError) as caught:
        extract(wavs, folder)
    lines = str(caught.value).splitlines()
    assert lines[0] == "7 utterances cannot be used; all others are done:" and len(lines) == 9
    for line, (utt, fault) in zip(lines[1:], faults.items(), strict=False):
        assert line.strip().startswith(f"{utt}: {wavs[utt]}: ") and fault in line
    assert f"--set data.leave_out=[{','.join(faults)}]" in lines[8]
    assert not (folder / "feats.scp").exists()
    listed = (folder / "unusable.tsv").read_text().splitlines()
    assert listed[0] == "utt\treason" and [line.split("\t")[0] for line in listed[1:]] == list(faults)

    # The user excludes them: nothing is extracted again.
    times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.ark")}
    left = {utt: wav for utt, wav in wavs.items() if utt not in faults}
    extract(left, folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.ark")}.items() <= times.items()
    assert are_finished(folder) and not (folder / "unusable.tsv").exists()
    alone = tmp_path / "alone"
    extract(left, alone)
    kept, made = (load_pooled(place / "feats.scp", list(left)) for place in (folder, alone))
    np.testing.assert_array_equal(kept, made)


def test_repaired_audio_is_extracted_and_sound_shards_are_kept(tmp_path, small_shards, no_workers):
    wavs = make_wavs(tmp_path / "wavs", [9000 + 100 * n for n in range(20)])
    whole = Path(wavs["utt007"]).read_bytes()
    Path(wavs["utt007"]).write_bytes(whole[:999])
    with pytest.raises(DataError, match="1 utterances cannot be used"):
        extract(wavs, tmp_path / "dump")
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "dump").glob("*.ark")}
    Path(wavs["utt007"]).write_bytes(whole)
    extract(wavs, tmp_path / "dump")
    again = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "dump").glob("*.ark")}
    assert sum(again[name] != times[name] for name in times) == 1
    extract(wavs, tmp_path / "clean")
    assert contents(tmp_path / "dump") == contents(tmp_path / "clean")


def test_many_faults_are_listed_only_in_the_file(tmp_path):
    with pytest.raises(DataError) as caught:
        raise_faults({f"utt{number:02d}": "a\tb\nc" for number in range(30)}, tmp_path)
    assert "and 10 more, listed in" in str(caught.value) and f"[the names in {tmp_path}" in str(caught.value)
    assert (tmp_path / "unusable.tsv").read_text().splitlines()[30] == "utt29\ta b c"


def test_odd_audio_is_used_and_noted(tmp_path, no_workers):
    wavs = make_wavs(tmp_path / "wavs", [20, 9000, 9000, 9000, 9000])
    soundfile.write(wavs["utt001"], np.zeros(9000), 16000)
    samples = soundfile.read(wavs["utt002"])[0]
    soundfile.write(wavs["utt002"], np.stack([samples, samples], axis=1), 16000)
    soundfile.write(wavs["utt003"], samples, 44100)
    flac = Path(wavs["utt004"]).with_suffix(".flac")
    soundfile.write(flac, samples, 16000)
    flac.rename(wavs["utt004"])  # a wrong extension does not matter, the content decides
    extract(wavs, tmp_path / "dump")
    assert (tmp_path / "dump/notes.tsv").read_text().splitlines() == [
        "utt\tnote",
        "utt000\ttoo short for the model and padded with zeros",
        "utt001\tsilent",
        "utt002\taveraged over their channels",
        "utt003\tresampled to 16000 Hz",
    ]
    assert np.isfinite(load_pooled(tmp_path / "dump/feats.scp", list(wavs))).all()


def run(command, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


KILLED = """
import os, signal, sys
from pathlib import Path
from ambiser.features.extraction import speech as extract
from ambiser.features.extraction.shard_work import Facts, extract_shard
from ambiser.io.console import run_main, set_up_logging

class Doomed:
    layers, dim, minimum_samples, batch_samples, device = 1, 2, 400, 0, "cpu"
    def extract_batch(self, wavs):
        import numpy as np
        if len(wavs[0]) == 8888:
            os.kill(os.getpid(), signal.SIGKILL)
        return [[np.full((3, 2), len(wav), np.float32)] for wav in wavs]
    def is_short(self, samples):
        return False
    is_long = is_short

def make(argument):
    speech, folder, trial = argument
    upstream = Doomed()
    return lambda shard: extract_shard(shard, upstream, speech, folder), Facts(1, 2, 50.0, "cpu")

extract.make_worker = make
def main():
    set_up_logging()
    wavs = dict(word.split("=") for word in sys.argv[2:])
    extract.extract_speech(wavs, {}, extract.SpeechFeatures(), folder=Path(sys.argv[1]), nj=2)
if __name__ == "__main__":
    run_main(main)
"""


def test_a_worker_killed_by_the_kernel_costs_its_shard_only(tmp_path):
    wavs = make_wavs(tmp_path / "wavs", [8000 + 8 * n for n in range(120)])
    victim = next(utt for utt, wav in wavs.items() if soundfile.info(wav).frames == 8888)
    (tmp_path / "program.py").write_text(KILLED)
    command = [sys.executable, tmp_path / "program.py", tmp_path / "dump", *(f"{u}={w}" for u, w in wavs.items())]
    done = run(command, tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert f"killed by signal 9 at {victim}; its task is retried" in done.stderr
    assert f"{victim}: {wavs[victim]}: its worker was killed by signal 9" in done.stderr
    assert len(list((tmp_path / "dump").glob("*.ark"))) == 1 and not (tmp_path / "dump/feats.scp").exists()
    without = [sys.executable, tmp_path / "program.py", tmp_path / "dump"]
    without += [f"{utt}={wav}" for utt, wav in wavs.items() if utt != victim]
    done = run(without, tmp_path)
    assert done.returncode == 0 and "1 shards are done already" in done.stderr, done.stderr


def test_a_full_disk_is_one_line_and_keeps_finished_shards(tmp_path, environment, python):
    """A limit on the size of files stands in for a full disk: writing fails in the middle of the second shard."""
    wavs = make_wavs(tmp_path / "wavs", [8000] * 105 + [320000])
    write_data(tmp_path / "data", wavs)
    (tmp_path / "x.yaml").write_text("ssl: fbank\namber: {student: A, guidance: 0, teacher: 0}\n")
    options = ["--config", "x.yaml", "--nj", "1", "--set", "speech_features.form=frames"]
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]  # a server that this command starts may raise its limit
    done = subprocess.run(
        [python, "-m", "ambiser.bin.extract", *options],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60000, most)),
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "cannot be written: File too large" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "dump/fbank_frames/feats.scp").exists()
    assert list((tmp_path / "dump/fbank_frames").glob(".*.tmp")) == []


def test_constant_pooled_features_are_refused_at_every_run(wavs, tmp_path, no_workers):
    for _ in range(2):
        # The second time no worker starts.
        with pytest.raises(UserError, match="fbank gives every utterance the same means"):
            extract(wavs, tmp_path, SpeechFeatures(upstream="fbank", statistics="mean_std"))
        assert not (tmp_path / "feats.scp").exists()


def test_frames_of_a_hugging_face_model_are_stored(wavs, tmp_path, speech_folders, no_workers):
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


def test_frames_of_all_layers_can_be_stored_in_half_the_size(
    wavs, tmp_path, speech_folders, caplog, monkeypatch, no_workers
):
    monkeypatch.setattr(log, "propagate", True)
    speech = SpeechFeatures(
        upstream="hf_hubert_custom", checkpoint=str(speech_folders["hubert"]), form="frames_all", storage="half"
    )
    with caplog.at_level("INFO"):
        extract(wavs, tmp_path, speech)
    (ark,) = tmp_path.glob("*.ark")
    utts = list(wavs)
    frames = load_frames(tmp_path / "feats.scp", utts)
    assert load_layers(tmp_path / "feats.scp") == 3 and frames.width == 3 * 16
    assert ark.stat().st_size == sum(2 * matrix.size + len(utt) + 23 for utt, matrix in zip(utts, frames, strict=True))
    upstream = load_upstream(speech)
    worst = 0.0
    for utt, matrix in zip(utts, frames, strict=True):
        hidden = upstream.extract(read_audio(Path(wavs[utt])))
        exact = np.stack(hidden, axis=1).reshape(len(hidden[0]), -1)  # (T, L·D)
        assert np.abs(matrix - exact).max() <= 0.51 * np.ptp(exact) / 65535 + 1e-6
        worst = max(worst, np.abs(matrix - exact).max())
    said = re.search(r"2 bytes per value, largest error (\S+), or (\S+) of a matrix's norm", caplog.text)
    assert float(said[1]) == pytest.approx(worst, rel=0.05) and 0 < float(said[2]) < 1e-3


@pytest.mark.parametrize("weights", [[0, 0, 2], [1, 2, 5]])
def test_a_weighted_sum_of_layers_can_be_stored(weights):
    hidden = list(np.random.default_rng(0).standard_normal((3, 7, 4)).astype(np.float32))
    summed = reduce_hidden_states(hidden, SpeechFeatures(form="frames", layer_weights=weights))
    np.testing.assert_allclose(summed, np.average(hidden, axis=0, weights=weights), atol=1e-6)
    assert summed.dtype == np.float32
    with pytest.raises(ConfigError, match="layer_weights: .* has 3 layers, got 2 weights"):
        reduce_hidden_states(hidden, SpeechFeatures(form="frames", layer_weights=[1, 2]))


def test_layer_weights_need_frames_and_a_weight_above_zero():
    with pytest.raises(ValidationError, match="layer_weights goes with form: frames, not pooled"):
        SpeechFeatures(layer_weights=[1, 2])
    with pytest.raises(ValidationError, match="a weight above 0"):
        SpeechFeatures(form="frames", layer_weights=[0, 0])


@pytest.mark.parametrize(
    ("choice", "size"),
    [
        ({"form": "pooled"}, 2 * (25 * 1024 * 4 + 100)),
        ({"form": "frames"}, 500 * 1024 * 4 + 200),
        ({"form": "frames_all"}, 500 * 25 * 1024 * 4 + 200),
        ({"form": "frames_all", "storage": "half"}, 500 * 25 * 1024 * 2 + 200),
    ],
)
def test_the_estimated_disk_space_fits_the_form(tmp_path, monkeypatch, choice, size):
    usage = namedtuple("usage", "total used free")
    shard = Shard(1, {"a": Path("a.wav"), "b": Path("b.wav")}, "")
    speech = SpeechFeatures(**choice)
    tell = forecast.Forecast([shard], {"a": 4, "b": 6}, speech, tmp_path, kept=0, processes=1)
    for free, fits in ((size + forecast._SPARE_BYTES, True), (size + forecast._SPARE_BYTES - 1, False)):
        monkeypatch.setattr(forecast.shutil, "disk_usage", lambda folder, free=free: usage(0, 0, free))
        if fits:
            tell(Facts(25, 1024, 50.0, "cpu"))
        else:
            with pytest.raises(DataError, match="the features need"):
                tell(Facts(25, 1024, 50.0, "cpu"))


def test_configuration_errors_leave_the_worker(wavs, tmp_path, forked_workers):
    with pytest.raises(ConfigError, match="must be 0 to 0"):
        extract(wavs, tmp_path, SpeechFeatures(upstream="fbank", form="frames", layer=7))
    with pytest.raises(DataError, match="no utterances to extract"):
        extract({}, tmp_path)


def test_too_little_disk_stops_before_the_first_byte(wavs, tmp_path, monkeypatch, no_workers):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(forecast.shutil, "disk_usage", lambda folder: usage(10**9, 10**9 - 1234, 1_234_000))
    with pytest.raises(DataError, match=r"need \d+ kB plus 50.0 MB in reserve, 1.2 MB are free"):
        extract(wavs, tmp_path)
    assert list(tmp_path.glob("*.ark")) == []
