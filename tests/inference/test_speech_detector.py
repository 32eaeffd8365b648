"""Voice activity detection: segments of speech become windows; the detector itself where silero-vad is installed."""

import sys

import numpy as np
import pytest
import soundfile
from inference.conftest import make_tone

from ambiser.corpora.mini.voices import Prosody, Speaker, plan_units, speak
from ambiser.errors import ConfigError, DataError, UserError
from ambiser.inference import recordings
from ambiser.inference.recordings import Cutting, read_windows
from ambiser.inference.speech_detector import SpeechDetector
from ambiser.io.audio import load_audio


class FixedDetector:
    """Returns segments that a test chooses, and keeps what it heard."""

    def __init__(self, *segments):
        self.found, self.heard = list(segments), np.empty(0)

    def segments(self, blocks):
        self.heard = np.concatenate(list(blocks))
        return self.found


@pytest.mark.parametrize(
    ("window", "hop", "segments", "spans"),
    [
        (0, 0, [(0.5, 1.5), (2, 2.25)], [(0.5, 1.5), (2, 2.25)]),
        (0.5, 0, [(0.5, 1.75), (2, 2.25)], [(0.5, 1), (1, 1.5), (1.5, 1.75), (2, 2.25)]),
        (1, 0.5, [(0, 2), (2.5, 3)], [(0, 1), (0.5, 1.5), (1, 2), (2.5, 3)]),
        (0, 0, [(1, 62)], [(1, 21.3335), (21.3335, 41.667), (41.667, 62)]),
    ],
)
def test_speech_is_cut_into_windows(tmp_path, window, hop, segments, spans):
    path = make_tone(tmp_path / "a.wav", seconds=max(end for _, end in segments) + 1, rate=2000)
    made = list(read_windows(path, Cutting(window, hop, speech_only=True), FixedDetector(*segments)))
    assert [(one.start_s, one.end_s) for one in made] == spans
    assert [len(one.wav) for one in made] == [round(16000 * (end - start)) for start, end in spans]


def test_the_detector_hears_one_channel_at_16_khz(tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "_BLOCK_S", 1)
    path = make_tone(tmp_path / "a.wav", seconds=2.3, rate=44100, channels=2)  # three blocks
    detector = FixedDetector((0, 1))
    list(read_windows(path, Cutting(channel=2, speech_only=True), detector))
    (expected,) = read_windows(path, Cutting(channel=2))
    assert len(detector.heard) == len(expected.wav)
    np.testing.assert_allclose(detector.heard[100:-100], expected.wav[100:-100], atol=0.01)


def test_a_recording_without_speech_is_named(tmp_path):
    path = make_tone(tmp_path / "a.wav")
    with pytest.raises(DataError, match="a.wav: holds no speech that --vad finds; leave out --vad"):
        list(read_windows(path, Cutting(speech_only=True), FixedDetector()))


def test_without_the_package_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(ConfigError, match=r"--vad needs the package silero-vad; run pip install silero-vad"):
        SpeechDetector()


def test_speech_is_found_between_pauses_without_a_network(ambiser, packed, tmp_path):
    pytest.importorskip("silero_vad", reason="silero-vad is not installed: voice activity detection was not tested")
    rng = np.random.default_rng(1)
    words = plan_units(["some", "words", "about", "the", "weather"], rate=1, rng=rng, shortest_s=2, longest_s=2)
    speaker, prosody = Speaker(140, 1, 0, 0.8, 0.1, 1), Prosody(0, 3, -2, 0, 0, 0, 1, 0.01, 1)
    voice = speak(words, speaker=speaker, prosody=prosody, rng=rng) / 32768  # 2 s
    pause = np.zeros(24000)
    soundfile.write(tmp_path / "a.wav", np.concatenate([pause, voice, pause, voice]), 16000)
    make_tone(tmp_path / "noise.wav", seconds=1)
    with pytest.raises(UserError, match="noise.wav: holds no speech"):
        ambiser("predict", packed, tmp_path, "--vad", "--output", tmp_path / "out.tsv")
    rows = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()[1:]]
    spans = [(float(row[1]), float(row[2])) for row in rows]
    near = [(pytest.approx(start, abs=0.3), pytest.approx(start + 2, abs=0.3)) for start in (1.5, 5)]
    assert spans == near
    assert rows[0][-2] == "speech segments, whole"
    whole = load_audio(tmp_path / "a.wav")[0]
    parts = (whole[at : at + 5001] for at in range(0, len(whole), 5001))
    again = SpeechDetector().segments(parts)  # in other blocks
    assert [(round(start, 3), round(end, 3)) for start, end in again] == spans
