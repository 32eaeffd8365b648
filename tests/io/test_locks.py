import logging
import multiprocessing
import os
import re
import signal
import threading
import time

import pytest

from ambiser.errors import DataError
from ambiser.io.locks import hold

FORK = multiprocessing.get_context("fork")


def hold_until(path, connection):
    with hold(path):
        connection.send("held")
        connection.recv()


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock, and the connection by which it lets go."""
    here, there = FORK.Pipe()
    process = FORK.Process(target=hold_until, args=(tmp_path / "f/.x.lock", there))
    process.start()
    assert here.recv() == "held"
    yield process, here
    process.kill()
    process.join(30)


def test_a_lock_names_its_holder_and_leaves_nothing(tmp_path):
    path = tmp_path / "f/.x.lock"
    for _ in range(2):
        with hold(path):
            assert re.fullmatch(rf"process {os.getpid()} on \S+ since \S+", path.read_text())
        assert list((tmp_path / "f").iterdir()) == []


def test_a_second_process_that_cannot_wait_says_who_holds_the_folder(tmp_path, holder):
    text = rf"f: process {holder[0].pid} on \S+ since \S+ writes here \(\.x\.lock\); wait for its end"
    with pytest.raises(DataError, match=text), hold(tmp_path / "f/.x.lock", wait=False):
        pass


def test_a_second_process_waits_and_says_for_whom(tmp_path, holder, caplog):
    process, connection = holder
    caplog.set_level(logging.INFO, "ambiser")
    threading.Timer(0.1, connection.send, ["let go"]).start()
    started = time.monotonic()
    with hold(tmp_path / "f/.x.lock"):
        assert time.monotonic() - started > 0.05
        assert (tmp_path / "f/.x.lock").read_text().startswith(f"process {os.getpid()} ")
    assert f"process {process.pid} on" in caplog.text and "waiting for its end" in caplog.text
    assert list((tmp_path / "f").iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path, holder):
    os.kill(holder[0].pid, signal.SIGKILL)
    holder[0].join(30)
    with hold(tmp_path / "f/.x.lock", wait=False):
        pass
    assert list((tmp_path / "f").iterdir()) == []


def count_up(folder, rounds):
    for _ in range(rounds):
        with hold(folder / ".x.lock"):
            number = int((folder / "n").read_text())
            (folder / "n").write_text(str(number + 1))


def test_only_one_process_at_a_time_is_inside(tmp_path):
    (tmp_path / "n").write_text("0")
    processes = [FORK.Process(target=count_up, args=(tmp_path, 25)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert (tmp_path / "n").read_text() == "75"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "f").write_text("")
    with (
        pytest.raises(DataError, match=r"f/\.x\.lock: cannot be written: (File exists|Not a directory)"),
        hold(tmp_path / "f/.x.lock"),
    ):
        pass


def test_a_disk_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    import errno
    import fcntl

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with hold(tmp_path / ".x.lock", wait=False):
        pass
