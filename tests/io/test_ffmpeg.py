"""ffmpeg opens files only, writes a bounded wav, and its messages are the reason for a failure."""

import pytest

from ambiser.io import ffmpeg


@pytest.fixture
def program(tmp_path):
    """A function that makes a program in place of ffmpeg: it notes its words and runs a line of shell."""

    def made(line):
        path = tmp_path / "ffmpeg"
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\nfor target; do :; done\n{line}\n')
        path.chmod(0o755)
        return str(path)

    return made


def _decode(program, tmp_path):
    return ffmpeg.decode(program, tmp_path / "-odd:name.m4a", tmp_path / "out.wav", ("-c:a", "pcm_s16le"))


def test_only_files_are_opened_whatever_their_name_and_the_size_is_bounded(program, tmp_path):
    assert _decode(program('echo wav > "${target#file:}"'), tmp_path) == ""
    words = (tmp_path / "words").read_text().splitlines()
    assert words[words.index("-protocol_whitelist") + 1] == "file"
    assert words[words.index("-i") + 1] == f"file:{tmp_path}/-odd:name.m4a" and words[-1] == f"file:{tmp_path}/out.wav"
    assert int(words[words.index("-fs") + 1]) == 2**33 and words[words.index("-c:a") + 1] == "pcm_s16le"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("echo one >&2; echo two >&2; exit 1", "one\ntwo"),
        ("exit 3", "status 3"),
        ("echo Stream map '' matches no streams. >&2; echo To ignore this, ... >&2; exit 1", ffmpeg.NO_AUDIO),
        ("true", "status 0"),
    ],
)
def test_the_reason_for_a_failure_is_returned(program, tmp_path, line, reason):
    assert _decode(program(line), tmp_path) == reason


def test_more_audio_than_the_bound_is_refused(program, tmp_path, monkeypatch):
    monkeypatch.setattr(ffmpeg, "_MOST_BYTES", 100)
    assert _decode(program('head -c 100 /dev/zero > "${target#file:}"'), tmp_path) == ffmpeg.TOO_LONG
