import numpy as np
import pytest
import soundfile

from ambiser.errors import DataError
from ambiser.io import audio
from ambiser.io.audio import load_audio, read_audio, read_info


def tone(rate, seconds=0.5, hz=440.0):
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def test_mono_at_the_requested_rate_is_read_unchanged(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(16000), 16000, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav"), tone(16000))
    info = read_info(tmp_path / "a.wav")
    assert (info.sample_rate_hz, info.channels, info.samples, info.duration_s) == (16000, 1, 8000, 0.5)


def test_channels_are_averaged(tmp_path):
    stereo = np.stack([tone(16000), 0.5 * tone(16000)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 16000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), 0.75 * tone(16000), atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate), rate, subtype="FLOAT")
    read = read_audio(tmp_path / "a.wav")
    assert read.dtype == np.float32 and len(read) == 8000
    np.testing.assert_allclose(read[500:-500], tone(16000)[500:-500], atol=1e-3)


def test_flac_is_read(tmp_path):
    soundfile.write(tmp_path / "a.flac", tone(16000), 16000)
    np.testing.assert_allclose(read_audio(tmp_path / "a.flac"), tone(16000), atol=1e-4)


def broken(tmp_path, kind):
    path = tmp_path / "a.wav"
    if kind == "missing":
        return path
    soundfile.write(path, tone(16000), 16000, subtype="PCM_16")
    whole = path.read_bytes()
    if kind == "0 bytes":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(whole[:2000])
    elif kind == "not readable audio":
        path.write_bytes(b"this is text\n" * 100)
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16000)
    else:
        samples = tone(16000)
        samples[7] = {"not finite": np.nan, "infinite": np.inf}[kind]
        soundfile.write(path, samples, 16000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    "kind", ["missing", "0 bytes", "truncated", "not readable audio", "no samples", "not finite", "infinite"]
)
def test_unusable_audio_is_named_with_its_fault(tmp_path, kind):
    path = broken(tmp_path, kind)
    with pytest.raises(DataError, match=kind) as caught:
        read_audio(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_file_without_permission_is_reported_with_the_systems_reason(tmp_path, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    soundfile.write(tmp_path / "a.wav", tone(16000), 16000)
    monkeypatch.setattr(audio, "open", refuse, raising=False)  # the tests may run as root, who may read everything
    with pytest.raises(DataError, match=r"a.wav: cannot be read: Permission denied$"):
        read_audio(tmp_path / "a.wav")


def test_long_audio_is_read_in_blocks_to_the_same_samples(tmp_path, monkeypatch):
    stereo = np.stack([tone(44100), 0.5 * tone(44100)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44100, subtype="FLOAT")
    whole, info = load_audio(tmp_path / "a.wav")
    monkeypatch.setattr(audio, "_BLOCK", 1000)
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav")[0], whole)
    assert (info.sample_rate_hz, info.channels) == (44100, 2)


def test_a_wav_truncated_at_any_length_is_an_error(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000, 0.02), 16000, subtype="PCM_16")
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="a.wav"):
            read_audio(path)


def test_a_truncated_float_wav_is_an_error(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000), 16000, subtype="FLOAT")
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(DataError, match="a.wav"):
        read_audio(path)
