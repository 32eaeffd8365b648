"""Reading recordings: windows, channels, formats, and files with a fault."""

import io
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from inference.conftest import make_tone

from ambiser.errors import DataError
from ambiser.inference.recordings import Cutting, read_windows
from ambiser.inference.sources import Source, find_text, list_sources, read_texts
from ambiser.inference.standard_input import StandardInput
from ambiser.io.audio import load_audio


@pytest.mark.parametrize(
    ("seconds", "window", "hop", "spans"),
    [
        (2.0, 0, 0, [(0, 2)]),
        (2.0, 1, 0, [(0, 1), (1, 2)]),
        (2.5, 1, 0, [(0, 1), (1, 2), (2, 2.5)]),
        (2.0, 1, 0.5, [(0, 1), (0.5, 1.5), (1, 2)]),
        (2.2, 1, 0.5, [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.2)]),
        (0.5, 1, 0.5, [(0, 0.5)]),
        (3.0, 0.5, 1, [(0, 0.5), (1, 1.5), (2, 2.5)]),
    ],
)
def test_windows_cover_a_recording(tmp_path, seconds, window, hop, spans):
    path = make_tone(tmp_path / "a.wav", seconds=seconds)
    made = list(read_windows(path, Cutting(window, hop)))
    assert [(one.start_s, one.end_s) for one in made] == spans
    whole = load_audio(path)[0]
    for one in made:
        np.testing.assert_array_equal(one.wav, whole[round(one.start_s * 16000) : round(one.end_s * 16000)])


def test_a_channel_is_taken_alone(tmp_path):
    path = make_tone(tmp_path / "a.wav", channels=3)
    samples = soundfile.read(path, dtype="float32")[0]
    (window,) = read_windows(path, Cutting(channel=2))
    np.testing.assert_array_equal(window.wav, samples[:, 1])
    with pytest.raises(DataError, match="a.wav: has 3 channels, so there is no --channel 4"):
        list(read_windows(path, Cutting(channel=4)))


def test_other_formats_are_decoded_by_ffmpeg(tmp_path):
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    wav, other = make_tone(tmp_path / "a.wav", rate=44100), tmp_path / "- a:b.m4a"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, f"file:{other}"], check=True)
    (window,) = read_windows(other, Cutting())
    expected = load_audio(wav)[0]
    shared = min(len(expected), len(window.wav))
    assert shared > 0.9 * len(expected)
    assert np.corrcoef(expected[1000 : shared - 1000], window.wav[1000 : shared - 1000])[0, 1] > 0.8


def test_without_ffmpeg_the_message_says_so(tmp_path, monkeypatch):
    path = tmp_path / "a.m4a"
    path.write_bytes(b"no audio at all" * 100)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DataError, match="a.m4a: is not readable audio for soundfile; convert it to wav, or install"):
        list(read_windows(path, Cutting()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "bad.wav: is missing"),
        (b"", r"bad.wav: is empty \(0 bytes\)"),
        (b"this is no audio\n" * 50, "bad.wav: is not readable audio"),
    ],
)
def test_a_file_that_is_no_audio_is_named(tmp_path, content, message):
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(read_windows(path, Cutting()))
    assert "\n" not in str(caught.value) and "ambiser-" not in str(caught.value)


@pytest.mark.parametrize("window", [0, 0.1])
def test_samples_that_are_not_finite_are_refused(tmp_path, window):
    path = tmp_path / "nan.wav"
    samples = np.zeros(16000, np.float32)
    samples[9000] = np.nan
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    with pytest.raises(DataError, match="nan.wav: holds samples that are not finite"):
        list(read_windows(path, Cutting(window)))


def test_files_folders_patterns_tables_and_lists_are_expanded(tmp_path):
    for name in ("a.wav", "d/b.flac", "d/e/c.WAV"):
        make_tone(tmp_path / name)
    (tmp_path / "d" / "notes.txt").write_text("no audio")
    (tmp_path / "wav.scp").write_text(f"u1 {tmp_path}/a.wav\nu2 {tmp_path}/gone.wav\n")
    words = [f"{tmp_path}/a.wav", f"{tmp_path}/d", f"{tmp_path}/*.wav", f"{tmp_path}/wav.scp", "-"]
    sources, faults = list_sources(words, StandardInput(io.BytesIO(f"x y.wav\n{tmp_path}/a.wav".encode())).sources)
    assert [source.name.removeprefix(f"{tmp_path}/") for source in sources] == [
        *("a.wav", "d/b.flac", "d/e/c.WAV", "u1", "u2", "x y.wav"),
    ]
    assert faults == {}


def test_words_without_audio_are_faults(tmp_path):
    (tmp_path / "empty").mkdir()
    _, faults = list_sources([f"{tmp_path}/empty", f"{tmp_path}/*.mp3", "-"])
    assert [fault.rpartition(": ")[2] for fault in faults.values()] == [
        "holds no audio file",
        "matches no file",
        "standard input is empty; give a recording, or one path per line",
    ]


@pytest.mark.parametrize("name", ["a\tb.wav", "a\nb.wav", "a\udcff.wav"])
def test_a_name_that_fits_into_no_line_is_a_fault(name):
    sources, faults = list_sources([name, "good.wav"])
    assert [source.name for source in sources] == ["good.wav"]
    assert faults[name].endswith(": a name must be UTF-8 without tab or line break; rename the file")
    assert faults[name].isascii() and len(faults[name].splitlines()) == 1


@pytest.mark.parametrize("content", ["file\ttext\na.wav\tso happy\n", "a so happy\n", "/x/a.wav so happy\n"])
def test_texts_are_found_by_name_file_and_stem(tmp_path, content):
    (tmp_path / "text").write_text(content)
    texts = read_texts(tmp_path / "text")
    from pathlib import Path

    assert find_text(texts, Source("/x/a.wav", Path("/x/a.wav"))) == "so happy"
    with pytest.raises(DataError, match="b.wav: has no text in the table of --text"):
        find_text(texts, Source("b", Path("/x/b.wav")))
