import hashlib
import os

import pytest

from ambiser.features.extraction.fingerprints import file_digest, fingerprint, is_same, weights_digest


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"x" * 3_000_000)
    return path


def test_a_file_is_identified_by_size_time_and_content(path):
    status = path.stat()
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    assert fingerprint(path) == [status.st_size, status.st_mtime_ns, content] and file_digest(path) == content


def test_a_touched_or_moved_file_is_the_same_and_other_content_of_the_same_size_is_not(path, tmp_path):
    known = fingerprint(path)
    assert is_same(path, known)
    os.utime(path, ns=(1, 1))
    assert is_same(path, known)
    moved = path.rename(tmp_path / "b.wav")
    assert is_same(moved, known)
    moved.write_bytes(b"x" * 2_999_999 + b"y")
    assert not is_same(moved, known)
    moved.write_bytes(b"x" * 3_000_001)
    assert not is_same(moved, known)
    moved.unlink()
    assert not is_same(moved, known)


def test_the_content_is_not_read_if_size_and_time_are_unchanged(path):
    known = fingerprint(path)
    path.write_bytes(b"y" * 3_000_000)
    os.utime(path, ns=(known[1], known[1]))
    assert is_same(path, known)  # as git and make take it


def test_words_are_identified_by_their_text():
    assert is_same("so sad", fingerprint("so sad")) and not is_same("so sad", fingerprint("so  sad"))


def test_weights_are_identified_by_the_content_of_their_files(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / ".cache").write_text(folder.name)
        (folder / "README.md").write_text(folder.name)
    assert weights_digest(str(folders[0])) == weights_digest(str(folders[1])) != ""
    (tmp_path / "model.pt").write_bytes(b"weights")
    assert weights_digest(str(tmp_path / "model.pt")) == hashlib.sha256(b"weights").hexdigest()
    third = tmp_path / "three"
    third.mkdir()
    (third / "config.json").write_text("{}")
    (third / "model.safetensors").write_bytes(b"others")
    assert weights_digest(str(third)) not in {"", weights_digest(str(folders[0]))}
    assert weights_digest("") == weights_digest("google-bert/bert-base-uncased") == ""
