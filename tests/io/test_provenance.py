"""Checks the state of the checkout that results name."""

import os
import subprocess

import pytest

from ambiser.io import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of one commit, which stands for the one that holds the package."""
    file = tmp_path / "ambiser" / "io" / "provenance.py"
    file.parent.mkdir(parents=True)
    file.write_text("first\n")
    author = ["-c", "user.name=A", "-c", "user.email=a@b.example"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "First"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance, "__file__", str(file))
    provenance.git_state.cache_clear()
    yield tmp_path
    provenance.git_state.cache_clear()


def test_the_state_is_the_commit_and_whether_files_of_it_changed(checkout):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout[:12]
    (checkout / "new.txt").write_text("not part of the commit\n")
    assert provenance.git_state() == commit
    provenance.git_state.cache_clear()
    (checkout / "ambiser" / "io" / "provenance.py").write_text("second\n")
    assert provenance.git_state() == f"{commit}-dirty"


def test_the_state_is_read_without_writing_to_the_checkout(checkout):
    os.utime(checkout / "ambiser" / "io" / "provenance.py", (1, 1))  # git would note the new time in its index
    before = (checkout / ".git" / "index").read_bytes()
    assert not provenance.git_state().endswith("-dirty")
    assert (checkout / ".git" / "index").read_bytes() == before


def test_outside_a_checkout_the_state_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "ambiser" / "io" / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    provenance.git_state.cache_clear()
    assert provenance.git_state() == "unknown"
    provenance.git_state.cache_clear()
